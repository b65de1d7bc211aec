// The text of tensors in Node's console and in JSON: dtype, shape, and the values of a small constant.
import type { HostArray } from './dtype.ts';
import { type Shape, sizeOf } from './shape.ts';

/** The symbol by which Node's console finds a printing method. */
export const INSPECT: unique symbol = Symbol.for('nodejs.util.inspect.custom');
/** The maximum number of values printed of a constant. */
const MOST = 16;
/** The number of values printed of a larger one. */
const FIRST = 6;

/** The values of a constant, nested like its shape: `[[1, 2], [3, 4]]`; of a large one the first few, of a filled one `all 0`. */
export function valuesText(data: HostArray, shape: Shape, isFloat: boolean): string {
  const text = (v: number) => (Object.is(v, -0) ? '-0' : `${isFloat ? shortest(v) : v}`);
  const size = sizeOf(shape);
  if (data.length < size) return `all ${text(data[0]!)}`;
  if (size > MOST) return `${Array.from(data.subarray(0, FIRST), text).join(', ')}, …`;
  const lists = (axis: number, from: number, n: number): string => {
    if (axis === shape.length) return text(data[from]!);
    const step = n / shape[axis]!;
    return `[${Array.from({ length: shape[axis]! }, (_, k) => lists(axis + 1, from + k * step, step)).join(', ')}]`;
  };
  return lists(0, 0, size);
}

/** The f32 nearest to v as the shortest decimal that rounds to it: 0.33333334. */
function shortest(v: number): number {
  const single = Math.fround(v);
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  return Number(single.toPrecision(9));
}
