// A run: its data, data order, first step and length. It is plain data, so that a checkpoint can store it and a new process continue
// it, and everything about a step (its epoch, its rows, its rate) follows from it and the step alone.
import type { Augmentation } from '../data/augmentation.ts';
import { OptionError } from '../graph/errors.ts';
import { nearest } from '../graph/nearest.ts';
import {
  BOOLEAN,
  COUNT,
  checkOptions,
  checkValue,
  FUNCTION,
  type Kind,
  OBJECT,
  oneOf,
  type Schema,
  SIGNAL,
  STRING,
  show,
} from '../graph/options.ts';
import { checkExamples, type Examples, namedParts } from './batch.ts';
import { CLASS_WEIGHTS, type ClassWeights } from './class-weights.ts';
import type { Callbacks } from './events.ts';
import type { DataOrder } from './step.ts';

/** A run as a checkpoint stores it. */
export interface Run {
  /** The data set's name. */
  readonly dataName: string;
  /** Examples in the data set. */
  readonly size: number;
  /** Examples per step. */
  readonly batchSize: number;
  /** Whether each epoch is reshuffled. */
  readonly shuffle: boolean;
  /** Whether an epoch's last batch is left out if it is short. */
  readonly dropLast: boolean;
  /** The State's step count when the run began. */
  readonly start: number;
  /** The run's number of steps, if known. */
  readonly total?: number;
  /** How its pictures are augmented, by the names of tensors: `x`, or `x.pixels`; absent if they are not. */
  readonly augmentation?: Readonly<Record<string, Augmentation>>;
}

/** When to stop for lack of improvement. */
export interface EarlyStopping {
  /** Epochs without improvement before the run ends. Default 3. */
  readonly patience?: number | undefined;
  /** The minimum change that counts as an improvement. Default 0. */
  readonly minDelta?: number | undefined;
  /** The monitored value, on the validation set or else in training: `loss`, `accuracy` or a metric (`kind.accuracy`). Default `loss`. */
  readonly monitor?: string | undefined;
  /** Whether a lower or a higher value is better. Default: `min` for losses, `max` for accuracies; required for other metrics. */
  readonly mode?: 'min' | 'max' | undefined;
  /** Whether the run ends with the State of its best epoch, however it ends, even by a divergence or an error. Default false. */
  readonly restoreBest?: boolean | undefined;
}

export const DIVERGENCE = ['stop', 'warn', 'off'] as const;

/** Options of {@link Trainer.fit}. */
export interface FitOptions extends Callbacks {
  /** Passes over the data. Without this and `maxSteps`, the run continues until it is stopped. */
  readonly epochs?: number | undefined;
  /** The maximum number of steps of the run. */
  readonly maxSteps?: number | undefined;
  /** Examples per step: all, if the data set is smaller. Default 32. */
  readonly batchSize?: number | undefined;
  /** The data set to evaluate at the end of each epoch. */
  readonly validation?: Examples | undefined;
  /**
   * The fraction (between 0 and 1) or number of examples to hold out and evaluate at the end of each epoch instead of `validation`: chosen
   * by the trainer's seed, the same in all its runs; if targets are class indices, each class keeps its proportion.
   */
  readonly validationSplit?: number | undefined;
  /** Ends the run after the steps already submitted; the stream then just ends (`history.stopped` is 'aborted'). */
  readonly signal?: AbortSignal | undefined;
  /** Whether to reshuffle at every epoch. Default true. */
  readonly shuffle?: boolean | undefined;
  /** Whether to leave out an epoch's last batch if it is short. Default false. */
  readonly dropLast?: boolean | undefined;
  /** 'epoch': one event per epoch. 'step': steps and warnings too. Default 'epoch'. */
  readonly events?: 'epoch' | 'step' | undefined;
  /** Ends the run when a metric has stopped improving. Default: off. */
  readonly earlyStopping?: EarlyStopping | undefined;
  /**
   * The weight of each class in training, times the examples' own weights: a weight for each class, some by class (others count 1), or
   * `balanced`, n / (classes · count). Validation is not weighted. Needs class labels. Default: 1 for each.
   */
  readonly classWeights?: ClassWeights | undefined;
  /** Ends the run at the first epoch whose accuracy (validation, else training) is at least this. */
  readonly targetAccuracy?: number | undefined;
  /**
   * What to do if the loss diverges: `stop` ends the run with a DivergenceError, `warn` warns once, `off` does nothing. It has diverged if
   * the mean of the last steps (a tenth of an epoch, at least 20) is more than 10 times the loss of the best constant prediction, and the
   * run's first loss. Non-finite values always end the run. Default `stop`.
   */
  readonly divergence?: (typeof DIVERGENCE)[number] | undefined;
  /** Functions to call at the run's events, one object or several, in order, beside those given as options. */
  readonly callbacks?: Callbacks | readonly Callbacks[] | undefined;
  /**
   * Resumes the State's run as if it had never stopped: same data order, same schedule. `epochs` and `maxSteps` count from that run's
   * beginning. False: a new run, whose epochs and schedule begin at its first step. Default false.
   */
  readonly resume?: boolean | undefined;
}

