// The type of a loss: a function from a batch of predictions and targets to one number, with its name in reports and the
// metrics reported beside it.
import { ShapeError } from '../graph/errors.ts';
import { BOOLEAN, checkOptions, checkValue, FUNCTION, type Schema, STRING } from '../graph/options.ts';
import { formatShape, sameShape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { accuracy, binaryAccuracy } from '../ops/accuracy.ts';
import { div, maximum, mul } from '../ops/binary.ts';
import { checkTensors } from '../ops/tensors.ts';
import { CLASS_WEIGHTS, IGNORE_INDEX, REDUCTION_OPTIONS, type Reduction } from './options.ts';
import { areClasses, type ClassFacts, countedRows, withoutIgnored } from './targets.ts';

/** Scalars reported beside a loss. */
export interface Metrics {
  /**
   * The fraction of examples whose largest output is at the target's class, among those whose target is not ignored; for a loss with
   * `classes: 'binary'`, the fraction of all outputs on the side of their target.
   */
  readonly accuracy?: Tensor;
}

/** A loss's formula: from predictions and targets of a batch to one number. */
export type LossFunction = (prediction: Tensor, target: Tensor) => Tensor;

/** What a loss declares beside its formula. */
export interface LossOptions extends ClassFacts {
  /**
   * `true`: targets may be class indices, and the largest output is the predicted class. `binary`: each output is the logit of a binary
   * decision, positive above 0, and targets are in [0, 1]. Either reports accuracy. Default false.
   */
  readonly classes?: boolean | 'binary' | undefined;
  /** Converts predictions to probabilities of the same shape. With `classes: true`, dense targets are then probabilities too. */
  readonly probabilities?: ((prediction: Tensor) => Tensor) | undefined;
  /**
   * The loss of each example, f32 [B]; its mean is the loss (its sum with `reduction: 'sum'`). Sample and class weights need it. Rows of
   * class indices count in it according to `ignoreIndex` and `classWeights`: the loss is the sum of it / the sum of the rows' weights.
   */
  readonly perExample?: LossFunction | undefined;
  /** How the examples' losses are combined, in a batch and in reports of a whole data set. Default `mean`. */
  readonly reduction?: Reduction | undefined;
}

/** A loss: a scalar, averaged or summed over the batch (the first axis), whose gradient is taken. */
export interface Loss extends LossOptions {
  // As a LossFunction's, or TypeScript would not infer the arguments of a function that is given where either may be.
  (prediction: Tensor, target: Tensor): Tensor;
  /** The loss's name in checkpoints, errors and reports. */
  readonly lossName: string;
  /** Further metrics to report: accuracy if the loss scores classes. */
  metrics(prediction: Tensor, target: Tensor): Metrics;
}

/** A loss unchanged; a plain function as a loss with its name, without metrics. */
export function asLoss(loss: Loss | LossFunction): Loss {
  const { lossName, metrics } = loss as Partial<Loss>;
  if (typeof lossName === 'string' && typeof metrics === 'function') return loss as Loss;
  return defineLoss(lossName ?? (loss.name || 'loss'), loss);
}

const SCHEMA = {
  classes: [{ advice: "Give true, false or 'binary'.", fits: (v) => BOOLEAN.fits(v) || v === 'binary' }, false],
  probabilities: FUNCTION,
  perExample: FUNCTION,
  ...REDUCTION_OPTIONS,
  ignoreIndex: IGNORE_INDEX,
  classWeights: CLASS_WEIGHTS,
} satisfies Schema<LossOptions>;

/**
 * A loss from its formula, which returns one number for a batch of predictions and targets. The options provide what accuracy,
 * `predictProbabilities`, `predictClasses` and weighted data need.
 */
export function defineLoss(
  lossName: string,
  formula: LossFunction,
  options: LossOptions = {},
  ...extra: never[]
): Loss {
  checkValue('defineLoss', 'the name', lossName, STRING);
  checkValue('defineLoss', 'the formula', formula, FUNCTION);
  const facts = checkOptions('defineLoss', options, SCHEMA, extra);
  const metrics = (prediction: Tensor, target: Tensor): Metrics => {
    const { classes, probabilities, ignoreIndex } = facts;
    const dense = areDense(prediction, target);
    if (classes === 'binary') return dense ? { accuracy: binaryAccuracy(prediction, target) } : {};
    if (classes && areClasses(prediction, target)) return { accuracy: accuracyOf(prediction, target, ignoreIndex) };
    return classes && probabilities && prediction.rank > 0 && dense ? { accuracy: accuracy(prediction, target) } : {};
  };
  const loss = (prediction: Tensor, target: Tensor, ...extra: never[]) => {
    checkTensors(lossName, { prediction, target }, extra);
    return formula(prediction, target);
  };
  return Object.assign(loss, { ...facts, lossName, metrics });
}

/** Whether predictions and targets are f32 of the same shape. */
function areDense(prediction: Tensor, target: Tensor): boolean {
  return prediction.dtype === 'f32' && target.dtype === 'f32' && sameShape(prediction.shape, target.shape);
}

/** Replaces an ignored label; never an argmax. */
const NO_CLASS = 2 ** 32 - 1;

/** The fraction of correct rows among those not ignored; 0 if all are ignored. */
function accuracyOf(prediction: Tensor, target: Tensor, ignoreIndex: number | undefined): Tensor {
  const right = accuracy(prediction, withoutIgnored(target, ignoreIndex, NO_CLASS));
  if (ignoreIndex === undefined) return right;
  return div(mul(right, target.size), maximum(countedRows(target, ignoreIndex), 1));
}

/** Refuses predictions and targets that are not f32 of the same shape: broadcasting them is nearly always a mistake. */
export function checkSame(lossName: string, prediction: Tensor, target: Tensor, hint = ''): void {
  if (areDense(prediction, target)) return;
  const describe = (x: Tensor) => `${x.dtype} ${formatShape(x.shape)}`;
  throw new ShapeError(
    `${lossName}: predictions ${describe(prediction)} and targets ${describe(target)} differ. ${advice(prediction, target, hint)}${hint}`,
  );
}

function advice(prediction: Tensor, target: Tensor, hint: string): string {
  if (prediction.dtype !== 'f32') return `Predictions must be f32: cast(prediction, 'f32').`;
  if (!hint && target.dtype !== 'f32' && target.rank === 1 && prediction.rank > 1)
    return `It takes no class indices: make the data with { targets: 'values' }, and the last layer 1 wide.`;
  if (!sameShape(prediction.shape, target.shape)) {
    return target.size === prediction.size
      ? `Reshape the targets: target.reshape(${formatShape(prediction.shape)}).`
      : `Targets must be f32 ${formatShape(prediction.shape)}.`;
  }
  return `Cast the targets: cast(target, 'f32').`;
}
