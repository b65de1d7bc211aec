// Regression losses. The two squared errors also take class indices, as the classic lesson on digits does:
// they become one-hot rows.
import { ShapeError } from '../graph/errors.ts';
import { optionsOf, POSITIVE, type Schema } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { minimum, mul, sub } from '../ops/binary.ts';
import { sum } from '../ops/broadcast.ts';
import { oneHot } from '../ops/gather.ts';
import { abs, square } from '../ops/unary.ts';
import { type ConfigurableLoss, configurable, factory } from './configurable.ts';
import { checkSame, defineLoss, type Loss } from './loss.ts';
import { REDUCTION_OPTIONS, type ReductionOptions } from './options.ts';
import { areClasses } from './targets.ts';
import { eachExample, meanOf } from './weighted.ts';

/**
 * The mean over all elements of (prediction - target)², as PyTorch's `mse_loss`. Targets are f32 of the predictions' shape, or
 * class indices u32 (B) for predictions (B, C), which become one-hot rows. An index that is not a class makes the loss NaN.
 */
export const meanSquaredError: ConfigurableLoss<ReductionOptions> = /* @__PURE__ */ configurable(
  'meanSquaredError',
  REDUCTION_OPTIONS,
  (options) =>
    meanOf('meanSquaredError', (prediction, target) => square(difference('meanSquaredError', prediction, target)), {
      ...options,
      classes: true,
    }),
);

/**
 * The mean over examples of Σ (prediction - target)² over an example's outputs: the quadratic cost of the classic lesson (no ½).
 * Targets as {@link meanSquaredError}; the first axis is the batch. With `reduction: 'sum'` it is the sum over examples.
 */
export const sumSquaredError: ConfigurableLoss<ReductionOptions> = /* @__PURE__ */ configurable(
  'sumSquaredError',
  REDUCTION_OPTIONS,
  ({ reduction }) =>
    defineLoss(
      'sumSquaredError',
      (prediction, target) => {
        const total = sum(squares(prediction, target));
        return reduction === 'sum' ? total : mul(total, 1 / prediction.shape[0]!);
      },
      { classes: true, perExample: (prediction, target) => eachExample(squares(prediction, target), sum), reduction },
    ),
);

function squares(prediction: Tensor, target: Tensor): Tensor {
  if (prediction.rank === 0)
    throw new ShapeError('sumSquaredError: predictions are a scalar. They need a batch axis: [batch, outputs].');
  return square(difference('sumSquaredError', prediction, target));
}

/** The mean over all elements of |prediction - target|, as PyTorch's `l1_loss`. Both are f32 of the same shape. */
export const meanAbsoluteError: ConfigurableLoss<ReductionOptions> = /* @__PURE__ */ configurable(
  'meanAbsoluteError',
  REDUCTION_OPTIONS,
  (options) =>
    meanOf(
      'meanAbsoluteError',
      (prediction, target) => {
        checkSame('meanAbsoluteError', prediction, target);
        return abs(sub(prediction, target));
      },
      options,
    ),
);

/** Options of {@link huber}, or its delta by position. */
export interface HuberOptions extends ReductionOptions {
  /** The |d| at which the loss changes from quadratic to linear. Default 1. */
  readonly delta?: number | undefined;
}

const HUBER = { delta: [POSITIVE, 1], ...REDUCTION_OPTIONS } satisfies Schema<HuberOptions>;

/**
 * The mean over all elements of ½ d² where |d| <= delta, else delta (|d| - ½ delta), where d = prediction - target: quadratic near the
 * target, linear far from it. As PyTorch's `huber_loss`. Both are f32 of the same shape.
 */
export const huber: {
  (delta?: number, options?: Omit<HuberOptions, 'delta'>): Loss;
  (options: HuberOptions): Loss;
} = /* @__PURE__ */ factory('losses.huber()', (...given: readonly unknown[]): Loss => {
  const { delta, reduction } = optionsOf<HuberOptions, typeof HUBER>('huber', 'delta', given, HUBER);
  const term = (prediction: Tensor, target: Tensor): Tensor => {
    checkSame('huber', prediction, target);
    const distance = abs(sub(prediction, target));
    // With c = min(|d|, delta), both branches are c (|d| - c/2).
    const near = minimum(distance, delta);
    return mul(near, sub(distance, mul(near, 0.5)));
  };
  return meanOf('huber', term, { reduction });
});

/** prediction - target, class indices as one-hot rows. */
function difference(lossName: string, prediction: Tensor, target: Tensor): Tensor {
  if (areClasses(prediction, target)) return sub(prediction, oneHot(target, prediction.shape.at(-1)!));
  const rows = formatShape(prediction.shape.slice(0, -1));
  checkSame(lossName, prediction, target, target.dtype === 'u32' ? ` Or give class indices, u32 ${rows}.` : '');
  return sub(prediction, target);
}
