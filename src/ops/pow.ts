// pow: powers whose exponent is a number (in unary.ts, with the base as it is) or a tensor, as the C library and NumPy define them.
import { POW_OF } from '../../shaders/pow.wgsl.ts';
import { checkExtra, checkValue, FLOAT } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { equal, greaterEqual, mul, sub } from './binary.ts';
import { binary, type TensorLike } from './elementwise.ts';
import { where } from './select.ts';
import { log, powNumber } from './unary.ts';

const row = /* @__PURE__ */ binary('pow', {
  dtypes: ['f32'],
  cost: 8,
  cpu: (x, exponent, y) => {
    for (let i = 0; i < y.length; i++) y[i] = powOf(x[i]!, exponent[i]!);
  },
  wgsl: (x, exponent, _, declare) => `${declare(POW_OF)}(${x}, ${exponent})`,
  vjp: (dy, x, exponent, y) => [
    () => where(equal(exponent, 0), 0, mul(dy, mul(exponent, row(x, sub(exponent, 1))))),
    () => where(mul(equal(x, 0), greaterEqual(exponent, 0)), 0, mul(dy, mul(y, log(x)))),
  ],
});

/** As `**`, but 1 to any power is 1, NaN included, and -1 to an infinite one. */
function powOf(x: number, exponent: number): number {
  return x === 1 || (x === -1 && Math.abs(exponent) === Infinity) ? 1 : x ** exponent;
}

export const powTensorOp = row.op;

/**
 * x to the power of a number or a tensor, broadcast; x⁰ is 1 for every x, and a finite negative x to the power of a fraction NaN. 0.5 and -0.5
 * as numbers are `sqrt` and `rsqrt`. The gradients are PyTorch's: of x 0 where the exponent is 0, of the exponent y · log x, and 0 where
 * x = 0 and the exponent is 0 or above. Throws if a number is not finite.
 */
export function pow(x: TensorLike, exponent: TensorLike, ...extra: never[]): Tensor {
  checkExtra('pow', extra);
  if (typeof exponent !== 'number') return row(x, exponent);
  checkValue('pow', 'the exponent', exponent, FLOAT);
  return powNumber(x, exponent);
}

attachMethods({ pow });
