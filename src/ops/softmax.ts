// softmax and logSoftmax over one axis: row kernels that read their input in place, with the gradients fused (softmaxGrad,
// logSoftmaxGrad). The `composed` forms do the same with simple ops, and logSumExp (log-sum-exp.ts); tests compare the kernels with them.
import { type RowsCode, rowsKernel } from '../../shaders/rows.wgsl.ts';
import { LOG_SOFTMAX, LOG_SOFTMAX_GRAD, SOFTMAX, SOFTMAX_GRAD } from '../../shaders/softmax.wgsl.ts';
import type { HostArray } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import type { NdArray, Op, Spec } from '../graph/op.ts';
import { optionsOf } from '../graph/options.ts';
import { formatShape, normalizeAxis, type Shape, sameShape, sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { add, div, sub } from './binary.ts';
import { broadcastTo, sum } from './broadcast.ts';
import { max } from './reduce.ts';
import { type AxisOptions, checkTensors, LAST_AXIS } from './tensors.ts';
import { exp, log } from './unary.ts';

export interface Row {
  /** Non-negative. */
  readonly axis: number;
}

/** N rows along `axis`, of C elements with stride INNER. */
export function rowsOf(shape: Shape, axis: number): { N: number; C: number; INNER: number } {
  const C = shape[axis]!;
  return { N: sizeOf(shape) / C, C, INNER: sizeOf(shape.slice(axis + 1)) };
}

/** Where row r starts. */
export function startOf(r: number, C: number, INNER: number): number {
  const inner = r % INNER;
  return (r - inner) * C + inner;
}

function checkFloat(name: string, x: Spec): void {
  if (x.dtype !== 'f32') throw new ShapeError(`${name}: x is ${x.dtype}. It must be f32: cast(x, 'f32').`);
}

/** One row on the CPU: element k is at `at + k · stride`. */
type RowLoop = (x: HostArray, y: HostArray, at: number, stride: number, C: number, row: number) => void;

/** A row's maximum m, and s = Σ exp(x - m), which is NaN if the row has no softmax. */
export function rowSums(x: HostArray, at: number, stride: number, C: number): { m: number; s: number } {
  let m = x[at]!;
  for (let k = 1, i = at + stride; k < C; k++, i += stride) m = Math.max(m, x[i]!);
  let s = 0;
  for (let k = 0, i = at; k < C; k++, i += stride) s += Math.exp(x[i]! - m);
  return { m, s };
}

/** An op of one row's maximum and sum, with as many outputs as inputs in a row, or one if it `reduces`. */
/* @__NO_SIDE_EFFECTS__ */
export function rowOp(
  name: string,
  loop: RowLoop,
  code: RowsCode,
  vjp: (dy: Tensor, x: Tensor, y: Tensor, axis: number) => Tensor,
  reduces = false,
): Op<Row> {
  return {
    name,
    shape: ([x], { axis }) => {
      checkFloat(name, x!);
      return [{ shape: x!.shape.map((n, k) => (reduces && k === axis ? 1 : n)), dtype: 'f32' }];
    },
    cpu: ([x], [y], { axis }) => {
      const { N, C, INNER } = rowsOf(x!.shape, axis);
      for (let r = 0; r < N; r++) loop(x!.data, y!.data, startOf(r, C, INNER), INNER, C, r);
    },
    epilogue: true,
    kernel: ({ inputs, gpu }, { axis }) =>
      rowsKernel({ ...rowsOf(inputs[0]!.shape, axis), barriers: gpu.barriers }, code),
    vjp: ([dy], [x], [y], { axis }) => [() => vjp(dy!, x!, y!, axis)],
  };
}

export const softmaxOp = rowOp(
  'softmax',
  (x, y, at, stride, C) => {
    const { m, s } = rowSums(x, at, stride, C);
    for (let k = 0, i = at; k < C; k++, i += stride) y[i] = Math.exp(x[i]! - m) / s;
  },
  SOFTMAX,
  (dy, _, y, axis) => apply1(softmaxGradOp, [dy, y], { axis }),
);

export const logSoftmaxOp = rowOp(
  'logSoftmax',
  (x, y, at, stride, C) => {
    const { m, s } = rowSums(x, at, stride, C);
    const logS = Math.log(s);
    for (let k = 0, i = at; k < C; k++, i += stride) y[i] = x[i]! - m - logS;
  },
  LOG_SOFTMAX,
  (dy, _, y, axis) => apply1(logSoftmaxGradOp, [dy, y], { axis }),
);

/** A gradient over rows: dx from dy and the output y. */
/* @__NO_SIDE_EFFECTS__ */
function rowGradOp(
  name: string,
  code: RowsCode,
  cpu: (dy: NdArray, y: NdArray, dx: NdArray, axis: number) => void,
): Op<Row> {
  return {
    name,
    shape: ([dy, y]) => {
      checkFloat(name, dy!);
      checkFloat(name, y!);
      if (!sameShape(dy!.shape, y!.shape)) {
        throw new ShapeError(
          `${name}: dy ${formatShape(dy!.shape)} and y ${formatShape(y!.shape)} differ. Give them the same shape.`,
        );
      }
      return [{ shape: y!.shape, dtype: 'f32' }];
    },
    cpu: ([dy, y], [dx], { axis }) => cpu(dy!, y!, dx!, axis),
    epilogue: true,
    kernel: ({ inputs, gpu }, { axis }) =>
      rowsKernel({ ...rowsOf(inputs[0]!.shape, axis), barriers: gpu.barriers }, code),
  };
}

/** y (dy - Σ dy·y). */
export const softmaxGradOp = rowGradOp('softmaxGrad', SOFTMAX_GRAD, (dy, y, dx, axis) => {
  const { N, C, INNER } = rowsOf(y.shape, axis);
  for (let r = 0; r < N; r++) {
    const at = startOf(r, C, INNER);
    let s = 0;
    for (let k = 0, i = at; k < C; k++, i += INNER) s += dy.data[i]! * y.data[i]!;
    for (let k = 0, i = at; k < C; k++, i += INNER) dx.data[i] = y.data[i]! * (dy.data[i]! - s);
  }
});

/** dy - exp(y) Σ dy. */
export const logSoftmaxGradOp = rowGradOp('logSoftmaxGrad', LOG_SOFTMAX_GRAD, (dy, y, dx, axis) => {
  const { N, C, INNER } = rowsOf(y.shape, axis);
  for (let r = 0; r < N; r++) {
    const at = startOf(r, C, INNER);
    let s = 0;
    for (let k = 0, i = at; k < C; k++, i += INNER) s += dy.data[i]!;
    for (let k = 0, i = at; k < C; k++, i += INNER) dx.data[i] = dy.data[i]! - Math.exp(y.data[i]!) * s;
  }
});

/** exp(x) / Σ exp(x) over an axis: `softmax(x, 0)` or `softmax(x, { axis: 0 })`. Default axis -1. As in PyTorch, a row with NaN or +inf, or
 * with only -inf, gives NaN. */
export function softmax(x: Tensor, axis?: number): Tensor;
export function softmax(x: Tensor, options?: AxisOptions): Tensor;
export function softmax(x: Tensor, ...axis: readonly unknown[]): Tensor {
  return along(softmaxOp, x, axis);
}

/** x - log Σ exp(x) over an axis: log(softmax(x)) without overflow. Default axis -1. */
export function logSoftmax(x: Tensor, axis?: number): Tensor;
export function logSoftmax(x: Tensor, options?: AxisOptions): Tensor;
export function logSoftmax(x: Tensor, ...axis: readonly unknown[]): Tensor {
  return along(logSoftmaxOp, x, axis);
}

function along(op: Op<Row>, x: Tensor, given: readonly unknown[]): Tensor {
  checkTensors(op.name, { x });
  const { axis } = optionsOf<AxisOptions, typeof LAST_AXIS>(op.name, 'axis', given, LAST_AXIS);
  return apply1(op, [x], { axis: normalizeAxis(op.name, axis, x.rank) });
}

/** The same three (with gradients) composed of simple ops, over a non-negative axis. */
export const composed = {
  softmax(x: Tensor, axis: number): Tensor {
    const e = exp(sub(x, max(x, axis, { keepDims: true })));
    return div(e, sum(e, axis, { keepDims: true }));
  },
  logSumExp(x: Tensor, axis: number): Tensor {
    const m = max(x, axis, { keepDims: true });
    return add(log(sum(exp(sub(x, m)), axis, { keepDims: true })), m);
  },
  logSoftmax(x: Tensor, axis: number): Tensor {
    return sub(x, broadcastTo(composed.logSumExp(x, axis), x.shape));
  },
};
