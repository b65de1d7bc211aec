// Bilinear resizing of bytes as Pillow does it (Image.resize, BILINEAR; torchvision on its images): a triangle filter that widens when an
// image shrinks, so that all pixels count, in two passes with weights in fixed point. Equal to the byte.
// https://github.com/python-pillow/Pillow/blob/main/src/libImaging/Resample.c

/** One axis: `from` pixels scaled to `to`, of which `count` from `first` are computed. */
export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly first: number;
  readonly count: number;
}

/** Fractional bits of the weights: a byte times a weight, rounded, fits 31 bits. */
const PRECISION = 22;
const HALF = 1 << (PRECISION - 1);

/** The pixels that a pixel is computed from, and their weights. */
interface Taps {
  readonly start: number;
  readonly weights: Int32Array;
}

/** An image (rows.from, columns.from, channels) resized to (rows.count, columns.count, channels). */
export function resample(
  data: Uint8Array | Uint8ClampedArray,
  channels: number,
  rows: Axis,
  columns: Axis,
): Uint8Array {
  const down = tapsOf(rows);
  const across = tapsOf(columns);
  // Rows that no tap reads are left out of the first pass.
  const top = down[0]!.start;
  const bottom = down.reduce((most, { start, weights }) => Math.max(most, start + weights.length), 0);
  const W = columns.count;
  const narrow = new Uint8Array((bottom - top) * W * channels);
  for (let row = top; row < bottom; row++)
    for (let w = 0; w < W; w++) {
      const from = (row * columns.from + across[w]!.start) * channels;
      sum(data, from, channels, across[w]!.weights, narrow, ((row - top) * W + w) * channels, channels);
    }
  const out = new Uint8Array(rows.count * W * channels);
  const pitch = W * channels;
  for (let h = 0; h < rows.count; h++)
    sum(narrow, (down[h]!.start - top) * pitch, pitch, down[h]!.weights, out, h * pitch, pitch);
  return out;
}

/** Weighted sums of `count` bytes side by side, whose taps are `step` apart. */
function sum(
  x: Uint8Array | Uint8ClampedArray,
  from: number,
  step: number,
  weights: Int32Array,
  y: Uint8Array,
  to: number,
  count: number,
): void {
  for (let c = 0; c < count; c++) {
    let total = HALF;
    for (let k = 0; k < weights.length; k++) total += x[from + k * step + c]! * weights[k]!;
    y[to + c] = total >> PRECISION;
  }
}

function tapsOf({ from, to, first, count }: Axis): Taps[] {
  const scale = from / to;
  const spread = Math.max(scale, 1);
  return Array.from({ length: count }, (_, k) => {
    const centre = (first + k + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - spread + 0.5));
    const end = Math.min(from, Math.trunc(centre + spread + 0.5));
    const exact = Array.from({ length: end - start }, (_, i) =>
      Math.max(0, 1 - Math.abs((start + i - centre + 0.5) / spread)),
    );
    const total = exact.reduce((a, b) => a + b, 0);
    return { start, weights: Int32Array.from(exact, (w) => Math.trunc((w / total) * 2 ** PRECISION + 0.5)) };
  });
}
