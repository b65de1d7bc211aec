// Batches: from a data set stored on the device in its own dtype (u8 pictures, u16 tokens, i32 labels) to the floats and indices that
// a model and its loss see. Gather and normalization are part of the graph, so they happen in the first kernel.

import type { Draw } from '../data/augmentation.ts';
import {
  type ByteScale,
  channelAt,
  checkChannels,
  isScale,
  kindOfTargets,
  type PerChannel,
  PLAIN,
  type Scale,
  type Values,
} from '../data/dataset.ts';
import { checkWeights } from '../data/sample-weights.ts';
import {
  ARRAYS,
  byteLength,
  type DType,
  dtypeOf,
  type HostArray,
  isPacked,
  kindOf,
  type Packed,
} from '../graph/dtype.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import { isSeveral, listed, mapParts, type Nested, partName, partsOf } from '../graph/nested.ts';
import type { NdArray } from '../graph/op.ts';
import { show } from '../graph/options.ts';
import { handOver, ownedCopy } from '../graph/owned.ts';
import { formatShape, sizeOf } from '../graph/shape.ts';
import { constant, input, resident, type Tensor } from '../graph/tensor.ts';
import { add, less, mul, sub } from '../ops/binary.ts';
import { cast } from '../ops/cast.ts';
import type { TensorLike } from '../ops/elementwise.ts';
import { gatherRows } from '../ops/gather.ts';
import { reshape } from '../ops/reshape.ts';
import { where } from '../ops/select.ts';
import { ignores } from './loss-weights.ts';

/** Examples to train or evaluate on; a DataSet is one. */
export interface Examples {
  /** What messages call the data. */
  readonly name?: string | undefined;
  /** The number of examples. */
  readonly size: number;
  /** [size, ...example]; or several, by name or in order, for a model with several inputs: bytes then have their own scale. */
  readonly x: Nested<Values>;
  /**
   * Class indices [size] or [size, ...] (u8, u16, u32 or i32), or targets [size, ...] (f32, or u8 that is scaled as x is); or several,
   * as x.
   */
  readonly y: Nested<Values>;
  /** The weight of each example in the loss, [size]: finite and >= 0, not all 0. Default 1 for each. */
  readonly sampleWeights?: Values | undefined;
  /** The number of classes if y holds class indices; for several targets by their names or indices. */
  readonly classes?: number | Readonly<Record<string, number | undefined>> | undefined;
  /** How bytes in x become numbers. Default: the model's scale. */
  readonly scale?: ByteScale | undefined;
  /** How bytes in y become numbers. Default: the scale of x. */
  readonly targetScale?: ByteScale | undefined;
}

/** A data set with one tensor of targets. */
export type OneTarget = Examples & { readonly y: Values; readonly classes?: number | undefined };

/** Values with their dtype. @throws if the data does not fill the shape. */
export function toArray(what: string, values: Values): NdArray {
  const { shape, data, scale } = values ?? {};
  if (!Array.isArray(shape) || !isHostArray(data)) {
    const got = isHostArray(values) ? 'a bare array' : data === undefined ? show(values) : `data that is ${show(data)}`;
    throw new OptionError(
      `${what}: got ${got}. Give { shape: [rows, …], data } with a Float32Array, Uint8Array, Uint16Array, Uint32Array or Int32Array as data.`,
    );
  }
  checkScale(what, scale);
  if (sizeOf(shape) !== data.length) {
    throw new DataError(
      `${what}: ${data.length} values do not fill ${formatShape(shape)}. Give ${sizeOf(shape)} values.`,
    );
  }
  return { shape, dtype: dtypeOf(data), data };
}

function checkScale(what: string, scale: unknown): void {
  if (scale !== undefined && scale !== false && !isScale(scale))
    throw new OptionError(
      `${what}: its scale is ${show(scale)}. Give { mean, std }, such as { mean: 0, std: 1 }, or false.`,
    );
}

export function isHostArray(data: unknown): data is HostArray {
  const kind = kindOf(data);
  return kind === 'Float64Array' || Object.values(ARRAYS).some(({ name }) => name === kind);
}

