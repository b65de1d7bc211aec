// A padded copy of an image (H, W, C) in a thread's scratch memory; the image itself where it needs none.
import type { WasmCode, WasmScope } from '../../graph/op.ts';
import type { Slide } from './conv-axis.ts';
import { ADD, advance, clear, copy, count, get, i32, set, THREAD } from './module.ts';

export interface Padded {
  /** The width of a row, in elements of the last axis. */
  readonly width: number;
  /** Zeroes the scratch memory, before the first image. */
  readonly prepare: WasmCode;
  /** Sets the local `to` to the image whose address is in the local `from`. `row` and `end` are locals for it. */
  readonly bring: (from: number, to: number, row: number, end: number) => WasmCode;
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
): Padded {
  const width = across.padded;
  const asIs = down.before === 0 && across.before === 0 && down.padded <= H && width === W;
  if (asIs && down.spread === 1 && across.spread === 1)
    return { width, prepare: [], bring: (from, to) => [get(from), set(to)] };
  const bytes = down.padded * width * C * 4;
  const start = scratch(bytes);
  const address = [THREAD, i32(start), ADD];
  const [top, bottom] = inside(H, down);
  const [left, right] = inside(W, across);
  const place = (h: number, w: number) =>
    ((down.before + h * down.spread) * width + across.before + w * across.spread) * C;
  const bring = (from: number, to: number, row: number, end: number) => {
    const elements =
      across.spread === 1
        ? copy(get(to), get(row), i32((right - left) * C * 4))
        : Array.from({ length: right - left }, (_, w) =>
            copy([get(to), i32(w * across.spread * C * 4), ADD], [get(row), i32(w * C * 4), ADD], i32(C * 4)),
          );
    return [
      [address, i32(place(top, left) * 4), ADD, set(to)],
      [get(from), i32(bottom * W * C * 4 + left * C * 4), ADD, set(end)],
      count(row, [get(from), i32((top * W + left) * C * 4), ADD], get(end), W * C * 4, [
        elements,
        advance(to, down.spread * width * C * 4),
      ]),
      [address, set(to)],
    ];
  };
  return { width, prepare: clear(address, i32(bytes)), bring };
}
