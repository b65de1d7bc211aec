// Means, extrema, variance and argmax over any axes. Reductions share reduction.ts; sum is in broadcast.ts.
import { argmaxKernel } from '../../shaders/argmax.wgsl.ts';
import type { HostArray } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { FINITE, optionsOf, type Schema } from '../graph/options.ts';
import { formatShape, normalizeAxes, normalizeAxis, sizeOf, stridesOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { div, equal, mul, sub } from './binary.ts';
import { broadcastTo, sum } from './broadcast.ts';
import { copy } from './counter.ts';
import {
  dropAxes,
  keptAsOnes,
  offsets,
  REDUCE,
  type ReduceOptions,
  reduceLayout,
  reduceOp,
  reduceWith,
} from './reduction.ts';
import {
  type Axis,
  checkTensors,
  KEPT_LAST_AXIS,
  type KeepDims,
  type KeptAxisOptions,
  refuseLooseAxes,
} from './tensors.ts';
import { square } from './unary.ts';

/** dy, shared equally among the elements that equal the extremum. */
function toExtrema(dy: Tensor, x: Tensor, y: Tensor, axes: readonly number[]): Tensor {
  const chosen = equal(x, y);
  const share = div(dy, sum(chosen, axes, { keepDims: true }));
  return mul(chosen, share);
}

export const meanOp = reduceOp('mean', (dy, x, y) => broadcastTo(mul(dy, y.size / x.size), x.shape));
export const maxOp = reduceOp('max', toExtrema);
export const minOp = reduceOp('min', toExtrema);

/** The mean of x over one or more axes: `mean(x, 0)`, or `mean(x, { axis: 0, keepDims: true })`. Default: all axes. */
export function mean(x: Tensor, axis?: Axis, options?: KeepDims): Tensor;
export function mean(x: Tensor, options?: ReduceOptions): Tensor;
export function mean(x: Tensor, ...over: readonly unknown[]): Tensor {
  return reduceWith(meanOp, x, over);
}

/**
 * The maximum of x over one or more axes; NaN if any element is. Default: all axes. Elements that equal the maximum share its gradient
 * equally, as in PyTorch's `amax`.
 */
export function max(x: Tensor, axis?: Axis, options?: KeepDims): Tensor;
export function max(x: Tensor, options?: ReduceOptions): Tensor;
export function max(x: Tensor, ...over: readonly unknown[]): Tensor {
  return reduceWith(maxOp, x, over, held);
}

/** The minimum of x over one or more axes; NaN and gradients as in {@link max}. Default: all axes. */
export function min(x: Tensor, axis?: Axis, options?: KeepDims): Tensor;
export function min(x: Tensor, options?: ReduceOptions): Tensor;
export function min(x: Tensor, ...over: readonly unknown[]): Tensor {
  return reduceWith(minOp, x, over, held);
}

/**
 * A copy of x in memory. The gradient looks for the elements that equal the extremum, so forward and backward must see the same bits of x;
 * recomputed in another kernel, the last bit might differ.
 */
function held(x: Tensor): Tensor {
  return x.node.op?.map ? copy(x) : x;
}

/** Options of {@link variance}. */
export interface VarianceOptions extends ReduceOptions {
  /** Subtracted from N in the divisor. Default 1. */
  readonly correction?: number | undefined;
}

const VARIANCE = { ...REDUCE, correction: [FINITE, 1] } satisfies Schema<VarianceOptions>;

/**
 * The variance of x over one or more axes: Σ (x - mean)² / (N - correction), as PyTorch's `var`. Default: all axes. Default correction 1,
 * the sample variance; 0 gives the population variance. Throws a `ShapeError` if N <= correction.
 */
export function variance(x: Tensor, axis?: Axis, options?: Omit<VarianceOptions, 'axis'>): Tensor;
export function variance(x: Tensor, options?: VarianceOptions): Tensor;
export function variance(x: Tensor, ...given: readonly unknown[]): Tensor {
  checkTensors('variance', { x });
  refuseLooseAxes('variance', given);
  const options = optionsOf<VarianceOptions, typeof VARIANCE>('variance', 'axis', given, VARIANCE);
  const { axis, keepDims, correction } = options;
  const over = normalizeAxes('variance', axis, x.rank);
  const N = sizeOf(over.map((axis) => x.shape[axis]!));
  if (!(N > correction)) {
    throw new ShapeError(
      `variance: ${N} elements of ${formatShape(x.shape)} over axes [${over}] leave nothing to divide by with correction ${correction}. Use more elements or correction: 0.`,
    );
  }
  const deviation = sub(x, mean(x, over, { keepDims: true }));
  return mul(sum(square(deviation), over, { keepDims }), 1 / (N - correction));
}

export const argmaxOp: Op<{ readonly axis: number }> = {
  name: 'argmax',
  shape: ([x], { axis }) => {
    if (x!.dtype !== 'f32') throw new ShapeError(`argmax: x is ${x!.dtype}. It must be f32: cast(x, 'f32').`);
    return [{ shape: keptAsOnes(x!, [axis]), dtype: 'u32' }];
  },
  cpu: ([x], [y], { axis }) => {
    const { keptShape, keptStrides } = reduceLayout(x!.shape, [axis]);
    const bases = offsets(keptShape, keptStrides);
    const stride = stridesOf(x!.shape)[axis]!;
    for (let o = 0; o < bases.length; o++) y!.data[o] = placeOfMax(x!.data, bases[o]!, stride, x!.shape[axis]!);
  },
  prologue: () => [0],
  epilogue: true,
  kernel: ({ inputs, gpu }, { axis }) =>
    argmaxKernel({ layout: reduceLayout(inputs[0]!.shape, [axis]), barriers: gpu.barriers }),
};

/** The index of the largest of `count` elements: the first of equals, the first NaN if there is one. */
export function placeOfMax(x: HostArray, at: number, stride: number, count: number): number {
  let place = 0;
  let largest = x[at]!;
  for (let k = 1, i = at + stride; k < count; k++, i += stride) {
    const v = x[i]!;
    if (v > largest || (Number.isNaN(v) && !Number.isNaN(largest))) {
      largest = v;
      place = k;
    }
  }
  return place;
}

/** The index (u32) of the largest element along `axis`, the first of equals; NaN counts as the largest. Default axis -1. */
export function argmax(x: Tensor, axis?: number, options?: KeepDims): Tensor;
export function argmax(x: Tensor, options?: KeptAxisOptions): Tensor;
export function argmax(x: Tensor, ...given: readonly unknown[]): Tensor {
  checkTensors('argmax', { x });
  const options = optionsOf<KeptAxisOptions, typeof KEPT_LAST_AXIS>('argmax', 'axis', given, KEPT_LAST_AXIS);
  const axis = normalizeAxis('argmax', options.axis, x.rank);
  return dropAxes(apply1(argmaxOp, [x], { axis }), [axis], options.keepDims);
}
