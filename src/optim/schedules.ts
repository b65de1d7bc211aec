// Learning-rate schedules: functions from the step, counted from 0, and the run's length to a rate. They run on the host, which
// writes a table of rates once per submit. Each carries a plain description, so that a checkpoint can restore it.
import { OptionError } from '../graph/errors.ts';
import {
  checkExtra,
  checkOptions,
  checkValue,
  FINITE,
  type Kind,
  NUMBER,
  oneOf,
  type Schema,
  withoutGaps,
} from '../graph/options.ts';
import { checkRate, FACTOR, FLOOR, STEPS } from './check.ts';

/** A schedule as plain data: its name and its arguments, inner schedules described in turn. */
export interface ScheduleDescription {
  /** The schedule's name: `cosine`, `warmup`. */
  readonly name: string;
  readonly [argument: string]: Argument;
}
type Argument = string | number | ScheduleDescription | readonly (number | ScheduleDescription)[] | undefined;

/**
 * The learning rate of a step. `total` is the number of steps of the run, if known. Any function will do; one without a `description`
 * cannot be restored from a checkpoint and must be passed again.
 */
export type Schedule = ((step: number, total: number | undefined) => number) & {
  /** The schedule as plain data; absent for functions of the user's own. */
  readonly description?: ScheduleDescription;
};

/** A constant rate, or a schedule. */
export type Rate = number | Schedule;

/** The rate of `lr` at `step`. @throws OptionError unless it is a finite number >= 0 that f32 can hold. */
export function rateAt(lr: Rate, step: number, total: number | undefined, ...extra: never[]): number {
  if (typeof lr !== 'function') checkValue('rateAt', 'lr', lr, FINITE);
  checkValue('rateAt', 'the step', step, STEP);
  if (total !== undefined) checkValue('rateAt', 'the total', total, STEPS);
  checkExtra('rateAt', extra);
  return rateOf(lr, step, total);
}

const STEP: Kind = {
  advice: 'Give a whole number from 0.',
  fits: (v) => Number.isSafeInteger(v) && (v as number) >= 0,
};

/** {@link rateAt} for a run, which calls it at every step. */
export function rateOf(lr: Rate, step: number, total: number | undefined): number {
  const rate = typeof lr === 'number' ? lr : lr(step, total);
  if (!(Number.isFinite(Math.fround(rate)) && rate >= 0)) {
    const name = (typeof lr === 'number' ? undefined : lr.description?.name) ?? 'lr';
    throw new OptionError(
      `${name}: the learning rate of step ${step} is ${rate}. A schedule must return finite rates >= 0.`,
    );
  }
  return rate;
}

/** rate(t) = lr. */
export function constant(lr: number, ...extra: never[]): Schedule {
  checkExtra('constant', extra);
  checkRate('constant', 'lr', lr);
  return described({ name: 'constant', lr }, () => lr);
}

/** Options of {@link stepDecay}. */
export interface StepDecayOptions {
  /** Steps between two decays. */
  readonly every: number;
  /** What each multiplies the rate by. Default 0.1. */
  readonly gamma?: number | undefined;
}

export const STEP_DECAY = { every: STEPS, gamma: [FACTOR, 0.1] } satisfies Schema<StepDecayOptions>;

/** rate(t) = lr · gamma^⌊t / every⌋: PyTorch's `StepLR`, in steps. Default gamma 0.1. */
export function stepDecay(lr: number, options: StepDecayOptions, ...extra: never[]): Schedule {
  const { every, gamma } = checkOptions('stepDecay', options, STEP_DECAY, extra);
  checkRate('stepDecay', 'lr', lr);
  checkValue('stepDecay', 'every', every, STEPS);
  return described({ name: 'stepDecay', lr, every, gamma }, (t) => lr * gamma ** Math.floor(t / every));
}

/** Options of {@link exponential}. */
export interface ExponentialOptions {
  /** The factor of the rate. */
  readonly gamma: number;
  /** Steps in which the rate is multiplied by it once. Default 1. */
  readonly every?: number | undefined;
}

export const EXPONENTIAL = { gamma: FACTOR, every: [STEPS, 1] } satisfies Schema<ExponentialOptions>;

/** rate(t) = lr · gamma^(t / every): PyTorch's `ExponentialLR`. Default every 1 step. */
export function exponential(lr: number, options: ExponentialOptions, ...extra: never[]): Schedule {
  const { gamma, every } = checkOptions('exponential', options, EXPONENTIAL, extra);
  checkRate('exponential', 'lr', lr);
  checkValue('exponential', 'gamma', gamma, FACTOR);
  return described({ name: 'exponential', lr, gamma, every }, (t) => lr * gamma ** (t / every));
}

/** Options of {@link linear}. */
export interface LinearOptions {
  /** The last rate. Default 0. */
  readonly end?: number | undefined;
  /** Steps until the last rate. Default: the run's. */
  readonly total?: number | undefined;
}

