// Divergence: a step that gave a value that is not finite is replayed unfused, from the State as it was, to name the first
// tensor that went wrong; a loss that runs away is told by the mean of its last steps.
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
      ? `loss is not finite at ${name} (not seen again when the step was replayed unfused)`
      : loss
        ? `${first} is not finite at ${name}, the loss still is${because}`
        : `loss is not finite at ${name} (first in ${first}${because})`;
  const help = advice ?? `Lower the learning rate (now ${bad.learningRate}) or clip gradients.`;
  return new DivergenceError(`${fact}. ${help}`, bad.step);
}

/** Nothing but the rate makes too much of finite gradients. */
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

/** The least steps whose mean counts, and the share of an epoch: an epoch's loss cannot all fall into so much more than that. */
const LEAST_STEPS = 20;
const SHARE = 0.1;
/** A mean loss above so many times the best constant prediction's has run away. */
const RUNAWAY = 10;
/** So many losses in a row must be above the best constant's too: a few rare targets far out are no trend. */
const TREND = 3;

/** Watches the losses of a run. */
export class LossWatch {
  /** The last losses, that of step k in element k mod length. */
  readonly #last: Float64Array;
  readonly #constant: number | undefined;
  #seen = 0;
  #sum = 0;
  #first = 0;

  /** `constant`: the best constant prediction's loss. Where it is not known, nothing runs away. */
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
    if (at === 0) this.#add(); // What rounding leaves of a large loss that is gone does not stay.
  }

  #add(): void {
    this.#sum = this.#last.reduce((a, b) => a + b);
  }

  /** Whether the loss has run away; at the end of a run, by however few losses there are. */
  ranAway(ended = false): boolean {
    if (this.#constant === undefined || (!ended && this.#seen < this.#last.length)) return false;
    const calm = this.#calm;
    if (!(this.mean > RUNAWAY * calm)) return false;
    this.#add();
    const before = (k: number) => this.#last[(this.#seen - 1 - k) % this.#last.length]!;
    const trend = Array.from({ length: Math.min(TREND, this.#seen - 1) }, (_, k) => before(k));
    return this.mean > RUNAWAY * calm && trend.every((loss) => loss > calm);
  }

  /** A loss that no run needs to fear: that of the best constant, or the first one where the network began worse. */
  get #calm(): number {
    return Math.max(this.#constant ?? 0, this.#first);
  }

  /** What has happened after `step` steps. */
  message(step: number, learningRate: number): string {
    const [now, calm] = [this.mean, this.#calm].map((v) => v.toPrecision(4));
    const what = this.#first > this.#constant! ? 'at first it was' : 'a constant prediction has';
    return `loss has run away by step ${step}: ${now} on average over ${this.steps} steps, and ${what} ${calm}. Lower the learning rate (now ${learningRate}) or clip gradients; where the loss is right, pass divergence: 'warn'.`;
  }
}
