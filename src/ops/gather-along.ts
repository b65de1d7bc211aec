// gather and take: elements, and whole slices, by index along any axis.
import { gatherAlongGradKernel } from '../../shaders/gather-along.wgsl.ts';
import { NAN_OF } from '../../shaders/special.wgsl.ts';
import { modulo, quotient, u32 } from '../../shaders/wgsl.ts';
import { isPacked } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import type { NdArray, Op, Spec } from '../graph/op.ts';
import { checkValue } from '../graph/options.ts';
import { formatShape, normalizeAxis, sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { add, less } from './binary.ts';
import { asIndices } from './cast.ts';
import { gatherRows } from './gather.ts';
import { slice, transpose } from './movement.ts';
import { reshape } from './reshape.ts';
import { where } from './select.ts';
import { checkTensors, ONE_AXIS } from './tensors.ts';

/** For each element `at` of the indices, the element `from` of x, the last of its line for an index that is not inside. */
function eachPlace(x: Spec, indices: NdArray, visit: (at: number, from: number, inside: boolean) => void): void {
  const [, N, INNER] = x.shape as [number, number, number];
  const K = indices.shape[1]!;
  for (let at = 0; at < indices.data.length; at++) {
    const index = Math.min(indices.data[at]!, N - 1);
    const line = Math.floor(at / (K * INNER)) * N;
    visit(at, (line + index) * INNER + (at % INNER), index === indices.data[at]);
  }
}

/** x (O, N, I), indices u32 (O, K, I) to (O, K, I). */
export const gatherAlongOp: Op<void> = {
  name: 'gather',
  shape: ([x, indices]) => [{ shape: indices!.shape, dtype: x!.dtype }],
  flops: () => 0,
  cpu: ([x, indices], [y]) =>
    eachPlace(x!, indices!, (at, from, inside) => {
      y!.data[at] = inside || x!.dtype !== 'f32' ? x!.data[from]! : Number.NaN;
    }),
  map: (scope) => {
    const [O, N, INNER] = scope.inputs[0]!.shape as [number, number, number];
    const K = scope.out.shape[1]!;
    const index = scope.let('u32', scope.load(1, scope.i));
    const line = quotient(scope.i, K * INNER, O * K * INNER);
    const place = `(${line} * ${u32(N)} + min(${index}, ${u32(N - 1)})) * ${u32(INNER)} + ${modulo(scope.i, INNER, O * K * INNER)}`;
    const value = scope.load(0, scope.let('u32', place));
    return scope.out.dtype === 'f32'
      ? `select(${scope.declare(NAN_OF)}(${value}), ${value}, ${index} < ${u32(N)})`
      : value;
  },
  vjp: ([dy], [x, indices]) => [
    x!.dtype === 'f32' ? () => apply1(gatherAlongGradOp, [dy!, indices!], { N: x!.shape[1]! }) : undefined,
    undefined,
  ],
};

/** dx (O, N, I) from dy and indices (O, K, I). */
export const gatherAlongGradOp: Op<{ readonly N: number }> = {
  name: 'gatherGrad',
  shape: ([dy], { N }) => [{ shape: [dy!.shape[0]!, N, dy!.shape[2]!], dtype: 'f32' }],
  cpu: ([dy, indices], [dx]) => {
    dx!.data.fill(0);
    eachPlace(dx!, indices!, (at, from, inside) => {
      if (inside) dx!.data[from]! += dy!.data[at]!;
    });
  },
  epilogue: true,
  kernel: ({ inputs: [dy] }, { N }) => {
    const [O, K, INNER] = dy!.shape as [number, number, number];
    return gatherAlongGradKernel({ O, N, K, INNER });
  },
};

/** u32 or i32 indices as u32; i32 ones below 0 count from the end of an axis of N, and those before its start are past every end. */
function counted(what: string, indices: Tensor, N: number): Tensor {
  if (indices.dtype !== 'u32' && indices.dtype !== 'i32')
    throw new ShapeError(`${what}: indices are ${indices.dtype}. They must be u32 or i32: cast(indices, 'i32').`);
  return indices.dtype === 'u32' ? indices : asIndices(where(less(indices, 0), add(indices, N), indices));
}

/**
 * Elements of x by index along an axis: `y[i][j][k] = x[i][indices[i][j][k]][k]` for axis 1. x and the u32 or i32 indices have the same number
 * of axes; those other than `axis` may be shorter in the indices, whose shape is the result's. i32 indices below 0 count from the
 * end. An index outside gives NaN and no gradient; for integers, which have no NaN, the last element. PyTorch's `torch.gather`,
 * NumPy's `take_along_axis`.
 */
export function gather(x: Tensor, axis: number, indices: Tensor, ...extra: never[]): Tensor {
  checkTensors('gather', { x, indices }, extra);
  checkValue('gather', 'axis', axis, ONE_AXIS);
  refuse('gather', x);
  const along = normalizeAxis('gather', axis, x.rank);
  const fits = indices.rank === x.rank && indices.shape.every((n, k) => k === along || n <= x.shape[k]!);
  if (!fits)
    throw new ShapeError(
      `gather: indices ${formatShape(indices.shape)} do not fit x ${formatShape(x.shape)} along axis ${along}. Give as many axes, each but axis ${along} at most as long; for whole slices, use take(x, indices, ${along}).`,
    );
  const N = x.shape[along]!;
  const ends = indices.shape.map((n, k) => (k === along ? N : n));
  const part = slice(
    x,
    ends.map(() => 0),
    ends,
  );
  const lines = (t: Tensor) =>
    reshape(t, [sizeOf(t.shape.slice(0, along)), t.shape[along]!, sizeOf(t.shape.slice(along + 1))]);
  const picked = apply1(gatherAlongOp, [lines(part), lines(counted('gather', indices, N))], undefined);
  return reshape(picked, indices.shape);
}

/**
 * Slices of x by index along an axis: x (...before, N, ...after), indices u32 or i32 of any shape (B), result (...before, B, ...after). i32
 * indices below 0 count from the end. An index outside gives NaN and no gradient; for integers, which have no NaN, the last
 * slice. The gradient of a slice is the sum over all its uses. Default axis 0. NumPy's `take`, PyTorch's `index_select`.
 */
export function take(x: Tensor, indices: Tensor, axis = 0, ...extra: never[]): Tensor {
  checkTensors('take', { x, indices }, extra);
  checkValue('take', 'axis', axis, ONE_AXIS);
  const along = normalizeAxis('take', axis, x.rank);
  const at = counted('take', indices, x.shape[along]!);
  if (along === 0) return gatherRows(x, at);
  refuse('take', x);
  // The axis moves to the front, and those of the indices back to its place.
  const axes = x.shape.map((_, k) => k);
  const rows = gatherRows(transpose(x, [along, ...axes.filter((k) => k !== along)]), at);
  const taken = rows.shape.map((_, k) => k).slice(0, at.rank);
  const rest = rows.shape.map((_, k) => k).slice(at.rank);
  return transpose(rows, [...rest.slice(0, along), ...taken, ...rest.slice(along)]);
}

function refuse(what: string, { dtype }: Tensor): void {
  if (isPacked(dtype)) throw new ShapeError(`${what}: x is ${dtype}, a storage-only dtype. Cast it: cast(x, 'f32').`);
}

attachMethods({ gather, take });
