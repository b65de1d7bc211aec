// Reductions over any axes: one kernel family (shaders/reduce.wgsl.ts), one fixed-order tree, so a sum has the same bits
// every time. argmax and variance are here too.
import { argmaxKernel } from '../../shaders/argmax.wgsl.ts';
import { type ReduceLayout, type ReduceVariant, reduceKernel } from '../../shaders/reduce.wgsl.ts';
import type { HostArray } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import type { NdArray, Op, Spec } from '../graph/op.ts';
import { formatShape, normalizeAxes, normalizeAxis, type Shape, sizeOf, stridesOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { div, equal, mul, sub } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { copy } from './counter.ts';
import { reshape } from './reshape.ts';
import { square } from './unary.ts';

/** Which axes to reduce (all unless said) and whether they stay, with size 1. */
export interface ReduceOptions {
  readonly axes?: number | readonly number[];
  readonly keepDims?: boolean;
}

interface Reduce {
  /** Sorted, non-negative. */
  readonly axes: readonly number[];
}

type Kind = ReduceVariant['kind'];

/** Where the elements lie; reduced axes that are walked as one are one. */
export function reduceLayout(shape: Shape, axes: readonly number[]): ReduceLayout {
  const strides = stridesOf(shape);
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const reducedShape: number[] = [];
  const reducedStrides: number[] = [];
  for (const axis of axes) {
    const size = shape[axis]!;
    const stride = strides[axis]!;
    const last = reducedShape.length - 1;
    if (last >= 0 && reducedStrides[last] === stride * size) {
      reducedShape[last]! *= size;
      reducedStrides[last] = stride;
    } else {
      reducedShape.push(size);
      reducedStrides.push(stride);
    }
  }
  return {
    keptShape: kept.map((axis) => shape[axis]!),
    keptStrides: kept.map((axis) => strides[axis]!),
    reducedShape,
    reducedStrides,
  };
}

/** The shape with the reduced axes kept as 1. */
function keptAsOnes(x: Spec, axes: readonly number[]): number[] {
  return x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
}

/** The flat offsets of every coordinate of `shape` under `strides`, in row-major order. */
export function offsets(shape: Shape, strides: readonly number[]): Int32Array {
  let list = Int32Array.of(0);
  for (const [axis, n] of shape.entries()) {
    const next = new Int32Array(list.length * n);
    for (let i = 0, out = 0; i < list.length; i++)
      for (let k = 0; k < n; k++) next[out++] = list[i]! + k * strides[axis]!;
    list = next;
  }
  return list;
}

function reduceCpu(x: NdArray, y: NdArray, axes: readonly number[], kind: Kind): void {
  const { keptShape, keptStrides, reducedShape, reducedStrides } = reduceLayout(x.shape, axes);
  const bases = offsets(keptShape, keptStrides);
  const runs = offsets(reducedShape.slice(0, -1), reducedStrides);
  const count = reducedShape.at(-1) ?? 1;
  const stride = reducedStrides.at(-1) ?? 1;
  const scale = kind === 'mean' ? sizeOf(reducedShape) : 1;
  const pick = kind === 'max' || kind === 'min' ? Math[kind] : undefined;
  for (let o = 0; o < bases.length; o++) {
    const base = bases[o]!;
    let total = pick ? x.data[base]! : 0;
    for (let run = 0; run < runs.length; run++) {
      const at = base + runs[run]!;
      total = pick
        ? extremumOfRun(pick, total, x.data, at, stride, count)
        : total + sumOfRun(x.data, at, stride, count);
    }
    y.data[o] = total / scale;
  }
}

function sumOfRun(x: HostArray, at: number, stride: number, count: number): number {
  let total = 0;
  for (let k = 0, i = at; k < count; k++, i += stride) total += x[i]!;
  return total;
}

/** The extremum of `first` and `count` elements. */
function extremumOfRun(
  pick: (a: number, b: number) => number,
  first: number,
  x: HostArray,
  at: number,
  stride: number,
  count: number,
): number {
  let extremum = first;
  for (let k = 0, i = at; k < count; k++, i += stride) extremum = pick(extremum, x[i]!);
  return extremum;
}

/* @__NO_SIDE_EFFECTS__ */
function reduceOp(kind: Kind, vjp: (dy: Tensor, x: Tensor, y: Tensor, axes: readonly number[]) => Tensor): Op<Reduce> {
  return {
    name: kind,
    shape: ([x], { axes }) => {
      if (x!.dtype !== 'f32') throw new ShapeError(`${kind}: x is ${x!.dtype}. It needs f32: cast(x, 'f32').`);
      return [{ shape: keptAsOnes(x!, axes), dtype: 'f32' }];
    },
    cpu: ([x], [y], { axes }) => reduceCpu(x!, y!, axes, kind),
    prologue: () => [0],
    epilogue: true,
    kernel: ({ inputs, gpu }, { axes }) =>
      reduceKernel({ kind, layout: reduceLayout(inputs[0]!.shape, axes), software: gpu.software }),
    vjp: ([dy], [x], [y], { axes }) => [() => vjp(dy!, x!, y!, axes)],
  };
}

/** dy, shared equally among the elements that equal the extremum. */
function toExtrema(dy: Tensor, x: Tensor, y: Tensor, axes: readonly number[]): Tensor {
  const chosen = equal(x, y);
  const share = div(dy, sum(chosen, { axes, keepDims: true }));
  return mul(chosen, share);
}

export const sumOp = reduceOp('sum', (dy, x) => broadcastTo(dy, x.shape));
export const meanOp = reduceOp('mean', (dy, x, y) => broadcastTo(mul(dy, y.size / x.size), x.shape));
export const maxOp = reduceOp('max', toExtrema);
export const minOp = reduceOp('min', toExtrema);

/** Σ x over `axes` (all unless said). */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduceWith(sumOp, x, options);
}

