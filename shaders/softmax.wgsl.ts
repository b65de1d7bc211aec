// softmax and its kin over rows of C elements, m being a row's maximum and s = Σ exp(x - m):
//   softmax = exp(x - m) / s      logSoftmax = (x - m) - log s      logSumExp = m + log s
// and the gradients of the first two from the output y and its gradient dy (inputs dy, y):
//   softmaxGrad = y (dy - Σ dy·y)      logSoftmaxGrad = dy - exp(y) Σ dy
import type { KernelPlan } from '../src/graph/op.ts';
import { type RowsCode, type RowsVariant, rowsPass } from './rows.wgsl.ts';

export type SoftmaxKind = 'softmax' | 'logSoftmax' | 'logSumExp' | 'softmaxGrad' | 'logSoftmaxGrad';

const CODE: Readonly<Record<SoftmaxKind, RowsCode>> = {
  softmax: {
    max: true,
    sums: { s: 'expBelow(load0(i) - m)' },
    each: 'store0(i, select(expBelow(load0(i) - m) / s, nan, bad));',
  },
  logSoftmax: {
    max: true,
    sums: { s: 'expBelow(load0(i) - m)' },
    after: 'let logS = log(s);',
    each: 'store0(i, select((load0(i) - m) - logS, nan, bad));',
  },
  logSumExp: {
    max: true,
    sums: { s: 'expBelow(load0(i) - m)' },
    once: 'store0(r, select(m + log(s), m, bad));',
  },
  softmaxGrad: {
    max: false,
    sums: { s: 'load0(i) * load1(i)' },
    each: 'store0(i, load1(i) * (load0(i) - s));',
  },
  logSoftmaxGrad: {
    max: false,
    sums: { s: 'load0(i)' },
    each: 'store0(i, load0(i) - exp(load1(i)) * s);',
  },
};

export function softmaxKernel(kind: SoftmaxKind, variant: RowsVariant): KernelPlan {
  const inputs = kind.endsWith('Grad') ? [0, 1] : [0];
  return { passes: [{ ...rowsPass(variant, CODE[kind]), inputs, outs: [0] }] };
}
