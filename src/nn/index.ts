// Layers, initial values and summaries, exported as `nn`.
export { GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh } from './activations.ts';
export {
  Conv1d,
  type Conv1dOptions,
  Conv2d,
  type Conv2dOptions,
  ConvTranspose1d,
  type ConvTranspose1dOptions,
  ConvTranspose2d,
  type ConvTranspose2dOptions,
} from './conv.ts';
export { Dropout } from './dropout.ts';
export { Embedding } from './embedding.ts';
export { freeze, unfreeze } from './freeze.ts';
export * as init from './init.ts';
export { type Layer, parameter } from './layer.ts';
export { LayerNorm, type LayerNormOptions } from './layer-norm.ts';
export { Linear, type LinearOptions } from './linear.ts';
export { Flatten, type FlattenOptions, Sequential } from './sequential.ts';
export { type Summary, type SummaryParameter, type SummaryRow, summary } from './summary.ts';
