// Moments of groups, and the two sums of their backward: kernels over (N, M, C). Batch norm takes the moments of each channel over all
// else, instance norm for each n, group norm of groups of channels.
import { momentsKernel, sumAndDotKernel } from '../../shaders/group-sums.wgsl.ts';
import { momentsPasses, sumAndDotPasses } from '../cpu/wasm/group-sums.ts';
import type { Op } from '../graph/op.ts';
import { apply, apply1, type Tensor } from '../graph/tensor.ts';
import { add, mul, sub } from './binary.ts';
import { column, type Groups, groupSize, groupsOfChannels, spread } from './groups.ts';
import { powNumber } from './unary.ts';

/** The columns of a table of statistics: the mean, 1 / √(variance + eps), and in most also the variance, which divides by the count. */
export const MEAN = 0;
export const INVERSE = 1;
export const VARIANCE = 2;

/** Groups, and what is added to their variance. */
export interface Moments extends Groups {
  readonly eps: number;
}

/** x (any shape) to statistics (N · G, 3): mean, 1 / √(variance + eps) and variance of each group, the variance from deviations. */
export const momentsOp: Op<Moments> = {
  name: 'moments',
  shape: (_, { N, G }) => [{ shape: [N * G, 3], dtype: 'f32' }],
  flops: ([x]) => 4 * x!.shape.reduce((a, b) => a * b, 1),
  cpu: ([x], [y], p) => {
    const { N, M, C, G, eps } = p;
    const groupOf = groupsOfChannels(p);
    const size = groupSize(p);
    for (let n = 0, first = 0; n < N; n++, first += M * C) {
      const means = new Float64Array(G);
      for (let m = 0, i = first; m < M; m++) for (let c = 0; c < C; c++) means[groupOf[c]!]! += x!.data[i++]!;
      for (let g = 0; g < G; g++) means[g]! /= size;
      const squares = new Float64Array(G);
      for (let m = 0, i = first; m < M; m++) {
        for (let c = 0; c < C; c++) {
          const apart = x!.data[i++]! - means[groupOf[c]!]!;
          squares[groupOf[c]!]! += apart * apart;
        }
      }
      for (let g = 0, at = n * G * 3; g < G; g++, at += 3) {
        y!.data[at + MEAN] = means[g]!;
        y!.data[at + VARIANCE] = squares[g]! / size;
        y!.data[at + INVERSE] = 1 / Math.sqrt(y!.data[at + VARIANCE]! + eps);
      }
    }
  },
  cpuFast: (scope, p) => momentsPasses(p, scope, scope.from[0]!, scope.to[0]!),
  prologue: () => [0],
  epilogue: true,
  kernel: ({ gpu }, p) => momentsKernel(p, p.eps, gpu.barriers),
  vjp: ([dstats], [x], [stats], p) => [() => throughMoments(dstats!, x!, stats!, p)],
};

/** dx from the gradient of a table of statistics; of an RMS norm's, whose mean is no function of x, `centred` is false. */
export function throughMoments(dstats: Tensor, x: Tensor, stats: Tensor, groups: Groups, centred = true): Tensor {
  const size = groupSize(groups);
  // d(1/σ) is a part of the variance's gradient: d(v + eps)^(-1/2) = -1/2 (v + eps)^(-3/2) dv.
  const viaInverse = mul(mul(column(dstats, INVERSE), powNumber(column(stats, INVERSE), 3)), -0.5);
  const dvariance = dstats.shape[1]! > VARIANCE ? add(viaInverse, column(dstats, VARIANCE)) : viaInverse;
  const apart = sub(x, spread(column(stats, MEAN), x, groups));
  const viaVariance = mul(spread(mul(dvariance, 2 / size), x, groups), apart);
  return centred ? add(viaVariance, spread(mul(column(dstats, MEAN), 1 / size), x, groups)) : viaVariance;
}

/** a and b (one shape) to Σ a and Σ a·b of each group, (N · G) each, in one pass. */
export const sumAndDotOp: Op<Groups> = {
  name: 'sumAndDot',
  shape: (_, { N, G }) => [
    { shape: [N * G], dtype: 'f32' },
    { shape: [N * G], dtype: 'f32' },
  ],
  flops: ([a]) => 3 * a!.shape.reduce((m, n) => m * n, 1),
  cpu: ([a, b], [sum, dot], p) => {
    const { N, M, C, G } = p;
    const groupOf = groupsOfChannels(p);
    for (let n = 0, i = 0; n < N; n++) {
      const sums = new Float64Array(G);
      const dots = new Float64Array(G);
      for (let m = 0; m < M; m++) {
        for (let c = 0; c < C; c++, i++) {
          sums[groupOf[c]!]! += a!.data[i]!;
          dots[groupOf[c]!]! += a!.data[i]! * b!.data[i]!;
        }
      }
      sum!.data.set(sums, n * G);
      dot!.data.set(dots, n * G);
    }
  },
  cpuFast: (scope, p) => sumAndDotPasses(p, scope, scope.from as [number, number], scope.to as [number, number]),
  prologue: () => [0, 1],
  epilogue: true,
  kernel: ({ gpu }, p) => sumAndDotKernel(p, gpu.barriers),
  vjp: ([dsum, ddot], [a, b], _, p) => [
    () => {
      const viaSum = dsum && spread(dsum, a!, p);
      const viaDot = ddot && mul(spread(ddot, a!, p), b!);
      return viaSum && viaDot ? add(viaSum, viaDot) : (viaSum ?? viaDot)!;
    },
    ddot ? () => mul(spread(ddot, a!, p), a!) : undefined,
  ],
};

/** {@link momentsOp}. */
export function moments(x: Tensor, { N, M, C, G, eps }: Moments): Tensor {
  return apply1(momentsOp, [x], { N, M, C, G, eps });
}

/** {@link sumAndDotOp}. */
export function sumAndDot(a: Tensor, b: Tensor, { N, M, C, G }: Groups): readonly [sum: Tensor, dot: Tensor] {
  return apply(sumAndDotOp, [a, b], { N, M, C, G }) as [Tensor, Tensor];
}