export const LINEAR = { end: [FLOOR, 0], total: STEPS } satisfies Schema<LinearOptions>;

/** rate(t) = lr + (end - lr) · min(t / T, 1): PyTorch's `LinearLR` from lr to `end` in T = `total` steps. Default end 0, total the run's
 * steps. */
export function linear(lr: number, options: LinearOptions = {}, ...extra: never[]): Schedule {
  const { end, total } = checkOptions('linear', options, LINEAR, extra);
  checkRate('linear', 'lr', lr);
  return described({ name: 'linear', lr, end, total }, (t, run) => {
    return lr + (end - lr) * Math.min(t / lengthOf('linear', total, run), 1);
  });
}

/** Options of {@link cosine}. */
export interface CosineOptions {
  /** The last rate. Default 0. */
  readonly min?: number | undefined;
  /** Steps until the last rate. Default: the run's. */
  readonly total?: number | undefined;
}

export const COSINE = { min: [FLOOR, 0], total: STEPS } satisfies Schema<CosineOptions>;

/**
 * rate(t) = min + (peak - min) · (1 + cos(π · min(t / T, 1))) / 2: PyTorch's `CosineAnnealingLR`, which stays at `min` after T = `total`
 * steps. Default min 0, total the run's steps. https://arxiv.org/abs/1608.03983
 */
export function cosine(peak: number, options: CosineOptions = {}, ...extra: never[]): Schedule {
  const { min, total } = checkOptions('cosine', options, COSINE, extra);
  checkRate('cosine', 'peak', peak);
  return described({ name: 'cosine', peak, min, total }, (t, run) => {
    return min + ((peak - min) * (1 + Math.cos(Math.PI * Math.min(t / lengthOf('cosine', total, run), 1)))) / 2;
  });
}

/** Options of {@link oneCycle}. */
export interface OneCycleOptions {
  /** Steps until the last rate. Default: the run's. */
  readonly total?: number | undefined;
  /** The fraction of steps in which the rate rises. Default 0.3. */
  readonly pctStart?: number | undefined;
  /** The first rate is peak / divFactor. Default 25. */
  readonly divFactor?: number | undefined;
  /** The last rate is the first / finalDivFactor. Default 1e4. */
  readonly finalDivFactor?: number | undefined;
  /** The curve between these rates. Default 'cos'. */
  readonly anneal?: 'cos' | 'linear' | undefined;
}

export const ONE_CYCLE = {
  total: STEPS,
  pctStart: [NUMBER, 0.3],
  divFactor: [FACTOR, 25],
  finalDivFactor: [FACTOR, 1e4],
  anneal: [oneOf('cos', 'linear'), 'cos'],
} satisfies Schema<OneCycleOptions>;

/**
 * From peak / divFactor up to `peak` at step pctStart · T - 1, then down to peak / divFactor / finalDivFactor at step T - 1,
 * each along half a cosine or a line: PyTorch's `OneCycleLR` in two phases. https://arxiv.org/abs/1708.07120
 */
export function oneCycle(peak: number, options: OneCycleOptions = {}, ...extra: never[]): Schedule {
  const checked = checkOptions('oneCycle', options, ONE_CYCLE, extra);
  const { total, pctStart, divFactor, finalDivFactor, anneal } = checked;
  checkRate('oneCycle', 'peak', peak);
  if (!(pctStart >= 0 && pctStart <= 1)) throw new OptionError(`oneCycle: pctStart is ${pctStart}. Use 0 to 1.`);
  const first = peak / divFactor;
  const between = anneal === 'cos' ? alongCosine : alongLine;
  return described({ name: 'oneCycle', peak, total, pctStart, divFactor, finalDivFactor, anneal }, (t, run) => {
    const length = lengthOf('oneCycle', total, run);
    const top = Math.max(pctStart * length - 1, 0);
    if (t < top) return between(first, peak, t / top);
    return between(peak, first / finalDivFactor, length - 1 > top ? Math.min((t - top) / (length - 1 - top), 1) : 1);
  });
}

function alongCosine(from: number, to: number, part: number): number {
  return to + ((from - to) / 2) * (1 + Math.cos(Math.PI * part));
}

function alongLine(from: number, to: number, part: number): number {
  return from + (to - from) * part;
}

/** A schedule with its description attached. */
export function described(
  description: ScheduleDescription | undefined,
  rate: (t: number, run: number | undefined) => number,
): Schedule {
  return Object.freeze(Object.assign(rate, description && { description: Object.freeze(withoutGaps(description)) }));
}

/** The number of steps of a schedule: its own total, else the run's. */
function lengthOf(what: string, own: number | undefined, run: number | undefined): number {
  const length = own ?? run;
  if (length === undefined) {
    throw new OptionError(
      `${what}: the number of steps is not known. Give \`epochs\` or \`maxSteps\` to fit, or \`total\` to the schedule.`,
    );
  }
  return length;
}
