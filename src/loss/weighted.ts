// Losses example by example, and weighted: an example counts as much as its weight says, Σ w·l / Σ w, as in PyTorch's weighted
// cross-entropy.
import { OptionError, ShapeError } from '../graph/errors.ts';
import { show } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import { Tensor } from '../graph/tensor.ts';
import { div, equal, mul } from '../ops/binary.ts';
import { sum } from '../ops/broadcast.ts';
import { mean } from '../ops/reduce.ts';
import type { ReduceArguments } from '../ops/reduction.ts';
import { where } from '../ops/select.ts';
import { defineLoss, type Loss, type LossFunction, type LossOptions } from './loss.ts';

/** The mean of each example's elements, or another reduction of them: (B, ...) to (B). */
export function eachExample(x: Tensor, reduce: (x: Tensor, ...over: ReduceArguments) => Tensor = mean): Tensor {
  const axes = x.shape.map((_, axis) => axis).slice(1);
  return axes.length === 0 ? x : reduce(x, axes);
}

/** The loss that is the mean over all elements of `term`. */
/* @__NO_SIDE_EFFECTS__ */
export function meanOf(lossName: string, term: LossFunction, options: LossOptions = {}): Loss {
  const perExample: LossFunction = (prediction, target) => eachExample(term(prediction, target));
  return defineLoss(lossName, (prediction, target) => mean(term(prediction, target)), { ...options, perExample });
}

/**
 * Σ w·l / Σ w over a batch, whose examples have the losses l and the weights w (B), and Σ w. Where all weights are 0, the loss
 * and its gradient are 0.
 * @throws OptionError for a loss that does not say what each example's is.
 */
export function weightedLoss(
  loss: Loss,
  prediction: Tensor,
  target: Tensor,
  weights: Tensor,
): { loss: Tensor; weight: Tensor } {
  const { lossName, perExample } = loss;
  const form = 'perExample: (prediction, target) => the loss of each example, f32 [batch]';
  if (!perExample)
    throw new OptionError(
      `${lossName}: the examples have weights, and the loss of each is not known. Give defineLoss { ${form} }, or leave the weights out.`,
    );
  const each: unknown = perExample(prediction, target);
  const wanted = `f32 ${formatShape(weights.shape)}`;
  const got = each instanceof Tensor ? `${each.dtype} ${formatShape(each.shape)}` : show(each);
  if (!(each instanceof Tensor) || got !== wanted)
    throw new ShapeError(`${lossName}: its perExample returned ${got} for ${weights.size} examples. Return ${wanted}.`);
  const weight = sum(weights);
  return { loss: div(sum(mul(each, weights)), where(equal(weight, 0), 1, weight)), weight };
}
