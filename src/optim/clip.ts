// Gradient clipping, written with ops: by value, and by the global norm of all gradients.
import { OptionError } from '../graph/errors.ts';
import { ARRAY, checkExtra, checkOptions, checkValue, type Schema } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { add, div, maximum, minimum, mul } from '../ops/binary.ts';
import { checkTensors } from '../ops/tensors.ts';
import { total } from '../ops/total.ts';
import { sqrt, square } from '../ops/unary.ts';
import { checkBound } from './check.ts';

/** How an optimizer clips its gradients; by value before by norm, if both are given. */
export interface Clip {
  /** The maximum global norm of all gradients. */
  readonly norm?: number;
  /** The maximum magnitude of any element. */
  readonly value?: number;
}

const SCHEMA = { norm: true, value: true } satisfies Schema<Clip>;

function checkGradients(where: string, grads: unknown, extra: readonly unknown[]): void {
  checkValue(where, 'the gradients', grads, ARRAY);
  for (const [k, x] of (grads as readonly unknown[]).entries()) checkTensors(where, { [`gradient ${k}`]: x });
  checkExtra(where, extra);
}

/** The gradients after clipping; pass all of a step's gradients at once. */
export function clipGradients(grads: readonly Tensor[], clip: Clip | undefined, ...extra: never[]): Tensor[] {
  checkGradients('clipGradients', grads, extra);
  if (clip !== undefined) checkOptions('clipGradients', clip, SCHEMA);
  const bounded = clip?.value === undefined ? [...grads] : clipByValue(grads, clip.value);
  return clip?.norm === undefined ? bounded : clipByGlobalNorm(bounded, clip.norm);
}

/** √Σ g² over all elements of all gradients, a scalar. */
export function globalNorm(grads: readonly Tensor[], ...extra: never[]): Tensor {
  checkGradients('globalNorm', grads, extra);
  if (grads.length === 0) throw new OptionError('globalNorm: no gradients. Give at least one.');
  return sqrt(grads.map((g) => total(square(g))).reduce((all, part) => add(all, part)));
}

/** g · min(max / (norm + 1e-6), 1) with the global norm of all gradients: PyTorch's `clip_grad_norm_`. */
export function clipByGlobalNorm(grads: readonly Tensor[], max: number, ...extra: never[]): Tensor[] {
  checkGradients('clipByGlobalNorm', grads, extra);
  checkBound('clipByGlobalNorm', max);
  if (grads.length === 0) return [];
  const scale = minimum(div(max, add(globalNorm(grads), 1e-6)), 1);
  return grads.map((g) => mul(g, scale));
}

/** Each element clamped to [-max, max]: PyTorch's `clip_grad_value_`. */
export function clipByValue(grads: readonly Tensor[], max: number, ...extra: never[]): Tensor[] {
  checkGradients('clipByValue', grads, extra);
  checkBound('clipByValue', max);
  return grads.map((g) => maximum(minimum(g, max), -max));
}
