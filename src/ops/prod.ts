// prod: products over any axes. The gradient of an element is the product of all others, those before it times those after it, so
// that zeros divide nothing.
import { scanKernel } from '../../shaders/scan.wgsl.ts';
import type { Scratch } from '../graph/kernel.ts';
import type { Op } from '../graph/op.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { asRows, fromRows } from './as-rows.ts';
import { attachMethods } from './attach.ts';
import { type ReduceOptions, reduceOp, reduceWith } from './reduction.ts';
import { reshape } from './reshape.ts';
import type { Axis, KeepDims } from './tensors.ts';

/** dx (N, C) from dy (N) and x (N, C). */
export const prodGradOp: Op<void> = {
  name: 'prodGrad',
  shape: ([, x]) => [{ shape: x!.shape, dtype: 'f32' }],
  cpu: ([dy, x], [dx]) => {
    const [N, C] = x!.shape as [number, number];
    for (let r = 0; r < N; r++) {
      let product = 1;
      for (let i = r * C; i < (r + 1) * C; i++) {
        dx!.data[i] = product;
        product *= x!.data[i]!;
      }
      product = 1;
      for (let i = (r + 1) * C - 1; i >= r * C; i--) {
        dx!.data[i] = dy!.data[r]! * (dx!.data[i]! * product);
        product *= x!.data[i]!;
      }
    }
  },
  epilogue: true,
  kernel: ({ inputs: [, x], gpu: { barriers } }) => {
    const [N, C] = x!.shape as [number, number];
    const before: Scratch = { name: 'before', type: 'f32', size: N * C };
    const variant = { N, C, INNER: 1, type: 'f32', product: true, exclusive: true, barriers } as const;
    const load = { load: (k: { inputs: readonly { load(i: string): string }[] }) => k.inputs[1]!.load('i') };
    return [
      {
        ...scanKernel({ ...variant, reverse: false }, { ...load, store: (k) => k.scratch(before).store('i', 'total') }),
        label: 'before',
        inputs: [1],
        outputs: [],
        writes: [before],
      },
      {
        ...scanKernel(
          { ...variant, reverse: true },
          {
            ...load,
            store: (k) =>
              k.outputs[0]!.store('i', `${k.inputs[0]!.load('r')} * (${k.scratch(before).load('i')} * total)`),
          },
        ),
        label: 'after',
        reads: [before],
      },
    ];
  },
};

export const prodOp = reduceOp('prod', (dy, x, _y, axes) => {
  const rows = asRows(x, axes);
  return fromRows(apply1(prodGradOp, [reshape(dy, [rows.shape[0]!]), rows], undefined), x.shape, axes);
});

/**
 * The product of x over one or more axes: `prod(x, 0)`, or `prod(x, { axis: 0, keepDims: true })`. Default: all axes. The gradient is right
 * where elements are 0; it cannot be differentiated again.
 */
export function prod(x: Tensor, axis?: Axis, options?: KeepDims): Tensor;
export function prod(x: Tensor, options?: ReduceOptions): Tensor;
export function prod(x: Tensor, ...over: readonly unknown[]): Tensor {
  return reduceWith(prodOp, x, over);
}

attachMethods({ prod });
