// Pools of images (N, H, W, C) in WebAssembly: four channels at a time, window after window. A unit is an image.
import type { WasmCode, WasmPass } from '../../graph/op.ts';
import * as F32X4 from './f32x4.ts';
import {
  ADD,
  advance,
  at,
  clamped,
  clear,
  count,
  DIV,
  fill,
  get,
  i32,
  LOAD,
  MUL,
  SUB,
  set,
  simd,
  storeLanes,
  times,
} from './module.ts';

/** An axis: window o begins at o · stride - before; without `slide` it reaches from floor(o · size / places) to ceil((o + 1) · size / places). */
export interface PoolAxis {
  readonly size: number;
  readonly places: number;
  readonly slide?: {
    readonly kernel: number;
    readonly stride: number;
    readonly before: number;
    readonly dilation: number;
  };
}

export interface PoolSizes {
  readonly N: number;
  readonly C: number;
  readonly rows: PoolAxis;
  readonly columns: PoolAxis;
}

/** Windows of so few elements are written out, if no window is cut off. */
const UNROLLED = 16;

const [N, IMAGE, PLACE, ROW, COLUMN, H, H_FROM, H_TO, W, W_FROM, W_TO, C, X, Y, PIXEL] = [
  2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
] as const;
const I32S = 15;
const [V, BEST, WHERE, MASK] = [17, 18, 19, 20] as const;

const isDilated = ({ slide }: PoolAxis) => slide !== undefined && slide.dilation > 1;
const isWhole = ({ size, places, slide }: PoolAxis) =>
  slide !== undefined && slide.before === 0 && (places - 1) * slide.stride + slide.kernel <= size;
const isTiled = (axis: PoolAxis) =>
  isWhole(axis) && axis.slide!.kernel === axis.slide!.stride && axis.places * axis.slide!.stride === axis.size;

/** What a pool computes for four channels of a window. X is the address of a pixel's channels, Y of the window's, PIXEL the pixel's number. */
interface Work {
  readonly large: number;
  /** Before the image, before the window's first element, at each element, and after the last. */
  readonly image?: WasmCode;
  readonly first?: WasmCode;
  readonly element: (lanes: number) => WasmCode;
  readonly last?: (lanes: number) => WasmCode;
}

/** Sets `from` and `to` to the elements of window `place` inside the image. */
function range({ size, places, slide }: PoolAxis, place: number, from: number, to: number): WasmCode {
  if (!slide) {
    const scaled = [i32(size), MUL];
    return [
      [get(place), scaled, i32(places), DIV, set(from)],
      [get(place), i32(1), ADD, scaled, i32(places - 1), ADD, i32(places), DIV, set(to)],
    ];
  }
  const { kernel, stride, before } = slide;
  return [
    [get(place), i32(stride), MUL, i32(before), SUB, set(from)],
    [get(from), i32(kernel), ADD, set(to), clamped(from, size), clamped(to, size)],
  ];
}

function passOf(p: PoolSizes, work: Work): WasmPass | undefined {
  const { rows, columns, C: channels } = p;
  if (isDilated(rows) || isDilated(columns)) return undefined;
  const rest = channels % 4;
  const [KH, KW] = [rows.slide?.kernel ?? 0, columns.slide?.kernel ?? 0];
  const unrolled = isWhole(rows) && isWhole(columns) && KH * KW <= UNROLLED;
  const small = channels * 4;
  const line = columns.size * small;
  const pixels = (lanes: number): WasmCode =>
    unrolled
      ? times(KH, (h) => [
          times(KW, (w) => [work.element(lanes), w + 1 < KW ? [advance(X, small), advance(PIXEL, 1)] : []]),
          h + 1 < KH ? [advance(X, line - (KW - 1) * small), advance(PIXEL, columns.size - KW + 1)] : [],
        ])
      : count(H, get(H_FROM), get(H_TO), 1, [
          [get(H), i32(columns.size), MUL, get(W_FROM), ADD, set(PIXEL)],
          [get(PIXEL), i32(small), MUL, get(C), ADD, get(IMAGE), ADD, set(X)],
          count(W, get(W_FROM), get(W_TO), 1, [work.element(lanes), advance(X, small), advance(PIXEL, 1)]),
        ]);
  const group = (lanes: number) => [
    [get(H_FROM), i32(columns.size), MUL, get(W_FROM), ADD, set(PIXEL)],
    [get(PIXEL), i32(small), MUL, get(C), ADD, get(IMAGE), ADD, set(X)],
    [get(PLACE), get(C), ADD, set(Y)],
    [work.first ?? [], pixels(lanes), work.last?.(lanes) ?? []],
  ];
  const imageBytes = rows.size * line;
  const placeBytes = rows.places * columns.places * small;
  return {
    units: p.N,
    operations: 4 * p.N * (imageBytes + placeBytes),
    i32s: I32S,
    v128s: 4,
    body: count(N, get(0), get(1), 1, [
      [get(N), i32(imageBytes), MUL, i32(work.large), ADD, set(IMAGE)],
      [get(N), i32(placeBytes), MUL, set(PLACE)],
      work.image ?? [],
      count(ROW, i32(0), i32(rows.places), 1, [
        range(rows, ROW, H_FROM, H_TO),
        count(COLUMN, i32(0), i32(columns.places), 1, [
          range(columns, COLUMN, W_FROM, W_TO),
          count(C, i32(0), i32((channels - rest) * 4), 16, group(4)),
          rest > 0 ? group(rest) : [],
          advance(PLACE, small),
        ]),
      ]),
    ]),
  };
}

