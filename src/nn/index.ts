// Layers, initial values and summaries, exported as `nn`.
export { GELU, LeakyReLU, LogSoftmax, ReLU, Sigmoid, SiLU, Softmax, Softplus, Tanh } from './activations.ts';
export {
  AdaptiveAvgPool1d,
  AdaptiveAvgPool2d,
  AdaptiveMaxPool1d,
  AdaptiveMaxPool2d,
  GlobalAvgPool2d,
} from './adaptive-pool.ts';
export { BatchNorm1d, BatchNorm2d } from './batch-norm.ts';
export { Conv1d, type Conv1dOptions, Conv2d, type Conv2dOptions } from './conv.ts';
export {
  ConvTranspose1d,
  type ConvTranspose1dOptions,
  ConvTranspose2d,
  type ConvTranspose2dOptions,
} from './conv-transpose.ts';
export { Dropout, Dropout2d } from './dropout.ts';
export { Embedding } from './embedding.ts';
export { CELU, ELU, SELU } from './exponential-units.ts';
export { freeze, unfreeze } from './freeze.ts';
export { GroupNorm, type GroupNormOptions } from './group-norm.ts';
export { Hardsigmoid, Hardswish, ReLU6 } from './hard-activations.ts';
export * as init from './init.ts';
export { InstanceNorm1d, InstanceNorm2d } from './instance-norm.ts';
export { type Layer, parameter } from './layer.ts';
export { LayerNorm, type LayerNormOptions, RMSNorm, type RMSNormOptions } from './layer-norm.ts';
export { Linear, type LinearOptions } from './linear.ts';
export {
  AvgPool1d,
  type AvgPool1dOptions,
  AvgPool2d,
  MaxPool1d,
  type MaxPool1dOptions,
  MaxPool2d,
} from './pool.ts';
export { PReLU, type PReLUOptions } from './prelu.ts';
export { CircularPad2d, ReflectionPad2d, ReplicationPad2d, Upsample, ZeroPad2d } from './resize.ts';
export {
  BasicBlock,
  type BasicBlockOptions,
  ResNet,
  type ResNet18Options,
  type ResNet20Options,
  type ResNetOptions,
  resnet18,
  resnet20,
} from './resnet.ts';
export type { BatchNormOptions, InstanceNormOptions } from './running-norm.ts';
export type { SequencePadding } from './sequence.ts';
export { Flatten, type FlattenOptions, Sequential } from './sequential.ts';
export { LogSigmoid, Mish } from './softplus-activations.ts';
export { type Summary, type SummaryParameter, type SummaryRow, summary } from './summary.ts';
