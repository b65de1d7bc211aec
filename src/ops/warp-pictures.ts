// Pictures rotated and scaled about their centre, by choices made for each. The choices are among angles and zooms in a table, and coordinates
// are whole numbers, so that a picture's elements are read at the same places with the same weights on every device.
import { u32 } from '../../shaders/wgsl.ts';
import { ShapeError } from '../graph/errors.ts';
import type { MapScope, NdArray, Op } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import { apply1, constant, type Tensor } from '../graph/tensor.ts';
import { checkPictures, chosen, type PictureSize, placeIn } from './pictures.ts';

/** Which rotations and zooms are chosen from, and by which columns of the choices; without a column, it is the only one. */
export interface Warp {
  readonly angle: number | undefined;
  readonly zoom: number | undefined;
  /** The number of rotations in the table, before the zooms. */
  readonly angles: number;
}

/**
 * Bits after the point: of coordinates, of sines and cosines, and of inverse zooms. Angles and zooms are rounded to them, which moves a corner
 * of 224 x 224 pixels by 0.01 pixels at most.
 */
const [COORDINATE, CIRCLE, INVERSE] = [16, 15, 13] as const;

/** The largest side of a picture, and the smallest zoom: with them coordinates fit 32 bits. */
export const [MOST_PIXELS, LEAST_ZOOM] = [4096, 0.25] as const;

/** Rotations (degrees, counterclockwise) and zooms, as whole numbers: i32 [2 · angles + zooms]. */
export function warpTable(angles: readonly number[], zooms: readonly number[]): Tensor {
  const circle = angles.flatMap((degrees) => {
    const angle = (degrees * Math.PI) / 180;
    return [Math.cos(angle), Math.sin(angle)].map((v) => Math.round(v * 2 ** CIRCLE));
  });
  return constant(Int32Array.from([...circle, ...zooms.map((zoom) => Math.round(2 ** INVERSE / zoom))]));
}

/**
 * Element (h, w) is read, bilinearly and with zeros outside, at centre + R · ((h, w) - centre) / zoom. Coordinates are whole numbers in
 * 2^-16 of a pixel, so the weights have the same bits everywhere. As PyTorch's `grid_sample`.
 */
