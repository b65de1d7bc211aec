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
  /** The outcome of the run, once it is over. */
  #over: { readonly error: Error | undefined } | undefined;
  /** Whether the run is waiting for a callback. */
  calling = false;

  get paused(): boolean {
    return this.#paused;
  }

  /** Whether the run must wait. */
  get shut(): boolean {
    return this.#paused && this.#grants.length === 0 && !this.#stopped;
  }

  /** Whether the run must end after the steps in flight. */
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

  /** Lets one step through and pauses the run; resolves with the step when it is complete. */
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

  /** Resolves the oldest `step()` call. */
  made(event: StepEvent): void {
    this.#grants.shift()?.resolve(event);
  }

  /** Ends the run: waiting `step()` calls reject with the error, if there is one. */
  close(error?: Error): void {
    this.#over ??= { error };
    for (const { resolve, reject } of this.#grants.splice(0)) error ? reject(error) : resolve(undefined);
    this.#paused = false;
    this.wake();
  }
}
