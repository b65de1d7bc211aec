// Checkpoints: a whole State as one safetensors file, from which a new process continues bit for bit, or its weights alone, which
// PyTorch's layers load unchanged. Reading checks everything before anything is changed.
import { type ByteScale, isScale } from '../data/dataset.ts';
import type { Bytes, FileBytes, HostArray } from '../graph/dtype.ts';
import { CheckpointError } from '../graph/errors.ts';
import { checkExtra } from '../graph/options.ts';
import { sizeOf } from '../graph/shape.ts';
import type { Variable } from '../graph/tensor.ts';
import { describe, type OptimizerDescription } from '../optim/describe.ts';
import { fileShape, toFile } from './file-axes.ts';
import { type Entry, type Freezing, type Layout, writeEntries } from './layout.ts';
import { matchTensors } from './match-tensors.ts';
import { type NetworkDescription, networkText } from './network-description.ts';
import { networkIn } from './network-metadata.ts';
import { isPartScales, type ModelScale, type PartScales } from './part-scales.ts';
import type { Run } from './run.ts';
import { readSafetensors, type Safetensors, type TensorToStore, writeSafetensors } from './safetensors.ts';
import { escaped, quoted } from './safetensors-header.ts';
import { scaleIn } from './scale.ts';
import type { State } from './state.ts';
import { storedDtype } from './stored-dtypes.ts';
import { variablesInFiles } from './weight-names.ts';

const FORMAT = 'thalweg 1';
/** Counters by the names they have in the file. */
const COUNTERS = ['step', 'seed', 'origin', 'order'] as const;
const COUNTER_PREFIX = 'trainer.';
const MOMENT_PREFIX = 'optimizer.';

/** Additional entries of a file's metadata. */
type Metadata = Readonly<Record<string, string>>;

/** What a checkpoint stores besides tensors. */
export interface Saved {
  /** The optimizer's name and options. */
  readonly optimizer: OptimizerDescription;
  /** The loss's name. */
  readonly loss: string;
  /** The run the State was in. */
  readonly run?: Run;
  /** The learning rate set by hand, if any. */
  readonly learningRate?: number;
  /** How bytes become inputs. */
  readonly scale?: ByteScale;
  /** The parameters that are frozen, by path; absent if none is. */
  readonly frozen?: readonly string[];
  /** The step at which a parameter was unfrozen, by path; absent if none was. */
  readonly unfrozen?: Readonly<Record<string, number>>;
  /** The scales of a model with several tensors, by their names. */
  readonly scales?: PartScales;
  /** The caller's own plain data. */
  readonly configuration?: unknown;
}

/** The bytes of a checkpoint: weights, moments, counters, and `saved` as metadata. */
export async function saveState(
  state: State,
  saved: Omit<Saved, 'optimizer'>,
  metadata: Metadata = {},
): Promise<Bytes> {
  const entries = state.entries();
  const counters = COUNTERS.map((name) => state[name]);
  const { tensors, rest } = await readEntries(state, entries, counters);
  for (const [k, name] of COUNTERS.entries()) {
    tensors.set(`${COUNTER_PREFIX}${name}`, { shape: state[name].shape, data: rest[k]! });
  }
  const all: Saved = { optimizer: described(state), ...savedFreezing(state.freezing), ...saved };
  return writeSafetensors(tensors, { format: FORMAT, thalweg: JSON.stringify(all), ...metadata });
}

function savedFreezing({ frozen, unfrozen }: Freezing): Partial<Freezing> {
  return { ...(frozen.length > 0 && { frozen }), ...(Object.keys(unfrozen).length > 0 && { unfrozen }) };
}

/** The optimizer as plain data, each group with its paths. */
function described({ optimizer, variables, membership }: State): OptimizerDescription {
  const { groups, ...rest } = describe(optimizer);
  if (!groups) return rest;
  const pathsOf = (k: number) => variables.filter(({ variable }) => membership.get(variable) === k).map((v) => v.path);
  return { ...rest, groups: groups.map((group, k) => ({ ...group, match: pathsOf(k) })) };
}

