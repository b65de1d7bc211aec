// Layers, initial values and summaries, exported as `nn`.
export { GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh } from './activations.ts';
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  GlobalAvgPool2d,
} from './adaptive-pool.ts';
export { Dropout } from './dropout.ts';
export { Embedding } from './embedding.ts';
export { freeze, unfreeze } from './freeze.ts';
export * as init from './init.ts';
export { type Layer, parameter } from './layer.ts';
export { LayerNorm, type LayerNormOptions } from './layer-norm.ts';
export { Linear, type LinearOptions } from './linear.ts';
export {
  AvgPool1d,
  type AvgPool1dOptions,
  AvgPool2d,
  MaxPool1d,
  type MaxPool1dOptions,
  MaxPool2d,
} from './pool.ts';
export { CircularPad2d, ReflectionPad2d, ReplicationPad2d, Upsample, ZeroPad2d } from './resize.ts';
export type { SequencePadding } from './sequence.ts';
export { Flatten, type FlattenOptions, Sequential } from './sequential.ts';
export { type Summary, type SummaryParameter, type SummaryRow, summary } from './summary.ts';
