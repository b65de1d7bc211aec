// The sum of a large tensor for the dispatch that ends a step: one kernel sums its rows, and the few row sums are added
// by the consumers of the total, so that takes no dispatch.
import { internal } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { broadcastTo, sum } from './broadcast.ts';
import { reshape } from './reshape.ts';

/** Number of rows summed separately. */
const ROWS = 32;

/** The number of elements from which a sum takes two kernels. */
const LARGE = 2048;

/** Σ of a few elements, in order. */
export const sumFewOp: Op<void> = {
  name: 'sumFew',
  cost: ROWS,
  shape: ([x]) => {
    const [n] = x!.shape;
    if (x!.shape.length !== 1 || n! > ROWS) throw internal(`sumFew: [${x!.shape}] is not a vector of ${ROWS} at most`);
    return [{ shape: [], dtype: x!.dtype }];
  },
  cpu: ([x], [y]) => {
    let total = 0;
    for (const v of x!.data) total += v;
    y!.data[0] = total;
  },
  map: ({ inputs, load }) => Array.from({ length: inputs[0]!.shape[0]! }, (_, k) => load(0, `${k}u`)).join(' + '),
  vjp: ([dy], [x]) => [() => broadcastTo(dy!, x!.shape)],
};

/** Σ x over all elements, a scalar: as `sum`, in another order. */
export function total(x: Tensor): Tensor {
  if (x.size <= LARGE || x.size % ROWS !== 0) return sum(x);
  return apply1(sumFewOp, [sum(reshape(x, [ROWS, x.size / ROWS]), 1)], undefined);
}
