// Divergence: a step with a non-finite value is replayed unfused from the unchanged State, to name the first bad tensor; a diverging
// loss is detected by the mean of its last steps.
import { DivergenceError } from '../graph/errors.ts';
import type { Executor } from '../graph/executor.ts';
import { type BadStep, type Cause, causeOf } from './cause.ts';
import type { State } from './state.ts';

/** The error of a step whose values were not finite. Its text counts steps from 1, as events do; its `step` from 0. */
export async function explain(executor: Executor, state: State, bad: BadStep): Promise<DivergenceError> {
  const { first, loss } = await replay(executor, state, bad);
  const { what, advice } = await causeFor(executor, state, bad, first);
  const name = `step ${bad.step + 1}`;
  const because = what === undefined ? '' : `: ${what}`;
  const fact =
    first === undefined
      ? `loss is not finite at ${name} (not reproduced when the step was replayed unfused)`
      : loss
        ? `${first} is not finite at ${name}, although the loss is${because}`
        : `loss is not finite at ${name} (first in ${first}${because})`;
  const help = advice ?? `Lower the learning rate (now ${bad.learningRate}) or clip gradients.`;
  return new DivergenceError(`${fact}. ${help}`, bad.step);
}

/** If only the update is not finite, the rate is the cause. */
async function causeFor(executor: Executor, state: State, bad: BadStep, first: string | undefined): Promise<Cause> {
  if (first === undefined || first.endsWith(' after the update')) return {};
  return causeOf(executor, state, bad, first);
}

/** The first tensor, in the order of computation, that holds a non-finite value; and whether the loss is finite. */
async function replay(
  executor: Executor,
  state: State,
  { traced: { inner }, inputs = {} }: BadStep,
): Promise<{ first: string | undefined; loss: boolean }> {
  const named = [...inner].filter(([, x]) => x.dtype === 'f32');
  const outputs = Object.fromEntries(named.map(([, x], k) => [`${k}`, x]));
  const options = { storages: [state.storage], inputs: Object.keys(inputs), fuse: false, label: 'replay' };
  const program = await executor.compile({ outputs }, options);
  try {
    const values = await program.run(inputs);
    const finite = named.map((_, k) => values[`${k}`]!.data.every((v) => Number.isFinite(v)));
    const first = named[finite.indexOf(false)]?.[0];
    return { first, loss: finite[named.findIndex(([name]) => name === 'the loss')] ?? true };
  } finally {
    program.dispose();
  }
}

/** The window of the mean: at least these steps, and this share of an epoch. At most an epoch's loss can fall into a tenth of it. */
const LEAST_STEPS = 20;
const SHARE = 0.1;
/** A mean loss above this many times the best constant prediction's has diverged. */
const DIVERGED = 10;
/** This many losses in a row must also be above the best constant's: a few outliers among the targets are no trend. */
const TREND = 3;

/** Watches the losses of a run. */
export class LossWatch {
  /** The last losses: step k's is element k mod length. */
  readonly #last: Float64Array;
  readonly #constant: number | undefined;
  #seen = 0;
  #sum = 0;
  #first = 0;

  /** `constant`: the best constant prediction's loss. If it is unknown, no loss counts as diverged. */
  constructor(stepsPerEpoch: number, constant: number | undefined) {
    this.#last = new Float64Array(Math.max(LEAST_STEPS, Math.ceil(SHARE * stepsPerEpoch)));
    this.#constant = constant;
  }

  /** The number of losses in {@link mean}. */
  get steps(): number {
    return Math.min(this.#seen, this.#last.length);
  }

  /** The mean of the last losses. */
  get mean(): number {
    return this.#sum / this.steps;
  }

  /** Takes the next step's loss. */
  see(loss: number): void {
    const at = this.#seen % this.#last.length;
    if (this.#seen++ === 0) this.#first = loss;
    this.#sum += loss - this.#last[at]!;
    this.#last[at] = loss;
    if (at === 0) this.#add(); // Recomputed, so that the rounding error of a large past loss does not persist.
  }

  #add(): void {
    this.#sum = this.#last.reduce((a, b) => a + b);
  }

  /** Whether the loss has diverged; at the end of a run, judged by however few losses there are. */
  diverged(ended = false): boolean {
    if (this.#constant === undefined || (!ended && this.#seen < this.#last.length)) return false;
    const baseline = this.#baseline;
    if (!(this.mean > DIVERGED * baseline)) return false;
    this.#add();
    const before = (k: number) => this.#last[(this.#seen - 1 - k) % this.#last.length]!;
    const trend = Array.from({ length: Math.min(TREND, this.#seen - 1) }, (_, k) => before(k));
    return this.mean > DIVERGED * baseline && trend.every((loss) => loss > baseline);
  }

  /** The baseline: the best constant's loss, or the run's first loss if that is larger. */
  get #baseline(): number {
    return Math.max(this.#constant ?? 0, this.#first);
  }

  /** The message after `step` steps. */
  message(step: number, learningRate: number): string {
    const [now, baseline] = [this.mean, this.#baseline].map((v) => v.toPrecision(4));
    const what = this.#first > this.#constant! ? 'the first loss is' : 'the loss of the best constant prediction is';
    return `loss has diverged by step ${step}: its mean over ${this.steps} steps is ${now}; ${what} ${baseline}. Lower the learning rate (now ${learningRate}) or clip gradients; if the loss is right, pass divergence: 'warn'.`;
  }
}
