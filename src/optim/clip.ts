// Gradient clipping, written with ops: by value, and by the norm of all gradients taken together.
import type { Tensor } from '../graph/tensor.ts';
import { add, div, maximum, minimum, mul } from '../ops/binary.ts';
import { total } from '../ops/total.ts';
import { sqrt, square } from '../ops/unary.ts';
import { checkBound } from './check.ts';

/** What an optimizer does to its gradients first; by value before by norm, where both are given. */
export interface Clip {
  /** The most that the norm of all gradients together may be. */
  readonly norm?: number;
  /** The most that any element's magnitude may be. */
  readonly value?: number;
}

/** The gradients after `clip`, which all of a step's gradients must be given to at once. */
export function clipGradients(grads: readonly Tensor[], clip: Clip | undefined): Tensor[] {
  const bounded = clip?.value === undefined ? [...grads] : clipByValue(grads, clip.value);
  return clip?.norm === undefined ? bounded : clipByGlobalNorm(bounded, clip.norm);
}

/** √Σ g² over all elements of all gradients, a scalar. */
export function globalNorm(grads: readonly Tensor[]): Tensor {
  return sqrt(grads.map((g) => total(square(g))).reduce((all, part) => add(all, part)));
}

/** g · min(max / (norm + 1e-6), 1), norm that of all gradients together: PyTorch's `clip_grad_norm_`. */
export function clipByGlobalNorm(grads: readonly Tensor[], max: number): Tensor[] {
  checkBound('clipByGlobalNorm', max);
  if (grads.length === 0) return [];
  const scale = minimum(div(max, add(globalNorm(grads), 1e-6)), 1);
  return grads.map((g) => mul(g, scale));
}

/** Each element moved into [-max, max]: PyTorch's `clip_grad_value_`. */
export function clipByValue(grads: readonly Tensor[], max: number): Tensor[] {
  checkBound('clipByValue', max);
  return grads.map((g) => maximum(minimum(g, max), -max));
}