export const EARLY_STOPPING = {
  patience: [{ ...COUNT, advice: 'Give a whole number of epochs from 1.' }, 3],
  minDelta: [{ advice: 'Give a finite number >= 0.', fits: (v) => Number.isFinite(v) && (v as number) >= 0 }, 0],
  monitor: [STRING, 'loss'],
  mode: oneOf('min', 'max'),
  restoreBest: [BOOLEAN, false],
} satisfies Schema<EarlyStopping>;
const CALLBACKS = {
  onStep: FUNCTION,
  onEpoch: FUNCTION,
  onWarning: FUNCTION,
  onEnd: FUNCTION,
} satisfies Schema<Callbacks>;
/** A fraction of examples, or a number of them. */
export const PART: Kind = {
  advice: 'Give a fraction between 0 and 1, or a whole number of examples from 1.',
  fits: (v) => Number.isFinite(v) && (v as number) > 0 && ((v as number) < 1 || Number.isSafeInteger(v)),
};
export const FIT = {
  epochs: COUNT,
  maxSteps: COUNT,
  batchSize: [COUNT, 32],
  validation: true,
  validationSplit: PART,
  signal: SIGNAL,
  shuffle: [BOOLEAN, true],
  dropLast: [BOOLEAN, false],
  events: [oneOf('epoch', 'step'), 'epoch'],
  earlyStopping: true,
  classWeights: CLASS_WEIGHTS,
  targetAccuracy: {
    advice: 'Give a fraction from 0 to 1, such as 0.975.',
    fits: (v) => Number.isFinite(v) && (v as number) >= 0 && (v as number) <= 1,
  },
  divergence: [oneOf(...DIVERGENCE), 'stop'],
  callbacks: true,
  resume: [BOOLEAN, false],
  ...CALLBACKS,
} satisfies Schema<FitOptions>;

/** Steps in an epoch. */
export function stepsPerEpoch({ size, batchSize, dropLast }: Pick<Run, 'size' | 'batchSize' | 'dropLast'>): number {
  return dropLast ? Math.floor(size / batchSize) : Math.ceil(size / batchSize);
}

export function orderOf(run: Run): DataOrder {
  const { size, batchSize, shuffle } = run;
  return { size, batchSize, shuffle, stepsPerEpoch: stepsPerEpoch(run) };
}

/** The position of a step in its run: its epoch (from 0), its index in the epoch, and its number of rows. */
export function placeOf(run: Run, step: number): { epoch: number; index: number; rows: number } {
  const S = stepsPerEpoch(run);
  const epoch = Math.floor((step - run.start) / S);
  const index = step - run.start - epoch * S;
  return { epoch, index, rows: Math.min(run.batchSize, run.size - index * run.batchSize) };
}

/** Rows of an epoch's last batch if it is short; else 0. */
export function shortRows({ size, batchSize, dropLast }: Run): number {
  return dropLast ? 0 : size % batchSize;
}

/** Whether a run at `step` still reaches the end of an epoch. */
export function endsEpoch(run: Run, step: number): boolean {
  const S = stepsPerEpoch(run);
  const epochs = (steps: number) => Math.floor(steps / S);
  return run.total === undefined || epochs(run.total) > epochs(step - run.start);
}

/** What Keras calls the hooks. */
const KERAS_HOOKS: Readonly<Record<string, keyof Callbacks>> = {
  onEpochEnd: 'onEpoch',
  onBatchEnd: 'onStep',
  onTrainBatchEnd: 'onStep',
  onTrainEnd: 'onEnd',
};

