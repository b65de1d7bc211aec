// accuracy: the fraction of rows whose largest logit is at the row's label, or at its largest target, in one dispatch.
// binaryAccuracy: the fraction of elements on the side of their target.
import { accuracyKernel } from '../../shaders/argmax.wgsl.ts';
import { ShapeError } from '../graph/errors.ts';
import type { Op, Spec } from '../graph/op.ts';
import { formatShape, sameShape, sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { equal, greater } from './binary.ts';
import { mean, placeOfMax } from './reduce.ts';
import { checkTensors } from './tensors.ts';

const isDense = (targets: Spec): boolean => targets.dtype === 'f32';

export const accuracyOp: Op<void> = {
  name: 'accuracy',
  shape: ([logits, targets]) => {
    const { dtype, shape } = logits!;
    const rows = shape.slice(0, -1);
    if (dtype !== 'f32' || shape.length === 0) {
      throw new ShapeError(
        `accuracy: logits are ${dtype} ${formatShape(shape)}. Give f32 logits with a class axis: [batch, classes].`,
      );
    }
    if (
      targets!.dtype !== (isDense(targets!) ? 'f32' : 'u32') ||
      !sameShape(targets!.shape, isDense(targets!) ? shape : rows)
    ) {
      throw new ShapeError(
        `accuracy: targets ${targets!.dtype} ${formatShape(targets!.shape)} do not fit logits ${formatShape(shape)}. Give class indices, u32 ${formatShape(rows)}, or a probability for each class, f32 ${formatShape(shape)}.`,
      );
    }
    return [{ shape: [], dtype: 'f32' }];
  },
  cpu: ([logits, targets], [y]) => {
    const C = logits!.shape.at(-1)!;
    const B = logits!.data.length / C;
    const dense = isDense(targets!);
    let right = 0;
    for (let row = 0; row < B; row++) {
      const label = dense ? placeOfMax(targets!.data, row * C, 1, C) : targets!.data[row];
      if (placeOfMax(logits!.data, row * C, 1, C) === label) right++;
    }
    y!.data[0] = right / B;
  },
  prologue: () => [0, 1],
  epilogue: true,
  kernel: ({ inputs: [logits, targets], gpu: { barriers } }) => {
    const { shape } = logits!;
    return accuracyKernel({ B: sizeOf(shape.slice(0, -1)), C: shape.at(-1)!, dense: isDense(targets!), barriers });
  },
};

/**
 * The fraction of rows whose largest logit (the first of equals) is at the label: a scalar from logits (..., C) and class indices u32
 * (...), or a probability for each class f32 (..., C), of which the largest is the label, as Keras' `categorical_accuracy`. In a row with
 * NaN, the first NaN counts as the largest. No gradient flows through it.
 */
export function accuracy(logits: Tensor, targets: Tensor, ...extra: never[]): Tensor {
  checkTensors('accuracy', { logits, targets }, extra);
  return apply1(accuracyOp, [logits, targets], undefined);
}

/**
 * The fraction of all elements where logit > 0 is target > 0.5: a scalar from logits and targets in [0, 1], both f32 of the same shape, for
 * binary and multi-label classification, as Keras' `binary_accuracy`. No gradient flows through it.
 * @throws ShapeError if the shapes differ or one is not f32.
 */
export function binaryAccuracy(logits: Tensor, targets: Tensor, ...extra: never[]): Tensor {
  checkTensors('binaryAccuracy', { logits, targets }, extra);
  if (logits.dtype !== 'f32' || targets.dtype !== 'f32' || !sameShape(logits.shape, targets.shape)) {
    const [x, t] = [logits, targets].map(({ dtype, shape }) => `${dtype} ${formatShape(shape)}`);
    throw new ShapeError(`binaryAccuracy: logits ${x} and targets ${t} differ. Give both as f32 of the same shape.`);
  }
  return mean(equal(greater(logits, 0), greater(targets, 0.5)));
}
