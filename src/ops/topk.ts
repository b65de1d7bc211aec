// topk: the largest elements along an axis, in order. Only the places come from a kernel; the values are gathered, and so their gradient
// is that of a gather.
import { topkKernel } from '../../shaders/topk.wgsl.ts';
import { OptionError, ShapeError } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { BOOLEAN, COUNT, checkOptions, checkValue, type Schema } from '../graph/options.ts';
import { formatShape, normalizeAxis } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { gather } from './gather-along.ts';
import { rowsOf, startOf } from './softmax.ts';
import { type AxisOptions, checkTensors, LAST_AXIS } from './tensors.ts';

interface Topk {
  readonly k: number;
  /** Non-negative. */
  readonly axis: number;
  readonly largest: boolean;
}

export const topkOp: Op<Topk> = {
  name: 'topk',
  shape: ([x], { k, axis }) => {
    if (x!.dtype !== 'f32') throw new ShapeError(`topk: x is ${x!.dtype}. It must be f32: cast(x, 'f32').`);
    return [{ shape: x!.shape.map((n, at) => (at === axis ? k : n)), dtype: 'u32' }];
  },
  cpu: ([x], [y], { k: K, axis, largest }) => {
    const { N, C, INNER } = rowsOf(x!.shape, axis);
    const sign = largest ? 1 : -1;
    for (let r = 0; r < N; r++) {
      const [from, to] = [startOf(r, C, INNER), startOf(r, K, INNER)];
      // NaN is above all, from either side.
      const key = (c: number) => {
        const v = x!.data[from + c * INNER]!;
        return Number.isNaN(v) ? [1, 0] : [0, v];
      };
      const order = Array.from({ length: C }, (_, c) => c).sort((a, b) => {
        const [[nanA, va], [nanB, vb]] = [key(a), key(b)] as [[number, number], [number, number]];
        return sign * (nanB - nanA || (vb > va ? 1 : vb < va ? -1 : 0)) || a - b;
      });
      for (let t = 0; t < K; t++) y!.data[to + t * INNER] = order[t]!;
    }
  },
  epilogue: true,
  kernel: ({ inputs: [x], gpu: { barriers } }, { k, axis, largest }) =>
    topkKernel({ ...rowsOf(x!.shape, axis), K: k, largest, barriers }),
};

/** Options of {@link topk}. */
export interface TopkOptions extends AxisOptions {
  /** Whether to look for the largest elements, or else for the smallest. Default true. */
  readonly largest?: boolean | undefined;
}

const TOPK = { ...LAST_AXIS, largest: [BOOLEAN, true] } satisfies Schema<TopkOptions>;

/**
 * The k largest elements along an axis, from the largest on, and their indices (u32): `const [values, indices] = topk(x, 5)`. Equal elements
 * come in their order, and NaN counts as the largest. The gradient of the values goes to where they come from. Default axis -1. As PyTorch's
 * `topk` with `sorted=True`. Throws if the axis is shorter than k.
 */
export function topk(
  x: Tensor,
  k: number,
  options: TopkOptions = {},
  ...extra: never[]
): [values: Tensor, indices: Tensor] {
  checkTensors('topk', { x });
  checkValue('topk', 'k', k, COUNT);
  const { axis, largest } = checkOptions('topk', options, TOPK, extra);
  const along = normalizeAxis('topk', axis, x.rank);
  if (k > x.shape[along]!)
    throw new OptionError(
      `topk: k is ${k}, but axis ${along} of ${formatShape(x.shape)} has ${x.shape[along]} elements. Give at most as many.`,
    );
  const indices = apply1(topkOp, [x], { k, axis: along, largest });
  return [gather(x, along, indices), indices];
}

attachMethods({ topk });
