// What a loss is: a function of a batch of predictions and targets to one number, with the name reports give it and the
// metrics worth reporting beside it.
import { ShapeError } from '../graph/errors.ts';
import { BOOLEAN, checkOptions, checkValue, FUNCTION, STRING } from '../graph/options.ts';
import { formatShape, sameShape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { accuracy } from '../ops/accuracy.ts';
import { checkTensors } from '../ops/tensors.ts';

/** Scalars reported beside a loss. */
export interface Metrics {
  /** The fraction of examples whose largest output is at the target's class. */
  readonly accuracy?: Tensor;
}

/** A loss's formula: predictions and targets of a batch to one number. */
export type LossFunction = (prediction: Tensor, target: Tensor) => Tensor;

/** A loss: a scalar, averaged over the batch (the first axis), of which the gradient is taken. */
export interface Loss {
  (prediction: Tensor, target: Tensor, ...extra: never[]): Tensor;
  readonly lossName: string;
  /** What else to report: accuracy where targets are class indices that the loss scores as classes. */
  metrics(prediction: Tensor, target: Tensor): Metrics;
}

/** A loss as it is; a plain function as a loss of its own name, without metrics. */
export function asLoss(loss: Loss | LossFunction): Loss {
  const { lossName, metrics } = loss as Partial<Loss>;
  if (typeof lossName === 'string' && typeof metrics === 'function') return loss as Loss;
  return defineLoss(lossName ?? (loss.name || 'loss'), loss);
}

/** A loss from its formula; `classes` says that targets may be class indices, so that accuracy makes sense. */
export function defineLoss(
  lossName: string,
  formula: LossFunction,
  options: { readonly classes?: boolean } = {},
  ...extra: never[]
): Loss {
  checkValue('defineLoss', 'the name', lossName, STRING);
  checkValue('defineLoss', 'the formula', formula, FUNCTION);
  checkOptions('defineLoss', options, { classes: BOOLEAN }, extra);
  const metrics = (prediction: Tensor, target: Tensor): Metrics =>
    options.classes && areClasses(prediction, target) ? { accuracy: accuracy(prediction, target) } : {};
  const loss = (prediction: Tensor, target: Tensor, ...extra: never[]) => {
    checkTensors(lossName, { prediction, target }, extra);
    return formula(prediction, target);
  };
  return Object.assign(loss, { lossName, metrics });
}

/** Whether targets are class indices, one for each row of predictions. */
export function areClasses(prediction: Tensor, target: Tensor): boolean {
  return target.dtype === 'u32' && prediction.rank > 0 && sameShape(target.shape, prediction.shape.slice(0, -1));
}

/** Refuses predictions and targets that are not f32 of one shape: broadcasting one against the other is nearly always a mistake. */
export function checkSame(lossName: string, prediction: Tensor, target: Tensor, hint = ''): void {
  if (prediction.dtype === 'f32' && target.dtype === 'f32' && sameShape(prediction.shape, target.shape)) return;
  const describe = (x: Tensor) => `${x.dtype} ${formatShape(x.shape)}`;
  throw new ShapeError(
    `${lossName}: predictions ${describe(prediction)} and targets ${describe(target)} differ. ${advice(prediction, target)}${hint}`,
  );
}

function advice(prediction: Tensor, target: Tensor): string {
  if (prediction.dtype !== 'f32') return `Predictions must be f32: cast(prediction, 'f32').`;
  if (!sameShape(prediction.shape, target.shape)) {
    return target.size === prediction.size
      ? `Reshape the targets: target.reshape(${formatShape(prediction.shape)}).`
      : `Targets must be f32 ${formatShape(prediction.shape)}.`;
  }
  return `Cast the targets: cast(target, 'f32').`;
}