/** The bytes of the weights alone, under PyTorch's names: paths, unless a layer says otherwise. */
export async function weightsFile(state: State, model: object, metadata: Metadata = {}): Promise<Bytes> {
  const { tensors } = await readEntries(state, weightsOf(state), []);
  const inFiles = variablesInFiles(model);
  const named = [...tensors].map(([path, tensor]): [string, TensorToStore] => {
    const { name = path, dtype } = inFiles.get(path) ?? {};
    return [name, dtype ? { ...tensor, data: BigInt64Array.from(tensor.data as Uint32Array, BigInt) } : tensor];
  });
  return writeSafetensors(new Map(named), { format: 'pt', ...metadata });
}

/** Whether a tensor of a file with this metadata is a moment or a counter of a checkpoint, not a weight. */
export function isCheckpointTensor(name: string, metadata: Metadata): boolean {
  return metadata['format'] === FORMAT && (name.startsWith(MOMENT_PREFIX) || name.startsWith(COUNTER_PREFIX));
}

/** What a checkpoint must match besides the State's own variables. */
export interface Fits {
  readonly loss: string;
  /** The network, if the model was made by `network()`. */
  readonly network?: NetworkDescription | undefined;
  /** Called before variables move because the checkpoint has other ones frozen; it may throw. */
  rearranging(): void;
}

/**
 * Loads a checkpoint into a State of the same model and optimizer, and returns its other data.
 * @throws CheckpointError if the file is damaged, inconsistent, not a checkpoint, or of another model or loss; the State is then
 * unchanged.
 */
export function loadState(state: State, bytes: FileBytes, file: string, fits: Fits): Saved & { readonly step: number } {
  const { tensors, metadata } = readSafetensors(bytes, file);
  if (metadata['format'] !== FORMAT) {
    const what =
      metadata['thalweg'] === undefined
        ? 'not a checkpoint of a run'
        : `a file of format ${quoted(metadata['format'] ?? 'none')}`;
    throw new CheckpointError(
      `${file}: it is ${what}; a checkpoint has format ${JSON.stringify(FORMAT)} in its metadata. For weights alone, use loadWeights.`,
    );
  }
  const saved = parseSaved(metadata['thalweg'], file, counterIn(tensors, 'step')?.[0]);
  if (saved.optimizer.name !== state.optimizer.name) {
    throw new CheckpointError(
      `${file}: it was trained with the optimizer ${escaped(saved.optimizer.name)}, but this trainer has ${state.optimizer.name}. Use the same optimizer, or loadWeights.`,
    );
  }
  const layout = layoutIn(file, saved, state);
  const entries = state.entries(layout);
  const counters = COUNTERS.map((name) => ({
    name: `${COUNTER_PREFIX}${name}`,
    shape: state[name].shape,
    dtype: 'U32' as const,
  }));
  matchTensors(file, [...entries.map(wanted), ...counters], tensors);
  const counter = (name: (typeof COUNTERS)[number]) => counterIn(tensors, name)!;
  const key = counter('seed');
  if (key[0]! + key[1]! * 2 ** 32 !== state.seedNumber) {
    throw new CheckpointError(
      `${file}: its seed is ${key[0]! + key[1]! * 2 ** 32}, but this trainer's is ${state.seedNumber}. Create the trainer with the seed of the checkpoint.`,
    );
  }
  checkFits(file, saved, metadata, fits);
  const [origin, ...order] = [...counter('origin'), ...counter('order')] as [number, number, number];
  checkOrder(file, { step: counter('step')[0]!, seed: key, origin, order, start: saved.run?.start });
  const dataOf = (name: string) => tensors.get(name)!.data as HostArray; // of the State's own dtype, as matchTensors checked
  const parameters = new Set(state.trainable.map(({ path }) => path));
  const others = new Set(state.variables.map(({ path }) => path).filter((path) => !parameters.has(path)));
  for (const { name } of entries) if (!others.has(name)) checkFinite(file, name, dataOf(name));
  if (layout) {
    fits.rearranging();
    state.adopt(layout);
  }
  writeEntries(state.storage, entries, dataOf);
  for (const name of COUNTERS) state.storage.write(state[name], counter(name));
  return { ...saved, step: counter('step')[0]! };
}

