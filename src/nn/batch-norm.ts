// Batch norm: every channel has mean 0 and variance 1 over the batch and all positions, then a learned scale and shift.
// https://arxiv.org/abs/1502.03167

import type { Tensor } from '../graph/tensor.ts';
import type { Groups } from '../ops/groups.ts';
import { BATCH_NORM, type BatchNormOptions, RunningNorm, sizesOf } from './running-norm.ts';

/** Batch norm of features or sequences: PyTorch's, with channels last. */
export class BatchNorm1d extends RunningNorm {
  readonly kind = 'BatchNorm1d';

  /** For x (N, numFeatures) or (N, L, numFeatures). */
  constructor(numFeatures: number, options: BatchNormOptions = {}, ...extra: never[]) {
    super('BatchNorm1d', numFeatures, options, BATCH_NORM, extra);
  }

  protected groupsOf(x: Tensor): Groups {
    return ofBatch(sizesOf(this, x, [2, 3], '[N, C] or [N, L, C]'));
  }
}

/** Batch norm of images: PyTorch's, with channels last. */
export class BatchNorm2d extends RunningNorm {
  readonly kind = 'BatchNorm2d';

  /** For x (N, H, W, numFeatures). */
  constructor(numFeatures: number, options: BatchNormOptions = {}, ...extra: never[]) {
    super('BatchNorm2d', numFeatures, options, BATCH_NORM, extra);
  }

  protected groupsOf(x: Tensor): Groups {
    return ofBatch(sizesOf(this, x, [4], '[N, H, W, C]'));
  }
}

/** Each channel a group, over all examples. */
function ofBatch({ N, M, C }: Omit<Groups, 'G'>): Groups {
  return { N: 1, M: N * M, C, G: C };
}
