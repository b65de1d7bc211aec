// softmax and its kin over rows of C elements, m being a row's maximum and s = Σ exp(x - m):
//   softmax = exp(x - m) / s      logSoftmax = (x - m) - log s      logSumExp = m + log s
// and the gradients of the first two from the output y and its gradient dy (inputs dy, y):
//   softmaxGrad = y (dy - Σ dy·y)      logSoftmaxGrad = dy - exp(y) Σ dy
import { EXP_BELOW, type RowsCode, type RowText } from './rows.wgsl.ts';
import { EXP } from './special.wgsl.ts';

/** exp(x - m) of element `i`. */
export function expOf({ inputs: [x], declare }: RowText): string {
  return `${declare(EXP_BELOW)}(${x!.load('i')} - m)`;
}

export const SOFTMAX: RowsCode = {
  max: true,
  sums: { s: expOf },
  each: (k) => k.outputs[0]!.store('i', `select(${expOf(k)} / s, nan, bad)`),
};

export const LOG_SOFTMAX: RowsCode = {
  max: true,
  sums: { s: expOf },
  after: () => 'let logS = log(s);',
  each: ({ inputs: [x], outputs: [y] }) => y!.store('i', `select((${x!.load('i')} - m) - logS, nan, bad)`),
};

export const LOG_SUM_EXP: RowsCode = {
  max: true,
  sums: { s: expOf },
  once: ({ outputs: [y] }) => y!.store('r', 'select(m + log(s), m, bad)'),
};

export const SOFTMAX_GRAD: RowsCode = {
  max: false,
  sums: { s: ({ inputs: [dy, y] }) => `${dy!.load('i')} * ${y!.load('i')}` },
  each: ({ inputs: [dy, y], outputs: [dx] }) => dx!.store('i', `${y!.load('i')} * (${dy!.load('i')} - s)`),
};

export const LOG_SOFTMAX_GRAD: RowsCode = {
  max: false,
  sums: { s: ({ inputs: [dy] }) => dy!.load('i') },
  each: ({ inputs: [dy, y], outputs: [dx], declare }) =>
    dx!.store('i', `${dy!.load('i')} - ${declare(EXP)}(${y!.load('i')}) * s`),
};
