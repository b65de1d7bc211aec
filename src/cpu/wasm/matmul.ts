// y (M, N) = a · b in WebAssembly: tiles of 4 x 8 results are summed in registers along blocks of K. The 8 columns of b that
// a column of tiles reads are brought to rows of 8 first, small enough to stay in the first cache.
import type { WasmCode, WasmFunction, WasmPass, WasmScope } from '../../graph/op.ts';
import type { Product } from '../matmul.ts';
import {
  ADD,
  AND,
  advance,
  at,
  call,
  clamped,
  count,
  EQUAL,
  GREATER,
  get,
  i32,
  LOAD,
  LOAD_SPLAT,
  MUL,
  STORE,
  STORE_LANE,
  SUB,
  set,
  THREAD,
  times,
  when,
} from './module.ts';
import { COLUMNS, ROWS, type Start, tile } from './tile.ts';

/** The block of a, in rows and steps along K: 128 kB, for the L2 cache. */
const HEIGHT = 128;
const BLOCK = 256;
/** Products of fewer columns are divided among threads by rows, this many to a unit. */
const NARROW = 64;
const UNIT_ROWS = 64;

/** At address 0 of the memory there is a 1. */
export const ONE = 0;
/** The end of what the memory holds from the beginning. */
export const CONSTANTS_END = 64;
/** The panel of b: BLOCK rows of 8 floats. */
const PANEL_BYTES = BLOCK * COLUMNS * 4;

/** (b, K): copies `columns` columns of b to the panel. */
function pack(columns: number, { columnB, kB }: Product, panel: number): WasmFunction {
  const B = 0;
  const END = 1;
  const TO = 2;
  const vector = (v: number) => [get(TO), get(B), at(LOAD, v * 16), at(STORE, panel + v * 16)];
  const single = (n: number) => [
    [get(TO), get(B), at(LOAD_SPLAT, n * columnB * 4)],
    [at(STORE_LANE, panel + n * 4), 0],
  ];
  return {
    params: 2,
    i32s: 1,
    v128s: 0,
    body: [
      [get(END), i32(COLUMNS * 4), MUL, THREAD, ADD, set(END)],
      count(TO, THREAD, get(END), COLUMNS * 4, [
        columnB === 1 ? times(Math.ceil(columns / 4), vector) : times(columns, single),
        advance(B, kB * 4),
      ]),
    ],
  };
}

/** A product as a function (a, b, y, bias, from, to) of addresses and a range of units, which may reach beyond the units. */
export interface ProductFunction {
  readonly index: number;
  readonly units: number;
  readonly operations: number;
}

/** Defines a product. With `bias` every row of y begins with that vector (N) instead of zeros. */
export function product(p: Product, { define, scratch }: WasmScope, bias = false): ProductFunction {
  const { M, N, K, rowA, kA, columnB, kB } = p;
  const [A, B, Y, BIAS, FROM, TO, k, depth, n, m, top, end] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] as const;
  const panel = scratch(PANEL_BYTES);
  const byRows = N < NARROW && M > UNIT_ROWS;
  const units = Math.ceil(byRows ? M / UNIT_ROWS : N / COLUMNS);
  /** local + Σ index · elements · 4. */
  const place = (local: number, ...by: readonly (readonly [index: number, elements: number])[]) => [
    get(local),
    by.map(([index, elements]) => [get(index), i32(elements * 4), MUL, ADD]),
  ];
  const tiles = (rows: number, columns: number, start: Start) => [
    [place(A, [top, rowA], [m, rowA], [k, kA]), place(BIAS, [n, 1]), place(Y, [top, N], [m, N], [n, 1])],
    [THREAD, get(depth), i32(1)],
    call(define(tile({ rows, columns, start, rowA, rowY: N, kA, panel }))),
  ];
  const panelOf = (columns: number, height: number, start: Start) => [
    [place(B, [n, columnB], [k, kB]), get(depth), call(define(pack(columns, p, panel)))],
    each(m, height, ROWS, (rows) => tiles(rows, columns, start)),
  ];
  const block = (length: number, start: Start) => [
    [i32(length), set(depth)],
    byRows
      ? eachUnit(top, M, UNIT_ROWS, [FROM, TO, end], (height) =>
          each(n, N, COLUMNS, (columns) => panelOf(columns, height, start)),
        )
      : each(top, M, HEIGHT, (height) =>
          eachUnit(n, N, COLUMNS, [FROM, TO, end], (columns) => panelOf(columns, height, start)),
        ),
  ];
  const first = Math.min(K, BLOCK);
  const index = define({
    params: 6,
    i32s: 6,
    v128s: 0,
    body: [
      [clamped(FROM, units), clamped(TO, units)],
      [block(first, bias ? 'bias' : 'zero'), each(k, K, BLOCK, (length) => block(length, 'y'), first)],
    ],
  });
  return { index, units, operations: 2 * M * N * K };
}

/** Addresses of a product's matrices. */
export type Places = readonly [a: number, b: number, y: number, bias?: number];

/** One pass that computes several products, each with its matrices. */
export function productPass(parts: readonly (readonly [func: ProductFunction, places: Places])[]): WasmPass {
  let units = 0;
  let operations = 0;
  const body = parts.map(([func, [a, b, y, bias = 0]]) => {
    const less = [i32(units), SUB];
    units += func.units;
    operations += func.operations;
    return [[a, b, y, bias].map(i32), get(0), less, get(1), less, call(func.index)];
  });
  return { units, operations, body };
}

/** For `local` from `from` in steps: full ones in a loop, then the rest of `size`. */
export function each(local: number, size: number, step: number, body: (n: number) => WasmCode, from = 0): WasmCode {
  const rest = size % step;
  return [
    count(local, i32(from), i32(size - rest), step, size >= from + step ? body(step) : []),
    rest > 0 && size > from ? body(rest) : [],
  ];
}

/** As {@link each}, for the steps numbered from the local `from` up to the local `to`. */
export function eachUnit(
  local: number,
  size: number,
  step: number,
  [from, to, end]: readonly [from: number, to: number, end: number],
  body: (n: number) => WasmCode,
): WasmCode {
  const rest = size % step;
  const whole = Math.floor(size / step);
  return [
    [get(to), set(end), clamped(end, whole), get(end), i32(step), MUL, set(end)],
    count(local, [get(from), i32(step), MUL], get(end), step, whole > 0 ? body(step) : []),
    rest > 0 ? when([get(local), i32(size - rest), EQUAL, get(to), i32(whole), GREATER, AND], body(rest)) : [],
  ];
}
