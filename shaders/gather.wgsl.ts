// dx of a row gather: dx[n, r] = Σ dy[b, r] over the b with index[b] = n. Each lane owns COLUMNS columns of one row and scans
// all indices in order, so the sum has one order and needs no atomics. Columns of neighbouring lanes are neighbours.
import type { KernelPlan } from '../src/graph/op.ts';
import { wgsl } from './wgsl.ts';

export interface GatherGradVariant {
  /** Rows of the source, elements in a row, indices. */
  readonly N: number;
  readonly R: number;
  readonly B: number;
}

const LANES = 64;

export function gatherRowsGradKernel({ N, R, B }: GatherGradVariant): KernelPlan {
  const columns = Math.min(R, 4);
  const lanesPerRow = Math.ceil(R / columns);
  const groups = Math.ceil((N * lanesPerRow) / LANES);
  const x = Math.min(groups, 65535);
  const each = (line: (k: number) => string) => Array.from({ length: columns }, (_, k) => line(k)).join('\n');
  const guard = (k: number) => ((k + 1) * lanesPerRow > R ? `if (r + ${k}u * LANES_PER_ROW < R) ` : '');
  const code = wgsl`
const N = ${N}u;
const R = ${R}u;
const B = ${B}u;
const LANES_PER_ROW = ${lanesPerRow}u;

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let t = (group.x + group.y * ${x}u) * ${LANES}u + lane;
  let n = t / LANES_PER_ROW;
  let r = t % LANES_PER_ROW;
  if (n >= N) { return; }
${each((k) => `  var total${k} = 0.0;`)}
  for (var b = 0u; b < B; b++) {
    if (min(load1(b), N - 1u) != n) { continue; }
${each((k) => `    ${guard(k)}{ total${k} += load0(b * R + r + ${k}u * LANES_PER_ROW); }`)}
  }
${each((k) => `  ${guard(k)}{ store0(n * R + r + ${k}u * LANES_PER_ROW, total${k}); }`)}
}
`;
  return { passes: [{ code, workgroups: [x, Math.ceil(groups / x), 1], inputs: [0, 1], outs: [0] }] };
}
