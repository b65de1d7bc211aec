// The CPU's matrix product as plain loops: 2 x 4 results at a time are summed in registers.
import type { HostArray } from '../graph/dtype.ts';

/** y (M, N) = a · b: sizes, and how many elements a and b advance from one row, column or k to the next. */
export interface Product {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly rowA: number;
  readonly kA: number;
  readonly columnB: number;
  readonly kB: number;
}

/** Computes y in the precision of the arrays, with sums in doubles; the three matrices begin at `offsets`. */
export function multiply(
  { M, N, K, rowA, kA, columnB, kB }: Product,
  [a, b, y]: readonly [HostArray, HostArray, HostArray],
  [offsetA, offsetB, offsetY]: readonly [number, number, number] = [0, 0, 0],
): void {
  for (let m = 0; m < M; m += 2) {
    const a0 = offsetA + m * rowA;
    const a1 = m + 1 < M ? a0 + rowA : a0;
    const row = m + 1 < M ? N : 0;
    for (let n = 0; n < N; n += 4) {
      // At the edges some results are computed, and written, twice.
      const last = N - n - 1;
      const [c1, c2, c3] = [Math.min(1, last), Math.min(2, last), Math.min(3, last)] as const;
      const b0 = offsetB + n * columnB;
      const b1 = b0 + c1 * columnB;
      const b2 = b0 + c2 * columnB;
      const b3 = b0 + c3 * columnB;
      let y00 = 0;
      let y01 = 0;
      let y02 = 0;
      let y03 = 0;
      let y10 = 0;
      let y11 = 0;
      let y12 = 0;
      let y13 = 0;
      for (let k = 0, i = 0, j = 0; k < K; k++, i += kA, j += kB) {
        const p = a[a0 + i]!;
        const q = a[a1 + i]!;
        const u = b[b0 + j]!;
        const v = b[b1 + j]!;
        const w = b[b2 + j]!;
        const x = b[b3 + j]!;
        y00 += p * u;
        y01 += p * v;
        y02 += p * w;
        y03 += p * x;
        y10 += q * u;
        y11 += q * v;
        y12 += q * w;
        y13 += q * x;
      }
      const at = offsetY + m * N + n;
      y[at] = y00;
      y[at + c1] = y01;
      y[at + c2] = y02;
      y[at + c3] = y03;
      y[at + row] = y10;
      y[at + row + c1] = y11;
      y[at + row + c2] = y12;
      y[at + row + c3] = y13;
    }
  }
}
