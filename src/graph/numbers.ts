// Numbers in nested lists or a typed array, as one array with its shape and dtype.
import { ARRAYS, checkHeld, type DType, dtypeOf, type HostArray, kindOf } from './dtype.ts';
import { ShapeError } from './errors.ts';
import type { NdArray } from './op.ts';
import { checkValue, type Kind, show } from './options.ts';
import { checkShape, formatShape, type Shape, sizeOf } from './shape.ts';

/** Numbers in a typed array from any realm. */
export const TYPED: Kind = {
  advice: 'Give numbers in a typed array, such as a Float32Array.',
  fits: (v) => !(kindOf(v) ?? 'Big').startsWith('Big'),
};

/** Numbers nested in arrays, all of one length per level. */
export type NestedNumbers = number | readonly NestedNumbers[];

/** Options of `constant`. */
export interface ConstantOptions {
  /** The shape of the values. Default: that of nested arrays; a typed array is a vector. */
  readonly shape?: Shape | undefined;
  /** The dtype. Default: f32, or that of a typed array. */
  readonly dtype?: DType | undefined;
}

/**
 * The numbers with the shape that they are nested in, or the shape and dtype of `options`; f32 in doubles. Default dtype f32, of a typed
 * array its own. @throws ShapeError for rows of different lengths, and for numbers that do not fill the shape or that the dtype lacks.
 */
export function arrayOf(where: string, values: NestedNumbers | HostArray, options: ConstantOptions = {}): NdArray {
  const nested = typeof values === 'number' || Array.isArray(values);
  if (!nested) checkValue(where, 'the value', values, TYPED);
  const shape =
    options.shape ?? (nested ? nestedShape(where, values as NestedNumbers) : [(values as HostArray).length]);
  checkShape(where, shape);
  const flat = nested ? ([values].flat(Infinity) as number[]) : (values as HostArray);
  if (flat.length !== sizeOf(shape)) {
    throw new ShapeError(
      `${where}: ${flat.length} values do not fill the shape ${formatShape(shape)}. Give ${sizeOf(shape)}.`,
    );
  }
  const dtype = options.dtype ?? (nested ? 'f32' : dtypeOf(values as HostArray));
  checkHeld(where, dtype, flat, 'Leave out the dtype for f32, or round the numbers.');
  return { shape, dtype, data: dtype === 'f32' ? Float64Array.from(flat) : ARRAYS[dtype].from(flat) };
}

function nestedShape(where: string, values: NestedNumbers): number[] {
  if (typeof values === 'number') return [];
  if (!Array.isArray(values))
    throw new ShapeError(`${where}: a member is ${show(values)}. Give numbers, nested in arrays.`);
  const inner = values.map((row) => nestedShape(where, row));
  const first = inner[0] ?? [];
  if (inner.some((shape) => formatShape(shape) !== formatShape(first))) {
    throw new ShapeError(`${where}: rows of different lengths. All arrays of one level must have the same length.`);
  }
  return [values.length, ...first];
}
