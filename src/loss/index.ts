// The losses, as `losses` in the package: each is (prediction, target) => scalar; huber takes its options first.
export { binaryCrossEntropyWithLogits, softmaxCrossEntropy } from './classification.ts';
export type { Loss, Metrics } from './loss.ts';
export { type HuberOptions, huber, meanAbsoluteError, meanSquaredError, sumSquaredError } from './regression.ts';
