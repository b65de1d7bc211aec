// Average pooling: the sum of each window of an image over a divisor. Linear, so the op and its gradient are each other's gradients.
import { avgPoolGradKernel, avgPoolKernel } from '../../shaders/pool.wgsl.ts';
import { avgPoolGradPass, avgPoolPass } from '../cpu/wasm/pool.ts';
import type { Op } from '../graph/op.ts';
import { BOOLEAN, optionsOf, POSITIVE, type Schema } from '../graph/options.ts';
import { sizeOf } from '../graph/shape.ts';
import { apply1, constant, type Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { mul } from './binary.ts';
import {
  elementsOf,
  forWindows,
  imagesOf,
  loadedOnce,
  type Pool,
  passesOf,
  pooled,
  slidingPool,
  unpooled,
  variantOf,
} from './pool-axis.ts';
import { checkTensors } from './tensors.ts';
import { type ImagePadding, imageSizes, PADDING_SIDES, type Pair, SIZES, type Two } from './window.ts';

/** Options of {@link avgPool}. */
export interface AvgPoolOptions {
  /** How far the window moves. Default: the kernel. */
  readonly stride?: Pair | undefined;
  /** Zeros around the image: at most half of the kernel. Default 0. */
  readonly padding?: ImagePadding | undefined;
  /** Whether a last window may reach beyond the padding, as long as it begins before the end of the image. Default false. */
  readonly ceilMode?: boolean | undefined;
  /** Whether a window's divisor counts its padding. Default true. */
  readonly countIncludePad?: boolean | undefined;
  /** The divisor of every window, instead of its number of elements. */
  readonly divisor?: number | undefined;
}

export const AVG_POOL = {
  stride: SIZES,
  padding: [PADDING_SIDES, 0],
  ceilMode: [BOOLEAN, false],
  countIncludePad: [BOOLEAN, true],
  divisor: POSITIVE,
} satisfies Schema<AvgPoolOptions>;

/** Windows, and the divisor of all their sums. */
export interface AvgPool extends Pool {
  readonly divisor: number;
}

export const avgPoolOp: Op<AvgPool> = {
  name: 'avgPool',
  shape: ([x], pool) => [{ shape: pooled(x!, pool), dtype: 'f32' }],
  flops: ([x], { rows, columns }) =>
    sizeOf(pooled(x!, { rows, columns })) * (rows.slide?.kernel ?? 1) * (columns.slide?.kernel ?? 1),
  cpu: ([x], [y], pool) => {
    const C = x!.shape[3]!;
    forWindows(x!, pool, (to, image, pixels) => {
      for (let c = 0; c < C; c++) {
        let total = 0;
        for (const pixel of pixels) total += x!.data[image + pixel * C + c]!;
        y!.data[to + c] = total / pool.divisor;
      }
    });
  },
  cpuFast: ({ inputs, from, to }, pool) =>
    passesOf(avgPoolPass({ ...imagesOf(inputs[0]!), ...pool }, from[0]!, to[0]!, pool.divisor)),
  prologue: loadedOnce,
  epilogue: true,
  kernel: (scope, pool) => avgPoolKernel(variantOf(scope, pool), pool.divisor),
  vjp: ([dy], _inputs, _ys, pool) => [() => apply1(avgPoolGradOp, [dy!], pool)],
};

/** dx from dy: the sum of dy over the windows that an element is in, over the divisor. */
export const avgPoolGradOp: Op<AvgPool> = {
  name: 'avgPoolGrad',
  shape: ([dy], pool) => [{ shape: unpooled(dy!, pool), dtype: 'f32' }],
  cpu: ([dy], [dx], pool) => {
    const C = dy!.shape[3]!;
    dx!.data.fill(0);
    forWindows(dx!, pool, (from, image, pixels) => {
      for (const pixel of pixels)
        for (let c = 0; c < C; c++) dx!.data[image + pixel * C + c]! += dy!.data[from + c]! / pool.divisor;
    });
  },
  cpuFast: ({ inputs, from, to }, pool) =>
    passesOf(avgPoolGradPass({ ...imagesOf(inputs[0]!), ...pool }, from[0]!, to[0]!, pool.divisor)),
  prologue: loadedOnce,
  epilogue: true,
  kernel: (scope, pool) => avgPoolGradKernel(variantOf(scope, pool), pool.divisor),
  vjp: ([ddx], _inputs, _ys, pool) => [() => apply1(avgPoolOp, [ddx!], pool)],
};

/**
 * The mean of each window of images x (N, H, W, C), to (N, OH, OW, C), as PyTorch's `avg_pool2d`: `avgPool(x, 2)`,
 * `avgPool(x, 3, { stride: 1, padding: 1, countIncludePad: false })`. What a window of `ceilMode` has beyond the padding never counts.
 * @throws OptionError if the padding is more than half of the kernel, ShapeError if the kernel is larger than the padded image.
 */
export function avgPool(x: Tensor, kernel: Pair, options?: AvgPoolOptions): Tensor;
export function avgPool(x: Tensor, kernel: Pair, stride: Pair, options?: Omit<AvgPoolOptions, 'stride'>): Tensor;
export function avgPool(x: Tensor, kernel: Pair, ...given: readonly unknown[]): Tensor {
  return avgPoolNamed('avgPool', x, kernel, given);
}

/** {@link avgPool} under another name in errors. */
export function avgPoolNamed(where: string, x: Tensor, kernel: Pair, given: readonly unknown[]): Tensor {
  checkTensors(where, { x });
  const options = optionsOf<AvgPoolOptions, typeof AVG_POOL>(where, 'stride', given, AVG_POOL);
  const { H, W } = imageSizes(where, x);
  const { rows, columns, window } = slidingPool(where, [H, W], { kernel, stride: options.stride, ...options });
  if (options.divisor !== undefined) return applyAvgPool(x, { rows, columns }, options.divisor);
  const [top, bottom, left, right] = options.countIncludePad ? window.padding : [0, 0, 0, 0];
  const [ofRow, ofColumn] = [countsOf(rows, [top, bottom]), countsOf(columns, [left, right])];
  const [first] = ofRow.flatMap((h) => ofColumn.map((w) => h * w));
  if (ofRow.every((h) => h === ofRow[0]) && ofColumn.every((w) => w === ofColumn[0]))
    return applyAvgPool(x, { rows, columns }, first!);
  const shares = ofRow.map((h) => ofColumn.map((w) => [1 / (h * w)]));
  return mul(applyAvgPool(x, { rows, columns }, 1), constant(shares));
}

/** The number of elements in each window of an axis, with `padding` as part of the image. */
function countsOf(axis: Pool['rows'], [before, after]: Two): number[] {
  const slide = { ...axis.slide!, before: axis.slide!.before - before };
  return elementsOf({ ...axis, size: axis.size + before + after, slide }).map(({ length }) => length);
}

/** The sums of windows over one divisor. */
export function applyAvgPool(x: Tensor, { rows, columns }: Pool, divisor: number): Tensor {
  return apply1(avgPoolOp, [x], { rows, columns, divisor });
}

attachMethods({ avgPool });
