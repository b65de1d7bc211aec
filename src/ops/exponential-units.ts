// Exponential linear units: elu, celu and selu are one op, scale · x above 0 and scale · α (e^(kx) - 1) below.
import { f32 } from '../../shaders/wgsl.ts';
import { checkExtra, FLOAT, type Kind, optionsOf, type Schema } from '../graph/options.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { lessEqual, minimum, mul } from './binary.ts';
import { type TensorLike, toTensor, unaryOp } from './elementwise.ts';
import { EXPM1 } from './expm1.ts';
import { where } from './select.ts';
import { exp } from './unary.ts';

interface Elu {
  readonly alpha: number;
  readonly scale: number;
  /** k. */
  readonly inputScale: number;
}

export const eluOp = unaryOp<Elu>('elu', {
  cost: 8,
  cpu: (x, y, { alpha, scale, inputScale }) => {
    for (let i = 0; i < y.length; i++)
      y[i] = x[i]! > 0 ? scale * x[i]! : scale * alpha * Math.expm1(inputScale * x[i]!);
  },
  wgsl: (x, { alpha, scale, inputScale }, declare) =>
    `select(${f32(scale * alpha)} * ${declare(EXPM1)}(${f32(inputScale)} * ${x}), ${f32(scale)} * ${x}, ${x} > 0.0)`,
  // At NaN it is dy, as PyTorch's. The minimum keeps the slope that is not selected finite, for the gradient of the gradient.
  vjp: (dy, x, _y, { alpha, scale, inputScale }) => {
    const below = mul(exp(mul(minimum(x, 0), inputScale)), scale * alpha * inputScale);
    return mul(dy, where(lessEqual(x, 0), below, scale));
  },
});

/** Options of {@link elu}. */
export interface EluOptions {
  /** The limit for x to -Infinity is -alpha. Default 1. */
  readonly alpha?: number | undefined;
}

/** Options of {@link celu}. */
export interface CeluOptions {
  /** The limit for x to -Infinity is -alpha, and the slope at 0 is 1. Default 1. */
  readonly alpha?: number | undefined;
}

const DIVISOR: Kind = {
  advice: 'Give a finite number other than 0.',
  fits: (v) => FLOAT.fits(v) && Number.isFinite(Math.fround(1 / (v as number))),
};

export const ELU = { alpha: [FLOAT, 1] } satisfies Schema<EluOptions>;
export const CELU = { alpha: [DIVISOR, 1] } satisfies Schema<CeluOptions>;

/** x where x > 0, else alpha · (e^x - 1): `elu(x, 0.5)`. Default alpha 1, as PyTorch's (https://arxiv.org/abs/1511.07289). Throws if it is not finite. */
export function elu(x: TensorLike, alpha?: number): Tensor;
export function elu(x: TensorLike, options?: EluOptions): Tensor;
export function elu(x: TensorLike, ...given: readonly unknown[]): Tensor {
  const { alpha } = optionsOf<EluOptions, typeof ELU>('elu', 'alpha', given, ELU);
  return apply1(eluOp, [toTensor('elu', x)], { alpha, scale: 1, inputScale: 1 });
}

/**
 * x where x > 0, else alpha · (e^(x / alpha) - 1): `celu(x, 0.5)`. Default alpha 1, as PyTorch's (https://arxiv.org/abs/1704.07483). Throws if
 * it is 0 or not finite.
 */
export function celu(x: TensorLike, alpha?: number): Tensor;
export function celu(x: TensorLike, options?: CeluOptions): Tensor;
export function celu(x: TensorLike, ...given: readonly unknown[]): Tensor {
  const { alpha } = optionsOf<CeluOptions, typeof CELU>('celu', 'alpha', given, CELU);
  return apply1(eluOp, [toTensor('celu', x)], { alpha, scale: 1, inputScale: 1 / alpha });
}

const SELU: Elu = { alpha: 1.6732632423543772, scale: 1.0507009873554805, inputScale: 1 };

/**
 * 1.0507 · x where x > 0, else 1.0507 · 1.6733 · (e^x - 1): keeps mean 0 and variance 1 from layer to layer
 * (https://arxiv.org/abs/1706.02515).
 */
export function selu(x: TensorLike, ...extra: never[]): Tensor {
  checkExtra('selu', extra);
  return apply1(eluOp, [toTensor('selu', x)], SELU);
}

attachMethods({ elu, celu, selu });
