// The activations: unary rows of f32, element by element, safe far from 0 on both sides.
import { ERF, ERFC, SIGMOID, SOFTPLUS, TANH } from '../../shaders/special.wgsl.ts';
import { f32 } from '../../shaders/wgsl.ts';
import * as F32X4 from '../cpu/wasm/f32x4.ts';
import { fill, simd } from '../cpu/wasm/module.ts';
import { checkOptions, FLOAT, oneOf, optionsOf, type Schema } from '../graph/options.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { add, greater, lessEqual, mul, sub } from './binary.ts';
import { type TensorLike, toTensor, unary, unaryOp } from './elementwise.ts';
import { erfOf } from './erf.ts';
import { where } from './select.ts';
import { exp, square } from './unary.ts';

/** max(x, 0). As in PyTorch, the gradient is 0 at 0 and dy at NaN. */
export const relu = unary('relu', {
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.max(x[i]!, 0);
  },
  lanes: (x) => [x, fill(0), simd(F32X4.MAXIMUM)],
  wgsl: (x) => `select(${x}, 0.0, ${x} < 0.0)`,
  vjp: (dy, _x, y) => where(lessEqual(y, 0), 0, dy),
});

export const leakyReluOp = unaryOp<{ readonly negativeSlope: number }>('leakyRelu', {
  cpu: (x, y, { negativeSlope }) => {
    for (let i = 0; i < y.length; i++) y[i] = x[i]! < 0 ? negativeSlope * x[i]! : x[i]!;
  },
  wgsl: (x, { negativeSlope }) => `select(${x}, ${f32(negativeSlope)} * ${x}, ${x} < 0.0)`,
  vjp: (dy, x, _y, { negativeSlope }) => where(greater(x, 0), dy, mul(dy, negativeSlope)),
});

/** Options of {@link leakyRelu}. */
export interface LeakyReluOptions {
  /** The slope for x < 0. Default 0.01. */
  readonly negativeSlope?: number | undefined;
}

export const LEAKY_RELU = { negativeSlope: [FLOAT, 0.01] } satisfies Schema<LeakyReluOptions>;

/** x where x > 0, else negativeSlope · x: `leakyRelu(x, 0.2)`. Default negativeSlope 0.01, as PyTorch's. Throws if it is not finite. */
export function leakyRelu(x: TensorLike, negativeSlope?: number): Tensor;
export function leakyRelu(x: TensorLike, options?: LeakyReluOptions): Tensor;
export function leakyRelu(x: TensorLike, ...slope: readonly unknown[]): Tensor {
  const options = optionsOf<LeakyReluOptions, typeof LEAKY_RELU>('leakyRelu', 'negativeSlope', slope, LEAKY_RELU);
  return apply1(leakyReluOp, [toTensor('leakyRelu', x)], options);
}

/** 1 / (1 + e^-x). */
export const sigmoid = unary('sigmoid', {
  cost: 5,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) {
      const t = Math.exp(-Math.abs(x[i]!));
      y[i] = (x[i]! < 0 ? t : 1) / (1 + t);
    }
  },
  wgsl: (x, _, declare) => `${declare(SIGMOID)}(${x})`,
  vjp: (dy, _x, y) => mul(dy, mul(y, sub(1, y))),
});

/** The hyperbolic tangent. */
export const tanh = unary('tanh', {
  cost: 6,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.tanh(x[i]!);
  },
  wgsl: (x, _, declare) => `${declare(TANH)}(${x})`,
  vjp: (dy, _x, y) => mul(dy, sub(1, square(y))),
});

/** x · sigmoid(x), also called swish (Elfwing et al., arXiv:1702.03118). */
export const silu = unary('silu', {
  cost: 5,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) {
      const t = Math.exp(-Math.abs(x[i]!));
      y[i] = (x[i]! * (x[i]! < 0 ? t : 1)) / (1 + t);
    }
  },
  wgsl: (x, _, declare) => `(${x} * ${declare(SIGMOID)}(${x}))`,
  // σ + xσ(1 - σ) = σ + y(1 - σ)
  vjp: (dy, x, y) => {
    const s = sigmoid(x);
    return mul(dy, add(s, mul(y, sub(1, s))));
  },
});

