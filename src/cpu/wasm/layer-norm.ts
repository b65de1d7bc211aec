// Layer norm and RMS norm over rows in WebAssembly, and the gradient of x.
import type { WasmCode, WasmPass } from '../../graph/op.ts';
import { double, loadBoth, storeRounded } from './doubles.ts';
import * as F64X2 from './f64x2.ts';
import { get, i32, MUL, set, simd } from './module.ts';
import {
  addPair,
  alongRow,
  begin,
  E,
  end,
  M,
  pair,
  pairs,
  ROW,
  type Rows,
  rowAt,
  rowsPass,
  S,
  storePairs,
  T,
  U,
  V,
  X,
  Y,
  Z,
} from './rows.ts';

/** Rows, what is added to the variance, and whether the mean is subtracted. */
export interface NormRows extends Rows {
  readonly eps: number;
  readonly centred: boolean;
}

/** What an element costs, in operations. */
const ELEMENT = 24;
const [PLUS, MINUS, PRODUCT, QUOTIENT] = [simd(F64X2.ADD), simd(F64X2.SUB), simd(F64X2.MUL), simd(F64X2.DIV)];
/** Places of the mean and 1/σ of the row. */
const STATS = [get(ROW), i32(8), MUL];

/** Runs over arrays of a row, or over a weight that all rows share. */
const whole = (...pointers: readonly (number | false)[]) =>
  pointers.filter((local) => local !== false).map((local) => [local, 16] as const);
const begins = (local: number, address: number | undefined): WasmCode =>
  address === undefined ? [] : [i32(address), set(local)];
const over = (local: number, C: number): WasmCode => [get(local), double(C), QUOTIENT, set(local)];
const xHat = (x: number, p: number): WasmCode => [pair(x, p), get(M), MINUS, get(T), PRODUCT];

/** y = (x - mean) / σ · weight + bias, and stats (N, 2), of arrays at these addresses. */
export function layerNormPass(
  rows: NormRows,
  [x, weight, bias]: readonly number[],
  [y, stats]: readonly number[],
): WasmPass {
  const { C, eps, centred } = rows;
  const sum = alongRow(C, whole(X), (lanes) => pairs(lanes, (p) => addPair(M, p, lanes, pair(X, p))));
  const squares = alongRow(C, whole(X), (lanes) =>
    pairs(lanes, (p) => [[pair(X, p), get(M), MINUS, set(V)], addPair(T, p, lanes, [get(V), get(V), PRODUCT])]),
  );
  const result = (p: number) => [
    xHat(X, p),
    weight === undefined ? [] : [pair(Z, p), PRODUCT],
    bias === undefined ? [] : [pair(E, p), PLUS],
  ];
  const pointers = whole(X, Y, weight !== undefined && Z, bias !== undefined && E);
  return rowsPass(rows, ELEMENT, [
    [begin(M, T), centred ? [rowAt(X, x!, C), sum, end(M), over(M, C)] : []],
    [rowAt(X, x!, C), squares, end(T), over(T, C)],
    [double(1), get(T), double(eps), PLUS, simd(F64X2.SQRT), QUOTIENT, set(T)],
    [rowAt(X, x!, C), rowAt(Y, y!, C), begins(Z, weight), begins(E, bias)],
    alongRow(C, pointers, (lanes) => storePairs(lanes, Y, result)),
    [storeRounded(STATS, stats!, get(M)), storeRounded(STATS, stats! + 4, get(T))],
  ]);
}

/** dx = (g - mean of g - x̂ · mean of g·x̂) / σ with g = dy · weight. */
export function layerNormGradPass(rows: NormRows, [dy, x, stats, weight]: readonly number[], dx: number): WasmPass {
  const { C, centred } = rows;
  const g = (p: number) => [pair(Y, p), weight === undefined ? [] : [pair(Z, p), PRODUCT]];
  const starts = [rowAt(X, x!, C), rowAt(Y, dy!, C), begins(Z, weight)];
  const sums = (lanes: number) =>
    pairs(lanes, (p) => [
      [g(p), set(V), addPair(S, p, lanes, get(V))],
      addPair(U, p, lanes, [get(V), pair(X, p), get(M), MINUS, PRODUCT, get(T), PRODUCT]),
    ]);
  const result = (p: number) => [
    [g(p), get(S), MINUS, xHat(X, p), get(U), PRODUCT, MINUS],
    [get(T), PRODUCT],
  ];
  const pointers = [X, Y, weight !== undefined && Z] as const;
  return rowsPass(rows, ELEMENT, [
    [loadBoth(STATS, stats!), set(M), loadBoth(STATS, stats! + 4), set(T)],
    [starts, begin(S, U), alongRow(C, whole(...pointers), sums), end(S, U)],
    [centred ? over(S, C) : begin(S), over(U, C)],
    [starts, rowAt(E, dx, C)],
    alongRow(C, whole(...pointers, E), (lanes) => storePairs(lanes, E, result)),
  ]);
}
