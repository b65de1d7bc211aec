// accuracy: the fraction of rows whose largest logit is at the row's label, in one dispatch.
import { accuracyKernel } from '../../shaders/argmax.wgsl.ts';
import { ShapeError } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { formatShape, sameShape, sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { placeOfMax } from './reduce.ts';
import { checkTensors } from './tensors.ts';

export const accuracyOp: Op<void> = {
  name: 'accuracy',
  shape: ([logits, labels]) => {
    const rows = logits!.shape.slice(0, -1);
    if (logits!.dtype !== 'f32' || logits!.shape.length === 0) {
      throw new ShapeError(
        `accuracy: logits are ${logits!.dtype} ${formatShape(logits!.shape)}. They need f32 with an axis of classes: [batch, classes].`,
      );
    }
    if (labels!.dtype !== 'u32' || !sameShape(labels!.shape, rows)) {
      throw new ShapeError(
        `accuracy: labels ${labels!.dtype} ${formatShape(labels!.shape)} do not fit logits ${formatShape(logits!.shape)}. Give class indices, u32 ${formatShape(rows)}.`,
      );
    }
    return [{ shape: [], dtype: 'f32' }];
  },
  cpu: ([logits, labels], [y]) => {
    const C = logits!.shape.at(-1)!;
    const B = labels!.data.length;
    let right = 0;
    for (let row = 0; row < B; row++) {
      if (placeOfMax(logits!.data, row * C, 1, C) === labels!.data[row]) right++;
    }
    y!.data[0] = right / B;
  },
  prologue: () => [0, 1],
  epilogue: true,
  kernel: ({ inputs, gpu }) => {
    const [logits, labels] = inputs;
    return accuracyKernel({ B: sizeOf(labels!.shape), C: logits!.shape.at(-1)!, barriers: gpu.barriers });
  },
};

/**
 * The fraction of rows whose largest logit (the first among equals) is at the label: a scalar from logits (..., C) and class
 * indices u32 (...). A row with NaN counts as its first NaN's place. No gradient flows through it.
 */
export function accuracy(logits: Tensor, labels: Tensor, ...extra: never[]): Tensor {
  checkTensors('accuracy', { logits, labels }, extra);
  return apply1(accuracyOp, [logits, labels], undefined);
}
