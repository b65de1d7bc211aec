// Instance norm: every channel of every example has mean 0 and variance 1 over its positions. https://arxiv.org/abs/1607.08022
import { INSTANCE_NORM, type InstanceNormOptions, RunningNorm } from './running-norm.ts';

/** Instance norm of sequences: PyTorch's, with channels last. */
export class InstanceNorm1d extends RunningNorm {
  /** For x (N, L, numFeatures). @throws ShapeError, OptionError for invalid arguments. */
  constructor(numFeatures: number, options: InstanceNormOptions = {}, ...extra: never[]) {
    super(
      { kind: 'InstanceNorm1d', ranks: [3], axes: '[N, L, C]', perExample: true },
      numFeatures,
      options,
      INSTANCE_NORM,
      extra,
    );
  }
}

/** Instance norm of images: PyTorch's, with channels last. */
export class InstanceNorm2d extends RunningNorm {
  /** For x (N, H, W, numFeatures). @throws ShapeError, OptionError for invalid arguments. */
  constructor(numFeatures: number, options: InstanceNormOptions = {}, ...extra: never[]) {
    super(
      { kind: 'InstanceNorm2d', ranks: [4], axes: '[N, H, W, C]', perExample: true },
      numFeatures,
      options,
      INSTANCE_NORM,
      extra,
    );
  }
}
