// Pixels, 0 to 255, as an input with the scale of a data set.
import type { DataSet } from '../../src/index.ts';

export function scaledPixels(pixels: ArrayLike<number>, scale: DataSet['scale']): Float32Array {
  const { mean, std } = scale || { mean: 0, std: 1 / 255 };
  return Float32Array.from(pixels, (v) => (v / 255 - mean) / std);
}
