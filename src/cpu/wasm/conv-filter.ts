// The gradient of a convolution's weights in WebAssembly: dw[k, o] = Σ over places x[place, k] · dy[place, o], with the product's tiles over
// k and o, images in slices that the sizes fix, and an ordered sum of the slices: any number of threads gives the same bits.
import type { WasmCode, WasmPass, WasmScope } from '../../graph/op.ts';
import type { ConvSizes } from '../conv.ts';
import { axesOf, divided, eachPanel, isDepthwise, operationsOf, place, weightsOf } from './conv.ts';
import { overInput } from './conv-axis.ts';
import * as F32X4 from './f32x4.ts';
import { ONE } from './matmul.ts';
import {
  ADD,
  advance,
  at,
  call,
  clear,
  count,
  DIV,
  EQUAL,
  GREATER,
  get,
  i32,
  LOAD,
  MUL,
  REM,
  SHARED,
  STORE,
  STORE_LANE,
  set,
  simd,
  storeLanes,
  THREAD,
  times,
  unless,
  when,
} from './module.ts';
import { type Padded, padding } from './padded.ts';
import { COLUMNS, ROWS, tile } from './tile.ts';

/** The most slices, and the most floats they hold together. */
const SLICES = 16;
const MOST = 2 ** 20;
/** Fewer slices than this are divided by the kernel's rows as well. */
const FEW = 8;
/** Places whose dy is brought together at once: 16 kB. */
const PLACES = 512;
/** Columns of dy that are summed at once for the bias. */
const BIAS_COLUMNS = 32;

/** The sums of a slice: KH · KW · C / groups rows of O, and a row for the bias. */
interface Partial {
  readonly start: number;
  readonly bytes: number;
  readonly slices: number;
  readonly images: number;
}

/** dw (O, KH, KW, C / groups) and db (O), of arrays at these addresses. */
export function convFilterPasses(
  s: ConvSizes,
  scope: WasmScope,
  dy: number,
  x: number,
  dw: number,
  db?: number,
): WasmPass[] {
  const floats = (weightsOf(s) + 1) * s.O;
  const most = Math.max(1, Math.min(SLICES, Math.floor(MOST / floats)));
  const images = Math.ceil(s.N / most);
  const slices = Math.ceil(s.N / images);
  const partial = { start: scope.shared(slices * floats * 4), bytes: floats * 4, slices, images };
  return [summed(s, scope, partial, x, dy, db !== undefined), merged(s, partial, dw, db)];
}

const [UNIT, PARTIAL, IMAGE, ROW, END, DY, N, LAST, DOWN, ACROSS, GROUP, PANEL, A, TO, B, TILE, CHUNK] = [
  2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,
] as const;
const I32S = 17;

function summed(s: ConvSizes, scope: WasmScope, partial: Partial, x: number, dy: number, bias: boolean): WasmPass {
  const { N: images, C, O } = s;
  const [down, across] = axesOf(s);
  const padded = padding(s, [overInput(down), overInput(across)], scope);
  // A unit is a slice, or a slice and a row of the kernel.
  const blocks = partial.slices < FEW ? s.KH : 1;
  const rows = s.KH / blocks;
  const block = blocks === 1 ? i32(0) : [get(UNIT), i32(blocks), REM];
  const rowBytes = (weightsOf(s) / s.KH) * O * 4;
  const ofBias = weightsOf(s) * O * 4;
  const first = [block, i32(0), EQUAL];
  return {
    units: partial.slices * blocks,
    operations: operationsOf(s),
    i32s: I32S,
    body: count(UNIT, get(0), get(1), 1, [
      padded.prepare,
      [get(UNIT), i32(blocks), DIV, i32(partial.bytes), MUL, SHARED, ADD, i32(partial.start), ADD, set(PARTIAL)],
      clear([get(PARTIAL), block, i32(rows * rowBytes), MUL, ADD], i32(rows * rowBytes)),
      bias ? when(first, clear([get(PARTIAL), i32(ofBias), ADD], i32(O * 4))) : [],
      [get(UNIT), i32(blocks), DIV, i32(partial.images), MUL, set(N)],
      [get(N), i32(partial.images), ADD, set(LAST)],
      when([get(LAST), i32(images), GREATER], [i32(images), set(LAST)]),
      count(N, get(N), get(LAST), 1, [
        [get(N), i32(s.H * s.W * C * 4), MUL, i32(x), ADD, set(ROW)],
        padded.bring(ROW, IMAGE, A, END),
        [get(N), i32(s.OH * s.OW * O * 4), MUL, i32(dy), ADD, set(DY)],
        bias ? when(first, biasSums(s, scope, ofBias)) : [],
        divided(s.OH, Math.max(1, Math.floor(PLACES / s.OW))).map(([lines, times]) =>
          count(CHUNK, i32(0), i32(times), 1, [
            kernelSums(s, scope, padded, lines, [[block, i32(rows), MUL], i32(rows)]),
            advance(IMAGE, lines * s.stride[0] * padded.width * C * 4),
            advance(DY, lines * s.OW * O * 4),
          ]),
        ),
      ]),
    ]),
  };
}

