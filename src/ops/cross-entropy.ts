// Softmax cross-entropy as one row op: each row's loss and, for backward, the residual softmax - target, which is that loss's
// gradient. So training takes one dispatch here, and dlogits is a product that fuses into its consumers.
import { crossEntropyKernel, crossEntropyRowKernel } from '../../shaders/cross-entropy.wgsl.ts';
import { rowFits } from '../graph/cost.ts';
import { ShapeError } from '../graph/errors.ts';
import type { NdArray, Op, Spec } from '../graph/op.ts';
import { BOOLEAN, checkOptions } from '../graph/options.ts';
import { formatShape, sameShape, sizeOf } from '../graph/shape.ts';
import { apply, apply1, type Tensor } from '../graph/tensor.ts';
import { isTraining } from '../graph/trace.ts';
import { add, mul, sub } from './binary.ts';
import { sum } from './broadcast.ts';
import { oneHot } from './gather.ts';
import { reshape } from './reshape.ts';
import { logSoftmax, rowSums, softmax, softmaxGradOp } from './softmax.ts';
import { checkTensors } from './tensors.ts';

interface CrossEntropy {
  /** Whether targets are f32 of the logits' shape, not class indices. */
  readonly dense: boolean;
  /** Whether the op has output 1, which backward needs. */
  readonly residual: boolean;
}

const NAME = 'softmaxCrossEntropy';

function checkInputs(logits: Spec, targets: Spec): void {
  const C = logits.shape.at(-1);
  if (logits.dtype !== 'f32')
    throw new ShapeError(`${NAME}: logits are ${logits.dtype}. They must be f32: cast(logits, 'f32').`);
  if (C === undefined) throw new ShapeError(`${NAME}: logits are a scalar. Give a class axis: [batch, classes].`);
  const rows = logits.shape.slice(0, -1);
  const fits =
    targets.dtype === 'u32'
      ? sameShape(targets.shape, rows)
      : targets.dtype === 'f32' && sameShape(targets.shape, logits.shape);
  if (!fits) {
    throw new ShapeError(
      `${NAME}: targets ${targets.dtype} ${formatShape(targets.shape)} do not fit logits ${formatShape(logits.shape)}. Give class indices, u32 ${formatShape(rows)}, or a probability for each class, f32 ${formatShape(logits.shape)}.`,
    );
  }
}

/** Inputs: logits (..., C), targets (...) u32 or (..., C) f32. Outputs: loss (...), residual (..., C). */
export const softmaxCrossEntropyOp: Op<CrossEntropy> = {
  name: NAME,
  shape: ([logits, targets], { residual }) => {
    checkInputs(logits!, targets!);
    const loss: Spec = { shape: logits!.shape.slice(0, -1), dtype: 'f32' };
    return residual ? [loss, { shape: logits!.shape, dtype: 'f32' }] : [loss];
  },
  cpu: ([logits, targets], [loss, residual], { dense }) =>
    dense ? denseRows(logits!, targets!, loss!, residual) : indexRows(logits!, targets!, loss!, residual),
  prologue: ({ dense }) => (dense ? [] : [1]),
  epilogue: true,
  kernel: ({ inputs, gpu }, { dense, residual }) =>
    crossEntropyKernel({ ...sizes(inputs), dense, residual, barriers: gpu.barriers }),
  rows: ({ inputs, lanes }, { dense, residual }) => {
    const { B, C } = sizes(inputs);
    return rowFits(C, lanes) ? crossEntropyRowKernel({ B, C, dense, residual }, lanes) : undefined;
  },
  vjp: (dys, [logits, targets], ys, { dense }) => [
    () => logitsGradient(dys, logits!, targets!, ys[1], dense),
    dense ? () => targetsGradient(dys, logits!) : undefined,
  ],
};

/** Rows and classes. */
function sizes([logits]: readonly Spec[]): { B: number; C: number } {
  const shape = logits!.shape;
  return { B: sizeOf(shape.slice(0, -1)), C: shape.at(-1)! };
}