const splat = (value: WasmCode): WasmCode => [value, simd(0x11)];
const EQUAL_I32 = 0x37;

/** y and the number of each maximum's pixel, of arrays at these addresses; undefined for dilated windows. */
export function maxPoolPass(p: PoolSizes, x: number, y: number, place: number): WasmPass | undefined {
  // Larger, or the first NaN: neither is v <= best, unless best is NaN.
  const isBetter = [
    get(BEST),
    get(BEST),
    simd(F32X4.EQUAL),
    get(V),
    get(BEST),
    simd(F32X4.LESS_EQUAL),
    simd(F32X4.AND_NOT),
  ];
  const chosen = (value: WasmCode, local: number) => [value, get(local), get(MASK), simd(F32X4.SELECT), set(local)];
  return passOf(p, {
    large: x,
    first: [get(X), at(LOAD, 0), set(BEST), splat(get(PIXEL)), set(WHERE)],
    element: () => [
      [get(X), at(LOAD, 0), set(V), isBetter, set(MASK)],
      [chosen(get(V), BEST), chosen(splat(get(PIXEL)), WHERE)],
    ],
    last: (lanes) => [storeLanes(lanes, get(Y), y, get(BEST)), storeLanes(lanes, get(Y), place, get(WHERE))],
  });
}

/** dx: dy at the place of each window's maximum. */
export function maxPoolGradPass(p: PoolSizes, dy: number, place: number, dx: number): WasmPass | undefined {
  const chosen = [get(BEST), get(WHERE), splat(get(PIXEL)), simd(EQUAL_I32), simd(F32X4.AND)];
  return spread(p, dx, [get(Y), at(LOAD, dy), set(BEST), get(Y), at(LOAD, place), set(WHERE)], chosen);
}

/** The sum of each window over a divisor. */
export function avgPoolPass(p: PoolSizes, x: number, y: number, divisor: number): WasmPass | undefined {
  return passOf(p, {
    large: x,
    first: [fill(0), set(BEST)],
    element: () => [get(BEST), get(X), at(LOAD, 0), simd(F32X4.ADD), set(BEST)],
    last: (lanes) => [[get(BEST), fill(divisor), simd(F32X4.DIV), set(BEST)], storeLanes(lanes, get(Y), y, get(BEST))],
  });
}

/** dx: dy of each window that an element is in, over a divisor. */
export function avgPoolGradPass(p: PoolSizes, dy: number, dx: number, divisor: number): WasmPass | undefined {
  return spread(p, dx, [get(Y), at(LOAD, dy), fill(divisor), simd(F32X4.DIV), set(BEST)], get(BEST));
}

/** Adds `value` to every element of a window. */
function spread(p: PoolSizes, dx: number, first: WasmCode, value: WasmCode): WasmPass | undefined {
  // Windows that tile the image meet each element once.
  const once = isTiled(p.rows) && isTiled(p.columns);
  return passOf(p, {
    large: dx,
    image: once ? [] : clear(get(IMAGE), i32(p.rows.size * p.columns.size * p.C * 4)),
    first,
    element: (lanes) => [
      [value, once ? fill(0) : [get(X), at(LOAD, 0)], simd(F32X4.ADD), set(V)],
      storeLanes(lanes, get(X), 0, get(V)),
    ],
  });
}
