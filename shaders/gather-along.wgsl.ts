// dx of a gather along the middle axis: dx[o, n, i] = Σ dy[o, k, i] over the k with index[o, k, i] = n. One lane owns an element and scans
// the indices of its line in order, so the sum has one order and needs no atomics. An index past the end adds to no element.
import type { KernelSpec } from '../src/graph/kernel.ts';
import { foldGroups } from './reduce.wgsl.ts';
import { wgsl } from './wgsl.ts';

export interface GatherAlongVariant {
  /** Lines, elements of x and of the indices in each, and the distance between those. */
  readonly O: number;
  readonly N: number;
  readonly K: number;
  readonly INNER: number;
}

const LANES = 64;

export function gatherAlongGradKernel({ O, N, K, INNER }: GatherAlongVariant): KernelSpec {
  const { grid, index } = foldGroups(Math.ceil((O * N * INNER) / LANES));
  return {
    workgroup: [LANES, 1, 1],
    grid,
    body: ({ inputs: [dy, indices], outputs: [dx] }) => wgsl`
const N = ${N}u;
const K = ${K}u;
const INNER = ${INNER}u;
let t = (${index}) * ${LANES}u + lane;
if (t >= ${O * N * INNER}u) { return; }
let n = (t / INNER) % N;
let base = (t / (INNER * N)) * (K * INNER) + t % INNER;
var total = 0.0;
for (var k = 0u; k < K; k++) {
  let at = base + k * INNER;
  if (${indices!.load('at')} == n) { total += ${dy!.load('at')}; }
}
${dx!.store('t', 'total')}
`,
  };
}
