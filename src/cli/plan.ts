// The plan of a training: a preset with overrides from flags, a --config file or a checkpoint. It is plain data, so that config.json and
// checkpoints can hold it, and a resumed run is checked against it.
import { resolve } from 'node:path';
import { CheckpointError, OptionError } from '../graph/errors.ts';
import { adagrad } from '../optim/adagrad.ts';
import { adam, adamW } from '../optim/adam.ts';
import type { Optimizer } from '../optim/optimizer.ts';
import { rmsProp } from '../optim/rmsprop.ts';
import { sgd } from '../optim/sgd.ts';
import { type Preset, presets } from '../train/presets.ts';
import { flagOf, type Settings } from './options.ts';
import type { DataChoice } from './parsers.ts';

/** Optimizers by their command-line names, each with its rate in presets not tuned for it. */
export const OPTIMIZERS = {
  sgd: (lr = 0.1) => sgd({ lr }),
  adam: (lr = 1e-3) => adam({ lr }),
  adamw: (lr = 1e-3) => adamW({ lr }),
  rmsprop: (lr = 1e-3) => rmsProp({ lr }),
  adagrad: (lr = 1e-2) => adagrad({ lr }),
} as const satisfies Readonly<Record<string, (lr?: number) => Optimizer>>;

export const DEFAULT_PRESET = 'mlp';

/** What determines the trained weights, with defaults filled in. */
export interface Plan {
  readonly preset: Preset;
  readonly seed: number;
  readonly optimizer: string;
  /** A constant rate. Default: the preset's schedule, or the optimizer's usual rate. */
  readonly lr?: number;
  readonly batchSize: number;
  /** At least one of the two is set; the first to be reached ends the run. */
  readonly epochs?: number;
  readonly maxSteps?: number;
  readonly data: DataChoice;
  /** The number of classes, if not the labels'. */
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
  // A number of steps alone is the exact length of the run, not a cap on the preset's.
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
 * The plan of a resumed run: its checkpoint's. Flags may change its length, the device, the output folder and the folder of moved data;
 * anything else would make it another run. @throws OptionError that names a flag and the file that contradict each other.
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

/** The defaults of absent settings. */
const UNSAID: Readonly<Record<string, unknown>> = { classes: 'as many as its labels', transpose: false };

function lengthOf({ epochs, maxSteps }: Settings): Settings | undefined {
  return epochs === undefined && maxSteps === undefined ? undefined : { epochs, maxSteps };
}

function refuse(key: string, now: unknown, then: unknown, file: string): never {
  throw new OptionError(
    `${flagOf(key)}: ${now} contradicts --resume: the run in ${file} has ${then}. Leave ${flagOf(key)} out, or start a new run without --resume.`,
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
  if (typeof configuration === 'object' && configuration !== null && 'preset' in configuration)
    return JSON.stringify(configuration);
  throw new CheckpointError(
    `${file}: it does not say which preset it belongs to. Load it in your own program with loadCheckpoint.`,
  );
}
