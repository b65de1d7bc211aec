// A trainer's lifetime: what it is doing, and its end. Once disposed it refuses everything, and its memory is released when
// nothing is in flight any more: a buffer destroyed under a submit would take the device with it.
import { DeviceError, OptionError } from '../graph/errors.ts';

export function disposedError(): DeviceError {
  return new DeviceError('trainer: it was disposed. Create a new one with new Trainer(…).');
}

export class Lifetime {
  readonly #release: () => void;
  /** What waits for the submits of streams that stand still at an event. */
  readonly #standing = new Set<() => Promise<void>>();
  #pending = 0;
  #over = false;
  #released = false;

  constructor(release: () => void) {
    this.#release = release;
  }

  get over(): boolean {
    return this.#over;
  }

  /** @throws DeviceError after {@link end}. */
  check(): void {
    if (this.#over) throw disposedError();
  }

  /** @throws OptionError, by the name of a call, while another one is under way. */
  alone(what: string): void {
    if (this.#pending > 0) throw new OptionError(`${what}: another call of the trainer is under way. Await it first.`);
  }

  /** Does `work`, for which memory is kept. Where the end came meanwhile, that is what it rejects with, whatever came of it. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.check();
    try {
      return await this.#hold(work);
    } finally {
      this.check();
    }
  }

  /** Hands a stream's values on. It may stand still at any of them; `drain` then waits for what it has in flight. */
  async *stream<T>(
    values: AsyncGenerator<T, void, undefined>,
    drain: () => Promise<void>,
  ): AsyncGenerator<T, void, undefined> {
    try {
      for (;;) {
        const { done, value } = await this.during(() => values.next());
        if (done) return;
        this.#standing.add(drain);
        try {
          yield value;
        } finally {
          this.#standing.delete(drain);
        }
      }
    } finally {
      await this.#hold(() => values.return());
    }
  }

  /** The end: at once where nothing is in flight, else as soon as that has drained. */
  end(): void {
    if (this.#over) return;
    this.#over = true;
    for (const drain of this.#standing) void this.#hold(drain);
    this.#settle();
  }

  async #hold<T>(work: () => Promise<T>): Promise<T> {
    this.#pending++;
    try {
      return await work();
    } finally {
      this.#pending--;
      this.#settle();
    }
  }

  #settle(): void {
    if (!this.#over || this.#pending > 0 || this.#released) return;
    this.#released = true;
    this.#release();
  }
}
