// Classification losses: softmaxCrossEntropy for one class of many, binaryCrossEntropyWithLogits for binary targets.
import { ShapeError } from '../graph/errors.ts';
import type { Kind, Schema, WithDefaults } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import { constant, type Tensor } from '../graph/tensor.ts';
import { sigmoid, softplus } from '../ops/activations.ts';
import { add, maximum, mul, sub } from '../ops/binary.ts';
import { sum } from '../ops/broadcast.ts';
import { softmaxCrossEntropy as crossEntropy } from '../ops/cross-entropy.ts';
import { oneHot } from '../ops/gather.ts';
import { where } from '../ops/select.ts';
import { softmax } from '../ops/softmax.ts';
import { abs } from '../ops/unary.ts';
import { type ConfigurableLoss, configurable } from './configurable.ts';
import { checkSame, defineLoss } from './loss.ts';
import { CLASS_WEIGHTS, IGNORE_INDEX, POS_WEIGHT, REDUCTION_OPTIONS, type ReductionOptions } from './options.ts';
import { areClasses, classWeightsOf, isIgnored, rowWeights, withoutIgnored } from './targets.ts';
import { averaged, eachExample, meanOf, reduceBy } from './weighted.ts';

const CROSS_ENTROPY = 'softmaxCrossEntropy';
const BINARY_CROSS_ENTROPY = 'binaryCrossEntropyWithLogits';

/** Options of `softmaxCrossEntropy.with`, with the meaning they have in PyTorch's `CrossEntropyLoss`. */
export interface SoftmaxCrossEntropyOptions extends ReductionOptions {
  /**
   * The class index whose rows count neither in the loss nor in the accuracy: a value that is not a class (-100 in i32 targets, 255 in
   * bytes), or a class such as padding. If a batch has no other rows, its loss is 0 (PyTorch's is NaN). Default: none (PyTorch's is -100): a
   * label that is not a class is refused.
   */
  readonly ignoreIndex?: number | undefined;
  /** The part ε of each target that is spread over all C classes, ε / C each. From 0 to 1. Default 0. */
  readonly labelSmoothing?: number | undefined;
  /**
   * The weight of each class, PyTorch's `weight`: for class indices t the mean is Σ w[t]·l / Σ w[t]; for probabilities, each term has its
   * class's weight, and the mean is over rows. Default: 1 for each.
   */
  readonly classWeights?: readonly number[] | undefined;
}

const SMOOTHING: Kind = {
  advice: 'Give a number from 0 to 1, such as 0.1.',
  fits: (v) => typeof v === 'number' && v >= 0 && v <= 1,
};

const CROSS_ENTROPY_OPTIONS = {
  ignoreIndex: IGNORE_INDEX,
  labelSmoothing: [SMOOTHING, 0],
  classWeights: CLASS_WEIGHTS,
  ...REDUCTION_OPTIONS,
} satisfies Schema<SoftmaxCrossEntropyOptions>;

type RowOptions = Omit<WithDefaults<SoftmaxCrossEntropyOptions, typeof CROSS_ENTROPY_OPTIONS>, 'reduction'>;

/**
 * The mean over examples of -Σ t log softmax(logits), for one class out of many.
 *
 * Predictions are logits (B, C), the output of the last linear layer without softmax. Targets are class indices, u32 or i32 (B), or
 * a probability for each class, f32 (B, C). With more axes, (B, ..., C) and (B, ...), the mean is over all rows. An index that is not a
 * class, or a logit that is NaN or +infinity, makes the loss NaN. As PyTorch's `cross_entropy`, whose classes are axis 1. Options:
 * `softmaxCrossEntropy.with({ ignoreIndex, labelSmoothing, classWeights, reduction })`.
 */
export const softmaxCrossEntropy: ConfigurableLoss<SoftmaxCrossEntropyOptions> = /* @__PURE__ */ configurable(
  CROSS_ENTROPY,
  CROSS_ENTROPY_OPTIONS,
  (options) => {
    const { reduction, ignoreIndex, classWeights } = options;
    const reduce = reduceBy(reduction);
    return defineLoss(
      CROSS_ENTROPY,
      (prediction, target) => {
        const rows = crossEntropyRows(prediction, target, options);
        const weights = reduction === 'sum' ? undefined : rowWeights(CROSS_ENTROPY, options, prediction, target);
        return weights ? averaged(sum(rows), sum(weights)) : reduce(rows);
      },
      {
        classes: true,
        probabilities: (prediction) => softmax(prediction),
        perExample: (prediction, target) => eachExample(crossEntropyRows(prediction, target, options), reduce),
        reduction,
        ignoreIndex,
        classWeights,
      },
    );
  },
);

