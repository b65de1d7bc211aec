// Doubles inside functions on floats: sums that lose nothing to their order, and formulas with the bits of the plain loops, which compute in
// doubles and round once. Four floats are two vectors of two doubles.
import type { WasmCode } from '../../graph/op.ts';
import * as F64X2 from './f64x2.ts';
import { at, get, LOAD_SPLAT, STORE_LANE, simd } from './module.ts';

const SHUFFLE = 0x0d;
const LOAD_TWO = 0x5d;
const LOAD_DOUBLE = 0x0a;
const STORE_DOUBLE = 0x5b;

/** The two floats at an address as doubles. */
export const loadTwo = (address: WasmCode, offset: number): WasmCode => [
  address,
  at(LOAD_TWO, offset),
  simd(F64X2.PROMOTE),
];

/** The float at an address as a double, twice. */
export const loadBoth = (address: WasmCode, offset: number): WasmCode => [
  address,
  at(LOAD_SPLAT, offset),
  simd(F64X2.PROMOTE),
];

/** The double at an address, twice. */
export const loadDouble = (address: WasmCode, offset: number): WasmCode => [address, at(LOAD_DOUBLE, offset)];

/** The same double twice. */
export const double = (value: number): WasmCode => bits(new BigUint64Array(Float64Array.of(value).buffer)[0]!);

/** The same 64 bits twice. */
export function bits(value: bigint): WasmCode {
  const bytes = [...new Uint8Array(BigUint64Array.of(value).buffer)];
  return [simd(12), bytes, bytes];
}

/** The bytes `picked` of two vectors' 32. */
export const shuffle = (a: WasmCode, b: WasmCode, picked: readonly number[]): WasmCode => [a, b, simd(SHUFFLE), picked];
const bytes = (from: number) => Array.from({ length: 8 }, (_, k) => from + k);

/** Four floats from two vectors of doubles. */
export const rounded = (low: WasmCode, high: WasmCode): WasmCode =>
  shuffle([low, simd(F64X2.DEMOTE)], [high, simd(F64X2.DEMOTE)], [...bytes(0), ...bytes(16)]);

/** The upper half of a vector in both. */
export const upper = (local: number): WasmCode => shuffle(get(local), get(local), [...bytes(8), ...bytes(8)]);

/** The sum of both doubles, twice. */
export const total = (local: number): WasmCode => [
  get(local),
  shuffle(get(local), get(local), [...bytes(8), ...bytes(0)]),
  simd(F64X2.ADD),
];

/** Stores the first double, rounded to a float. */
export const storeRounded = (address: WasmCode, offset: number, value: WasmCode): WasmCode => [
  address,
  [value, simd(F64X2.DEMOTE)],
  at(STORE_LANE, offset),
  0,
];

/** Stores the first double. */
export const storeDouble = (address: WasmCode, offset: number, value: WasmCode): WasmCode => [
  address,
  value,
  at(STORE_DOUBLE, offset),
  0,
];

/** The bits of a vector's first `lanes` (0 to 2) doubles. */
export const firstDoubles = (lanes: number): WasmCode => [
  simd(12),
  Array.from({ length: 16 }, (_, k) => (k < lanes * 8 ? 0xff : 0)),
];
