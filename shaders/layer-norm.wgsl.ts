// Layer norm and RMS norm of rows of C elements, and their gradient by x:
//   y = x̂ · weight + bias, x̂ = (x - mean) / σ        rms: mean = 0, σ² = Σ x² / C + eps
//   dx = (g - Σ g / C - x̂ · Σ g·x̂ / C) / σ, g = dy · weight        rms: without Σ g / C
// Inputs x, possibly weight and bias, and outputs y and statistics (rows, 2); or inputs dy, x, statistics and possibly weight, output dx.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { KernelSpec, RowSpec } from '../src/graph/kernel.ts';
import { type RowsCode, type RowText, rowBody, rowsKernel } from './rows.wgsl.ts';
import { f32 } from './wgsl.ts';

export interface LayerNormVariant {
  readonly kind: 'norm' | 'grad';
  /** Rows, and elements of each. */
  readonly N: number;
  readonly C: number;
  readonly eps: number;
  /** False for RMS norm. */
  readonly centred: boolean;
  /** Inputs: 1 to 3 of a norm, 3 or 4 of a gradient. */
  readonly inputs: number;
}

export function layerNormKernel(v: LayerNormVariant, barriers: Capabilities['barriers']): KernelSpec {
  return rowsKernel({ N: v.N, C: v.C, INNER: 1, barriers }, codeOf(v));
}

/** The same row by row, by `lanes` lanes a row. */
export function layerNormRows(v: LayerNormVariant, lanes: number): RowSpec {
  return { rows: v.N, aligned: v.kind === 'norm' ? [0] : [0, 1, 2], body: rowBody(v, lanes, codeOf(v)) };
}

function codeOf(v: LayerNormVariant): RowsCode {
  return v.kind === 'norm' ? normCode(v) : gradCode(v);
}

function normCode({ C, eps, centred, inputs }: LayerNormVariant): RowsCode {
  const x = (k: RowText) => k.inputs[0]!.load('i');
  const apart = (k: RowText) => (centred ? `(${x(k)} - mean)` : x(k));
  const squares = {
    sums: { squares: (k: RowText) => `${apart(k)} * ${apart(k)}` },
    after: () => `let inverse = inverseSqrt(squares / ${f32(C)} + ${f32(eps)});`,
  };
  const first = { sums: { total: x }, after: () => `let mean = total / ${f32(C)};` };
  const affine = ({ inputs: [, weight, bias] }: RowText) =>
    `${inputs > 1 ? ` * ${weight!.load('c')}` : ''}${inputs > 2 ? ` + ${bias!.load('c')}` : ''}`;
  return {
    max: false,
    ...(centred ? { ...first, second: squares } : squares),
    once: ({ outputs: [, stats] }) =>
      `${stats!.store('r * 2u', centred ? 'mean' : 'f32(0)')}\n${stats!.store('r * 2u + 1u', 'inverse')}`,
    each: (k) => k.outputs[0]!.store('i', `${apart(k)} * inverse${affine(k)}`),
  };
}

function gradCode({ C, centred, inputs }: LayerNormVariant): RowsCode {
  const g = ({ inputs: [dy, , , weight] }: RowText) =>
    inputs > 3 ? `${dy!.load('i')} * ${weight!.load('c')}` : dy!.load('i');
  const xHat = ({ inputs: [, x] }: RowText) => `(${x!.load('i')} - mean) * inverse`;
  return {
    max: false,
    before: ({ inputs: [, , stats] }) =>
      `let mean = ${stats!.load('r * 2u')};\nlet inverse = ${stats!.load('r * 2u + 1u')};`,
    sums: { ...(centred && { total: g }), along: (k) => `(${g(k)}) * (${xHat(k)})` },
    each: (k) => {
      const total = centred ? ` - total / ${f32(C)}` : '';
      return k.outputs[0]!.store('i', `(${g(k)}${total} - (${xHat(k)}) * (along / ${f32(C)})) * inverse`);
    },
  };
}
