// Weights that were trained before: a safetensors file of weights, a checkpoint, or the folder of a run, and which preset they
// belong to.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend } from '../backend.ts';
import { OptionError } from '../graph/errors.ts';
import { nearest } from '../graph/nearest.ts';
import { FileError } from '../node/files.ts';
import { describeCheckpoint } from '../train/checkpoint.ts';
import { type Preset, presets } from '../train/presets.ts';
import { readSafetensors } from '../train/safetensors.ts';
import { Trainer } from '../train/trainer.ts';
import { FILES, isFolder, readBytes } from './artifacts.ts';
import { CONFIG_EXTRAS, OPTION_CONTEXT } from './context.ts';
import { type DataChoice, parseConfig, type Settings } from './options.ts';
import { configurationOf, presetOf } from './plan.ts';

export interface ModelFile {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly preset: Preset;
  /** Of a checkpoint. */
  readonly step?: number;
  /** The data it was trained on, where that is known. */
  readonly data?: DataChoice;
}

/** Opens what `eval` and `gradcheck` were pointed at. @throws FileError, CheckpointError, OptionError */
export async function openModelFile(path: string, settings: Settings): Promise<ModelFile> {
  const file = (await isFolder(path)) ? inFolder(path) : path;
  const bytes = await readBytes(file);
  const { metadata } = readSafetensors(bytes, file);
  if (metadata['thalweg'] === undefined) return { file, bytes, preset: presetFrom(metadata['preset'], settings, file) };
  const { configuration, step } = describeCheckpoint(bytes, file);
  if (configuration === undefined) return { file, bytes, step, preset: presetFrom(undefined, settings, file) };
  const context = { ...OPTION_CONTEXT, isFolder: () => true };
  const saved = parseConfig(configurationOf(configuration, file), file, context, CONFIG_EXTRAS);
  return { file, bytes, step, preset: presetFrom(saved.preset, settings, file), data: saved.data };
}

/** The checkpoint, which is never older than the weights; else the weights. */
function inFolder(folder: string): string {
  const found = [FILES.checkpoint, FILES.weights].map((name) => join(folder, name)).find((file) => existsSync(file));
  if (found !== undefined) return found;
  const names = `${FILES.checkpoint} nor ${FILES.weights}`;
  throw new FileError(
    `${folder}: it holds neither ${names}. Name the folder of a run, or a safetensors file.`,
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

/** A trainer of the preset, with the file's weights where there is one. The caller disposes it. */
export async function trainerOf(
  backend: Backend,
  preset: Preset,
  { seed = 0, model }: { seed?: number; model?: ModelFile } = {},
): Promise<Trainer> {
  const { loss, inputShape } = preset;
  const optimizer = preset.optimizer();
  const trainer = await Trainer.create(backend, { model: preset.model(), loss, optimizer, seed, inputShape });
  try {
    if (model) await trainer.loadWeights(model.bytes, model.file);
    return trainer;
  } catch (error) {
    trainer.dispose();
    throw error;
  }
}
