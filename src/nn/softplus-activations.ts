// Mish and LogSigmoid as layers.
import { checkExtra } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { logSigmoid, mish } from '../ops/softplus-activations.ts';
import { captured, type NamedLayer } from './layer.ts';

/** x · tanh(log(1 + e^x)). */
export class Mish implements NamedLayer {
  readonly kind = 'Mish';
  constructor(...extra: never[]) {
    checkExtra('Mish', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, mish(x), extra);
  }
}

/** log(1 / (1 + e^-x)). */
export class LogSigmoid implements NamedLayer {
  readonly kind = 'LogSigmoid';
  constructor(...extra: never[]) {
    checkExtra('LogSigmoid', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, logSigmoid(x), extra);
  }
}
