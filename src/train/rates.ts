// Learning rates of a run: what the schedule says of each step, or what was set by hand. Before each submit the rates of its
// steps are written to the State's table, where step s finds its own in row s mod RING.
import { checkValue, type Kind } from '../graph/options.ts';
import { type Rate, rateOf } from '../optim/schedules.ts';
import type { Run } from './run.ts';
import { RING, type State } from './state.ts';

const RATE: Kind = {
  advice: "Use a finite number above 0, such as 0.001, or 'schedule'.",
  fits: (v) =>
    v === 'schedule' || (Number.isFinite(v) && Math.fround(v as number) > 0 && Math.fround(v as number) < Infinity),
};

export class Rates {
  /** Set by hand: takes the schedule's place until that is set again. */
  override: number | undefined;
  readonly #lr: Rate;
  readonly #table = new Float32Array(RING);

  constructor(lr: Rate) {
    this.#lr = lr;
  }

  /** @throws OptionError where it is neither 'schedule' nor a finite number above 0. */
  set(rate: number | 'schedule'): void {
    checkValue('trainer', 'learningRate', rate, RATE);
    this.override = rate === 'schedule' ? undefined : rate;
  }

  /** The rate of a step. @throws OptionError where the schedule needs to know how many steps the run makes. */
  at(step: number, run: Pick<Run, 'start' | 'total'>): number {
    return this.override ?? rateOf(this.#lr, step - run.start, run.total);
  }

  /** Puts the rates of `steps` steps from `step` on into the table, and gives them. */
  write(state: State, step: number, steps: number, run: Pick<Run, 'start' | 'total'>): number[] {
    const rates = Array.from({ length: steps }, (_, k) => this.at(step + k, run));
    let changed = false;
    for (const [k, rate] of rates.entries()) {
      const row = (step + k) % RING;
      changed ||= this.#table[row] !== Math.fround(rate);
      this.#table[row] = rate;
    }
    if (changed) state.storage.write(state.rates, this.#table);
    return rates;
  }

  /** Puts one step's rate back into the table, which later steps may have overwritten. */
  rewrite(state: State, step: number, rate: number): void {
    this.#table[step % RING] = rate;
    state.storage.write(state.rates, this.#table);
  }
}