/** The mean of x over `axes` (all unless said). */
export function mean(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduceWith(meanOp, x, options);
}

/**
 * The largest of x over `axes` (all unless said); NaN where there is one. Elements that share the maximum share its gradient
 * equally, as PyTorch's `amax`.
 */
export function max(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduceWith(maxOp, held(x), options);
}

/** The smallest of x over `axes` (all unless said); NaN and gradients as {@link max}. */
export function min(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduceWith(minOp, held(x), options);
}

/**
 * x in memory of its own. The gradient looks for the elements that equal the extremum, so forward and backward must see the
 * same bits of x; computed again in another kernel they might differ in the last one.
 */
function held(x: Tensor): Tensor {
  return x.node.op?.map ? copy(x) : x;
}

function reduceWith(op: Op<Reduce>, x: Tensor, { axes, keepDims = false }: ReduceOptions): Tensor {
  const over = normalizeAxes(op.name, axes, x.rank);
  return dropAxes(apply1(op, [x], { axes: over }), over, keepDims);
}

/** The tensor without the axes that a reduction left at size 1. */
function dropAxes(y: Tensor, axes: readonly number[], keepDims: boolean): Tensor {
  if (keepDims) return y;
  const kept = y.shape.filter((_, axis) => !axes.includes(axis));
  return reshape(y, kept);
}

/**
 * The variance of x over `axes` (all unless said): Σ (x - mean)² / (N - correction), as PyTorch's `var`. `correction` is 1
 * unless said (the estimate from a sample); 0 is that of a whole population. Throws a `ShapeError` where N <= correction.
 */
export function variance(x: Tensor, options: ReduceOptions & { readonly correction?: number } = {}): Tensor {
  const { axes, keepDims = false, correction = 1 } = options;
  const over = normalizeAxes('variance', axes, x.rank);
  const N = sizeOf(over.map((axis) => x.shape[axis]!));
  if (!(N > correction)) {
    throw new ShapeError(
      `variance: ${N} elements of ${formatShape(x.shape)} over axes [${over}] leave nothing to divide by with correction ${correction}. Use more elements or correction: 0.`,
    );
  }
  const deviation = sub(x, mean(x, { axes: over, keepDims: true }));
  return mul(sum(square(deviation), { axes: over, keepDims }), 1 / (N - correction));
}

export const argmaxOp: Op<{ readonly axis: number }> = {
  name: 'argmax',
  shape: ([x], { axis }) => {
    if (x!.dtype !== 'f32') throw new ShapeError(`argmax: x is ${x!.dtype}. It needs f32: cast(x, 'f32').`);
    return [{ shape: keptAsOnes(x!, [axis]), dtype: 'u32' }];
  },
  cpu: ([x], [y], { axis }) => {
    const { keptShape, keptStrides } = reduceLayout(x!.shape, [axis]);
    const bases = offsets(keptShape, keptStrides);
    const stride = stridesOf(x!.shape)[axis]!;
    for (let o = 0; o < bases.length; o++) y!.data[o] = placeOfMax(x!.data, bases[o]!, stride, x!.shape[axis]!);
  },
  prologue: () => [0],
  epilogue: true,
  kernel: ({ inputs, gpu }, { axis }) =>
    argmaxKernel({ layout: reduceLayout(inputs[0]!.shape, [axis]), software: gpu.software }),
};

/** Which of `count` elements is the largest: the first among equals, the first NaN if there is one. */
export function placeOfMax(x: HostArray, at: number, stride: number, count: number): number {
  let place = 0;
  let largest = x[at]!;
  for (let k = 1, i = at + stride; k < count; k++, i += stride) {
    const v = x[i]!;
    if (v > largest || (Number.isNaN(v) && !Number.isNaN(largest))) {
      largest = v;
      place = k;
    }
  }
  return place;
}

/** The index (u32) of the largest element along `axis` (the last unless said), the first among equals; NaN counts as the largest. */
export function argmax(x: Tensor, options: { readonly axis?: number; readonly keepDims?: boolean } = {}): Tensor {
  const axis = normalizeAxis('argmax', options.axis ?? -1, x.rank);
  return dropAxes(apply1(argmaxOp, [x], { axis }), [axis], options.keepDims ?? false);
}
