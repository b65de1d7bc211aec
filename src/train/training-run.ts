// A run as `fit` returns it: a stream of events for `for await`, or a promise of the history for `await`; one or the other, and
// lazy: nothing happens before the first event is requested, the run is awaited or stepped.
import { OptionError } from '../graph/errors.ts';
import { INSPECT } from '../graph/inspect.ts';
import { checkExtra } from '../graph/options.ts';
import type { FitEvent, History, StepEvent } from './events.ts';
import type { Gate } from './gate.ts';

/**
 * A run: `for await (const event of run)` reads its events, and leaving the loop stops it; `await run` trains to the end and
 * resolves with the history. It starts at the first of these, or at {@link step}; both resume a run that `step` paused.
 * @throws OptionError if a second consumer reads or awaits it while the first one reads.
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
  /** The next event, requested on behalf of `step()`; the first event of a reader that comes later. */
  #ahead: Promise<IteratorResult<E, undefined>> | undefined;
  #stepping = false;
  /** The last step that `step()` gave. */
  #stepped = 0;

  /** @internal */
  constructor(events: AsyncGenerator<E, void, undefined>, history: History, gate: Gate) {
    this.#events = events;
    this.#history = history;
    this.#gate = gate;
  }

  /** @internal */
  [INSPECT](): string {
    const started = this.#read || this.#awaited ? 'running' : 'not started';
    const state = this.#done ? 'over' : this.paused ? 'paused' : started;
    return `TrainingRun(${state}): await it, or read its events in a for await loop`;
  }

  [Symbol.asyncIterator](): this {
    if (this.#read)
      throw new OptionError('fit: the events of this run are already being read. Call fit for another run.');
    this.#read = true;
    return this;
  }

  /** Trains up to the next event and returns it; `for await` calls it. @throws OptionError if the run is awaited; the run's error. */
  async next(): Promise<IteratorResult<E, undefined>> {
    if (this.#awaited)
      throw new OptionError(
        'fit: this run is awaited, so its events cannot be read. Read them instead of awaiting it, or give fit callbacks.',
      );
    this.#read = true;
    this.#leaveSteps();
    const requested = this.#ahead;
    this.#ahead = undefined;
    const ahead = await requested;
    // `step()` has already given its own events.
    const given = ahead && !ahead.done && ahead.value.type === 'step' && ahead.value.step <= this.#stepped;
    return ahead && !given ? ahead : this.#next();
  }

  /** Stops the run after the steps in flight. */
  async return(): Promise<IteratorResult<E, undefined>> {
    await this.#events.return();
    this.#end();
    return { done: true, value: undefined };
  }

  /** Pauses the run after the steps in flight. */
  pause(): void {
    if (!this.#done) this.#gate.pause();
  }

  /** Whether the run is paused, by {@link pause} or {@link step}. */
  get paused(): boolean {
    return this.#gate.paused;
  }

  /** Whether the run is over. */
  get done(): boolean {
    return this.#done;
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
   * Makes one step and pauses the run; resolves with the step, or undefined if the run is over, and rejects with the run's error:
   * `while ((event = await run.step())) …`.
   * Callbacks and the body of the run's own loop must not await it: the run is waiting for them.
   */
  async step(...extra: never[]): Promise<StepEvent | undefined> {
    checkExtra('step', extra);
    const made = this.#gate.step();
    if (!this.#read && !this.#awaited) void this.#stepAlong();
    const event = await made;
    this.#stepped = event?.step ?? this.#stepped;
    return event;
  }

  /** Requests events while only `step()` does. */
  async #stepAlong(): Promise<void> {
    if (this.#stepping) return;
    this.#stepping = true;
    try {
      while (!this.#done && !this.#read && !this.#awaited) {
        this.#ahead = this.#next();
        await this.#ahead;
      }
    } catch {
      // `step()` rejects with it, and so does the run where it is awaited.
    }
  }

  /** The first other consumer resumes a run that `step()` paused. */
  #leaveSteps(): void {
    if (this.#stepping) this.#gate.resume();
    this.#stepping = false;
  }

  async #toEnd(): Promise<History> {
    if (this.#read && !this.#done)
      throw new OptionError(
        'fit: the events of this run are being read, so it cannot be awaited. Use trainer.history after the loop.',
      );
    this.#leaveSteps();
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
  /** Ends the run: waiting `step()` calls resolve, or reject with the error. */
  #end(error?: Error): void {
    this.#done = true;
    this.#gate.close(error);
  }
}
