// Class weights: the weight of each class in training, as Keras' `class_weight`. They become sample weights, so that a run has only one
// kind of weight.
import type { Values } from '../data/dataset.ts';
import { checkWeights } from '../data/sample-weights.ts';
import type { HostArray } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import { isSeveral, listed } from '../graph/nested.ts';
import { type Kind, show } from '../graph/options.ts';
import { handOver } from '../graph/owned.ts';
import { formatShape } from '../graph/shape.ts';
import type { Loss } from '../loss/loss.ts';
import { type Examples, labelsOf, type OneTarget } from './batch.ts';
import { ignores } from './loss-weights.ts';

/** `balanced`, a weight for each class, or weights by class, where absent classes have 1. */
export type ClassWeights = 'balanced' | readonly number[] | Readonly<Record<number, number>>;

export const CLASS_WEIGHTS: Kind = {
  advice: "Give 'balanced', a weight for each class, or weights by class, such as { 1: 5 }.",
  fits: (v) => v === 'balanced' || Array.isArray(v) || show(v) === 'an object',
};

/** The last result by a set's labels, so that its arrays are uploaded once. */
const kept = new WeakMap<
  HostArray,
  { readonly key: string; readonly given: HostArray | undefined; readonly made: Values }
>();

/** The set with weights: its classes' times its examples' own. @throws OptionError naming what does not fit. */
export function withClassWeights(
  data: Examples,
  weights: ClassWeights | undefined,
  loss: Pick<Loss, 'ignoreIndex'> = {},
): Examples {
  if (weights === undefined) return data;
  const { name = 'data', sampleWeights } = data;
  if (isSeveral(data.y))
    throw new OptionError(
      `fit: classWeights need a single target, but ${name} has several, ${listed(data.y)}. Give them to a loss: losses.softmaxCrossEntropy.with({ classWeights }).`,
    );
  const { y } = data as OneTarget;
  const labels = labelsOf(data as OneTarget, loss);
  if (!labels)
    throw new OptionError(
      `fit: classWeights need class indices, but the targets of ${name} are numbers. Use data with class labels, or sampleWeights.`,
    );
  const counted = y.data.filter((label: number) => !ignores(loss, label));
  const byClass = weightsOf(counted, labels.classes, weights, name);
  if (y.shape.length > 1)
    throw new OptionError(
      `fit: classWeights need one label per example, but ${name} has several, y ${formatShape(y.shape)}. Give them to the loss: losses.softmaxCrossEntropy.with({ classWeights: [${byClass.map((w) => Number(w.toPrecision(6))).join(', ')}] }).`,
    );
  const key = byClass.join();
  const known = kept.get(y.data);
  if (known?.key === key && known.given === sampleWeights?.data) return { ...data, sampleWeights: known.made };
  const of = sampleWeights?.data;
  const all = Float32Array.from(y.data, (label, k) => (byClass[label] ?? 1) * (of ? of[k]! : 1));
  const made = { shape: [data.size], data: handOver(all) };
  checkWeights(`${name} classWeights`, made, data.size);
  kept.set(y.data, { key, given: of, made });
  return { ...data, sampleWeights: made };
}

/** The weight of each class. */
function weightsOf(labels: ArrayLike<number>, classes: number, weights: ClassWeights, name: string): readonly number[] {
  if (weights === 'balanced') return balanced(labels, classes);
  const byClass = Array<number>(classes).fill(1);
  if (Array.isArray(weights) && weights.length !== classes)
    throw new OptionError(
      `fit: classWeights has ${weights.length} weights, but ${name} has ${classes} classes. Give ${classes}.`,
    );
  for (const [label, weight] of Object.entries(weights)) {
    if (!(String(Number(label)) === label && Number(label) in byClass))
      throw new OptionError(
        `fit: classWeights names the class ${label}, but ${name} has ${classes} classes. Use 0 to ${classes - 1}.`,
      );
    if (!(typeof weight === 'number' && weight >= 0 && Number.isFinite(Math.fround(weight))))
      throw new OptionError(`fit: the weight of class ${label} is ${show(weight)}. Give a finite number >= 0.`);
    byClass[Number(label)] = weight;
  }
  return byClass;
}

/** n / (classes · count), as scikit-learn's, which gives all classes equal weight in total. A class without examples has 1. */
function balanced(labels: ArrayLike<number>, classes: number): number[] {
  const counts = Array<number>(classes).fill(0);
  for (let k = 0; k < labels.length; k++) counts[labels[k]!]!++;
  const present = counts.filter((count) => count > 0).length;
  return counts.map((count) => (count > 0 ? labels.length / (present * count) : 1));
}