/** dLoss · residual, and (for second derivatives only) the gradient through the residual. */
function logitsGradient(
  [dLoss, dResidual]: readonly (Tensor | undefined)[],
  logits: Tensor,
  targets: Tensor,
  residual: Tensor | undefined,
  dense: boolean,
): Tensor {
  const parts: Tensor[] = [];
  if (dLoss) parts.push(mul(perRow(dLoss), residual ?? crossEntropyRows(logits, targets, true)[1]!));
  if (dResidual) {
    const back = apply1(softmaxGradOp, [dResidual, softmax(logits)], { axis: logits.rank - 1 });
    parts.push(dense ? mul(back, sum(targets, -1, { keepDims: true })) : back);
  }
  return parts.reduce((a, b) => add(a, b));
}

/** -logSoftmax · dLoss, and the gradient through the residual softmax · Σt - t. */
function targetsGradient([dLoss, dResidual]: readonly (Tensor | undefined)[], logits: Tensor): Tensor {
  const parts: Tensor[] = [];
  if (dLoss) parts.push(mul(mul(logSoftmax(logits), -1), perRow(dLoss)));
  if (dResidual) parts.push(sub(sum(mul(dResidual, softmax(logits)), -1, { keepDims: true }), dResidual));
  return parts.reduce((a, b) => add(a, b));
}

/** (...) as (..., 1), to multiply rows. */
function perRow(x: Tensor): Tensor {
  return reshape(x, [...x.shape, 1]);
}

function indexRows(logits: NdArray, labels: NdArray, loss: NdArray, residual: NdArray | undefined): void {
  const C = logits.shape.at(-1)!;
  const x = logits.data;
  for (let row = 0, at = 0; row < loss.data.length; row++, at += C) {
    const label = labels.data[row]!;
    const { m, s } = rowSums(x, at, 1, C);
    const wrong = label >= C || !Number.isFinite(m);
    loss.data[row] = wrong ? Number.NaN : Math.log(s) - (x[at + label]! - m);
    if (!residual) continue;
    for (let i = at; i < at + C; i++) residual.data[i] = wrong ? Number.NaN : Math.exp(x[i]! - m) / s;
    if (!wrong) residual.data[at + label]! -= 1;
  }
}

function denseRows(logits: NdArray, targets: NdArray, loss: NdArray, residual: NdArray | undefined): void {
  const C = logits.shape.at(-1)!;
  const x = logits.data;
  const t = targets.data;
  for (let row = 0, at = 0; row < loss.data.length; row++, at += C) {
    const { m, s } = rowSums(x, at, 1, C);
    let total = 0;
    let along = 0;
    for (let i = at; i < at + C; i++) {
      total += t[i]!;
      along += t[i]! * (x[i]! - m);
    }
    loss.data[row] = total * Math.log(s) - along;
    if (residual) for (let i = at; i < at + C; i++) residual.data[i] = (Math.exp(x[i]! - m) / s) * total - t[i]!;
  }
}

function crossEntropyRows(logits: Tensor, targets: Tensor, residual: boolean): Tensor[] {
  return apply(softmaxCrossEntropyOp, [logits, targets], { dense: targets.dtype === 'f32', residual });
}

/**
 * The cross-entropy of each row: -Σ t log softmax(x), as PyTorch's `cross_entropy` with `reduction: 'none'`. `targets` are
 * class indices, u32 (...), or probabilities, f32 (..., C), for logits (..., C); the result is (...). An index that is not a class gives
 * NaN. `residual` keeps what the gradient needs; without it, the gradient recomputes the rows. Default: true in training.
 */
export function softmaxCrossEntropy(
  logits: Tensor,
  targets: Tensor,
  options: { readonly residual?: boolean } = {},
  ...extra: never[]
): Tensor {
  checkTensors(NAME, { logits, targets });
  const { residual = isTraining() } = checkOptions(NAME, options, { residual: BOOLEAN }, extra);
  return crossEntropyRows(logits, targets, residual)[0]!;
}

/** The same, composed of simple ops. */
export function composedCrossEntropy(logits: Tensor, targets: Tensor): Tensor {
  const t = targets.dtype === 'f32' ? targets : oneHot(targets, logits.shape.at(-1)!);
  return mul(sum(mul(t, logSoftmax(logits)), -1), -1);
}
