// A data set on the host: examples and targets as flat arrays, checked once when it is made, so that nothing after it needs to.
import { kindOf } from '../graph/dtype.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import {
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
import { Random } from './random.ts';

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
}

const NAMES: Names<ArrayDatasetOptions> = {
  name: STRING,
  targets: oneOf('classes', 'values'),
  classes: { advice: 'Give a whole number of at least 2.', fits: (v) => Number.isSafeInteger(v) && (v as number) >= 2 },
  scale: { advice: 'Give { mean, std }, or false.', fits: (v) => v === false || OBJECT.fits(v) },
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
  const { name, x, y, scale } = parts;
  const size = x.shape[0]!;
  handOver(x.data);
  handOver(y.data);
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
      return makeDataset({ ...parts, x: rows(x, from, to), y: rows(y, from, to) });
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

function rows<A extends Uint8Array | Uint32Array | Float32Array>(v: Values<A>, from: number, to: number): Values<A> {
  const row = sizeOf(v.shape.slice(1));
  return { shape: [to - from, ...v.shape.slice(1)], data: v.data.subarray(from * row, to * row) as A };
}

/**
 * A data set of your own arrays: `x` (size, ...example) and `y`, class indices (size) or dense targets (size, outputs).
 * Each is a nested list, a typed array, or `{ shape, data }`; a typed array alone is cut into as many rows as `y` has.
 * Bytes stay bytes, everything else becomes f32. What is given is copied: refilling it later changes nothing in the data set.
 * @throws DataError where lengths differ, something is empty or not finite, or a label is out of range.
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
  const bytes = isBytes(checked) || (isBytes(checkedTargets) && meaning.classes === undefined);
  return makeDataset({
    name,
    x: checked,
    y: checkedTargets,
    ...meaning,
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
export function checkLabels(what: string, labels: Uint8Array | Uint32Array, classes: number, offset?: number): void {
  for (let i = 0; i < labels.length; i++) {
    if (labels[i]! < classes) continue;
    const where = offset === undefined ? `example ${i}` : `example ${i} (offset ${offset + i})`;
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

/**
 * Parts a data set in two by a seeded shuffle: `validation` gets the fraction (between 0 and 1) or the number of examples
 * (1 and above) that `part` says, `train` the rest. Both are copies.
 * @throws OptionError where one of them would be empty.
 */
export function split(
  data: DataSet,
  part: number,
  options: { readonly seed?: number } = {},
  ...extra: never[]
): { train: DataSet; validation: DataSet } {
  checkSet('split', data);
  checkValue('split', 'the part', part, NUMBER);
  checkOptions('split', options, { seed: SEED }, extra);
  const { seed = 0 } = options;
  const count = part > 0 && part < 1 ? Math.max(1, Math.round(part * data.size)) : part;
  if (!Number.isInteger(count) || count < 1 || count >= data.size)
    throw new OptionError(
      `split: ${part} of the ${data.size} examples of ${data.name} leaves nothing to train or to validate with. Give a fraction between 0 and 1 or a count from 1 to ${data.size - 1}.`,
    );
  const order = Uint32Array.from({ length: data.size }, (_, i) => i);
  const random = new Random(seed);
  for (let i = data.size - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return { train: pick(data, order.subarray(count)), validation: pick(data, order.subarray(0, count)) };
}

function pick(data: DataSet, order: Uint32Array): DataSet {
  return makeDataset({ ...data, x: pickRows(data.x, order), y: pickRows(data.y, order) });
}

function pickRows<A extends Uint8Array | Uint32Array | Float32Array>(v: Values<A>, order: Uint32Array): Values<A> {
  const row = sizeOf(v.shape.slice(1));
  const shape = [order.length, ...v.shape.slice(1)];
  const data = emptyLike(v.data, order.length * row);
  for (const [i, from] of order.entries()) data.set(v.data.subarray(from * row, (from + 1) * row), i * row);
  return { shape, data };
}

function emptyLike<A extends Uint8Array | Uint32Array | Float32Array>(like: A, length: number): A {
  if (like instanceof Uint8Array) return new Uint8Array(length) as A;
  return (like instanceof Uint32Array ? new Uint32Array(length) : new Float32Array(length)) as A;
}
