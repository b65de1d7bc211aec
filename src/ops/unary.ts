// The unary rows: functions of one f32 tensor, element by element. Each CPU loop is written out, since a closure per element would
// be several times slower. Activations are in activations.ts.
import { EXP, integerPower, LOG, POW, SIGN } from '../../shaders/special.wgsl.ts';
import { f32 } from '../../shaders/wgsl.ts';
import * as F32X4 from '../cpu/wasm/f32x4.ts';
import { simd } from '../cpu/wasm/module.ts';
import { checkExtra, checkValue, FLOAT, type Kind } from '../graph/options.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { div, mul } from './binary.ts';
import { type TensorLike, toTensor, unary, unaryOp } from './elementwise.ts';

/** -x. */
export const neg = unary('neg', {
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = -x[i]!;
  },
  lanes: (x) => [x, simd(F32X4.NEG)],
  wgsl: (x) => `(-${x})`,
  vjp: (dy) => neg(dy),
});

/** |x|. The gradient is 0 at 0, as in PyTorch, and NaN at NaN. */
export const abs = unary('abs', {
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.abs(x[i]!);
  },
  lanes: (x) => [x, simd(F32X4.ABS)],
  wgsl: (x) => `abs(${x})`,
  vjp: (dy, x) => mul(dy, sign(x)),
});

/** -1, 0 or 1; NaN where x is. No gradient flows through it. */
export const sign = unary('sign', {
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.sign(x[i]!);
  },
  wgsl: (x, _, declare) => `${declare(SIGN)}(${x})`,
});

/** e^x. */
export const exp = unary('exp', {
  cost: 4,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.exp(x[i]!);
  },
  wgsl: (x, _, declare) => `${declare(EXP)}(${x})`,
  vjp: (dy, _x, y) => mul(dy, y),
});

/** The natural logarithm; -Infinity at 0, NaN below. */
export const log = unary('log', {
  cost: 4,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.log(x[i]!);
  },
  wgsl: (x, _, declare) => `${declare(LOG)}(${x})`,
  vjp: (dy, x) => div(dy, x),
});

/** √x. */
export const sqrt = unary('sqrt', {
  cost: 2,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.sqrt(x[i]!);
  },
  lanes: (x) => [x, simd(F32X4.SQRT)],
  wgsl: (x) => `sqrt(${x})`,
  vjp: (dy, _x, y) => div(dy, mul(y, 2)),
});

/** 1 / √x. */
export const rsqrt = unary('rsqrt', {
  cost: 2,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = 1 / Math.sqrt(x[i]!);
  },
  wgsl: (x) => `inverseSqrt(${x})`,
  vjp: (dy, _x, y) => mul(dy, mul(powNumber(y, 3), -0.5)),
});

/** x². */
export const square = unary('square', {
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = x[i]! * x[i]!;
  },
  lanes: (x) => [x, x, simd(F32X4.MUL)],
  wgsl: (x) => `(${x} * ${x})`,
  vjp: (dy, x) => mul(dy, mul(x, 2)),
});

/** Whole exponents up to this are computed as products, larger ones as powers of |x|. */
const MAX_PRODUCT = 64;

export const powOp = unaryOp<{ readonly exponent: number }>('pow', {
  cost: 4,
  cpu: (x, y, { exponent }) => {
    if (exponent === 0.5) for (let i = 0; i < y.length; i++) y[i] = Math.sqrt(x[i]!);
    else if (exponent === -0.5) for (let i = 0; i < y.length; i++) y[i] = 1 / Math.sqrt(x[i]!);
    else for (let i = 0; i < y.length; i++) y[i] = x[i]! ** exponent;
  },
  wgsl: (x, { exponent }, declare) => {
    if (isProduct(exponent)) return `${declare(integerPower(exponent))}(${x})`;
    if (exponent === 0.5) return `sqrt(${x})`;
    if (exponent === -0.5) return `inverseSqrt(${x})`;
    if (!Number.isInteger(exponent)) return `${declare(POW)}(${x}, ${f32(exponent)})`;
    const size = `${declare(POW)}(abs(${x}), ${f32(exponent)})`;
    return exponent % 2 === 0 ? size : `select(${size}, -${size}, (bitcast<u32>(${x}) >> 31u) == 1u)`;
  },
  vjp: (dy, x, _y, { exponent }) => (exponent === 0 ? mul(dy, 0) : mul(dy, mul(powNumber(x, exponent - 1), exponent))),
});

const EXPONENT: Kind = {
  advice: "Give a finite number. A tensor as exponent needs import { pow } from 'thalweg/ops'.",
  fits: FLOAT.fits,
};

function isProduct(exponent: number): boolean {
  return Number.isInteger(exponent) && Math.abs(exponent) <= MAX_PRODUCT;
}

/**
 * x to the power of a number; NaN for finite negative x and a fractional exponent. 0.5 and -0.5 are `sqrt` and `rsqrt`. Tensors as exponents
 * are in pow.ts, whose `pow` replaces the method.
 */
export function powNumber(x: TensorLike, exponent: number, ...extra: never[]): Tensor {
  checkValue('pow', 'the exponent', exponent, EXPONENT);
  checkExtra('pow', extra);
  return exponent === 1 ? toTensor('pow', x) : apply1(powOp, [toTensor('pow', x)], { exponent });
}
