// Small integer ops that keep the host out of the loop, such as the ring slot that a step writes.
import { isPacked } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { COUNT, checkExtra, checkValue } from '../graph/options.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { binary } from './elementwise.ts';

export const iotaOp: Op<{ readonly n: number }> = {
  name: 'iota',
  shape: (_, { n }) => [{ shape: [n], dtype: 'u32' }],
  cpu: (_, [y]) => {
    for (let i = 0; i < y!.data.length; i++) y!.data[i] = i;
  },
  map: (scope) => scope.i,
};

/** 0, 1, … n - 1 as u32 [n]. */
export function iota(n: number, ...extra: never[]): Tensor {
  checkValue('iota', 'n', n, COUNT);
  checkExtra('iota', extra);
  return apply1(iotaOp, [], { n });
}

/** a mod b for u32. */
export const remainder = binary('remainder', {
  dtypes: ['u32'],
  cpu: (a, b, y) => {
    for (let i = 0; i < y.length; i++) y[i] = a[i]! % b[i]!;
  },
  wgsl: (a, b) => `(${a} % ${b})`,
});

export const copyOp: Op<void> = {
  name: 'copy',
  elementwise: true,
  cost: Infinity,
  shape: ([x]) => {
    if (isPacked(x!.dtype))
      throw new ShapeError(
        `copy: ${x!.dtype} is a storage-only dtype, readable by gather and cast. Use cast(x, 'u32').`,
      );
    return [{ shape: x!.shape, dtype: x!.dtype }];
  },
  cpu: ([x], [y]) => y!.data.set(x!.data),
  map: (scope) => scope.load(0, scope.i),
  vjp: ([dy]) => [() => dy!],
};

/** A copy of x in its own memory. */
export function copy(x: Tensor): Tensor {
  return apply1(copyOp, [x], undefined);
}
