// e^x and log x of two doubles. Errors are below 1e-14 of the value, so a float rounded from them is nearly always that of the exact
// value. Both split off a power of two by its bits.
import type { WasmCode } from '../../graph/op.ts';
import { bits, double } from './doubles.ts';
import * as F32X4 from './f32x4.ts';
import * as F64X2 from './f64x2.ts';
import { get, i32, set, simd } from './module.ts';

/** Added to a number below 2^51, it leaves the nearest whole number in the low bits. */
const WHOLE = 1.5 * 2 ** 52;
/** log 2 in two parts; products of the first with whole numbers below 2^11 are exact. */
const LOG_2 = [0.6931471803691238, 1.9082149292705877e-10] as const;
/** The numbers whose exponential is a normal double. */
const [LOWEST, HIGHEST] = [-708, 709.782712893384] as const;
/** 1 / k! for k from 11 down to 0: a Taylor series on [-log 2 / 2, log 2 / 2]. */
const TAYLOR = [39_916_800, 3_628_800, 362_880, 40_320, 5040, 720, 120, 24, 6, 2, 1, 1].map((k) => 1 / k);

const [ADD, SUB, MUL] = [simd(F64X2.ADD), simd(F64X2.SUB), simd(F64X2.MUL)];
const I64 = { SHL: 0xcb, SHR_U: 0xcd, ADD: 0xce } as const;

/** c[0] xⁿ + … + c[n]. */
const polynomial = (x: number, [first, ...others]: readonly WasmCode[]): WasmCode =>
  others.reduce<WasmCode>((sum, c) => [sum, get(x), MUL, c, ADD], first!);

/** x = e^x, for any x; a subnormal result is 0. `k`, `r` and `z` are locals for it. */
export function exponential(x: number, [k, r, z]: readonly [number, number, number]): WasmCode {
  const part = (log2: number) => [get(k), double(WHOLE), SUB, double(log2), MUL, SUB];
  const isLow = [get(x), double(LOWEST), simd(F64X2.LESS)];
  const isHigh = [get(x), double(HIGHEST), simd(F64X2.GREATER)];
  return [
    [get(x), double(Math.LOG2E), MUL, double(WHOLE), ADD, set(k)],
    [get(x), LOG_2.map(part), set(r), get(r), get(r), MUL, set(z)],
    // · 2^k, in the exponent's bits.
    [double(Infinity), polynomial(z, pairsOf(r, TAYLOR)), get(k), i32(52), simd(I64.SHL), simd(I64.ADD)],
    [isLow, simd(F32X4.AND_NOT), isHigh, simd(F32X4.SELECT), set(x)],
  ];
}

/** Estrin's scheme: terms c[0] x + c[1], c[2] x + c[3], … which do not wait for each other. */
const pairsOf = (x: number, c: readonly number[]): WasmCode[] =>
  Array.from({ length: c.length / 2 }, (_, k) => [get(x), double(c[2 * k]!), MUL, double(c[2 * k + 1]!), ADD]);

const ONE = 0x3ff0_0000_0000_0000n;
/** √½. */
const LEAST = 0x3fe6_a09e_667f_3bcdn;
/** 2 / k for odd k from 17 down to 1: log m = 2 artanh s = Σ 2/k sᵏ with s = (m - 1) / (m + 1). */
const ARTANH = [17, 15, 13, 11, 9, 7, 5, 3, 1].map((k) => 2 / k);

/** x = log x, for a positive normal x; NaN where x is NaN or infinite. `k`, `s` and `z` are locals for it. */
export function logarithm(x: number, [k, s, z]: readonly [number, number, number]): WasmCode {
  // The power of two is above the bits of m in [√½, √2).
  const exponent = [get(k), i32(52), simd(I64.SHR_U), bits(0x4330_0000_0000_0000n), simd(F32X4.OR)];
  return [
    [get(x), bits(ONE - LEAST), simd(I64.ADD), set(k)],
    [get(k), bits(0x000f_ffff_ffff_ffffn), simd(F32X4.AND), bits(LEAST), simd(I64.ADD), set(s)],
    [get(s), double(1), SUB, get(s), double(1), ADD, simd(F64X2.DIV), set(s)],
    [get(s), get(s), MUL, set(z), polynomial(z, ARTANH.map(double)), get(s), MUL],
    [exponent, double(2 ** 52 + 1023), SUB, double(Math.LN2), MUL, ADD],
    [get(x), get(x), SUB, ADD, set(x)],
  ];
}
