// Sums over groups of channels in WebAssembly: x as (N, M, C), each of whose N · G outputs takes M · C / G elements. An example is divided
// into slices that the sizes fix, each channel of a slice is summed in doubles, and slices are added in order: any number of threads gives the
// same bits, which differ from the plain loops' by the order of sums in doubles alone.
import type { WasmCode, WasmPass, WasmScope } from '../../graph/op.ts';
import { double, firstDoubles, loadDouble, loadTwo, storeDouble, storeRounded, total as totalOf } from './doubles.ts';
import * as F32X4 from './f32x4.ts';
import * as F64X2 from './f64x2.ts';
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
  LOAD,
  MUL,
  REM,
  SHARED,
  STORE,
  SUB,
  set,
  simd,
  THREAD,
  times,
  when,
} from './module.ts';

/** x as (N, M, C), with the C channels in G groups. */
export interface Groups {
  readonly N: number;
  readonly M: number;
  readonly C: number;
  readonly G: number;
}

/** The elements of a slice: 16 kB, for the first cache. */
const SLICE = 2 ** 12;
/** The most slices of an example, and the most doubles they hold together. */
const SLICES = 512;
const MOST = 2 ** 17;
/** The columns that are summed in registers at once. */
const COLUMNS = 8;
/** What an element costs, in operations. */
const ELEMENT = 8;

/** An example as `rows` of `columns`, and `rest` elements behind them, in slices of `perSlice` rows. */
interface Plan extends Groups {
  readonly rows: number;
  readonly columns: number;
  readonly rest: number;
  readonly slices: number;
  readonly perSlice: number;
  /** The columns that are stored: an even number. */
  readonly stored: number;
}

/** Of a single group the shape is of no interest: its elements lie side by side. */
function planOf(groups: Groups): Plan {
  const { M, C, G } = groups;
  const size = M * C;
  const columns = G === 1 ? COLUMNS : C;
  const [rows, rest] = G === 1 ? [Math.floor(size / COLUMNS), size % COLUMNS] : [M, 0];
  const most = Math.max(1, Math.min(SLICES, Math.floor(MOST / columns)));
  const perSlice = Math.max(1, Math.ceil(rows / most), Math.ceil(SLICE / columns));
  const slices = Math.max(1, Math.ceil(rows / perSlice));
  return { ...groups, rows, columns, rest, slices, perSlice, stored: columns + (columns % 2) };
}

const [UNIT, N, FIRST, A, B, END, COLUMN, SUMS, MEANS, K, S, FROM, G, C, OUT] = [
  2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
] as const;
const I32S = 15;
const [X, TOTAL, ACC] = [17, 18, 20] as const;
const MEAN = ACC + COLUMNS;
const V128S = 3 + COLUMNS + COLUMNS / 2;

const plus = (local: number, value: WasmCode): WasmCode => [get(local), value, simd(F64X2.ADD), set(local)];

/** What is summed: of arrays at these addresses, the terms of the elements of pair p of a block. */
interface Terms {
  readonly arrays: readonly number[];
  readonly of: (p: number) => readonly WasmCode[];
  readonly deviations?: boolean;
}

const sumOf = (x: number): Terms => ({ arrays: [x], of: (p) => [loadTwo(get(A), p * 8)] });
const sumAndDotOf = (a: number, b: number): Terms => ({
  arrays: [a, b],
  of: (p) => [
    [loadTwo(get(A), p * 8), set(X), get(X)],
    [get(X), loadTwo(get(B), p * 8), simd(F64X2.MUL)],
  ],
});
/** Squares of deviations from the means (doubles) at MEANS. */
const squaresOf = (x: number): Terms => ({
  arrays: [x],
  of: (p) => [
    [loadTwo(get(A), p * 8), get(MEAN + p), simd(F64X2.SUB), set(X)].concat([get(X), get(X), simd(F64X2.MUL)]),
  ],
  deviations: true,
});

