// Class-index targets: which rows count in a loss and its accuracy, and with what weight.
import { ShapeError } from '../graph/errors.ts';
import { formatShape, sameShape } from '../graph/shape.ts';
import { constant, type Tensor } from '../graph/tensor.ts';
import { equal, notEqual } from '../ops/binary.ts';
import { sum } from '../ops/broadcast.ts';
import { asIndices } from '../ops/cast.ts';
import { gatherRows } from '../ops/gather.ts';
import { where } from '../ops/select.ts';

/** How a loss treats class indices. */
export interface ClassFacts {
  /** The class index whose rows count neither in the loss nor in the accuracy. Default: none. */
  readonly ignoreIndex?: number | undefined;
  /** The weight of each class's rows in the mean. Default: 1 for all. */
  readonly classWeights?: readonly number[] | undefined;
}

/** Whether targets are class indices, one for each row of predictions. */
export function areClasses(prediction: Tensor, target: Tensor): boolean {
  const whole = target.dtype === 'u32' || target.dtype === 'i32';
  return whole && prediction.rank > 0 && sameShape(target.shape, prediction.shape.slice(0, -1));
}

/** Labels (...) with the ignored ones replaced by another. */
export function withoutIgnored(labels: Tensor, ignoreIndex: number | undefined, instead: number): Tensor {
  if (ignoreIndex === undefined) return asIndices(labels);
  return where(isIgnored(labels, ignoreIndex), instead, asIndices(labels));
}

/** 1 where the loss ignores the label, else 0: (...) to f32 (...). */
export function isIgnored(labels: Tensor, ignoreIndex: number): Tensor {
  return equal(asIndices(labels), ignoreIndex >>> 0);
}

/** The number of labels that the loss does not ignore, f32. */
export function countedRows(labels: Tensor, ignoreIndex: number): Tensor {
  return sum(notEqual(asIndices(labels), ignoreIndex >>> 0));
}

/** The weight of each row (...) of class indices in a mean, f32: 0 where it is ignored; undefined if all are 1. */
export function rowWeights(
  lossName: string,
  { ignoreIndex, classWeights }: ClassFacts,
  prediction: Tensor,
  target: Tensor,
): Tensor | undefined {
  if (!areClasses(prediction, target) || (ignoreIndex === undefined && !classWeights)) return undefined;
  if (!classWeights) return notEqual(asIndices(target), ignoreIndex! >>> 0);
  const table = classWeightsOf(lossName, classWeights, prediction);
  const weights = gatherRows(table, withoutIgnored(target, ignoreIndex, 0));
  return ignoreIndex === undefined ? weights : where(isIgnored(target, ignoreIndex), 0, weights);
}

/** The weight of each class, f32 (C). @throws ShapeError if their number differs from C of predictions (..., C). */
export function classWeightsOf(lossName: string, classWeights: readonly number[], prediction: Tensor): Tensor {
  const C = prediction.shape.at(-1)!;
  if (classWeights.length === C) return constant(classWeights);
  throw new ShapeError(
    `${lossName}: classWeights has ${classWeights.length} weights, but predictions ${formatShape(prediction.shape)} have ${C} classes. Give ${C}.`,
  );
}
