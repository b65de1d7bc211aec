// Softmax cross-entropy of B rows of C logits, fused: m = max x, s = Σ exp(x - m), p = exp(x - m) / s.
//   class indices t:  loss = log s - (x[t] - m)            residual = p - oneHot(t)
//   dense targets t:  loss = Σ t (log s - (x - m))         residual = p Σ t - t
// The residual is the gradient of the row's loss. A label that is no class, and a row with no softmax, give NaN.
import type { KernelPlan } from '../src/graph/op.ts';
import { type RowsCode, rowFunction, rowsPass } from './rows.wgsl.ts';

export interface CrossEntropyVariant {
  /** Rows and classes. */
  readonly B: number;
  readonly C: number;
  readonly dense: boolean;
  /** Whether output 1, the residual, is wanted. */
  readonly residual: boolean;
  readonly software: boolean;
}

export function crossEntropyKernel({ B, C, dense, residual, software }: CrossEntropyVariant): KernelPlan {
  const pass = rowsPass({ N: B, C, INNER: 1, software }, codeOf(dense, residual));
  return { passes: [{ ...pass, inputs: [0, 1], outs: residual ? [0, 1] : [0] }] };
}

/** The same row by row, by `lanes` lanes a row. */
export function crossEntropyRow({ C, dense, residual }: CrossEntropyVariant, lanes: number): string {
  return rowFunction({ C }, lanes, codeOf(dense, residual));
}

function codeOf(dense: boolean, residual: boolean): RowsCode {
  return dense ? denseCode(residual) : indexCode(residual);
}

function indexCode(residual: boolean): RowsCode {
  return {
    max: true,
    before: 'let label = load1(r);\n  let wrong = bad || label >= C;',
    sums: { s: 'expBelow(load0(i) - m)' },
    once: 'store0(r, select(log(s) - (load0(base + min(label, C - 1u)) - m), nan, wrong));',
    ...(residual && {
      each: 'store1(i, select(expBelow(load0(i) - m) / s - select(0.0, 1.0, c == label), nan, wrong));',
    }),
  };
}

function denseCode(residual: boolean): RowsCode {
  return {
    max: true,
    sums: { s: 'expBelow(load0(i) - m)', total: 'load1(i)', along: 'load1(i) * (load0(i) - m)' },
    once: 'store0(r, select(total * log(s) - along, nan, bad));',
    ...(residual && { each: 'store1(i, select(expBelow(load0(i) - m) / s * total - load1(i), nan, bad));' }),
  };
}
