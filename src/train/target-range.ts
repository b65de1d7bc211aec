// Checks that targets are probabilities where a loss needs them. A cross-entropy of other targets may fall below 0, but trains.
import { isBytes, kindOfTargets } from '../data/dataset.ts';
import { areWhole } from '../data/stored.ts';
import { DataError } from '../graph/errors.ts';
import type { Loss } from '../loss/loss.ts';
import { type Examples, type OneTarget, targetScaleOf } from './batch.ts';
import { targetsOf } from './targets.ts';
import { outputsOf, type Task } from './task.ts';

/** How many numbers to check, in rows spread over a set: they take well below a millisecond. */
const LOOKED_AT = 2 ** 15;
/** The tolerance of a row's sum, for rounding. */
const TOLERANCE = 0.01;

/**
 * Checks unscaled numbers; scaled bytes are in the range anyway.
 * @throws DataError if binary targets are not from 0 to 1, or rows of probabilities do not add up to 1.
 */
export function checkTargets(task: Pick<Task, 'loss' | 'heads'>, data: Examples): void {
  const targets = targetsOf(data);
  for (const { name, loss } of outputsOf(task)) {
    const target = targets.get(name);
    if (!target || !loss.probabilities || kindOfTargets(target.y) === 'classes') continue;
    if (!isBytes(target.y) || targetScaleOf(target) === false) checkProbabilities(target, loss);
  }
}

function checkProbabilities({ y: { shape, data }, name = 'data' }: OneTarget, { classes, lossName }: Loss): void {
  const binary = classes === 'binary';
  const C = shape.length > 1 ? shape.at(-1)! : 1;
  if (!binary && !(classes && C > 1)) return;
  const stride = Math.ceil(data.length / LOOKED_AT) * C;
  for (let at = 0; at < data.length; at += stride) {
    const row = [...data.subarray(at, at + C)];
    const wrong = row.find((v) => v < -TOLERANCE || (binary && v > 1 + TOLERANCE));
    const sum = binary ? 1 : row.reduce((a, b) => a + b);
    if (wrong === undefined && Math.abs(sum - 1) <= TOLERANCE) continue;
    const change =
      !binary && areWhole(data)
        ? "Change the targets, or if they are class indices, make the data with { targets: 'classes' }."
        : 'Change the targets.';
    const found = wrong === undefined ? `adds up to ${sum}` : `has ${wrong}`;
    throw new DataError(
      `${name}: the target of example ${Math.floor((at * shape[0]!) / data.length)} ${found}, but ${lossName} takes ${binary ? 'numbers from 0 to 1' : 'probabilities, which add up to 1'}. ${change}`,
    );
  }
}
