// Dropout: while training, each element is 0 with probability p; the layer's path names the stream of random numbers.
import { OptionError } from '../graph/errors.ts';
import { pathOf } from '../graph/paths.ts';
import type { Tensor } from '../graph/tensor.ts';
import { dropout } from '../ops/random.ts';
import { captured, type NamedLayer } from './layer.ts';

/** While training, x with each element 0 with probability p, the others divided by 1 - p; else x. */
export class Dropout implements NamedLayer {
  readonly kind = 'Dropout';
  readonly p: number;

  /** @throws OptionError when p is not in [0, 1). */
  constructor(p = 0.5) {
    if (!(p >= 0 && p < 1)) {
      throw new OptionError(`Dropout: p is ${p}. Give a probability from 0 to below 1, like 0.5.`);
    }
    this.p = p;
  }

  forward(x: Tensor): Tensor {
    return captured(this, dropout(x, { p: this.p, stream: pathOf(this) || this.kind }));
  }
}