/** Writes the sums of slice S of example N to SUMS: a row of doubles for each term. */
function sliceSums(plan: Plan, { arrays, of, deviations = false }: Terms): WasmCode {
  const { rows, columns, rest, slices, perSlice, stored } = plan;
  const size = plan.M * plan.C;
  const bytes = columns * 4;
  const isLast = [get(S), i32(slices - 1), EQUAL];
  const [a, b] = arrays;
  const accumulators = (pairs: number, term: number, p: number) => ACC + term * pairs + p;
  const add = (pairs: number, p: number, mask?: WasmCode) =>
    of(p).map((term, t) => plus(accumulators(pairs, t, p), mask ? [term, mask, simd(F32X4.AND)] : term));
  const terms = of(0).length;
  const block = (width: number) => {
    const pairs = Math.ceil(width / 2);
    return [
      times(terms * pairs, (k) => [double(0), set(ACC + k)]),
      deviations
        ? times(pairs, (p) => [get(MEANS), get(COLUMN), i32(2), MUL, ADD, at(LOAD, p * 16), set(MEAN + p)])
        : [],
      [get(FIRST), get(COLUMN), ADD, i32(a!), ADD, set(A)],
      b === undefined ? [] : [get(FIRST), get(COLUMN), ADD, i32(b), ADD, set(B)],
      [get(A), get(END), ADD, set(K)],
      count(A, get(A), get(K), bytes, [times(pairs, (p) => add(pairs, p)), b === undefined ? [] : advance(B, bytes)]),
      rest > 0
        ? when(
            isLast,
            times(Math.ceil(rest / 2), (p) => add(pairs, p, firstDoubles(Math.min(2, rest - p * 2)))),
          )
        : [],
      [get(SUMS), get(COLUMN), i32(2), MUL, ADD, set(K)],
      times(terms, (t) =>
        times(pairs, (p) => [get(K), get(accumulators(pairs, t, p)), at(STORE, t * stored * 8 + p * 16)]),
      ),
    ];
  };
  const whole = Math.floor(columns / COLUMNS) * COLUMNS;
  return [
    // END: the bytes of the slice's rows.
    [i32(rows), get(S), i32(perSlice), MUL, SUB, set(END), clamped(END, perSlice), get(END), i32(bytes), MUL, set(END)],
    [get(N), i32(size * 4), MUL, get(S), i32(perSlice * bytes), MUL, ADD, set(FIRST)],
    count(COLUMN, i32(0), i32(whole * 4), COLUMNS * 4, whole > 0 ? block(COLUMNS) : []),
    columns > whole ? block(columns - whole) : [],
  ];
}

/** Adds the slices of an example, which begin at SUMS, in order: into the first. */
function merge({ slices, stored }: Plan, terms: number): WasmCode {
  if (slices === 1) return [];
  const bytes = terms * stored * 8;
  return count(K, i32(0), i32(bytes), 16, [
    [get(SUMS), get(K), ADD, set(FROM), get(FROM), at(LOAD, 0), set(X)],
    count(S, i32(1), i32(slices), 1, [advance(FROM, bytes), plus(X, [get(FROM), at(LOAD, 0)])]),
    [get(SUMS), get(K), ADD, get(X), at(STORE, 0)],
  ]);
}

/** For every group of example N: sets TOTAL to its sums, and OUT to its number, 4 bytes each. */
function eachGroup({ C: channels, G: groups, stored }: Plan, terms: number, body: WasmCode): WasmCode {
  const run = channels / groups;
  const total = (t: number): WasmCode => {
    const at0 = t * stored * 8;
    if (groups === 1)
      return [
        [get(SUMS), at(LOAD, at0), set(X)],
        times(COLUMNS / 2 - 1, (p) => plus(X, [get(SUMS), at(LOAD, at0 + (p + 1) * 16)])),
        [totalOf(X), set(TOTAL + t)],
      ];
    const from = [get(SUMS), get(G), i32(run * 8), MUL, ADD];
    if (run === 1) return [loadDouble(from, at0), set(TOTAL + t)];
    return [
      [double(0), set(TOTAL + t), from, set(FROM)],
      count(C, i32(0), i32(run), 1, [plus(TOTAL + t, loadDouble(get(FROM), at0)), advance(FROM, 8)]),
    ];
  };
  return count(G, i32(0), i32(groups), 1, [
    [get(N), i32(groups), MUL, get(G), ADD, i32(4), MUL, set(OUT)],
    times(terms, total),
    body,
  ]);
}

