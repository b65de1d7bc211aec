// What a loss is: a function of a batch of predictions and targets to one number, with the name reports give it and the
// metrics worth reporting beside it.
import { ShapeError } from '../graph/errors.ts';
import { BOOLEAN, checkOptions, checkValue, FUNCTION, type Names, STRING, withoutGaps } from '../graph/options.ts';
import { formatShape, sameShape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { accuracy, binaryAccuracy } from '../ops/accuracy.ts';
import { div, maximum, mul } from '../ops/binary.ts';
import { checkTensors } from '../ops/tensors.ts';
import { CLASS_WEIGHTS, IGNORE_INDEX, REDUCTION, type Reduction } from './options.ts';
import { areClasses, type ClassFacts, countedRows, withoutIgnored } from './targets.ts';

/** Scalars reported beside a loss. */
export interface Metrics {
  /**
   * The fraction of examples whose largest output is at the target's class, of those whose target is not ignored; of a loss whose
   * classes are `binary`, the fraction of all outputs on the side of their target.
   */
  readonly accuracy?: Tensor;
}

/** A loss's formula: predictions and targets of a batch to one number. */
export type LossFunction = (prediction: Tensor, target: Tensor) => Tensor;

/** What a loss says beside its formula. */
export interface LossOptions extends ClassFacts {
  /**
   * `true`: targets may be class indices, and the largest output is the class that is predicted. `binary`: each output is a logit
   * of yes or no, yes above 0, and targets are in [0, 1]. Accuracy is then reported. Default false.
   */
  readonly classes?: boolean | 'binary';
  /** What the predictions say as probabilities, of their shape. With `classes: true`, dense targets then are probabilities too. */
  readonly probabilities?: (prediction: Tensor) => Tensor;
  /**
   * The loss of each example, f32 [B], whose mean is the loss (whose sum with `reduction: 'sum'`): what sample and class weights need.
   * Rows of class indices count in it as `ignoreIndex` and `classWeights` say: the loss is Σ of it / Σ of what the rows count.
   */
  readonly perExample?: LossFunction;
  /** What the loss is of the examples' losses: what reports of a whole data set sum up or average. Default `mean`. */
  readonly reduction?: Reduction;
}

/** A loss: a scalar, averaged or summed over the batch (the first axis), of which the gradient is taken. */
export interface Loss extends LossOptions {
  (prediction: Tensor, target: Tensor, ...extra: never[]): Tensor;
  readonly lossName: string;
  /** What else to report: accuracy where the loss scores classes. */
  metrics(prediction: Tensor, target: Tensor): Metrics;
}

/** A loss as it is; a plain function as a loss of its own name, without metrics. */
export function asLoss(loss: Loss | LossFunction): Loss {
  const { lossName, metrics } = loss as Partial<Loss>;
  if (typeof lossName === 'string' && typeof metrics === 'function') return loss as Loss;
  return defineLoss(lossName ?? (loss.name || 'loss'), loss);
}

const NAMES: Names<LossOptions> = {
  classes: { advice: "Give true, false or 'binary'.", fits: (v) => BOOLEAN.fits(v) || v === 'binary' },
  probabilities: FUNCTION,
  perExample: FUNCTION,
  reduction: REDUCTION,
  ignoreIndex: IGNORE_INDEX,
  classWeights: CLASS_WEIGHTS,
};

/**
 * A loss from its formula, which gives one number for a batch of predictions and targets. The options say what accuracy,
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
  checkOptions('defineLoss', options, NAMES, extra);
  const metrics = (prediction: Tensor, target: Tensor): Metrics => {
    const { classes, probabilities, ignoreIndex } = options;
    const dense = areDense(prediction, target);
    if (classes === 'binary') return dense ? { accuracy: binaryAccuracy(prediction, target) } : {};
    if (classes && areClasses(prediction, target)) return { accuracy: accuracyOf(prediction, target, ignoreIndex) };
    return classes && probabilities && prediction.rank > 0 && dense ? { accuracy: accuracy(prediction, target) } : {};
  };
  const loss = (prediction: Tensor, target: Tensor, ...extra: never[]) => {
    checkTensors(lossName, { prediction, target }, extra);
    return formula(prediction, target);
  };
  return Object.assign(loss, { ...withoutGaps(options), lossName, metrics });
}

/** Whether predictions and targets are f32 of one shape. */
function areDense(prediction: Tensor, target: Tensor): boolean {
  return prediction.dtype === 'f32' && target.dtype === 'f32' && sameShape(prediction.shape, target.shape);
}

/** No argmax: the place of a label that is ignored. */
const NO_CLASS = 2 ** 32 - 1;

/** The share that is right of the rows that are not ignored; 0 where all are. */
function accuracyOf(prediction: Tensor, target: Tensor, ignoreIndex: number | undefined): Tensor {
  const right = accuracy(prediction, withoutIgnored(target, ignoreIndex, NO_CLASS));
  if (ignoreIndex === undefined) return right;
  return div(mul(right, target.size), maximum(countedRows(target, ignoreIndex), 1));
}

/** Refuses predictions and targets that are not f32 of one shape: broadcasting one against the other is nearly always a mistake. */
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
