// A data set on the host: examples and targets as flat arrays, checked once when it is made, so that nothing after it needs to.
import { dtypeOf, hostArray, kindOf } from '../graph/dtype.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import {
  BOOLEAN,
  checkExtra,
  checkOptions,
  checkValue,
  FINITE,
  type Kind,
  type Names,
  NUMBER,
  OBJECT,
  oneOf,
  POSITIVE,
  SEED,
  STRING,
  show,
} from '../graph/options.ts';
import { handOver, ownedCopy } from '../graph/owned.ts';
import { formatShape, sizeOf } from '../graph/shape.ts';
import {
  cut,
  type Flat,
  flatten,
  type GivenArray,
  isTyped,
  type NestedNumbers,
  type NumberArray,
  type Shaped,
} from './given.ts';
import { partition } from './partition.ts';
import { type GivenWeights, toWeights } from './sample-weights.ts';

/** A row-major array with its shape. */
export interface Values<A> {
  readonly shape: readonly number[];
  readonly data: A;
  /** Of bytes: how they become numbers. */
  readonly scale?: Scale;
}

/** How u8 examples become numbers: `(x / 255 - mean) / std`. */
export interface Scale {
  readonly mean: number;
  readonly std: number;
}

/** Examples with their targets, on the host. It owns its arrays: nothing in it may be changed. */
export interface DataSet {
  /** `mnist`, `digits`, `array`, or a folder's name: what messages call it. */
  readonly name: string;
  /** The number of examples. */
  readonly size: number;
  /** Examples (size, ...example). Bytes are used as `(x / 255 - mean) / std`, floats as they are. */
  readonly x: Values<Uint8Array | Float32Array>;
  /** Class indices (size) as integers, or dense targets (size, outputs): floats, or bytes that are used as those of x are. */
  readonly y: Values<Uint8Array | Uint32Array | Float32Array>;
  /** How much each example counts in the loss (size). Default: all the same. */
  readonly sampleWeights?: Values<Float32Array> | undefined;
  /** The number of classes where `y` holds class indices. */
  readonly classes: number | undefined;
  readonly scale: Scale;
  /** One sentence on what y was taken for, where it could have been either. */
  readonly note?: string;
  /** Examples `from` to `to` (exclusive) as a view; nothing is copied. */
  slice(from: number, to: number): DataSet;
}

/** A training set and the test set that belongs to it. */
export interface DataPair {
  readonly train: DataSet;
  readonly test: DataSet;
  /** One sentence that says where the data came from. */
  readonly source: string;
}

export interface ArrayDatasetOptions {
  /** What messages call the data set. Default `array`. */
  name?: string;
  /** `classes`: y holds class indices; `values`: numbers to regress on. Default: `classes` where y is one whole number >= 0 an
   * example and not a float array; the data set's `note` says what it was taken for. */
  targets?: 'classes' | 'values';
  /** The number of classes, at least 2. Default: the largest index + 1. */
  classes?: number;
  /** For bytes in x, and in y where they are numbers to regress on: `(x / 255 - mean) / std`; false: 0 to 255 as they are.
   * Default mean 0, std 1, which is x / 255. */
  scale?: Scale | false;
  /** How much each example counts in the loss, which is then Σ w·l / Σ w: `size` finite numbers >= 0, not all 0. Default: all the same. */
  sampleWeights?: GivenWeights;
}

/** A number of classes. */
export const CLASSES: Kind = {
  advice: 'Give a whole number of at least 2.',
  fits: (v) => Number.isSafeInteger(v) && (v as number) >= 2,
};
/** What y is taken for. */
export const TARGETS: Kind = oneOf('classes', 'values');
const NAMES: Names<ArrayDatasetOptions> = {
  name: STRING,
  targets: TARGETS,
  classes: CLASSES,
  scale: { advice: 'Give { mean, std }, or false.', fits: (v) => v === false || OBJECT.fits(v) },
  sampleWeights: true,
};
const SCALE: Names<Scale> = { mean: FINITE, std: POSITIVE };

