// logSumExp over one axis or several: a row kernel that reads its input in place, or as rows.
import { LOG_SUM_EXP } from '../../shaders/softmax.wgsl.ts';
import { optionsOf, type Schema } from '../graph/options.ts';
import { normalizeAxes } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { asRows } from './as-rows.ts';
import { attachMethods } from './attach.ts';
import { mul, sub } from './binary.ts';
import { dropAxes, keptAsOnes, REDUCE, type ReduceOptions } from './reduction.ts';
import { reshape } from './reshape.ts';
import { rowOp, rowSums } from './softmax.ts';
import { AXES, type Axis, checkTensors, type KeepDims, refuseLooseAxes } from './tensors.ts';
import { exp } from './unary.ts';

export const logSumExpOp = rowOp(
  'logSumExp',
  (x, y, at, stride, C, row) => {
    const { m, s } = rowSums(x, at, stride, C);
    y[row] = Math.abs(m) === Infinity ? m : m + Math.log(s);
  },
  LOG_SUM_EXP,
  (dy, x, y) => mul(exp(sub(x, y)), dy),
  true,
);

const OVER = { ...REDUCE, axis: [AXES, -1] } satisfies Schema<ReduceOptions>;

/** log Σ exp(x) over one or more axes, without overflow: `logSumExp(x, [0, 1])`. Default axis -1 (PyTorch's has none). */
export function logSumExp(x: Tensor, axis?: Axis, options?: KeepDims): Tensor;
export function logSumExp(x: Tensor, options?: ReduceOptions): Tensor;
export function logSumExp(x: Tensor, ...given: readonly unknown[]): Tensor {
  checkTensors('logSumExp', { x });
  refuseLooseAxes('logSumExp', given);
  const { axis, keepDims } = optionsOf<ReduceOptions, typeof OVER>('logSumExp', 'axis', given, OVER);
  const axes = normalizeAxes('logSumExp', axis, x.rank);
  const [one, ...others] = axes;
  const y =
    one !== undefined && others.length === 0
      ? apply1(logSumExpOp, [x], { axis: one })
      : reshape(apply1(logSumExpOp, [asRows(x, axes)], { axis: 1 }), keptAsOnes(x, axes));
  return dropAxes(y, axes, keepDims);
}

attachMethods({ logSumExp });