/**
 * Rejects anything but a data set, and sets that are empty or whose parts differ in size. `what` is what messages call a set without a
 * name, and `example` how to give one.
 */
export function checkExamples(data: Examples, what = 'data', example = 'such as datasets.array(x, y)'): void {
  const { size, x, y, sampleWeights, scale, targetScale, name = what } = data ?? {};
  if (size === undefined || x === undefined || y === undefined) {
    const pair = (data as { train?: unknown } | undefined)?.train !== undefined;
    const advice = pair ? 'Give one of its two sets: data.train or data.test' : `Give one, ${example}`;
    throw new OptionError(`${what}: ${pair ? 'a pair' : show(data)} is not a data set. ${advice}.`);
  }
  if (!(Number.isSafeInteger(size) && size > 0))
    throw new DataError(`${name}: the data set is empty. Give at least one example.`);
  checkScale(name, scale);
  checkScale(name, targetScale);
  for (const [part, values] of namedParts({ x, y })) {
    toArray(`${name}.${part}`, values);
    if (values.shape[0] !== size) {
      throw new DataError(
        `${name}: ${part} ${formatShape(values.shape)} does not have ${size} rows. Give one per example.`,
      );
    }
  }
  checkClasses(data);
  if (sampleWeights === undefined) return;
  toArray(`${name}.sampleWeights`, sampleWeights);
  checkWeights(`${name} sampleWeights`, sampleWeights, size);
}

/** The tensors of a data set or of a batch, by the names of a program's inputs: `x`, or `x.pixels`. */
export function namedParts({ x, y }: { readonly x: Nested<Values>; readonly y?: Nested<Values> | undefined }) {
  const named = (whole: string, nested: Nested<Values>) =>
    partsOf<Values>(nested).map(([name, values]) => [partName(whole, name), values] as const);
  return [...named('x', x), ...(y === undefined ? [] : named('y', y))];
}

/** Rejects `classes` that do not match the targets. */
function checkClasses({ y, classes, name = 'data' }: Examples): void {
  if (typeof classes !== 'object' || classes === null) {
    if (classes === undefined || !isSeveral(y)) return;
    throw new OptionError(
      `${name}: classes is ${classes}, but y has several targets, ${listed(y)}. Give it by name: { ${Object.keys(y)[0]}: ${classes} }.`,
    );
  }
  const wrong = Object.keys(classes).find((key) => !isSeveral(y) || !Object.hasOwn(y, key));
  if (wrong !== undefined)
    throw new OptionError(`${name}: classes names ${wrong}, but y has ${listed(y)}. Use the names of y.`);
}

/** The number of classes that the labels of a data set need. */
export interface Labels {
  readonly classes: number;
  /** Whether the model must have exactly this many outputs. If the number was inferred from the labels, more are fine. */
  readonly exact: boolean;
}

/** Options of `labelsOf`. */
interface LabelsOptions {
  /** Whether a stated number of classes must equal the model's outputs. Default false. */
  readonly exact?: boolean | undefined;
  /** The label that the loss ignores. */
  readonly ignoreIndex?: number | undefined;
}

/**
 * The number of classes of a data set whose targets are class indices: the stated one, else inferred from its labels.
 * @throws DataError if a label is below 0, or not below the stated number, and not ignored.
 */
export function labelsOf(
  { name = 'data', size, y, classes }: OneTarget,
  { exact = false, ignoreIndex }: LabelsOptions = {},
): Labels | undefined {
  if (kindOfTargets(y) === 'values') return undefined;
  let most = -1;
  for (let k = 0; k < y.data.length; k++) {
    const label = y.data[k]!;
    if ((label >= 0 && label <= most) || ignores({ ignoreIndex }, label)) continue;
    if (label >= 0 && (classes === undefined || label < classes)) most = label;
    else {
      const example = Math.floor(k / (y.data.length / size));
      const range = classes === undefined ? 'labels begin at 0' : `the data has ${classes} classes`;
      throw new DataError(
        `${name}: the label of example ${example} is ${label}, but ${range}. Give labels from 0${classes === undefined ? '' : ` to ${classes - 1}`}, or a loss that ignores it: losses.softmaxCrossEntropy.with({ ignoreIndex: ${label} }).`,
      );
    }
  }
  return { classes: classes ?? most + 1, exact: exact && classes !== undefined };
}

