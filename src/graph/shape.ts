// Shapes: sizes of a row-major array, and the arithmetic every op needs on them.
import { ShapeError } from './errors.ts';
import { show } from './options.ts';

/** Sizes per axis, outermost first; `[]` is a scalar. Rank is at most {@link MAX_RANK}. */
export type Shape = readonly number[];

export const MAX_RANK = 6;

/** Elements in an array of this shape. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const n of shape) size *= n;
  return size;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis]!;
  }
  return strides;
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((n, axis) => n === b[axis]);
}

/** `[2, 3]`, for messages. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Rejects sizes that are not whole numbers >= 1 and ranks above {@link MAX_RANK}. */
export function checkShape(what: string, shape: Shape): void {
  if (!Array.isArray(shape))
    throw new ShapeError(`${what}: the shape is ${show(shape)}. Give an array of sizes, such as [2, 3].`);
  if (shape.length > MAX_RANK) {
    throw new ShapeError(
      `${what}: rank ${shape.length} of ${formatShape(shape)} is above ${MAX_RANK}. Merge some axes with reshape.`,
    );
  }
  const axis = shape.findIndex((n) => !Number.isSafeInteger(n) || n < 1);
  if (axis >= 0) {
    throw new ShapeError(
      `${what}: axis ${axis} of ${formatShape(shape)} is ${shape[axis]}. Every size must be a whole number of at least 1.`,
    );
  }
}

/** NumPy's broadcast of two shapes; throws a {@link ShapeError} that names `what` if they do not fit. */
export function broadcastShapes(what: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let axis = 1; axis <= rank; axis++) {
    const m = a[a.length - axis] ?? 1;
    const n = b[b.length - axis] ?? 1;
    if (m !== n && m !== 1 && n !== 1) {
      throw new ShapeError(
        `${what}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast: ${m} against ${n}, ${axis === 1 ? 'in the last axis' : `${axis} axes from the end`}. Sizes must be equal or 1.`,
      );
    }
    out[rank - axis] = m === 1 ? n : m;
  }
  return out;
}

/** An axis, counted from the end if negative; throws if it is outside the rank. */
export function normalizeAxis(what: string, axis: number, rank: number): number {
  const index = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || index < 0 || index >= rank) {
    throw new ShapeError(
      `${what}: axis ${axis} is out of range for a tensor of rank ${rank}. Use ${-rank} to ${rank - 1}.`,
    );
  }
  return index;
}

/** Sorted, distinct, non-negative axes; all of them if `axes` is undefined. */
export function normalizeAxes(what: string, axes: number | readonly number[] | undefined, rank: number): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, axis) => axis);
  const list = (typeof axes === 'number' ? [axes] : axes).map((axis) => normalizeAxis(what, axis, rank));
  const unique = [...new Set(list)].sort((m, n) => m - n);
  if (unique.length !== list.length)
    throw new ShapeError(`${what}: an axis appears twice in [${[axes].flat()}]. Give each axis once.`);
  return unique;
}

/** Merges neighbouring axes that one stride can walk. */
export function mergeAxes(shape: Shape, strides: readonly number[]): { size: number; stride: number }[] {
  const axes: { size: number; stride: number }[] = [];
  for (const [axis, size] of shape.entries()) {
    const stride = strides[axis]!;
    const last = axes.at(-1);
    if (size === 1) continue;
    if (last && last.stride === stride * size) axes[axes.length - 1] = { size: last.size * size, stride };
    else axes.push({ size, stride });
  }
  return axes;
}
