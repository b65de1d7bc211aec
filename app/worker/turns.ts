// Whose turn it is: calls that change things or want the device to themselves wait for each other, the run rests meanwhile, and
// what was asked for last holds.
import type { Run } from './run.ts';

export class Turns {
  #last: Promise<unknown> = Promise.resolve();
  readonly #occupants = new Set<AbortController>();
  /** While the run rests: whether it goes on afterwards. */
  #rest: { goesOn: boolean } | undefined;

  /** Runs `work` when what was asked for before is done. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  /** The same for what takes the run's place: nobody waits any more for what the device is occupied with. */
  instead<T>(work: () => Promise<T>): Promise<T> {
    this.cancel();
    return this.alone(work);
  }

  /** Runs `work` while the run rests, which then goes on if it went. */
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

  /** The same for what may take long. Rejects with an AbortError where it is cancelled, or something takes the run's place. */
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

  /** Ends what the device is occupied with, or will be. */
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
