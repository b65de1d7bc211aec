// Probabilities and classes from predictions, as the loss defines them: computed on the host, in doubles, from the result of `predict`.
import { interpret } from '../cpu/interpreter.ts';
import { OptionError } from '../graph/errors.ts';
import { isSeveral, listed, mapParts, type Nested } from '../graph/nested.ts';
import type { NdArray } from '../graph/op.ts';
import { show } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import { constant, Tensor } from '../graph/tensor.ts';
import type { Loss } from '../loss/loss.ts';
import { greater } from '../ops/binary.ts';
import { cast } from '../ops/cast.ts';
import { argmax } from '../ops/reduce.ts';
import type { Task } from './task.ts';

const LOSSES = 'softmaxCrossEntropy or binaryCrossEntropyWithLogits';

/**
 * Applies `of` to predictions with their loss: with several outputs, to each one whose own loss defines the result.
 * @throws OptionError if the loss, or none of several, defines it.
 */
export function ofOutputs(
  { loss, heads, formula }: Task,
  what: string,
  of: (loss: Loss) => (prediction: NdArray) => NdArray,
): (prediction: Nested<NdArray>) => Nested<NdArray | undefined> {
  if (!heads) {
    const convert = of(loss);
    return (prediction) => {
      if (!isSeveral(prediction)) return convert(prediction as NdArray);
      throw new OptionError(
        `${what}: the model has several outputs, ${listed(prediction)}, but ${formula ? 'one function as its loss' : 'one loss'}. Give a loss for each.`,
      );
    };
  }
  const able = heads.filter((head) => (of === classesOf ? head.loss.classes : head.loss.probabilities));
  if (able.length === 0) of(heads[0]!.loss); // throws the reason
  const losses = new Map(able.map((head) => [head.name, head.loss]));
  return (prediction) => {
    const made = mapParts(prediction, (part, name) => {
      const own = losses.get(name!);
      // A single column that is not a binary logit leaves no class to choose.
      const alone = own?.classes !== 'binary' && part.shape.at(-1) === 1;
      return own && !alone ? of(own)(part) : undefined;
    });
    if (Array.isArray(made)) return made;
    return Object.fromEntries(Object.entries(made as object).filter(([, part]) => part !== undefined));
  };
}

/** Predictions as probabilities. @throws OptionError for a loss without probabilities. */
export function probabilitiesOf({ lossName, probabilities }: Loss): (prediction: NdArray) => NdArray {
  if (!probabilities)
    throw new OptionError(
      `predictProbabilities: the loss ${lossName} does not define probabilities. Use predict, a loss that does (${LOSSES}), or give defineLoss { probabilities: (prediction) => Tensor }.`,
    );
  return (prediction) =>
    onHost(prediction, (x) => {
      const y: unknown = probabilities(x);
      if (y instanceof Tensor) return y;
      throw new OptionError(`${lossName}: its probabilities returned ${show(y)}. Return a Tensor.`);
    });
}

/** Predictions as classes, u32: indices along the last axis, or 0 and 1. @throws OptionError for a loss that scores no classes. */
export function classesOf({ lossName, classes }: Loss): (prediction: NdArray) => NdArray {
  if (!classes)
    throw new OptionError(
      `predictClasses: the loss ${lossName} scores no classes. Use predict, a loss that does (${LOSSES}), or give defineLoss { classes: true }.`,
    );
  if (classes === 'binary') return (prediction) => onHost(prediction, (x) => cast(greater(x, 0), 'u32'));
  return (prediction) => {
    if (prediction.shape.at(-1) === 1)
      throw new OptionError(
        `predictClasses: predictions ${formatShape(prediction.shape)} have one output per example, so ${lossName} has no class to choose. Use predict; for two classes train with binaryCrossEntropyWithLogits.`,
      );
    return onHost(prediction, (x) => argmax(x));
  };
}

/** Applies `of` to an array in doubles and rounds the result to the array's own precision. */
function onHost({ shape, dtype, data }: NdArray, of: (x: Tensor) => Tensor): NdArray {
  const [y] = interpret([of(constant(data, { shape, dtype }))], () => undefined);
  const exact = y!.data instanceof Float64Array && !(data instanceof Float64Array);
  return exact ? { ...y!, data: Float32Array.from(y!.data) } : y!;
}
