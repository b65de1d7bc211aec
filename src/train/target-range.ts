// Targets that are probabilities: whether they are. A cross-entropy of anything else is a number too, may fall below 0, and trains.
import { kindOfTargets, PLAIN } from '../data/dataset.ts';
import { dtypeOf } from '../graph/dtype.ts';
import { DataError } from '../graph/errors.ts';
import type { Loss } from '../loss/loss.ts';
import { type OneTarget, targetScaleOf } from './batch.ts';

/** What rounding may add up to. */
const TOLERANCE = 0.01;

/** @throws DataError where targets of yes or no are not from 0 to 1, and where rows of probabilities do not add up to 1. */
export function checkProbabilities(target: OneTarget, { classes, probabilities, lossName }: Loss): void {
  const { y, name = 'data' } = target;
  const binary = classes === 'binary';
  const C = y.shape.at(-1)!;
  if (kindOfTargets(y) !== 'values' || (!binary && !(classes && probabilities && C > 1))) return;
  const scale = dtypeOf(y.data) === 'u8' && (targetScaleOf(target) ?? PLAIN);
  const each = y.data.length / y.shape[0]!;
  const tolerance = TOLERANCE + (scale && !binary ? C / 510 : 0);
  const refuse = (k: number, what: string, advice: string) => {
    throw new DataError(
      `${name}: a target of example ${Math.floor(k / each)} ${what}, and ${lossName} takes ${advice}`,
    );
  };
  let sum = 0;
  for (let k = 0; k < y.data.length; k++) {
    const value = scale ? (y.data[k]! / 255 - scale.mean) / scale.std : y.data[k]!;
    if (value < -TOLERANCE || (binary && value > 1 + TOLERANCE))
      refuse(k, `is ${Number(value.toPrecision(4))}`, 'numbers from 0 to 1. Give 0 for no and 1 for yes.');
    if (binary) continue;
    sum += value;
    if (k % C < C - 1) continue;
    if (Math.abs(sum - 1) > tolerance)
      refuse(
        k,
        `adds up to ${Number(sum.toPrecision(4))}`,
        'rows that add up to 1. Divide rows by their sums, or give class indices.',
      );
    sum = 0;
  }
}
