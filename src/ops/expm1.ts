// expm1: e^x - 1 without the cancellation near 0, where exp(x) - 1 loses all correct digits in f32. Adam's bias correction
// 1 - β^t = -expm1(t · ln β) needs it for β near 1.
import { EXP } from '../../shaders/special.wgsl.ts';
import type { Declaration } from '../graph/kernel.ts';
import { add, mul } from './binary.ts';
import { unary } from './elementwise.ts';

// Taylor up to x^9 / 9! in Horner's form: the first term left out is below 3e-10 of the result for |x| <= 0.5. Outside, the
// difference loses two bits at most.
export const EXPM1: Declaration = {
  name: 'expm1',
  uses: [EXP],
  text: (name, exp) => `fn ${name}(x: f32) -> f32 {
  let tail = 1.0 + x * 0.16666667 * (1.0 + x * 0.14285715 * (1.0 + x * 0.125 * (1.0 + x * 0.11111111)));
  let near = x * (1.0 + x * 0.5 * (1.0 + x * 0.33333334 * (1.0 + x * 0.25 * (1.0 + x * 0.2 * tail))));
  return select(${exp}(x) - 1.0, near, abs(x) <= 0.5);
}`,
};

/** e^x - 1, accurate near 0. */
export const expm1 = unary('expm1', {
  cost: 6,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.expm1(x[i]!);
  },
  wgsl: (x, _, declare) => `${declare(EXPM1)}(${x})`,
  vjp: (dy, _x, y) => mul(dy, add(y, 1)),
});
