// A run: which data, in which order, from which step and for how many. It is plain data, so that a checkpoint can keep it and
// a new process go on with it, and everything about a step (its epoch, its rows, its rate) follows from it and the step alone.
import { OptionError } from '../graph/errors.ts';
import {
  BOOLEAN,
  COUNT,
  checkOptions,
  checkValue,
  FUNCTION,
  type Kind,
  type Names,
  OBJECT,
  oneOf,
  SIGNAL,
  STRING,
  show,
} from '../graph/options.ts';
import { checkExamples, type Examples } from './batch.ts';
import { CLASS_WEIGHTS, type ClassWeights } from './class-weights.ts';
import type { Callbacks } from './events.ts';
import type { DataOrder } from './step.ts';

/** A run as a checkpoint keeps it. */
export interface Run {
  readonly dataName: string;
  /** Examples in the data set. */
  readonly size: number;
  readonly batchSize: number;
  readonly shuffle: boolean;
  readonly dropLast: boolean;
  /** Steps the State had made when the run began. */
  readonly start: number;
  /** Steps the run makes, where that is known. */
  readonly total?: number;
}

/** When to stop because nothing improves. */
export interface EarlyStopping {
  /** Epochs without improvement before the run ends. Default 3. */
  readonly patience?: number | undefined;
  /** The minimum change that counts as an improvement. Default 0. */
  readonly minDelta?: number | undefined;
  /** The monitored value, on the validation set or else in training: `loss`, `accuracy` or a metric (`kind.accuracy`). Default `loss`. */
  readonly monitor?: string | undefined;
  /** Whether a lower or a higher value is better. Default `min` for losses, `max` for accuracies; required for other metrics. */
  readonly mode?: 'min' | 'max' | undefined;
  /** Whether the run ends with the State of its best epoch, however it ends, even by a divergence or an error. Default false. */
  readonly restoreBest?: boolean | undefined;
}

export const DIVERGENCE = ['stop', 'warn', 'off'] as const;

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
  /** Whether to shuffle anew each epoch. Default true. */
  readonly shuffle?: boolean | undefined;
  /** Whether to leave out an epoch's last batch if it is short. Default false. */
  readonly dropLast?: boolean | undefined;
  /** 'epoch': one event per epoch. 'step': steps and warnings too. Default 'epoch'. */
  readonly events?: 'epoch' | 'step' | undefined;
  readonly earlyStopping?: EarlyStopping | undefined;
  /**
   * The weight of each class in training, times the examples' own weights: a weight for each class, some by class (others count 1), or
   * `balanced`, n / (classes · count). Validation is not weighted. Needs class labels. Default 1 for each.
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
  readonly callbacks?: Callbacks | readonly Callbacks[] | undefined;
  /**
   * Resumes the State's run as if it had never stopped: same data order, same schedule. `epochs` and `maxSteps` count from that run's
   * beginning. False: a new run, whose epochs and schedule begin at its first step. Default false.
   */
  readonly resume?: boolean | undefined;
}

const EARLY_STOPPING: Names<EarlyStopping> = {
  patience: { ...COUNT, advice: 'Give a whole number of epochs from 1.' },
  minDelta: { advice: 'Give a finite number >= 0.', fits: (v) => Number.isFinite(v) && (v as number) >= 0 },
  monitor: STRING,
  mode: oneOf('min', 'max'),
  restoreBest: BOOLEAN,
};
const CALLBACKS: Names<Callbacks> = { onStep: FUNCTION, onEpoch: FUNCTION, onWarning: FUNCTION, onEnd: FUNCTION };
/** A share of some examples, or a number of them. */
export const PART: Kind = {
  advice: 'Give a fraction between 0 and 1, or a whole number of examples from 1.',
  fits: (v) => Number.isFinite(v) && (v as number) > 0 && ((v as number) < 1 || Number.isSafeInteger(v)),
};
const NAMES: Names<FitOptions> = {
  epochs: COUNT,
  maxSteps: COUNT,
  batchSize: COUNT,
  validation: true,
  validationSplit: PART,
  signal: SIGNAL,
  shuffle: BOOLEAN,
  dropLast: BOOLEAN,
  events: oneOf('epoch', 'step'),
  earlyStopping: true,
  classWeights: CLASS_WEIGHTS,
  targetAccuracy: {
    advice: 'Give a fraction from 0 to 1, such as 0.975.',
    fits: (v) => Number.isFinite(v) && (v as number) >= 0 && (v as number) <= 1,
  },
  divergence: oneOf(...DIVERGENCE),
  callbacks: true,
  resume: BOOLEAN,
  ...CALLBACKS,
};

