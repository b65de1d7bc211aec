// A padded copy of an image (H, W, C), or of a band of its rows, in a thread's scratch memory; the image itself where it needs none.
import type { WasmCode, WasmScope } from '../../graph/op.ts';
import type { Slide } from './conv-axis.ts';
import { ADD, advance, clamped, clear, copy, count, get, i32, MUL, SUB, set, THREAD } from './module.ts';

export interface Padded {
  /** The width of a row, in elements of the last axis. */
  readonly width: number;
  /** Zeroes the scratch memory, before the first image. */
  readonly prepare: WasmCode;
  /** Sets the local `to` to where the padded image begins, or would begin with the rows before the band: that of the image whose address is in the local `from`. `row` and `end` are locals for it. */
  readonly bring: (from: number, to: number, row: number, end: number) => WasmCode;
}

/** Rows of a padded image; `first` pushes the number of the first. */
export interface Band {
  readonly rows: number;
  readonly first: WasmCode;
}

/** The indices along an axis that fall into the padded source. */
function inside(size: number, { before, spread, padded }: Slide): readonly [from: number, to: number] {
  const from = Math.min(size, Math.max(0, Math.ceil(-before / spread)));
  return [from, Math.max(from, Math.min(size, Math.ceil((padded - before) / spread)))];
}

/** Images of H x W x C elements for windows that slide along both axes. */
export function padding(
  { H, W, C }: { readonly H: number; readonly W: number; readonly C: number },
  [down, across]: readonly [Slide, Slide],
  { scratch }: WasmScope,
  band?: Band,
): Padded {
  const width = across.padded;
  const asIs = down.before === 0 && across.before === 0 && down.padded <= H && width === W;
  if (asIs && down.spread === 1 && across.spread === 1)
    return { width, prepare: [], bring: (from, to) => [get(from), set(to)] };
  const bytes = (band?.rows ?? down.padded) * width * C * 4;
  const start = scratch(bytes);
  const address = [THREAD, i32(start), ADD];
  const [top, bottom] = inside(H, down);
  const [left, right] = inside(W, across);
  const place = (h: number, w: number) =>
    ((down.before + h * down.spread) * width + across.before + w * across.spread) * C;
  const lines = (to: number, row: number, end: number) => {
    const elements =
      across.spread === 1
        ? copy(get(to), get(row), i32((right - left) * C * 4))
        : Array.from({ length: right - left }, (_, w) =>
            copy([get(to), i32(w * across.spread * C * 4), ADD], [get(row), i32(w * C * 4), ADD], i32(C * 4)),
          );
    return count(row, get(row), get(end), W * C * 4, [elements, advance(to, down.spread * width * C * 4)]);
  };
  if (band) return { width, prepare: [], bring: bringBand };
  const bring = (from: number, to: number, row: number, end: number) => [
    [address, i32(place(top, left) * 4), ADD, set(to)],
    [get(from), i32((top * W + left) * C * 4), ADD, set(row)],
    [get(from), i32((bottom * W + left) * C * 4), ADD, set(end)],
    [lines(to, row, end), address, set(to)],
  ];
  return { width, prepare: clear(address, i32(bytes)), bring };

  function bringBand(from: number, to: number, row: number, end: number): WasmCode {
    const { rows, first } = band!;
    const start = [address, first, i32(width * C * 4), MUL, SUB, set(to)];
    const placeOf = (local: number) => [
      get(from),
      get(local),
      i32(W),
      MUL,
      i32(left),
      ADD,
      i32(C * 4),
      MUL,
      ADD,
      set(local),
    ];
    return [
      clear(address, i32(bytes)),
      [first, i32(down.before), SUB, set(row), clamped(row, bottom)],
      [first, i32(rows - down.before), ADD, set(end), clamped(end, bottom)],
      [start, get(to), get(row), i32(width * C * 4), MUL, ADD, i32(place(0, left) * 4), ADD, set(to)],
      [placeOf(row), placeOf(end), lines(to, row, end), start],
    ];
  }
}
