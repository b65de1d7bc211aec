// Initial values, as PyTorch defines them (torch.nn.init). They are functions of (seed, path) alone, computed on the host, so
// a variable begins the same whatever else is in the model and wherever it runs.
import { ARRAYS, checkHeld, hostArray } from '../graph/dtype.ts';
import { OptionError } from '../graph/errors.ts';
import type { Spec } from '../graph/op.ts';
import {
  checkExtra,
  checkOptions,
  checkValue,
  FINITE,
  FLOAT,
  type Kind,
  NUMBER,
  oneOf,
  optionsOf,
  type Schema,
  type WithDefaults,
} from '../graph/options.ts';
import { normals, uniforms } from '../graph/random.ts';
import { formatShape, type Shape, sizeOf } from '../graph/shape.ts';
import type { Initializer } from '../graph/tensor.ts';

const SPEC: Kind = {
  advice: 'Pass the initializer itself, not its result: initialWeight: nn.init.zeros.',
  fits: (v) => Array.isArray((v as Spec | null)?.shape) && Object.hasOwn(ARRAYS, String((v as Spec).dtype)),
};

/** Every element is `value`. */
export function constant(value: number, ...extra: never[]): Initializer {
  checkValue('constant', 'the value', value, NUMBER);
  checkExtra('constant', extra);
  return (spec) => {
    checkValue('init', 'the spec', spec, SPEC);
    checkHeld('constant', spec.dtype, [value], 'Make the variable f32, or round the number.');
    return hostArray(spec.dtype, sizeOf(spec.shape)).fill(value);
  };
}

/** Every element is 0. */
export const zeros: Initializer = constant(0);

/** Every element is 1. */
export const ones: Initializer = constant(1);

/** U(low, high). Default U(0, 1). */
export function uniform(low = 0, high = 1, ...extra: never[]): Initializer {
  checkValue('uniform', 'low', low, FINITE);
  checkValue('uniform', 'high', high, FINITE);
  checkExtra('uniform', extra);
  if (!(low <= high && Number.isFinite(high - low))) {
    throw new OptionError(`uniform: the bounds are ${low} and ${high}. Give finite bounds, the lower one first.`);
  }
  return ({ shape }, seed, path) => uniforms(sizeOf(shape), seed, path, low, high);
}

/** N(mean, deviation²). Default N(0, 1). */
export function normal(mean = 0, deviation = 1, ...extra: never[]): Initializer {
  checkValue('normal', 'mean', mean, FINITE);
  checkValue('normal', 'deviation', deviation, FINITE);
  checkExtra('normal', extra);
  if (!(Number.isFinite(mean) && deviation >= 0 && Number.isFinite(deviation))) {
    throw new OptionError(`normal: mean ${mean}, deviation ${deviation}. Give finite numbers and a deviation >= 0.`);
  }
  return ({ shape }, seed, path) => normals(sizeOf(shape), seed, path, mean, deviation);
}

/** The nonlinearity after the layer; it decides the gain that keeps variances constant. */
export type Nonlinearity = 'linear' | 'sigmoid' | 'tanh' | 'relu' | 'leakyRelu' | 'selu';

/** PyTorch's `calculate_gain`: linear and sigmoid 1, tanh 5/3, relu √2, leakyRelu √(2 / (1 + negativeSlope²)), selu 3/4. */
export function gainOf(nonlinearity: Nonlinearity, negativeSlope = 0.01, ...extra: never[]): number {
  checkValue('gain', 'the nonlinearity', nonlinearity, oneOf(...NONLINEARITIES));
  checkValue('gain', 'negativeSlope', negativeSlope, FLOAT);
  checkExtra('gain', extra);
  switch (nonlinearity) {
    case 'linear':
    case 'sigmoid':
      return 1;
    case 'tanh':
      return 5 / 3;
    case 'relu':
      return Math.SQRT2;
    case 'leakyRelu':
      return Math.sqrt(2 / (1 + negativeSlope ** 2));
    case 'selu':
      return 3 / 4;
  }
}

const NONLINEARITIES: readonly Nonlinearity[] = ['linear', 'sigmoid', 'tanh', 'relu', 'leakyRelu', 'selu'];

