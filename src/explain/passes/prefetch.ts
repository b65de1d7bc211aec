// Prefetched values, which each step computes for the next. Numbers are those of the graph after simplify.

import type { PassResults } from '../../compile/index.ts';
import type { Labels } from '../labels.ts';

export function prefetchText({ prefetch }: PassResults, labels: Labels): string[] {
  if (prefetch.carried.length === 0) return ['nothing is prefetched'];
  const values = prefetch.carried.map(([variable, t]) => `  ${labels.ref(variable)} = ${labels.name(t)}`);
  return ['computed one step ahead (numbers as in simplify)', ...values];
}