export const warpPicturesOp: Op<Warp> = {
  name: 'warpPictures',
  // Each element is read about once, so this is below what is always materialized.
  cost: 7,
  shape: ([x, choices, table]) => {
    checkPictures('warpPictures', x!, choices!);
    if (table!.dtype !== 'i32') throw new ShapeError(`warpPictures: the table is ${table!.dtype}. It must be i32.`);
    const most = Math.max(x!.shape[1]!, x!.shape[2]!);
    if (most > MOST_PIXELS)
      throw new ShapeError(
        `warpPictures: pictures of ${x!.shape[1]} x ${x!.shape[2]} are larger than ${MOST_PIXELS} pixels. Give smaller ones.`,
      );
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  flops: ([x]) => 11 * sizeOf(x!.shape),
  cpu: ([x, choices, table], [y], { angle, zoom, angles }) => {
    const [B, H, W, C] = x!.shape as [number, number, number, number];
    const columns = choices!.shape[1]!;
    const choice = (b: number, column: number | undefined) =>
      column === undefined ? 0 : choices!.data[b * columns + column]!;
    for (let b = 0; b < B; b++) {
      const k = choice(b, angle);
      const inverse = table!.data[2 * angles + choice(b, zoom)]!;
      const cos = (table!.data[2 * k]! * inverse) >> INVERSE;
      const sin = (table!.data[2 * k + 1]! * inverse) >> INVERSE;
      warp(x!, y!, b * H * W * C, [H, W, C], cos, sin);
    }
  },
  map: (scope, { angle, zoom, angles }) => {
    const { H, W, C, b, h, w, c } = placeIn(scope);
    const choice = (column: number | undefined) => (column === undefined ? '0u' : chosen(scope, b, column));
    const k = scope.let('u32', `2u * ${choice(angle)}`);
    const inverse = scope.load(2, scope.let('u32', `${u32(2 * angles)} + ${choice(zoom)}`));
    const scaled = (index: string) =>
      scope.let('i32', `(${scope.load(2, scope.let('u32', index))} * ${inverse}) >> ${u32(INVERSE)}`);
    const [cos, sin] = [scaled(k), scaled(`${k} + 1u`)];
    // Twice the distance from the centre, which may lie between pixels.
    const [v, u] = [scope.let('i32', `2 * i32(${h}) - ${H - 1}`), scope.let('i32', `2 * i32(${w}) - ${W - 1}`)];
    const half = 2 ** (COORDINATE - 1);
    const y = axis(scope, `${(H - 1) * half} + ${sin} * ${u} + ${cos} * ${v}`, H);
    const x = axis(scope, `${(W - 1) * half} + ${cos} * ${u} - ${sin} * ${v}`, W);
    const tap = (row: string, col: string) =>
      `f32(${scope.load(0, scope.let('u32', `((${b} * ${u32(H)} + ${row}) * ${u32(W)} + ${col}) * ${u32(C)} + ${c}`))})`;
    const line = (row: string) =>
      scope.let('f32', `${x.weights[0]} * ${tap(row, x.places[0])} + ${x.weights[1]} * ${tap(row, x.places[1])}`);
    return `${y.weights[0]} * ${line(y.places[0])} + ${y.weights[1]} * ${line(y.places[1])}`;
  },
};

/** The two places around a coordinate, within the picture, and their weights, 0 outside. */
function axis(scope: MapScope, coordinate: string, n: number) {
  const at = scope.let('i32', coordinate);
  const place = scope.let('u32', `u32(${at} >> ${u32(COORDINATE)})`);
  const fraction = scope.let('f32', `f32(${at} & ${2 ** COORDINATE - 1}) * ${2 ** -COORDINATE}`);
  const within = (p: string) => scope.let('u32', `min(${p}, ${u32(n - 1)})`);
  const weight = (p: string, value: string) => scope.let('f32', `select(0.0, ${value}, ${p} < ${u32(n)})`);
  const next = scope.let('u32', `${place} + 1u`);
  return {
    places: [within(place), within(next)] as const,
    weights: [weight(place, `1.0 - ${fraction}`), weight(next, fraction)] as const,
  };
}

/** One picture, from element `from` on. */
function warp(x: NdArray, y: NdArray, from: number, [H, W, C]: PictureSize, cos: number, sin: number): void {
  const [source, out, half, mask] = [x.data, y.data, 2 ** (COORDINATE - 1), 2 ** COORDINATE - 1];
  let to = from;
  for (let h = 0; h < H; h++) {
    const v = 2 * h - (H - 1);
    for (let w = 0; w < W; w++) {
      const u = 2 * w - (W - 1);
      const y0 = (H - 1) * half + sin * u + cos * v;
      const x0 = (W - 1) * half + cos * u - sin * v;
      const [row, col] = [y0 >> COORDINATE, x0 >> COORDINATE];
      const [down, right] = [(y0 & mask) / (mask + 1), (x0 & mask) / (mask + 1)];
      const top = row >= 0 && row < H ? 1 - down : 0;
      const bottom = row >= -1 && row < H - 1 ? down : 0;
      const near = col >= 0 && col < W ? 1 - right : 0;
      const far = col >= -1 && col < W - 1 ? right : 0;
      // As in WGSL, outside is the last row or column times 0.
      const r = (row >= 0 && row < H ? row : H - 1) * W;
      const s = (row >= -1 && row < H - 1 ? row + 1 : H - 1) * W;
      const p = col >= 0 && col < W ? col : W - 1;
      const q = col >= -1 && col < W - 1 ? col + 1 : W - 1;
      const [rp, rq, sp, sq] = [from + (r + p) * C, from + (r + q) * C, from + (s + p) * C, from + (s + q) * C];
      for (let c = 0; c < C; c++, to++) {
        const upper = near * source[rp + c]! + far * source[rq + c]!;
        const lower = near * source[sp + c]! + far * source[sq + c]!;
        out[to] = top * upper + bottom * lower;
      }
    }
  }
}

/** x (B, H, W, C), any dtype, as f32, warped by `choices` u32 (B, columns) from a {@link warpTable}. */
export function warpPictures(x: Tensor, choices: Tensor, table: Tensor, options: Warp): Tensor {
  return apply1(warpPicturesOp, [x, choices, table], options);
}
