// Group norm: groups of channels have mean 0 and variance 1 in each example, then a learned scale and shift of each channel.
// https://arxiv.org/abs/1803.08494
import { ShapeError } from '../graph/errors.ts';
import { BOOLEAN, checkOptions, POSITIVE, type Schema } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { groupSize } from '../ops/groups.ts';
import { normalize } from '../ops/normalize.ts';
import { checkTensors } from '../ops/tensors.ts';
import { ones, zeros } from './init.ts';
import { captured, checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** Options of {@link GroupNorm}. */
export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5. */
  readonly eps?: number | undefined;
  /** Whether it has a weight (initially ones) and a bias (initially zeros). Default true. */
  readonly affine?: boolean | undefined;
}

const SCHEMA = { eps: [POSITIVE, 1e-5], affine: [BOOLEAN, true] } satisfies Schema<GroupNormOptions>;

/** Normalizes groups of neighbouring channels over all positions of an example: PyTorch's, with channels last. */
export class GroupNorm implements NamedLayer {
  readonly kind = 'GroupNorm';
  /** Groups of numChannels / numGroups channels each. */
  readonly numGroups: number;
  /** Channels: the last axis of x. */
  readonly numChannels: number;
  /** Added to the variance. */
  readonly eps: number;
  /** (numChannels), initially 1; undefined without `affine`. */
  readonly weight: Variable | undefined;
  /** (numChannels), initially 0; undefined without `affine`. */
  readonly bias: Variable | undefined;

  /** @throws ShapeError if numGroups does not divide numChannels */
  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}, ...extra: never[]) {
    checkSize('GroupNorm', 'numGroups', numGroups);
    checkSize('GroupNorm', 'numChannels', numChannels);
    const { eps, affine } = checkOptions('GroupNorm', options, SCHEMA, extra);
    if (numChannels % numGroups !== 0)
      throw new ShapeError(
        `GroupNorm: ${numChannels} channels do not make ${numGroups} groups of equal size. Give a divisor of ${numChannels}.`,
      );
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.weight = affine ? parameter([numChannels], ones) : undefined;
    this.bias = affine ? parameter([numChannels], zeros) : undefined;
  }

  /** x and y (N, ..., numChannels). @throws ShapeError if x has other channels, or groups of a single value */
  forward(x: Tensor, ...extra: never[]): Tensor {
    const name = nameOf(this);
    checkTensors(name, { x }, extra);
    const { numGroups: G, numChannels: C, eps } = this;
    if (x.rank < 2 || x.shape.at(-1) !== C)
      throw new ShapeError(
        `${name}: expected x [N, ..., C] with ${C} channels in the last axis, got ${formatShape(x.shape)}. Reshape x, or create the layer for its last axis.`,
      );
    if (x.dtype !== 'f32') throw new ShapeError(`${name}: x is ${x.dtype}. It must be f32: cast(x, 'f32').`);
    const N = x.shape[0]!;
    const groups = { N, M: x.size / N / C, C, G };
    // PyTorch refuses this only for one example; y would be the bias for any x.
    if (groupSize(groups) === 1)
      throw new ShapeError(
        `${name}: x ${formatShape(x.shape)} has one value in each of ${G} groups, which has no variance. Use fewer groups.`,
      );
    return captured(this, normalize(x, { ...groups, eps }, this.weight, this.bias).y);
  }
}