/** The data set as it is now, in memory that the caller cannot write to; itself if that is already so. */
export function ownExamples(data: Examples): Examples {
  const own = (values: Values) => {
    const data = ownedCopy(values.data);
    return data === values.data ? values : { ...values, data };
  };
  const [x, y] = [mapParts(data.x, own), mapParts(data.y, own)];
  const sampleWeights = data.sampleWeights && own(data.sampleWeights);
  if (x === data.x && y === data.y && sampleWeights === data.sampleWeights) return data;
  return { ...data, x, y, sampleWeights };
}

const residents = new WeakMap<HostArray, { readonly maxBytes: number; readonly parts: readonly Tensor[] }>();

/**
 * The array as tensors resident on the device, uploaded once: a single one, or several parts of whole rows if it is larger than
 * `maxBytes`, the most that a kernel can bind.
 */
export function residentsOf(what: string, values: Values, maxBytes: number): readonly Tensor[] {
  const all = ownedCopy(values.data);
  const known = residents.get(all);
  if (
    known?.maxBytes === maxBytes &&
    formatShape(known.parts[0]!.shape.slice(1)) === formatShape(values.shape.slice(1))
  ) {
    return known.parts;
  }
  const [size, ...row] = values.shape;
  const width = sizeOf(row);
  const each = Math.min(size!, Math.floor(maxBytes / byteLength(dtypeOf(values.data), width)));
  if (each < 1)
    throw new DataError(
      `${what}: one row ${formatShape(row)} is larger than this device can bind at once (${maxBytes} bytes).`,
    );
  const parts = Array.from({ length: Math.ceil(size! / each) }, (_, k) => {
    const rows = Math.min(each, size! - k * each);
    const data = rows === size ? all : handOver(all.subarray(k * each * width, (k * each + rows) * width));
    return resident(what, toArray(what, { shape: [rows, ...row], data }));
  });
  residents.set(all, { maxBytes, parts });
  return parts;
}

/** The rows at `indices` of consecutive parts. */
function gatherAcross(parts: readonly Tensor[], indices: Tensor): Tensor {
  const each = parts[0]!.shape[0]!;
  const rowOf = (k: number) => gatherRows(parts[k]!, k === 0 ? indices : sub(indices, k * each));
  const column = reshape(indices, [indices.size, ...parts[0]!.shape.slice(1).map(() => 1)]);
  let rows = rowOf(parts.length - 1);
  for (let k = parts.length - 2; k >= 0; k--) rows = where(less(column, (k + 1) * each), rowOf(k), rows);
  return rows;
}

/** A batch as a model and its loss see it. */
export interface Prepared {
  readonly x: Nested<Tensor>;
  readonly y: Nested<Tensor>;
  /** (B) */
  readonly weights?: Tensor;
}

/**
 * The rows of a data set at `indices`, ready for a model and its loss, with their weights (B), if any. Pictures that are to be augmented
 * are, given the step and seed of a training: evaluation gives none.
 */
export function rowsAt(data: Examples, indices: Tensor, maxBytes: number, training?: Omit<Draw, 'rows'>): Prepared {
  const { name = 'data', x, y, sampleWeights, scale, targetScale } = data;
  const at = (part: string, values: Values): Tensor =>
    gatherAcross(residentsOf(`${name}.${part}`, values, maxBytes), indices);
  const xAt = (part: string, values: Values): Tensor => {
    const rows = at(part, values);
    return (training && values.augmentation?.apply(rows, { ...training, rows: indices }, part)) ?? rows;
  };
  return {
    x: mapParts(x, (values, name) => {
      const part = partName('x', name);
      return prepareX(part, xAt(part, values), values, scale ?? values.scale);
    }),
    y: mapParts(y, (values, name) => {
      const part = partName('y', name);
      return prepareY(part, at(part, values), values, targetScaleOf({ y: values, targetScale, scale }));
    }),
    ...(sampleWeights && { weights: cast(at('sampleWeights', sampleWeights), 'f32') }),
  };
}

