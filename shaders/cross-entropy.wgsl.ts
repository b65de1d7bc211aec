// Softmax cross-entropy of B rows of C logits, fused: m = max x, s = Σ exp(x - m), p = exp(x - m) / s.
//   class indices t:  loss = log s - (x[t] - m)            residual = p - oneHot(t)
//   dense targets t:  loss = Σ t (log s - (x - m))         residual = p Σ t - t
// The residual is the gradient of the row's loss. A label that is no class, and a row with no softmax, give NaN.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { KernelSpec, RowSpec } from '../src/graph/kernel.ts';
import { type RowsCode, rowBody, rowsKernel } from './rows.wgsl.ts';
import { expOf } from './softmax.wgsl.ts';

export interface CrossEntropyVariant {
  /** Rows and classes. */
  readonly B: number;
  readonly C: number;
  readonly dense: boolean;
  /** Whether output 1, the residual, is wanted. */
  readonly residual: boolean;
  readonly barriers: Capabilities['barriers'];
}

export function crossEntropyKernel({ B, C, dense, residual, barriers }: CrossEntropyVariant): KernelSpec {
  return rowsKernel({ N: B, C, INNER: 1, barriers }, codeOf(dense, residual));
}

/** The same row by row, by `lanes` lanes a row. */
export function crossEntropyRowKernel(v: Omit<CrossEntropyVariant, 'barriers'>, lanes: number): RowSpec {
  const { B, C, dense, residual } = v;
  return { rows: B, aligned: [0, 1], body: rowBody({ C }, lanes, codeOf(dense, residual)) };
}

function codeOf(dense: boolean, residual: boolean): RowsCode {
  return dense ? denseCode(residual) : indexCode(residual);
}

function indexCode(residual: boolean): RowsCode {
  return {
    max: true,
    before: ({ inputs: [, labels] }) => `let label = ${labels!.load('r')};\nlet wrong = bad || label >= C;`,
    sums: { s: expOf },
    once: ({ inputs: [x], outputs: [loss] }) =>
      loss!.store('r', `select(log(s) - (${x!.load('base + min(label, C - 1u)')} - m), nan, wrong)`),
    ...(residual && {
      each: (k) => k.outputs[1]!.store('i', `select(${expOf(k)} / s - select(0.0, 1.0, c == label), nan, wrong)`),
    }),
  };
}

function denseCode(residual: boolean): RowsCode {
  return {
    max: true,
    sums: {
      s: expOf,
      total: ({ inputs: [, t] }) => t!.load('i'),
      along: ({ inputs: [x, t] }) => `${t!.load('i')} * (${x!.load('i')} - m)`,
    },
    once: ({ outputs: [loss] }) => loss!.store('r', 'select(total * log(s) - along, nan, bad)'),
    ...(residual && {
      each: (k) => k.outputs[1]!.store('i', `select(${expOf(k)} / s * total - ${k.inputs[1]!.load('i')}, nan, bad)`),
    }),
  };
}
