// Batches: from a data set that lies on the device as it was given (u8 pictures, u8 labels) to the floats and class indices
// that a model and its loss see. Gather and normalisation are part of the graph, so they happen in the first kernel.

import { isScale, type Scale } from '../data/dataset.ts';
import { type Flat, flatten, type GivenArray, isTyped, type NestedNumbers, own } from '../data/given.ts';
import { checkWeights } from '../data/sample-weights.ts';
import { ARRAYS, byteLength, type DType, dtypeOf, type HostArray, kindOf } from '../graph/dtype.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import type { NdArray } from '../graph/op.ts';
import { show } from '../graph/options.ts';
import { handOver, ownedCopy } from '../graph/owned.ts';
import { formatShape, type Shape, sizeOf } from '../graph/shape.ts';
import { input, resident, type Tensor } from '../graph/tensor.ts';
import { add, less, mul, sub } from '../ops/binary.ts';
import { cast } from '../ops/cast.ts';
import { gatherRows } from '../ops/gather.ts';
import { reshape } from '../ops/reshape.ts';
import { where } from '../ops/select.ts';

/** Values as they come: row-major, the dtype being the array's. */
export interface Values {
  readonly shape: Shape;
  readonly data: HostArray;
  /** How bytes become numbers. Default: as those that the model learnt from. */
  readonly scale?: Scale;
}

/** Examples to train on or to be judged by; a DataSet is one. */
export interface Examples {
  readonly name?: string | undefined;
  /** Examples. */
  readonly size: number;
  /** [size, ...example] */
  readonly x: Values;
  /** Class indices [size] (u8 or u32), or targets [size, ...] (f32, or u8 that is scaled as x is). */
  readonly y: Values;
  /** How much each example counts in the loss, [size]: finite and >= 0, not all 0. Default: all the same. */
  readonly sampleWeights?: Values | undefined;
  readonly classes?: number | undefined;
  readonly scale?: Scale | undefined;
}

