// pack: several tensors side by side in one flat vector (an arena). On the GPU its inputs are computed right in place.
import type { Op } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';

interface Pack {
  /** Where each input starts, in elements. What lies between is zero. */
  readonly offsets: readonly number[];
  readonly size: number;
}

export const packOp: Op<Pack> = {
  name: 'pack',
  shape: (_, { size }) => [{ shape: [size], dtype: 'f32' }],
  cpu: (inputs, [y], { offsets }) => {
    for (const [k, x] of inputs.entries()) y!.data.set(x.data, offsets[k]!);
  },
  placement: ({ offsets }) => offsets,
  vjp: ([dy], inputs, _, { offsets }) => inputs.map((x, k) => () => unpack(dy!, offsets[k]!, x.shape)),
};

/** Σ of the tensors' elements at their offsets in a vector of `size`; what lies between them is zero. */
export function pack(tensors: readonly Tensor[], offsets: readonly number[], size: number): Tensor {
  return apply1(packOp, tensors, { offsets: [...offsets], size });
}

export const unpackOp: Op<{ readonly offset: number; readonly shape: readonly number[] }> = {
  name: 'unpack',
  cost: 0,
  shape: (_, { shape }) => [{ shape, dtype: 'f32' }],
  cpu: ([x], [y], { offset, shape }) => y!.data.set(x!.data.subarray(offset, offset + sizeOf(shape))),
  map: (scope, { offset }) => scope.load(0, `${scope.i} + ${offset}u`),
  vjp: ([dy], [x], _, { offset }) => [() => pack([dy!], [offset], x!.size)],
};

/** The tensor of `shape` that starts at `offset` of a flat vector. */
export function unpack(x: Tensor, offset: number, shape: readonly number[]): Tensor {
  return apply1(unpackOp, [x], { offset, shape: [...shape] });
}