/** The layout with the checkpoint's frozen parameters; undefined if it is the current one. */
function layoutIn(file: string, { frozen = [], unfrozen = {} }: Saved, state: State): Layout | undefined {
  const freezing = { frozen, unfrozen };
  if (JSON.stringify(freezing) === JSON.stringify(state.freezing)) return undefined;
  const paths = new Set(state.trainable.map(({ path }) => path));
  const unknown = [...frozen, ...Object.keys(unfrozen)].find((path) => !paths.has(path));
  if (unknown !== undefined)
    throw new CheckpointError(
      `${file}: ${quoted(unknown)} is listed as frozen or unfrozen, but is not a parameter of the model. Use the model it was saved from.`,
    );
  if (frozen.length >= paths.size)
    throw new CheckpointError(`${file}: it has all parameters of the model frozen. Use an undamaged copy.`);
  return state.layoutWith(freezing);
}

/** A counter of a checkpoint; undefined if it has none. */
function counterIn(tensors: Safetensors['tensors'], name: (typeof COUNTERS)[number]): Uint32Array | undefined {
  const tensor = tensors.get(`${COUNTER_PREFIX}${name}`);
  return tensor?.dtype === 'U32' ? tensor.data : undefined;
}

/** Rejects a checkpoint of another loss, or of another network of the same shapes. */
function checkFits(file: string, { loss }: Saved, metadata: Metadata, fits: Fits): void {
  if (loss !== fits.loss)
    throw new CheckpointError(
      `${file}: it was trained with the loss ${quoted(loss)}, but this trainer has ${quoted(fits.loss)}. Use the same loss, or loadWeights.`,
    );
  const network = networkIn(metadata, file);
  const [got, want] = [network, fits.network].map((description) => description && networkText(description));
  if (got !== undefined && want !== undefined && got !== want)
    throw new CheckpointError(
      `${file}: its network is ${got}, but this trainer's is ${want}. Create the trainer with the same network.`,
    );
}

interface Order {
  readonly step: number;
  readonly seed: ArrayLike<number>;
  readonly origin: number;
  readonly order: readonly number[];
  /** The step at which the run began. */
  readonly start: number | undefined;
}

/** Rejects a data order other than the one that follows from the seed and the step at which the run began. */
function checkOrder(file: string, { step, seed, origin, order, start = origin }: Order): void {
  const wanted = [seed[0]!, (seed[1]! ^ origin) >>> 0];
  const wrong =
    origin > step
      ? `the data order began after ${origin} steps, but only ${step} were made`
      : origin !== start
        ? `the data order began after ${origin} steps, but the run after ${start}`
        : order.some((n, k) => n !== wanted[k])
          ? `the data order is [${order.join(', ')}], but the seed gives [${wanted.join(', ')}]`
          : undefined;
  if (wrong) throw new CheckpointError(`${file}: it is inconsistent: ${wrong}. Use an undamaged copy.`);
}

function checkFinite(file: string, name: string, data: ArrayLike<number>): void {
  for (let k = 0; k < data.length; k++) {
    if (!Number.isFinite(data[k]))
      throw new CheckpointError(
        `${file}: ${quoted(name)} holds ${data[k]} at index ${k}. Use an earlier checkpoint, or loadWeights.`,
      );
  }
}

/** The scale stored in a file of weights or a checkpoint. @throws CheckpointError if it is damaged. */
export function scaleOfFile(metadata: Metadata, file: string): ModelScale | undefined {
  if (metadata['format'] !== FORMAT) return scaleIn(metadata, file);
  const { scale, scales } = parseSaved(metadata['thalweg'], file);
  return scales ?? scale;
}

/** A checkpoint's metadata, without a State: for a report, or to create a matching trainer. */
export function describeCheckpoint(
  bytes: FileBytes,
  file = 'checkpoint',
  ...extra: never[]
): Saved & { readonly seed: number; readonly step: number } {
  checkExtra('describeCheckpoint', extra);
  const { tensors, metadata } = readSafetensors(bytes, file);
  const [seed, step] = [counterIn(tensors, 'seed'), counterIn(tensors, 'step')];
  if (metadata['format'] !== FORMAT || seed?.length !== 2 || step?.length !== 1)
    throw new CheckpointError(`${file}: it is not a checkpoint of a run. Give a file made by saveCheckpoint.`);
  return { ...parseSaved(metadata['thalweg'], file, step[0]), seed: seed[0]! + seed[1]! * 2 ** 32, step: step[0]! };
}

