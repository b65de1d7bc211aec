// The unary rows: functions of one f32 tensor, element by element.
import { mul } from './binary.ts';
import { unary } from './elementwise.ts';

/** x². */
export const square = unary('square', {
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = x[i]! * x[i]!;
  },
  wgsl: (x) => `square(${x})`,
  vjp: (dy, x) => mul(dy, mul(x, 2)),
});
