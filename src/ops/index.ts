// The ops as people call them.
export { accuracy } from './accuracy.ts';
export * from './activations.ts';
export * from './binary.ts';
export { broadcastTo } from './broadcast.ts';
export { iota, remainder } from './counter.ts';
export { softmaxCrossEntropy } from './cross-entropy.ts';
export type { TensorLike } from './elementwise.ts';
export { expm1 } from './expm1.ts';
export { cast, gatherRows, oneHot } from './gather.ts';
export { linear, type MatmulOptions, matmul } from './matmul.ts';
export { concat, pad, slice, transpose } from './movement.ts';
export { pack, unpack } from './pack.ts';
export { batchIndices, dropout } from './random.ts';
export { argmax, max, mean, min, type ReduceOptions, sum, variance } from './reduce.ts';
export { reshape } from './reshape.ts';
export { clip, where } from './select.ts';
export { logSoftmax, logSumExp, softmax } from './softmax.ts';
export * from './unary.ts';
