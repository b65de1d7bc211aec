// The binary rows: arithmetic, extrema and comparisons, broadcast as NumPy does.
import { binary } from './elementwise.ts';
import { square } from './unary.ts';

/** a + b. */
export const add = binary('add', {
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! + b[i]!;
  },
  wgsl: (a, b) => `(${a} + ${b})`,
  vjp: (dy) => [() => dy, () => dy],
});

/** a - b. */
export const sub = binary('sub', {
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! - b[i]!;
  },
  wgsl: (a, b) => `(${a} - ${b})`,
  vjp: (dy) => [() => dy, () => mul(dy, -1)],
});

/** a · b, element by element. */
export const mul = binary('mul', {
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! * b[i]!;
  },
  wgsl: (a, b) => `(${a} * ${b})`,
  vjp: (dy, a, b) => [() => mul(dy, b), () => mul(dy, a)],
});

/** a / b, element by element (f32 only). */
export const div = binary('div', {
  dtypes: ['f32'],
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! / b[i]!;
  },
  wgsl: (a, b) => `(${a} / ${b})`,
  vjp: (dy, a, b) => [() => div(dy, b), () => mul(dy, mul(div(a, square(b)), -1))],
});
