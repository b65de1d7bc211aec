// Dropout: while training, each element is 0 with probability p; the layer's path selects the stream of random numbers.
import { checkExtra, checkValue } from '../graph/options.ts';
import { pathOf } from '../graph/paths.ts';
import type { Tensor } from '../graph/tensor.ts';
import { BELOW_ONE, dropout } from '../ops/random.ts';
import { captured, type NamedLayer } from './layer.ts';

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
