// Divergence: a step that gave a value that is not finite is replayed unfused, from the State as it was, to name the first
// tensor that went wrong; a loss that runs away is told by its running mean.
import { DivergenceError } from '../graph/errors.ts';
import type { Executor } from '../graph/executor.ts';
import type { State } from './state.ts';
import type { TrainingStep } from './step.ts';

/** What {@link explain} needs to know of the step that failed. */
export interface BadStep {
  /** Steps made before it. */
  readonly step: number;
  readonly learningRate: number;
  /** The step as it was traced. */
  readonly traced: TrainingStep;
}

/** The error of a step whose values were not finite. Its text counts steps from 1, as events do; its `step` from 0. */
export async function explain(executor: Executor, state: State, bad: BadStep): Promise<DivergenceError> {
  const { first, loss } = await replay(executor, state, bad.traced);
  const advice = adviceFor(first, bad.learningRate);
  const where = first === undefined ? 'not seen again when the step was replayed unfused' : `first in ${first}`;
  const name = `step ${bad.step + 1}`;
  const what =
    first === undefined || !loss
      ? `loss is not finite at ${name} (${where})`
      : `${first} is not finite at ${name}, the loss still is`;
  return new DivergenceError(`${what}. ${advice}`, bad.step);
}

/** Lowering the rate does not help where what comes in is wrong already. */
function adviceFor(first: string | undefined, learningRate: number): string {
  if (first === 'the input') return 'Look for NaN or infinity in the data.';
  return `Lower the learning rate (now ${learningRate}) or clip gradients.`;
}

/** The first tensor, in the order of computation, that holds a non-finite value; and whether the loss is finite. */
async function replay(
  executor: Executor,
  state: State,
  { inner }: TrainingStep,
): Promise<{ first: string | undefined; loss: boolean }> {
  const named = [...inner].filter(([, x]) => x.dtype === 'f32');
  const outputs = Object.fromEntries(named.map(([, x], k) => [`${k}`, x]));
  const program = await executor.compile({ outputs }, { storages: [state.storage], fuse: false, label: 'replay' });
  try {
    const values = await program.run();
    const finite = named.map((_, k) => values[`${k}`]!.data.every((v) => Number.isFinite(v)));
    const first = named[finite.indexOf(false)]?.[0];
    return { first, loss: finite[named.findIndex(([name]) => name === 'the loss')] ?? true };
  } finally {
    program.dispose();
  }
}

/** Steps whose mean is what the loss began with. */
const FIRST_STEPS = 20;
const RUNAWAY = 3;
/** Share of the old mean that stays in each step. */
const SMOOTHING = 0.95;

/** Watches the losses of a run. */
export class LossWatch {
  #seen = 0;
  #firstSum = 0;
  #smoothed = 0;
  /** A loss that no run needs to fear, the best constant prediction's say: running away means to pass three times this, too. */
  readonly #floor: number;

  constructor(floor = 0) {
    this.#floor = floor;
  }

  /** The exponential mean of the losses, free of its bias towards 0. */
  get smoothed(): number {
    return this.#smoothed / (1 - SMOOTHING ** this.#seen);
  }

  /** The mean of the first steps' losses. */
  get first(): number {
    return this.#firstSum / Math.min(this.#seen, FIRST_STEPS);
  }

  /** Takes the next step's loss; true where it has run away. */
  see(loss: number): boolean {
    if (this.#seen++ < FIRST_STEPS) this.#firstSum += loss;
    this.#smoothed = SMOOTHING * this.#smoothed + (1 - SMOOTHING) * loss;
    if (this.#seen <= FIRST_STEPS || this.first <= 0) return false;
    return this.smoothed > RUNAWAY * Math.max(this.first, this.#floor);
  }

  /** The error of a loss that had run away after a step, which is counted from 0. */
  error(step: number, learningRate: number): DivergenceError {
    const [now, then] = [this.smoothed, this.first].map((v) => v.toPrecision(4));
    return new DivergenceError(
      `loss has run away by step ${step + 1}: ${now} on average, ${then} at first. Lower the learning rate (now ${learningRate}) or clip gradients.`,
      step,
    );
  }
}
