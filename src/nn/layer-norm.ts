// Layer norm and RMS norm: each normalizes the last axes of x, in one kernel a direction, then applies a learned scale (and shift).
import { ShapeError } from '../graph/errors.ts';
import { BOOLEAN, checkOptions, POSITIVE, type Schema } from '../graph/options.ts';
import { checkShape, formatShape, type Shape, sameShape, sizeOf } from '../graph/shape.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { layerNorm } from '../ops/layer-norm.ts';
import { checkTensors } from '../ops/tensors.ts';
import { ones, zeros } from './init.ts';
import { captured, checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** Options of {@link LayerNorm}. */
export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number | undefined;
  /** Whether it has a weight (initially ones) and, unless `bias` is false, a bias (initially zeros). Default true. */
  readonly elementwiseAffine?: boolean | undefined;
  /** Whether it has a bias, if it has a weight. Default true. */
  readonly bias?: boolean | undefined;
}

/** Options of {@link RMSNorm}. */
export interface RMSNormOptions {
  /** Added to the mean square. Default 1.1920929e-7: the distance of 1 from the next f32. */
  readonly eps?: number | undefined;
  /** Whether it has a weight (initially ones). Default true. */
  readonly elementwiseAffine?: boolean | undefined;
}

const LAYER_NORM = {
  eps: [POSITIVE, 1e-5],
  elementwiseAffine: [BOOLEAN, true],
  bias: [BOOLEAN, true],
} satisfies Schema<LayerNormOptions>;

const RMS_NORM = {
  eps: [POSITIVE, 1.1920929e-7],
  elementwiseAffine: [BOOLEAN, true],
} satisfies Schema<RMSNormOptions>;

/**
 * y = (x - mean) / √(variance + eps) · weight + bias over the last axes; the variance divides by their size. PyTorch's `LayerNorm`
 * (https://arxiv.org/abs/1607.06450).
 */
export class LayerNorm implements NamedLayer {
  readonly kind = 'LayerNorm';
  /** The sizes of the last axes of x, normalized together. */
  readonly normalizedShape: Shape;
  /** Added to the variance. */
  readonly eps: number;
  /** (...normalizedShape), initially 1; undefined without `elementwiseAffine`. */
  readonly weight: Variable | undefined;
  /** (...normalizedShape), initially 0; undefined without `elementwiseAffine` or `bias`. */
  readonly bias: Variable | undefined;

  constructor(normalizedShape: number | Shape, options: LayerNormOptions = {}, ...extra: never[]) {
    const { eps, elementwiseAffine, bias } = checkOptions('LayerNorm', options, LAYER_NORM, extra);
    this.normalizedShape = lastAxes('LayerNorm', normalizedShape);
    this.eps = eps;
    this.weight = elementwiseAffine ? parameter(this.normalizedShape, ones) : undefined;
    this.bias = elementwiseAffine && bias ? parameter(this.normalizedShape, zeros) : undefined;
  }

  /** @throws ShapeError if x does not end in the layer's shape. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return normalized(this, x, this.bias, true, extra);
  }
}

/** y = x / √(mean x² + eps) · weight over the last axes. PyTorch's `RMSNorm` (https://arxiv.org/abs/1910.07467). */
export class RMSNorm implements NamedLayer {
  readonly kind = 'RMSNorm';
  /** The sizes of the last axes of x, normalized together. */
  readonly normalizedShape: Shape;
  /** Added to the mean square. */
  readonly eps: number;
  /** (...normalizedShape), initially 1; undefined without `elementwiseAffine`. */
  readonly weight: Variable | undefined;

  constructor(normalizedShape: number | Shape, options: RMSNormOptions = {}, ...extra: never[]) {
    const { eps, elementwiseAffine } = checkOptions('RMSNorm', options, RMS_NORM, extra);
    this.normalizedShape = lastAxes('RMSNorm', normalizedShape);
    this.eps = eps;
    this.weight = elementwiseAffine ? parameter(this.normalizedShape, ones) : undefined;
  }

  /** @throws ShapeError if x does not end in the layer's shape. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return normalized(this, x, undefined, false, extra);
  }
}

/** The shape that a size or an array of sizes means. */
function lastAxes(kind: string, given: number | Shape): Shape {
  if (!Array.isArray(given))
    checkSize(kind, 'normalizedShape', given, 'Give a whole number of at least 1, or an array of them.');
  const shape = typeof given === 'number' ? [given] : [...given];
  checkShape(kind, shape);
  if (shape.length === 0) throw new ShapeError(`${kind}: normalizedShape is []. Give at least one size.`);
  return shape;
}

function normalized(
  layer: LayerNorm | RMSNorm,
  x: Tensor,
  bias: Variable | undefined,
  centred: boolean,
  extra: readonly unknown[],
): Tensor {
  const { normalizedShape, eps, weight } = layer;
  checkTensors(nameOf(layer), { x }, extra);
  const lead = x.rank - normalizedShape.length;
  if (lead < 0 || !sameShape(x.shape.slice(lead), normalizedShape)) {
    throw new ShapeError(
      `${nameOf(layer)}: expected the last axes to be ${formatShape(normalizedShape)}, got x ${formatShape(x.shape)}. Reshape x, or create the layer for its last axes.`,
    );
  }
  if (x.dtype !== 'f32') throw new ShapeError(`${nameOf(layer)}: x is ${x.dtype}. It must be f32: cast(x, 'f32').`);
  return captured(layer, layerNorm(x, { C: sizeOf(normalizedShape), eps, centred }, weight, bias));
}
