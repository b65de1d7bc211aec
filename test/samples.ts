// Every op with the uses that prove it: shapes chosen to hurt (1, primes, one past a tile, one past a workgroup, rows longer
// than one, rank 6). An op without samples does not type-check.
import type { OpName } from '../src/ops/table.ts';
import { FULL, type Sample } from './sample.ts';
import { activationSamples } from './samples-activations.ts';
import { convSamples } from './samples-conv.ts';
import { elementwiseSamples } from './samples-elementwise.ts';
import { matmulSamples } from './samples-matmul.ts';
import { normSamples } from './samples-norms.ts';
import { pictureSamples } from './samples-pictures.ts';
import { poolSamples } from './samples-pools.ts';
import { rowSamples } from './samples-rows.ts';

const all = {
  ...elementwiseSamples,
  ...activationSamples,
  ...rowSamples,
  ...matmulSamples,
  ...convSamples,
  ...normSamples,
  ...poolSamples,
  ...pictureSamples,
} satisfies {
  [K in OpName]: readonly Sample[];
};

/** The samples that run: see {@link Sample.full}. */
export const samples: Readonly<Record<keyof typeof all, readonly Sample[]>> = FULL ? all : quick(all);

function quick<K extends string>(table: Readonly<Record<K, readonly Sample[]>>): Record<K, readonly Sample[]> {
  const entries = Object.entries<readonly Sample[]>(table).map(([name, list]) => [name, list.filter((s) => !s.full)]);
  return Object.fromEntries(entries);
}
