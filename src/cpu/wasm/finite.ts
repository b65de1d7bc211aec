// Whether floats are all finite, in WebAssembly: x - x is 0 for those that are, NaN for others.
import type { WasmFunction } from '../../graph/op.ts';
import * as F32X4 from './f32x4.ts';
import { ADD, at, count, get, LOAD, set, simd } from './module.ts';

const ALL_TRUE = 0x63;
const ADDRESS = 0;
const END = 1;
const X = 2;
const BITS = 3;

/** (address, bytes): 1 where all are finite. Reads whole vectors. */
export const finiteCheck: WasmFunction = {
  params: 2,
  i32s: 0,
  v128s: 2,
  returns: true,
  body: [
    [get(ADDRESS), get(END), ADD, set(END)],
    count(ADDRESS, get(ADDRESS), get(END), 16, [
      [get(ADDRESS), at(LOAD, 0), set(X)],
      [get(BITS), get(X), get(X), simd(F32X4.SUB), simd(F32X4.OR), set(BITS)],
    ]),
    [get(BITS), get(BITS), simd(F32X4.EQUAL), simd(ALL_TRUE)],
  ],
};
