// The CPU's matrix product: operands are brought to rows along K, then 2 x 4 results at a time are summed in registers.
import type { HostArray } from '../graph/dtype.ts';

export interface Product {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** a is stored (K, M), b is stored (N, K). */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly a: HostArray;
  readonly b: HostArray;
  readonly y: HostArray;
  readonly offsetA: number;
  readonly offsetB: number;
  readonly offsetY: number;
}

/** y (M, N) = a · b, in the precision of the arrays with sums in doubles. */
export function multiply(p: Product): void {
  const { M, N, K, a, b, y } = p;
  const rowsA = p.transposeA ? transposed(a, p.offsetA, K, M) : a;
  const rowsB = p.transposeB ? b : transposed(b, p.offsetB, K, N);
  dotRows(rowsA, p.transposeA ? 0 : p.offsetA, rowsB, p.transposeB ? p.offsetB : 0, y, p.offsetY, M, N, K);
}

/** A (rows, columns) matrix at `offset`, turned into (columns, rows). */
function transposed(x: HostArray, offset: number, rows: number, columns: number): HostArray {
  const out = x instanceof Float64Array ? new Float64Array(rows * columns) : new Float32Array(rows * columns);
  for (let r = 0, from = offset; r < rows; r++)
    for (let c = 0, to = r; c < columns; c++, to += rows) out[to] = x[from++]!;
  return out;
}

/** y[m][n] = Σ a[m][k] · b[n][k]. */
function dotRows(
  a: HostArray,
  offsetA: number,
  b: HostArray,
  offsetB: number,
  y: HostArray,
  offsetY: number,
  M: number,
  N: number,
  K: number,
): void {
  for (let m = 0; m < M; m += 2) {
    const a0 = offsetA + m * K;
    const a1 = m + 1 < M ? a0 + K : a0;
    for (let n = 0; n < N; n += 4) {
      const b0 = offsetB + n * K;
      const b1 = n + 1 < N ? b0 + K : b0;
      const b2 = n + 2 < N ? b0 + 2 * K : b0;
      const b3 = n + 3 < N ? b0 + 3 * K : b0;
      let y00 = 0;
      let y01 = 0;
      let y02 = 0;
      let y03 = 0;
      let y10 = 0;
      let y11 = 0;
      let y12 = 0;
      let y13 = 0;
      for (let k = 0; k < K; k++) {
        const p = a[a0 + k]!;
        const q = a[a1 + k]!;
        const u = b[b0 + k]!;
        const v = b[b1 + k]!;
        const w = b[b2 + k]!;
        const x = b[b3 + k]!;
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
      const left = N - n;
      y[at] = y00;
      if (left > 1) y[at + 1] = y01;
      if (left > 2) y[at + 2] = y02;
      if (left > 3) y[at + 3] = y03;
      if (a1 === a0) continue;
      y[at + N] = y10;
      if (left > 1) y[at + N + 1] = y11;
      if (left > 2) y[at + N + 2] = y12;
      if (left > 3) y[at + N + 3] = y13;
    }
  }
}
