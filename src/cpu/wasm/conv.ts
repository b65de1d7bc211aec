// Convolutions of images (N, H, W, C) in WebAssembly without a matrix of windows: the product's tiles read the images themselves. Along a
// row of a window KW · C elements lie side by side, so a tile of 4 places x 8 channels jumps once for each of the kernel's rows.
import type { WasmCode, WasmPass, WasmScope } from '../../graph/op.ts';
import type { ConvSizes } from '../conv.ts';
import { type Axis, overInput, overOutput, type Phase, type Slide } from './conv-axis.ts';
import { ADD, advance, call, clamped, count, DIV, get, i32, MUL, REM, SHARED, SUB, set } from './module.ts';
import { type Band, type Padded, padding } from './padded.ts';
import { packing, type Weights } from './panels.ts';
import { COLUMNS, ROWS, tile } from './tile.ts';

/** Whether each channel is a group: then tiles compute channels side by side. */
export const isDepthwise = ({ C, O, G }: ConvSizes): boolean => G > 1 && G === C && G === O;

/** Weights of an output channel. */
export const weightsOf = ({ KH, KW, C, G }: ConvSizes): number => (KH * KW * C) / G;

export const operationsOf = (s: ConvSizes): number => 2 * s.N * s.OH * s.OW * s.O * weightsOf(s);

/** Height and width. */
export function axesOf({ H, W, KH, KW, OH, OW, stride, padding, dilation }: ConvSizes): readonly [Axis, Axis] {
  const axis = (size: number, places: number, kernel: number, k: 0 | 1): Axis => {
    return { size, places, kernel, stride: stride[k], dilation: dilation[k], before: padding[k] };
  };
  return [axis(H, OH, KH, 0), axis(W, OW, KW, 1)];
}

/** y = conv(x, w) + b, of arrays at these addresses. */
export function convPasses(s: ConvSizes, scope: WasmScope, x: number, w: number, y: number, b?: number): WasmPass[] {
  const [down, across] = axesOf(s);
  return correlate(s, scope, {
    slides: [overInput(down), overInput(across)],
    source: { address: x, H: s.H, W: s.W, C: s.C },
    result: { address: y, H: s.OH, W: s.OW, C: s.O },
    weights: { ...stridesOf(s, w), source: 1, result: weightsOf(s) },
    inner: s.C / s.G,
    bias: b,
  });
}

/** dx: the same over dy, with the kernel turned around and its channels exchanged. */
export function convInputPasses(s: ConvSizes, scope: WasmScope, dy: number, w: number, dx: number): WasmPass[] {
  const [down, across] = axesOf(s);
  const taps = weightsOf(s);
  return correlate(s, scope, {
    slides: [overOutput(down), overOutput(across)],
    source: { address: dy, H: s.OH, W: s.OW, C: s.O },
    result: { address: dx, H: s.H, W: s.W, C: s.C },
    weights: { ...stridesOf(s, w), source: taps, result: isDepthwise(s) ? taps : 1 },
    inner: s.O / s.G,
  });
}

function stridesOf(s: ConvSizes, address: number) {
  const inner = s.C / s.G;
  return { address, row: s.KW * inner, column: inner, group: (s.O / s.G) * weightsOf(s) };
}

/** Images (N, H, W, C) at an address. */
interface Images {
  readonly address: number;
  readonly H: number;
  readonly W: number;
  readonly C: number;
}

/** A convolution in either direction: what slides over what. */
interface Correlation {
  readonly slides: readonly [Slide, Slide];
  readonly source: Images;
  readonly result: Images;
  readonly weights: Weights;
  /** Channels of the source that a channel of the result sees. */
  readonly inner: number;
  readonly bias?: number | undefined;
}

/** Fewer images than this are divided into bands of lines. */
const UNITS = 16;

/** Locals of the main pass, after its range. */
const [N, IMAGE, ROW, END, Y, GROUP, LINE, PANEL, A, TO, BIAS, B, K, SKIPPED, TAPS, UNIT, BAND, LAST] = [
  2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
] as const;
const I32S = 18;

