// Trained weights: a safetensors file of weights, a checkpoint, or the folder of a run, and their network: a preset, or one that the file
// describes.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend } from '../backend.ts';
import type { DataSet } from '../data/dataset.ts';
import { CheckpointError, OptionError } from '../graph/errors.ts';
import { nearest } from '../graph/nearest.ts';
import { withoutGaps } from '../graph/options.ts';
import { FileError } from '../node/file-error.ts';
import { sgd } from '../optim/sgd.ts';
import { describeCheckpoint } from '../train/checkpoint.ts';
import { loadWeights } from '../train/files.ts';
import { network } from '../train/network.ts';
import { type NetworkDescription, networkText } from '../train/network-description.ts';
import { networkOf } from '../train/network-file.ts';
import { type Preset, presets } from '../train/presets.ts';
import { readSafetensors } from '../train/safetensors.ts';
import { Trainer } from '../train/trainer.ts';
import { CONFIG_EXTRAS, OPTION_CONTEXT } from './context.ts';
import { sizesOf, type Wanted } from './data.ts';
import { fitted, presetWith } from './fitted.ts';
import { parseConfig, type Settings } from './options.ts';
import type { DataChoice } from './parsers.ts';
import { configurationOf, dataText, presetOf } from './plan.ts';
import { FILES, isFolder, readWeights } from './run-files.ts';

/** What evaluating weights needs: a preset, or the part of one that a described network has. */
export type Evaluated = Pick<Preset, 'name' | 'network' | 'model' | 'loss' | 'inputShape'> &
  Partial<Pick<Preset, 'optimizer'>>;

export interface ModelFile {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly preset: Evaluated;
  /** The settings in a checkpoint. */
  readonly step?: number;
  /** Whether the file states its network, with sizes. */
  readonly described: boolean;
  /** The data it was trained on and how it was read, if known. */
  readonly saved?: Pick<Settings, 'data' | 'classes' | 'transpose'>;
}

/** The keys that identify a network. */
type Known = Pick<ModelFile, 'preset' | 'described' | 'saved'>;

/** The data to evaluate on: from the settings, else the training data, else the `usual`. */
export function wantedFor({ preset, described, saved = {} }: Known, settings: Settings, usual: DataChoice): Wanted {
  // The run's way to read its data does not apply to other data.
  const other = settings.data && !(saved.data && dataText(saved.data) === dataText(settings.data));
  const { data = usual, classes, transpose } = other ? settings : { ...saved, ...withoutGaps(settings) };
  return { data, classes, transpose, outputs: described ? preset.network.outputs : undefined };
}

/** The network for the data: the file's, else the preset fitted to it. */
export function presetFor({ preset, described }: Known, data: DataSet): Evaluated {
  return described ? preset : fitted(preset as Preset, sizesOf(data)); // given by a flag or a file
}

/** Opens the argument of `eval` and `gradcheck`. @throws FileError, CheckpointError, OptionError */
export async function openModelFile(path: string, settings: Settings): Promise<ModelFile> {
  const file = (await isFolder(path)) ? inFolder(path) : path;
  const bytes = readWeights(file);
  const { metadata } = readSafetensors(bytes, file);
  const network = networkOf(bytes, file);
  const named = (name: string | undefined) =>
    network ? networkPreset(network, settings, file) : presetFrom(name, settings, file);
  const described = network !== undefined;
  if (metadata['thalweg'] === undefined) return { file, bytes, described, preset: named(metadata['preset']) };
  const { configuration, step } = describeCheckpoint(bytes, file);
  if (configuration === undefined) return { file, bytes, step, described, preset: named(undefined) };
  const saved = savedSettings(configuration, file, described);
  return { file, bytes, step, described, preset: named(saved.preset), saved };
}

/** The command line's settings in a checkpoint; settings of a page (`foreign`) may differ if the network describes itself. */
function savedSettings(configuration: unknown, file: string, foreign: boolean): Settings {
  const context = { ...OPTION_CONTEXT, holdsData: () => true };
  try {
    return parseConfig(configurationOf(configuration, file), file, context, CONFIG_EXTRAS);
  } catch (error) {
    if (foreign && (error instanceof OptionError || error instanceof CheckpointError)) return {};
    throw error;
  }
}

/** The preset with this network, up to the sizes that data decide, or the network under its own name. */
function networkPreset(description: NetworkDescription, settings: Settings, file: string): Evaluated {
  const text = networkText(description);
  const preset = presetWith(description);
  if (settings.preset !== undefined && settings.preset !== preset?.name) {
    throw new OptionError(
      `--preset: ${settings.preset} contradicts ${file}, which says ${preset?.name ?? text}. Leave --preset out.`,
    );
  }
  if (preset) return preset;
  const { loss, inputShape } = network(description);
  return { name: text, network: description, model: () => network(description).model, loss, inputShape };
}

/** The checkpoint, which is never older than the weights; else the weights. */
function inFolder(folder: string): string {
  const found = [FILES.checkpoint, FILES.weights].map((name) => join(folder, name)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  const names = `${FILES.checkpoint} nor ${FILES.weights}`;
  throw new FileError(
    `${folder}: it holds neither ${names}. Give the folder of a run, or a safetensors file.`,
    'ENOENT',
  );
}

function presetFrom(name: string | undefined, settings: Settings, file: string): Preset {
  const names = Object.keys(presets);
  if (name !== undefined && names.includes(name)) {
    if (settings.preset !== undefined && settings.preset !== name)
      throw new OptionError(
        `--preset: ${settings.preset} contradicts ${file}, which says ${name}. Leave --preset out.`,
      );
    return presetOf({ preset: name });
  }
  if (settings.preset !== undefined) return presetOf(settings);
  if (name === undefined)
    throw new OptionError(`${file}: it does not say which network it belongs to. Add --preset ${names.join(' or ')}.`);
  const guess = nearest(name, names);
  throw new OptionError(
    `${file}: its network ${JSON.stringify(name)} is unknown. ${guess ? `Is it "${guess}"? ` : ''}Add --preset ${names.join(' or ')}.`,
  );
}

/** A trainer of the preset, with the file's weights if given. The caller disposes it. */
export async function trainerOf(
  backend: Backend,
  preset: Evaluated,
  { seed = 0, model }: { seed?: number; model?: ModelFile } = {},
): Promise<Trainer> {
  const { loss, inputShape } = preset;
  const optimizer = preset.optimizer?.() ?? sgd({ lr: 1 });
  const trainer = new Trainer(backend, { model: preset.model(), loss, optimizer, seed, inputShape });
  try {
    if (model) await loadWeights(trainer, model.bytes, model.file);
    return trainer;
  } catch (error) {
    trainer.dispose();
    throw error;
  }
}