/** A values' dtype and shape, which must be filled. */
export function toArray(what: string, values: Values): NdArray {
  const { shape, data, scale } = values ?? {};
  if (!Array.isArray(shape) || !isHostArray(data)) {
    const got = isHostArray(values) ? 'a bare array' : data === undefined ? show(values) : `of ${show(data)}`;
    throw new OptionError(
      `${what}: it is ${got}. Give { shape: [rows, …], data } with a Float32Array, Uint8Array, Uint32Array or Int32Array as data.`,
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
  if (scale !== undefined && !isScale(scale))
    throw new OptionError(`${what}: its scale is ${show(scale)}. Give { mean, std }, such as { mean: 0, std: 1 }.`);
}

function isHostArray(data: unknown): data is HostArray {
  const kind = kindOf(data);
  return kind === 'Float64Array' || Object.values(ARRAYS).some(({ name }) => name === kind);
}

/** Refuses what is no data set, and sets that are empty or whose parts do not fit each other. */
export function checkExamples(data: Examples): void {
  const { size, x, y, sampleWeights, scale, name = 'data' } = data ?? {};
  if (size === undefined || x === undefined || y === undefined) {
    const pair = (data as { train?: unknown } | undefined)?.train !== undefined;
    const advice = pair
      ? 'Give one of its two sets: data.train or data.test'
      : 'Give one, such as datasets.array(x, y)';
    throw new OptionError(`data: ${pair ? 'a pair' : show(data)} is no data set. ${advice}.`);
  }
  if (!(Number.isSafeInteger(size) && size > 0))
    throw new DataError(`${name}: it is empty. Give at least one example.`);
  checkScale(name, scale);
  for (const [part, values] of [
    ['x', x],
    ['y', y],
  ] as const) {
    toArray(`${name}.${part}`, values);
    if (values.shape[0] !== size) {
      throw new DataError(
        `${name}: ${part} ${formatShape(values.shape)} does not have ${size} rows. Give one per example.`,
      );
    }
  }
  if (sampleWeights === undefined) return;
  toArray(`${name}.sampleWeights`, sampleWeights);
  checkWeights(`${name} sampleWeights`, sampleWeights, size);
}

/** A batch as people have it: values, a data set, or examples as `datasets.array` takes them. */
export type Batch = Values | Pick<Examples, 'x'> | NestedNumbers | GivenArray;

/** A batch as values; `example` is the shape of one, where it is known. */
export function valuesOf(what: string, batch: Batch, example: Shape | undefined): Values {
  if (Array.isArray(batch)) return asValues(flatten(what, batch as NestedNumbers));
  if (isTyped(batch)) {
    const rows = example && batch.length / sizeOf(example);
    if (!rows || !Number.isSafeInteger(rows))
      throw new OptionError(
        `${what}: a bare array of ${batch.length} numbers, and an example is ${example ? formatShape(example) : 'not known yet'}. Give whole examples, or { shape: [rows, …], data }.`,
      );
    return asValues({ shape: [rows, ...example], data: own(batch) });
  }
  const set = batch as Partial<Pick<Examples, 'x'>> | undefined;
  return set?.x ?? (batch as Values);
}

function asValues({ shape, data }: Pick<Flat, 'shape' | 'data'>): Values {
  return { shape, data: isHostArray(data) && kindOf(data) !== 'Float64Array' ? data : Float32Array.from(data) };
}

/** How many classes the labels of a data set need. */
export interface Labels {
  readonly classes: number;
  /** Whether the model must have just as many outputs: as many or more are enough where the labels alone tell. */
  readonly exact: boolean;
}

/**
 * The classes of a data set whose targets are class indices: those it states, else those that its labels show.
 * @throws DataError where a label is not below the number that is stated.
 */
export function labelsOf({ name = 'data', y, classes }: Examples, { exact = false } = {}): Labels | undefined {
  if (y.shape.length !== 1 || dtypeOf(y.data) === 'f32') return undefined;
  let at = 0;
  for (let k = 1; k < y.data.length; k++) if (y.data[k]! > y.data[at]!) at = k;
  const needed = y.data[at]! + 1;
  if (classes !== undefined && needed > classes)
    throw new DataError(
      `${name}: the label of example ${at} is ${y.data[at]}, and there are ${classes} classes. Give labels from 0 to ${classes - 1}.`,
    );
  return { classes: classes ?? needed, exact: exact && classes !== undefined };
}

/** The data set as it is now, in memory that its maker does not write to; itself where that is so already. */
export function ownExamples(data: Examples): Examples {
  const own = (values: Values) => {
    const data = ownedCopy(values.data);
    return data === values.data ? values : { ...values, data };
  };
  const [x, y, sampleWeights] = [own(data.x), own(data.y), data.sampleWeights && own(data.sampleWeights)];
  if (x === data.x && y === data.y && sampleWeights === data.sampleWeights) return data;
  return { ...data, x, y, sampleWeights };
}

const residents = new WeakMap<HostArray, { readonly maxBytes: number; readonly parts: readonly Tensor[] }>();

/**
 * The array as tensors that stay on the device, uploaded once however often they are asked for: one, or parts of whole rows
 * where it is more than `maxBytes`, the most that a kernel can bind.
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
      `${what}: one row ${formatShape(row)} is more than this device binds at once (${maxBytes} bytes).`,
    );
  const parts = Array.from({ length: Math.ceil(size! / each) }, (_, k) => {
    const rows = Math.min(each, size! - k * each);
    const data = rows === size ? all : handOver(all.subarray(k * each * width, (k * each + rows) * width));
    return resident(what, toArray(what, { shape: [rows, ...row], data }));
  });
  residents.set(all, { maxBytes, parts });
  return parts;
}

/** Rows at `indices` of parts that lie one after another. */
function gatherAcross(parts: readonly Tensor[], indices: Tensor): Tensor {
  const each = parts[0]!.shape[0]!;
  const rowOf = (k: number) => gatherRows(parts[k]!, k === 0 ? indices : sub(indices, k * each));
  const column = reshape(indices, [indices.size, ...parts[0]!.shape.slice(1).map(() => 1)]);
  let rows = rowOf(parts.length - 1);
  for (let k = parts.length - 2; k >= 0; k--) rows = where(less(column, (k + 1) * each), rowOf(k), rows);
  return rows;
}

/** The rows of a data set at `indices`, ready for a model and its loss, with their weights (B) where they have some. */
export function rowsAt(
  { name = 'data', x, y, sampleWeights, scale }: Examples,
  indices: Tensor,
  maxBytes: number,
): { x: Tensor; y: Tensor; weights?: Tensor } {
  const at = (part: string, values: Values): [rows: Tensor, stored: DType] => {
    const parts = residentsOf(`${name}.${part}`, values, maxBytes);
    return [gatherAcross(parts, indices), parts[0]!.dtype];
  };
  return {
    x: prepareX(...at('x', x), scale),
    y: prepareY(...at('y', y), scale),
    ...(sampleWeights && { weights: cast(at('sampleWeights', sampleWeights)[0], 'f32') }),
  };
}

/** A batch that each run of a program is given as its inputs x and y, ready for a model and its loss. */
export function inputsOf({ x, y, scale }: Examples): ReturnType<typeof rowsAt> {
  const [xs, ys] = [toArray('x', x), toArray('y', y)];
  return { x: prepareX(input('x', xs), xs.dtype, scale), y: prepareY(input('y', ys), ys.dtype, scale) };
}

/** What a model is given: bytes as (x / 255 - mean) / std (they may have become u32 by a gather), other values as they are. */
export function prepareX(x: Tensor, stored: DType, { mean, std }: Scale = { mean: 0, std: 1 }): Tensor {
  if (stored !== 'u8') return x;
  const scaled = mul(cast(x, 'f32'), 1 / (255 * std));
  return mean === 0 ? scaled : add(scaled, -mean / std);
}

/** Targets: bytes are class indices where there is one an example, else scaled as those of x are. */
export function prepareY(y: Tensor, stored: DType, scale: Scale | undefined): Tensor {
  if (stored === 'u8' && y.rank > 1) return prepareX(y, stored, scale);
  return y.dtype === 'f32' ? y : cast(y, 'u32');
}