/** Steps in an epoch. */
export function stepsPerEpoch({ size, batchSize, dropLast }: Pick<Run, 'size' | 'batchSize' | 'dropLast'>): number {
  return dropLast ? Math.floor(size / batchSize) : Math.ceil(size / batchSize);
}

export function orderOf(run: Run): DataOrder {
  const { size, batchSize, shuffle } = run;
  return { size, batchSize, shuffle, stepsPerEpoch: stepsPerEpoch(run) };
}

/** Where a step of a run is: its epoch (from 0), its place there, and how many rows it takes. */
export function placeOf(run: Run, step: number): { epoch: number; index: number; rows: number } {
  const S = stepsPerEpoch(run);
  const epoch = Math.floor((step - run.start) / S);
  const index = step - run.start - epoch * S;
  return { epoch, index, rows: Math.min(run.batchSize, run.size - index * run.batchSize) };
}

/** Rows of an epoch's last batch where it is short; else 0. */
export function shortRows({ size, batchSize, dropLast }: Run): number {
  return dropLast ? 0 : size % batchSize;
}

/** Whether a run that is at `step` comes to the end of an epoch. */
export function endsEpoch(run: Run, step: number): boolean {
  const S = stepsPerEpoch(run);
  const epochs = (steps: number) => Math.floor(steps / S);
  return run.total === undefined || epochs(run.total) > epochs(step - run.start);
}

/** Refuses callbacks that would never be called; an object of a class may have more than callbacks. */
function checkCallbacks(callback: unknown): void {
  checkValue('fit', 'a callback', callback, {
    ...OBJECT,
    advice: 'Give an object of onStep, onEpoch, onWarning, onEnd.',
  });
  const plain = show(callback) === 'an object';
  const given = Object.keys(CALLBACKS).map((name) => [name, (callback as Record<string, unknown>)[name]]);
  checkOptions('callbacks', plain ? callback : Object.fromEntries(given), CALLBACKS);
}

/** @throws OptionError or DataError for what `fit` cannot train on, in whose place there may be x and y. */
export function checkTrainingData(data: Examples): void {
  checkExamples(data, 'data', 'as in fit(datasets.array(x, y), { epochs: 5 })');
}

/** The run that `fit` is asked for. @throws OptionError or DataError, naming what cannot be used. */
export function planRun(data: Examples, options: FitOptions, step: number, before: Run | undefined): Run {
  checkTrainingData(data);
  checkOptions('fit', options, NAMES);
  if (options.earlyStopping !== undefined) checkOptions('earlyStopping', options.earlyStopping, EARLY_STOPPING);
  if (options.callbacks !== undefined) for (const callback of [options.callbacks].flat()) checkCallbacks(callback);
  if (options.validation !== undefined) checkExamples(options.validation, 'validation');
  if (options.resume && !before)
    throw new OptionError(
      'fit: resume is true, but there is no run to continue. Load a checkpoint first, or leave it out.',
    );
  const base = options.resume ? before : undefined;
  const shape = {
    dataName: data.name ?? 'data',
    size: data.size,
    batchSize: Math.min(options.batchSize ?? base?.batchSize ?? 32, data.size),
    shuffle: options.shuffle ?? base?.shuffle ?? true,
    dropLast: options.dropLast ?? base?.dropLast ?? false,
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

/** A run that goes on must see the data that it began with. */
function checkSame(base: Run, now: Omit<Run, 'start' | 'total'>): void {
  for (const key of ['size', 'batchSize', 'shuffle', 'dropLast'] as const) {
    if (base[key] !== now[key]) {
      const what = key === 'size' ? 'the size of the data' : key;
      throw new OptionError(
        `fit: ${what} is ${now[key]}, but the run to be resumed has ${base[key]}. Give the same, or leave out resume for a new run.`,
      );
    }
  }
}