/** The loss of each row times the weight of its class; 0 where it is ignored. */
function crossEntropyRows(prediction: Tensor, target: Tensor, options: RowOptions): Tensor {
  if (!areClasses(prediction, target)) return denseRows(prediction, target, options);
  const { ignoreIndex, labelSmoothing, classWeights } = options;
  const labels = withoutIgnored(target, ignoreIndex, 0);
  const counted =
    labelSmoothing === 0
      ? weightedRows(prediction, labels, classWeights)
      : crossEntropy(prediction, spread(prediction, oneHot(labels, prediction.shape.at(-1)!), options));
  return ignoreIndex === undefined ? counted : where(isIgnored(target, ignoreIndex), 0, counted);
}

function weightedRows(prediction: Tensor, labels: Tensor, classWeights: readonly number[] | undefined): Tensor {
  const rows = crossEntropy(prediction, labels);
  return classWeights ? mul(rows, rowWeights(CROSS_ENTROPY, { classWeights }, prediction, labels)!) : rows;
}

function denseRows(prediction: Tensor, target: Tensor, options: RowOptions): Tensor {
  const { ignoreIndex, labelSmoothing, classWeights } = options;
  if (target.dtype !== 'f32') return crossEntropy(prediction, target); // throws, naming the shapes that match
  if (ignoreIndex !== undefined)
    throw new ShapeError(
      `${CROSS_ENTROPY}: ignoreIndex is ${ignoreIndex}, but targets f32 ${formatShape(target.shape)} are probabilities. Give class indices, or leave ignoreIndex out.`,
    );
  return crossEntropy(prediction, labelSmoothing || classWeights ? spread(prediction, target, options) : target);
}

/** Probabilities t (..., C) as w ((1 - ε) t + ε / C): with label smoothing ε and class weights w. */
function spread(prediction: Tensor, target: Tensor, { labelSmoothing, classWeights }: RowOptions): Tensor {
  const C = prediction.shape.at(-1)!;
  const smooth = labelSmoothing === 0 ? target : add(mul(target, 1 - labelSmoothing), labelSmoothing / C);
  return classWeights ? mul(smooth, classWeightsOf(CROSS_ENTROPY, classWeights, prediction)) : smooth;
}

/** Options of `binaryCrossEntropyWithLogits.with`. */
export interface BinaryCrossEntropyOptions extends ReductionOptions {
  /** The weight of positive targets, one number or one for each output (the last axis), as PyTorch's `pos_weight`. Default: 1. */
  readonly posWeight?: number | readonly number[] | undefined;
}

const BINARY_OPTIONS = { posWeight: POS_WEIGHT, ...REDUCTION_OPTIONS } satisfies Schema<BinaryCrossEntropyOptions>;

/**
 * The mean over all elements of max(x, 0) - x·t + log(1 + exp(-|x|)): for binary classification, from logits x and targets t in [0, 1],
 * both f32 of the same shape. It equals -t log σ(x) - (1 - t) log(1 - σ(x)) without overflow, as PyTorch's
 * `binary_cross_entropy_with_logits`. Options: `binaryCrossEntropyWithLogits.with({ posWeight, reduction })`.
 */
export const binaryCrossEntropyWithLogits: ConfigurableLoss<BinaryCrossEntropyOptions> = /* @__PURE__ */ configurable(
  BINARY_CROSS_ENTROPY,
  BINARY_OPTIONS,
  ({ posWeight, reduction }) =>
    meanOf(
      BINARY_CROSS_ENTROPY,
      (x, t) => {
        checkSame(BINARY_CROSS_ENTROPY, x, t);
        const tail = softplus(mul(abs(x), -1));
        if (posWeight === undefined) return add(sub(maximum(x, 0), mul(x, t)), tail);
        // (1 - t) x + (1 + (p - 1) t) log(1 + exp(-x))
        const weight = add(mul(t, sub(posWeightOf(posWeight, x), 1)), 1);
        return add(mul(sub(1, t), x), mul(weight, add(tail, maximum(mul(x, -1), 0))));
      },
      { classes: 'binary', probabilities: (prediction) => sigmoid(prediction), reduction },
    ),
);

function posWeightOf(posWeight: number | readonly number[], x: Tensor): Tensor | number {
  if (typeof posWeight === 'number') return posWeight;
  if (posWeight.length === x.shape.at(-1)) return constant(posWeight);
  throw new ShapeError(
    `${BINARY_CROSS_ENTROPY}: posWeight has ${posWeight.length} weights, but predictions are ${formatShape(x.shape)}. Give one for each element of the last axis.`,
  );
}
