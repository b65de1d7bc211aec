// The inner loop of products and convolutions: up to 4 x 8 results summed in registers.
import type { WasmCode, WasmFunction } from '../../graph/op.ts';
import * as F32X4 from './f32x4.ts';
import {
  ADD,
  advance,
  at,
  count,
  get,
  i32,
  LOAD,
  LOAD_SPLAT,
  leaveUnlessBelow,
  loop,
  MUL,
  set,
  simd,
  storeLanes,
  times,
} from './module.ts';

/** A full tile: with 5 rows V8 runs out of registers. */
export const ROWS = 4;
export const COLUMNS = 8;

/** The initial value of the sums: 0, the bias, or y. */
export type Start = 'zero' | 'bias' | 'y';

export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly start: Start;
  /** How many elements a advances from one row to the next, and along K. */
  readonly rowA: number;
  readonly kA: number;
  /** How many elements y advances from one row to the next. */
  readonly rowY: number;
  /** The same of b along K, in which `columns` are side by side. Default 8. */
  readonly kB?: number;
  /** Bytes added to the address of b. */
  readonly panel?: number;
  /** Each column has its own a, side by side as b's: y[m, n] = Σ a[m, k, n] · b[k, n]. */
  readonly lanewise?: boolean;
  /** K is in so many runs: how many (of the outermost, a parameter), and how many elements a and b jump after each. The innermost comes last. */
  readonly runs?: readonly (readonly [count: number, jumpA: number, jumpB: number])[];
}

/** Steps along K per loop iteration. */
const UNROLL = 4;

/** (a, bias, y, b, K, runs): a tile of results; K is the length of a run, and `runs` the number of the outermost, if there are any. */
export function tile(options: Tile): WasmFunction {
  const { rows, columns, start, rowA, kA, rowY, kB = 8, panel = 0, lanewise = false, runs = [] } = options;
  const [A, BIAS, Y, B, K, RUNS, END] = [0, 1, 2, 3, 4, 5, 6] as const;
  const COUNTS = 7;
  const X = COUNTS + runs.length;
  const W = X + 1;
  const vectors = Math.ceil(columns / 4);
  const sums = rows * vectors;
  const S = W + vectors;
  const inY = (s: number) => (Math.floor(s / vectors) * rowY + (s % vectors) * 4) * 4;
  const begin = (s: number) => [
    start === 'y' ? [get(Y), at(LOAD, inY(s))] : [get(BIAS), at(LOAD, (s % vectors) * 16)],
    set(S + s),
  ];
  const multiply = (s: number) => [
    lanewise
      ? [get(A), at(LOAD, Math.floor(s / vectors) * rowA * 4 + (s % vectors) * 16), set(X)]
      : s % vectors === 0
        ? [get(A), at(LOAD_SPLAT, (s / vectors) * rowA * 4), set(X)]
        : [],
    [get(S + s), get(X), get(W + (s % vectors)), simd(F32X4.MUL), simd(F32X4.ADD), set(S + s)],
  ];
  // Each step may leave: without that V8 moves the loads of all to the top and runs out of registers.
  const step = [
    leaveUnlessBelow(B, get(END)),
    times(vectors, (v) => [get(B), at(LOAD, panel + v * 16), set(W + v)]),
    times(sums, multiply),
    [advance(A, kA * 4), advance(B, kB * 4)],
  ];
  const run = [[get(B), get(K), ADD, set(END)], loop(times(UNROLL, () => step))];
  const nested = runs.reduceRight<WasmCode>(
    (inner, [n, jumpA, jumpB], level) =>
      count(COUNTS + level, i32(0), level === 0 ? get(RUNS) : i32(n), 1, [
        inner,
        jumpA === 0 ? [] : advance(A, jumpA * 4),
        jumpB === 0 ? [] : advance(B, jumpB * 4),
      ]),
    run,
  );
  return {
    params: 6,
    i32s: 1 + runs.length,
    v128s: 1 + vectors + sums,
    body: [
      start === 'zero' ? [] : times(sums, begin),
      [get(K), i32(kB * 4), MUL, set(K)],
      nested,
      times(sums, (s) => storeLanes(Math.min(4, columns - (s % vectors) * 4), get(Y), inY(s), get(S + s))),
    ],
  };
}
