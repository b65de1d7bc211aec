// The speed of a run: training time without compilation, evaluations and pauses, and the recent rate.

/** The window of the rate in milliseconds. */
const WINDOW = 1500;

interface Sample {
  readonly ms: number;
  readonly step: number;
}

export class Meter {
  /** Training time in milliseconds. */
  elapsedMs: number;
  /** From the start of the run to the result of its first step. */
  compileMs: number | undefined;
  readonly #now: () => number;
  /** When training time was last counted; undefined while the clock is stopped. */
  #mark: number | undefined;
  #samples: Sample[] = [];

  constructor(now: () => number, elapsedMs = 0) {
    this.#now = now;
    this.elapsedMs = elapsedMs;
  }

  /** Starts the clock. */
  start(): void {
    this.#mark = this.#now();
  }

  /** Stops the clock until the next start: for a pause or an evaluation. */
  stop(): void {
    this.#count(0);
    this.#mark = undefined;
  }

  /** The steps up to `step` are done; `apart` of the time since the last call was not training. */
  made(step: number, apart = 0): void {
    this.#count(apart);
    this.#samples.push({ ms: this.elapsedMs, step });
    const oldest = this.#samples.findIndex(({ ms }) => ms >= this.elapsedMs - WINDOW);
    if (oldest > 1) this.#samples = this.#samples.slice(oldest - 1);
  }

  /** The first step is complete: the time before it was compilation. */
  compiled(): void {
    this.compileMs = this.#mark === undefined ? 0 : this.#now() - this.#mark;
    this.start();
  }

  #count(apart: number): void {
    if (this.#mark === undefined) return;
    const now = this.#now();
    this.elapsedMs += Math.max(0, now - this.#mark - apart);
    this.#mark = now;
  }

  /** Steps per second of training time; undefined until two samples are known. */
  get stepsPerSecond(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.ms <= first.ms) return undefined;
    return (1000 * (last.step - first.step)) / (last.ms - first.ms);
  }
}

/** A bias-corrected exponential mean. */
export class Smooth {
  #sum = 0;
  #weight = 0;
  readonly #keep: number;

  constructor(keep = 0.98) {
    this.#keep = keep;
  }

  see(value: number): void {
    this.#sum = this.#keep * this.#sum + (1 - this.#keep) * value;
    this.#weight = this.#keep * this.#weight + (1 - this.#keep);
  }

  get value(): number | undefined {
    return this.#weight > 0 ? this.#sum / this.#weight : undefined;
  }
}