/** A pass that packs the weights, then one over the images. */
function correlate(s: ConvSizes, scope: WasmScope, work: Correlation): WasmPass[] {
  const { source, slides, result } = work;
  const bands = bandsOf(s, slides[0]);
  const padded = padding(source, slides, scope, bands.number > 1 ? bands : undefined);
  const pairs = slides[0].phases.flatMap((down) => slides[1].phases.map((across) => [down, across] as const));
  const lanewise = isDepthwise(s);
  const groups = lanewise ? 1 : s.G;
  const channels = { groups, inner: lanewise ? 1 : work.inner, outer: result.C / groups };
  const packed = packing(scope, work.weights, channels, pairs);
  const bytes = ({ H, W, C }: Images) => H * W * C * 4;
  const main: WasmPass = {
    units: s.N * bands.number,
    operations: operationsOf(s),
    i32s: I32S,
    body: [
      padded.prepare,
      count(UNIT, get(0), get(1), 1, [
        [get(UNIT), i32(bands.number), DIV, set(N), get(UNIT), i32(bands.number), REM, set(BAND)],
        [get(N), i32(bytes(source)), MUL, i32(source.address), ADD, set(ROW)],
        padded.bring(ROW, IMAGE, A, END),
        [get(N), i32(bytes(result)), MUL, i32(result.address), ADD, set(Y)],
        pairs.map((pair, k) =>
          places(scope, work, padded, pair, { ...channels, lanewise, start: packed.starts[k]!, lines: bands.lines }),
        ),
      ]),
    ],
  };
  return [packed.pass, main];
}

interface Bands extends Band {
  readonly number: number;
  /** Lines of a phase in a band. */
  readonly lines: number;
}

/** Few images are divided into bands, each no narrower than the window: a band repeats the rows that windows of its neighbours see too. */
function bandsOf({ N: images, KH }: ConvSizes, { phases, stride, dilation, spread, before }: Slide): Bands {
  const most = Math.max(...phases.map(({ count }) => count));
  const wanted = spread > 1 || before < 0 ? 1 : Math.min(Math.ceil(UNITS / images), Math.floor(most / KH));
  const lines = Math.ceil(most / Math.max(1, wanted));
  const first = Math.min(...phases.map(({ begin }) => begin));
  const last = Math.max(...phases.map(({ begin, taps }) => begin + Math.max(0, taps - 1) * dilation));
  return {
    number: Math.ceil(most / lines),
    lines,
    rows: (lines - 1) * stride + last - first + 1,
    first: [get(BAND), i32(lines * stride), MUL, i32(first), ADD],
  };
}

interface Channels {
  readonly groups: number;
  readonly inner: number;
  readonly outer: number;
  readonly lanewise: boolean;
  /** Where the packed weights begin in the shared memory. */
  readonly start: number;
  readonly lines: number;
}

