// Many steps in one dispatch: a single workgroup runs the kernels of a step one after another, waits for its own threads after
// each, and begins again. Where a step is so small that dispatches cost more than what they do, this is faster.
import type { Capabilities } from '../graph/op.ts';
import { LENGTHS } from './dispatch-length.ts';
import { ModuleText } from './emit.ts';
import type { Dispatch, Stage } from './lower.ts';
import { type Memory, newMemory } from './memory.ts';
import { entryOf, part } from './merge.ts';
import type { StepWork } from './work.ts';

/** A network of 20,000 parameters at batch 64 with an optimizer's two moments: no step beyond it comes near to being worth it. */
const MOST: StepWork = { flops: 6 * 20_000 * 64 * 1.25, assigned: 3 * 20_000 * 1.25 };

/** What an assigned element costs beside an operation: it is computed, checked, stored and read again. */
const PER_ASSIGNED = 36;

/**
 * The work of a step up to which one workgroup is faster than dispatches. Lavapipe: measured (docs/performance.md); larger steps
 * would win a little too, but take long to compile. GPUs: an estimate, 3 dispatches of 3 us against some 256 threads.
 * SwiftShader's dispatches cost next to nothing beside what they do, and its barriers do not.
 */
function bound({ name, software }: Capabilities): number {
  if (/swiftshader/i.test(name)) return 0;
  return software ? 150_000 : 50_000;
}

/** Whether steps run in one workgroup: with `wanted` wherever they can, without never, and unless said where that is faster. */
export function suitsOneWorkgroup(work: StepWork, gpu: Capabilities, wanted: boolean | undefined): boolean {
  if (wanted === false || work.flops > MOST.flops || work.assigned > MOST.assigned) return false;
  const tuned = gpu.tuned?.({ kind: 'steps', flops: work.flops, assigned: work.assigned });
  return wanted ?? (typeof tuned === 'boolean' ? tuned : work.flops + PER_ASSIGNED * work.assigned <= bound(gpu));
}

/** Words between two of the lengths in memory: WebGPU's largest `minStorageBufferOffsetAlignment`, 256 bytes. */
const STRIDE = 64;

/** The memory of the lengths, and its words. A dispatch makes as many steps as the word where its binding begins. */
export function lengthsMemory(): Memory {
  return newMemory('lengths', LENGTHS * STRIDE * 4);
}

export function lengthsWords(): Uint32Array {
  return Uint32Array.from({ length: LENGTHS * STRIDE }, (_, i) => (i % STRIDE === 0 ? 2 ** (i / STRIDE) : 0));
}

/** Where each length lies, in words. */
export const LENGTH_OFFSETS: readonly number[] = Array.from({ length: LENGTHS }, (_, k) => k * STRIDE);

/** The dispatch that runs `stages` in order, again and again; undefined where the threads of one of them wait for each other. */
export function inOneWorkgroup(stages: readonly Stage[], lengths: Memory, gpu: Capabilities): Dispatch | undefined {
  const module = new ModuleText();
  const kernels = stages.map((stage) => stage.write(module));
  const entries = kernels.map(({ code }) => entryOf(code));
  if (entries.some(({ barriers }) => barriers)) return undefined;
  // As many threads as a CPU computes at once, or as every GPU has.
  const threads = gpu.software ? 8 : Math.min(256, gpu.maxComputeInvocationsPerWorkgroup);
  const runs = kernels.map(({ workgroups: [x, y, z] }, k) => {
    const { size } = entries[k]!;
    return `for (var t = lane; t < ${x * y * z * size}u; t += ${threads}u) { part${k}(t / ${size}u, t % ${size}u); }
    storageBarrier();`;
  });
  const code = `${kernels.map((kernel, k) => part(kernel, entries[k]!, k, entries[k]!.size)).join('\n')}
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) lane: u32) {
  let steps = ${module.read({ memory: lengths, offset: 0, words: 1 }, '0u', 'u32')};
  for (var step = 0u; step < steps; step++) {
    ${runs.join('\n    ')}
  }
}`;
  const contents = {
    context: stages[0]!.contents.context,
    groups: [...new Set(stages.flatMap((stage) => stage.contents.groups ?? []))],
    checked: stages.flatMap((stage) => stage.contents.checked ?? []),
    commits: stages.flatMap((stage) => stage.contents.commits ?? []),
  };
  const label = `steps: ${kernels.map((kernel) => kernel.label).join('; ')}`;
  return { label, ...module.finish(code, gpu.maxStorageBuffersPerShaderStage), workgroups: [1, 1, 1], contents };
}
