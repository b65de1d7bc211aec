// pack: several tensors side by side in one flat vector (an arena). On the GPU its inputs are computed in place.
import { ShapeError } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { ARRAY, COUNT, checkValue, NUMBERS, show } from '../graph/options.ts';
import { formatShape, sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { checkTensors } from './tensors.ts';

interface Pack {
  /** The offset of each input, in elements. Gaps are zero. */
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

/** A vector of `size` elements with each tensor at its offset and zeros in the gaps. */
export function pack(tensors: readonly Tensor[], offsets: readonly number[], size: number, ...extra: never[]): Tensor {
  checkValue('pack', 'the tensors', tensors, ARRAY);
  checkTensors('pack', { ...tensors }, extra);
  checkValue('pack', 'the size', size, COUNT);
  checkValue('pack', 'the offsets', offsets, NUMBERS);
  const fits = (x: Tensor, k: number) =>
    Number.isSafeInteger(offsets[k]) && offsets[k]! >= 0 && offsets[k]! + x.size <= size;
  if (offsets.length !== tensors.length || !tensors.every(fits))
    throw new ShapeError(
      `pack: offsets [${offsets}] do not place ${tensors.length} tensors in ${size} elements. Give one for each.`,
    );
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
export function unpack(x: Tensor, offset: number, shape: readonly number[], ...extra: never[]): Tensor {
  checkTensors('unpack', { x }, extra);
  checkValue('unpack', 'the shape', shape, NUMBERS);
  if (!(Number.isSafeInteger(offset) && offset >= 0 && offset + sizeOf(shape) <= x.size))
    throw new ShapeError(
      `unpack: ${formatShape(shape)} from ${show(offset)} is not within the ${x.size} elements. Give a whole offset from 0.`,
    );
  return apply1(unpackOp, [x], { offset, shape: [...shape] });
}