/** How the bytes of targets become numbers. */
export function targetScaleOf({ y, targetScale, scale }: Pick<OneTarget, 'y' | 'targetScale' | 'scale'>) {
  return y.scale ?? targetScale ?? scale;
}

/** A batch's examples, passed to each run of a program as its input x, or x.pixels, ready for a model. */
export function inputX(x: Nested<Values>, scale: ByteScale | undefined): Nested<Tensor> {
  return mapParts(x, (values, name) => {
    const part = partName('x', name);
    return prepareX(part, input(part, toArray(part, values)), values, scale ?? values.scale);
  });
}

/** The targets of such a batch, its input y, ready for a loss. `scale`: for bytes without a scale of their own. */
export function inputY(y: Nested<Values>, scale: ByteScale | undefined): Nested<Tensor> {
  return mapParts(y, (values, name) => {
    const part = partName('y', name);
    return prepareY(part, input(part, toArray(part, values)), values, values.scale ?? scale);
  });
}

/** A batch passed to each run of a program as its inputs, ready for a model and its loss. */
export function inputsOf({ x, y, scale, targetScale }: Examples): Prepared {
  return { x: inputX(x, scale), y: inputY(y, targetScale ?? scale) };
}

/** The arrays of a batch by the names of these inputs. */
export function feedsOf(batch: Parameters<typeof namedParts>[0]): Record<string, HostArray> {
  return Object.fromEntries(namedParts(batch).map(([part, { data }]) => [part, data]));
}

/** The cache key of a program for batches like this one: dtypes, shapes, and how values are read. */
export function specsOf(batch: Parameters<typeof namedParts>[0]): string {
  return JSON.stringify(
    namedParts(batch).map(([part, values]) => {
      const { dtype, shape } = toArray(part, values);
      return [part, dtype, shape, values.scale, values.targets];
    }),
  );
}

/** Rows of x as the model's input: bytes as (x / 255 - mean) / std, other whole numbers as u32 or i32, floats unchanged. */
function prepareX(part: string, rows: Tensor, x: Values, scale: ByteScale = PLAIN): Tensor {
  return dtypeOf(x.data) === 'u8' && scale ? scaled(part, rows, scale) : cast(rows, inputDtypeOf(x, scale));
}

/** The dtypes of the model's inputs. */
export function inputDtypesOf(x: Nested<Values>, scale: ByteScale | undefined): Nested<DType> {
  return mapParts<Values, DType>(x, (values) => inputDtypeOf(values, scale ?? values.scale));
}

function inputDtypeOf({ data }: Values, scale: ByteScale = PLAIN): Exclude<DType, Packed> {
  const dtype = dtypeOf(data);
  if (!isPacked(dtype)) return dtype;
  return dtype === 'u8' && scale ? 'f32' : 'u32';
}

/** Rows of y as the loss's target: class indices as u32 (i32 bit for bit); numbers as f32, bytes by their scale. */
function prepareY(part: string, rows: Tensor, y: Values, scale: ByteScale = PLAIN): Tensor {
  if (kindOfTargets(y) === 'classes') return cast(rows, 'u32');
  return dtypeOf(y.data) === 'u8' && scale ? scaled(part, rows, scale) : cast(rows, 'f32');
}

function scaled(what: string, bytes: Tensor, scale: Scale): Tensor {
  checkChannels(what, bytes.shape, scale);
  const { mean, std } = scale;
  const numbers = mul(
    cast(bytes, 'f32'),
    channelwise(mean, std, (_, s) => 1 / (255 * s)),
  );
  return mean === 0
    ? numbers
    : add(
        numbers,
        channelwise(mean, std, (m, s) => -m / s),
      );
}

/** A function of a scale's mean and std, of each channel where either is a list. */
function channelwise(mean: PerChannel, std: PerChannel, of: (mean: number, std: number) => number): TensorLike {
  const list = [mean, std].find((v) => typeof v !== 'number');
  if (list === undefined) return of(channelAt(mean, 0), channelAt(std, 0));
  return constant(list.map((_, k) => of(channelAt(mean, k), channelAt(std, k))));
}
