// A plane through a network's weights: two random directions, and where other weights are when seen from it.
import { OptionError } from '../graph/errors.ts';
import type { NamedVariable } from '../graph/paths.ts';
import { normals } from '../graph/random.ts';

/** A model's f32 variables by path. */
export type Weights = ReadonlyMap<string, Float32Array>;

/** A place on the plane; the weights that it goes through are (0, 0). */
export interface PlanePoint {
  readonly alpha: number;
  readonly beta: number;
}

/**
 * Direction `k`: for each unit's weights (a row of a trainable variable of two axes or more) a random vector as long as they
 * are; zero for biases, as Li et al. do it.
 */
export function direction(variables: readonly NamedVariable[], center: Weights, seed: number, k: number): Weights {
  const moved = variables.filter(({ variable }) => variable.trainable && variable.shape.length >= 2);
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

/**
 * The orthogonal projection on the plane, by least squares: the directions are random, so not quite at right angles.
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
    for (const [path, w] of center) checkSize(path, w.length, weights.get(path)?.length);
    const along = (pick: 1 | 2) =>
      sumOver((path, a, b) => difference(weights.get(path)!, center.get(path)!, pick === 1 ? a : b));
    const [pa, pb] = [along(1), along(2)];
    if (determinant <= 0) return { alpha: 0, beta: 0 };
    return { alpha: (bb * pa - ab * pb) / determinant, beta: (aa * pb - ab * pa) / determinant };
  };
}

function checkSize(path: string, expected: number, got: number | undefined): void {
  if (got === expected) return;
  const what = got === undefined ? 'are missing' : `are ${got} numbers instead of ${expected}`;
  throw new OptionError(
    `landscape: the values of ${path} ${what} in the weights to be projected. Give those of the same network.`,
  );
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