function weightsOf(state: State): Entry[] {
  const paths = new Set(state.variables.map(({ path }) => path));
  return state.entries().filter(({ name }) => paths.has(name));
}

function wanted({ name, shape, dtype, fileAxes }: Entry) {
  return { name, shape: fileShape(shape, fileAxes), dtype: storedDtype(dtype) };
}

/** The entries and further variables as tensors to store, all read at the same moment. */
async function readEntries(
  state: State,
  entries: readonly Entry[],
  more: readonly Variable[],
): Promise<{ tensors: Map<string, TensorToStore>; rest: Uint32Array[] }> {
  const whole = [...new Set(entries.map(({ within }) => within))];
  const arrays = await state.storage.read([...whole, ...more]);
  const tensors = new Map<string, TensorToStore>();
  for (const { name, shape, fileAxes, within, offset } of entries) {
    const values = arrays[whole.indexOf(within)]!.subarray(offset, offset + sizeOf(shape));
    const data = toFile(values, shape, fileAxes);
    tensors.set(name, {
      shape: fileShape(shape, fileAxes),
      data: data instanceof Float64Array ? Float32Array.from(data) : data,
    });
  }
  return { tensors, rest: arrays.slice(whole.length).map((data) => Uint32Array.from(data)) };
}

/** The metadata of a checkpoint after `step` steps, every part of it checked. */
function parseSaved(text: string | undefined, file: string, step = Number.POSITIVE_INFINITY): Saved {
  const damaged = (what: string) =>
    new CheckpointError(`${file}: the metadata is damaged: ${what}. Use an undamaged copy.`);
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    throw damaged('"thalweg" is not JSON');
  }
  if (typeof value !== 'object' || value === null) throw damaged('"thalweg" is not an object');
  const saved = value as Partial<Saved>;
  if (typeof saved.optimizer !== 'object' || saved.optimizer === null || typeof saved.optimizer.name !== 'string')
    throw damaged('the optimizer is missing');
  if (typeof saved.loss !== 'string') throw damaged('the loss is missing');
  if (saved.run !== undefined && !isRun(saved.run)) throw damaged('the run has fields of wrong types');
  if (saved.run && saved.run.start > step)
    throw damaged(`the run begins after ${saved.run.start} steps, but only ${step} were made`);
  if (saved.learningRate !== undefined && !(Number.isFinite(saved.learningRate) && saved.learningRate > 0))
    throw damaged(`the learning rate is ${JSON.stringify(saved.learningRate)}`);
  if (saved.frozen !== undefined && !isPaths(saved.frozen))
    throw damaged('the frozen parameters are not a list of paths');
  if (saved.unfrozen !== undefined && !areSteps(saved.unfrozen, step))
    throw damaged('the unfrozen parameters are not paths with the steps at which they were unfrozen');
  if (saved.scale !== undefined && saved.scale !== false && !isScale(saved.scale))
    throw damaged('the scale is not a mean and std');
  if (saved.scales !== undefined && !isPartScales(saved.scales)) throw damaged('the scales are not means and stds');
  return saved as Saved;
}

function isPaths(paths: unknown): boolean {
  return Array.isArray(paths) && paths.every((p) => typeof p === 'string') && new Set(paths).size === paths.length;
}

function areSteps(steps: unknown, made: number): boolean {
  const isStep = (s: unknown) => Number.isSafeInteger(s) && (s as number) >= 1 && (s as number) <= made;
  return typeof steps === 'object' && steps !== null && !Array.isArray(steps) && Object.values(steps).every(isStep);
}

function isRun(run: Partial<Run> | null): boolean {
  if (typeof run !== 'object' || run === null) return false;
  const counts = [run.size, run.batchSize].every((n) => Number.isSafeInteger(n) && n! >= 1);
  const start = Number.isSafeInteger(run.start) && run.start! >= 0;
  const total = run.total === undefined || (Number.isSafeInteger(run.total) && run.total >= 1);
  const flags = typeof run.shuffle === 'boolean' && typeof run.dropLast === 'boolean';
  const augmented =
    run.augmentation === undefined || (typeof run.augmentation === 'object' && run.augmentation !== null);
  return counts && start && total && flags && augmented && typeof run.dataName === 'string';
}
