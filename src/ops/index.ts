// The ops as functions, as `thalweg/ops` in the package, with the building blocks of custom ops and kernels. Most take a tensor first and
// are also its methods.
import './methods.ts';

export type { Capabilities, Feature } from '../graph/capabilities.ts';
export type {
  Declaration,
  KernelSpec,
  KernelText,
  OpaqueKernel,
  Operands,
  OperandText,
  ResultText,
  RowSpec,
  Scratch,
  SharedArray,
  Size3,
  WgslType,
} from '../graph/kernel.ts';
export type {
  InputGradients,
  KernelScope,
  MapScope,
  NdArray,
  Op,
  OutputGradients,
  RowScope,
  Spec,
} from '../graph/op.ts';
export { apply, apply1, input } from '../graph/tensor.ts';
export { accuracy, binaryAccuracy } from './accuracy.ts';
export {
  erf,
  type GeluOptions,
  gelu,
  type LeakyReluOptions,
  leakyRelu,
  relu,
  sigmoid,
  silu,
  softplus,
  tanh,
} from './activations.ts';
export { adaptiveAvgPool, adaptiveMaxPool } from './adaptive-pool.ts';
export { attachMethods } from './attach.ts';
export { type AvgPoolOptions, avgPool } from './avg-pool.ts';
export {
  add,
  div,
  equal,
  greater,
  greaterEqual,
  less,
  lessEqual,
  maximum,
  minimum,
  mul,
  notEqual,
  sub,
} from './binary.ts';
export { broadcastTo, sum } from './broadcast.ts';
export { type Castable, cast } from './cast.ts';
export { type ConvOptions, type ConvTransposeOptions, conv, convTranspose, type PaddingMode } from './conv.ts';
export { iota, remainder } from './counter.ts';
export { softmaxCrossEntropy } from './cross-entropy.ts';
export { type CumsumOptions, cumsum } from './cumsum.ts';
export type { TensorLike } from './elementwise.ts';
export { expm1 } from './expm1.ts';
export { type CeluOptions, celu, type EluOptions, elu, selu } from './exponential-units.ts';
export { gatherRows, oneHot } from './gather.ts';
export { gather, take } from './gather-along.ts';
export { hardsigmoid, hardswish, relu6 } from './hard-activations.ts';
export { logSumExp } from './log-sum-exp.ts';
export { linear, type MatmulOptions, matmul } from './matmul.ts';
export { type MaxPoolOptions, maxPool } from './max-pool.ts';
export type { TensorMethods } from './methods.ts';
export { concat, type PadMode, type PadOptions, slice, transpose } from './movement.ts';
export { pack, unpack } from './pack.ts';
export { pad } from './pad.ts';
export { pow } from './pow.ts';
export { prelu } from './prelu.ts';
export { prod } from './prod.ts';
export { type BatchIndicesOptions, batchIndices, type DropoutOptions, dropout } from './random.ts';
export { argmax, max, mean, min, type VarianceOptions, variance } from './reduce.ts';
export type { ReduceOptions } from './reduction.ts';
export { flatten, reshape } from './reshape.ts';
export { type ClipOptions, clip, where } from './select.ts';
export { logSoftmax, softmax } from './softmax.ts';
export { logSigmoid, mish } from './softplus-activations.ts';
export type { Axis, AxisOptions, KeepDims, KeptAxisOptions } from './tensors.ts';
export { type TopkOptions, topk } from './topk.ts';
export { cos, sin } from './trigonometry.ts';
export { abs, exp, log, neg, rsqrt, sign, sqrt, square } from './unary.ts';
export { type UpsampleOptions, upsample } from './upsample.ts';
export type { ImagePadding, Pair } from './window.ts';
