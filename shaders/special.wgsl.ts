// Functions of one f32 that WGSL lacks, or whose built-in is loose near 0 or overflows far from it.
import type { Declaration } from '../src/graph/kernel.ts';

/**
 * Whether x is NaN, by its bits: WGSL lets compilers assume x == x. Needed because SwiftShader's exp and log of NaN are
 * plain numbers, its log of -x is that of x, and so is its pow.
 */
export const IS_NAN: Declaration = {
  name: 'notANumber',
  text: (name) => `fn ${name}(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}`,
};

/** A NaN that no compiler knows for one. */
export const NAN_OF: Declaration = {
  name: 'nanOf',
  text: (name) => `fn ${name}(v: f32) -> f32 { return bitcast<f32>(bitcast<u32>(v) | 0x7fc00000u); }`,
};

/** Element `place` of the one-hot row of `index`, NaN where that is not below `depth`. */
export const ONE_HOT: Declaration = {
  name: 'oneHot',
  text: (name) => `fn ${name}(index: u32, place: u32, depth: u32) -> f32 {
  return select(select(0.0, 1.0, index == place), bitcast<f32>(index | 0x7fc00000u), index >= depth);
}`,
};

/** e^x. NaN gives NaN. */
export const EXP: Declaration = {
  name: 'expExact',
  uses: [IS_NAN],
  text: (name, notANumber) => `fn ${name}(x: f32) -> f32 {
  return select(exp(x), x, ${notANumber}(x));
}`,
};

/** -1, 0 or 1. NaN gives NaN. */
export const SIGN: Declaration = {
  name: 'signExact',
  uses: [IS_NAN],
  text: (name, notANumber) => `fn ${name}(x: f32) -> f32 {
  return select(sign(x), x, ${notANumber}(x));
}`,
};

/** The natural logarithm: -Infinity at 0 and -0. NaN and negative numbers give NaN. Only positive finite numbers are left to the built-in. */
export const LOG: Declaration = {
  name: 'logExact',
  text: (name) => `fn ${name}(x: f32) -> f32 {
  let bits = bitcast<u32>(x);
  let outside = select(bits, 0x7fc00000u, bits > 0x80000000u);
  let limit = select(outside, 0xff800000u, (bits & 0x7fffffffu) == 0u);
  return select(log(x), bitcast<f32>(limit), bits - 1u >= 0x7f7fffffu);
}`,
};

/**
 * x to a power that is not whole, or |x| to one that is. NaN and negative numbers give NaN. 0 and ±Infinity, which change places where the
 * exponent is negative, are not left to the built-in: SwiftShader's is 1.5e-4 for 0 to the power of 0.1.
 */
export const POW: Declaration = {
  name: 'powExact',
  uses: [IS_NAN],
  text: (name, notANumber) => `fn ${name}(x: f32, exponent: f32) -> f32 {
  let size = bitcast<u32>(x) & 0x7fffffffu;
  let limit = bitcast<f32>(select(size, size ^ 0x7f800000u, exponent < 0.0));
  let y = select(pow(x, exponent), sqrt(x), x < 0.0 || ${notANumber}(x));
  return select(y, limit, size == 0u || size == 0x7f800000u);
}`,
};

/** 1 / (1 + exp(-x)), without a large exponential on either side. */
export const SIGMOID: Declaration = {
  name: 'sigmoid',
  uses: [IS_NAN],
  text: (name, notANumber) => `fn ${name}(x: f32) -> f32 {
  let t = exp(-abs(x));
  let y = select(1.0, t, x < 0.0) / (1.0 + t);
  return select(y, x, ${notANumber}(x));
}`,
};

/**
 * tanh. NaN gives NaN. The built-in may be inexact near 0 (a difference of exponentials) and NaN past 88 (their quotient). Below 0.3 this
 * is the Taylor series, whose next term is under 5e-8 of it.
 */
export const TANH: Declaration = {
  name: 'tanhExact',
  uses: [IS_NAN],
  text: (name, notANumber) => `fn ${name}(x: f32) -> f32 {
  let x2 = x * x;
  let near = x * (1.0 + x2 * (-0.33333333 + x2 * (0.13333333 + x2 * (-0.053968254 + x2 * 0.021869488))));
  let t = exp(-2.0 * abs(x));
  let far = (1.0 - t) / (1.0 + t);
  return select(select(far, -far, x < 0.0), near, abs(x) < 0.3 || ${notANumber}(x));
}`,
};

/** log(1 + exp(x)); where t = exp(-|x|) is below 1/32, log(1 + t) is a series, since 1 + t has lost t's last digits. */
export const SOFTPLUS: Declaration = {
  name: 'softplus',
  text: (name) => `fn ${name}(x: f32) -> f32 {
  let t = exp(-abs(x));
  let series = t * (1.0 - t * (0.5 - t * (0.33333333 - t * (0.25 - t * 0.2))));
  return select(x, 0.0, x < 0.0) + select(log(1.0 + t), series, t < 0.03125);
}`,
};

/** erf below 0.5: the Taylor series, whose next term is under 3e-8 of it. */
const ERF_NEAR: Declaration = {
  name: 'erfNear',
  text: (name) => `fn ${name}(x: f32) -> f32 {
  let x2 = x * x;
  return x * (1.1283792 + x2 * (-0.37612639 + x2 * (0.11283792 + x2 * (-0.026866171 + x2 * (0.0052239776 - x2 * 0.00085483271)))));
}`,
};

/** erfc of a >= 0: the Chebyshev fit of Numerical Recipes' erfcc (relative error 1.2e-7 everywhere). */
const ERFC_FAR: Declaration = {
  name: 'erfcFar',
  text: (name) => `fn ${name}(a: f32) -> f32 {
  let t = 1.0 / (1.0 + 0.5 * a);
  let p = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
    + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
  return t * exp(p - a * a);
}`,
};

/** The error function: the series near 0, the fit far from it. */
export const ERF: Declaration = {
  name: 'erf',
  uses: [ERF_NEAR, ERFC_FAR],
  text: (name, erfNear, erfcFar) => `fn ${name}(x: f32) -> f32 {
  let far = 1.0 - ${erfcFar}(abs(x));
  return select(select(far, -far, x < 0.0), ${erfNear}(x), abs(x) < 0.5);
}`,
};

/** 1 - erf, likewise. */
export const ERFC: Declaration = {
  name: 'erfc',
  uses: [ERF_NEAR, ERFC_FAR],
  text: (name, erfNear, erfcFar) => `fn ${name}(x: f32) -> f32 {
  let far = ${erfcFar}(abs(x));
  return select(select(far, 2.0 - far, x < 0.0), 1.0 - ${erfNear}(x), abs(x) < 0.5);
}`,
};

/** x to a whole power n by repeated squaring: right for negative x, where the built-in pow is not. */
export function integerPower(n: number): Declaration {
  const lines: string[] = [];
  const factors: string[] = [];
  for (let bit = 1; bit <= Math.abs(n); bit *= 2) {
    lines.push(bit === 1 ? '  let x1 = x;' : `  let x${bit} = x${bit / 2} * x${bit / 2};`);
    if (Math.abs(n) & bit) factors.push(`x${bit}`);
  }
  const product = factors.join(' * ') || '1.0';
  return {
    name: `power${n < 0 ? 'Minus' : ''}${Math.abs(n)}`,
    text: (name) => `fn ${name}(x: f32) -> f32 {
${lines.join('\n')}
  return ${n < 0 ? `1.0 / (${product})` : product};
}`,
  };
}