/** Adds the sums over some lines of places, for `rows` of the kernel. Of dy 8 channels at a time are brought side by side. */
function kernelSums(
  s: ConvSizes,
  scope: WasmScope,
  { width }: Padded,
  lines: number,
  [first, rows]: readonly [first: WasmCode, rows: WasmCode],
): WasmCode {
  const { C, O, G, OW, KW, stride, dilation } = s;
  const lanewise = isDepthwise(s);
  const inner = lanewise ? 1 : C / G;
  const outer = lanewise ? O : O / G;
  // Elements of a window's row that tiles take together: all of it if they are equally far apart.
  const single = lanewise || inner === 1;
  const joined = single || (inner === C && dilation[1] === 1);
  const rowA = single ? dilation[1] * C : 1;
  const kA = stride[1] * C;
  const runs = [[lines, stride[0] * width * C - OW * kA, 0]] as const;
  const packed = O > COLUMNS ? scope.scratch(lines * OW * COLUMNS * 4) : undefined;
  const kB = packed === undefined ? O : COLUMNS;
  const tiles = (size: number, times: number, columns: number) => {
    const func = scope.define(tile({ rows: size, columns, start: 'y', rowA, kA, rowY: O, kB, lanewise, runs }));
    return count(TILE, i32(0), i32(times), 1, [
      [get(A), i32(0), get(TO), get(B), i32(OW), i32(lines), call(func)],
      [advance(A, size * rowA * 4), advance(TO, size * O * 4)],
    ]);
  };
  const kernelColumns = (columns: number) => [
    place(A, get(IMAGE), [
      [DOWN, dilation[0] * width * C],
      [ACROSS, dilation[1] * C],
      [GROUP, inner],
      [PANEL, lanewise ? COLUMNS : 0],
    ]),
    place(TO, get(PARTIAL), [
      [DOWN, KW * inner * O],
      [ACROSS, inner * O],
      [GROUP, outer],
      [PANEL, COLUMNS],
    ]),
    divided(joined ? KW * inner : inner, ROWS).map(([size, times]) => tiles(size, times, columns)),
  ];
  const panel = (columns: number) => [
    place(B, get(DY), [
      [GROUP, outer],
      [PANEL, COLUMNS],
    ]),
    packed === undefined ? [] : broughtTogether(packed, lines * OW, O, columns),
    [first, set(DOWN), first, rows, ADD, set(END)],
    count(DOWN, get(DOWN), get(END), 1, count(ACROSS, i32(0), i32(joined ? 1 : KW), 1, kernelColumns(columns))),
  ];
  return count(GROUP, i32(0), i32(lanewise ? 1 : G), 1, eachPanel(PANEL, outer, panel));
}

/** Copies `columns` of n rows of O to scratch memory, and sets B to it. */
function broughtTogether(start: number, n: number, O: number, columns: number): WasmCode {
  return [
    count(TO, [THREAD, i32(start), ADD], [THREAD, i32(start + n * COLUMNS * 4), ADD], COLUMNS * 4, [
      times(Math.ceil(columns / 4), (v) => [get(TO), get(B), at(LOAD, v * 16), at(STORE, v * 16)]),
      advance(B, O * 4),
    ]),
    [THREAD, i32(start), ADD, set(B)],
  ];
}

/** Adds an image's dy to the row of the bias: a 1 times each. */
function biasSums({ O, OH, OW }: ConvSizes, { define }: WasmScope, ofBias: number): WasmCode {
  const sums = (from: number): WasmCode => {
    if (from >= O) return [];
    const columns = Math.min(BIAS_COLUMNS, O - from);
    const func = define(tile({ rows: 1, columns, start: 'y', rowA: 0, kA: 0, rowY: O, kB: O }));
    const to = [get(PARTIAL), i32(ofBias + from * 4), ADD];
    const b = [get(DY), i32(from * 4), ADD];
    return [[i32(ONE), i32(0), to, b, i32(OH * OW), i32(1), call(func)], sums(from + columns)];
  };
  return sums(0);
}

/** dw[o, k] = Σ over slices, in order; a unit is 4 channels of o. */
function merged(s: ConvSizes, { start, bytes, slices }: Partial, dw: number, db: number | undefined): WasmPass {
  const [V, K, FROM, S] = [2, 3, 4, 5] as const;
  const SUM = 6;
  const taps = weightsOf(s);
  const [quads, rest] = [Math.ceil(s.O / 4), s.O % 4];
  const add = [get(SUM), get(FROM), at(LOAD, 0), simd(F32X4.ADD), set(SUM)];
  const sum = [
    [get(FROM), at(LOAD, 0), set(SUM)],
    count(S, i32(1), i32(slices), 1, [advance(FROM, bytes), add]),
    advance(FROM, s.O * 4 - (slices - 1) * bytes),
  ];
  const turned = (lanes: number) => {
    const to = [get(V), i32(taps * 16), MUL, get(K), i32(4), MUL, ADD];
    return times(lanes, (lane) => [to, get(SUM), at(STORE_LANE, dw + lane * taps * 4), lane]);
  };
  const stored = (body: (lanes: number) => WasmCode) =>
    rest === 0
      ? body(4)
      : [when([get(V), i32(quads - 1), EQUAL], body(rest)), unless([get(V), i32(quads - 1), EQUAL], body(4))];
  return {
    units: quads,
    operations: (bytes / 4) * slices,
    i32s: 4,
    v128s: 1,
    body: count(V, get(0), get(1), 1, [
      [get(V), i32(16), MUL, SHARED, ADD, i32(start), ADD, set(FROM)],
      count(K, i32(0), i32(taps), 1, [sum, stored(turned)]),
      db === undefined ? [] : [sum, stored((lanes) => storeLanes(lanes, [get(V), i32(16), MUL], db, get(SUM)))],
    ]),
  };
}
