// Adaptive pools: a given number of windows along each axis, which share the image between them. Where they share it equally, they are
// plain pools.
import { apply1, type Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { avgPoolOp } from './avg-pool.ts';
import { applyMaxPool } from './max-pool.ts';
import { adaptivePool, elementsOf, type Pool } from './pool-axis.ts';
import { mean } from './reduce.ts';
import { resample } from './resample.ts';
import { checkTensors } from './tensors.ts';
import { imageSizes, type Pair, pairOf, SIZES } from './window.ts';

/**
 * The maximum of each of `size` windows of images x (N, H, W, C), to (N, ...size, C): window o has the rows from floor(o · H / OH) to
 * ceil((o + 1) · H / OH), and columns likewise, as PyTorch's `adaptive_max_pool2d`. The gradient flows as in {@link maxPool}.
 */
export function adaptiveMaxPool(x: Tensor, size: Pair, ...extra: never[]): Tensor {
  return adaptiveMaxPoolNamed('adaptiveMaxPool', x, size, extra);
}

/** {@link adaptiveMaxPool} under another name in errors. */
export function adaptiveMaxPoolNamed(where: string, x: Tensor, size: Pair, extra: readonly unknown[]): Tensor {
  return applyMaxPool(x, windowsOf(where, x, size, extra));
}

/**
 * The mean of each of `size` windows of images x (N, H, W, C), to (N, ...size, C), the windows as in {@link adaptiveMaxPool}; PyTorch's
 * `adaptive_avg_pool2d`. `adaptiveAvgPool(x, 1)` is the mean of each image's channels: `x.mean([1, 2], { keepDims: true })`.
 */
export function adaptiveAvgPool(x: Tensor, size: Pair, ...extra: never[]): Tensor {
  return adaptiveAvgPoolNamed('adaptiveAvgPool', x, size, extra);
}

/** {@link adaptiveAvgPool} under another name in errors. */
export function adaptiveAvgPoolNamed(where: string, x: Tensor, size: Pair, extra: readonly unknown[]): Tensor {
  const pool = windowsOf(where, x, size, extra);
  const { rows, columns } = pool;
  if (rows.places === 1 && columns.places === 1) return mean(x, [1, 2], { keepDims: true });
  if (rows.slide && columns.slide)
    return apply1(avgPoolOp, [x], { ...pool, divisor: rows.slide.kernel * columns.slide.kernel });
  return meansAlong(meansAlong(x, 1, rows), 2, columns);
}

/** The mean of each window of one axis. */
function meansAlong(x: Tensor, axis: number, windows: Pool['rows']): Tensor {
  if (windows.places === windows.size) return x;
  return resample(
    x,
    axis,
    elementsOf(windows).map((elements) => elements.map((i) => [i, 1 / elements.length])),
  );
}

/** The windows; those of an axis of which each has the same number of elements are sliding ones. */
function windowsOf(where: string, x: Tensor, size: Pair, extra: readonly unknown[]): Pool {
  checkTensors(where, { x }, extra);
  const { H, W } = imageSizes(where, x);
  const { rows, columns } = adaptivePool([H, W], pairOf(where, 'the size', size, SIZES));
  return { rows: equalShares(rows), columns: equalShares(columns) };
}

function equalShares({ size, places }: Pool['rows']): Pool['rows'] {
  if (size % places !== 0) return { size, places };
  const kernel = size / places;
  return { size, places, slide: { kernel, stride: kernel, before: 0, dilation: 1 } };
}

attachMethods({ adaptiveMaxPool, adaptiveAvgPool });
