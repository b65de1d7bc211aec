// Normalization by the statistics of groups in WebAssembly: x as (N, M, C). What a channel is multiplied by stays in registers while a slice
// of rows passes by, four channels at a time; the formulas are those of the plain loops, in doubles, and have their bits.
import type { WasmCode, WasmPass } from '../../graph/op.ts';
import { loadBoth, loadTwo, rounded, upper } from './doubles.ts';
import * as F64X2 from './f64x2.ts';
import type { Groups } from './group-sums.ts';
import {
  ADD,
  advance,
  at,
  clamped,
  count,
  DIV,
  EQUAL,
  get,
  i32,
  LOAD_LANE,
  MUL,
  REM,
  SUB,
  set,
  simd,
  storeLanes,
  times,
  when,
} from './module.ts';

/** The elements of a slice: 8 kB of each array. */
const SLICE = 2 ** 11;
/** A slice has at least so many rows, for which a channel's constants are loaded once. */
const ROWS = 8;
const WIDTH = 4;
/** What an element costs, in operations. */
const ELEMENT = 12;

const [UNIT, N, S, A, B, TO, END, COLUMN, FIRST, C, ROWS_HERE] = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] as const;
const I32S = 11;
const [Q, LOW, HIGH, CONSTANTS] = [13, 14, 15, 16] as const;

/** A number for each channel of an example: that of its group, at `address`, of which there is one every `step` floats; or that of the channel. */
interface Constant {
  readonly address: number;
  readonly step: number;
  readonly perGroup: boolean;
}

interface Work {
  readonly arrays: readonly number[];
  readonly constants: readonly Constant[];
  /** The result of pair p, whose constant k is `constants(k)`. */
  readonly of: (p: number, constants: (k: number) => WasmCode) => WasmCode;
  readonly to: number;
}

/** Sets constant k of the four channels from COLUMN on, of which `lanes` exist. */
function loadConstant(
  { C: channels, G }: Groups,
  { address, step, perGroup }: Constant,
  k: number,
  lanes: number,
): WasmCode {
  const run = channels / G;
  const local = CONSTANTS + 2 * k;
  const both = [get(local), set(local + 1)];
  const ofGroup = (group: WasmCode) => [[get(N), i32(G), MUL, group, ADD, i32(step * 4), MUL], address] as const;
  if (perGroup && G === 1) return [loadBoth(...ofGroup(i32(0))), set(local), both];
  if (!perGroup && channels === 1) return [loadBoth(i32(0), address), set(local), both];
  const placeOf = (lane: number) => {
    const channel = [get(C), i32(lane), ADD];
    return perGroup
      ? ofGroup(run === 1 ? channel : [channel, i32(run), DIV])
      : ([get(COLUMN), address + lane * 4] as const);
  };
  const lane = (n: number) => [placeOf(n)[0], get(Q), at(LOAD_LANE, placeOf(n)[1]), n, set(Q)];
  return [times(lanes, lane), [get(Q), simd(F64X2.PROMOTE), set(local), upper(Q), simd(F64X2.PROMOTE), set(local + 1)]];
}