export function isScale(value: unknown): value is Scale {
  const { mean, std } = (value ?? {}) as Partial<Scale>;
  return FINITE.fits(mean) && POSITIVE.fits(std);
}

/** The scale of bytes where nothing else is said: x / 255. */
export const PLAIN: Scale = { mean: 0, std: 1 };

/** Bytes as they are: 0 to 255. */
const RAW: Scale = { mean: 0, std: 1 / 255 };

/** A data set of parts that fit already, whose arrays are handed over to it. */
export function makeDataset(parts: Omit<DataSet, 'size' | 'slice'>): DataSet {
  const { name, x, y, sampleWeights, scale } = parts;
  const size = x.shape[0]!;
  for (const values of [x, y, sampleWeights]) if (values) handOver(values.data);
  return Object.freeze({
    ...parts,
    size,
    x: isBytes(x) ? { ...x, scale } : x,
    y: isBytes(y) && y.shape.length > 1 ? { ...y, scale } : y,
    slice(from: number, to: number, ...extra: never[]): DataSet {
      checkExtra('slice', extra);
      if (!Number.isInteger(from) || !Number.isInteger(to) || from < 0 || to > size || from >= to)
        throw new DataError(
          `${name}: slice ${from} to ${to} is not a part of its ${size} examples. Give whole numbers, 0 <= from < to <= ${size}.`,
        );
      return makeDataset({ ...parts, ...rowsOf(parts, (values) => rows(values, from, to)) });
    },
  });
}

function checkSet(what: string, data: DataSet): void {
  const parts = [data?.x, data?.y];
  if (typeof data?.slice !== 'function' || !parts.every((part) => Array.isArray(part?.shape) && isTyped(part.data)))
    throw new OptionError(`${what}: the data are ${show(data)}. Give a data set, such as datasets.array(x, y).`);
}

/** A data set whose bytes are read by another scale: that of a model which learnt elsewhere. */
export function rescaled(data: DataSet, scale: Scale | undefined, ...extra: never[]): DataSet {
  checkExtra('rescaled', extra);
  checkSet('rescaled', data);
  checkScale('rescaled', true, scale);
  return scale ? makeDataset({ ...data, scale }) : data;
}

type Rows = Uint8Array | Uint32Array | Float32Array;
type Parts = Pick<DataSet, 'x' | 'y' | 'sampleWeights'>;

/** The rows that `of` gives of each array of a set. */
function rowsOf({ x, y, sampleWeights }: Parts, of: <A extends Rows>(values: Values<A>) => Values<A>): Parts {
  return { x: of(x), y: of(y), ...(sampleWeights && { sampleWeights: of(sampleWeights) }) };
}

function rows<A extends Rows>(v: Values<A>, from: number, to: number): Values<A> {
  const row = sizeOf(v.shape.slice(1));
  return { shape: [to - from, ...v.shape.slice(1)], data: v.data.subarray(from * row, to * row) as A };
}

/**
 * A data set of your own arrays: `x` (size, ...example) and `y`, class indices (size) or dense targets (size, outputs).
 * Each is a nested list, a typed array, or `{ shape, data }`; a typed array alone is cut into as many rows as `y` has.
 * Bytes stay bytes, everything else becomes f32. What is given is copied: refilling it later changes nothing in the data set.
 * @throws DataError where lengths differ, something is empty or not finite, a label is out of range, or weights are negative or all 0.
 */
export function arrayDataset(
  x: NestedNumbers | GivenArray | Shaped,
  y: NestedNumbers | GivenArray | Shaped,
  options: ArrayDatasetOptions = {},
  ...extra: never[]
): DataSet {
  checkOptions('array', options, NAMES, extra);
  const name = options.name ?? 'array';
  const targets = flatten(`${name} y`, y);
  const size = targets.shape[0]!;
  const examples = isTyped(x) ? cut(`${name} x`, x, size) : flatten(`${name} x`, x);
  if (examples.shape[0] !== size)
    throw new DataError(
      `${name}: x has ${examples.shape[0]} examples and y has ${size}. Give one target for each example.`,
    );
  if (examples.shape.length === 1) examples.shape = [size, 1];
  const checked = toExamples(name, examples);
  const { y: checkedTargets, ...meaning } = toTargets(name, targets, options);
  const sampleWeights = toWeights(name, options.sampleWeights, size);
  const bytes = isBytes(checked) || (isBytes(checkedTargets) && meaning.classes === undefined);
  return makeDataset({
    name,
    x: checked,
    y: checkedTargets,
    ...meaning,
    ...(sampleWeights && { sampleWeights }),
    scale: checkScale(name, bytes, options.scale),
  });
}

