// Every op by name. The rows of the activations' files, binary.ts and unary.ts are in it by being exported there; the others have a
// line each. Tests walk this table: an op without samples in test/samples.ts does not type-check.
import type { Op } from '../graph/op.ts';
import { accuracyOp } from './accuracy.ts';
import * as activations from './activations.ts';
import { avgPoolGradOp, avgPoolOp } from './avg-pool.ts';
import * as binary from './binary.ts';
import { brightenPicturesOp } from './brighten-pictures.ts';
import { broadcastToOp, sumOp } from './broadcast.ts';
import { castOp } from './cast.ts';
import { convFilterOp, convInputOp, convOp } from './conv-ops.ts';
import { copyOp, iotaOp, remainder } from './counter.ts';
import { softmaxCrossEntropyOp } from './cross-entropy.ts';
import { cumsumOp } from './cumsum.ts';
import { expm1 } from './expm1.ts';
import { eluOp } from './exponential-units.ts';
import { gatherRowsGradOp, gatherRowsOp, oneHotOp } from './gather.ts';
import { gatherAlongGradOp, gatherAlongOp } from './gather-along.ts';
import * as hard from './hard-activations.ts';
import { layerNormGradOp, layerNormOp } from './layer-norm.ts';
import { logSumExpOp } from './log-sum-exp.ts';
import { linearGradOp, linearOp, matmulOp } from './matmul.ts';
import { atMaximaOp, maxPoolGradOp, maxPoolOp } from './max-pool.ts';
import { momentsOp, sumAndDotOp } from './moments.ts';
import { movePicturesOp } from './move-pictures.ts';
import { concatOp, padOp, sliceOp, transposeOp } from './movement.ts';
import { normalizeGradOp, normalizeOp, standardizeOp } from './normalize.ts';
import { packOp, unpackOp } from './pack.ts';
import { powTensorOp } from './pow.ts';
import { preluOp } from './prelu.ts';
import { prodGradOp, prodOp } from './prod.ts';
import { batchIndicesOp, dropoutMaskOp } from './random.ts';
import { argmaxOp, maxOp, meanOp, minOp } from './reduce.ts';
import { reindexOp, resampleOp } from './resample.ts';
import { reshapeOp } from './reshape.ts';
import { rowChoicesOp } from './row-choices.ts';
import { clipOp, whereOp } from './select.ts';
import { logSoftmaxGradOp, logSoftmaxOp, softmaxGradOp, softmaxOp } from './softmax.ts';
import * as softplus from './softplus-activations.ts';
import { topkOp } from './topk.ts';
import { sumFewOp } from './total.ts';
import * as trigonometry from './trigonometry.ts';
import * as unary from './unary.ts';
import { warpPicturesOp } from './warp-pictures.ts';

export const ops = tableOf({
  ...rowsOf({ ...activations, ...hard, ...softplus, ...trigonometry, ...binary, ...unary }),
  // Elementwise, with options.
  expm1: expm1.op,
  pow: unary.powOp,
  powTensor: powTensorOp,
  clip: clipOp,
  cast: castOp,
  leakyRelu: activations.leakyReluOp,
  gelu: activations.geluOp,
  elu: eluOp,
  prelu: preluOp,
  where: whereOp,
  // Movement.
  reshape: reshapeOp,
  broadcastTo: broadcastToOp,
  transpose: transposeOp,
  slice: sliceOp,
  concat: concatOp,
  pad: padOp,
  reindex: reindexOp,
  resample: resampleOp,
  // Gather and random.
  gatherRows: gatherRowsOp,
  gatherRowsGrad: gatherRowsGradOp,
  oneHot: oneHotOp,
  gather: gatherAlongOp,
  gatherGrad: gatherAlongGradOp,
  dropoutMask: dropoutMaskOp,
  batchIndices: batchIndicesOp,
  rowChoices: rowChoicesOp,
  // Pictures.
  movePictures: movePicturesOp,
  warpPictures: warpPicturesOp,
  brightenPictures: brightenPicturesOp,
  // Reductions.
  sum: sumOp,
  sumFew: sumFewOp,
  mean: meanOp,
  max: maxOp,
  min: minOp,
  prod: prodOp,
  prodGrad: prodGradOp,
  argmax: argmaxOp,
  // Pools.
  maxPool: maxPoolOp,
  maxPoolGrad: maxPoolGradOp,
  atMaxima: atMaximaOp,
  avgPool: avgPoolOp,
  avgPoolGrad: avgPoolGradOp,
  cumsum: cumsumOp,
  topk: topkOp,
  // Rows.
  softmax: softmaxOp,
  softmaxGrad: softmaxGradOp,
  logSoftmax: logSoftmaxOp,
  logSoftmaxGrad: logSoftmaxGradOp,
  logSumExp: logSumExpOp,
  softmaxCrossEntropy: softmaxCrossEntropyOp,
  accuracy: accuracyOp,
  // Normalization.
  moments: momentsOp,
  sumAndDot: sumAndDotOp,
  standardize: standardizeOp,
  normalize: normalizeOp,
  normalizeGrad: normalizeGradOp,
  layerNorm: layerNormOp,
  layerNormGrad: layerNormGradOp,
  // Products.
  matmul: matmulOp,
  linear: linearOp,
  linearGrad: linearGradOp,
  // Convolutions.
  conv: convOp,
  convInput: convInputOp,
  convFilter: convFilterOp,
  // Arenas and counters.
  pack: packOp,
  unpack: unpackOp,
  copy: copyOp,
  iota: iotaOp,
  remainder: remainder.op,
});

export type OpName = keyof typeof ops;

/** Keeps the names and drops the ops' parameter types. */
function tableOf<N extends string>(table: { readonly [K in N]: Op<never> }): { readonly [K in N]: Op<never> } {
  return table;
}

type RowName<M> = { [K in keyof M]: M[K] extends { readonly op: Op<void> } ? K : never }[keyof M] & string;

/** The ops of the exports that are rows: functions with an `op`. */
function rowsOf<M extends object>(module: M): { readonly [K in RowName<M>]: Op<never> } {
  const rows = Object.entries(module).filter(([, value]) => typeof value === 'function' && 'op' in value);
  return Object.fromEntries(rows.map(([name, row]) => [name, (row as { op: Op<never> }).op])) as never;
}
