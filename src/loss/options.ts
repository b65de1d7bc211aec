// Options that several losses share, and their valid values.
import type { Kind, Schema } from '../graph/options.ts';

/** `mean` over what counts, or the `sum` of it. */
export type Reduction = 'mean' | 'sum';

/** How the losses of a batch are combined. */
export interface ReductionOptions {
  /** Default `mean`. The loss of each example, PyTorch's `none`, is the loss's `perExample(prediction, target)`. */
  readonly reduction?: Reduction | undefined;
}

export const REDUCTION: Kind = {
  advice:
    "Use 'mean' or 'sum'; for the loss of each example, PyTorch's 'none', call the loss's perExample(prediction, target).",
  fits: (v) => v === 'mean' || v === 'sum',
};

export const REDUCTION_OPTIONS = { reduction: [REDUCTION, 'mean'] } satisfies Schema<ReductionOptions>;

export const IGNORE_INDEX: Kind = {
  advice: 'Give a whole number from -2147483648 to 4294967295, such as -100.',
  fits: (v) => Number.isInteger(v) && (v as number) >= -(2 ** 31) && (v as number) < 2 ** 32,
};

const isWeight = (v: unknown) => typeof v === 'number' && v >= 0 && Number.isFinite(Math.fround(v));

export const CLASS_WEIGHTS: Kind = {
  advice: 'Give a finite number >= 0 for each class.',
  fits: (v) => Array.isArray(v) && v.length > 0 && v.every(isWeight),
};

export const POS_WEIGHT: Kind = {
  advice: 'Give a finite number >= 0, or one for each output.',
  fits: (v) => isWeight(v) || CLASS_WEIGHTS.fits(v),
};
