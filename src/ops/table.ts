// Every op by name. Tests walk this table: an op without samples in test/samples.ts does not type-check.
import type { Op } from '../graph/op.ts';
import { accuracyOp } from './accuracy.ts';
import { erf, geluOp, leakyReluOp, relu, sigmoid, silu, softplus, tanh } from './activations.ts';
import {
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
import { broadcastToOp } from './broadcast.ts';
import { copyOp, iotaOp, remainder } from './counter.ts';
import { softmaxCrossEntropyOp } from './cross-entropy.ts';
import { expm1 } from './expm1.ts';
import { castOp, gatherRowsGradOp, gatherRowsOp, oneHotOp } from './gather.ts';
import { linearGradOp, linearOp, matmulOp } from './matmul.ts';
import { concatOp, padOp, sliceOp, transposeOp } from './movement.ts';
import { packOp, unpackOp } from './pack.ts';
import { batchIndicesOp, dropoutMaskOp } from './random.ts';
import { argmaxOp, maxOp, meanOp, minOp, sumOp } from './reduce.ts';
import { reshapeOp } from './reshape.ts';
import { clipOp, whereOp } from './select.ts';
import { logSoftmaxGradOp, logSoftmaxOp, logSumExpOp, softmaxGradOp, softmaxOp } from './softmax.ts';
import { abs, exp, log, neg, powOp, rsqrt, sign, sqrt, square } from './unary.ts';

export const ops = tableOf({
  // Elementwise, one input.
  neg: neg.op,
  abs: abs.op,
  sign: sign.op,
  exp: exp.op,
  expm1: expm1.op,
  log: log.op,
  sqrt: sqrt.op,
  rsqrt: rsqrt.op,
  square: square.op,
  pow: powOp,
  clip: clipOp,
  cast: castOp,
  // Activations.
  relu: relu.op,
  leakyRelu: leakyReluOp,
  sigmoid: sigmoid.op,
  tanh: tanh.op,
  silu: silu.op,
  softplus: softplus.op,
  erf: erf.op,
  gelu: geluOp,
  // Elementwise, several inputs.
  add: add.op,
  sub: sub.op,
  mul: mul.op,
  div: div.op,
  maximum: maximum.op,
  minimum: minimum.op,
  equal: equal.op,
  notEqual: notEqual.op,
  less: less.op,
  lessEqual: lessEqual.op,
  greater: greater.op,
  greaterEqual: greaterEqual.op,
  where: whereOp,
  // Movement.
  reshape: reshapeOp,
  broadcastTo: broadcastToOp,
  transpose: transposeOp,
  slice: sliceOp,
  concat: concatOp,
  pad: padOp,
  // Gather and random.
  gatherRows: gatherRowsOp,
  gatherRowsGrad: gatherRowsGradOp,
  oneHot: oneHotOp,
  dropoutMask: dropoutMaskOp,
  batchIndices: batchIndicesOp,
  // Reductions.
  sum: sumOp,
  mean: meanOp,
  max: maxOp,
  min: minOp,
  argmax: argmaxOp,
  // Rows.
  softmax: softmaxOp,
  softmaxGrad: softmaxGradOp,
  logSoftmax: logSoftmaxOp,
  logSoftmaxGrad: logSoftmaxGradOp,
  logSumExp: logSumExpOp,
  softmaxCrossEntropy: softmaxCrossEntropyOp,
  accuracy: accuracyOp,
  // Products.
  matmul: matmulOp,
  linear: linearOp,
  linearGrad: linearGradOp,
  // Arenas and counters.
  pack: packOp,
  unpack: unpackOp,
  copy: copyOp,
  iota: iotaOp,
  remainder: remainder.op,
});

export type OpName = keyof typeof ops;

/** Keeps the names and lets go of the ops' own parameter types. */
function tableOf<N extends string>(table: { readonly [K in N]: Op<never> }): { readonly [K in N]: Op<never> } {
  return table;
}
