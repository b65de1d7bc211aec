// Dropout: while training, each element, or each channel of an image, is 0 with probability p; the layer's path selects the stream of
// random numbers.
import { checkExtra, checkValue } from '../graph/options.ts';
import { pathOf } from '../graph/paths.ts';
import type { Tensor } from '../graph/tensor.ts';
import { BELOW_ONE, dropout, dropped } from '../ops/random.ts';
import { checkTensors } from '../ops/tensors.ts';
import { imageSizes } from '../ops/window.ts';
import { captured, type NamedLayer, nameOf } from './layer.ts';

/** While training, x with each element 0 with probability p, the others divided by 1 - p; else x. */
export class Dropout implements NamedLayer {
  readonly kind = 'Dropout';
  /** The probability that an element becomes 0 while training. */
  readonly p: number;

  /** @throws OptionError if p is not in [0, 1). */
  constructor(p = 0.5, ...extra: never[]) {
    checkValue('Dropout', 'p', p, BELOW_ONE);
    checkExtra('Dropout', extra);
    this.p = p;
  }

  /** x (...) to y (...). The mask is a function of the seed, the step and the layer's path. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, dropout(x, { p: this.p, stream: pathOf(this) || this.kind }), extra);
  }
}

/** While training, x with each channel of each example 0 with probability p, the others divided by 1 - p; else x. */
export class Dropout2d implements NamedLayer {
  readonly kind = 'Dropout2d';
  /** The probability that a channel becomes 0 while training. */
  readonly p: number;

  /** @throws OptionError if p is not in [0, 1). */
  constructor(p = 0.5, ...extra: never[]) {
    checkValue('Dropout2d', 'p', p, BELOW_ONE);
    checkExtra('Dropout2d', extra);
    this.p = p;
  }

  /** Images x (N, H, W, C) to y (N, H, W, C). The mask (N, 1, 1, C) is a function of the seed, the step and the layer's path. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x }, extra);
    const { N, C } = imageSizes(nameOf(this), x);
    return captured(this, dropped(x, [N, 1, 1, C], this.p, pathOf(this) || this.kind));
  }
}
