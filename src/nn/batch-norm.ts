// Batch norm: every channel has mean 0 and variance 1 over the batch and all positions, then a learned scale and shift.
// https://arxiv.org/abs/1502.03167
import { BATCH_NORM, type BatchNormOptions, RunningNorm } from './running-norm.ts';

/** Batch norm of features or sequences: PyTorch's, with channels last. */
export class BatchNorm1d extends RunningNorm {
  /** For x (N, numFeatures) or (N, L, numFeatures). @throws ShapeError, OptionError for invalid arguments. */
  constructor(numFeatures: number, options: BatchNormOptions = {}, ...extra: never[]) {
    super(
      { kind: 'BatchNorm1d', ranks: [2, 3], axes: '[N, C] or [N, L, C]', perExample: false },
      numFeatures,
      options,
      BATCH_NORM,
      extra,
    );
  }
}

/** Batch norm of images: PyTorch's, with channels last. */
export class BatchNorm2d extends RunningNorm {
  /** For x (N, H, W, numFeatures). @throws ShapeError, OptionError for invalid arguments. */
  constructor(numFeatures: number, options: BatchNormOptions = {}, ...extra: never[]) {
    super(
      { kind: 'BatchNorm2d', ranks: [4], axes: '[N, H, W, C]', perExample: false },
      numFeatures,
      options,
      BATCH_NORM,
      extra,
    );
  }
}
