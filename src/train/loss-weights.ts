// The weights of a data set's examples in a loss's mean and in its accuracy: computed on the host from labels and sample weights, as the
// device does for each batch, so that the mean over a set does not depend on how it is batched.
import { kindOfTargets, type Values } from '../data/dataset.ts';
import type { Loss } from '../loss/loss.ts';

/** For each example; absent if all count 1. */
export interface ExampleCounts {
  /** In the loss: the sample weight times the mean of the example's row weights. */
  readonly weights?: ArrayLike<number>;
  /** In the accuracy: the example's rows that are not ignored. */
  readonly rows?: Uint32Array;
}

/** Whether a loss ignores a label: i32 and u32 labels are compared by their bits. */
export function ignores({ ignoreIndex }: Pick<Loss, 'ignoreIndex'>, label: number): boolean {
  return ignoreIndex !== undefined && label >>> 0 === ignoreIndex >>> 0;
}

/** A data set's targets and weights. */
interface Targets {
  readonly size: number;
  readonly y: Values;
  readonly sampleWeights?: Values | undefined;
}

export function exampleCounts(loss: Loss, { size, y, sampleWeights }: Targets): ExampleCounts {
  const { ignoreIndex, classWeights } = loss;
  const plain = (ignoreIndex === undefined && !classWeights) || kindOfTargets(y) === 'values';
  if (plain) return sampleWeights ? { weights: sampleWeights.data } : {};
  const width = y.data.length / size;
  const [weights, rows] = [new Float64Array(size), new Uint32Array(size)];
  for (let k = 0; k < y.data.length; k++) {
    if (ignores(loss, y.data[k]!)) continue;
    const example = Math.floor(k / width);
    rows[example]!++;
    weights[example]! += classWeights?.[y.data[k]!] ?? 1;
  }
  return { weights: weights.map((w, k) => (w / width) * (sampleWeights?.data[k] ?? 1)), rows };
}
