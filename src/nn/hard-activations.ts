// ReLU6, Hardsigmoid and Hardswish as layers.
import { checkExtra } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { hardsigmoid, hardswish, relu6 } from '../ops/hard-activations.ts';
import { captured, type NamedLayer } from './layer.ts';

/** min(max(x, 0), 6). */
export class ReLU6 implements NamedLayer {
  readonly kind = 'ReLU6';
  constructor(...extra: never[]) {
    checkExtra('ReLU6', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, relu6(x), extra);
  }
}

/** min(max(x + 3, 0), 6) / 6. */
export class Hardsigmoid implements NamedLayer {
  readonly kind = 'Hardsigmoid';
  constructor(...extra: never[]) {
    checkExtra('Hardsigmoid', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, hardsigmoid(x), extra);
  }
}

/** x · min(max(x + 3, 0), 6) / 6. */
export class Hardswish implements NamedLayer {
  readonly kind = 'Hardswish';
  constructor(...extra: never[]) {
    checkExtra('Hardswish', extra);
  }
  /** x (...) to y (...), elementwise. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, hardswish(x), extra);
  }
}
