// Normalization by the moments of groups: map ops, so that an activation and a residual sum after it, and the gradient of those before
// the backward, take no dispatch and no memory between.
//   y = (x - mean) · 1/σ · weight + bias, x̂ = (x - mean) · 1/σ
//   dbias = Σ dy, dweight = Σ dy·x̂, dx = (dy·weight - mean of dy·weight - x̂ · mean of dy·weight·x̂) · 1/σ
// The sums over a channel give all of the three (https://arxiv.org/abs/1502.03167).
import { normalizeGradPass, normalizePass } from '../cpu/wasm/normalize.ts';
import type { HostArray } from '../graph/dtype.ts';
import type { MapScope, NdArray, Op } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { add, div, mul, sub } from './binary.ts';
import { sum } from './broadcast.ts';
import {
  column,
  type Groups,
  groupSize,
  ofChannels,
  placeInGroups,
  spread,
  spreadChannels,
  sumOfChannels,
  sumOfGroups,
  tableOf,
} from './groups.ts';
import { INVERSE, MEAN, type Moments, moments, sumAndDot } from './moments.ts';
import { reshape } from './reshape.ts';

/** Of each channel of example n on the CPU: the number of its group, one of `columns` for each in `table`. */
function channelsOf(table: HostArray, { C, G }: Groups, n: number, columns = 1, column = 0): Float64Array {
  const run = C / G;
  return Float64Array.from({ length: C }, (_, c) => table[(n * G + Math.floor(c / run)) * columns + column]!);
}

/** The mean and 1/σ of each channel of example n. */
function statsOf({ data, shape }: NdArray, groups: Groups, n: number): readonly [Float64Array, Float64Array] {
  const columns = shape[1]!;
  return [channelsOf(data, groups, n, columns, MEAN), channelsOf(data, groups, n, columns, INVERSE)];
}

/** WGSL for x̂ of the element, input `x` by the statistics in input `stats`. */
function standardized(scope: MapScope, x: number, stats: number, group: string) {
  const at = scope.let('u32', `(${group}) * ${scope.inputs[stats]!.shape[1]!}u`);
  const mean = scope.load(stats, at);
  const inverse = scope.let('f32', scope.load(stats, `${at} + 1u`));
  return { xHat: `(${scope.load(x, scope.i)} - ${mean}) * ${inverse}`, inverse };
}

/** x (any shape) and its groups' statistics (N · G, 2 or more) to (x - mean) / σ. */
export const standardizeOp: Op<Groups> = {
  name: 'standardize',
  // Cheaper to compute than to store and load, wherever it is used.
  cost: 0,
  shape: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
  flops: ([x]) => 2 * sizeOf(x!.shape),
  cpu: ([x, stats], [y], p) => {
    const { N, M, C } = p;
    for (let n = 0, i = 0; n < N; n++) {
      const [mean, inverse] = statsOf(stats!, p, n);
      for (let m = 0; m < M; m++) for (let c = 0; c < C; c++, i++) y!.data[i] = (x!.data[i]! - mean[c]!) * inverse[c]!;
    }
  },
  cpuFast: ({ inputs, from, to }, p) => [normalizePass(p, from, inputs[1]!.shape[1]!, to[0]!)],
  map: (scope, p) => standardized(scope, 0, 1, placeInGroups(scope, p).group).xHat,
  vjp: ([dy], [x, stats], _, p) => [
    () => mul(dy!, spread(column(stats!, INVERSE), x!, p)),
    () => throughStandardize(dy!, x!, stats!, p),
  ],
};

/** The gradient of the statistics from that of x̂, and further terms for 1/σ. */
function throughStandardize(dxHat: Tensor, x: Tensor, stats: Tensor, groups: Groups, more?: Tensor): Tensor {
  const [total, along] = sumAndDot(dxHat, sub(x, spread(column(stats, MEAN), x, groups)), groups);
  const columns = [mul(mul(total, column(stats, INVERSE)), -1), more ? add(along, more) : along];
  return tableOf([...columns, ...stats.shape.slice(1).flatMap((n) => (n > 2 ? [mul(total, 0)] : []))]);
}

/** x̂ by statistics: see {@link standardizeOp}. */
export function standardize(x: Tensor, stats: Tensor, { N, M, C, G }: Groups): Tensor {
  return apply1(standardizeOp, [x, stats], { N, M, C, G });
}

/**
 * x, the moments of x, and possibly a weight (C) and a bias (C) to y. The gradient of x includes what flows through the moments, which
 * therefore get none of their own.
 */
