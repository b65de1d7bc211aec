// The files of a trainer: checkpoints, from which another process continues bit for bit, and weights alone. They are functions of a
// trainer, not methods, so that a page that neither saves nor loads bundles none of them.
import type { Bytes, FileBytes } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import { checkExtra, checkValue, OBJECT, optionsOf, STRING, show } from '../graph/options.ts';
import { loadState, type Saved, saveState, weightsFile } from './checkpoint.ts';
import { type Inside, insideOf } from './inside.ts';
import { LOAD_WEIGHTS, type LoadedWeights, type LoadWeightsOptions, putWeights } from './load-weights.ts';
import { descriptionOf } from './network-description.ts';
import { networkMetadata } from './network-metadata.ts';
import { isPartScales } from './part-scales.ts';
import { scaleMetadata } from './scale.ts';
import type { AnyTrainer } from './trainer.ts';

/** The description of the trainer's model, as a file's metadata. */
function networkOf({ running: { task } }: Inside): Record<string, string> {
  return networkMetadata(descriptionOf(task.model));
}

/**
 * The trainer's whole State (weights, moments, counters, its run) as the bytes of a safetensors file; `configuration`, plain data, is
 * stored with it.
 */
export async function saveCheckpoint(trainer: AnyTrainer, configuration?: unknown, ...extra: never[]): Promise<Bytes> {
  const inside = insideOf('saveCheckpoint', trainer);
  checkExtra('saveCheckpoint', extra);
  if (typeof configuration === 'string')
    throw new OptionError(
      `saveCheckpoint: the configuration is ${show(configuration)}. Give an object; to write a file, use await writeFile(path, await saveCheckpoint(trainer)).`,
    );
  inside.warnOfUnstartedRun('saveCheckpoint');
  const { state, task, rates, run, scale, life } = inside.running;
  const saved = {
    loss: task.loss.lossName,
    ...(run && { run }),
    ...(rates.override !== undefined && { learningRate: rates.override }),
    ...(scale !== undefined && { [isPartScales(scale) ? 'scales' : 'scale']: scale }),
    ...(configuration !== undefined && { configuration }),
  };
  return life.during(() => saveState(state, saved, networkOf(inside)));
}

/**
 * Restores a saved State, including what was frozen. `fit(data, { …, resume: true })` then continues its run, bit for bit, where it
 * stopped.
 * @throws CheckpointError, naming `file`; the trainer is then unchanged. OptionError while a run or another call is in progress.
 */
export async function loadCheckpoint(
  trainer: AnyTrainer,
  bytes: FileBytes,
  file = 'checkpoint',
  ...extra: never[]
): Promise<Saved> {
  const { running, idle, dropPrograms } = insideOf('loadCheckpoint', trainer);
  checkExtra('loadCheckpoint', extra);
  idle('loadCheckpoint');
  // Synchronous, so that the next call, awaited or not, sees the result.
  const rearranging = () => dropPrograms('loadCheckpoint');
  const { loss, model } = running.task;
  const fits = { loss: loss.lossName, network: descriptionOf(model), rearranging };
  const { step, ...saved } = loadState(running.state, bytes, file, fits);
  running.rates.override = saved.learningRate;
  Object.assign(running, { step, run: saved.run, orderShifted: false, scale: saved.scales ?? saved.scale });
  return saved;
}

/**
 * The trainer's weights alone as the bytes of a safetensors file, under their paths, as PyTorch names and lays them out (`running_mean` for `runningMean`); `metadata` goes
 * into the file's metadata, together with the scale of the training bytes and the description of a model made by `network()`, which
 * `networkOf` reads.
 */
export async function saveWeights(
  trainer: AnyTrainer,
  metadata: Readonly<Record<string, string>> = {},
  ...extra: never[]
): Promise<Bytes> {
  const inside = insideOf('saveWeights', trainer);
  checkValue('saveWeights', 'the metadata', metadata, OBJECT);
  for (const [key, value] of Object.entries(metadata)) checkValue('saveWeights', `metadata ${key}`, value, STRING);
  checkExtra('saveWeights', extra);
  inside.warnOfUnstartedRun('saveWeights');
  const { state, scale, life, task } = inside.running;
  return life.during(() =>
    weightsFile(state, task.model, { ...networkOf(inside), ...scaleMetadata(scale), ...metadata }),
  );
}

/**
 * Loads weights, and the scale of bytes, from a safetensors file or a checkpoint, as PyTorch's `load_state_dict`; moments and
 * counters stay. Values of any dtype become those of the variables. Where all names fit without one prefix (`module.`), with one
 * before them, or as PyTorch has them (`0.weight` of an `nn.Sequential`, here `layers.0.weight`; `running_mean`, here `runningMean`), they need
 * no `rename`.
 * @throws CheckpointError if names, shapes or values do not fit; the trainer is then unchanged. OptionError while a run or another
 * call is in progress.
 */
export function loadWeights(
  trainer: AnyTrainer,
  bytes: FileBytes,
  file?: string,
  options?: Omit<LoadWeightsOptions, 'file'>,
): Promise<LoadedWeights>;
export function loadWeights(trainer: AnyTrainer, bytes: FileBytes, options: LoadWeightsOptions): Promise<LoadedWeights>;
export async function loadWeights(
  trainer: AnyTrainer,
  bytes: FileBytes,
  ...given: readonly unknown[]
): Promise<LoadedWeights> {
  const { running, idle } = insideOf('loadWeights', trainer);
  const options = optionsOf<LoadWeightsOptions, typeof LOAD_WEIGHTS>('loadWeights', 'file', given, LOAD_WEIGHTS);
  idle('loadWeights');
  const { scale, ...loaded } = putWeights(running.state, running.task.model, bytes, options);
  running.scale = scale;
  return loaded;
}
