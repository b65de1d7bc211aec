// Reductions over any axes: one kernel family (shaders/reduce.wgsl.ts), one fixed-order tree, so a sum has the same bits
// every time.
import { reduceKernel } from '../../shaders/reduce.wgsl.ts';
import { ShapeError } from '../graph/errors.ts';
import type { Op, Spec } from '../graph/op.ts';
import { normalizeAxes, type Shape, stridesOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { broadcastTo } from './broadcast.ts';
import { reshape } from './reshape.ts';

/** Which axes to reduce (all unless said) and whether they stay, with size 1. */
export interface ReduceOptions {
  readonly axes?: number | readonly number[];
  readonly keepDims?: boolean;
}

interface Reduce {
  /** Sorted, non-negative. */
  readonly axes: readonly number[];
}

/** Where the elements of a reduction lie: output o reads base(o) + Σ coordinate · stride over the reduced axes. */
export interface ReduceLayout {
  readonly keptShape: Shape;
  readonly keptStrides: readonly number[];
  readonly reducedShape: Shape;
  readonly reducedStrides: readonly number[];
}

export function reduceLayout(shape: Shape, axes: readonly number[]): ReduceLayout {
  const strides = stridesOf(shape);
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  return {
    keptShape: kept.map((axis) => shape[axis]!),
    keptStrides: kept.map((axis) => strides[axis]!),
    reducedShape: axes.map((axis) => shape[axis]!),
    reducedStrides: axes.map((axis) => strides[axis]!),
  };
}

/** The shape with the reduced axes kept as 1. */
function keptAsOnes(x: Spec, axes: readonly number[]): number[] {
  return x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
}

export const sumOp: Op<Reduce> = {
  name: 'sum',
  shape: ([x], { axes }) => {
    if (x!.dtype !== 'f32') throw new ShapeError(`sum: x is ${x!.dtype}. It needs f32: cast(x, 'f32').`);
    return [{ shape: keptAsOnes(x!, axes), dtype: 'f32' }];
  },
  cpu: ([x], [y], { axes }) => {
    const { keptShape, keptStrides, reducedShape, reducedStrides } = reduceLayout(x!.shape, axes);
    const bases = offsets(keptShape, keptStrides);
    const inner = offsets(reducedShape, reducedStrides);
    for (let o = 0; o < bases.length; o++) {
      let total = 0;
      for (let k = 0; k < inner.length; k++) total += x!.data[bases[o]! + inner[k]!]!;
      y!.data[o] = total;
    }
  },
  prologue: () => [0],
  epilogue: true,
  kernel: ({ inputs, gpu }, { axes }) =>
    reduceKernel({ kind: 'sum', layout: reduceLayout(inputs[0]!.shape, axes), software: gpu.software }),
  vjp: ([dy], [x]) => [() => broadcastTo(dy!, x!.shape)],
};

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

/** Σ x over `axes` (all unless said). */
export function sum(x: Tensor, options: ReduceOptions = {}): Tensor {
  return reduceWith(sumOp, x, options);
}

function reduceWith(op: Op<Reduce>, x: Tensor, { axes, keepDims = false }: ReduceOptions): Tensor {
  const over = normalizeAxes(op.name, axes, x.rank);
  const y = apply1(op, [x], { axes: over });
  return keepDims
    ? y
    : reshape(
        y,
        x.shape.filter((_, axis) => !over.includes(axis)),
      );
}