export const normalizeOp: Op<Groups> = {
  name: 'normalize',
  cost: 4,
  shape: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
  flops: (inputs) => inputs.length * sizeOf(inputs[0]!.shape),
  cpu: ([x, stats, weight, bias], [y], p) => {
    const { N, M, C } = p;
    const scale = weight?.data ?? new Float64Array(C).fill(1);
    const shift = bias?.data ?? new Float64Array(C);
    for (let n = 0, i = 0; n < N; n++) {
      const [mean, inverse] = statsOf(stats!, p, n);
      for (let m = 0; m < M; m++)
        for (let c = 0; c < C; c++, i++) y!.data[i] = (x!.data[i]! - mean[c]!) * inverse[c]! * scale[c]! + shift[c]!;
    }
  },
  cpuFast: ({ inputs, from, to }, p) => [normalizePass(p, from, inputs[1]!.shape[1]!, to[0]!)],
  map: (scope, p) => {
    const { group, channel } = placeInGroups(scope, p);
    const { xHat } = standardized(scope, 0, 1, group);
    const [, , weight, bias] = scope.inputs;
    const c = weight ? scope.let('u32', channel) : '';
    return `${xHat}${weight ? ` * ${scope.load(2, c)}` : ''}${bias ? ` + ${scope.load(3, c)}` : ''}`;
  },
  vjp: ([dy], [x, stats, weight, bias], _, p) => {
    let both: readonly [sum: Tensor, dot: Tensor] | undefined;
    const sums = () => (both ??= sumAndDot(dy!, standardize(x!, stats!, p), ofChannels(p)));
    const perChannel = (perN: Tensor) => (p.N === 1 ? perN : sum(reshape(perN, [p.N, p.C]), 0));
    return [
      () => {
        const [a, b] = sums().map((s) => mul(ofGroups(s, weight, p), 1 / groupSize(p)));
        return apply1(normalizeGradOp, [dy!, x!, stats!, a!, b!, ...(weight ? [weight] : [])], p);
      },
      undefined,
      ...(weight ? [() => perChannel(sums()[1])] : []),
      ...(bias ? [() => perChannel(sums()[0])] : []),
    ];
  },
};

/** Sums of channels (N · C), times the weight (C), to sums of their groups (N · G). */
function ofGroups(perChannel: Tensor, weight: Tensor | undefined, groups: Groups): Tensor {
  const { N, C, G } = groups;
  const weighted = weight ? mul(reshape(perChannel, [N, C]), weight) : perChannel;
  return G === C ? reshape(weighted, [N * C]) : sumOfGroups(weighted, { N, M: 1, C, G });
}

/** dx = (dy · weight - a - x̂ · b) / σ from dy, x, the statistics, a and b for each group (N · G), and possibly a weight (C). */
export const normalizeGradOp: Op<Groups> = {
  name: 'normalizeGrad',
  cost: 6,
  shape: ([dy]) => [{ shape: dy!.shape, dtype: 'f32' }],
  flops: (inputs) => (inputs.length + 1) * sizeOf(inputs[0]!.shape),
  cpu: ([dy, x, stats, a, b, weight], [dx], p) => {
    const { N, M, C } = p;
    const scale = weight?.data ?? new Float64Array(C).fill(1);
    for (let n = 0, i = 0; n < N; n++) {
      const [mean, inverse] = statsOf(stats!, p, n);
      const [as, bs] = [channelsOf(a!.data, p, n), channelsOf(b!.data, p, n)];
      for (let m = 0; m < M; m++) {
        for (let c = 0; c < C; c++, i++) {
          const xHat = (x!.data[i]! - mean[c]!) * inverse[c]!;
          dx!.data[i] = (dy!.data[i]! * scale[c]! - as[c]! - xHat * bs[c]!) * inverse[c]!;
        }
      }
    }
  },
  cpuFast: ({ inputs, from, to }, p) => [normalizeGradPass(p, from, inputs[2]!.shape[1]!, to[0]!)],
  map: (scope, p) => {
    const { group, channel } = placeInGroups(scope, p);
    const g = scope.let('u32', group);
    const { xHat, inverse } = standardized(scope, 1, 2, g);
    const scale = scope.inputs[5] ? ` * ${scope.load(5, channel)}` : '';
    const apart = `${scope.load(0, scope.i)}${scale} - ${scope.load(3, g)} - (${xHat}) * ${scope.load(4, g)}`;
    return `(${apart}) * ${inverse}`;
  },
  vjp: ([v], [dy, x, stats, , b, weight], [dx], p) => {
    const inverse = spread(column(stats!, INVERSE), x!, p);
    const t = mul(v!, inverse);
    const scaled = weight ? mul(t, spreadChannels(weight, t, p)) : t;
    const viaXHat = mul(mul(t, spread(b!, t, p)), -1);
    // dx is a product with 1/σ, so dx · σ is its derivative by it.
    const viaInverse = () => div(sumOfGroups(mul(v!, dx!), p), column(stats!, INVERSE));
    return [
      () => scaled,
      () => mul(viaXHat, inverse),
      () => throughStandardize(viaXHat, x!, stats!, p, viaInverse()),
      () => mul(sumOfGroups(t, p), -1),
      () => mul(sumOfGroups(mul(t, standardize(x!, stats!, p)), p), -1),
      ...(weight ? [() => sumOfChannels(mul(t, dy!), p)] : []),
    ];
  },
};

/** x by the moments of its groups, with a weight (C) and a bias (C) if given; and the moments. */
export function normalize(
  x: Tensor,
  { eps, N, M, C, G }: Moments,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
): { readonly y: Tensor; readonly stats: Tensor } {
  const stats = moments(x, { N, M, C, G, eps });
  const affine = [weight, bias].filter((t) => t !== undefined);
  return { y: apply1(normalizeOp, [x, stats, ...affine], { N, M, C, G }), stats };
}
