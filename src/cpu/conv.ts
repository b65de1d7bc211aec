// Convolutions as plain loops, which are their definition: along each axis a list says which kernel element, output place and input
// element meet, and sums are doubles in the order of the kernel's elements.
import type { HostArray } from '../graph/dtype.ts';

/** The sizes of x (N, H, W, C), w (O, KH, KW, C / G) and y (N, OH, OW, O), and the window's place over x; pairs are height and width. */
export interface ConvSizes {
  readonly N: number;
  readonly H: number;
  readonly W: number;
  readonly C: number;
  readonly O: number;
  readonly KH: number;
  readonly KW: number;
  readonly OH: number;
  readonly OW: number;
  /** Groups: output channels of a group see the input channels of that group. */
  readonly G: number;
  readonly stride: readonly [number, number];
  /** Zeros above and to the left of x; those below and to the right follow from OH and OW. */
  readonly padding: readonly [top: number, left: number];
  readonly dilation: readonly [number, number];
}

/** Kernel element k at output place o lies on input element i. */
interface Meeting {
  readonly k: number;
  readonly o: number;
  readonly i: number;
}

/** All meetings along height (0) or width (1), k by k. */
function meetings(s: ConvSizes, axis: 0 | 1): Meeting[] {
  const [size, places, kernel] = axis === 0 ? [s.H, s.OH, s.KH] : [s.W, s.OW, s.KW];
  const list: Meeting[] = [];
  for (let k = 0; k < kernel; k++)
    for (let o = 0; o < places; o++) {
      const i = o * s.stride[axis] - s.padding[axis] + k * s.dilation[axis];
      if (i >= 0 && i < size) list.push({ k, o, i });
    }
  return list;
}

/** The meetings at each output place (`o`) or input element (`i`), both axes. */
function meetingsBy(s: ConvSizes, side: 'o' | 'i'): [rows: Meeting[][], columns: Meeting[][]] {
  const [height, width] = side === 'o' ? [s.OH, s.OW] : [s.H, s.W];
  const by = (axis: 0 | 1, size: number) => {
    const lists: Meeting[][] = Array.from({ length: size }, () => []);
    for (const meeting of meetings(s, axis)) lists[meeting[side]]!.push(meeting);
    return lists;
  };
  return [by(0, height), by(1, width)];
}

/** y = b + Σ over the window of x · w. */
export function convolve(s: ConvSizes, x: HostArray, w: HostArray, b: HostArray | undefined, y: HostArray): void {
  const { N, H, W, C, O, KH, KW, G } = s;
  const [Cg, Og] = [C / G, O / G];
  const [rows, columns] = meetingsBy(s, 'o');
  const sums = new Float64Array(O);
  let to = 0;
  for (let n = 0; n < N; n++)
    for (const row of rows)
      for (const column of columns) {
        if (b) sums.set(b);
        else sums.fill(0);
        for (const { k: kh, i: h } of row)
          for (const { k: kw, i: col } of column) {
            const at = ((n * H + h) * W + col) * C;
            for (let o = 0; o < O; o++) {
              const from = at + Math.floor(o / Og) * Cg;
              const weight = ((o * KH + kh) * KW + kw) * Cg;
              let sum = 0;
              for (let c = 0; c < Cg; c++) sum += x[from + c]! * w[weight + c]!;
              sums[o]! += sum;
            }
          }
        y.set(sums, to);
        to += O;
      }
}

/** dx: the sum over all places of the window that cover an element of x of dy · w. */
export function convolveInput(s: ConvSizes, dy: HostArray, w: HostArray, dx: HostArray): void {
  const { N, C, O, KH, KW, OH, OW, G } = s;
  const [Cg, Og] = [C / G, O / G];
  const [rows, columns] = meetingsBy(s, 'i');
  const sums = new Float64Array(C);
  let to = 0;
  for (let n = 0; n < N; n++)
    for (const row of rows)
      for (const column of columns) {
        sums.fill(0);
        for (const { k: kh, o: oh } of row)
          for (const { k: kw, o: ow } of column) {
            const at = ((n * OH + oh) * OW + ow) * O;
            for (let o = 0; o < O; o++) {
              const d = dy[at + o]!;
              const weight = ((o * KH + kh) * KW + kw) * Cg;
              const first = Math.floor(o / Og) * Cg;
              for (let c = 0; c < Cg; c++) sums[first + c]! += d * w[weight + c]!;
            }
          }
        dx.set(sums, to);
        to += C;
      }
}

/** dw: the sum over all images and places of dy · x; and db, the sums of dy. */
export function convolveFilter(
  s: ConvSizes,
  x: HostArray,
  dy: HostArray,
  dw: HostArray,
  db: HostArray | undefined,
): void {
  const { N, H, W, C, O, KH, KW, OH, OW, G } = s;
  const [Cg, Og] = [C / G, O / G];
  const sums = new Float64Array(dw.length);
  const columns = meetings(s, 1);
  for (const { k: kh, o: oh, i: h } of meetings(s, 0))
    for (const { k: kw, o: ow, i: col } of columns)
      for (let n = 0; n < N; n++) {
        const from = ((n * H + h) * W + col) * C;
        const at = ((n * OH + oh) * OW + ow) * O;
        for (let o = 0; o < O; o++) {
          const d = dy[at + o]!;
          const weight = ((o * KH + kh) * KW + kw) * Cg;
          const first = from + Math.floor(o / Og) * Cg;
          for (let c = 0; c < Cg; c++) sums[weight + c]! += d * x[first + c]!;
        }
      }
  dw.set(sums);
  if (!db) return;
  const total = new Float64Array(O);
  for (let i = 0; i < dy.length; ) for (let o = 0; o < O; o++) total[o]! += dy[i++]!;
  db.set(total);
}
