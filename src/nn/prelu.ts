// PReLU: a leaky relu that learns its slopes.
import { ShapeError } from '../graph/errors.ts';
import { FLOAT, optionsOf, type Schema } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { prelu } from '../ops/prelu.ts';
import { checkTensors } from '../ops/tensors.ts';
import { constant } from './init.ts';
import { captured, checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** Options of {@link PReLU}. */
export interface PReLUOptions {
  /** Slopes: 1 for all elements, or the number of channels, which are the last axis (PyTorch's are axis 1). Default 1. */
  readonly numParameters?: number | undefined;
  /** The initial slope. Default 0.25. */
  readonly init?: number | undefined;
}

const SCHEMA = { numParameters: [true, 1], init: [FLOAT, 0.25] } satisfies Schema<PReLUOptions>;

/**
 * x where x > 0, else weight · x: `new nn.PReLU()`, or `new nn.PReLU(32)` with a slope for each of 32 channels, the last axis. Default
 * numParameters 1, init 0.25.
 */
export class PReLU implements NamedLayer {
  readonly kind = 'PReLU';
  /** (numParameters) */
  readonly weight: Variable;

  constructor(numParameters?: number, options?: Omit<PReLUOptions, 'numParameters'>);
  constructor(options: PReLUOptions);
  constructor(...given: readonly unknown[]) {
    const { numParameters, init } = optionsOf<PReLUOptions, typeof SCHEMA>('PReLU', 'numParameters', given, SCHEMA);
    checkSize('PReLU', 'numParameters', numParameters);
    this.weight = parameter([numParameters], constant(init));
  }

  /** x (..., numParameters), or x (...) with one slope, to y of its shape. @throws ShapeError for another last axis. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x }, extra);
    const { size } = this.weight;
    if (size !== 1 && x.shape.at(-1) !== size)
      throw new ShapeError(
        `${nameOf(this)}: expected the last axis to be ${size}, got x ${formatShape(x.shape)}. Create the layer as new nn.PReLU(${x.shape.at(-1) ?? 1}).`,
      );
    return captured(this, prelu(x, this.weight));
  }
}
