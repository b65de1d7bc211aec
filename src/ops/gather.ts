// Gather: rows of a table by index (an embedding, a batch of a data set), and one-hot rows.
import { gatherRowsGradKernel } from '../../shaders/gather.wgsl.ts';
import { NAN_OF, ONE_HOT } from '../../shaders/special.wgsl.ts';
import { quotient, u32 } from '../../shaders/wgsl.ts';
import { ShapeError } from '../graph/errors.ts';
import { wgslType } from '../graph/kernel.ts';
import type { Op, Spec } from '../graph/op.ts';
import { type Shape, sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { asIndices } from './cast.ts';
import { checkTensors } from './tensors.ts';

function checkIndices(what: string, indices: Spec): void {
  if (indices.dtype !== 'u32')
    throw new ShapeError(`${what}: indices are ${indices.dtype}. They must be u32 or i32: cast(indices, 'u32').`);
}

export const gatherRowsOp: Op<void> = {
  name: 'gatherRows',
  cost: 1,
  shape: ([source, indices]) => {
    checkIndices('gatherRows', indices!);
    if (source!.shape.length === 0)
      throw new ShapeError('gatherRows: the source is a scalar. Give one with rows along its first axis.');
    return [{ shape: [...indices!.shape, ...source!.shape.slice(1)], dtype: wgslType(source!.dtype) }];
  },
  flops: () => 0,
  cpu: ([source, indices], [y]) => {
    const N = source!.shape[0]!;
    const R = sizeOf(source!.shape.slice(1));
    for (let b = 0; b < indices!.data.length; b++) {
      const n = Math.min(indices!.data[b]!, N - 1);
      if (n !== indices!.data[b]! && source!.dtype === 'f32') y!.data.fill(Number.NaN, b * R, (b + 1) * R);
      else y!.data.set(source!.data.subarray(n * R, (n + 1) * R), b * R);
    }
  },
  map: (scope) => {
    const [source] = scope.inputs;
    const R = sizeOf(source!.shape.slice(1));
    const b = scope.let('u32', quotient(scope.i, R, sizeOf(scope.out.shape)));
    const index = scope.load(1, b);
    const N = source!.shape[0]!;
    const row = `min(${index}, ${u32(N - 1)})`;
    const value = scope.load(0, scope.let('u32', R === 1 ? row : `(${row} - ${b}) * ${u32(R)} + ${scope.i}`));
    return source!.dtype === 'f32'
      ? `select(${scope.declare(NAN_OF)}(${value}), ${value}, ${index} < ${u32(N)})`
      : value;
  },
  vjp: ([dy], [source, indices]) => [
    source!.dtype === 'f32' ? () => apply1(gatherRowsGradOp, [dy!, indices!], { shape: source!.shape }) : undefined,
    undefined,
  ],
};

/**
 * Row `indices[b]` of `source` for each b: source (N, ...row), indices u32 or i32 of any shape (B), result (B, ...row). u8 and u16
 * sources give u32. An index below 0 or past the end gives a row of NaN and contributes no gradient; for integers, which have no NaN, it gives the
 * last row. The gradient of a row is the sum over all its uses.
 */
export function gatherRows(source: Tensor, indices: Tensor, ...extra: never[]): Tensor {
  checkTensors('gatherRows', { source, indices }, extra);
  return apply1(gatherRowsOp, [source, asIndices(indices)], undefined);
}

/** dsource from dy and the indices: row n is the sum of the rows of dy whose index is n, in order. An index past the end contributes
 * nothing. */
export const gatherRowsGradOp: Op<{ readonly shape: Shape }> = {
  name: 'gatherRowsGrad',
  shape: ([dy], { shape }) => [{ shape, dtype: dy!.dtype }],
  cpu: ([dy, indices], [dx], { shape }) => {
    const N = shape[0]!;
    const R = sizeOf(shape.slice(1));
    dx!.data.fill(0);
    for (let b = 0; b < indices!.data.length; b++) {
      if (indices!.data[b]! >= N) continue;
      const to = indices!.data[b]! * R;
      for (let r = 0; r < R; r++) dx!.data[to + r]! += dy!.data[b * R + r]!;
    }
  },
  prologue: () => [0],
  epilogue: true,
  kernel: ({ inputs }, { shape }) =>
    gatherRowsGradKernel({ N: shape[0]!, R: sizeOf(shape.slice(1)), B: sizeOf(inputs[1]!.shape) }),
};

export const oneHotOp: Op<{ readonly depth: number }> = {
  name: 'oneHot',
  shape: ([indices], { depth }) => {
    checkIndices('oneHot', indices!);
    return [{ shape: [...indices!.shape, depth], dtype: 'f32' }];
  },
  cpu: ([indices], [y], { depth }) => {
    y!.data.fill(0);
    for (let b = 0; b < indices!.data.length; b++) {
      const index = indices!.data[b]!;
      if (index < depth) y!.data[b * depth + index] = 1;
      else y!.data.fill(Number.NaN, b * depth, (b + 1) * depth);
    }
  },
  map: (scope, { depth }) =>
    `${scope.declare(ONE_HOT)}(${scope.load(0, `${scope.i} / ${u32(depth)}`)}, ${scope.i} % ${u32(depth)}, ${u32(depth)})`,
};

/** indices u32 or i32 (…) to (…, depth): 1 at the index, else 0; all NaN where the index is below 0 or not below `depth`. */
export function oneHot(indices: Tensor, depth: number, ...extra: never[]): Tensor {
  checkTensors('oneHot', { indices }, extra);
  if (!Number.isInteger(depth) || depth < 1)
    throw new ShapeError(`oneHot: depth ${depth} is not a whole number of at least 1. Give the number of classes.`);
  return apply1(oneHotOp, [asIndices(indices)], { depth });
}

attachMethods({ gatherRows, oneHot });
