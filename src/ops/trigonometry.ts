// sin and cos.
import { COS, SIN } from '../../shaders/trigonometry.wgsl.ts';
import { attachMethods } from './attach.ts';
import { mul } from './binary.ts';
import { unary } from './elementwise.ts';
import { neg } from './unary.ts';

/** The sine of x, in radians; NaN for infinities. */
export const sin = unary('sin', {
  cost: 8,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.sin(x[i]!);
  },
  wgsl: (x, _, declare) => `${declare(SIN)}(${x})`,
  vjp: (dy, x) => mul(dy, cos(x)),
});

/** The cosine of x, in radians; NaN for infinities. */
export const cos = unary('cos', {
  cost: 8,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.cos(x[i]!);
  },
  wgsl: (x, _, declare) => `${declare(COS)}(${x})`,
  vjp: (dy, x) => mul(dy, neg(sin(x))),
});

attachMethods({ sin, cos });