/** The results of a phase in a band of one image. */
function places(
  scope: WasmScope,
  { source: { H, C }, slides: [rows, columns], result, bias }: Correlation,
  { width }: Padded,
  [down, across]: readonly [Phase, Phase],
  { groups, inner, outer, lanewise, start, lines }: Channels,
): WasmCode {
  const walk = walkOf(C, inner, lanewise, width, [down.taps, across.taps], [rows.dilation, columns.dilation]);
  const panels = Math.ceil(outer / COLUMNS);
  const panelBytes = down.taps * across.taps * inner * COLUMNS * 4;
  const rowY = across.step * result.C;
  const tiles = (most: number, times: number, columnsOf: number) => {
    const { kA, runs } = walk;
    const rowA = columns.stride * C;
    const from = bias === undefined ? 'zero' : 'bias';
    const func = scope.define(tile({ rows: most, columns: columnsOf, start: from, rowA, rowY, kA, runs, lanewise }));
    return count(K, i32(0), i32(times), 1, [
      [get(A), get(BIAS), get(TO), get(B), i32(walk.length), get(TAPS), call(func)],
      [advance(A, most * rowA * 4), advance(TO, most * rowY * 4)],
    ]);
  };
  const panel = (columnsOf: number) => [
    place(
      A,
      [get(IMAGE), i32((down.begin * width + across.begin) * C * 4), ADD],
      [
        [LINE, rows.stride * width * C],
        [SKIPPED, width * C],
        [GROUP, inner],
        [PANEL, lanewise ? COLUMNS : 0],
      ],
    ),
    place(
      TO,
      [get(Y), i32((down.first * result.W + across.first) * result.C * 4), ADD],
      [
        [LINE, down.step * result.W * result.C],
        [GROUP, outer],
        [PANEL, COLUMNS],
      ],
    ),
    place(BIAS, i32(bias ?? 0), [
      [GROUP, outer],
      [PANEL, COLUMNS],
    ]),
    place(
      B,
      [SHARED, i32(start), ADD],
      [
        [GROUP, (panels * panelBytes) / 4],
        [PANEL, panelBytes / 4],
        [SKIPPED, panelBytes / 4 / Math.max(1, down.taps)],
      ],
    ),
    divided(across.count, ROWS).map(([size, times]) => tiles(size, times, columnsOf)),
  ];
  const line = [tapsInside(rows, down, H), eachPanel(PANEL, outer, panel)];
  const from = [get(BAND), i32(lines), MUL];
  return [
    [from, i32(lines), ADD, set(LAST), clamped(LAST, down.count)],
    count(GROUP, i32(0), i32(groups), 1, count(LINE, from, get(LAST), 1, line)),
  ];
}

/** Sets SKIPPED and TAPS: of the window's rows those inside the image, since products with the padding are 0. */
function tapsInside({ dilation, spread, stride, before }: Slide, { begin, count, taps }: Phase, H: number): WasmCode {
  const isInside = begin >= before && begin + (count - 1) * stride + taps <= before + H;
  if (dilation > 1 || spread > 1 || isInside) return [i32(0), set(SKIPPED), i32(taps), set(TAPS)];
  const until = (local: number, row: number) => [
    [i32(row - begin), get(LINE), i32(stride), MUL, SUB, set(local)],
    clamped(local, taps),
  ];
  return [until(SKIPPED, before), until(TAPS, before + H), get(TAPS), get(SKIPPED), SUB, set(TAPS)];
}

/** How a tile goes through a window: runs of `length` steps, each `kA` elements on, and jumps in between. */
export function walkOf(
  C: number,
  inner: number,
  lanewise: boolean,
  width: number,
  [KH, KW]: readonly [number, number],
  [dilationH, dilationW]: readonly [number, number],
) {
  const line = dilationH * width * C;
  if (lanewise || inner === 1) {
    const kA = dilationW * C;
    return { kA, length: KW, runs: [[KH, line - KW * kA, 0]] as const };
  }
  if (inner === C && dilationW === 1) return { kA: 1, length: KW * C, runs: [[KH, line - KW * C, 0]] as const };
  const jump = dilationW * C;
  const runs = [
    [KH, line - KW * jump, 0],
    [KW, jump - inner, 0],
  ] as const;
  return { kA: 1, length: inner, runs };
}

/** local = start + Σ index · elements · 4. */
export function place(
  local: number,
  start: WasmCode,
  by: readonly (readonly [index: number, elements: number])[],
): WasmCode {
  const moved = by.filter(([, elements]) => elements !== 0);
  return [start, moved.map(([index, elements]) => [get(index), i32(elements * 4), MUL, ADD]), set(local)];
}

/** For the panels of 8 channels, numbered by `local`. */
export function eachPanel(local: number, channels: number, body: (columns: number) => WasmCode): WasmCode {
  const whole = Math.floor(channels / COLUMNS);
  const rest = channels % COLUMNS;
  return [count(local, i32(0), i32(whole), 1, whole > 0 ? body(COLUMNS) : []), rest > 0 ? body(rest) : []];
}

/** n as parts of at most `most`, as even as can be: how large, and how often. */
export function divided(n: number, most: number): readonly (readonly [size: number, times: number])[] {
  const parts = Math.ceil(n / most);
  const low = Math.floor(n / parts);
  const more = n - low * parts;
  return more > 0
    ? [
        [low + 1, more],
        [low, parts - more],
      ]
    : [[low, parts]];
}
