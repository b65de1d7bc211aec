// Learning rates of a run: from the schedules, or set by hand. Before each submit the rates of its steps are written to the State's
// table, where step s reads row s mod RING of each column.
import type { Storage } from '../graph/executor.ts';
import { checkValue, type Kind } from '../graph/options.ts';
import { groupRates, ratesOf } from '../optim/groups.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { rateOf } from '../optim/schedules.ts';
import type { Run } from './run.ts';
import { RING, type State } from './state.ts';

const RATE: Kind = {
  advice: "Use a finite number above 0, such as 0.001, or 'schedule'.",
  fits: (v) =>
    v === 'schedule' || (Number.isFinite(v) && Math.fround(v as number) > 0 && Math.fround(v as number) < Infinity),
};

/** The first step of a run, and its number of steps. */
type Place = Pick<Run, 'start' | 'total'>;

/** The learning rates of a step, as events report them. */
export interface StepRates {
  /** The optimizer's, used by parameters in no group. */
  readonly learningRate: number;
  /** Those of the optimizer's groups in order; absent if all equal the optimizer's. */
  readonly learningRates?: readonly number[];
}

export class Rates {
  /** Set by hand: replaces the schedule until that is restored. */
  override: number | undefined;
  readonly #of: Pick<Optimizer, 'lr' | 'groups'>;
  readonly #table: Float32Array;
  /** The storage that the table was written to. */
  #storage: Storage | undefined;

  constructor(optimizer: Pick<Optimizer, 'lr' | 'groups'>) {
    this.#of = optimizer;
    this.#table = new Float32Array(RING * ratesOf(optimizer).length);
  }

  /** @throws OptionError if it is neither 'schedule' nor a finite number above 0. */
  set(rate: number | 'schedule'): void {
    checkValue('trainer', 'learningRate', rate, RATE);
    this.override = rate === 'schedule' ? undefined : rate;
  }

  /** The rates of a step. @throws OptionError if a schedule needs the run's length and it is unknown. */
  at(step: number, { start, total }: Place): StepRates {
    const learningRate = this.override ?? rateOf(this.#of.lr, step - start, total);
    const learningRates = groupRates(this.#of, learningRate, step - start, total);
    return learningRates ? { learningRate, learningRates } : { learningRate };
  }

  /** Writes the rates of `steps` steps from `step` on to the table, and returns them. */
  write(state: State, step: number, steps: number, run: Place): StepRates[] {
    const rates = Array.from({ length: steps }, (_, k) => this.at(step + k, run));
    let changed = this.#storage !== state.storage;
    for (const [k, rate] of rates.entries()) changed = this.#put(step + k, rate) || changed;
    if (changed) this.#write(state);
    return rates;
  }

  /** Restores one step's rates in the table, which later steps may have overwritten. */
  rewrite(state: State, step: number, rates: StepRates): void {
    this.#put(step, rates);
    this.#write(state);
  }

  #put(step: number, { learningRate, learningRates = [] }: StepRates): boolean {
    const own = learningRates.filter((_, k) => this.#of.groups![k]!.lr !== undefined);
    let changed = false;
    for (const [column, rate] of [learningRate, ...own].entries()) {
      const row = column * RING + (step % RING);
      changed ||= this.#table[row] !== Math.fround(rate);
      this.#table[row] = rate;
    }
    return changed;
  }

  #write(state: State): void {
    state.storage.write(state.rates, this.#table);
    this.#storage = state.storage;
  }
}
