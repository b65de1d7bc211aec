// The plan of a training: a network with overrides from flags, a --config file or a checkpoint. It is plain data, so that config.json and
// checkpoints can hold it, and a resumed run is checked against it.
import { resolve } from 'node:path';
import type { AugmentOptions } from '../data/augmentation.ts';
import { CheckpointError, OptionError } from '../graph/errors.ts';
import { adagrad } from '../optim/adagrad.ts';
import { adam, adamW } from '../optim/adam.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { rmsProp } from '../optim/rmsprop.ts';
import { sgd } from '../optim/sgd.ts';
import { type DataFacts, READING, type Reading } from './data-folder.ts';
import { trainableOf } from './fitted.ts';
import { flagOf, type Settings } from './options.ts';
import type { DataChoice } from './parsers.ts';
import { augmentOptions } from './picture-options.ts';
import { presetNamed, type Trainable } from './trainable.ts';

/** Optimizers by their command-line names, each with its rate in presets not tuned for it. */
export const OPTIMIZERS = {
  sgd: (lr = 0.1) => sgd({ lr }),
  adam: (lr = 1e-3) => adam({ lr }),
  adamw: (lr = 1e-3) => adamW({ lr }),
  rmsprop: (lr = 1e-3) => rmsProp({ lr }),
  adagrad: (lr = 1e-2) => adagrad({ lr }),
} as const satisfies Readonly<Record<string, (lr?: number) => Optimizer>>;

/** What determines the trained weights, with defaults filled in. */
export interface Plan extends Reading {
  readonly net: Trainable;
  readonly seed: number;
  readonly optimizer: string;
  /** A constant rate. Default: the network's own schedule, or the optimizer's usual rate. */
  readonly lr?: number;
  readonly batchSize: number;
  /** At least one of the two is set; the first to be reached ends the run. */
  readonly epochs?: number;
  readonly maxSteps?: number;
  readonly data: DataChoice;
  /** How pictures are augmented. Default: as the network is trained usually. */
  readonly augment?: boolean | string;
}

/** The plan of a new run. Default: of a preset. */
export function planOf(settings: Settings, net = trainableOf(presetNamed(settings.preset))): Plan {
  const { seed = 0, lr, maxSteps, data = { kind: 'auto' }, augment } = settings;
  // A number of steps alone is the exact length of the run, not a cap on the network's usual one.
  const epochs = settings.epochs ?? (maxSteps === undefined ? net.defaults.epochs : undefined);
  return {
    net,
    seed,
    optimizer: settings.optimizer ?? net.optimizerName,
    ...(lr !== undefined && { lr }),
    batchSize: settings.batchSize ?? net.defaults.batchSize,
    ...(epochs !== undefined && { epochs }),
    ...(maxSteps !== undefined && { maxSteps }),
    data,
    ...readingOf(settings),
    ...(augment !== undefined && { augment }),
  };
}

/** The given flags that say how data are read. */
export function readingOf(settings: Settings): Reading {
  const given = READING.map((name) => [name, settings[name]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== false));
}

/**
 * The plan of a resumed run: its checkpoint's. Flags may change its length, the device, the output folder and the folder of moved data;
 * anything else would make it another run. @throws OptionError that names a flag and the file that contradict each other.
 */
export function resumedPlan(saved: Settings, settings: Settings, file: string, net: Trainable): Plan {
  for (const key of FIXED) {
    const then = saved[key] ?? UNSAID[key];
    if (settings[key] === undefined || String(settings[key]) === String(then)) continue;
    refuse(key, settings[key], then ?? `the network's own`, file);
  }
  const plan = planOf({ ...saved, ...(lengthOf(settings) ?? lengthOf(saved)) }, net);
  const { data } = settings;
  if (data === undefined || data.kind === 'auto') return plan;
  if (data.kind !== plan.data.kind) refuse('data', dataText(data), dataText(plan.data), file);
  return { ...plan, data };
}

/** What another value of would make it another run. */
const FIXED = ['preset', 'seed', 'optimizer', 'lr', 'batchSize', ...READING, 'augment'] as const;

/** The defaults of absent settings. */
const UNSAID: Readonly<Record<string, unknown>> = {
  classes: 'as many as its labels',
  transpose: false,
  size: 'the size of its pictures',
  channels: 'as many as its pictures',
  skipBad: false,
};

function lengthOf({ epochs, maxSteps }: Settings): Settings | undefined {
  return epochs === undefined && maxSteps === undefined ? undefined : { epochs, maxSteps };
}

function refuse(key: string, now: unknown, then: unknown, file: string): never {
  throw new OptionError(
    `${flagOf(key)}: ${now} contradicts --resume: the run in ${file} has ${then}. Leave ${flagOf(key)} out, or start a new run without --resume.`,
  );
}

/** The plan as settings for config.json and checkpoints, `--config` and {@link resumedPlan}. */
export function planSettings({ net, data, optimizer, ...rest }: Plan): Record<string, unknown> {
  // A module's optimizer may be none of ours; with the module it comes back.
  const own = net.module !== undefined && optimizer === net.optimizerName;
  return {
    ...(net.module ? { model: net.module.path } : { preset: net.name }),
    ...rest,
    ...(!own && { optimizer }),
    data: dataText(data),
  };
}

/** What the files of a run record besides its settings. */
export function recordOf({ net }: Plan, { inputShape, classes, classNames }: DataFacts): Record<string, unknown> {
  const { module } = net;
  return {
    inputShape,
    outputs: classes,
    ...(classNames && { classNames }),
    ...(module && { modelDigest: module.digest }),
  };
}

export function dataText(data: DataChoice): string {
  return data.kind === 'folder' ? resolve(data.path) : data.kind;
}

export function optimizerOf({ net, optimizer, lr }: Plan): Optimizer {
  if (optimizer === net.optimizerName) return net.optimizer(lr);
  return OPTIMIZERS[optimizer as keyof typeof OPTIMIZERS](lr);
}

/** How the pictures of a run are augmented; undefined: not at all. Without options, as small photographs usually are. */
export function augmentationFor({ augment, net }: Plan): AugmentOptions | undefined {
  if (typeof augment === 'string') return augmentOptions(augment);
  const own = typeof net.augment === 'object' ? net.augment : net.augment ? {} : undefined;
  return augment === undefined ? own : augment ? (own ?? {}) : undefined;
}

/** Steps per epoch and per run. @throws OptionError if a batch is larger than the data. */
export function lengthIn({ batchSize, epochs, maxSteps }: Plan, size: number, name: string) {
  if (batchSize > size)
    throw new OptionError(
      `--batch-size: ${batchSize} is more than the ${size} examples of ${name}. Give at most ${size}.`,
    );
  const perEpoch = Math.ceil(size / batchSize);
  const total = Math.min((epochs ?? Number.POSITIVE_INFINITY) * perEpoch, maxSteps ?? Number.POSITIVE_INFINITY);
  return { perEpoch, total, epochs: Math.ceil(total / perEpoch) };
}

/** A checkpoint's configuration must be the command line's own. */
export function configurationOf(configuration: unknown, file: string): string {
  const isOwn = typeof configuration === 'object' && configuration !== null;
  if (isOwn && ('preset' in configuration || 'model' in configuration)) return JSON.stringify(configuration);
  throw new CheckpointError(
    `${file}: it does not say which preset or model it belongs to. Load it in your own program with loadCheckpoint.`,
  );
}
