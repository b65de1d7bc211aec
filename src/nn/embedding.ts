// Embedding: a table of vectors, looked up by index.
import { ShapeError } from '../graph/errors.ts';
import { checkOptions, FUNCTION } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import type { Initializer, Tensor, Variable } from '../graph/tensor.ts';
import { cast } from '../ops/cast.ts';
import { gatherRows } from '../ops/gather.ts';
import { checkTensors } from '../ops/tensors.ts';
import { normal } from './init.ts';
import { captured, checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** Integer indices (...) to rows of the weight (..., size); NaN for an index below 0 or not below `count`. */
export class Embedding implements NamedLayer {
  readonly kind = 'Embedding';
  /** (count, size) */
  readonly weight: Variable;

  /** `count` vectors of `size`. Default initial values N(0, 1). */
  constructor(count: number, size: number, options: { readonly initialWeight?: Initializer } = {}, ...extra: never[]) {
    checkSize('Embedding', 'count', count);
    checkSize('Embedding', 'size', size);
    checkOptions('Embedding', options, { initialWeight: FUNCTION }, extra);
    this.weight = parameter([count, size], options.initialWeight ?? normal());
  }

  /** @throws ShapeError if the indices are f32. */
  forward(indices: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { indices }, extra);
    if (indices.dtype === 'f32') {
      throw new ShapeError(
        `${nameOf(this)}: the indices are f32 ${formatShape(indices.shape)}. They must be integers: for bytes in a data set pass { scale: false }, for other data give a Uint16Array, Uint32Array or Int32Array, for floats use cast(x, 'u32').`,
      );
    }
    return captured(this, gatherRows(this.weight, cast(indices, 'u32')));
  }
}
