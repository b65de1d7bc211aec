// Chains of kernel ops that compute one row after another from the row before (a network's narrow last layers, their loss, and
// the way back through them): a few lanes take a row through all of them in one dispatch.
import type { Capabilities, RowStage } from '../graph/op.ts';
import type { Fusion, Group } from './fuse.ts';
import { keyOf, resolve } from './keep.ts';
import { type Entry, type Kernel, suffixed } from './merge.ts';

/** Lanes that share a row: a CPU that pretends to be a GPU needs no barrier where one lane does it all. */
export function lanesOf(gpu: Capabilities): number {
  return gpu.software ? 1 : 16;
}

/** Threads in a workgroup, and whether they wait for each other. */
export function chainEntry(rows: number, gpu: Capabilities): Pick<Entry, 'size' | 'barriers'> & { threads: number } {
  const lanes = lanesOf(gpu);
  const size = gpu.software ? Math.min(64, Math.max(8, 2 ** Math.ceil(Math.log2(rows / 4)))) : 64;
  return { size, barriers: lanes > 1, threads: Math.ceil((rows * lanes) / size) * size };
}

/** Whether a group can go on where the groups of a chain end, row by row. */
export function follows(
  group: Group,
  chain: readonly Group[],
  fusion: Fusion,
  stages: ReadonlyMap<Group, RowStage>,
): boolean {
  const stage = stages.get(group);
  if (!stage || !chain.every((member) => stages.get(member)?.rows === stage.rows)) return false;
  const made = new Set(chain.flatMap((member) => fusion.productsOf(member)).map(keyOf));
  const { keeping } = fusion;
  const ofInputs = group.root!.inputs.flatMap((t, k) =>
    keeping.readsOfInput(t).map((read) => ({ ...read, identity: read.identity && stage.aligned.includes(k) })),
  );
  const ofChains = [...group.chains.values()].flat().flatMap((t) => keeping.reads(t));
  const within = [...ofInputs, ...ofChains].filter(({ tensor }) => made.has(keyOf(resolve(tensor))));
  return within.length > 0 && within.every(({ identity }) => identity);
}

/** The kernel of a chain from those of its groups, whose text has `fn row(r, lane)`. */
export function chainKernel(stages: readonly Omit<Kernel, 'workgroups'>[], rows: number, gpu: Capabilities): Kernel {
  const lanes = lanesOf(gpu);
  const { size, threads } = chainEntry(rows, gpu);
  const calls = stages.map((_, k) => `if (r < ${rows}u) { row_${k}(r, lane); }`);
  // Compilers do not know that it is 0: drivers that unroll every short loop take minutes over such a kernel.
  const code = `var<private> zero: u32;
${stages.map(({ code }, k) => suffixed(code, k)).join('\n')}
@compute @workgroup_size(${size})
fn main(@builtin(global_invocation_id) id: vec3u) {
  zero = id.y;
  let r = id.x / ${lanes}u;
  let lane = id.x % ${lanes}u;
  ${calls.join(lanes > 1 ? '\n  storageBarrier();\n  ' : '\n  ')}
}`;
  const label = stages.map((stage) => stage.label).join(' > ');
  return { label, code, workgroups: [threads / size, 1, 1], sized: true };
}
