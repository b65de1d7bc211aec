// The weights of a convolution in panels: 8 channels of the result side by side, step after step of a window.
import type { WasmCode, WasmFunction, WasmPass, WasmScope } from '../../graph/op.ts';
import type { Phase } from './conv-axis.ts';
import {
  ADD,
  advance,
  at,
  call,
  clamped,
  count,
  DIV,
  EQUAL,
  get,
  i32,
  LOAD,
  LOAD_SPLAT,
  MUL,
  REM,
  SHARED,
  STORE,
  STORE_LANE,
  SUB,
  set,
  times,
  unless,
  when,
} from './module.ts';
import { COLUMNS } from './tile.ts';

/** Weights at an address, and how many elements lie between neighbours along the kernel, along channels, and between groups. */
export interface Weights {
  readonly address: number;
  readonly row: number;
  readonly column: number;
  /** From one channel of the source, or of the result, to the next. */
  readonly source: number;
  readonly result: number;
  readonly group: number;
}

interface Channels {
  readonly groups: number;
  readonly inner: number;
  readonly outer: number;
}

/** A pass that packs the weights of every phase, and where each begins in the shared memory. */
export function packing(
  scope: WasmScope,
  weights: Weights,
  channels: Channels,
  phases: readonly (readonly [Phase, Phase])[],
): { readonly pass: WasmPass; readonly starts: readonly number[] } {
  const units = channels.groups * Math.ceil(channels.outer / COLUMNS);
  let operations = 0;
  const starts: number[] = [];
  const body = phases.map(([down, across], k) => {
    const bytes = down.taps * across.taps * channels.inner * COLUMNS * 4;
    operations += (units * bytes) / 4;
    starts.push(scope.shared(units * bytes));
    const func = scope.define(packed(scope, weights, channels, [down, across], starts[k]!));
    const less = [i32(k * units), SUB];
    return [get(0), less, get(1), less, call(func)];
  });
  return { pass: { units: units * phases.length, operations, body }, starts };
}

/** (from, to): packs the panels of a phase; the range may reach beyond them. */
function packed(
  { define }: WasmScope,
  weights: Weights,
  { groups, inner, outer }: Channels,
  [down, across]: readonly [Phase, Phase],
  start: number,
): WasmFunction {
  const [FROM, TO, UNIT, PANEL, W] = [0, 1, 2, 3, 4] as const;
  const panels = Math.ceil(outer / COLUMNS);
  const rest = outer % COLUMNS;
  const bytes = down.taps * across.taps * inner * COLUMNS * 4;
  const first = weights.address + (down.tap * weights.row + across.tap * weights.column) * 4;
  const isLast = [get(PANEL), i32(panels - 1), EQUAL];
  const pack = (columns: number) => {
    const to = [get(UNIT), i32(bytes), MUL, SHARED, ADD, i32(start), ADD];
    return [get(W), to, call(define(panel(columns, weights, inner, down, across)))];
  };
  return {
    params: 2,
    i32s: 3,
    v128s: 0,
    body: [
      [clamped(FROM, groups * panels), clamped(TO, groups * panels)],
      count(UNIT, get(FROM), get(TO), 1, [
        [get(UNIT), i32(panels), REM, set(PANEL)],
        [i32(first), get(UNIT), i32(panels), DIV, i32(weights.group * 4), MUL, ADD],
        [get(PANEL), i32(weights.result * COLUMNS * 4), MUL, ADD, set(W)],
        rest === 0 ? pack(COLUMNS) : [when(isLast, pack(rest)), unless(isLast, pack(COLUMNS))],
      ]),
    ],
  };
}

/** (w, to): packs one panel. */
function panel(columns: number, weights: Weights, inner: number, down: Phase, across: Phase): WasmFunction {
  const [W, TO, KH, KW, C] = [0, 1, 2, 3, 4] as const;
  const vector = (v: number) => [get(TO), get(W), at(LOAD, v * 16), at(STORE, v * 16)];
  const single = (n: number) => [
    [get(TO), get(W), at(LOAD_SPLAT, n * weights.result * 4)],
    [at(STORE_LANE, n * 4), 0],
  ];
  const through = (local: number, n: number, stride: number, inside: number, body: WasmCode) =>
    count(local, i32(0), i32(n), 1, [body, advance(W, (stride - inside) * 4)]);
  const channels = count(C, i32(0), i32(inner), 1, [
    weights.result === 1 ? times(Math.ceil(columns / 4), vector) : times(columns, single),
    [advance(W, weights.source * 4), advance(TO, COLUMNS * 4)],
  ]);
  const [stepH, stepW] = [down.tapStep * weights.row, across.tapStep * weights.column];
  const row = through(KW, across.taps, stepW, inner * weights.source, channels);
  return { params: 2, i32s: 3, v128s: 0, body: through(KH, down.taps, stepH, across.taps * stepW, row) };
}
