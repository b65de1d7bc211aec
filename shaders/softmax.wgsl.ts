// softmax and its kin over rows of C elements, m being a row's maximum and s = Σ exp(x - m):
//   softmax = exp(x - m) / s      logSoftmax = (x - m) - log s      logSumExp = m + log s
// and the gradients of the first two from the output y and its gradient dy (inputs dy, y):
//   softmaxGrad = y (dy - Σ dy·y)      logSoftmaxGrad = dy - exp(y) Σ dy
import type { KernelSpec } from '../src/graph/kernel.ts';
import { EXP_BELOW, type RowsCode, type RowsVariant, type RowText, rowsKernel } from './rows.wgsl.ts';
import { EXP } from './special.wgsl.ts';

export type SoftmaxKind = 'softmax' | 'logSoftmax' | 'logSumExp' | 'softmaxGrad' | 'logSoftmaxGrad';

/** exp(x - m) of element `i`. */
export function expOf({ inputs: [x], declare }: RowText): string {
  return `${declare(EXP_BELOW)}(${x!.load('i')} - m)`;
}

const CODE: Readonly<Record<SoftmaxKind, RowsCode>> = {
  softmax: {
    max: true,
    sums: { s: expOf },
    each: (k) => k.outputs[0]!.store('i', `select(${expOf(k)} / s, nan, bad)`),
  },
  logSoftmax: {
    max: true,
    sums: { s: expOf },
    after: () => 'let logS = log(s);',
    each: ({ inputs: [x], outputs: [y] }) => y!.store('i', `select((${x!.load('i')} - m) - logS, nan, bad)`),
  },
  logSumExp: {
    max: true,
    sums: { s: expOf },
    once: ({ outputs: [y] }) => y!.store('r', 'select(m + log(s), m, bad)'),
  },
  softmaxGrad: {
    max: false,
    sums: { s: ({ inputs: [dy, y] }) => `${dy!.load('i')} * ${y!.load('i')}` },
    each: ({ inputs: [dy, y], outputs: [dx] }) => dx!.store('i', `${y!.load('i')} * (${dy!.load('i')} - s)`),
  },
  logSoftmaxGrad: {
    max: false,
    sums: { s: ({ inputs: [dy] }) => dy!.load('i') },
    each: ({ inputs: [dy, y], outputs: [dx], declare }) =>
      dx!.store('i', `${dy!.load('i')} - ${declare(EXP)}(${y!.load('i')}) * s`),
  },
};

export function softmaxKernel(kind: SoftmaxKind, variant: RowsVariant): KernelSpec {
  return rowsKernel(variant, CODE[kind]);
}
