// Early stopping: ends a run when its monitored value has not got better for some epochs, and keeps the best State.
import { OptionError } from '../graph/errors.ts';
import type { EpochEvent } from './events.ts';
import type { EarlyStopping } from './run.ts';
import type { Snapshot, State } from './state.ts';

export class Stopper {
  readonly #options: Required<EarlyStopping>;
  #best: number | undefined;
  #waited = 0;
  #snapshot: { readonly step: number; readonly state: Snapshot } | undefined;

  constructor(options: EarlyStopping) {
    const { patience = 3, minDelta = 0, monitor = 'loss', restoreBest = false } = options;
    this.#options = { patience, minDelta, monitor, restoreBest };
  }

  /** Looks at an epoch; true where the run should end. */
  async see(event: EpochEvent, state: State): Promise<boolean> {
    const { patience, minDelta, restoreBest } = this.#options;
    const value = this.#monitored(event);
    // NaN is never better, and any number is better than none.
    if (!Number.isNaN(value) && (this.#best === undefined || value > this.#best + minDelta)) {
      this.#best = value;
      this.#waited = 0;
      if (restoreBest) this.#snapshot = { step: event.step, state: await state.snapshot() };
      return false;
    }
    this.#waited++;
    return this.#waited >= patience;
  }

  /** Puts the best epoch's State back where that was asked for and steps were made after it: `step` is the last. True where it did. */
  restore(state: State, step: number): boolean {
    if (!this.#snapshot || this.#snapshot.step === step) return false;
    state.restore(this.#snapshot.state);
    return true;
  }

  /** The value to be made large. */
  #monitored(event: EpochEvent): number {
    const { loss, accuracy: value } = event.validation ?? event;
    if (this.#options.monitor === 'loss') return -loss;
    if (value === undefined)
      throw new OptionError(
        "earlyStopping: there is no accuracy to monitor. Use monitor: 'loss', or give the trainer metrics: { accuracy }.",
      );
    return value;
  }
}
