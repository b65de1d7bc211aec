// The learning-rate range test (Smith 2015, arXiv:1506.01186), as in fastai: a short run whose rate grows exponentially until the loss
// diverges. It uses a separate State that starts as a copy of the trainer's, which stays unchanged.
import { OptionError } from '../graph/errors.ts';
import type { Executor } from '../graph/executor.ts';
import { COUNT, checkOptions, NUMBER, type Schema, SIGNAL, type WithDefaults } from '../graph/options.ts';
import { checkExamples, type Examples } from '../train/batch.ts';
import { bestConstantLoss, NO_BETTER } from '../train/constant-loss.ts';
import { insideOf } from '../train/inside.ts';
import { type Completed, Pacer } from '../train/pacer.ts';
import { Programs } from '../train/programs.ts';
import { Rates, type StepRates } from '../train/rates.ts';
import type { Run } from '../train/run.ts';
import { RING, type State } from '../train/state.ts';
import type { Task } from '../train/task.ts';
import type { AnyTrainer } from '../train/trainer.ts';

/** Options of {@link lrFind}. */
export interface LrFindOptions {
  /** Examples per step: all, if the data set is smaller. Default 32. */
  readonly batchSize?: number | undefined;
  /** The first rate. Default 1e-7. */
  readonly from?: number | undefined;
  /** The last rate. Default 10. */
  readonly to?: number | undefined;
  /** The maximum number of steps; the rate grows by the same factor at each. Default 100, and 1000 more if those suggest nothing. */
  readonly steps?: number | undefined;
  /** Ends the test early, with the results so far. */
  readonly signal?: AbortSignal | undefined;
}

/** The losses over a range of learning rates, as {@link lrFind} measures them. */
export interface LrFind {
  /** Rate and loss of each step, and the exponentially smoothed loss, bias-corrected. */
  readonly rates: readonly number[];
  /** The loss of each step's batch, at the step's rate. */
  readonly losses: readonly number[];
  /** The exponential moving average of the losses, bias-corrected. */
  readonly smoothed: readonly number[];
  /**
   * The suggested rate: in the middle of the longest fall of the smoothed loss ("valley") below the loss of the best constant prediction,
   * moved back by the lag of the smoothing, at most to a third; absent if there is no such fall.
   */
  readonly suggestion?: number;
  /** One sentence if there is no suggestion. */
  readonly note?: string;
  /** `diverged`: the smoothed loss passed four times its best, or a value was not finite. */
  readonly stopped: 'diverged' | 'done' | 'aborted';
}

const SCHEMA = {
  batchSize: [COUNT, 32],
  from: [NUMBER, 1e-7],
  to: [NUMBER, 10],
  steps: [COUNT, 100],
  signal: SIGNAL,
} satisfies Schema<LrFindOptions>;
type Checked = WithDefaults<LrFindOptions, typeof SCHEMA>;
/** The weight of the previous mean in each step. */
const SMOOTHING = 0.98;
const DIVERGED = 4;
/** The lag of the smoothed loss in steps, and the maximum factor by which a suggestion is reduced for it. */
const LAG = SMOOTHING / (1 - SMOOTHING);
const MOST = 3;
const MORE_STEPS = 1000;

interface Model {
  readonly executor: Executor;
  readonly state: State;
  readonly task: Task;
  readonly submitMs: number;
}

/**
 * Looks for a learning rate: a short run from the trainer's current weights, with rates that grow from `from` to `to` until the loss
 * diverges. Optimizer groups with their own rate keep it. It uses a separate State: the trainer's weights, moments, step, data order and
 * history are unchanged. @throws OptionError, DataError for invalid arguments.
 */
export async function lrFind(
  trainer: AnyTrainer,
  data: Examples,
  options: LrFindOptions = {},
  ...extra: never[]
): Promise<LrFind> {
  const how = checkOptions('lrFind', options, SCHEMA, extra);
  const more = options.steps === undefined;
  const { running, newState, asTrained } = insideOf('lrFind', trainer);
  const { life } = running;
  return life.during(async () => {
    const set = asTrained(data); // throws before a State is allocated
    return rangeTest(running, newState(), set, { ...how, more }, () => life.check());
  });
}

/** Runs the test on `own`, a new State of the model, and disposes of it. `check` may throw before each submit. */
async function rangeTest(
  { executor, state, task, submitMs }: Model,
  own: State,
  data: Examples,
  asked: Checked & { readonly more: boolean },
  check: () => void,
): Promise<LrFind> {
  try {
    checkRange(data, asked);
    const batchSize = Math.min(asked.batchSize, data.size);
    const from = async (steps: number) => {
      await own.copyFrom(state);
      return search({ executor, state: own, task, submitMs }, data, { ...asked, batchSize, steps }, check);
    };
    const found = await from(asked.steps);
    const enough = found.suggestion !== undefined || found.stopped === 'aborted' || !asked.more;
    return enough ? found : await from(MORE_STEPS);
  } finally {
    own.dispose();
  }
}

