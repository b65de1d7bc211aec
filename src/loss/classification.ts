// Losses of classifiers: softmaxCrossEntropy for one class out of many, binaryCrossEntropyWithLogits for yes or no.
import { sigmoid, softplus } from '../ops/activations.ts';
import { add, maximum, mul, sub } from '../ops/binary.ts';
import { softmaxCrossEntropy as crossEntropyRows } from '../ops/cross-entropy.ts';
import { mean } from '../ops/reduce.ts';
import { softmax } from '../ops/softmax.ts';
import { abs } from '../ops/unary.ts';
import { checkSame, defineLoss, type Loss } from './loss.ts';
import { eachExample, meanOf } from './weighted.ts';

/**
 * The mean over examples of -Σ t log softmax(logits): for classes, one of which is right.
 *
 * Predictions are logits (B, C), as they leave the last linear layer (no softmax before). Targets are class indices, u32 (B), or a
 * probability for each class, f32 (B, C). With more axes, (B, ..., C) and (B, ...), the mean is over all rows. An index
 * that is no class, or a logit that is NaN or +infinity, makes the loss NaN. As PyTorch's `cross_entropy`, whose classes are axis 1.
 */
export const softmaxCrossEntropy: Loss = defineLoss(
  'softmaxCrossEntropy',
  (prediction, target) => mean(crossEntropyRows(prediction, target)),
  {
    classes: true,
    probabilities: (prediction) => softmax(prediction),
    perExample: (prediction, target) => eachExample(crossEntropyRows(prediction, target)),
  },
);

/**
 * The mean over all elements of max(x, 0) - x·t + log(1 + exp(-|x|)): for yes or no, from logits x and targets t in [0, 1],
 * both f32 of one shape. That is -t log σ(x) - (1 - t) log(1 - σ(x)) without its overflow, as PyTorch's `binary_cross_entropy_with_logits`.
 */
export const binaryCrossEntropyWithLogits: Loss = meanOf(
  'binaryCrossEntropyWithLogits',
  (x, t) => {
    checkSame('binaryCrossEntropyWithLogits', x, t);
    return add(sub(maximum(x, 0), mul(x, t)), softplus(mul(abs(x), -1)));
  },
  { classes: 'binary', probabilities: (prediction) => sigmoid(prediction) },
);
