// Early stopping: ends a run when its monitored value has not got better for some epochs, and keeps the best State.
import { OptionError } from '../graph/errors.ts';
import { nearest } from '../graph/nearest.ts';
import { checkOptions, type WithDefaults } from '../graph/options.ts';
import type { EpochEvent } from './events.ts';
import { EARLY_STOPPING, type EarlyStopping } from './run.ts';
import type { Snapshot, State } from './state.ts';

export class Stopper {
  readonly #options: WithDefaults<EarlyStopping, typeof EARLY_STOPPING> & { readonly mode: 'min' | 'max' };
  #best: number | undefined;
  #waited = 0;
  #snapshot: { readonly step: number; readonly state: Snapshot } | undefined;

  constructor(options: EarlyStopping) {
    const checked = checkOptions('earlyStopping', options, EARLY_STOPPING);
    const { mode = modeOf(checked.monitor) ?? 'max' } = checked;
    this.#options = { ...checked, mode };
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
    const { monitor, mode } = this.#options;
    const { loss, accuracy, metrics } = event.validation ?? event;
    const value = { ...metrics, loss, accuracy }[monitor];
    if (value === undefined)
      throw new OptionError(
        "earlyStopping: there is no accuracy to monitor. Use monitor: 'loss', or give the trainer metrics: { accuracy }.",
      );
    return mode === 'min' ? -value : value;
  }
}

/** What a name says of whether less or more is better. */
function modeOf(monitor: string): 'min' | 'max' | undefined {
  if (/(^|\.)loss$/.test(monitor)) return 'min';
  return /(^|\.)accuracy$/.test(monitor) ? 'max' : undefined;
}

/** @throws OptionError where there is no metric to be monitored, or it is not known whether less or more of it is better. */
export function checkMonitor(options: EarlyStopping | undefined, metrics: readonly string[]): void {
  const { monitor, mode } = checkOptions('earlyStopping', options ?? {}, EARLY_STOPPING);
  if (monitor === 'loss' || monitor === 'accuracy') return;
  if (!metrics.includes(monitor)) {
    const known = [...metrics];
    const near = nearest(monitor, known);
    const advice = near ? `Did you mean ${near}?` : `Use ${known.join(', ')}.`;
    throw new OptionError(`earlyStopping: there is no ${monitor} to monitor. ${advice}`);
  }
  if (mode === undefined && modeOf(monitor) === undefined)
    throw new OptionError(
      `earlyStopping: whether less or more of ${monitor} is better is not known. Give mode: 'min' or 'max'.`,
    );
}
