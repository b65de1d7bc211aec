// Turns: calls that change things or need exclusive use of the device wait for each other, the run rests meanwhile, and the last request
// decides.
import type { Run } from './run.ts';

export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  readonly #occupants = new Set<AbortController>();
  /** While the run rests: whether it continues afterwards. */
  #rest: { goesOn: boolean } | undefined;

  /** Runs `work` after all earlier requests. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  /** The same for work that replaces the run: cancels the device's current work first. */
  instead<T>(work: () => Promise<T>): Promise<T> {
    this.cancel();
    return this.alone(work);
  }

  /** Runs `work` while the run rests; a run that was going then continues. */
  resting<T>(current: () => Run, work: (run: Run) => Promise<T>): Promise<T> {
    return this.alone(async () => {
      const run = current();
      const rest = { goesOn: run.wanted };
      this.#rest = rest;
      try {
        await run.pause();
        return await work(run);
      } finally {
        this.#rest = undefined;
        if (rest.goesOn) run.start();
      }
    });
  }

  /** The same for long work. Rejects with an AbortError if it is cancelled, or the run is replaced. */
  async occupying<T>(current: () => Run, work: (run: Run, signal: AbortSignal) => Promise<T>): Promise<T> {
    const occupant = new AbortController();
    const { signal } = occupant;
    this.#occupants.add(occupant);
    try {
      return await this.resting(current, async (run) => {
        signal.throwIfAborted();
        const result = await work(run, signal);
        signal.throwIfAborted();
        return result;
      });
    } finally {
      this.#occupants.delete(occupant);
    }
  }

  /** Cancels the device's current or pending work. */
  cancel(): void {
    for (const occupant of this.#occupants) occupant.abort();
  }

  train(run: Run): void {
    if (this.#rest) this.#rest.goesOn = true;
    else run.start();
  }

  pause(run: Run): Promise<void> {
    if (this.#rest) this.#rest.goesOn = false;
    return run.pause();
  }
}