/** log(1 + e^x). */
export const softplus = unary('softplus', {
  cost: 8,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.max(x[i]!, 0) + Math.log1p(Math.exp(-Math.abs(x[i]!)));
  },
  wgsl: (x, _, declare) => `${declare(SOFTPLUS)}(${x})`,
  vjp: (dy, x) => mul(dy, sigmoid(x)),
});

/** The error function 2/√π ∫₀ˣ e^(-t²) dt. */
export const erf = unary('erf', {
  cost: 8,
  cpu: (x, y) => {
    for (let i = 0; i < y.length; i++) y[i] = erfOf(x[i]!);
  },
  wgsl: (x, _, declare) => `${declare(ERF)}(${x})`,
  vjp: (dy, x) => mul(dy, mul(exp(mul(square(x), -1)), 2 / Math.sqrt(Math.PI))),
});

/** How {@link gelu} is computed. */
export interface GeluOptions {
  /** `none`: exact, with erf. `tanh`: the approximation that GPT-2 uses. Default `none`. */
  readonly approximate?: 'none' | 'tanh' | undefined;
}

export const GELU = { approximate: [oneOf('none', 'tanh'), 'none'] } satisfies Schema<GeluOptions>;

const TANH_SCALE = Math.sqrt(2 / Math.PI);
const TANH_CUBIC = 0.044715;

export const geluOp = unaryOp<{ readonly approximate: 'none' | 'tanh' }>('gelu', {
  cost: 8,
  cpu: (x, y, { approximate }) => {
    if (approximate === 'none') {
      for (let i = 0; i < y.length; i++) y[i] = 0.5 * x[i]! * (1 + erfOf(x[i]! * Math.SQRT1_2));
      return;
    }
    for (let i = 0; i < y.length; i++) {
      const v = x[i]!;
      // ½(1 + tanh u) is sigmoid(2u), which keeps its digits where tanh u is near -1.
      const u = TANH_SCALE * (v + TANH_CUBIC * v * v * v);
      const t = Math.exp(-2 * Math.abs(u));
      y[i] = (v * (u < 0 ? t : 1)) / (1 + t);
    }
  },
  wgsl: (x, { approximate }, declare) =>
    approximate === 'none'
      ? `(0.5 * ${x} * ${declare(ERFC)}(${f32(-Math.SQRT1_2)} * ${x}))`
      : `(${x} * ${declare(SIGMOID)}(${f32(2 * TANH_SCALE)} * (${x} + ${f32(TANH_CUBIC)} * ${x} * ${x} * ${x})))`,
  vjp: (dy, x, _y, { approximate }) => mul(dy, approximate === 'none' ? erfSlope(x) : tanhSlope(x)),
});

/** Φ(x) + x φ(x), where Φ and φ are the standard normal distribution function and density. */
function erfSlope(x: Tensor): Tensor {
  const distribution = mul(add(erf(mul(x, Math.SQRT1_2)), 1), 0.5);
  const density = mul(exp(mul(square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return add(distribution, mul(x, density));
}

/** ½(1 + t) + ½x(1 - t²)u' with t = tanh(u), u = √(2/π)(x + 0.044715x³). */
function tanhSlope(x: Tensor): Tensor {
  const x2 = square(x);
  const t = tanh(mul(mul(x, add(mul(x2, TANH_CUBIC), 1)), TANH_SCALE));
  const du = mul(add(mul(x2, 3 * TANH_CUBIC), 1), TANH_SCALE);
  return mul(add(add(t, 1), mul(mul(x, sub(1, square(t))), du)), 0.5);
}

/** x Φ(x), where Φ is the standard normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415), exact or in its tanh form. */
export function gelu(x: TensorLike, options: GeluOptions = {}, ...extra: never[]): Tensor {
  return apply1(geluOp, [toTensor('gelu', x)], checkOptions('gelu', options, GELU, extra));
}