async function search(
  { executor, state, task, submitMs }: Model,
  data: Examples,
  { batchSize, from, to, steps, signal }: Checked,
  check: () => void,
): Promise<LrFind> {
  const start = await state.count(state.step);
  const run: Run = {
    dataName: data.name ?? 'data',
    size: data.size,
    batchSize,
    shuffle: true,
    dropLast: true,
    start,
    total: steps,
  };
  const lr = (step: number) => from * (to / from) ** (step / (steps - 1));
  const rates = new Rates({ ...state.optimizer, lr });
  const programs = new Programs(executor, state, task, check);
  const pacer = new Pacer<Sent>({ submitMs });
  const seen = new Seen(state);
  try {
    const full = await programs.step(data, run, run.batchSize);
    state.beginOrder(start);
    for (let made = 0; made < steps && !seen.diverged && !signal?.aborted; ) {
      check();
      const n = pacer.size(full.program, steps - made);
      const sent = { first: start + made, rates: rates.write(state, start + made, n, run) };
      pacer.submit(full.program, n, [state.ring, state.status], sent);
      made += n;
      while (pacer.full || (made === steps && pacer.inFlight > 0)) seen.take(await pacer.next());
    }
  } finally {
    await pacer.drain();
    programs.dispose();
  }
  const stopped = seen.diverged ? 'diverged' : seen.rates.length < steps ? 'aborted' : 'done';
  const { losses, smoothed } = seen;
  const constant = bestConstantLoss(task, data, batchSize) ?? Number.POSITIVE_INFINITY;
  // Biases alone can reduce the loss to the best constant's.
  const learnt = smoothed.map((loss) => Math.min(loss, NO_BETTER * constant));
  const middle = valley(seen.rates, learnt, steps);
  const found = { rates: seen.rates, losses, smoothed, stopped } as const;
  if (middle === undefined) return { ...found, note: noteOf(smoothed, constant) };
  return { ...found, suggestion: Math.max(middle * (from / to) ** (LAG / (steps - 1)), middle / MOST) };
}

function noteOf(smoothed: readonly number[], constant: number): string {
  const [least, limit] = [Math.min(...smoothed), constant].map((v) => v.toPrecision(4));
  const than = Number.isFinite(constant) ? `; the loss of the best constant prediction is ${limit}` : '';
  const fell =
    smoothed.length > 0 ? `the lowest loss in ${smoothed.length} steps is ${least}${than}` : 'no step was made';
  return `lrFind: no rate stands out: ${fell}. Give more steps, such as { steps: ${10 * Math.max(SCHEMA.steps[1], smoothed.length)} }, or other rates.`;
}

interface Sent {
  readonly first: number;
  readonly rates: readonly StepRates[];
}

/** The results of the steps so far. */
class Seen {
  readonly rates: number[] = [];
  readonly losses: number[] = [];
  readonly smoothed: number[] = [];
  diverged = false;
  #mean = 0;
  #best = Number.POSITIVE_INFINITY;
  /** Numbers in a row of the ring. */
  readonly #width: number;

  constructor(state: State) {
    this.#width = state.ring.shape[1]!;
  }

  take({ tag: { first, rates }, steps, values }: Completed<Sent>): void {
    const [ring, status] = values;
    const good = status![0] === 0 ? steps : Math.max(0, Math.min(steps, status![0]! - 1 - first));
    for (let k = 0; k < good && !this.diverged; k++)
      this.#see(rates[k]!.learningRate, ring![((first + k) % RING) * this.#width]!);
    this.diverged ||= good < steps;
  }

  #see(rate: number, loss: number): void {
    this.rates.push(rate);
    this.losses.push(loss);
    this.#mean = SMOOTHING * this.#mean + (1 - SMOOTHING) * loss;
    const smoothed = this.#mean / (1 - SMOOTHING ** this.losses.length);
    this.smoothed.push(smoothed);
    this.#best = Math.min(this.#best, smoothed);
    this.diverged = smoothed > DIVERGED * this.#best;
  }
}

/** @throws OptionError naming an option that cannot be used. */
function checkRange(data: Examples, { from, to, steps }: Checked): void {
  checkExamples(data);
  if (!(from > 0 && Number.isFinite(from)))
    throw new OptionError(`lrFind: from is ${from}. Give a rate above 0, such as 1e-7.`);
  if (!(to > from && Number.isFinite(to)))
    throw new OptionError(`lrFind: to is ${to}. Give a rate above from (${from}).`);
  if (!(Number.isSafeInteger(steps) && steps >= 2))
    throw new OptionError(`lrFind: steps is ${steps}. Give a whole number from 2, such as 100.`);
}

/** The minimum length of a significant fall. */
const LEAST_FALL = 5;
/** Steps left out at the end, where the loss already rises. */
const TAIL = 5;

/**
 * fastai's "valley": the rate halfway through the longest falling subsequence of losses. The first tenth of the steps is left out, since
 * its mean is over few losses, and so are the last steps.
 * @see https://github.com/fastai/fastai/blob/main/fastai/callback/schedule.py
 */
export function valley(rates: readonly number[], losses: readonly number[], steps: number): number | undefined {
  const skipped = Math.floor(steps / 10);
  const values = losses.slice(skipped, -TAIL);
  // The length of the longest falling subsequence that ends at each loss.
  const lengths = values.map(() => 1);
  let end = 0;
  for (const [i, value] of values.entries()) {
    for (let j = 0; j < i; j++) if (value < values[j]!) lengths[i] = Math.max(lengths[i]!, lengths[j]! + 1);
    if (lengths[i]! > lengths[end]!) end = i;
  }
  if ((lengths[end] ?? 0) < LEAST_FALL) return undefined;
  const start = Math.max(0, end - lengths[end]!);
  const third = (end - start) / 3;
  return rates[skipped + start + Math.floor(third) + Math.floor(third / 2)];
}
