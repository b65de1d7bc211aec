// Activations made of softplus: mish and logSigmoid, safe far from 0 on both sides.
import { IS_NAN, SOFTPLUS } from '../../shaders/special.wgsl.ts';
import type { Declaration } from '../graph/kernel.ts';
import { sigmoid, softplus, tanh } from './activations.ts';
import { attachMethods } from './attach.ts';
import { add, mul, sub } from './binary.ts';
import { unary } from './elementwise.ts';
import { neg, square } from './unary.ts';

/** tanh(log(1 + e^x)) = n / (n + 2) with n = e^2x + 2e^x; where x > 0, both times t² with t = e^-x. */
const TANH_SOFTPLUS: Declaration = {
  name: 'tanhSoftplus',
  uses: [IS_NAN],
  text: (name, notANumber) => `fn ${name}(x: f32) -> f32 {
  let t = exp(-abs(x));
  let n = select(1.0 + 2.0 * t, t * (t + 2.0), x < 0.0);
  let y = n / (n + select(2.0 * t * t, 2.0, x < 0.0));
  return select(y, x, ${notANumber}(x));
}`,
};

/** x · tanh(softplus(x)) (https://arxiv.org/abs/1908.08681). */
export const mish = unary('mish', {
  cost: 6,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) {
      const t = Math.exp(-Math.abs(x[i]!));
      const n = x[i]! < 0 ? t * (t + 2) : 1 + 2 * t;
      y[i] = x[i]! * (n / (n + (x[i]! < 0 ? 2 : 2 * t * t)));
    }
  },
  wgsl: (x, _, declare) => `(${x} * ${declare(TANH_SOFTPLUS)}(${x}))`,
  // s + xσ(1 - s²) with s = tanh(softplus(x))
  vjp: (dy, x) => {
    const s = tanh(softplus(x));
    return mul(dy, add(s, mul(mul(x, sigmoid(x)), sub(1, square(s)))));
  },
});

/** log(sigmoid(x)) = -softplus(-x). */
export const logSigmoid = unary('logSigmoid', {
  cost: 8,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.min(x[i]!, 0) - Math.log1p(Math.exp(-Math.abs(x[i]!)));
  },
  wgsl: (x, _, declare) => `(-${declare(SOFTPLUS)}(-${x}))`,
  vjp: (dy, x) => mul(dy, sigmoid(neg(x))),
});

attachMethods({ mish, logSigmoid });
