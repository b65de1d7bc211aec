// Composed schedules (warm-up, sequence), and schedules from their descriptions.
import { OptionError } from '../graph/errors.ts';
import { checkExtra, checkOptions, checkValue, FINITE, NUMBER, type Schema } from '../graph/options.ts';
import { checkRate, STEPS } from './check.ts';
import {
  COSINE,
  constant,
  cosine,
  described,
  EXPONENTIAL,
  exponential,
  LINEAR,
  linear,
  ONE_CYCLE,
  oneCycle,
  type Rate,
  type Schedule,
  type ScheduleDescription,
  STEP_DECAY,
  stepDecay,
} from './schedules.ts';

/** Options of {@link warmup}. */
export interface WarmupOptions {
  /** Steps until the schedule begins. */
  readonly steps: number;
  /** The first rate is this part of the schedule's first. Default 1/3. */
  readonly startFactor?: number | undefined;
}

const WARMUP = { steps: STEPS, startFactor: [NUMBER, 1 / 3] } satisfies Schema<WarmupOptions>;

/**
 * rate(t) = after(0) · (startFactor + (1 - startFactor) · t / steps) for t < steps, then after(t - steps) and the run's length reduced by
 * `steps`: PyTorch's `SequentialLR` of a `LinearLR` and another. Default startFactor 1/3.
 */
export function warmup(after: Rate, options: WarmupOptions, ...extra: never[]): Schedule {
  const { steps, startFactor } = checkOptions('warmup', options, WARMUP, extra);
  const then = toSchedule('warmup', after);
  checkValue('warmup', 'steps', steps, STEPS);
  if (!(startFactor >= 0 && startFactor <= 1)) {
    throw new OptionError(`warmup: startFactor is ${startFactor}. Use 0 to 1.`);
  }
  const inner = rateDescription(after);
  const description = inner === undefined ? undefined : { name: 'warmup', after: inner, steps, startFactor };
  return described(description, (t, run) => {
    const rest = run === undefined ? undefined : Math.max(run - steps, 1);
    if (t >= steps) return then(t - steps, rest);
    return then(0, rest) * (startFactor + ((1 - startFactor) * t) / steps);
  });
}

/** Options of {@link sequence}. */
export interface SequenceOptions {
  /** The steps, from 1 and ascending, at which the next schedule begins: one less than there are schedules. */
  readonly milestones: readonly number[];
}

const SEQUENCE = { milestones: true } satisfies Schema<SequenceOptions>;

/**
 * Schedules one after another, each counting from 0 over its own part: PyTorch's `SequentialLR`. Part k ends
 * before step milestones[k]; the last ends with the run.
 */
export function sequence(parts: readonly Rate[], options: SequenceOptions, ...extra: never[]): Schedule {
  const { milestones } = checkOptions('sequence', options, SEQUENCE, extra);
  if (!Array.isArray(parts) || !Array.isArray(milestones)) {
    throw new OptionError('sequence: schedules or milestones are missing. Give two arrays, such as [a, b] and [100].');
  }
  if (parts.length === 0 || milestones.length !== parts.length - 1) {
    throw new OptionError(
      `sequence: ${milestones.length} milestones for ${parts.length} schedules. Give one milestone between every two schedules.`,
    );
  }
  if (milestones.some((step, k) => !Number.isSafeInteger(step) || step <= (milestones[k - 1] ?? 0))) {
    throw new OptionError(
      `sequence: milestones are [${milestones.join(', ')}]. Give ascending whole numbers of steps from 1.`,
    );
  }
  const schedules = parts.map((part) => toSchedule('sequence', part));
  const inner = parts.map((part) => rateDescription(part)).filter((part) => part !== undefined);
  const complete = inner.length === parts.length;
  const description = complete ? { name: 'sequence', parts: inner, milestones: [...milestones] } : undefined;
  return described(description, (t, run) => {
    const found = milestones.findIndex((step) => t < step);
    const k = found < 0 ? milestones.length : found;
    const start = milestones[k - 1] ?? 0;
    const end = milestones[k] ?? run;
    return schedules[k]!(t - start, end === undefined ? undefined : Math.max(end - start, 1));
  });
}

/**
 * The schedule of a description, such as one from a checkpoint. @throws OptionError for an unknown schedule, and for fields that the
 * schedule does not have.
 */
export function scheduleFrom(description: ScheduleDescription, ...extra: never[]): Schedule {
  checkExtra('scheduleFrom', extra);
  const { name, ...fields } = description ?? {};
  if (typeof name !== 'string' || !Object.hasOwn(FROM, name)) {
    throw new OptionError(`schedule: ${JSON.stringify(name)} is unknown. Use one of ${Object.keys(FROM).join(', ')}.`);
  }
  const [first, make, schema] = FROM[name as keyof typeof FROM];
  checkOptions(name, fields, { [first]: true, ...schema });
  const { [first]: given, ...options } = fields;
  return make(given as never, options as never);
}

/** By name: the first argument's name, the function, and its options. */
const FROM = {
  constant: ['lr', (lr: number, _: never) => constant(lr), {}],
  stepDecay: ['lr', stepDecay, STEP_DECAY],
  exponential: ['lr', exponential, EXPONENTIAL],
  linear: ['lr', linear, LINEAR],
  cosine: ['peak', cosine, COSINE],
  oneCycle: ['peak', oneCycle, ONE_CYCLE],
  warmup: ['after', (after: number | ScheduleDescription, options: never) => warmup(rateFrom(after), options), WARMUP],
  sequence: ['parts', (parts: unknown, options: never) => sequence(ratesFrom(parts), options), SEQUENCE],
} as const;

function ratesFrom(parts: unknown): Rate[] {
  return Array.isArray(parts) ? parts.map((part) => rateFrom(part)) : [];
}

/** A rate as plain data; undefined for a schedule without a description. */
export function rateDescription(lr: Rate, ...extra: never[]): number | ScheduleDescription | undefined {
  if (typeof lr !== 'function') checkValue('rateDescription', 'the rate', lr, FINITE);
  checkExtra('rateDescription', extra);
  return typeof lr === 'number' ? lr : lr.description;
}

/** The rate that {@link rateDescription} described. */
export function rateFrom(description: number | ScheduleDescription, ...extra: never[]): Rate {
  checkExtra('rateFrom', extra);
  if (typeof description === 'number') checkValue('rateFrom', 'the rate', description, FINITE);
  return typeof description === 'number' ? description : scheduleFrom(description);
}

function toSchedule(what: string, rate: Rate): Schedule {
  if (typeof rate === 'function') return rate;
  checkRate(what, 'lr', rate);
  return () => rate;
}
