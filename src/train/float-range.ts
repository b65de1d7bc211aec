// Floats for a model that learned from bytes: pixels from 0 to 255 where it saw 0 to 1 are a forgotten scale, and yield numbers all the same.
import type { Values } from '../data/dataset.ts';
import { dtypeOf } from '../graph/dtype.ts';
import type { Nested } from '../graph/nested.ts';
import { namedParts } from './batch.ts';
import { type ModelScale, scaleAt } from './part-scales.ts';
import { scaleText } from './scale.ts';

/** At most so many numbers are read, spread over the array: well below a millisecond. */
const LOOKED_AT = 2 ** 15;
/** Floats that many times as large as any scaled byte are not scaled like them. */
const FAR = 10;

/** What to tell of floats far outside the range of the bytes that the model learned from; undefined where there are none. */
export function farFromBytes(x: Nested<Values>, model: ModelScale | undefined): string | undefined {
  for (const [part, { data }] of namedParts({ x })) {
    const scale = scaleAt(model, part);
    if (!scale || dtypeOf(data) !== 'f32') continue;
    const [means, stds] = [[scale.mean].flat(), [scale.std].flat()];
    const farthest = Math.max(...means.map((mean) => Math.max(Math.abs(mean), Math.abs(1 - mean))));
    const bound = (FAR * farthest) / Math.min(...stds);
    const stride = Math.ceil(data.length / LOOKED_AT);
    for (let k = 0; k < data.length; k += stride)
      if (Math.abs(data[k]!) > bound)
        return `${part} has ${data[k]}, but the model learned from bytes as ${scaleText(scale)}. Scale floats alike, or give a Uint8Array.`;
  }
  return undefined;
}
