// Layer norm and RMS norm over the last axes: a row kernel that also keeps each row's mean and 1/σ, and one for the gradient of x. The
// gradients of weight and bias are sums over rows, taken together in one pass.
import { layerNormKernel, layerNormRows } from '../../shaders/layer-norm.wgsl.ts';
import { layerNormGradPass, layerNormPass, type NormRows } from '../cpu/wasm/layer-norm.ts';
import { rowFits } from '../graph/cost.ts';
import type { Op, Spec } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { add, div, mul, sub } from './binary.ts';
import { column, type Groups, spread, spreadChannels, sumOfChannels, sumOfGroups, tableOf } from './groups.ts';
import { INVERSE, MEAN, sumAndDot, throughMoments } from './moments.ts';
import { standardize } from './normalize.ts';
import { reshape } from './reshape.ts';

/** Rows of C elements. */
export interface Rows {
  readonly C: number;
  readonly eps: number;
  /** Whether the mean is subtracted; false for RMS norm. */
  readonly centred: boolean;
}

/** Each row a group. */
function rowsAsGroups(x: Spec, C: number): Groups {
  return { N: sizeOf(x.shape) / C, M: 1, C, G: 1 };
}

/** Each column a group. */
function columnsAsGroups(x: Spec, C: number): Groups {
  return { N: 1, M: sizeOf(x.shape) / C, C, G: C };
}

const variantOf = (kind: 'norm' | 'grad', inputs: readonly Spec[], p: Rows) => {
  const [x] = inputs;
  return { kind, ...p, N: sizeOf(x!.shape) / p.C, inputs: inputs.length };
};

/** The rows of x. */
const normRowsOf = ([x]: readonly Spec[], p: Rows): NormRows => ({ ...p, N: sizeOf(x!.shape) / p.C });

/** x (..., C) as rows, and possibly a weight (C) and a bias (C), to y and the rows' statistics (rows, 2): mean (0 of RMS norm) and 1/σ. */
export const layerNormOp: Op<Rows> = {
  name: 'layerNorm',
  shape: ([x], { C }) => [
    { shape: x!.shape, dtype: 'f32' },
    { shape: [sizeOf(x!.shape) / C, 2], dtype: 'f32' },
  ],
  flops: (inputs, { centred }) => (inputs.length + (centred ? 5 : 2)) * sizeOf(inputs[0]!.shape),
  cpu: ([x, weight, bias], [y, stats], { C, eps, centred }) => {
    const scale = weight?.data ?? new Float64Array(C).fill(1);
    const shift = bias?.data ?? new Float64Array(C);
    for (let at = 0, r = 0; at < x!.data.length; at += C, r++) {
      let mean = 0;
      if (centred) for (let c = 0; c < C; c++) mean += x!.data[at + c]! / C;
      let squares = 0;
      for (let c = 0; c < C; c++) squares += (x!.data[at + c]! - mean) ** 2;
      const inverse = 1 / Math.sqrt(squares / C + eps);
      for (let c = 0; c < C; c++) y!.data[at + c] = (x!.data[at + c]! - mean) * inverse * scale[c]! + shift[c]!;
      stats!.data[r * 2 + MEAN] = mean;
      stats!.data[r * 2 + INVERSE] = inverse;
    }
  },
  cpuFast: ({ inputs, from, to }, p) => [layerNormPass(normRowsOf(inputs, p), from, to)],
  epilogue: true,
  kernel: ({ inputs, gpu }, p) => layerNormKernel(variantOf('norm', inputs, p), gpu.barriers),
  rows: ({ inputs, lanes }, p) =>
    rowFits(p.C, lanes) ? layerNormRows(variantOf('norm', inputs, p), lanes) : undefined,
  vjp: ([dy, dstats], [x, weight, bias], [, stats], p) => {
    let both: readonly [sum: Tensor, dot: Tensor] | undefined;
    const sums = () =>
      (both ??= sumAndDot(dy!, standardize(x!, stats!, rowsAsGroups(x!, p.C)), columnsAsGroups(x!, p.C)));
    // The statistics have consumers in second derivatives only.
    const viaStats = () => throughMoments(dstats!, x!, stats!, rowsAsGroups(x!, p.C), p.centred);
    const viaY = () => layerNormGrad(dy!, x!, stats!, weight, p);
    return [
      () => (dy ? (dstats ? add(viaY(), viaStats()) : viaY()) : viaStats()),
      ...(weight && dy ? [() => sums()[1]] : []),
      ...(bias && dy ? [() => sums()[0]] : []),
    ];
  },
};

