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

/** Indices (...) of whole numbers to the rows of the weight they name (..., size); NaN where an index is below 0, or `count` or more. */
export class Embedding implements NamedLayer {
  readonly kind = 'Embedding';
  /** (count, size) */
  readonly weight: Variable;

  /** `count` vectors of `size`, from N(0, 1) unless said. */
  constructor(count: number, size: number, options: { readonly initialWeight?: Initializer } = {}, ...extra: never[]) {
    checkSize('Embedding', 'count', count);
    checkSize('Embedding', 'size', size);
    checkOptions('Embedding', options, { initialWeight: FUNCTION }, extra);
    this.weight = parameter([count, size], options.initialWeight ?? normal());
  }

  /** @throws ShapeError when the indices are f32. */
  forward(indices: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { indices }, extra);
    if (indices.dtype === 'f32') {
      throw new ShapeError(
        `${nameOf(this)}: the indices are f32 ${formatShape(indices.shape)}. They must be whole numbers: of bytes in a data set give { scale: false }, or integers as a Uint16Array, Uint32Array or Int32Array; of floats cast(x, 'u32').`,
      );
    }
    return captured(this, gatherRows(this.weight, cast(indices, 'u32')));
  }
}
