// How fast a run goes: training time without compilation, looks at the test images and pauses, and the rate of the last moments.

/** Milliseconds over which the rate is taken. */
const WINDOW = 1500;

interface Sample {
  readonly ms: number;
  readonly step: number;
}

export class Meter {
  /** Training time in milliseconds. */
  elapsedMs: number;
  /** From the beginning of the run to its first step's answer. */
  compileMs: number | undefined;
  readonly #now: () => number;
  /** When training time was last counted; undefined while none passes. */
  #mark: number | undefined;
  #samples: Sample[] = [];

  constructor(now: () => number, elapsedMs = 0) {
    this.#now = now;
    this.elapsedMs = elapsedMs;
  }

  /** Training time passes from now on. */
  start(): void {
    this.#mark = this.#now();
  }

  /** It does not pass until the next start: a pause, a look at the test images. */
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

  /** The first step is done: what came before it was compilation. */
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

  /** Steps a second of training time; undefined until two moments are known. */
  get stepsPerSecond(): number | undefined {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.ms <= first.ms) return undefined;
    return (1000 * (last.step - first.step)) / (last.ms - first.ms);
  }
}

/** An exponential mean, free of its bias towards 0. */
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
