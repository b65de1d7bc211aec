// Padding with a mode: a constant around a tensor, or its own elements, mirrored, repeated or from the other end. Importing this file
// replaces the method `pad` of tensors, which knows constants alone: most programs need no more.
import { OptionError, ShapeError } from '../graph/errors.ts';
import { checkOptions, FINITE, oneOf, type Schema } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { type PadMode, type PadOptions, padConstant, paddingOf, refusePacked } from './movement.ts';
import { reindex } from './resample.ts';

const PAD = {
  mode: [oneOf('constant', 'reflect', 'replicate', 'circular'), 'constant'],
  value: FINITE,
} satisfies Schema<PadOptions>;

/**
 * x padded along axis k with `before[k]` elements before it and `after[k]` after it; axes after the last given one are unchanged.
 * `pad(x, [1], [1])` pads with 0, `pad(x, [1], [1], 7)` with 7, `pad(x, [0, 2, 2], [0, 2, 2], { mode: 'reflect' })` with elements of x, as
 * PyTorch's `pad`: 'reflect' mirrors x without repeating its ends, 'replicate' repeats its ends, 'circular' wraps around.
 * @throws ShapeError if 'reflect' has to pad an axis by its size or more, or 'circular' by more than its size.
 */
export function pad(
  x: Tensor,
  before: readonly number[],
  after: readonly number[],
  value?: number | PadOptions,
  ...extra: never[]
): Tensor {
  if (typeof value !== 'object') return padConstant(x, before, after, value, ...extra);
  const { mode, value: filling } = checkOptions('pad', value, PAD);
  if (mode === 'constant') return padConstant(x, before, after, filling, ...extra);
  if (filling !== undefined)
    throw new OptionError(
      `pad: mode '${mode}' takes no value, but it is ${filling}. Leave it out, or use mode 'constant'.`,
    );
  const { low, high } = paddingOf(x, before, after, extra);
  refusePacked('pad', x);
  return x.shape.reduce((y, n, axis) => {
    const [first, last] = [low[axis]!, high[axis]!];
    if (first === 0 && last === 0) return y;
    checkReach(mode, x, axis, Math.max(first, last));
    return reindex(y, axis, first + n + last, mode, first);
  }, x);
}

/** Refuses padding that would need elements x does not have. */
function checkReach(mode: Exclude<PadMode, 'constant'>, x: Tensor, axis: number, padding: number): void {
  const n = x.shape[axis]!;
  const most = mode === 'reflect' ? n - 1 : mode === 'circular' ? n : Number.POSITIVE_INFINITY;
  if (padding > most)
    throw new ShapeError(
      `pad: mode '${mode}' cannot pad axis ${axis} of ${formatShape(x.shape)} by ${padding}. Give at most ${most}, or use mode 'replicate'.`,
    );
}

attachMethods({ pad });
