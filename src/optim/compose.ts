// Schedules made of schedules (a warm-up, one after another), and the way back from a description to its schedule.
import { OptionError } from '../graph/errors.ts';
import { checkExtra, checkOptions, checkValue, FINITE, NUMBER } from '../graph/options.ts';
import { checkRate, checkSteps } from './check.ts';
import {
  constant,
  cosine,
  described,
  exponential,
  linear,
  type OneCycleOptions,
  oneCycle,
  type Rate,
  type Schedule,
  type ScheduleDescription,
  stepDecay,
} from './schedules.ts';

/**
 * rate(t) = after(0) · (startFactor + (1 - startFactor) · t / steps) for t < steps, then after(t - steps) with the run's
 * length less by `steps`: PyTorch's `SequentialLR` of a `LinearLR` and another; startFactor 1/3.
 */
export function warmup(
  after: Rate,
  options: { readonly steps: number; readonly startFactor?: number },
  ...extra: never[]
): Schedule {
  checkOptions('warmup', options, { steps: true, startFactor: NUMBER }, extra);
  const { steps, startFactor = 1 / 3 } = options;
  const then = toSchedule('warmup', after);
  checkSteps('warmup', 'steps', steps);
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

/**
 * Several schedules one after another, each counting from 0 again and as long as its part: PyTorch's `SequentialLR`. Part k ends
 * before step milestones[k]; the last ends with the run.
 */
export function sequence(
  parts: readonly Rate[],
  options: { readonly milestones: readonly number[] },
  ...extra: never[]
): Schedule {
  checkOptions('sequence', options, { milestones: true }, extra);
  const { milestones } = options;
  if (!Array.isArray(parts) || !Array.isArray(milestones)) {
    throw new OptionError('sequence: schedules or milestones are missing. Give two arrays, such as [a, b] and [100].');
  }
  if (parts.length === 0 || milestones.length !== parts.length - 1) {
    throw new OptionError(
      `sequence: ${milestones.length} milestones for ${parts.length} schedules. Give one step between every two schedules.`,
    );
  }
  if (milestones.some((step, k) => !Number.isSafeInteger(step) || step <= (milestones[k - 1] ?? 0))) {
    throw new OptionError(
      `sequence: milestones are [${milestones.join(', ')}]. Give whole numbers of steps, rising from 1.`,
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

/** The schedule that a description (from a checkpoint, say) describes. @throws OptionError for one it does not know. */
export function scheduleFrom(description: ScheduleDescription, ...extra: never[]): Schedule {
  checkExtra('scheduleFrom', extra);
  const { name, ...args } = description ?? {};
  const make = typeof name === 'string' && Object.hasOwn(FROM, name) ? FROM[name as keyof typeof FROM] : undefined;
  if (!make) {
    throw new OptionError(`schedule: ${JSON.stringify(name)} is unknown. Known are ${Object.keys(FROM).join(', ')}.`);
  }
  return make(args as never);
}

const FROM = {
  constant: (a: { lr: number }) => constant(a.lr),
  stepDecay: ({ lr, ...a }: { lr: number; every: number; gamma: number }) => stepDecay(lr, a),
  exponential: ({ lr, ...a }: { lr: number; every: number; gamma: number }) => exponential(lr, a),
  linear: ({ lr, ...a }: { lr: number; end: number; total?: number }) => linear(lr, a),
  cosine: ({ peak, ...a }: { peak: number; min: number; total?: number }) => cosine(peak, a),
  oneCycle: ({ peak, ...a }: { peak: number } & OneCycleOptions) => oneCycle(peak, a),
  warmup: ({ after, ...a }: { after: number | ScheduleDescription; steps: number; startFactor: number }) =>
    warmup(rateFrom(after), a),
  sequence: ({ parts, ...a }: { parts: readonly (number | ScheduleDescription)[]; milestones: readonly number[] }) =>
    sequence(Array.isArray(parts) ? parts.map((part) => rateFrom(part)) : [], a),
};

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
