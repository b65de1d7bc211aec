// Ops as methods of a tensor, so that arithmetic chains: `x.mul(w).add(b).relu()` is `relu(add(mul(x, w), b))`. Importing this
// file is what attaches them; the package's entry points do, and package.json lists it under `sideEffects`.
import type { DType } from '../graph/dtype.ts';
import type { Shape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import {
  erf,
  type GeluOptions,
  gelu,
  type LeakyReluOptions,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from './activations.ts';
import { announceMethods, attachMethods, attachSmallForms } from './attach.ts';
import type { AvgPoolOptions } from './avg-pool.ts';
import {
  add,
  div,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  notEqual,
  sub,
} from './binary.ts';
import { broadcastTo, sum } from './broadcast.ts';
import { cast } from './cast.ts';
import type { ConvOptions, ConvTransposeOptions } from './conv.ts';
import { remainder } from './counter.ts';
import type { CumsumOptions } from './cumsum.ts';
import type { TensorLike } from './elementwise.ts';
import { expm1 } from './expm1.ts';
import type { CeluOptions, EluOptions } from './exponential-units.ts';
import { type MatmulOptions, matmul } from './matmul.ts';
import type { MaxPoolOptions } from './max-pool.ts';
import { type PadOptions, padConstant, slice, transpose } from './movement.ts';
import { argmax, max, mean, min, type VarianceOptions, variance } from './reduce.ts';
import type { ReduceOptions } from './reduction.ts';
import { flatten, reshape } from './reshape.ts';
import { type ClipOptions, clip, where } from './select.ts';
import { logSoftmax, softmax } from './softmax.ts';
import type { Axis, AxisOptions, KeepDims, KeptAxisOptions } from './tensors.ts';
import type { TopkOptions } from './topk.ts';
import { abs, exp, log, neg, powNumber, rsqrt, sign, sqrt, square } from './unary.ts';
import type { UpsampleOptions } from './upsample.ts';
import type { Pair } from './window.ts';

/** A tensor's methods; each is the function of the same name with the tensor as its first argument. */
export interface TensorMethods {
  /** x + y, broadcast. */
  add(y: TensorLike): Tensor;
  /** x - y, broadcast. */
  sub(y: TensorLike): Tensor;
  /** x · y elementwise, broadcast. */
  mul(y: TensorLike): Tensor;
  /** x / y, broadcast. */
  div(y: TensorLike): Tensor;
  /** x mod y for u32, broadcast. */
  remainder(y: TensorLike): Tensor;
  /** The larger of x and y, broadcast; NaN where either is. */
  maximum(y: TensorLike): Tensor;
  /** The smaller of x and y, broadcast; NaN where either is. */
  minimum(y: TensorLike): Tensor;
  /** x to the power of a number, or of a tensor, broadcast. */
  pow(exponent: TensorLike): Tensor;
  /** -x */
  neg(): Tensor;
  /** |x| */
  abs(): Tensor;
  /** -1, 0 or 1. */
  sign(): Tensor;
  /** x² */
  square(): Tensor;
  /** √x */
  sqrt(): Tensor;
  /** 1 / √x */
  rsqrt(): Tensor;
  /** eˣ */
  exp(): Tensor;
  /** eˣ - 1, exact near 0. */
  expm1(): Tensor;
  /** The sine, of radians. */
  sin(): Tensor;
  /** The cosine, of radians. */
  cos(): Tensor;
  /** The natural logarithm. */
  log(): Tensor;
  /** The error function. */
  erf(): Tensor;
  /** x clamped to bounds: `x.clip(-1, 1)` or `x.clip({ min: 0 })`. */
  clip(min: number | undefined, max?: number): Tensor;
  clip(bounds: ClipOptions): Tensor;

  /** 1 where x = y, else 0. */
  equal(y: TensorLike): Tensor;
  /** 1 where x ≠ y, else 0. */
  notEqual(y: TensorLike): Tensor;
  /** 1 where x < y, else 0. */
  less(y: TensorLike): Tensor;
  /** 1 where x ≤ y, else 0. */
  lessEqual(y: TensorLike): Tensor;
  /** 1 where x > y, else 0. */
  greater(y: TensorLike): Tensor;
  /** 1 where x ≥ y, else 0. */
  greaterEqual(y: TensorLike): Tensor;
  /** a where this condition is not 0, else b: `x.greater(0).where(x, 0)`, in the order of the function. */
  where(a: TensorLike, b: TensorLike): Tensor;

  /** The sum over the given axes. Default: all axes. `x.sum()`, `x.sum(-1)`, `x.sum([0, 1], { keepDims: true })`. */
  sum(axis?: Axis, options?: KeepDims): Tensor;
  sum(options?: ReduceOptions): Tensor;
  /** The mean over the given axes. Default: all axes. */
  mean(axis?: Axis, options?: KeepDims): Tensor;
  mean(options?: ReduceOptions): Tensor;
  /** The maximum over the given axes. Default: all axes. */
  max(axis?: Axis, options?: KeepDims): Tensor;
  max(options?: ReduceOptions): Tensor;
  /** The minimum over the given axes. Default: all axes. */
  min(axis?: Axis, options?: KeepDims): Tensor;
  min(options?: ReduceOptions): Tensor;
  /** The variance over the given axes. Default: all axes. */
  variance(axis?: Axis, options?: Omit<VarianceOptions, 'axis'>): Tensor;
  variance(options?: VarianceOptions): Tensor;
  /** The product over the given axes. Default: all axes. */
  prod(axis?: Axis, options?: KeepDims): Tensor;
  prod(options?: ReduceOptions): Tensor;
  /** Running sums along an axis. Default -1. */
  cumsum(axis?: number, options?: Omit<CumsumOptions, 'axis'>): Tensor;
  cumsum(options?: CumsumOptions): Tensor;
  /** The index of the largest element along an axis, u32. Default axis -1. */
  argmax(axis?: number, options?: KeepDims): Tensor;
  argmax(options?: KeptAxisOptions): Tensor;
  /** log Σ eˣ over the given axes. Default axis -1. */
  logSumExp(axis?: Axis, options?: KeepDims): Tensor;
  logSumExp(options?: ReduceOptions): Tensor;
  /** The k largest elements along an axis, and their indices. Default axis -1. */
  topk(k: number, options?: TopkOptions): [values: Tensor, indices: Tensor];

  /** The same elements in another shape, `x.reshape([2, 3])` or `x.reshape(2, 3)`; one size may be -1, to be computed. */
  reshape(shape: Shape): Tensor;
  reshape(...sizes: readonly number[]): Tensor;
  /** Merges the axes from `startAxis` on into one. Default 1: keeps the batch axis. */
  flatten(startAxis?: number): Tensor;
  /** The axes permuted. Default: reversed. */
  transpose(axes?: readonly number[]): Tensor;
  /** The elements from `starts` to `ends` (exclusive) along each axis. */
  slice(starts: readonly number[], ends: readonly number[]): Tensor;
  /** Pads each axis before and after, with a value or by a mode: `x.pad([1], [1], { mode: 'reflect' })`. Default value 0. */
  pad(before: readonly number[], after: readonly number[], value?: number | PadOptions): Tensor;
  /** x broadcast to a larger shape. */
  broadcastTo(shape: Shape): Tensor;
  /** The rows at `indices`. */
  gatherRows(indices: Tensor): Tensor;
  /** Elements by index along an axis, as many as there are indices; negative ones count from the end. */
  gather(axis: number, indices: Tensor): Tensor;
  /** Slices by index along an axis; negative ones count from the end. Default axis 0. */
  take(indices: Tensor, axis?: number): Tensor;
  /** Rows of zeros with a one at each class index. */
  oneHot(classes: number): Tensor;
  /** The same numbers in another dtype. */
  cast(dtype: DType): Tensor;

  /** The maximum of each window of images (N, H, W, C). */
  maxPool(kernel: Pair, options?: MaxPoolOptions): Tensor;
  maxPool(kernel: Pair, stride: Pair, options?: Omit<MaxPoolOptions, 'stride'>): Tensor;
  /** The mean of each window of images (N, H, W, C). */
  avgPool(kernel: Pair, options?: AvgPoolOptions): Tensor;
  avgPool(kernel: Pair, stride: Pair, options?: Omit<AvgPoolOptions, 'stride'>): Tensor;
  /** The maximum of each of so many windows of images (N, H, W, C). */
  adaptiveMaxPool(size: Pair): Tensor;
  /** The mean of each of so many windows of images (N, H, W, C). */
  adaptiveAvgPool(size: Pair): Tensor;
  /** Images (N, H, W, C) in another size: `x.upsample({ scale: 2 })`. */
  upsample(options: UpsampleOptions): Tensor;

  /** The matrix product (…, M, K) · (…, K, N). */
  matmul(y: Tensor, options?: MatmulOptions): Tensor;

  /** The convolution with filters w: see {@link conv}. */
  conv(w: Tensor, options?: ConvOptions): Tensor;
  /** The transposed convolution with filters w: see {@link convTranspose}. */
  convTranspose(w: Tensor, options?: ConvTransposeOptions): Tensor;

  /** max(x, 0) */
  relu(): Tensor;
  /** x where x > 0, else x · negativeSlope. Default slope 0.01. */
  leakyRelu(negativeSlope?: number): Tensor;
  leakyRelu(options?: LeakyReluOptions): Tensor;
  /** 1 / (1 + e⁻ˣ) */
  sigmoid(): Tensor;
  /** (eˣ - e⁻ˣ) / (eˣ + e⁻ˣ) */
  tanh(): Tensor;
  /** x · sigmoid(x) */
  silu(): Tensor;
  /** log(1 + eˣ) */
  softplus(): Tensor;
  /** x · Φ(x) */
  gelu(options?: GeluOptions): Tensor;
  /** x where x > 0, else alpha (eˣ - 1). Default alpha 1. */
  elu(alpha?: number): Tensor;
  elu(options?: EluOptions): Tensor;
  /** x where x > 0, else alpha (e^(x / alpha) - 1). Default alpha 1. */
  celu(alpha?: number): Tensor;
  celu(options?: CeluOptions): Tensor;
  /** elu scaled so that mean 0 and variance 1 stay. */
  selu(): Tensor;
  /** min(max(x, 0), 6) */
  relu6(): Tensor;
  /** min(max(x + 3, 0), 6) / 6 */
  hardsigmoid(): Tensor;
  /** x · hardsigmoid(x) */
  hardswish(): Tensor;
  /** x · tanh(softplus(x)) */
  mish(): Tensor;
  /** log(sigmoid(x)) */
  logSigmoid(): Tensor;
  /** x where x > 0, else x · weight: one slope, or one for each element of the last axis. */
  prelu(weight: TensorLike): Tensor;
  /** Along an axis. Default -1. */
  softmax(axis?: number): Tensor;
  softmax(options?: AxisOptions): Tensor;
  /** Along an axis. Default -1. */
  logSoftmax(axis?: number): Tensor;
  logSoftmax(options?: AxisOptions): Tensor;
}

declare module '../graph/tensor.ts' {
  interface Tensor extends TensorMethods {}
}

/** Rarely called, from ops that a bundle may leave out: their files attach them when they are imported. */
const ANNOUNCED = [
  ...(['conv', 'convTranspose', 'maxPool', 'avgPool', 'adaptiveMaxPool', 'adaptiveAvgPool', 'upsample'] as const),
  ...(['elu', 'celu', 'selu', 'relu6', 'hardsigmoid', 'hardswish', 'mish', 'logSigmoid', 'prelu'] as const),
  ...(['sin', 'cos', 'prod', 'cumsum', 'gather', 'take', 'topk', 'logSumExp', 'gatherRows', 'oneHot'] as const),
] as const;

attachMethods({
  ...{ add, sub, mul, div, remainder, maximum, minimum, pow: powNumber, clip },
  ...{ neg, abs, sign, square, sqrt, rsqrt, exp, expm1, log, erf },
  ...{ equal, notEqual, less, lessEqual, greater, greaterEqual, where },
  ...{ sum, mean, max, min, variance, argmax },
  ...{ reshape, flatten, transpose, slice, broadcastTo, cast },
  matmul,
  ...{ relu, leakyRelu, sigmoid, tanh, silu, softplus, gelu, softmax, logSoftmax },
} satisfies Record<Exclude<keyof TensorMethods, (typeof ANNOUNCED)[number] | 'pad'>, unknown>);

// Constants alone: pad.ts knows all modes.
attachSmallForms({ pad: padConstant });

announceMethods(...ANNOUNCED);
