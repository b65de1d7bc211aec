// Several axes as one: what works along rows works along any axes.
import { type Shape, sizeOf } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { transpose } from './movement.ts';
import { reshape } from './reshape.ts';

/** x as rows (N, C), with `axes` (sorted, non-negative) merged in C and the others in N. */
export function asRows(x: Tensor, axes: readonly number[]): Tensor {
  const order = axesLast(x.shape, axes);
  return reshape(transpose(x, order), [-1, sizeOf(axes.map((axis) => x.shape[axis]!))]);
}

/** Rows (N, C) in the shape that they come from. */
export function fromRows(rows: Tensor, shape: Shape, axes: readonly number[]): Tensor {
  const order = axesLast(shape, axes);
  const moved = order.map((axis) => shape[axis]!);
  return transpose(
    reshape(rows, moved),
    order.map((_, axis) => order.indexOf(axis)),
  );
}

function axesLast(shape: Shape, axes: readonly number[]): number[] {
  return [...shape.keys()].filter((axis) => !axes.includes(axis)).concat(axes);
}
