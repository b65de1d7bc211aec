// Sample weights: the weight of each example of a data set in the loss.
import { DataError } from '../graph/errors.ts';
import { formatShape } from '../graph/shape.ts';
import { flatten, type GivenArray, type NestedNumbers, type Shaped } from './given.ts';

/** Weights as a list, a typed array, or `{ shape, data }`. */
export type GivenWeights = NestedNumbers | GivenArray | Shaped;

/** A copy of the weights of a set's examples as f32. @throws DataError as {@link checkWeights}. */
export function toWeights(
  name: string,
  given: GivenWeights | undefined,
  size: number,
): { readonly shape: number[]; readonly data: Float32Array } | undefined {
  if (given === undefined) return undefined;
  const { shape, data } = flatten(`${name} sampleWeights`, given);
  checkWeights(`${name} sampleWeights`, { shape, data }, size);
  return { shape, data: Float32Array.from(data) };
}

/** @throws DataError unless there is one weight for each of `size` examples, all are finite in f32 and >= 0, and one is above 0. */
export function checkWeights(
  what: string,
  { shape, data }: { readonly shape: readonly number[]; readonly data: ArrayLike<number> },
  size: number,
): void {
  if (shape.length !== 1 || shape[0] !== size)
    throw new DataError(
      `${what}: their shape is ${formatShape(shape)} for ${size} examples. Give one for each, [${size}].`,
    );
  let any = false;
  for (let k = 0; k < size; k++) {
    const weight = Math.fround(data[k]!);
    if (!(weight >= 0 && weight < Number.POSITIVE_INFINITY))
      throw new DataError(`${what}: the weight of example ${k} is ${data[k]}. Give finite f32 numbers >= 0.`);
    any ||= weight > 0;
  }
  if (!any) throw new DataError(`${what}: all are 0, so no example counts. Give at least one above 0.`);
}

/** Σ of weights as rounded to f32. */
export function weightOf({ data }: { readonly data: ArrayLike<number> }): number {
  let total = 0;
  for (let k = 0; k < data.length; k++) total += Math.fround(data[k]!);
  return total;
}
