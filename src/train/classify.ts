// What a loss makes of predictions: probabilities, and classes. Worked out on the host, in doubles, from what `predict` gives.
import { interpret } from '../cpu/interpreter.ts';
import { OptionError } from '../graph/errors.ts';
import type { NdArray } from '../graph/op.ts';
import { show } from '../graph/options.ts';
import { constant, Tensor } from '../graph/tensor.ts';
import type { Loss } from '../loss/loss.ts';
import { greater } from '../ops/binary.ts';
import { cast } from '../ops/cast.ts';
import { argmax } from '../ops/reduce.ts';

const LOSSES = 'softmaxCrossEntropy or binaryCrossEntropyWithLogits';

/** Predictions as probabilities. @throws OptionError for a loss that does not say how. */
export function probabilitiesOf({ lossName, probabilities }: Loss): (prediction: NdArray) => NdArray {
  if (!probabilities)
    throw new OptionError(
      `predictProbabilities: the loss ${lossName} makes no probabilities of predictions. Use predict, a loss that does (${LOSSES}), or give defineLoss { probabilities: (prediction) => Tensor }.`,
    );
  return (prediction) =>
    onHost(prediction, (x) => {
      const y: unknown = probabilities(x);
      if (y instanceof Tensor) return y;
      throw new OptionError(`${lossName}: its probabilities returned ${show(y)}. Return a Tensor.`);
    });
}

/** Predictions as classes, u32: places along the last axis, or 0 and 1. @throws OptionError for a loss that scores no classes. */
export function classesOf({ lossName, classes }: Loss): (prediction: NdArray) => NdArray {
  if (!classes)
    throw new OptionError(
      `predictClasses: the loss ${lossName} scores no classes. Use predict, a loss that does (${LOSSES}), or give defineLoss { classes: true }.`,
    );
  return (prediction) => onHost(prediction, (x) => (classes === 'binary' ? cast(greater(x, 0), 'u32') : argmax(x)));
}

/** A function of an array, in doubles, rounded to the array's own precision. */
function onHost({ shape, dtype, data }: NdArray, of: (x: Tensor) => Tensor): NdArray {
  const [y] = interpret([of(constant(data, { shape, dtype }))], () => undefined);
  const exact = y!.data instanceof Float64Array && !(data instanceof Float64Array);
  return exact ? { ...y!, data: Float32Array.from(y!.data) } : y!;
}
