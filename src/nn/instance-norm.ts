// Instance norm: every channel of every example has mean 0 and variance 1 over its positions. https://arxiv.org/abs/1607.08022

import type { Tensor } from '../graph/tensor.ts';
import type { Groups } from '../ops/groups.ts';
import { INSTANCE_NORM, type InstanceNormOptions, RunningNorm, sizesOf } from './running-norm.ts';

/** Instance norm of sequences: PyTorch's, with channels last. */
export class InstanceNorm1d extends RunningNorm {
  readonly kind = 'InstanceNorm1d';

  /** For x (N, L, numFeatures). */
  constructor(numFeatures: number, options: InstanceNormOptions = {}, ...extra: never[]) {
    super('InstanceNorm1d', numFeatures, options, INSTANCE_NORM, extra);
  }

  protected groupsOf(x: Tensor): Groups {
    return ofExamples(sizesOf(this, x, [3], '[N, L, C]'));
  }
}

/** Instance norm of images: PyTorch's, with channels last. */
export class InstanceNorm2d extends RunningNorm {
  readonly kind = 'InstanceNorm2d';

  /** For x (N, H, W, numFeatures). */
  constructor(numFeatures: number, options: InstanceNormOptions = {}, ...extra: never[]) {
    super('InstanceNorm2d', numFeatures, options, INSTANCE_NORM, extra);
  }

  protected groupsOf(x: Tensor): Groups {
    return ofExamples(sizesOf(this, x, [4], '[N, H, W, C]'));
  }
}

/** Each channel of each example a group. */
function ofExamples(sizes: Omit<Groups, 'G'>): Groups {
  return { ...sizes, G: sizes.C };
}
