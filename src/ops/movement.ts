// Movement: transpose, slice, concat and pad. On the GPU each is an index computation fused into its consumers. Elements that
// a consumer does not select may be read at any index, so indices are clamped, never trusted.

import { stridedIndex } from '../../shaders/strided.wgsl.ts';
import { f32, u32 } from '../../shaders/wgsl.ts';
import { checkHeld, isPacked } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import { wgslType } from '../graph/kernel.ts';
import type { MapScope, Op, Spec } from '../graph/op.ts';
import { checkExtra, checkValue, FINITE, NUMBERS, optionsOf, type Schema } from '../graph/options.ts';
import { formatShape, normalizeAxis, type Shape, sameShape, sizeOf, stridesOf } from '../graph/shape.ts';
import { apply1, Tensor } from '../graph/tensor.ts';
import { notImported } from './attach.ts';
import { stridedCopy } from './broadcast.ts';
import { type AxisOptions, checkTensors, ONE_AXIS, refuseLooseAxes } from './tensors.ts';

export function refusePacked(what: string, { dtype }: Spec): void {
  if (isPacked(dtype)) throw new ShapeError(`${what}: x is ${dtype}, a storage-only dtype. Cast it: cast(x, 'f32').`);
}

export const transposeOp: Op<{ readonly axes: readonly number[] }> = {
  name: 'transpose',
  cost: 0,
  shape: ([x], { axes }) => {
    refusePacked('transpose', x!);
    return [{ shape: axes.map((axis) => x!.shape[axis]!), dtype: x!.dtype }];
  },
  cpu: ([x], [y], { axes }) => stridedCopy(x!.data, y!.data, y!.shape, permuted(x!.shape, axes), 0),
  map: (scope, { axes }) =>
    scope.load(0, stridedIndex(scope.i, scope.out.shape, permuted(scope.inputs[0]!.shape, axes), 0)),
  vjp: ([dy], _inputs, _ys, { axes }) => [
    () =>
      transpose(
        dy!,
        axes.map((_, axis) => axes.indexOf(axis)),
      ),
  ],
};

function permuted(shape: Shape, axes: readonly number[]): number[] {
  const strides = stridesOf(shape);
  return axes.map((axis) => strides[axis]!);
}

/**
 * x with its axes permuted: axis k of the result is axis `axes[k]` of x. Default: reversed. Throws if `axes` does not name every axis once.
 */
export function transpose(x: Tensor, axes?: readonly number[], ...extra: never[]): Tensor {
  checkTensors('transpose', { x });
  // NumPy's loose axes are the order of all, PyTorch's are two to swap.
  const loose = [axes, ...extra] as readonly unknown[];
  refuseLooseAxes('transpose', loose, loose.length === 2 ? swapped(x.rank, loose as number[]) : loose);
  checkExtra('transpose', extra);
  if (axes !== undefined) checkValue('transpose', 'the axes', axes, NUMBERS);
  const order = axes?.map((axis) => normalizeAxis('transpose', axis, x.rank)) ?? x.shape.map((_, k) => x.rank - 1 - k);
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new ShapeError(
      `transpose: axes [${axes}] do not name each axis of ${formatShape(x.shape)} once. Give ${x.rank} different axes.`,
    );
  }
  return order.every((axis, k) => axis === k) ? x : apply1(transposeOp, [x], { axes: order });
}

/** The order of axes in which two are swapped. */
function swapped(rank: number, axes: readonly number[]): number[] {
  const [a, b] = axes.map((axis) => (axis < 0 ? axis + rank : axis));
  return Array.from({ length: rank }, (_, k) => (k === a ? b! : k === b ? a! : k));
}