/** Whether values are bytes, which are read by a scale unless they are class indices. */
export function isBytes(values: Partial<Values<unknown>> | undefined): boolean {
  return kindOf(values?.data) === 'Uint8Array';
}

function toExamples(name: string, { shape, data }: Flat): Values<Uint8Array | Float32Array> {
  return { shape, data: bytesOf(data) ?? finite(`${name} x`, shape, data) };
}

function bytesOf(data: NumberArray): Uint8Array | undefined {
  if (data instanceof Uint8ClampedArray) return new Uint8Array(data);
  return data instanceof Uint8Array ? ownedCopy(data) : undefined;
}

/** The data as f32; refuses what is not finite there. */
function finite(what: string, shape: readonly number[], data: NumberArray): Float32Array {
  const floats = data instanceof Float32Array ? ownedCopy(data) : Float32Array.from(data);
  for (let i = 0; i < floats.length; i++) {
    if (Number.isFinite(floats[i])) continue;
    const row = sizeOf(shape.slice(1));
    throw new DataError(
      `${what}: ${data[i]} in example ${Math.floor(i / row)}, element ${i % row}, is not a finite f32. Remove or replace it.`,
    );
  }
  return floats;
}

function toTargets(name: string, flat: Flat, options: ArrayDatasetOptions): Pick<DataSet, 'y' | 'classes' | 'note'> {
  const { shape, data, untyped } = flat;
  const single = sizeOf(shape.slice(1)) === 1;
  const whole = data.every((v: number) => Number.isInteger(v) && v >= 0);
  const integers = untyped ? whole : !isFloat(data);
  const said = options.targets ?? (options.classes === undefined ? undefined : 'classes');
  const kind = said ?? (shape.length === 1 && integers ? 'classes' : 'values');
  const note = (meaning: string) =>
    said === undefined && single && whole
      ? { note: `${name}: y is taken for ${meaning}. Say targets: 'classes' or targets: 'values'.` }
      : {};
  if (kind === 'values') {
    const values = bytesOf(data) ?? finite(`${name} y`, shape, data);
    const y = { shape: shape.length === 1 ? [shape[0]!, 1] : shape, data: values };
    return { y, classes: undefined, ...note('numbers to regress on') };
  }
  if (!single)
    throw new DataError(`${name} y: class indices are one number an example, got ${formatShape(shape)}. Give (size).`);
  const labels = data instanceof Uint8Array || data instanceof Uint32Array ? ownedCopy(data) : toIndices(name, data);
  if (options.classes === undefined && labels.every((label: number) => label === labels[0]))
    throw new DataError(
      `${name} y: every label is ${labels[0]}, and one class leaves nothing to learn. To regress on numbers say targets: 'values'; else say how many classes there are with { classes }.`,
    );
  const classes = options.classes ?? largest(labels) + 1;
  checkLabels(`${name} y`, labels, classes);
  return { y: { shape: [shape[0]!], data: labels }, classes, ...note(`class indices, of ${classes} classes`) };
}

function isFloat(data: NumberArray): boolean {
  return data instanceof Float32Array || data instanceof Float64Array;
}

function toIndices(name: string, data: NumberArray): Uint32Array {
  const bad = data.findIndex((v: number) => !Number.isInteger(v) || v < 0 || v > 0xffffffff);
  if (bad >= 0)
    throw new DataError(
      `${name} y: label ${data[bad]} of example ${bad} is not a class index. Give whole numbers from 0, or targets: 'values'.`,
    );
  return Uint32Array.from(data);
}

