// Flattens and checks the forms users pass numbers in: nested lists, typed arrays of any realm, rows as typed arrays, `{ shape, data }`.
import { kindOf, ofThisRealm } from '../graph/dtype.ts';
import { DataError } from '../graph/errors.ts';
import { show } from '../graph/options.ts';
import { formatShape, sizeOf } from '../graph/shape.ts';

/** Numbers in nested lists whose rows have equal lengths. Booleans are 0 and 1. */
export type NestedNumbers = readonly (number | boolean)[] | readonly (NestedNumbers | GivenArray)[];

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

/** The same, and 64-bit integers, which become i32 and u32. */
export type GivenArray = NumberArray | BigInt64Array | BigUint64Array;

/** An array with its shape. */
export interface Shaped {
  readonly shape: readonly number[];
  readonly data: GivenArray;
}

export interface Flat {
  shape: number[];
  data: NumberArray;
  /** The data came as a list, so its type is not informative. */
  untyped: boolean;
}

export function isTyped(values: unknown): values is GivenArray {
  return kindOf(values) !== undefined;
}

/** A bare typed array as `size` rows. */
export function cut(what: string, data: GivenArray, size: number): Flat {
  if (data.length === 0 || data.length % size !== 0)
    throw new DataError(
      `${what}: ${data.length} numbers cannot be split into ${size} rows, one for each target. Give { shape, data } or other lengths.`,
    );
  return { shape: [size, data.length / size], data: own(what, data), untyped: false };
}

/** Numbers in an array of this realm, of 32 bits where they are integers of 64. @throws DataError for those that do not fit. */
export function own(what: string, data: GivenArray): NumberArray {
  const kind = kindOf(data)!;
  if (!kind.startsWith('Big')) return ofThisRealm(data as NumberArray);
  const given = data as BigInt64Array;
  const [kept, dtype] =
    kind === 'BigInt64Array'
      ? ([Int32Array.from(given, Number), 'i32'] as const)
      : ([Uint32Array.from(given, Number), 'u32'] as const);
  const bad = kept.findIndex((v, k) => v !== Number(given[k]));
  if (bad < 0) return kept;
  throw new DataError(
    `${what}: ${given[bad]} at index ${bad} does not fit ${dtype}, and a ${kind} is kept as ${dtype}. Give floats: Float32Array.from(data, Number).`,
  );
}

export function flatten(what: string, values: NestedNumbers | GivenArray | Shaped): Flat {
  if (isTyped(values)) return notEmpty(what, { shape: [values.length], data: own(what, values), untyped: false });
  if (Array.isArray(values)) return fromLists(what, values as NestedNumbers);
  const { shape, data } = (values ?? {}) as Shaped;
  if (!Array.isArray(shape) || !isTyped(data))
    throw new DataError(
      `${what}: it is ${values === undefined ? 'missing' : show(values)}. ${rowAdvice(values) ?? 'Give a list, a typed array or { shape, data }.'}`,
    );
  if (shape.length === 0 || shape.some((n) => !Number.isInteger(n) || n < 0) || sizeOf(shape) !== data.length)
    throw new DataError(
      `${what}: shape ${formatShape(shape)} does not match its ${data.length} numbers. The product of the sizes must be that count.`,
    );
  return notEmpty(what, { shape: [...shape], data: own(what, data), untyped: false });
}

/** What to do with rows by the names of their columns. */
function rowAdvice(value: unknown): string | undefined {
  const row = show(value) === 'an object' && !('shape' in (value as object));
  return row ? 'Give rows of numbers: rows.map(Object.values).' : undefined;
}

/** What to do with what is no number. */
function numberAdvice(value: unknown): string {
  if (typeof value !== 'string')
    return (
      rowAdvice(value) ?? (isList(value) ? 'All rows must have one length.' : 'Give a number, or leave its row out.')
    );
  return 'Make numbers of text: Number(text), or classes numbered from 0.';
}

function notEmpty(what: string, flat: Flat): Flat {
  if (sizeOf(flat.shape) === 0)
    throw new DataError(`${what}: empty, with shape ${formatShape(flat.shape)}. Give at least one example.`);
  return flat;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value) || isTyped(value);
}

/** The type that rows of these types are kept as. */
const ROWS: Readonly<Record<string, new (size: number) => NumberArray>> = {
  Uint8Array,
  Uint8ClampedArray: Uint8Array,
  Uint16Array,
  Uint32Array,
  Int32Array,
  BigInt64Array: Int32Array,
  BigUint64Array: Uint32Array,
};

const typeOfRow = (row: unknown) => ROWS[kindOf(row) ?? ''] ?? Float64Array;

function fromLists(what: string, list: NestedNumbers): Flat {
  const shape: number[] = [];
  let level: unknown = list;
  // The innermost rows may be typed arrays.
  for (; isList(level); level = level[0]) {
    shape.push(level.length);
    if (isTyped(level)) break;
  }
  notEmpty(what, { shape, data: new Float64Array(0), untyped: true });
  const Rows = typeOfRow(level);
  const data: NumberArray = new Rows(sizeOf(shape));
  let at = 0;
  const fill = (part: unknown, axis: number, path: string): void => {
    if (axis < shape.length) {
      if (!isList(part) || part.length !== shape[axis])
        throw new DataError(
          `${what}${path}: expected a list of ${shape[axis]}, got ${isList(part) ? `a list of ${part.length}` : show(part)}. All rows must have the same length${axis > 1 ? '; several inputs are a record of them, { a, b }' : ''}.`,
        );
      // Floats hold any number, integers only their own type.
      if (axis === shape.length - 1 && Rows !== Float64Array && typeOfRow(part) !== Rows)
        throw new DataError(
          `${what}${path}: this row is ${show(part)}, and the first is ${show(level)}. Give all rows in one type.`,
        );
      const row = isTyped(part) ? own(`${what}${path}`, part) : part;
      for (const [i, child] of row.entries()) fill(child, axis + 1, `${path}[${i}]`);
      return;
    }
    if (typeof part !== 'number' && typeof part !== 'boolean')
      throw new DataError(`${what}${path}: expected a number, got ${show(part)}. ${numberAdvice(part)}`);
    data[at++] = Number(part);
  };
  fill(list, 0, '');
  return { shape, data, untyped: !isTyped(level) };
}
