// Max pooling: the maximum of each window of an image, and the place where it is. The gradient is dy at that place, a gather; its own
// gradient takes the element at the place.
import { maxPoolGradKernel, maxPoolKernel } from '../../shaders/pool.wgsl.ts';
import { quotient, u32 } from '../../shaders/wgsl.ts';
import { maxPoolGradPass, maxPoolPass } from '../cpu/wasm/pool.ts';
import type { Op } from '../graph/op.ts';
import { BOOLEAN, optionsOf, type Schema } from '../graph/options.ts';
import { sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import {
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
import { type ImagePadding, imageSizes, PADDING_SIDES, type Pair, SIZES } from './window.ts';

/** Options of {@link maxPool}. */
export interface MaxPoolOptions {
  /** How far the window moves. Default: the kernel. */
  readonly stride?: Pair | undefined;
  /** Elements around the image, which are never the maximum: at most half of the kernel. Default 0. */
  readonly padding?: ImagePadding | undefined;
  /** The distance between the elements of a window. Default 1. */
  readonly dilation?: Pair | undefined;
  /** Whether a last window may reach beyond the padding, as long as it begins before the end of the image. Default false. */
  readonly ceilMode?: boolean | undefined;
}

export const MAX_POOL = {
  stride: SIZES,
  padding: [PADDING_SIDES, 0],
  dilation: [SIZES, 1],
  ceilMode: [BOOLEAN, false],
} satisfies Schema<MaxPoolOptions>;

/** y, and the number of the pixel in its image that each maximum is at. */
export const maxPoolOp: Op<Pool> = {
  name: 'maxPool',
  shape: ([x], pool) => [
    { shape: pooled(x!, pool), dtype: 'f32' },
    { shape: pooled(x!, pool), dtype: 'u32' },
  ],
  flops: ([x], pool) => sizeOf(pooled(x!, pool)) * windowSize(pool),
  cpu: ([x], [y, place], pool) => {
    const C = x!.shape[3]!;
    forWindows(x!, pool, (to, image, pixels) => {
      for (let c = 0; c < C; c++) {
        let best = pixels[0]!;
        let largest = x!.data[image + best * C + c]!;
        for (const pixel of pixels) {
          const v = x!.data[image + pixel * C + c]!;
          if (v > largest || (Number.isNaN(v) && !Number.isNaN(largest))) {
            largest = v;
            best = pixel;
          }
        }
        y!.data[to + c] = largest;
        place!.data[to + c] = best;
      }
    });
  },
  cpuFast: ({ inputs, from, to }, pool) =>
    passesOf(maxPoolPass({ ...imagesOf(inputs[0]!), ...pool }, from[0]!, to[0]!, to[1]!)),
  prologue: loadedOnce,
  epilogue: true,
  kernel: (scope, pool) => maxPoolKernel(variantOf(scope, pool)),
  vjp: ([dy], _inputs, [, place], pool) => [dy && (() => apply1(maxPoolGradOp, [dy, place!], pool))],
};

/** Elements of a window. */
export function windowSize({ rows, columns }: Pool): number {
  const along = ({ size, places, slide }: Pool['rows']) => slide?.kernel ?? size / places;
  return along(rows) * along(columns);
}

/** dx from dy and the places: the sum of dy over the windows whose maximum the element is. */
export const maxPoolGradOp: Op<Pool> = {
  name: 'maxPoolGrad',
  shape: ([dy], pool) => [{ shape: unpooled(dy!, pool), dtype: 'f32' }],
  flops: ([dy]) => sizeOf(dy!.shape),
  cpu: ([dy, places], [dx], { rows, columns }) => {
    const C = dy!.shape[3]!;
    const image = rows.size * columns.size * C;
    dx!.data.fill(0);
    for (let i = 0; i < dy!.data.length; i++) {
      const n = Math.floor(i / (rows.places * columns.places * C));
      dx!.data[n * image + places!.data[i]! * C + (i % C)]! += dy!.data[i]!;
    }
  },
  cpuFast: ({ inputs, from, to }, pool) =>
    passesOf(maxPoolGradPass({ ...imagesOf(inputs[0]!), ...pool }, from[0]!, from[1]!, to[0]!)),
  prologue: loadedOnce,
  epilogue: true,
  kernel: (scope, pool) => maxPoolGradKernel(variantOf(scope, pool)),
  vjp: ([ddx], [, places], _ys, pool) => [() => apply1(atMaximaOp, [ddx!, places!], pool), undefined],
};

/** The element of x at each window's place: the gradient of {@link maxPoolGradOp}, which is its gradient. */
export const atMaximaOp: Op<Pool> = {
  name: 'atMaxima',
  flops: () => 0,
  shape: ([x], pool) => [{ shape: pooled(x!, pool), dtype: 'f32' }],
  cpu: ([x, places], [y], { rows, columns }) => {
    const C = x!.shape[3]!;
    const image = rows.size * columns.size * C;
    for (let i = 0; i < y!.data.length; i++) {
      const n = Math.floor(i / (rows.places * columns.places * C));
      y!.data[i] = x!.data[n * image + places!.data[i]! * C + (i % C)]!;
    }
  },
  map: (scope, { rows, columns }) => {
    const { shape } = scope.out;
    const [C, count] = [shape[3]!, sizeOf(shape)];
    const pixel = scope.let('u32', quotient(scope.i, C, count));
    const n = quotient(scope.i, rows.places * columns.places * C, count);
    const place = scope.load(1, scope.i);
    const at = `(${n} * ${u32(rows.size * columns.size)} + ${place}) * ${u32(C)} + ${scope.i} - ${pixel} * ${u32(C)}`;
    return scope.load(0, scope.let('u32', `min(${at}, ${u32(sizeOf(scope.inputs[0]!.shape) - 1)})`));
  },
  vjp: ([dy], [, places], _ys, pool) => [() => apply1(maxPoolGradOp, [dy!, places!], pool), undefined],
};

/**
 * The maximum of each window of images x (N, H, W, C), to (N, OH, OW, C); OH = floor((H + padding - dilation · (kernel - 1) - 1) / stride)
 * + 1, as PyTorch's `max_pool2d`: `maxPool(x, 2)`, `maxPool(x, 3, { stride: 2, padding: 1 })`. The gradient flows to the first maximum in
 * row-major order; NaN counts as the largest. @throws OptionError if the padding is more than half of the kernel, ShapeError if the
 * kernel is larger than the padded image.
 */
export function maxPool(x: Tensor, kernel: Pair, options?: MaxPoolOptions): Tensor;
export function maxPool(x: Tensor, kernel: Pair, stride: Pair, options?: Omit<MaxPoolOptions, 'stride'>): Tensor;
export function maxPool(x: Tensor, kernel: Pair, ...given: readonly unknown[]): Tensor {
  return maxPoolNamed('maxPool', x, kernel, given);
}

/** {@link maxPool} under another name in errors. */
export function maxPoolNamed(where: string, x: Tensor, kernel: Pair, given: readonly unknown[]): Tensor {
  checkTensors(where, { x });
  const options = optionsOf<MaxPoolOptions, typeof MAX_POOL>(where, 'stride', given, MAX_POOL);
  const { H, W } = imageSizes(where, x);
  return applyMaxPool(x, slidingPool(where, [H, W], { kernel, stride: options.stride, ...options }));
}

/** The maxima of windows. */
export function applyMaxPool(x: Tensor, { rows, columns }: Pool): Tensor {
  return apply1(maxPoolOp, [x], { rows, columns });
}

attachMethods({ maxPool });
