// What is trained: a preset with what flags, a --config file or a checkpoint say otherwise. It is plain data until the end, so
// that config.json and checkpoints hold it, and a run that goes on is held against it.
import { resolve } from 'node:path';
import { CheckpointError, OptionError } from '../graph/errors.ts';
import { adagrad } from '../optim/adagrad.ts';
import { adam, adamW } from '../optim/adam.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { rmsProp } from '../optim/rmsprop.ts';
import { sgd } from '../optim/sgd.ts';
import { type Preset, presets } from '../train/presets.ts';
import { type DataChoice, flagOf, type Settings } from './options.ts';

/** Optimizers by the names of the command line, with the rate each has in a preset that was not tuned for it. */
export const OPTIMIZERS = {
  sgd: (lr = 0.1) => sgd({ lr }),
  adam: (lr = 1e-3) => adam({ lr }),
  adamw: (lr = 1e-3) => adamW({ lr }),
  rmsprop: (lr = 1e-3) => rmsProp({ lr }),
  adagrad: (lr = 1e-2) => adagrad({ lr }),
} as const satisfies Readonly<Record<string, (lr?: number) => Optimizer>>;

export const DEFAULT_PRESET = 'mlp';

/** What decides the weights that come out, defaults filled in. */
export interface Plan {
  readonly preset: Preset;
  readonly seed: number;
  readonly optimizer: string;
  /** A constant rate; without it the preset's schedule, or the optimizer's usual rate, holds. */
  readonly lr?: number;
  readonly batchSize: number;
  /** One of the two is there; where both are, the first to be reached ends the run. */
  readonly epochs?: number;
  readonly maxSteps?: number;
  readonly data: DataChoice;
  /** The number of classes, where it is not that of the labels. */
  readonly classes?: number;
  readonly transpose?: boolean;
}

export function presetOf({ preset = DEFAULT_PRESET }: Settings): Preset {
  return presets[preset as keyof typeof presets];
}

/** The plan of a new run. */
export function planOf(settings: Settings): Plan {
  const preset = presetOf(settings);
  const { seed = 0, lr, maxSteps, data = { kind: 'auto' }, classes, transpose } = settings;
  // A number of steps alone is the whole length of the run, not a cap on the preset's.
  const epochs = settings.epochs ?? (maxSteps === undefined ? preset.defaults.epochs : undefined);
  return {
    preset,
    seed,
    optimizer: settings.optimizer ?? preset.optimizer().name.toLowerCase(),
    ...(lr !== undefined && { lr }),
    batchSize: settings.batchSize ?? preset.defaults.batchSize,
    ...(epochs !== undefined && { epochs }),
    ...(maxSteps !== undefined && { maxSteps }),
    data,
    ...(classes !== undefined && { classes }),
    ...(transpose && { transpose }),
  };
}

/**
 * The plan of a run that goes on: that of its checkpoint. Flags may lengthen or shorten it, name another device, another
 * folder for the results and a folder to which the data was moved; anything else would make it another run.
 * @throws OptionError that names flag and file where they contradict each other.
 */
export function resumedPlan(saved: Settings, settings: Settings, file: string): Plan {
  for (const key of ['preset', 'seed', 'optimizer', 'lr', 'batchSize', 'classes', 'transpose'] as const) {
    const then = saved[key] ?? UNSAID[key];
    if (settings[key] === undefined || settings[key] === then) continue;
    refuse(key, settings[key], then ?? "the preset's own", file);
  }
  const plan = planOf({ ...saved, ...(lengthOf(settings) ?? lengthOf(saved)) });
  const { data } = settings;
  if (data === undefined || data.kind === 'auto') return plan;
  if (data.kind !== plan.data.kind) refuse('data', dataText(data), dataText(plan.data), file);
  return { ...plan, data };
}

/** What holds where a run's settings do not say. */
const UNSAID: Readonly<Record<string, unknown>> = { classes: 'as many as its labels', transpose: false };

function lengthOf({ epochs, maxSteps }: Settings): Settings | undefined {
  return epochs === undefined && maxSteps === undefined ? undefined : { epochs, maxSteps };
}

function refuse(key: string, now: unknown, then: unknown, file: string): never {
  throw new OptionError(
    `${flagOf(key)}: ${now} contradicts --resume: the run in ${file} has ${then}. Leave ${flagOf(key)} out, or begin a new run without --resume.`,
  );
}

/** The plan as settings for config.json and checkpoints, `--config` and {@link resumedPlan}. */
export function planSettings({ preset, data, ...rest }: Plan): Record<string, unknown> {
  return { preset: preset.name, ...rest, data: dataText(data) };
}

export function dataText(data: DataChoice): string {
  return data.kind === 'folder' ? resolve(data.path) : data.kind;
}

export function optimizerOf({ preset, optimizer, lr }: Plan): Optimizer {
  if (optimizer === preset.optimizer().name.toLowerCase()) return preset.optimizer({ lr });
  return OPTIMIZERS[optimizer as keyof typeof OPTIMIZERS](lr);
}

/** Steps in an epoch and in the run. @throws OptionError where a batch is larger than the data. */
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
  if (typeof configuration === 'object' && configuration !== null && 'preset' in configuration)
    return JSON.stringify(configuration);
  throw new CheckpointError(
    `${file}: it does not say which preset it belongs to. Go on with it in a program of your own, by loadCheckpoint.`,
  );
}