function largest(labels: Uint8Array | Uint32Array): number {
  let most = 0;
  for (const label of labels) most = Math.max(most, label);
  return most;
}

/** Refuses labels of `classes` and above, naming the first. */
export function checkLabels(
  what: string,
  labels: Uint8Array | Uint32Array,
  classes: number,
  offsetOf?: (example: number) => number,
): void {
  for (let i = 0; i < labels.length; i++) {
    if (labels[i]! < classes) continue;
    const where = offsetOf ? `example ${i} (offset ${offsetOf(i)})` : `example ${i}`;
    throw new DataError(
      `${what}: label of ${where}: expected 0 to ${classes - 1}, got ${labels[i]}. Repair the labels, or say how many classes there are with { classes }.`,
    );
  }
}

function checkScale(name: string, bytes: boolean, scale: Scale | false | undefined): Scale {
  if (scale === undefined) return PLAIN;
  if (scale === false) return RAW;
  if (!bytes)
    throw new OptionError(
      `scale: ${name} holds floats, which are used as they are. Scale them yourself, or give bytes.`,
    );
  checkOptions('scale', scale, SCALE);
  for (const name of ['mean', 'std'] as const) checkValue('scale', name, scale[name], SCALE[name] as Kind);
  return scale;
}

/** How {@link split} parts a data set. */
export interface SplitOptions {
  /** Which shuffle: a whole number. Default 0. */
  readonly seed?: number;
  /** Whether each class keeps its share in both parts, to within one example; needs class indices. Default false. */
  readonly stratify?: boolean;
}

/**
 * Parts a data set in two by a seeded shuffle: `validation` gets the fraction (between 0 and 1) or the number of examples
 * (1 and above) that `part` says, `train` the rest. Both are copies. With `stratify` (as scikit-learn's) every class of at least
 * two examples is in both parts, where the counts allow that.
 * @throws OptionError where one of them would be empty, or to stratify where targets are not class indices.
 */
export function split(
  data: DataSet,
  part: number,
  options: SplitOptions = {},
  ...extra: never[]
): { train: DataSet; validation: DataSet } {
  checkSet('split', data);
  checkValue('split', 'the part', part, NUMBER);
  checkOptions('split', options, { seed: SEED, stratify: BOOLEAN }, extra);
  const { seed = 0, stratify = false } = options;
  if (stratify && data.classes === undefined)
    throw new OptionError(
      `split: stratify needs class indices, and the targets of ${data.name} are numbers. Leave it out.`,
    );
  const count = countOf('split', part, data);
  const { train, validation } = partition(data.size, count, seed, stratify ? data.y.data : undefined);
  return { train: pick(data, train), validation: pick(data, validation) };
}

/** The number of examples that `part` of a data set is. @throws OptionError where it is none or all. */
export function countOf(what: string, part: number, { size, name }: { size: number; name: string }): number {
  const count = part > 0 && part < 1 ? Math.max(1, Math.round(part * size)) : part;
  if (!Number.isInteger(count) || count < 1 || count >= size)
    throw new OptionError(
      `${what}: ${part} of the ${size} examples of ${name} leaves nothing to train or to validate with. Give a fraction between 0 and 1 or a count from 1 to ${size - 1}.`,
    );
  return count;
}

/** The examples of `order`, in that order. */
export function pick(data: DataSet, order: Uint32Array): DataSet {
  return makeDataset({ ...data, ...rowsOf(data, (values) => pickRows(values, order)) });
}

function pickRows<A extends Rows>(v: Values<A>, order: Uint32Array): Values<A> {
  const row = sizeOf(v.shape.slice(1));
  const shape = [order.length, ...v.shape.slice(1)];
  const data = emptyLike(v.data, order.length * row);
  for (const [i, from] of order.entries()) data.set(v.data.subarray(from * row, (from + 1) * row), i * row);
  return { shape, data };
}

function emptyLike<A extends Rows>(like: A, length: number): A {
  return hostArray(dtypeOf(like), length, kindOf(like) === 'Float64Array' ? 'float64' : undefined) as A;
}
