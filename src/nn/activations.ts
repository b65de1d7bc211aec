// Activations as layers, for Sequential and for named outputs; each wraps the op of the same name.
import { checkExtra, checkOptions, optionsOf } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import {
  GELU as GELU_OPTIONS,
  type GeluOptions,
  gelu,
  LEAKY_RELU,
  type LeakyReluOptions,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from '../ops/activations.ts';
import { logSoftmax, softmax } from '../ops/softmax.ts';
import { type AxisOptions, LAST_AXIS } from '../ops/tensors.ts';
import { captured, type NamedLayer } from './layer.ts';

/** max(x, 0). */
export class ReLU implements NamedLayer {
  readonly kind = 'ReLU';
  constructor(...extra: never[]) {
    checkExtra('ReLU', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, relu(x), extra);
  }
}

/** x where x > 0, else negativeSlope · x: `new nn.LeakyReLU(0.2)`. Default negativeSlope 0.01. */
export class LeakyReLU implements NamedLayer {
  readonly kind = 'LeakyReLU';
  /** The slope for x <= 0. */
  readonly negativeSlope: number;
  constructor(negativeSlope?: number);
  constructor(options: LeakyReluOptions);
  constructor(...slope: readonly unknown[]) {
    const options = optionsOf<LeakyReluOptions, typeof LEAKY_RELU>('LeakyReLU', 'negativeSlope', slope, LEAKY_RELU);
    this.negativeSlope = options.negativeSlope;
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, leakyRelu(x, { negativeSlope: this.negativeSlope }), extra);
  }
}

/** 1 / (1 + e^-x). */
export class Sigmoid implements NamedLayer {
  readonly kind = 'Sigmoid';
  constructor(...extra: never[]) {
    checkExtra('Sigmoid', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, sigmoid(x), extra);
  }
}

/** tanh x. */
export class Tanh implements NamedLayer {
  readonly kind = 'Tanh';
  constructor(...extra: never[]) {
    checkExtra('Tanh', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, tanh(x), extra);
  }
}

/** x · Φ(x), exact ('none') or by the tanh approximation. Default 'none'. */
export class GELU implements NamedLayer {
  readonly kind = 'GELU';
  /** 'none': Φ exactly, by the error function. 'tanh': by 0.5 · (1 + tanh(√(2/π) · (x + 0.044715 x³))). */
  readonly approximate: 'none' | 'tanh';
  constructor(options: GeluOptions = {}, ...extra: never[]) {
    this.approximate = checkOptions('GELU', options, GELU_OPTIONS, extra).approximate;
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, gelu(x, { approximate: this.approximate }), extra);
  }
}

/** x / (1 + e^-x). */
export class SiLU implements NamedLayer {
  readonly kind = 'SiLU';
  constructor(...extra: never[]) {
    checkExtra('SiLU', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, silu(x), extra);
  }
}

/** log(1 + e^x). */
export class Softplus implements NamedLayer {
  readonly kind = 'Softplus';
  constructor(...extra: never[]) {
    checkExtra('Softplus', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, softplus(x), extra);
  }
}

/** e^x / Σ e^x over `axis`. Default axis -1. */
export class Softmax implements NamedLayer {
  readonly kind = 'Softmax';
  /** The axis that is normalized; negative ones count from the last. */
  readonly axis: number;
  constructor(axis?: number);
  constructor(options: AxisOptions);
  constructor(...along: readonly unknown[]) {
    this.axis = optionsOf<AxisOptions, typeof LAST_AXIS>('Softmax', 'axis', along, LAST_AXIS).axis;
  }
  /** x (...) to probabilities (...), which sum to 1 over `axis`. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, softmax(x, { axis: this.axis }), extra);
  }
}

/** x - log Σ e^x over `axis`. Default axis -1. */
export class LogSoftmax implements NamedLayer {
  readonly kind = 'LogSoftmax';
  /** The axis that is normalized; negative ones count from the last. */
  readonly axis: number;
  constructor(axis?: number);
  constructor(options: AxisOptions);
  constructor(...along: readonly unknown[]) {
    this.axis = optionsOf<AxisOptions, typeof LAST_AXIS>('LogSoftmax', 'axis', along, LAST_AXIS).axis;
  }
  /** x (...) to log-probabilities (...), normalized over `axis`. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, logSoftmax(x, { axis: this.axis }), extra);
  }
}