/** Passes that sum, and do something with each group's sums. In several steps with one slice for all of them, a pass does it all. */
function passes(plan: Plan, scope: WasmScope, steps: readonly Step[]): WasmPass[] {
  const { N: examples, slices, stored } = plan;
  const most = Math.max(...steps.map(({ terms }) => terms.of(0).length));
  const bytes = most * stored * 8;
  const size = examples * plan.M * plan.C;
  const common = { i32s: I32S, v128s: V128S };
  const means = (memory: WasmCode, start: number) => [memory, i32(start), ADD, set(MEANS)];
  const hasMeans = steps.length > 1;
  if (slices === 1) {
    const sums = scope.scratch(bytes);
    const table = hasMeans ? scope.scratch(stored * 8) : 0;
    const step = ({ terms, finish }: Step) => [sliceSums(plan, terms), eachGroup(plan, terms.of(0).length, finish)];
    const body = [
      [THREAD, i32(sums), ADD, set(SUMS), means(THREAD, table), i32(0), set(S)],
      count(N, get(0), get(1), 1, steps.map(step)),
    ];
    return [{ ...common, units: examples, operations: ELEMENT * size * steps.length, body }];
  }
  const start = scope.shared(examples * slices * bytes);
  const table = hasMeans ? scope.shared(examples * stored * 8) : 0;
  return steps.flatMap(({ terms, finish }) => {
    const n = terms.of(0).length;
    const ofExample = means([SHARED, get(N), i32(stored * 8), MUL, ADD], table);
    const slice = [
      [get(UNIT), i32(slices), DIV, set(N), get(UNIT), i32(slices), REM, set(S)],
      [SHARED, i32(start), ADD, get(UNIT), i32(n * stored * 8), MUL, ADD, set(SUMS)],
      [ofExample, sliceSums(plan, terms)],
    ];
    const example = [
      [SHARED, i32(start), ADD, get(N), i32(slices * n * stored * 8), MUL, ADD, set(SUMS)],
      [ofExample, merge(plan, n), eachGroup(plan, n, finish)],
    ];
    return [
      { ...common, units: examples * slices, operations: ELEMENT * size, body: count(UNIT, get(0), get(1), 1, slice) },
      {
        ...common,
        units: examples,
        operations: examples * slices * n * stored,
        body: count(N, get(0), get(1), 1, example),
      },
    ];
  });
}

interface Step {
  readonly terms: Terms;
  /** With the sums in TOTAL and TOTAL + 1, and the group in OUT. */
  readonly finish: WasmCode;
}

/** Σ a and Σ a·b, (N · G) each. */
export function sumAndDotPasses(
  groups: Groups,
  scope: WasmScope,
  [a, b]: readonly [number, number],
  [sum, dot]: readonly [number, number],
): WasmPass[] {
  const finish = [storeRounded(get(OUT), sum, get(TOTAL)), storeRounded(get(OUT), dot, get(TOTAL + 1))];
  return passes(planOf(groups), scope, [{ terms: sumAndDotOf(a, b), finish }]);
}

/** stats (N · G, 3): mean, 1 / √(variance + eps) and variance. */
export function momentsPasses(
  groups: Groups & { readonly eps: number },
  scope: WasmScope,
  x: number,
  stats: number,
): WasmPass[] {
  const plan = planOf(groups);
  const { M, C: channels, G: number } = groups;
  const run = number === 1 ? plan.columns : channels / number;
  const place = [get(OUT), i32(3), MUL];
  const divided = [get(TOTAL), double((M * channels) / number), simd(F64X2.DIV), set(TOTAL)];
  const mean = [
    [divided, storeRounded(place, stats, get(TOTAL))],
    [get(MEANS), get(G), i32(run * 8), MUL, ADD, set(FROM)],
    count(C, i32(0), i32(run), 1, [storeDouble(get(FROM), 0, get(TOTAL)), advance(FROM, 8)]),
  ];
  // As in the plain loops, 1/σ is that of the rounded variance.
  const variance = [get(TOTAL), simd(F64X2.DEMOTE), simd(F64X2.PROMOTE), set(TOTAL)];
  const deviation = [get(TOTAL), double(groups.eps), simd(F64X2.ADD), simd(F64X2.SQRT)];
  const spread = [
    [divided, variance, storeRounded(place, stats + 8, get(TOTAL))],
    storeRounded(place, stats + 4, [double(1), deviation, simd(F64X2.DIV)]),
  ];
  return passes(plan, scope, [
    { terms: sumOf(x), finish: mean },
    { terms: squaresOf(x), finish: spread },
  ]);
}