interface Slice {
  /** For each axis, the first element and one past the last. */
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

export const sliceOp: Op<Slice> = {
  name: 'slice',
  cost: 0,
  shape: ([x], { starts, ends }) => {
    refusePacked('slice', x!);
    return [{ shape: starts.map((start, axis) => ends[axis]! - start), dtype: x!.dtype }];
  },
  cpu: ([x], [y], { starts }) => {
    const strides = stridesOf(x!.shape);
    stridedCopy(x!.data, y!.data, y!.shape, strides, origin(strides, starts));
  },
  map: (scope, { starts }) => {
    const strides = stridesOf(scope.inputs[0]!.shape);
    return scope.load(0, stridedIndex(scope.i, scope.out.shape, strides, origin(strides, starts)));
  },
  vjp: ([dy], [x], _ys, { starts, ends }) => [
    () =>
      padConstant(
        dy!,
        starts,
        x!.shape.map((n, axis) => n - ends[axis]!),
      ),
  ],
};

/** The flat index of the coordinates `at`. */
function origin(strides: readonly number[], at: readonly number[]): number {
  return strides.reduce((offset, stride, axis) => offset + stride * at[axis]!, 0);
}

/**
 * The elements of x from `starts` to `ends` (exclusive) along each axis; negative positions count from the end, and axes after the last
 * given one are kept whole. Throws if the slice is empty or reaches outside x.
 */
export function slice(x: Tensor, starts: readonly number[], ends: readonly number[], ...extra: never[]): Tensor {
  checkTensors('slice', { x }, extra);
  checkValue('slice', 'starts', starts, NUMBERS);
  checkValue('slice', 'ends', ends, NUMBERS);
  const from = x.shape.map((n, axis) => position(starts[axis] ?? 0, n));
  const to = x.shape.map((n, axis) => position(ends[axis] ?? n, n));
  const fits = (n: number, axis: number) =>
    Number.isInteger(from[axis]) &&
    Number.isInteger(to[axis]) &&
    from[axis]! >= 0 &&
    from[axis]! < to[axis]! &&
    to[axis]! <= n;
  if (starts.length > x.rank || ends.length > x.rank || !x.shape.every(fits)) {
    throw new ShapeError(
      `slice: from [${starts}] to [${ends}] is empty or outside ${formatShape(x.shape)}. Use 0 <= start < end <= size.`,
    );
  }
  return sameShape(
    x.shape,
    from.map((start, axis) => to[axis]! - start),
  )
    ? x
    : apply1(sliceOp, [x], { starts: from, ends: to });
}

function position(at: number, n: number): number {
  return at < 0 ? at + n : at;
}

/** More inputs than this are concatenated in groups, to stay within the adapters' limit of storage buffers. */
const MAX_CONCAT = 6;

export const concatOp: Op<{ readonly axis: number }> = {
  name: 'concat',
  flops: () => 0,
  shape: (inputs, { axis }) => {
    const [first] = inputs;
    for (const x of inputs) {
      refusePacked('concat', x);
      if (x.dtype !== first!.dtype)
        throw new ShapeError(`concat: dtypes differ: ${first!.dtype} against ${x.dtype}. Cast one of them.`);
      if (x.shape.length !== first!.shape.length || x.shape.some((n, k) => k !== axis && n !== first!.shape[k])) {
        throw new ShapeError(
          `concat: shapes ${formatShape(first!.shape)} and ${formatShape(x.shape)} differ outside axis ${axis}. Only that axis may differ.`,
        );
      }
    }
    const total = inputs.reduce((sum, x) => sum + x.shape[axis]!, 0);
    return [{ shape: first!.shape.map((n, k) => (k === axis ? total : n)), dtype: first!.dtype }];
  },
  cpu: (inputs, [y], { axis }) => {
    const inner = sizeOf(y!.shape.slice(axis));
    const outer = sizeOf(y!.shape.slice(0, axis));
    let at = 0;
    for (const x of inputs) {
      const width = sizeOf(x.shape.slice(axis));
      for (let o = 0; o < outer; o++) y!.data.set(x.data.subarray(o * width, (o + 1) * width), o * inner + at);
      at += width;
    }
  },
  map: (scope, { axis }) => {
    const widths = scope.inputs.map((x) => sizeOf(x.shape.slice(axis)));
    const inner = sizeOf(scope.out.shape.slice(axis));
    const outer = scope.let('u32', `${scope.i} / ${u32(inner)}`);
    const k = scope.let('u32', `${scope.i} % ${u32(inner)}`);
    let at = inner;
    let value = '';
    for (let n = widths.length - 1; n >= 0; n--) {
      const width = widths[n]!;
      at -= width;
      const index = `min(${outer} * ${u32(width)} + ${k} - ${u32(at)}, ${u32(sizeOf(scope.inputs[n]!.shape) - 1)})`;
      const load = scope.load(n, scope.let('u32', index));
      value = value === '' ? load : `select(${value}, ${load}, ${k} < ${u32(at + width)})`;
    }
    return value;
  },
  vjp: ([dy], inputs, _ys, { axis }) => {
    let at = 0;
    return inputs.map((x) => {
      const start = at;
      at += x.shape[axis]!;
      return () => slice(dy!, ...bounds(x.shape, axis, start));
    });
  },
};

function bounds(shape: Shape, axis: number, start: number): [number[], number[]] {
  return [shape.map((_, k) => (k === axis ? start : 0)), shape.map((n, k) => (k === axis ? start + n : n))];
}

const CONCAT = { axis: [ONE_AXIS, 0] } satisfies Schema<AxisOptions>;

/**
 * Concatenates tensors along an axis: `concat(a, b)`, `concat([a, b], 1)` or `concat(a, b, { axis: 1 })`. Default axis 0. Throws if their
 * other sizes or dtypes differ.
 */
export function concat(xs: readonly Tensor[], axis?: number): Tensor;
export function concat(xs: readonly Tensor[], options: AxisOptions): Tensor;
export function concat(...xsAndAxis: readonly [x: Tensor, ...(Tensor | number | AxisOptions)[]]): Tensor;
export function concat(...given: readonly unknown[]): Tensor {
  const [head] = given;
  const count = Array.isArray(head) ? 1 : Math.max(1, given.map((x) => x instanceof Tensor).lastIndexOf(true) + 1);
  const xs = (Array.isArray(head) ? head : given.slice(0, count)) as readonly Tensor[];
  for (const [k, x] of xs.entries()) checkTensors('concat', { [`member ${k}`]: x });
  const { axis } = optionsOf<AxisOptions, typeof CONCAT>('concat', 'axis', given.slice(count), CONCAT);
  const [first] = xs;
  if (!first) throw new ShapeError('concat: no tensors. Give at least one.');
  const along = normalizeAxis('concat', axis, first.rank);
  if (xs.length === 1) return first;
  if (xs.length <= MAX_CONCAT) return apply1(concatOp, xs, { axis: along });
  const group = Math.max(MAX_CONCAT, Math.ceil(xs.length / MAX_CONCAT));
  const groups: Tensor[] = [];
  for (let k = 0; k < xs.length; k += group) groups.push(concat(xs.slice(k, k + group), along));
  return concat(groups, along);
}

interface Pad {
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly value: number;
}

export const padOp: Op<Pad> = {
  name: 'pad',
  flops: () => 0,
  shape: ([x], { before, after }) => {
    refusePacked('pad', x!);
    return [{ shape: x!.shape.map((n, axis) => before[axis]! + n + after[axis]!), dtype: x!.dtype }];
  },
  cpu: ([x], [y], { before, value }) => {
    y!.data.fill(value);
    const strides = stridesOf(y!.shape);
    const inner = x!.shape.at(-1) ?? 1;
    const starts = stridedRows(x!.shape.slice(0, -1), strides, origin(strides, before));
    for (let row = 0; row < starts.length; row++)
      y!.data.set(x!.data.subarray(row * inner, (row + 1) * inner), starts[row]!);
  },
  map: (scope, { before, value }) => {
    const { shape } = scope.inputs[0]!;
    const inside: string[] = [];
    for (const [axis, n] of shape.entries()) {
      if (n === scope.out.shape[axis]) continue;
      const c = coordinate(scope, axis);
      // One unsigned comparison checks both bounds.
      inside.push(before[axis] === 0 ? `${c} < ${u32(n)}` : `${c} - ${u32(before[axis]!)} < ${u32(n)}`);
    }
    const strides = stridesOf(shape);
    const index = stridedIndex(scope.i, scope.out.shape, strides, -origin(strides, before));
    const load = scope.load(0, scope.let('u32', `min(${index}, ${u32(sizeOf(shape) - 1)})`));
    return `select(${literal(value, scope.out)}, ${load}, ${inside.join(' && ')})`;
  },
  vjp: ([dy], [x], _ys, { before }) => [
    () =>
      slice(
        dy!,
        before,
        x!.shape.map((n, axis) => before[axis]! + n),
      ),
  ],
};

/** The coordinate of the output element along `axis`. */
function coordinate(scope: MapScope, axis: number): string {
  const inner = sizeOf(scope.out.shape.slice(axis + 1));
  const quotient = inner === 1 ? scope.i : `${scope.i} / ${u32(inner)}`;
  return scope.let('u32', axis === 0 ? quotient : `(${quotient}) % ${u32(scope.out.shape[axis]!)}`);
}

/** offset + Σ coordinate · stride for every coordinate of `shape`, in order. */
function stridedRows(shape: Shape, strides: readonly number[], offset: number): Float64Array {
  const starts = Float64Array.of(offset);
  return shape.reduce((list, n, axis) => {
    const next = new Float64Array(list.length * n);
    for (let k = 0; k < next.length; k++) next[k] = list[Math.floor(k / n)]! + (k % n) * strides[axis]!;
    return next;
  }, starts);
}

function literal(value: number, { dtype }: Spec): string {
  return dtype === 'f32' ? f32(value) : `${wgslType(dtype)}(${value})`;
}

/** What is around a tensor: a constant; its elements mirrored at the ends, its last one repeated, or those of the other end. */
export type PadMode = 'constant' | 'reflect' | 'replicate' | 'circular';

/** Options of `pad`. */
export interface PadOptions {
  /** What the new elements are. Default 'constant'. */
  readonly mode?: PadMode | undefined;
  /** The value of the new elements, with mode 'constant'. Default: 0. */
  readonly value?: number | undefined;
}

/** x padded with a constant; see `pad` of pad.ts, which knows modes too. */
export function padConstant(
  x: Tensor,
  before: readonly number[],
  after: readonly number[],
  value: number | PadOptions = 0,
  ...extra: never[]
): Tensor {
  if (typeof value === 'object') throw notImported('pad');
  const { low, high } = paddingOf(x, before, after, extra);
  checkValue('pad', 'the value', value, FINITE);
  checkHeld('pad', x.dtype, [value], "Cast the tensor first: x.cast('f32').");
  return [...low, ...high].every((n) => n === 0) ? x : apply1(padOp, [x], { before: low, after: high, value });
}

/** Padding of every axis, checked. */
export function paddingOf(
  x: Tensor,
  before: readonly number[],
  after: readonly number[],
  extra: readonly unknown[],
): { readonly low: readonly number[]; readonly high: readonly number[] } {
  checkTensors('pad', { x }, extra);
  checkValue('pad', 'before', before, NUMBERS);
  checkValue('pad', 'after', after, NUMBERS);
  const low = x.shape.map((_, axis) => before[axis] ?? 0);
  const high = x.shape.map((_, axis) => after[axis] ?? 0);
  const bad = [...before, ...after].some((n) => !Number.isInteger(n) || n < 0);
  if (bad || before.length > x.rank || after.length > x.rank) {
    throw new ShapeError(
      `pad: [${before}] before and [${after}] after do not match ${formatShape(x.shape)}. Give a whole number >= 0 per axis.`,
    );
  }
  return { low, high };
}
