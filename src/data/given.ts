// Numbers as people have them: nested lists, typed arrays of any realm, rows as typed arrays, `{ shape, data }`; flat and checked.
import { kindOf, ofThisRealm } from '../graph/dtype.ts';
import { DataError } from '../graph/errors.ts';
import { formatShape, sizeOf } from '../graph/shape.ts';

/** Numbers in nested lists, all of the same lengths. */
export type NestedNumbers = readonly number[] | readonly (NestedNumbers | GivenArray)[];

/** Arrays of numbers that `datasets.array` takes. */
export type NumberArray =
  | Uint8Array
  | Uint8ClampedArray
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array
  | Float64Array;

/** The same, and whole numbers of 64 bits, which become floats or class indices. */
export type GivenArray = NumberArray | BigInt64Array | BigUint64Array;

/** An array with its shape. */
export interface Shaped {
  readonly shape: readonly number[];
  readonly data: GivenArray;
}

export interface Flat {
  shape: number[];
  data: NumberArray;
  /** The data came as a list, so its type says nothing. */
  untyped: boolean;
}

export function isTyped(values: unknown): values is GivenArray {
  return kindOf(values) !== undefined;
}

/** A typed array alone, as `size` rows. */
export function cut(what: string, data: GivenArray, size: number): Flat {
  if (data.length === 0 || data.length % size !== 0)
    throw new DataError(
      `${what}: ${data.length} numbers do not make ${size} rows, one for each target. Give { shape, data } or other lengths.`,
    );
  return { shape: [size, data.length / size], data: own(data), untyped: false };
}

/** Numbers in an array of this realm. */
export function own(data: GivenArray): NumberArray {
  return kindOf(data)!.startsWith('Big')
    ? Float64Array.from(data as BigInt64Array, Number)
    : ofThisRealm(data as NumberArray);
}

export function flatten(what: string, values: NestedNumbers | GivenArray | Shaped): Flat {
  if (isTyped(values)) return notEmpty(what, { shape: [values.length], data: own(values), untyped: false });
  if (Array.isArray(values)) return fromLists(what, values as NestedNumbers);
  const { shape, data } = (values ?? {}) as Shaped;
  if (!Array.isArray(shape) || !isTyped(data))
    throw new DataError(`${what}: neither a list, a typed array nor { shape, data }. Give one of them.`);
  if (shape.length === 0 || shape.some((n) => !Number.isInteger(n) || n < 0) || sizeOf(shape) !== data.length)
    throw new DataError(
      `${what}: shape ${formatShape(shape)} does not fit its ${data.length} numbers. Their product must be the count.`,
    );
  return notEmpty(what, { shape: [...shape], data: own(data), untyped: false });
}

function notEmpty(what: string, flat: Flat): Flat {
  if (sizeOf(flat.shape) === 0)
    throw new DataError(`${what}: empty, shape ${formatShape(flat.shape)}. Give at least one example.`);
  return flat;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) || isTyped(value);
}

/** What rows of these types are kept as. */
const ROWS: Readonly<Record<string, new (size: number) => NumberArray>> = {
  Uint8Array,
  Uint8ClampedArray: Uint8Array,
  Uint16Array,
  Uint32Array,
  Int32Array,
};

function fromLists(what: string, list: NestedNumbers): Flat {
  const shape: number[] = [];
  let level: unknown = list;
  // The innermost rows may be typed arrays.
  for (; isList(level); level = level[0]) {
    shape.push(level.length);
    if (isTyped(level)) break;
  }
  notEmpty(what, { shape, data: new Float64Array(0), untyped: true });
  const Rows = ROWS[kindOf(level) ?? ''] ?? Float64Array;
  const data: NumberArray = new Rows(sizeOf(shape));
  let at = 0;
  const fill = (part: unknown, axis: number, path: string): void => {
    if (axis < shape.length) {
      if (!isList(part) || part.length !== shape[axis])
        throw new DataError(
          `${what}${path}: expected a list of ${shape[axis]}, got ${isList(part) ? `one of ${part.length}` : String(part)}. All rows must have one length.`,
        );
      for (const [i, child] of part.entries()) fill(child, axis + 1, `${path}[${i}]`);
      return;
    }
    if (typeof part !== 'number')
      throw new DataError(`${what}${path}: expected a number, got ${typeof part}. All rows must have one length.`);
    data[at++] = part;
  };
  fill(list, 0, '');
  return { shape, data, untyped: !isTyped(level) };
}
