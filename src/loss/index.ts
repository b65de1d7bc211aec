// The losses, as `losses` in the package: each is (prediction, target) => scalar, and its `with(options)` returns a configured one;
// huber takes its options first.
export {
  type BinaryCrossEntropyOptions,
  binaryCrossEntropyWithLogits,
  type SoftmaxCrossEntropyOptions,
  softmaxCrossEntropy,
} from './classification.ts';
export type { ConfigurableLoss } from './configurable.ts';
export type { Loss, Metrics } from './loss.ts';
export type { Reduction, ReductionOptions } from './options.ts';
export { type HuberOptions, huber, meanAbsoluteError, meanSquaredError, sumSquaredError } from './regression.ts';
