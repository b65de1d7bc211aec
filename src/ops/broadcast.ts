// broadcastTo and sum, which are each other's gradients: the one place where broadcasting is undone.

import { stridedIndex } from '../../shaders/strided.wgsl.ts';
import { ShapeError } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { checkValue, NUMBERS } from '../graph/options.ts';
import { broadcastShapes, formatShape, mergeAxes, type Shape, sameShape, sizeOf, stridesOf } from '../graph/shape.ts';
import { apply1, fillOf, full, type Tensor } from '../graph/tensor.ts';
import { type ReduceOptions, reduceOp, reduceWith } from './reduction.ts';
import { reshape } from './reshape.ts';
import { type Axis, checkTensors, type KeepDims } from './tensors.ts';

export const broadcastToOp: Op<{ readonly shape: Shape }> = {
  name: 'broadcastTo',
  cost: 0,
  shape: ([x], { shape }) => {
    const fits = broadcastShapes('broadcastTo', x!.shape, shape);
    if (!sameShape(fits, shape))
      throw new ShapeError(`broadcastTo: ${formatShape(x!.shape)} cannot be broadcast to ${formatShape(shape)}.`);
    return [{ shape, dtype: x!.dtype }];
  },
  cpu: ([x], [y]) => {
    const strides = broadcastStrides(x!.shape, y!.shape);
    stridedCopy(x!.data, y!.data, y!.shape, strides, 0);
  },
  lanes: ([x], [one]) => (sizeOf(one!.shape) === 1 ? x : undefined),
  map: (scope, { shape }) =>
    scope.load(0, stridedIndex(scope.i, shape, broadcastStrides(scope.inputs[0]!.shape, shape), 0)),
  simplify: ([x], { shape }) => {
    const value = fillOf(x!);
    return value === undefined ? undefined : full(shape, value, x!.dtype);
  },
  vjp: ([dy], [x]) => [() => sumTo(dy!, x!.shape)],
};

/** Repeats x along its axes of size 1 (and new leading axes) to `shape`, as NumPy does. */
export function broadcastTo(x: Tensor, shape: Shape, ...extra: never[]): Tensor {
  checkTensors('broadcastTo', { x }, extra);
  checkValue('broadcastTo', 'shape', shape, NUMBERS);
  return sameShape(x.shape, shape) ? x : apply1(broadcastToOp, [x], { shape: [...shape] });
}

export const sumOp = reduceOp('sum', (dy, x) => broadcastTo(dy, x.shape));

/** Σ x over one or more axes: `sum(x, 0)`, or `sum(x, { axis: 0, keepDims: true })`. Default: all axes. */
export function sum(x: Tensor, axis?: Axis, options?: KeepDims): Tensor;
export function sum(x: Tensor, options?: ReduceOptions): Tensor;
export function sum(x: Tensor, ...over: readonly unknown[]): Tensor {
  return reduceWith(sumOp, x, over);
}

/** Sums x over the axes that broadcasting added or stretched, back to `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const lead = x.rank - shape.length;
  const axes = x.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < lead || (shape[axis - lead] === 1 && x.shape[axis] !== 1));
  return reshape(axes.length === 0 ? x : sum(x, axes, { keepDims: true }), shape);
}

/** The stride of x along each axis of `shape`: 0 where it is stretched. */
function broadcastStrides(from: Shape, shape: Shape): number[] {
  const own = stridesOf(from);
  const lead = shape.length - from.length;
  return shape.map((_, axis) => (axis < lead || from[axis - lead] === 1 ? 0 : own[axis - lead]!));
}

interface Writable {
  readonly length: number;
  [index: number]: number;
}

/** y[flat] = x[offset + Σ coordinate · stride] for every element of `shape`, in order. */
export function stridedCopy(x: Writable, y: Writable, shape: Shape, strides: readonly number[], offset: number): void {
  const axes = mergeAxes(shape, strides);
  const inner = axes.pop() ?? { size: 1, stride: 0 };
  const outer = sizeOf(axes.map((axis) => axis.size));
  const count = new Array<number>(axes.length).fill(0);
  let at = offset;
  let out = 0;
  for (let row = 0; row < outer; row++) {
    for (let k = 0, from = at; k < inner.size; k++, from += inner.stride) y[out++] = x[from]!;
    for (let axis = axes.length - 1; axis >= 0; axis--) {
      at += axes[axis]!.stride;
      if (++count[axis]! < axes[axis]!.size) break;
      at -= axes[axis]!.stride * axes[axis]!.size;
      count[axis] = 0;
    }
  }
}
