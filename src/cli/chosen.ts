// Which network a run trains: a preset, or the module that --model or the run's own files name.
import { OptionError } from '../graph/errors.ts';
import type { Shape } from '../graph/shape.ts';
import type { DataFacts } from './data-folder.ts';
import { trainableOf } from './fitted.ts';
import { importModel } from './model-module.ts';
import type { Settings } from './options.ts';
import type { Output } from './output.ts';
import { presetNamed, type Trainable } from './trainable.ts';

/** The network of a new run. */
export async function chosenBy({ preset, model }: Settings): Promise<Trainable> {
  return model === undefined ? trainableOf(presetNamed(preset)) : importModel(model);
}

/** What the files of a run record besides its settings. */
export interface Recorded {
  readonly facts: DataFacts | undefined;
  /** Of the module with its model. */
  readonly modelDigest: string | undefined;
}

/** Reads a configuration leniently: of other programs, and of earlier runs, nothing is known. */
export function recordedIn(configuration: unknown): Recorded {
  const { inputShape, outputs, classNames, modelDigest } = (configuration ?? {}) as Readonly<Record<string, unknown>>;
  const known = isShape(inputShape) && typeof outputs === 'number';
  const names = Array.isArray(classNames) ? classNames.map(String) : undefined;
  return {
    facts: known ? { inputShape, classes: outputs, classNames: names } : undefined,
    modelDigest: typeof modelDigest === 'string' ? modelDigest : undefined,
  };
}

function isShape(value: unknown): value is Shape {
  return Array.isArray(value) && value.length > 0 && value.every((n) => Number.isSafeInteger(n) && n > 0);
}

/** The module of a run, which flags may say has moved; a file that has changed since is reported. */
export async function moduleOf(
  saved: Settings,
  settings: Settings,
  { file, modelDigest, output }: { file: string; modelDigest: string | undefined; output: Output },
): Promise<Trainable> {
  const own = saved.model;
  if (own === undefined)
    throw new OptionError(`--model: ${settings.model} contradicts ${file}, which names a preset. Leave --model out.`);
  if (settings.preset !== undefined)
    throw new OptionError(
      `--preset: ${settings.preset} contradicts ${file}, whose network is ${own}. Leave --preset out.`,
    );
  const path = settings.model ?? own;
  output.log(`The network is the code of ${path}.`);
  const net = await importModel(path);
  if (modelDigest !== undefined && net.module!.digest !== modelDigest)
    output.warn(
      `${path} has changed since the run in ${file} began: its weights may no longer fit, and results may differ.`,
    );
  return net;
}
