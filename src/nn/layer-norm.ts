// Layer norm, composed of simple ops: normalizes the last axes to mean 0 and variance 1, then applies a learned scale and shift.
// https://arxiv.org/abs/1607.06450
import { ShapeError } from '../graph/errors.ts';
import { BOOLEAN, checkOptions, POSITIVE, type Schema } from '../graph/options.ts';
import { checkShape, formatShape, type Shape, sameShape } from '../graph/shape.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { add, mul, sub } from '../ops/binary.ts';
import { mean } from '../ops/reduce.ts';
import { checkTensors } from '../ops/tensors.ts';
import { rsqrt, square } from '../ops/unary.ts';
import { ones, zeros } from './init.ts';
import { captured, checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** Options of {@link LayerNorm}. */
export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number | undefined;
  /** Whether it has a weight (initially ones) and a bias (initially zeros). Default true. */
  readonly affine?: boolean | undefined;
}

const SCHEMA = { eps: [POSITIVE, 1e-5], affine: [BOOLEAN, true] } satisfies Schema<LayerNormOptions>;

/** y = (x - mean) / √(variance + eps) · weight + bias over the last axes; the variance divides by their size. PyTorch's `LayerNorm`. */
export class LayerNorm implements NamedLayer {
  readonly kind = 'LayerNorm';
  /** The sizes of the last axes of x, normalized together. */
  readonly shape: Shape;
  /** Added to the variance. */
  readonly eps: number;
  /** (...shape), initially 1; undefined without `affine`. */
  readonly weight: Variable | undefined;
  /** (...shape), initially 0; undefined without `affine`. */
  readonly bias: Variable | undefined;

  constructor(shape: number | Shape, options: LayerNormOptions = {}, ...extra: never[]) {
    const { eps, affine } = checkOptions('LayerNorm', options, SCHEMA, extra);
    if (!Array.isArray(shape))
      checkSize('LayerNorm', 'shape', shape, 'Give a whole number of at least 1, or an array of them.');
    this.shape = typeof shape === 'number' ? [shape] : [...shape];
    checkShape('LayerNorm', this.shape);
    if (this.shape.length === 0) throw new ShapeError('LayerNorm: the shape is []. Give at least one size.');
    this.eps = eps;
    this.weight = affine ? parameter(this.shape, ones) : undefined;
    this.bias = affine ? parameter(this.shape, zeros) : undefined;
  }

  /** @throws ShapeError if x does not end in the layer's shape. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkTensors(nameOf(this), { x }, extra);
    const lead = x.rank - this.shape.length;
    if (lead < 0 || !sameShape(x.shape.slice(lead), this.shape)) {
      throw new ShapeError(
        `${nameOf(this)}: expected the last axes to be ${formatShape(this.shape)}, got x ${formatShape(x.shape)}. Reshape x, or create the layer for its last axes.`,
      );
    }
    const over = { axis: this.shape.map((_, k) => lead + k), keepDims: true };
    const centred = sub(x, mean(x, over));
    const y = mul(centred, rsqrt(add(mean(square(centred), over), this.eps)));
    const scaled = this.weight ? mul(y, this.weight) : y;
    return captured(this, this.bias ? add(scaled, this.bias) : scaled);
  }
}
