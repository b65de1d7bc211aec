// A trainer's lifetime: its pending calls, and its end. Once disposed it refuses every call, and its memory is released when nothing is
// in flight any more: destroying a buffer that a submit uses would lose the device.
import { DeviceError, OptionError } from '../graph/errors.ts';

export function disposedError(): DeviceError {
  return new DeviceError('trainer: it was disposed. Create a new one with new Trainer(…).');
}

export class Lifetime {
  readonly #release: () => void;
  /** Waits for the submits of streams suspended at an event. */
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

  /** @throws OptionError, naming the call `what`, while another one is in progress. */
  alone(what: string): void {
    if (this.#pending > 0)
      throw new OptionError(`${what}: another call of the trainer is in progress. Await it first.`);
  }

  /** Does `work` while keeping the memory. Rejects if the lifetime ended meanwhile, whatever the result. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.check();
    try {
      return await this.#hold(work);
    } finally {
      this.check();
    }
  }

  /** Yields a stream's values. The consumer may suspend it at any of them; `drain` then waits for its submits in flight. */
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

  /** Ends the lifetime: memory is released at once if nothing is in flight, else as soon as that is complete. */
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