function passOf(groups: Groups, { arrays, constants, of, to }: Work): WasmPass {
  const { N: examples, M, C: channels, G } = groups;
  const size = M * channels;
  // Where all elements have the same constants they lie side by side, whatever their shape.
  const alike = channels === 1 || (G === 1 && constants.every(({ perGroup }) => perGroup));
  const [rows, columns] = alike ? [Math.floor(size / WIDTH), WIDTH] : [M, channels];
  const rest = alike ? size % WIDTH : 0;
  const bytes = columns * 4;
  const perSlice = Math.max(ROWS, Math.ceil(SLICE / columns));
  const slices = Math.max(1, Math.ceil(rows / perSlice));
  const pointers = [A, B] as const;
  const element = (lanes: number) => {
    const pair = (p: number) => of(p, (k) => get(CONSTANTS + 2 * k + p));
    return [
      pair(0),
      set(LOW),
      lanes > 2 ? [pair(1), set(HIGH)] : [],
      storeLanes(lanes, get(TO), 0, rounded(get(LOW), get(HIGH))),
    ];
  };
  const block = (lanes: number, lines: WasmCode) => [
    [get(COLUMN), i32(4), DIV, set(C)],
    constants.map((constant, k) => loadConstant(groups, constant, k, lanes)),
    arrays.map((array, k) => [get(FIRST), get(COLUMN), ADD, i32(array), ADD, set(pointers[k]!)]),
    [get(FIRST), get(COLUMN), ADD, i32(to), ADD, set(TO)],
    [get(TO), lines, i32(bytes), MUL, ADD, set(END)],
    count(TO, get(TO), get(END), bytes, [element(lanes), arrays.map((_, k) => advance(pointers[k]!, bytes))]),
  ];
  const whole = Math.floor(columns / WIDTH);
  const left = columns % WIDTH;
  const slice = [
    [i32(rows), get(S), i32(perSlice), MUL, SUB, set(ROWS_HERE), clamped(ROWS_HERE, perSlice)],
    [get(N), i32(size * 4), MUL, get(S), i32(perSlice * bytes), MUL, ADD, set(FIRST)],
    count(COLUMN, i32(0), i32(whole * WIDTH * 4), WIDTH * 4, whole > 0 ? block(WIDTH, get(ROWS_HERE)) : []),
    left > 0 ? block(left, get(ROWS_HERE)) : [],
    rest > 0 ? when([get(S), i32(slices - 1), EQUAL], element(rest)) : [],
  ];
  return {
    units: examples * slices,
    operations: ELEMENT * examples * size,
    i32s: I32S,
    v128s: 3 + 2 * constants.length,
    body: count(UNIT, get(0), get(1), 1, [
      [get(UNIT), i32(slices), DIV, set(N), get(UNIT), i32(slices), REM, set(S)],
      slice,
    ]),
  };
}

/** Addresses of a table of statistics, of which there are `columns`. */
const statistics = (address: number, columns: number): readonly [mean: Constant, inverse: Constant] => [
  { address, step: columns, perGroup: true },
  { address: address + 4, step: columns, perGroup: true },
];
const ofGroup = (address: number): Constant => ({ address, step: 1, perGroup: true });
const ofChannel = (address: number): Constant => ({ address, step: 1, perGroup: false });

const product = (a: WasmCode, b: WasmCode): WasmCode => [a, b, simd(F64X2.MUL)];
const difference = (a: WasmCode, b: WasmCode): WasmCode => [a, b, simd(F64X2.SUB)];

/** (x - mean) / σ · weight + bias, with a weight and a bias (C) if given, of arrays at these addresses. */
export function normalizePass(
  groups: Groups,
  [x, stats, weight, bias]: readonly number[],
  columns: number,
  y: number,
): WasmPass {
  const affine = [weight, bias].filter((address) => address !== undefined).map(ofChannel);
  return passOf(groups, {
    arrays: [x!],
    constants: [...statistics(stats!, columns), ...affine],
    of: (p, constant) => {
      const xHat = product(difference(loadTwo(get(A), p * 8), constant(0)), constant(1));
      const scaled = weight === undefined ? xHat : product(xHat, constant(2));
      return bias === undefined ? scaled : [scaled, constant(3), simd(F64X2.ADD)];
    },
    to: y,
  });
}

/** (dy · weight - a - x̂ · b) / σ, with a and b of each group and a weight (C) if given. */
export function normalizeGradPass(
  groups: Groups,
  [dy, x, stats, a, b, weight]: readonly number[],
  columns: number,
  dx: number,
): WasmPass {
  const scale = weight === undefined ? [] : [ofChannel(weight)];
  return passOf(groups, {
    arrays: [dy!, x!],
    constants: [...statistics(stats!, columns), ofGroup(a!), ofGroup(b!), ...scale],
    of: (p, constant) => {
      const xHat = product(difference(loadTwo(get(B), p * 8), constant(0)), constant(1));
      const g = loadTwo(get(A), p * 8);
      const scaled = weight === undefined ? g : product(g, constant(4));
      return product(difference(difference(scaled, constant(2)), product(xHat, constant(3))), constant(1));
    },
    to: dx,
  });
}
