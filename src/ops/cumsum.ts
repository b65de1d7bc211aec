// cumsum: running sums along an axis.
import { scanKernel } from '../../shaders/scan.wgsl.ts';
import { isPacked } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import { wgslType } from '../graph/kernel.ts';
import type { Op } from '../graph/op.ts';
import { BOOLEAN, optionsOf, type Schema } from '../graph/options.ts';
import { normalizeAxis } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { rowsOf, startOf } from './softmax.ts';
import { type AxisOptions, checkTensors, LAST_AXIS } from './tensors.ts';

interface Cumsum {
  /** Non-negative. */
  readonly axis: number;
  readonly reverse: boolean;
  readonly exclusive: boolean;
}

export const cumsumOp: Op<Cumsum> = {
  name: 'cumsum',
  shape: ([x]) => {
    if (isPacked(x!.dtype))
      throw new ShapeError(`cumsum: x is ${x!.dtype}. Cast it to f32, u32 or i32: cast(x, 'u32').`);
    return [{ shape: x!.shape, dtype: x!.dtype }];
  },
  cpu: ([x], [y], { axis, reverse, exclusive }) => {
    const { N, C, INNER } = rowsOf(x!.shape, axis);
    const step = reverse ? -INNER : INNER;
    for (let r = 0; r < N; r++) {
      let total = 0;
      for (let c = 0, i = startOf(r, C, INNER) + (reverse ? (C - 1) * INNER : 0); c < C; c++, i += step) {
        if (exclusive) y!.data[i] = total;
        total += x!.data[i]!;
        if (!exclusive) y!.data[i] = total;
      }
    }
  },
  epilogue: true,
  kernel: ({ inputs: [x], gpu: { barriers } }, { axis, reverse, exclusive }) =>
    scanKernel(
      { ...rowsOf(x!.shape, axis), type: wgslType(x!.dtype), product: false, reverse, exclusive, barriers },
      { load: (k) => k.inputs[0]!.load('i'), store: (k) => k.outputs[0]!.store('i', 'total') },
    ),
  vjp: ([dy], _xs, _ys, { axis, reverse, exclusive }) => [
    () => apply1(cumsumOp, [dy!], { axis, reverse: !reverse, exclusive }),
  ],
};

/** Options of {@link cumsum}. */
export interface CumsumOptions extends AxisOptions {
  /** Whether it sums from the last element to the first. Default false. */
  readonly reverse?: boolean | undefined;
  /** Whether an element counts only in the sums after it, so that the first is 0. Default false. */
  readonly exclusive?: boolean | undefined;
}

const CUMSUM = {
  ...LAST_AXIS,
  reverse: [BOOLEAN, false],
  exclusive: [BOOLEAN, false],
} satisfies Schema<CumsumOptions>;

/**
 * Running sums along an axis: element k is x₀ + … + x_k, `cumsum(x, 0)` or `cumsum(x, { axis: 0, reverse: true })`, of f32, u32 or i32. Default
 * axis -1 (PyTorch's has none).
 */
export function cumsum(x: Tensor, axis?: number, options?: Omit<CumsumOptions, 'axis'>): Tensor;
export function cumsum(x: Tensor, options?: CumsumOptions): Tensor;
export function cumsum(x: Tensor, ...given: readonly unknown[]): Tensor {
  checkTensors('cumsum', { x });
  const options = optionsOf<CumsumOptions, typeof CUMSUM>('cumsum', 'axis', given, CUMSUM);
  return apply1(cumsumOp, [x], { ...options, axis: normalizeAxis('cumsum', options.axis, x.rank) });
}

attachMethods({ cumsum });
