// A plane through a network's weights: two directions, random or along a run's path, and the projections of other weights.
import { OptionError } from '../graph/errors.ts';
import { show } from '../graph/options.ts';
import type { NamedVariable } from '../graph/paths.ts';
import { normals } from '../graph/random.ts';
import type { Weights } from '../train/weights.ts';

/** A point of the plane; the weights at its center are (0, 0). */
export interface PlanePoint {
  /** The coordinate along the first direction, in its lengths. */
  readonly alpha: number;
  /** The coordinate along the second direction, in its lengths. */
  readonly beta: number;
}

/** Rounds of the power method: enough if one component is a few percent longer than the other. */
const POWER_ROUNDS = 300;

/**
 * Direction `k`: for each unit's weights (a row of a trained variable of two axes or more) a random vector of the same norm; zero for
 * biases, as in Li et al.
 */
function direction(variables: readonly NamedVariable[], center: Weights, seed: number, k: number): Weights {
  const moved = variables.filter(({ variable }) => variable.shape.length >= 2);
  return new Map(
    moved.map(({ path, variable: { shape, size } }) => {
      const d = Float32Array.from(normals(size, seed, `landscape ${k} ${path}`));
      const [w, row] = [center.get(path)!, size / shape[0]!];
      for (let at = 0; at < size; at += row) {
        const [unit, own] = [d.subarray(at, at + row), w.subarray(at, at + row)];
        const factor = Math.sqrt(dot(own, own)) / Math.max(Math.sqrt(dot(unit, unit)), Number.MIN_VALUE);
        for (let i = 0; i < row; i++) unit[i]! *= factor;
      }
      return [path, d];
    }),
  );
}

export function randomDirections(
  variables: readonly NamedVariable[],
  center: Weights,
  seed: number,
): readonly [Weights, Weights] {
  return [direction(variables, center, seed, 1), direction(variables, center, seed, 2)];
}

/**
 * The two directions in which a path's weights spread furthest from `center`: the principal components of the differences (Li et al. 2018,
 * section 7). Each is as long as the path's extent along it; the path begins on the left.
 * @throws OptionError if the path has no two such directions.
 */
export function pathDirections(
  variables: readonly NamedVariable[],
  center: Weights,
  path: readonly Weights[],
): readonly [Weights, Weights] {
  const moved = variables.map((v) => v.path);
  const away = path.map(
    (weights) => new Map(moved.map((name) => [name, minus(weights.get(name)!, center.get(name)!)])),
  );
  const gram = away.map((a) => away.map((b) => moved.reduce((sum, name) => sum + dot(a.get(name)!, b.get(name)!), 0)));
  const first = principal(gram);
  const deflated = gram.map((row, i) => row.map((g, j) => g - first.value * first.vector[i]! * first.vector[j]!));
  const second = principal(deflated);
  if (!(second.value > 1e-9 * first.value)) {
    throw new OptionError(
      `landscape: the path's ${path.length} weights are on one line with the current ones, but directions 'path' needs weights that span a plane. Give more of them, or use directions 'random'.`,
    );
  }
  return [combined(away, first.vector), combined(away, second.vector)];
}

/** Σ over k of away[k] · vector[k], scaled to the furthest extent of `away` along it. */
function combined(away: readonly Weights[], vector: readonly number[]): Weights {
  const reach = Math.max(...vector.map(Math.abs)) * (vector[0]! > 0 ? -1 : 1);
  return new Map(
    [...away[0]!].map(([name, { length }]) => {
      const d = new Float32Array(length);
      for (const [k, weights] of away.entries()) {
        const w = weights.get(name)!;
        for (let i = 0; i < length; i++) d[i]! += reach * vector[k]! * w[i]!;
      }
      return [name, d];
    }),
  );
}

/** The largest eigenvalue of a positive semidefinite matrix, and its unit eigenvector, by the power method. */
function principal(matrix: readonly (readonly number[])[]): { value: number; vector: readonly number[] } {
  const diagonal = matrix.map((row, i) => row[i]!);
  let vector = matrix[diagonal.indexOf(Math.max(...diagonal))] ?? [];
  let value = 0;
  for (let round = 0; round < POWER_ROUNDS; round++) {
    const length = Math.hypot(...vector) || 1;
    const unit = vector.map((v) => v / length);
    vector = matrix.map((row) => row.reduce((sum, m, k) => sum + m * unit[k]!, 0));
    value = vector.reduce((sum, v, k) => sum + v * unit[k]!, 0);
  }
  const length = Math.hypot(...vector) || 1;
  return { value, vector: vector.map((v) => v / length) };
}

/**
 * The orthogonal projection on the plane, by least squares, since random directions are not quite orthogonal.
 * @throws OptionError (from the projection) where the weights are not of the same model.
 */
export function projector(center: Weights, [d1, d2]: readonly [Weights, Weights]): (weights: Weights) => PlanePoint {
  const sumOver = (term: (path: string, a: Float32Array, b: Float32Array) => number) =>
    [...d1].reduce((sum, [path, a]) => sum + term(path, a, d2.get(path)!), 0);
  const aa = sumOver((_, a) => dot(a, a));
  const ab = sumOver((_, a, b) => dot(a, b));
  const bb = sumOver((_, _a, b) => dot(b, b));
  const determinant = aa * bb - ab * ab;
  return (weights) => {
    checkPath(center, [weights]);
    const along = (pick: 1 | 2) =>
      sumOver((path, a, b) => difference(weights.get(path)!, center.get(path)!, pick === 1 ? a : b));
    const [pa, pb] = [along(1), along(2)];
    if (determinant <= 0) return { alpha: 0, beta: 0 };
    return { alpha: (bb * pa - ab * pb) / determinant, beta: (aa * pb - ab * pa) / determinant };
  };
}

/** @throws OptionError if weights are not of the same model. */
export function checkPath(center: Weights, path: readonly Weights[]): void {
  for (const weights of path) {
    if (typeof weights?.get !== 'function')
      throw new OptionError(
        `landscape: the weights are ${show(weights)}. Pass the result of trainer.snapshotWeights().`,
      );
    for (const [name, { length }] of center) checkSize(name, length, weights.get(name)?.length);
  }
}

function checkSize(path: string, expected: number, got: number | undefined): void {
  if (got === expected) return;
  const what = got === undefined ? 'are missing' : `are ${got} numbers instead of ${expected}`;
  throw new OptionError(
    `landscape: the values of ${path} ${what} in the weights to project. Give weights of the same network.`,
  );
}

function minus(a: Float32Array, b: Float32Array): Float32Array {
  return a.map((v, i) => v - b[i]!);
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** (w - center) · d */
function difference(w: Float32Array, center: Float32Array, d: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < d.length; i++) sum += (w[i]! - center[i]!) * d[i]!;
  return sum;
}
