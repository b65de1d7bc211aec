// ELU, CELU and SELU as layers.
import { checkExtra, optionsOf } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import {
  CELU as CELU_OPTIONS,
  type CeluOptions,
  celu,
  ELU as ELU_OPTIONS,
  type EluOptions,
  elu,
  selu,
} from '../ops/exponential-units.ts';
import { captured, type NamedLayer } from './layer.ts';

/** x where x > 0, else alpha · (e^x - 1): `new nn.ELU(0.5)`. Default alpha 1. */
export class ELU implements NamedLayer {
  readonly kind = 'ELU';
  /** The limit for x to -Infinity is -alpha. */
  readonly alpha: number;
  constructor(alpha?: number);
  constructor(options: EluOptions);
  constructor(...given: readonly unknown[]) {
    this.alpha = optionsOf<EluOptions, typeof ELU_OPTIONS>('ELU', 'alpha', given, ELU_OPTIONS).alpha;
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, elu(x, this.alpha), extra);
  }
}

/** x where x > 0, else alpha · (e^(x / alpha) - 1): `new nn.CELU(0.5)`. Default alpha 1. */
export class CELU implements NamedLayer {
  readonly kind = 'CELU';
  /** The limit for x to -Infinity is -alpha. */
  readonly alpha: number;
  constructor(alpha?: number);
  constructor(options: CeluOptions);
  constructor(...given: readonly unknown[]) {
    this.alpha = optionsOf<CeluOptions, typeof CELU_OPTIONS>('CELU', 'alpha', given, CELU_OPTIONS).alpha;
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, celu(x, this.alpha), extra);
  }
}

/** 1.0507 · x where x > 0, else 1.0507 · 1.6733 · (e^x - 1). For weights of `nn.init.kaimingNormal({ nonlinearity: 'linear' })`. */
export class SELU implements NamedLayer {
  readonly kind = 'SELU';
  constructor(...extra: never[]) {
    checkExtra('SELU', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, selu(x), extra);
  }
}
