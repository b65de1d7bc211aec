// Per-example and weighted losses: examples count by their weights, Σ w·l / Σ w, as in PyTorch's weighted
// cross-entropy.
import { OptionError, ShapeError } from '../graph/errors.ts';
import { show } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import { Tensor } from '../graph/tensor.ts';
import { div, equal, mul } from '../ops/binary.ts';
import { sum } from '../ops/broadcast.ts';
import { mean } from '../ops/reduce.ts';
import { where } from '../ops/select.ts';
import { defineLoss, type Loss, type LossFunction, type LossOptions } from './loss.ts';
import type { Reduction } from './options.ts';
import { rowWeights } from './targets.ts';

type Reduce = (x: Tensor, axes?: readonly number[]) => Tensor;

/** The reduction as an op. */
export function reduceBy(reduction: Reduction): Reduce {
  return reduction === 'sum' ? sum : mean;
}

/** The mean of each example's elements, or another reduction of them: (B, ...) to (B). */
export function eachExample(x: Tensor, reduce: Reduce = mean): Tensor {
  const axes = x.shape.map((_, axis) => axis).slice(1);
  return axes.length === 0 ? x : reduce(x, axes);
}

/** The loss that is the mean over all elements of `term`, or their sum by the options. */
/* @__NO_SIDE_EFFECTS__ */
export function meanOf(
  lossName: string,
  term: LossFunction,
  options: LossOptions & { readonly reduction: Reduction },
): Loss {
  const reduce = reduceBy(options.reduction);
  const perExample: LossFunction = (prediction, target) => eachExample(term(prediction, target), reduce);
  return defineLoss(lossName, (prediction, target) => reduce(term(prediction, target)), { ...options, perExample });
}

/** Σ of a batch's losses over their total weight. With zero total weight it is 0 (PyTorch's is NaN, which would end a run). */
export function averaged(total: Tensor, weight: Tensor): Tensor {
  return div(total, where(equal(weight, 0), 1, weight));
}

/** The weight of each example (B) in the mean: the mean of its rows' weights; undefined if all are 1. */
function exampleCounts(loss: Loss, prediction: Tensor, target: Tensor): Tensor | undefined {
  const rows = rowWeights(loss.lossName, loss, prediction, target);
  return rows && eachExample(rows);
}

/** The weight of a batch in a mean over several: Σ over its examples; undefined if that is their number. */
export function countOfBatch(loss: Loss, prediction: Tensor, target: Tensor): Tensor | undefined {
  const counts = exampleCounts(loss, prediction, target);
  return counts && sum(counts);
}

/**
 * Σ w·l / Σ w·c over a batch, and Σ w·c, where examples have losses l, weights w (B) and counts c (1, unless the loss ignores rows or
 * weights classes); Σ w·l for a loss that is a sum. If all weights are 0, the loss and its gradient are 0. @throws OptionError for a loss
 * without perExample.
 */
export function weightedLoss(
  loss: Loss,
  prediction: Tensor,
  target: Tensor,
  weights: Tensor,
): { loss: Tensor; weight: Tensor } {
  const { lossName, perExample, reduction } = loss;
  const form = 'perExample: (prediction, target) => the loss of each example, f32 [batch]';
  if (!perExample)
    throw new OptionError(
      `${lossName}: the examples have weights, but the loss of each example is not known. Give defineLoss { ${form} }, or leave the weights out.`,
    );
  const each: unknown = perExample(prediction, target);
  const wanted = `f32 ${formatShape(weights.shape)}`;
  const got = each instanceof Tensor ? `${each.dtype} ${formatShape(each.shape)}` : show(each);
  if (!(each instanceof Tensor) || got !== wanted)
    throw new ShapeError(`${lossName}: perExample returned ${got} for ${weights.size} examples. Return ${wanted}.`);
  const counts = exampleCounts(loss, prediction, target);
  const weight = sum(counts ? mul(weights, counts) : weights);
  const total = sum(mul(each, weights));
  return { loss: reduction === 'sum' ? total : averaged(total, weight), weight };
}
