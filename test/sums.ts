// A model whose gradients are its inputs, so that steps of optimizers can be made by hand.
import { arrayDataset } from '../src/data/dataset.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { parameter } from '../src/nn/layer.ts';
import { add, mul } from '../src/ops/binary.ts';
import { sum } from '../src/ops/index.ts';

export const N = 3;
export const STEPS = 5;
export const A = [0.5, -1.25, 2];
export const B = [-0.75, 0.125, 0.003];

/** Σ x · a + 2 x · b: the gradient of a is x, that of b is 2 x. */
export class Sums {
  a = parameter([N], () => Float32Array.from(A));
  b = parameter([N], () => Float32Array.from(B));
  forward(x: Tensor): Tensor {
    return add(sum(mul(x, this.a), { axis: 1 }), mul(sum(mul(x, this.b), { axis: 1 }), 2));
  }
}

/** The x of step t. */
export const row = (t: number) => [0.3 - 0.1 * t, Math.sin(1 + t), -1.5 * (t + 1)].map(Math.fround);
export const sumsData = arrayDataset(
  Array.from({ length: STEPS }, (_, t) => row(t)),
  Array.from({ length: STEPS }, () => 0),
  { targets: 'values' },
);

export type Element = () => (p: number, g: number, t: number) => number;

/** The values of `start` whose gradient at step t is factor · x, moved from step `first` on, by hand. */
export function byHand(start: readonly number[], factor: number, element: Element, first = 0): number[] {
  const updates = start.map(element);
  let p = [...start];
  for (let t = first; t < STEPS; t++) p = p.map((value, i) => updates[i]!(value, factor * row(t)[i]!, t + 1 - first));
  return p;
}
