// The few methods of Tensor: what reads badly as a function. Everything else is a free function.
import type { Shape } from '../graph/shape.ts';
import { Tensor } from '../graph/tensor.ts';
import { transpose } from './movement.ts';
import { reshape } from './reshape.ts';

declare module '../graph/tensor.ts' {
  interface Tensor {
    /** The same elements under another shape; one size may be -1 and is computed. */
    reshape(shape: Shape): Tensor;
    /** The axes in another order; reversed unless told. */
    transpose(axes?: readonly number[]): Tensor;
  }
}

Tensor.prototype.reshape = function (shape) {
  return reshape(this, shape);
};

Tensor.prototype.transpose = function (axes) {
  return transpose(this, axes);
};
