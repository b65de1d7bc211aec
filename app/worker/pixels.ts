// Pixels, 0 to 255, as an input with the scale of a data set.
import type { DataSet } from '../../src/index.ts';

export function scaledPixels(pixels: ArrayLike<number>, scale: DataSet['scale']): Float32Array {
  const { mean, std } = scale || { mean: 0, std: 1 / 255 };
  const at = (v: number | readonly number[], k: number) => (typeof v === 'number' ? v : v[k % v.length]!);
  return Float32Array.from(pixels, (v, k) => (v / 255 - at(mean, k)) / at(std, k));
}
