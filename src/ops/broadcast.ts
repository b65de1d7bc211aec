// broadcastTo, and its gradient: the one place where broadcasting is undone.

import { modulo, quotient, u32 } from '../../shaders/wgsl.ts';
import { ShapeError } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { broadcastShapes, formatShape, type Shape, sameShape, sizeOf, stridesOf } from '../graph/shape.ts';
import { apply1, fillOf, full, type Tensor } from '../graph/tensor.ts';
import { sum } from './reduce.ts';
import { reshape } from './reshape.ts';

export const broadcastToOp: Op<{ readonly shape: Shape }> = {
  name: 'broadcastTo',
  cost: 0,
  shape: ([x], { shape }) => {
    const fits = broadcastShapes('broadcastTo', x!.shape, shape);
    if (!sameShape(fits, shape))
      throw new ShapeError(`broadcastTo: ${formatShape(x!.shape)} does not fit into ${formatShape(shape)}.`);
    return [{ shape, dtype: x!.dtype }];
  },
  cpu: ([x], [y]) => {
    const strides = broadcastStrides(x!.shape, y!.shape);
    stridedCopy(x!.data, y!.data, y!.shape, strides, 0);
  },
  map: (scope, { shape }) =>
    scope.load(0, stridedIndex(scope.i, shape, broadcastStrides(scope.inputs[0]!.shape, shape), 0)),
  simplify: ([x], { shape }) => {
    const value = fillOf(x!);
    return value === undefined ? undefined : full(value, shape, x!.dtype);
  },
  vjp: ([dy], [x]) => [() => sumTo(dy!, x!.shape)],
};

/** Repeats x along its axes of size 1 (and new leading ones) until it has `shape`, as NumPy does. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  return sameShape(x.shape, shape) ? x : apply1(broadcastToOp, [x], { shape: [...shape] });
}

/** Sums x over the axes that broadcasting added or stretched, back to `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  const lead = x.rank - shape.length;
  const axes = x.shape
    .map((_, axis) => axis)
    .filter((axis) => axis < lead || (shape[axis - lead] === 1 && x.shape[axis] !== 1));
  return reshape(axes.length === 0 ? x : sum(x, { axes, keepDims: true }), shape);
}

/** The stride of x along each axis of `shape`: 0 where it is stretched. */
function broadcastStrides(from: Shape, shape: Shape): number[] {
  const own = stridesOf(from);
  const lead = shape.length - from.length;
  return shape.map((_, axis) => (axis < lead || from[axis - lead] === 1 ? 0 : own[axis - lead]!));
}

/** WGSL for offset + Σ coordinate · stride, the coordinates being those of flat index `i` in `shape`. */
export function stridedIndex(i: string, shape: Shape, strides: readonly number[], offset: number): string {
  const axes = mergeAxes(shape, strides);
  const terms: string[] = offset === 0 ? [] : [u32(offset)];
  let inner = axes.reduce((product, axis) => product * axis.size, 1);
  const total = inner;
  for (const { size, stride } of axes) {
    const outer = inner;
    inner /= size;
    if (stride === 0 || size === 1) continue;
    const coordinate =
      outer === total ? quotient(i, inner, total) : modulo(quotient(i, inner, total), size, total / inner);
    terms.push(stride === 1 ? coordinate : `${coordinate} * ${u32(stride)}`);
  }
  return terms.length === 0 ? '0u' : terms.join(' + ');
}

/** Neighbouring axes that are walked as one become one. */
function mergeAxes(shape: Shape, strides: readonly number[]): { size: number; stride: number }[] {
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
