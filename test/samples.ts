// Every op with the uses that prove it: shapes chosen to hurt (1, primes, one past a tile, one past a workgroup, rows longer
// than one, rank 6). An op without samples does not type-check.
import type { OpName } from '../src/ops/table.ts';
import type { Sample } from './sample.ts';
import { elementwiseSamples } from './samples-elementwise.ts';
import { matmulSamples } from './samples-matmul.ts';
import { rowSamples } from './samples-rows.ts';

export const samples = { ...elementwiseSamples, ...rowSamples, ...matmulSamples } satisfies {
  [K in OpName]: readonly Sample[];
};
