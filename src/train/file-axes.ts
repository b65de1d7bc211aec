// The order of a variable's axes in files: PyTorch's, such as (O, C, KH, KW) for filters that memory holds as (O, KH, KW, C).
import type { HostArray } from '../graph/dtype.ts';
import { type Shape, stridesOf } from '../graph/shape.ts';
import { stridedCopy } from '../ops/broadcast.ts';

/** For each axis in the file, the axis in memory; undefined if they are the same. */
export type FileAxes = readonly number[] | undefined;

/** The shape in a file. */
export function fileShape(shape: Shape, axes: FileAxes): Shape {
  return axes ? axes.map((axis) => shape[axis]!) : shape;
}

/** Values in memory's order (`shape`) in the order of the file. */
export function toFile<T extends HostArray>(data: T, shape: Shape, axes: FileAxes): T {
  return axes ? permuted(data, shape, axes) : data;
}

/** Values in the order of the file in memory's order, whose shape is `shape`. */
export function fromFile<T extends HostArray>(data: T, shape: Shape, axes: FileAxes): T {
  if (!axes) return data;
  return permuted(
    data,
    fileShape(shape, axes),
    axes.map((_, axis) => axes.indexOf(axis)),
  );
}

function permuted<T extends HostArray>(data: T, shape: Shape, axes: readonly number[]): T {
  const strides = stridesOf(shape);
  const out = data.slice() as T;
  stridedCopy(
    data,
    out,
    axes.map((axis) => shape[axis]!),
    axes.map((axis) => strides[axis]!),
    0,
  );
  return out;
}
