// Trained weights: a safetensors file of weights, a checkpoint, or the folder of a run, and their network: a preset, one that
// the file describes, or that of a module.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Backend } from '../backend.ts';
import type { DataSet } from '../data/dataset.ts';
import { CheckpointError, OptionError } from '../graph/errors.ts';
import { nearest } from '../graph/nearest.ts';
import { withoutGaps } from '../graph/options.ts';
import { FileError } from '../node/file-error.ts';
import { describeCheckpoint } from '../train/checkpoint.ts';
import { loadWeights } from '../train/files.ts';
import { type NetworkDescription, networkText } from '../train/network-description.ts';
import { networkOf } from '../train/network-file.ts';
import * as presets from '../train/presets.ts';
import { readSafetensors } from '../train/safetensors.ts';
import { Trainer } from '../train/trainer.ts';
import { moduleOf, recordedIn } from './chosen.ts';
import { type Call, CONFIG_EXTRAS, OPTION_CONTEXT } from './context.ts';
import type { DataFacts, Wanted } from './data-folder.ts';
import { describedNetwork, presetWith, trainableOf } from './fitted.ts';
import { importModel } from './model-module.ts';
import { parseConfig, type Settings } from './options.ts';
import { type DataChoice, oneOf } from './parsers.ts';
import { configurationOf, dataText, readingOf } from './plan.ts';
import { FILES, isFolder, readWeights } from './run-files.ts';
import { presetNamed, seesPictures, sizesOf, type Trainable } from './trainable.ts';

export interface ModelFile {
  readonly file: string;
  readonly bytes: Uint8Array;
  readonly net: Trainable;
  /** The settings in a checkpoint. */
  readonly step?: number;
  /** Whether the file states its network, with sizes. */
  readonly described: boolean;
  /** The settings of its run, of which those of its data are used. */
  readonly saved?: Settings;
  /** The data it was trained on. */
  readonly facts?: DataFacts | undefined;
}

/** What identifies a network and its data. */
type Known = Pick<ModelFile, 'net' | 'described' | 'saved' | 'facts'>;

/** The data to evaluate on: from the settings, else the training data, else the `usual`. */
export function wantedFor({ net, described, saved = {}, facts }: Known, settings: Settings, usual: DataChoice): Wanted {
  // The run's way to read its data does not apply to other data.
  const other = settings.data && !(saved.data && dataText(saved.data) === dataText(settings.data));
  const { data = usual, ...reading } = other ? settings : { ...saved, ...withoutGaps(settings) };
  const outputs = described ? net.sizes?.classes : facts?.classes;
  const sizes = net.network ? undefined : net.sizes;
  return { data, ...readingOf(reading), outputs, pictures: seesPictures(net), sizes, facts };
}

/** The network for the data: the file's, else fitted to what it was trained on, or to the data. */
export function netFor({ net, described, facts }: Known, data: DataSet): Trainable {
  return described ? net : net.fittedTo(facts ?? sizesOf(data));
}

/** The network as the file alone tells it. @throws OptionError if it does not say which examples it takes */
export function netOnItsOwn({ net, described, facts, file }: ModelFile): Trainable {
  if (described) return net;
  const sizes = facts ?? net.sizes;
  if (sizes) return net.fittedTo(sizes);
  throw new OptionError(
    `${file}: it does not say how the pictures of its run were prepared. Give the folder of the run.`,
  );
}

/** Opens the argument of `eval`, `predict` and `gradcheck`. @throws FileError, CheckpointError, OptionError */
export async function openModelFile(
  path: string,
  { settings, output }: Pick<Call, 'settings' | 'output'>,
): Promise<ModelFile> {
  const file = (await isFolder(path)) ? inFolder(path) : path;
  const bytes = readWeights(file);
  const { metadata } = readSafetensors(bytes, file);
  const network = networkOf(bytes, file);
  const described = network !== undefined;
  const { configuration, step } = metadata['thalweg'] === undefined ? {} : describeCheckpoint(bytes, file);
  const saved = configuration === undefined ? undefined : savedSettings(configuration, file, described);
  const { facts, modelDigest } = recordedIn(configuration);
  const known = { file, bytes, described, ...(step !== undefined && { step }), ...(saved && { saved }), facts };
  if (saved?.model !== undefined)
    return { ...known, net: await moduleOf(saved, settings, { file, modelDigest, output }) };
  if (network) return { ...known, net: networkPreset(network, settings, file) };
  const named = saved ? saved.preset : metadata['preset'];
  if (settings.model === undefined) return { ...known, net: presetFrom(named, settings, file) };
  if (named === undefined) return { ...known, net: await importModel(settings.model) };
  throw new OptionError(`--model: ${settings.model} contradicts ${file}, which says ${named}. Leave --model out.`);
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
function networkPreset(description: NetworkDescription, settings: Settings, file: string): Trainable {
  const text = networkText(description);
  const preset = presetWith(description);
  if (settings.preset !== undefined && settings.preset !== preset?.name) {
    throw new OptionError(
      `--preset: ${settings.preset} contradicts ${file}, which says ${preset?.name ?? text}. Leave --preset out.`,
    );
  }
  return preset ?? describedNetwork(description);
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

function presetFrom(name: string | undefined, settings: Settings, file: string): Trainable {
  const names = Object.keys(presets);
  if (name !== undefined && names.includes(name)) {
    if (settings.preset !== undefined && settings.preset !== name)
      throw new OptionError(
        `--preset: ${settings.preset} contradicts ${file}, which says ${name}. Leave --preset out.`,
      );
    return trainableOf(presetNamed(name));
  }
  if (settings.preset !== undefined) return trainableOf(presetNamed(settings.preset));
  const advice = `Add --preset ${oneOf(names)}, or --model FILE.mjs`;
  if (name === undefined) throw new OptionError(`${file}: it does not say which network it belongs to. ${advice}.`);
  const guess = nearest(name, names);
  throw new OptionError(
    `${file}: its network ${JSON.stringify(name)} is unknown. ${guess ? `Is it "${guess}"? ` : ''}${advice}.`,
  );
}

/** A trainer of the network, with the file's weights if given. The caller disposes it. */
export async function trainerOf(
  backend: Backend,
  net: Trainable,
  { seed = 0, model }: { seed?: number | undefined; model?: ModelFile | undefined } = {},
): Promise<Trainer> {
  const { loss, sizes } = net;
  const optimizer = net.optimizer();
  const trainer = new Trainer(backend, { model: net.model(), loss, optimizer, seed, inputShape: sizes!.inputShape });
  try {
    if (model) await loadWeights(trainer, model.bytes, model.file);
    return trainer;
  } catch (error) {
    trainer.dispose();
    throw error;
  }
}
