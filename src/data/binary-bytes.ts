// Bytes that are all 0 or 1: yes and no, masks, one-hot rows. Bytes are scaled as those of pictures unless a scale is stated, which
// would make a yes of these 1/255, so a scale that nobody stated is refused.
import { DataError } from '../graph/errors.ts';
import type { StoredNumbers } from './stored.ts';

/** How to keep the numbers, by the option that scales them, or in a batch to train on, which has no options. */
const ADVICE = {
  scale: 'for an Embedding say scale: false, which keeps whole numbers',
  targetScale: 'or say targetScale: false to keep them',
  batch: 'or { shape, data, scale: false } to keep them',
};

/** @throws DataError for bytes that are all 0 or 1, at least one of them 1. */
export function checkBinaryBytes(what: string, data: StoredNumbers, where: keyof typeof ADVICE): void {
  // Pictures end this within a few pixels.
  if (data.some((v: number) => v > 1) || !data.includes(1)) return;
  throw new DataError(
    `${what}: all its bytes are 0 or 1, and bytes are scaled, as those of pictures. Give floats, Float32Array.from(data); ${ADVICE[where]}.`,
  );
}
