// The binary rows: arithmetic, extrema and comparisons, broadcast as NumPy does.
import { IS_NAN } from '../../shaders/special.wgsl.ts';
import * as F32X4 from '../cpu/wasm/f32x4.ts';
import type { DType } from '../graph/dtype.ts';
import type { Tensor } from '../graph/tensor.ts';
import { binary } from './elementwise.ts';

/** a + b. */
export const add = binary('add', {
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! + b[i]!;
  },
  lanes: F32X4.ADD,
  wgsl: (a, b) => `(${a} + ${b})`,
  identity: { right: 0, left: 0 },
  vjp: (dy) => [() => dy, () => dy],
});

/** a - b. Below 0, u32 wraps around. */
export const sub = binary('sub', {
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! - b[i]!;
  },
  lanes: F32X4.SUB,
  wgsl: (a, b) => `(${a} - ${b})`,
  identity: { right: 0 },
  vjp: (dy) => [() => dy, () => mul(dy, -1)],
});

/** a · b, element by element. */
export const mul = binary('mul', {
  cpu: (a, b, y) => {
    if (y instanceof Uint32Array || y instanceof Int32Array)
      for (let i = 0; i < y.length; i++) y[i] = Math.imul(a[i]!, b[i]!);
    else for (let i = 0; i < y.length; i++) y[i] = a[i]! * b[i]!;
  },
  lanes: F32X4.MUL,
  wgsl: (a, b) => `(${a} * ${b})`,
  identity: { right: 1, left: 1 },
  vjp: (dy, a, b) => [() => mul(dy, b), () => mul(dy, a)],
});

/** a / b, element by element (f32 only). */
export const div = binary('div', {
  dtypes: ['f32'],
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! / b[i]!;
  },
  lanes: F32X4.DIV,
  wgsl: (a, b) => `(${a} / ${b})`,
  identity: { right: 1 },
  // y / b, not a / b², which overflows where b² is 0.
  vjp: (dy, _a, b, y) => [() => div(dy, b), () => mul(mul(dy, div(y, b)), -1)],
});

/** The larger of a and b; NaN where either is. At a tie each gets half of the gradient, as in PyTorch. */
export const maximum = binary('maximum', {
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.max(a[i]!, b[i]!);
  },
  lanes: F32X4.MAXIMUM,
  wgsl: (a, b, dtype) => pick(a, b, `${a} > ${b}`, dtype),
  vjp: (dy, a, b) => [
    () => mul(dy, share(greater(a, b), greaterEqual(a, b))),
    () => mul(dy, share(greater(b, a), greaterEqual(b, a))),
  ],
});

/** The smaller of a and b; NaN where either is. At a tie each gets half of the gradient, as in PyTorch. */
export const minimum = binary('minimum', {
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.min(a[i]!, b[i]!);
  },
  lanes: F32X4.MINIMUM,
  wgsl: (a, b, dtype) => pick(a, b, `${a} < ${b}`, dtype),
  vjp: (dy, a, b) => [
    () => mul(dy, share(less(a, b), lessEqual(a, b))),
    () => mul(dy, share(less(b, a), lessEqual(b, a))),
  ],
});

/** 1 where strictly greater (or less), one half at a tie, else 0. */
function share(ahead: Tensor, level: Tensor): Tensor {
  return mul(add(ahead, level), 0.5);
}

/** a where `condition`, else b. A NaN in b yields b; a NaN in a is detected by its bits. */
function pick(a: string, b: string, condition: string, dtype: DType): string {
  const notANumber = `(bitcast<u32>(${a}) & 0x7fffffffu) > 0x7f800000u`;
  return `select(${b}, ${a}, ${dtype === 'f32' ? `${condition} || ${notANumber}` : condition})`;
}

/** 1 where a = b, else 0. No gradient flows through comparisons. */
export const equal = binary('equal', {
  out: 'f32',
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! === b[i]! ? 1 : 0;
  },
  lanes: F32X4.EQUAL,
  wgsl: (a, b) => indicator(`${a} == ${b}`),
});

/** 1 where a ≠ b, else 0. NaN differs from everything. */
export const notEqual = binary('notEqual', {
  out: 'f32',
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! !== b[i]! ? 1 : 0;
  },
  lanes: F32X4.NOT_EQUAL,
  wgsl: (a, b, dtype, declare) => {
    const nan = (x: string) => (dtype === 'f32' ? ` || ${declare(IS_NAN)}(${x})` : '');
    return indicator(`${a} != ${b}${nan(a)}${nan(b)}`);
  },
});

/** 1 where a < b, else 0. */
export const less = binary('less', {
  out: 'f32',
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! < b[i]! ? 1 : 0;
  },
  lanes: F32X4.LESS,
  wgsl: (a, b) => indicator(`${a} < ${b}`),
});

/** 1 where a ≤ b, else 0. */
export const lessEqual = binary('lessEqual', {
  out: 'f32',
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! <= b[i]! ? 1 : 0;
  },
  lanes: F32X4.LESS_EQUAL,
  wgsl: (a, b) => indicator(`${a} <= ${b}`),
});

/** 1 where a > b, else 0. */
export const greater = binary('greater', {
  out: 'f32',
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! > b[i]! ? 1 : 0;
  },
  lanes: F32X4.GREATER,
  wgsl: (a, b) => indicator(`${a} > ${b}`),
});

/** 1 where a ≥ b, else 0. */
export const greaterEqual = binary('greaterEqual', {
  out: 'f32',
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! >= b[i]! ? 1 : 0;
  },
  lanes: F32X4.GREATER_EQUAL,
  wgsl: (a, b) => indicator(`${a} >= ${b}`),
});

function indicator(condition: string): string {
  return `select(0.0, 1.0, ${condition})`;
}
