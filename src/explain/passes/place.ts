// Memory after place: each buffer with its bytes, and its values with their offsets and lifetimes.

import type { PassResults } from '../../compile/index.ts';
import type { BufferExplanation } from '../explanation.ts';
import type { Labels } from '../labels.ts';
import { buffersOf } from '../memory.ts';
import { formatInteger } from '../table.ts';

export function placeText({ place }: PassResults, labels: Labels): string[] {
  return buffersOf([...place.dispatches, ...place.commits], place, labels).flatMap(bufferLines);
}

export function bufferLines({ name, label, bytes, owner, values }: BufferExplanation): string[] {
  const title = label === 'constant' || label === 'input' ? `${owner}, ${label}` : owner;
  const width = Math.max(...values.map(({ offset }) => formatInteger(offset).length));
  return [
    `${name}  ${formatInteger(bytes)} B  ${title}`,
    ...values.map(({ value, offset, from, to, lasting }) => {
      const when = lasting ? 'always' : from === to ? from : `${from} to ${to}`;
      return `    at ${formatInteger(offset).padStart(width)}  ${value}: ${when}`;
    }),
  ];
}