/** dx from dy, x, the rows' statistics, and possibly the weight. */
export const layerNormGradOp: Op<Rows> = {
  name: 'layerNormGrad',
  shape: ([dy]) => [{ shape: dy!.shape, dtype: 'f32' }],
  flops: (inputs, { centred }) => (inputs.length + (centred ? 7 : 5)) * sizeOf(inputs[0]!.shape),
  cpu: ([dy, x, stats, weight], [dx], { C, centred }) => {
    const scale = weight?.data ?? new Float64Array(C).fill(1);
    for (let at = 0, r = 0; at < x!.data.length; at += C, r++) {
      const [mean, inverse] = [stats!.data[r * 2 + MEAN]!, stats!.data[r * 2 + INVERSE]!];
      let [total, along] = [0, 0];
      for (let c = 0; c < C; c++) {
        const g = dy!.data[at + c]! * scale[c]!;
        total += g;
        along += g * (x!.data[at + c]! - mean) * inverse;
      }
      if (!centred) total = 0;
      for (let c = 0; c < C; c++) {
        const xHat = (x!.data[at + c]! - mean) * inverse;
        dx!.data[at + c] = (dy!.data[at + c]! * scale[c]! - total / C - xHat * (along / C)) * inverse;
      }
    }
  },
  cpuFast: ({ inputs, from, to }, p) => [layerNormGradPass(normRowsOf(inputs, p), from, to[0]!)],
  epilogue: true,
  kernel: ({ inputs, gpu }, p) => layerNormKernel(variantOf('grad', inputs, p), gpu.barriers),
  rows: ({ inputs, lanes }, p) =>
    rowFits(p.C, lanes) ? layerNormRows(variantOf('grad', inputs, p), lanes) : undefined,
  // dx = P g / σ with g = dy · weight and a symmetric P = 1 - 1/C - x̂ x̂ᵀ/C, so the gradient of g is P v / σ.
  vjp: ([v], [dy, x, stats, weight], [dx], p) => {
    const rows = rowsAsGroups(x!, p.C);
    const inverse = column(stats!, INVERSE);
    const dg = () => layerNormGrad(v!, x!, stats!, undefined, p);
    const g = weight ? mul(dy!, spreadChannels(weight, dy!, rows)) : dy!;
    const dxHat = () => {
      const xHat = standardize(x!, stats!, rows);
      const [, ofG] = sumAndDot(g, xHat, rows);
      const [, ofV] = sumAndDot(v!, xHat, rows);
      const both = add(mul(v!, spread(ofG, v!, rows)), mul(g, spread(ofV, g, rows)));
      return mul(mul(both, spread(inverse, g, rows)), -1 / p.C);
    };
    const dstats = () => {
      const [total, along] = sumAndDot(dxHat(), sub(x!, spread(column(stats!, MEAN), x!, rows)), rows);
      // dx is a product with 1/σ, so dx · σ is its derivative by it.
      const viaProduct = div(sumOfGroups(mul(v!, dx!), rows), inverse);
      return tableOf([mul(mul(total, inverse), -1), add(along, viaProduct)]);
    };
    return [
      () => (weight ? mul(dg(), spreadChannels(weight, dy!, rows)) : dg()),
      () => mul(dxHat(), spread(inverse, x!, rows)),
      dstats,
      ...(weight ? [() => sumOfChannels(mul(dg(), dy!), rows)] : []),
    ];
  },
};

function layerNormGrad(dy: Tensor, x: Tensor, stats: Tensor, weight: Tensor | undefined, p: Rows): Tensor {
  return apply1(layerNormGradOp, weight ? [dy, x, stats, weight] : [dy, x, stats], p);
}

/** x normalized over its last axes, of C elements in all, with a weight and a bias of as many if given: `layerNormOp`. */
export function layerNorm(
  x: Tensor,
  { C, eps, centred }: Rows,
  weight: Tensor | undefined,
  bias: Tensor | undefined,
): Tensor {
  const affine = [weight, bias].filter((t) => t !== undefined).map((t) => reshape(t, [C]));
  return apply1(layerNormOp, [x, ...affine], { C, eps, centred });
}
