// y (M, N) = a · b in WebAssembly: tiles of 4 x 8 results are summed in registers along blocks of K. The 8 columns of b that
// a column of tiles reads are brought to rows of 8 first, small enough to stay in the first cache.
import type { WasmCode, WasmFunction } from '../../graph/op.ts';
import type { Product } from '../matmul.ts';
import * as F32X4 from './f32x4.ts';
import {
  ADD,
  advance,
  at,
  call,
  count,
  get,
  i32,
  LOAD,
  LOAD_SPLAT,
  leaveUnlessBelow,
  loop,
  MUL,
  STORE,
  STORE_LANE,
  set,
  simd,
  storeLanes,
  times,
} from './module.ts';

const ROWS = 4;
const COLUMNS = 8;
/** The block of a, in rows and steps along K: 128 kB, for the L2 cache. */
const HEIGHT = 128;
const BLOCK = 256;
/** Steps along K per loop iteration. */
const UNROLL = 4;

/** At address 0 of the memory there is a 1. */
export const ONE = 0;
/** Where the panel of b is: BLOCK rows of 8 floats. */
const PANEL = 64;
export const PANEL_END = PANEL + BLOCK * COLUMNS * 4;

/** The initial value of a tile's sums: 0, the bias, or y. */
type Start = 'zero' | 'bias' | 'y';

/** (a, bias, y, K): a tile of `rows` x `columns` results; b is in the panel. */
function tile(rows: number, columns: number, start: Start, { rowA, kA, N }: Product): WasmFunction {
  const A = 0;
  const BIAS = 1;
  const Y = 2;
  const END = 3;
  const B = 4;
  const X = 5;
  const W = 6;
  const vectors = Math.ceil(columns / 4);
  const sums = rows * vectors;
  const S = W + vectors;
  const inY = (s: number) => (Math.floor(s / vectors) * N + (s % vectors) * 4) * 4;
  const begin = (s: number) => [
    start === 'y' ? [get(Y), at(LOAD, inY(s))] : [get(BIAS), at(LOAD, (s % vectors) * 16)],
    set(S + s),
  ];
  const multiply = (s: number) => [
    s % vectors === 0 ? [get(A), at(LOAD_SPLAT, (s / vectors) * rowA * 4), set(X)] : [],
    [get(S + s), get(X), get(W + (s % vectors)), simd(F32X4.MUL), simd(F32X4.ADD), set(S + s)],
  ];
  // Each step may leave: without that V8 moves the loads of all to the top and runs out of registers.
  const step = [
    leaveUnlessBelow(B, get(END)),
    times(vectors, (v) => [get(B), at(LOAD, PANEL + v * 16), set(W + v)]),
    times(sums, multiply),
    [advance(A, kA * 4), advance(B, COLUMNS * 4)],
  ];
  return {
    params: 4,
    i32s: 1,
    v128s: 1 + vectors + sums,
    body: [
      start === 'zero' ? [] : times(sums, begin),
      [get(END), i32(COLUMNS * 4), MUL, set(END)],
      loop(times(UNROLL, () => step)),
      times(sums, (s) => storeLanes(Math.min(4, columns - (s % vectors) * 4), get(Y), inY(s), get(S + s))),
    ],
  };
}

/** (b, K): copies `columns` columns of b to the panel. */
function pack(columns: number, { columnB, kB }: Product): WasmFunction {
  const B = 0;
  const END = 1;
  const TO = 2;
  const vector = (v: number) => [get(TO), get(B), at(LOAD, v * 16), at(STORE, PANEL + v * 16)];
  const single = (n: number) => [
    [get(TO), get(B), at(LOAD_SPLAT, n * columnB * 4)],
    [at(STORE_LANE, PANEL + n * 4), 0],
  ];
  return {
    params: 2,
    i32s: 1,
    v128s: 0,
    body: count(TO, i32(0), [get(END), i32(COLUMNS * 4), MUL], COLUMNS * 4, [
      columnB === 1 ? times(Math.ceil(columns / 4), vector) : times(columns, single),
      advance(B, kB * 4),
    ]),
  };
}

/**
 * Defines the product (a, b, y, bias) and returns its index; its arguments are addresses. With `bias` every row of y begins with
 * that vector (N) instead of zeros.
 */
export function product(p: Product, define: (func: WasmFunction) => number, bias = false): number {
  const { M, N, K, rowA, kA, columnB, kB } = p;
  const A = 0;
  const B = 1;
  const Y = 2;
  const BIAS = 3;
  const k = 4;
  const depth = 5;
  const n = 6;
  const m = 7;
  const top = 8;
  /** local + Σ index · elements · 4. */
  const place = (local: number, ...by: readonly (readonly [index: number, elements: number])[]) => [
    get(local),
    by.map(([index, elements]) => [get(index), i32(elements * 4), MUL, ADD]),
  ];
  const tiles = (rows: number, columns: number, start: Start) => [
    [place(A, [top, rowA], [m, rowA], [k, kA]), place(BIAS, [n, 1]), place(Y, [top, N], [m, N], [n, 1]), get(depth)],
    call(define(tile(rows, columns, start, p))),
  ];
  const block = (length: number, start: Start) => [
    [i32(length), set(depth)],
    each(top, M, HEIGHT, (height) =>
      each(n, N, COLUMNS, (columns) => [
        [place(B, [n, columnB], [k, kB]), get(depth), call(define(pack(columns, p)))],
        each(m, height, ROWS, (rows) => tiles(rows, columns, start)),
      ]),
    ),
  ];
  const first = Math.min(K, BLOCK);
  return define({
    params: 4,
    i32s: 5,
    v128s: 0,
    body: [block(first, bias ? 'bias' : 'zero'), each(k, K, BLOCK, (length) => block(length, 'y'), first)],
  });
}

/** For `local` from `from` in steps: full ones in a loop, then the rest of `size`. */
function each(local: number, size: number, step: number, body: (n: number) => WasmCode, from = 0): WasmCode {
  const rest = size % step;
  return [
    count(local, i32(from), i32(size - rest), step, size >= from + step ? body(step) : []),
    rest > 0 && size > from ? body(rest) : [],
  ];
}
