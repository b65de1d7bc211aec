// Embedding: a table of vectors, looked up by index.
import { ShapeError } from '../graph/errors.ts';
import { checkOptions, FUNCTION } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import type { Initializer, Tensor, Variable } from '../graph/tensor.ts';
import { gatherRows } from '../ops/gather.ts';
import { checkTensors } from '../ops/tensors.ts';
import { normal } from './init.ts';
import { captured, checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** u32 indices (...) to the rows of the weight they name (..., size); NaN where an index is `count` or more. */
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

  /** @throws ShapeError when the indices are not u32. */
  forward(indices: Tensor, ...extra: never[]): Tensor {
    checkTensors('Embedding', { indices }, extra);
    if (indices.dtype !== 'u32') {
      throw new ShapeError(
        `${nameOf(this)}: the indices are ${indices.dtype} ${formatShape(indices.shape)}. They must be u32: cast(x, 'u32').`,
      );
    }
    return captured(this, gatherRows(this.weight, indices));
  }
}