/** Rejects a callback with no hooks or with hooks that would never be called; it may have other members. */
function checkCallbacks(callback: unknown): void {
  const hooks = Object.keys(CALLBACKS);
  checkValue('fit', 'a callback', callback, { ...OBJECT, advice: `Give an object of ${hooks.join(', ')}.` });
  const given = callback as Readonly<Record<string, unknown>>;
  const unknown = methodsOf(given).find((name) => /^on[A-Z_]/.test(name) && !hooks.includes(name));
  if (unknown !== undefined) {
    const camel = unknown.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
    const near = KERAS_HOOKS[camel] ?? nearest(camel, hooks);
    const advice = near ? `Did you mean ${near}?` : `The hooks are ${hooks.join(', ')}.`;
    throw new OptionError(`callbacks: there is no hook ${unknown}. ${advice}`);
  }
  if (!hooks.some((name) => given[name] !== undefined))
    throw new OptionError(`callbacks: ${show(callback)} has none of ${hooks.join(', ')}. Give it one of these.`);
  checkOptions('callbacks', Object.fromEntries(hooks.map((name) => [name, given[name]])), CALLBACKS);
}

/** The names of an object's functions, those of its class included. */
function methodsOf(object: object): string[] {
  const classes: object[] = [];
  for (let at: object | null = object; at && at !== Object.prototype; at = Object.getPrototypeOf(at)) classes.push(at);
  const names = classes.flatMap((at) => Object.getOwnPropertyNames(at));
  return names.filter((name) => typeof (object as Readonly<Record<string, unknown>>)[name] === 'function');
}

/** @throws OptionError or DataError for what `fit` cannot train on, in whose place there may be x and y. */
export function checkTrainingData(data: Examples): void {
  checkExamples(data, 'data', 'as in fit(datasets.array(x, y), { epochs: 5 })');
}

/** The run that the options of `fit` describe. @throws OptionError or DataError naming what is wrong. */
export function planRun(data: Examples, options: FitOptions, step: number, before: Run | undefined): Run {
  checkTrainingData(data);
  const usual = checkOptions('fit', options, FIT);
  if (options.earlyStopping !== undefined) checkOptions('earlyStopping', options.earlyStopping, EARLY_STOPPING);
  if (options.callbacks !== undefined) for (const callback of [options.callbacks].flat()) checkCallbacks(callback);
  if (options.validation !== undefined) checkExamples(options.validation, 'validation');
  if (options.resume && !before)
    throw new OptionError(
      'fit: resume is true, but there is no run to continue. Load a checkpoint first, or leave out resume.',
    );
  const base = options.resume ? before : undefined;
  // A resumed run comes before the defaults.
  const augmented = namedParts({ x: data.x }).filter(([, values]) => values.augmentation);
  const shape = {
    dataName: data.name ?? 'data',
    size: data.size,
    batchSize: Math.min(options.batchSize ?? base?.batchSize ?? usual.batchSize, data.size),
    shuffle: options.shuffle ?? base?.shuffle ?? usual.shuffle,
    dropLast: options.dropLast ?? base?.dropLast ?? usual.dropLast,
    ...(augmented.length > 0 && {
      augmentation: Object.fromEntries(augmented.map(([part, values]) => [part, values.augmentation!.options])),
    }),
  };
  if (shape.dropLast && options.batchSize && options.batchSize > data.size)
    throw new OptionError(
      `fit: batchSize is ${options.batchSize} and dropLast is true, but ${shape.dataName} has ${data.size} examples, so no batch is left. Use at most ${data.size}.`,
    );
  if (base) checkSame(base, shape);
  const total = totalSteps(options, stepsPerEpoch(shape)) ?? base?.total;
  return { ...shape, start: base?.start ?? step, ...(total !== undefined && { total }) };
}

function totalSteps({ epochs, maxSteps }: FitOptions, perEpoch: number): number | undefined {
  if (epochs === undefined) return maxSteps;
  return Math.min(epochs * perEpoch, maxSteps ?? Number.POSITIVE_INFINITY);
}

/** A resumed run must use the data it began with, augmented as it was. */
function checkSame(base: Run, now: Omit<Run, 'start' | 'total'>): void {
  for (const key of ['size', 'batchSize', 'shuffle', 'dropLast', 'augmentation'] as const) {
    const [is, was] = [now, base].map((run) => JSON.stringify(run[key]) ?? 'none');
    if (is !== was) {
      const what = key === 'size' ? 'the number of examples' : key;
      throw new OptionError(
        `fit: ${what} is ${is}, but the run to resume has ${was}. Give the same value, or leave out resume to start a new run.`,
      );
    }
  }
}
