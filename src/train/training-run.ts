// A run as `fit` returns it: a stream of events for `for await`, or a promise of the history for `await`; one or the other, and
// lazy: nothing happens before the first event is requested, the run is awaited or stepped.
import { OptionError } from '../graph/errors.ts';
import { INSPECT } from '../graph/inspect.ts';
import { checkExtra } from '../graph/options.ts';
import type { FitEvent, History, StepEvent } from './events.ts';
import type { Gate } from './gate.ts';

/**
 * A run: `for await (const event of run)` reads its events, and leaving the loop stops it; `await run` trains to the end and
 * resolves with the history. It starts at the first of these, or at {@link step}.
 * @throws OptionError where a second consumer reads or awaits it while the first one reads.
 */
export class TrainingRun<E extends FitEvent = FitEvent> implements AsyncIterableIterator<E>, Promise<History> {
  readonly [Symbol.toStringTag] = 'TrainingRun';
  /** Trains to the end; `await` calls it. If the events were already read to the end, resolves with the history at once. */
  // biome-ignore lint/suspicious/noThenProperty: a run is awaited
  readonly then: Promise<History>['then'] = (fulfilled, rejected) => this.#toEnd().then(fulfilled, rejected);
  readonly catch: Promise<History>['catch'] = (rejected) => this.#toEnd().catch(rejected);
  readonly finally: Promise<History>['finally'] = (ended) => this.#toEnd().finally(ended);
  readonly #events: AsyncGenerator<E, void, undefined>;
  readonly #history: History;
  readonly #gate: Gate;
  #read = false;
  #done = false;
  #awaited: Promise<History> | undefined;

  /** @internal */
  constructor(events: AsyncGenerator<E, void, undefined>, history: History, gate: Gate) {
    this.#events = events;
    this.#history = history;
    this.#gate = gate;
  }

  /** @internal */
  [INSPECT](): string {
    const state = this.#done
      ? 'over'
      : this.paused
        ? 'paused'
        : this.#read || this.#awaited
          ? 'under way'
          : 'not begun';
    return `TrainingRun(${state}): await it, or read its events in a for await loop`;
  }

  [Symbol.asyncIterator](): this {
    if (this.#read) throw new OptionError('fit: the events of this run have a reader. Call fit for another run.');
    this.#read = true;
    return this;
  }

  async next(): Promise<IteratorResult<E, undefined>> {
    if (this.#awaited)
      throw new OptionError(
        'fit: this run is awaited, or began with step(), so its events cannot be read. Read them from the start, or await it.',
      );
    this.#read = true;
    return this.#next();
  }

  /** Stops the run after the steps under way. */
  async return(): Promise<IteratorResult<E, undefined>> {
    await this.#events.return();
    this.#end();
    return { done: true, value: undefined };
  }

  /** Pauses the run after the steps in flight. */
  pause(): void {
    if (!this.#done) this.#gate.pause();
  }

  get paused(): boolean {
    return this.#gate.paused;
  }

  /** Resumes a paused run. */
  resume(): void {
    this.#gate.resume();
  }

  /** Stops the run after the steps in flight; its stream or promise then ends. */
  stop(): void {
    this.#gate.stop();
  }

  /**
   * Makes one step and pauses the run; resolves with the step, or undefined if the run ended before, and rejects with the run's error.
   * Callbacks and the body of the run's own loop must not await it: the run is waiting for them.
   */
  async step(...extra: never[]): Promise<StepEvent | undefined> {
    checkExtra('step', extra);
    if (this.#done) throw new OptionError('step: the run is over. Call fit for another one.');
    const made = this.#gate.step();
    if (!this.#read) this.#toEnd().catch(() => {}); // told to who awaits the run
    return made;
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
      this.#end();
    } catch (error) {
      this.#end(error as Error);
      this.#awaited ??= Promise.reject(error);
      this.#awaited.catch(() => {});
      throw error;
    }
    return { done: true, value: undefined };
  }
  /** Nothing more comes: who waits for a step is told, with the error where there was one. */
  #end(error?: Error): void {
    this.#done = true;
    this.#gate.close(error);
  }
}
