// reshape: the same elements in the same order, in another shape. On the GPU it is an alias, never a copy.
import { ShapeError } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { checkExtra, checkValue, NUMBERS } from '../graph/options.ts';
import { formatShape, normalizeAxis, type Shape, sameShape, sizeOf } from '../graph/shape.ts';
import { apply1, fillOf, full, type Tensor } from '../graph/tensor.ts';
import { checkTensors } from './tensors.ts';

export const reshapeOp: Op<{ readonly shape: Shape }> = {
  name: 'reshape',
  cost: 0,
  elementwise: true,
  view: true,
  shape: ([x], { shape }) => {
    if (sizeOf(shape) !== sizeOf(x!.shape)) {
      throw new ShapeError(
        `reshape: ${formatShape(x!.shape)} has ${sizeOf(x!.shape)} elements, ${formatShape(shape)} has ${sizeOf(shape)}. Leave one size out as -1 to have it computed.`,
      );
    }
    return [{ shape, dtype: x!.dtype }];
  },
  cpu: ([x], [y]) => y!.data.set(x!.data),
  map: (scope) => scope.load(0, scope.i),
  simplify: ([x], { shape }) => {
    const value = fillOf(x!);
    return value === undefined ? undefined : full(shape, value, x!.dtype);
  },
  vjp: ([dy], [x]) => [() => reshape(dy!, x!.shape)],
};

/** x in another shape with as many elements, `reshape(x, [2, 3])` or `reshape(x, 2, 3)`; one size may be -1, to be computed. */
export function reshape(x: Tensor, ...sizes: readonly [shape: Shape] | readonly number[]): Tensor {
  checkTensors('reshape', { x });
  const [first, ...others] = sizes;
  const shape = typeof first === 'number' ? (sizes as readonly number[]) : first;
  checkValue('reshape', 'the shape', shape, NUMBERS);
  if (shape === first) checkExtra('reshape', others);
  return reshapeTo(x, shape as Shape);
}

function reshapeTo(x: Tensor, shape: Shape): Tensor {
  const known = sizeOf(shape.filter((n) => n !== -1));
  const full = shape.map((n) => (n === -1 ? Math.floor(x.size / known) : n));
  return sameShape(x.shape, full) ? x : apply1(reshapeOp, [x], { shape: full });
}

/** Merges the axes from `startAxis` on, row-major: (N, H, W, C) becomes (N, H·W·C). Default 1: keeps the batch axis. */
export function flatten(x: Tensor, startAxis = 1, ...extra: never[]): Tensor {
  checkTensors('flatten', { x }, extra);
  const start = startAxis === x.rank ? startAxis : normalizeAxis('flatten', startAxis, x.rank);
  return start >= x.rank ? x : reshapeTo(x, [...x.shape.slice(0, start), sizeOf(x.shape.slice(start))]);
}
