// Activations of straight lines: relu6, and the hard forms of sigmoid and silu (https://arxiv.org/abs/1905.02244).
import { attachMethods } from './attach.ts';
import { add, greater, greaterEqual, less, lessEqual, mul } from './binary.ts';
import { unary } from './elementwise.ts';
import { where } from './select.ts';

/** min(max(x, 0), 6). As in PyTorch, the gradient is 0 at 0 and at 6, and dy at NaN. */
export const relu6 = unary('relu6', {
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.min(Math.max(x[i]!, 0), 6);
  },
  wgsl: (x) => `select(select(${x}, 6.0, ${x} > 6.0), 0.0, ${x} < 0.0)`,
  vjp: (dy, x) => where(add(lessEqual(x, 0), greaterEqual(x, 6)), 0, dy),
});

/** min(max(x + 3, 0), 6) / 6. As in PyTorch, the gradient is 0 at -3, at 3 and at NaN. */
export const hardsigmoid = unary('hardsigmoid', {
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.min(Math.max(x[i]! + 3, 0), 6) / 6;
  },
  wgsl: (x) => hard(x),
  vjp: (dy, x) => where(mul(greater(x, -3), less(x, 3)), mul(dy, 1 / 6), 0),
});

/** x · hardsigmoid(x). The slope is -1/2 at -3, as in PyTorch, and 1 at 3, where PyTorch's is 1 or 3/2 depending on the tensor's length. */
export const hardswish = unary('hardswish', {
  cost: 2,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = x[i]! * (Math.min(Math.max(x[i]! + 3, 0), 6) / 6);
  },
  wgsl: (x) => `(${x} * ${hard(x)})`,
  vjp: (dy, x) => where(less(x, -3), 0, where(less(x, 3), mul(dy, add(mul(x, 1 / 3), 0.5)), dy)),
});

function hard(x: string): string {
  return `(select(select(${x} + 3.0, 6.0, ${x} > 3.0), 0.0, ${x} < -3.0) / 6.0)`;
}

attachMethods({ relu6, hardsigmoid, hardswish });
