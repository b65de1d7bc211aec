// Rows of C elements that lie side by side, in WebAssembly: what softmax, cross-entropy and layer norm share. A unit is a row. Sums are doubles,
// and so are formulas, which are those of the plain loops.
import type { WasmCode, WasmPass } from '../../graph/op.ts';
import { double, firstDoubles, loadTwo, rounded, total } from './doubles.ts';
import * as F32X4 from './f32x4.ts';
import * as F64X2 from './f64x2.ts';
import { ADD, advance, at, count, get, i32, LOAD, LOAD_SPLAT, MUL, set, simd, storeLanes, times } from './module.ts';

/** Locals of a row: its number, and places in its arrays. */
export const [ROW, X, Y, Z, E, END] = [2, 3, 4, 5, 6, 7] as const;
const I32S = 6;
/** Vectors: values of a pair, four floats, and sums that keep their low and high pairs apart. */
export const [V, K, LOW, HIGH, M, S, T, U, P, Q] = [8, 9, 10, 11, 12, 13, 14, 15, 16, 17] as const;
const V128S = 10;

export interface Rows {
  readonly N: number;
  readonly C: number;
}

/** A pass over rows; `cost`: of an element, in operations. */
export function rowsPass({ N, C }: Rows, cost: number, body: WasmCode): WasmPass {
  return { units: N, operations: cost * N * C, i32s: I32S, v128s: V128S, body: count(ROW, get(0), get(1), 1, body) };
}

/** local = the row's place in an array at an address. */
export const rowAt = (local: number, address: number, C: number): WasmCode => [
  [get(ROW), i32(C * 4), MUL, i32(address), ADD, set(local)],
];

/** For each four elements of the row, then for the last 1 to 3; the pointers move `bytes` (16 for floats) each time. */
export function alongRow(
  C: number,
  [first, ...others]: readonly (readonly [local: number, bytes: number])[],
  body: (lanes: number) => WasmCode,
): WasmCode {
  const rest = C % 4;
  const [pointer, step] = first!;
  const whole = ((C - rest) / 4) * step;
  return [
    [get(pointer), i32(whole), ADD, set(END)],
    count(pointer, get(pointer), get(END), step, [
      whole > 0 ? body(4) : [],
      others.map(([local, bytes]) => advance(local, bytes)),
    ]),
    rest > 0 ? body(rest) : [],
  ];
}

/** local += value, for pair p of `lanes` elements: of a pair that is cut off the first alone. */
export function addPair(local: number, p: number, lanes: number, value: WasmCode): WasmCode {
  const masked = lanes - p * 2 === 1 ? [value, firstDoubles(1), simd(F32X4.AND)] : value;
  return [get(local), masked, simd(F64X2.ADD), set(local)];
}

/** For the pairs of `lanes` elements. */
export const pairs = (lanes: number, body: (p: number) => WasmCode): WasmCode => times(Math.ceil(lanes / 2), body);

/** Stores `of(p)` of each pair, rounded to floats. */
export const storePairs = (lanes: number, to: number, of: (p: number) => WasmCode): WasmCode => [
  [of(0), set(LOW), lanes > 2 ? [of(1), set(HIGH)] : []],
  storeLanes(lanes, get(to), 0, rounded(get(LOW), get(HIGH))),
];

/** Pair p of the floats at a pointer. */
export const pair = (pointer: number, p: number): WasmCode => loadTwo(get(pointer), p * 8);

/** Sums start at 0, and end as the same total twice. */
export const begin = (...locals: readonly number[]): WasmCode => locals.map((local) => [double(0), set(local)]);
export const end = (...locals: readonly number[]): WasmCode => locals.map((local) => [total(local), set(local)]);

/** M = the largest element of the row at address x, twice; NaN if there is one. */
export function largest(x: number, C: number): WasmCode {
  const turned = (bytes: number) => [
    get(P),
    get(P),
    simd(0x0d),
    Array.from({ length: 16 }, (_, k) => (k + bytes) % 16),
  ];
  const load = (lanes: number) =>
    lanes === 4 ? [get(X), at(LOAD, 0)] : [get(X), at(LOAD, 0), get(P), firstFloats(lanes), simd(F32X4.SELECT)];
  return [
    [rowAt(X, x, C), get(X), at(LOAD_SPLAT, 0), set(P)],
    alongRow(C, [[X, 16]], (lanes) => [get(P), load(lanes), simd(F32X4.MAXIMUM), set(P)]),
    [8, 4].map((n) => [get(P), turned(n), simd(F32X4.MAXIMUM), set(P)]),
    [get(P), simd(F64X2.PROMOTE), set(M)],
  ];
}

const firstFloats = (lanes: number): WasmCode => [
  simd(12),
  Array.from({ length: 16 }, (_, k) => (k < lanes * 4 ? 0xff : 0)),
];