/** Options of the Kaiming initialisers. */
export interface KaimingOptions {
  /** Keeps variances constant forward ('in') or backward ('out'). Default 'in'. */
  readonly fan?: 'in' | 'out' | undefined;
  /** The nonlinearity after the layer. Default 'leakyRelu'. */
  readonly nonlinearity?: Nonlinearity | undefined;
  /** The slope of leakyRelu. Default 0. */
  readonly negativeSlope?: number | undefined;
}

const KAIMING = {
  fan: [oneOf('in', 'out'), 'in'],
  nonlinearity: [oneOf(...NONLINEARITIES), 'leakyRelu'],
  negativeSlope: [FLOAT, 0],
} satisfies Schema<KaimingOptions>;

/** U(-b, b) with b = gain · √(3 / fan). He et al. 2015; PyTorch's `kaiming_uniform_`. */
export function kaimingUniform(options: KaimingOptions = {}, ...extra: never[]): Initializer {
  const checked = checkOptions('kaimingUniform', options, KAIMING, extra);
  return scaled('kaimingUniform', checked, (bound, size, seed, path) => uniforms(size, seed, path, -bound, bound), 3);
}

/** N(0, gain² / fan). He et al. 2015; PyTorch's `kaiming_normal_`. */
export function kaimingNormal(options: KaimingOptions = {}, ...extra: never[]): Initializer {
  const checked = checkOptions('kaimingNormal', options, KAIMING, extra);
  return scaled('kaimingNormal', checked, (deviation, size, seed, path) => normals(size, seed, path, 0, deviation), 1);
}

/** Options of the Xavier initialisers, or their gain by position. */
export interface XavierOptions {
  /** The gain. Default 1. */
  readonly gain?: number | undefined;
}

const XAVIER = { gain: [FINITE, 1] } satisfies Schema<XavierOptions>;

/** U(-b, b) with b = gain · √(6 / (fanIn + fanOut)). Glorot & Bengio 2010; PyTorch's `xavier_uniform_`. */
export function xavierUniform(gain?: number): Initializer;
export function xavierUniform(options: XavierOptions): Initializer;
export function xavierUniform(...given: readonly unknown[]): Initializer {
  const { gain } = optionsOf<XavierOptions, typeof XAVIER>('xavierUniform', 'gain', given, XAVIER);
  return ({ shape }, seed, path) => {
    const { fanIn, fanOut } = fansOf('xavierUniform', path, shape);
    const bound = gain * Math.sqrt(6 / (fanIn + fanOut));
    return uniforms(sizeOf(shape), seed, path, -bound, bound);
  };
}

/** N(0, gain² · 2 / (fanIn + fanOut)). Glorot & Bengio 2010; PyTorch's `xavier_normal_`. */
export function xavierNormal(gain?: number): Initializer;
export function xavierNormal(options: XavierOptions): Initializer;
export function xavierNormal(...given: readonly unknown[]): Initializer {
  const { gain } = optionsOf<XavierOptions, typeof XAVIER>('xavierNormal', 'gain', given, XAVIER);
  return ({ shape }, seed, path) => {
    const { fanIn, fanOut } = fansOf('xavierNormal', path, shape);
    return normals(sizeOf(shape), seed, path, 0, gain * Math.sqrt(2 / (fanIn + fanOut)));
  };
}

function scaled(
  name: string,
  { fan, nonlinearity, negativeSlope }: WithDefaults<KaimingOptions, typeof KAIMING>,
  draw: (scale: number, size: number, seed: number, path: string) => Float32Array,
  variance: number,
): Initializer {
  const gain = gainOf(nonlinearity, negativeSlope);
  return ({ shape }, seed, path) => {
    const { fanIn, fanOut } = fansOf(name, path, shape);
    return draw(gain * Math.sqrt(variance / (fan === 'in' ? fanIn : fanOut)), sizeOf(shape), seed, path);
  };
}

/** Inputs and outputs of one unit, of a weight [out, ...receptive field, in]. */
function fansOf(name: string, path: string, shape: Shape): { fanIn: number; fanOut: number } {
  if (shape.length < 2) {
    throw new OptionError(
      `${name}: ${path} ${formatShape(shape)} has no fan: it needs two axes, [out, in]. Use uniform or normal.`,
    );
  }
  return { fanIn: sizeOf(shape.slice(1)), fanOut: sizeOf(shape.slice(0, -1)) };
}
