// Linear: y = x · Wᵀ + b, the weight [out, in] as PyTorch stores it.
import { ShapeError } from '../graph/errors.ts';
import { BOOLEAN, checkOptions, FUNCTION, type Schema } from '../graph/options.ts';
import { formatShape, sizeOf } from '../graph/shape.ts';
import type { Initializer, Tensor, Variable } from '../graph/tensor.ts';
import { linear } from '../ops/matmul.ts';
import { checkTensors } from '../ops/tensors.ts';
import { uniform } from './init.ts';
import { captured, checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** Options of {@link Linear}. */
export interface LinearOptions {
  /** Whether it adds a bias. Default true. */
  readonly bias?: boolean | undefined;
  /** Default: U(-1/√in, 1/√in). */
  readonly initialWeight?: Initializer | undefined;
  /** Default: U(-1/√in, 1/√in). */
  readonly initialBias?: Initializer | undefined;
}

const SCHEMA = {
  bias: [BOOLEAN, true],
  initialWeight: FUNCTION,
  initialBias: FUNCTION,
} satisfies Schema<LinearOptions>;

/** x (..., in) to x · Wᵀ + b (..., out). */
export class Linear implements NamedLayer {
  readonly kind = 'Linear';
  /** (out, in) */
  readonly weight: Variable;
  /** (out) */
  readonly bias: Variable | undefined;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}, ...extra: never[]) {
    checkSize('Linear', 'inFeatures', inFeatures);
    checkSize('Linear', 'outFeatures', outFeatures);
    const bound = 1 / Math.sqrt(inFeatures); // the defaults of initial values depend on a size
    const usual = uniform(-bound, bound);
    const { bias, initialWeight = usual, initialBias = usual } = checkOptions('Linear', options, SCHEMA, extra);
    this.weight = parameter([outFeatures, inFeatures], initialWeight);
    this.bias = bias ? parameter([outFeatures], initialBias) : undefined;
  }

  /** @throws ShapeError if x's last axis is not `in`. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x }, extra);
    const [outFeatures, inFeatures] = this.weight.shape as [number, number];
    if (x.shape.at(-1) !== inFeatures) {
      const fix =
        flattened(x, inFeatures) ??
        `Reshape x, or create the layer as new nn.Linear(${x.shape.at(-1) ?? 1}, ${outFeatures}).`;
      throw new ShapeError(
        `${nameOf(this)}: expected the last axis to be ${inFeatures}, got x ${formatShape(x.shape)}. ${fix}`,
      );
    }
    if (x.dtype !== 'f32') throw new ShapeError(`${nameOf(this)}: x is ${x.dtype}. It must be f32: cast(x, 'f32').`);
    return captured(this, linear(x, this.weight, this.bias));
  }
}

/** The advice for an x whose trailing axes multiply to `size`. */
function flattened(x: Tensor, size: number): string | undefined {
  for (let axis = x.rank - 2; axis >= 0; axis--) {
    const shape = [...x.shape.slice(0, axis), sizeOf(x.shape.slice(axis))];
    if (shape.at(-1) === size) return `Flatten it: x.reshape(${formatShape(shape)}).`;
  }
  return undefined;
}
