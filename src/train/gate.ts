// The gate that a run passes before each submit: open, shut by pause(), or open for one step at a time.
import { OptionError } from '../graph/errors.ts';
import type { StepEvent } from './events.ts';

/** A waiting `step()` call. */
interface Grant {
  resolve(event: StepEvent | undefined): void;
  reject(error: Error): void;
}

export class Gate {
  #paused = false;
  readonly #grants: Grant[] = [];
  #wake: (() => void) | undefined;
  #stopped = false;
  /** What came of the run, once it is over. */
  #over: { readonly error: Error | undefined } | undefined;
  /** A callback is under way, and the run waits for it. */
  calling = false;

  get paused(): boolean {
    return this.#paused;
  }

  /** Whether a run that arrives here may not go on. */
  get shut(): boolean {
    return this.#paused && this.#grants.length === 0 && !this.#stopped;
  }

  /** Whether the run is to end after the steps under way. */
  get stopped(): boolean {
    return this.#stopped;
  }

  stop(): void {
    this.#stopped = true;
    this.wake();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.wake();
  }

  /** Lets one step through, pausing a run that is not; resolves with the step when it is done. */
  step(): Promise<StepEvent | undefined> {
    if (this.calling)
      throw new OptionError(
        'step: the run is waiting for a callback, which cannot wait for a step in turn. Call step outside callbacks.',
      );
    if (this.#over) return this.#over.error ? Promise.reject(this.#over.error) : Promise.resolve(undefined);
    this.#paused = true;
    return new Promise((resolve, reject) => {
      this.#grants.push({ resolve, reject });
      this.wake();
    });
  }

  /** Waits until something changes. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.#wake?.();
    this.#wake = undefined;
  }

  /** The most steps that may go into the next submit. */
  get allowance(): number {
    return this.#paused ? Math.min(this.#grants.length, 1) : Number.POSITIVE_INFINITY;
  }

  /** Answers the oldest `step()` call. */
  made(event: StepEvent): void {
    this.#grants.shift()?.resolve(event);
  }

  /** The run is over: nothing more will be made. Waiting `step()` calls get the error, where there is one. */
  close(error?: Error): void {
    this.#over ??= { error };
    for (const { resolve, reject } of this.#grants.splice(0)) error ? reject(error) : resolve(undefined);
    this.#paused = false;
    this.wake();
  }
}
