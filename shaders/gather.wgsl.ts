// dx of a row gather: dx[n, r] = Σ dy[b, r] over the b with index[b] = n. Each lane owns COLUMNS columns of one row and scans
// all indices in order, so the sum has one order and needs no atomics. Columns of neighbouring lanes are neighbours. An index past
// the end adds to no row.
import type { KernelSpec } from '../src/graph/kernel.ts';
import { foldGroups } from './reduce.wgsl.ts';
import { lines, wgsl } from './wgsl.ts';

export interface GatherGradVariant {
  /** Rows of the source, elements in a row, indices. */
  readonly N: number;
  readonly R: number;
  readonly B: number;
}

const LANES = 64;

export function gatherRowsGradKernel({ N, R, B }: GatherGradVariant): KernelSpec {
  const columns = Math.min(R, 4);
  const lanesPerRow = Math.ceil(R / columns);
  const { grid, index } = foldGroups(Math.ceil((N * lanesPerRow) / LANES));
  const guard = (k: number) => ((k + 1) * lanesPerRow > R ? `if (r + ${k}u * LANES_PER_ROW < R) ` : '');
  return {
    workgroup: [LANES, 1, 1],
    grid,
    body: ({ inputs: [dy, indices], outputs: [dx] }) => {
      const added = (k: number) => `total${k} += ${dy!.load(`b * R + r + ${k}u * LANES_PER_ROW`)};`;
      const stored = (k: number) => dx!.store(`n * R + r + ${k}u * LANES_PER_ROW`, `total${k}`);
      return wgsl`
const N = ${N}u;
const R = ${R}u;
const B = ${B}u;
const LANES_PER_ROW = ${lanesPerRow}u;
let t = (${index}) * ${LANES}u + lane;
let n = t / LANES_PER_ROW;
let r = t % LANES_PER_ROW;
if (n >= N) { return; }
${lines(columns, (k) => `var total${k} = 0.0;`)}
for (var b = 0u; b < B; b++) {
  if (${indices!.load('b')} != n) { continue; }
  ${lines(columns, (k) => `${guard(k)}{ ${added(k)} }`)}
}
${lines(columns, (k) => `${guard(k)}{ ${stored(k)} }`)}
`;
    },
  };
}
