// Bytes that are all 0 or 1: yes and no, masks, one-hot rows. Bytes are scaled as those of pictures unless a scale is stated, which
// would make a yes of these 1/255, so a scale that nobody stated is refused.
import { DataError } from '../graph/errors.ts';

/** @throws DataError for bytes that are all 0 or 1, at least one of them 1, where the default `scale` would read them. */
export function checkBinaryBytes(
  what: string,
  data: ArrayLike<number>,
  scale: { readonly mean: number; readonly std: number } | false,
  advice: string,
): void {
  if (scale === false) return;
  // Pictures end this within a few pixels.
  let one = false;
  for (let k = 0; k < data.length; k++) {
    if (data[k]! > 1) return;
    one ||= data[k] === 1;
  }
  if (!one) return;
  const read = Number(((1 / 255 - scale.mean) / scale.std).toPrecision(3));
  throw new DataError(
    `${what}: its bytes are all 0 or 1, and bytes are scaled as those of pictures: a 1 would be read as ${read}. ${advice}`,
  );
}
