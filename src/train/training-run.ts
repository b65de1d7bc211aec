// A run as `fit` returns it: a stream of events for `for await`, or a promise of the history for `await`; one or the other, and
// lazy: nothing happens before the first event is requested or the run is awaited.
import { OptionError } from '../graph/errors.ts';
import type { FitEvent, History } from './events.ts';

/**
 * A run: `for await (const event of run)` reads its events, and leaving the loop stops it; `await run` trains to the end and
 * resolves with the history. It starts at the first of these.
 * @throws OptionError where a second consumer reads or awaits it while the first one reads.
 */
export class TrainingRun<E extends FitEvent = FitEvent> implements AsyncIterableIterator<E>, PromiseLike<History> {
  readonly #events: AsyncGenerator<E, void, undefined>;
  readonly #history: History;
  #read = false;
  #done = false;
  #awaited: Promise<History> | undefined;

  constructor(events: AsyncGenerator<E, void, undefined>, history: History) {
    this.#events = events;
    this.#history = history;
  }

  [Symbol.asyncIterator](): this {
    if (this.#read) throw new OptionError('fit: the events of this run have a reader. Call fit for another run.');
    this.#read = true;
    return this;
  }

  async next(): Promise<IteratorResult<E, undefined>> {
    if (this.#awaited)
      throw new OptionError('fit: this run is awaited, so its events cannot be read. Read them or await it.');
    this.#read = true;
    return this.#next();
  }

  /** Stops the run after the steps under way. */
  async return(): Promise<IteratorResult<E, undefined>> {
    this.#done = true;
    await this.#events.return();
    return { done: true, value: undefined };
  }

  /** Trains to the end; what `await` calls. Of a run whose events were read to the end, the history at once. */
  // biome-ignore lint/suspicious/noThenProperty: a run is awaited
  then<T = History, U = never>(
    fulfilled?: ((history: History) => T | PromiseLike<T>) | null,
    rejected?: ((error: unknown) => U | PromiseLike<U>) | null,
  ): Promise<T | U> {
    return this.#toEnd().then(fulfilled, rejected);
  }

  async #toEnd(): Promise<History> {
    if (this.#read && !this.#done)
      throw new OptionError(
        'fit: the events of this run have a reader, so it cannot be awaited. Take trainer.history after the loop.',
      );
    this.#awaited ??= this.#rest();
    return this.#awaited;
  }

  async #rest(): Promise<History> {
    while (!this.#done) await this.#next();
    return this.#history;
  }

  async #next(): Promise<IteratorResult<E, undefined>> {
    try {
      const { done, value } = await this.#events.next();
      if (!done) return { done, value: value as E };
      this.#done = true;
    } catch (error) {
      this.#done = true;
      this.#awaited = Promise.reject(error);
      this.#awaited.catch(() => {});
      throw error;
    }
    return { done: true, value: undefined };
  }
}
