// Layers of images for sequences (N, L, C), which are images of one row.
import { ShapeError } from '../graph/errors.ts';
import type { Kind } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import type { Tensor } from '../graph/tensor.ts';
import { reshape } from '../ops/reshape.ts';
import { checkTensors } from '../ops/tensors.ts';
import type { Sides } from '../ops/window.ts';

/** Elements before and after a sequence: one number for both, or one each. */
export type SequencePadding = number | readonly [before: number, after: number];

const isCount = (v: unknown) => Number.isSafeInteger(v) && (v as number) >= 0;
export const SEQUENCE_PADDING: Kind = {
  advice: 'Give a whole number from 0, or [before, after].',
  fits: (v) => isCount(v) || (Array.isArray(v) && v.length === 2 && v.every(isCount)),
};

/** The sides of an image of one row. */
export function sidesOf(padding: SequencePadding): Sides {
  return typeof padding === 'number' ? [0, 0, padding, padding] : [0, 0, ...padding];
}

/** What `ofImages` makes of sequences x (N, L, C) as images (N, 1, L, C). @throws ShapeError if x is none */
export function overSequence(where: string, x: Tensor, ofImages: (x: Tensor) => Tensor): Tensor {
  checkTensors(where, { x });
  if (x.rank !== 3) throw new ShapeError(`${where}: x is ${formatShape(x.shape)}. Give sequences [N, L, C].`);
  const [N, L, C] = x.shape as [number, number, number];
  const y = ofImages(reshape(x, [N, 1, L, C]));
  return reshape(y, [N, y.shape[2]!, C]);
}
