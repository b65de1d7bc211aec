// Many steps in one dispatch: a single workgroup runs the kernels of a step one after another, waits for its own threads after
// each, and begins again. Where a step is so small that dispatches cost more than what they do, this is faster.
import type { Capabilities, Spec } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import type { Commit } from './commit.ts';
import { ModuleText } from './emit.ts';
import type { Fusion } from './fuse.ts';
import type { Dispatch, Stage } from './lower.ts';
import { type Memory, newMemory } from './memory.ts';
import { entryOf, part } from './merge.ts';

/** What one step does. */
export interface StepWork {
  /** Arithmetic operations; a multiply-add counts as two. */
  readonly flops: number;
  /** Elements assigned. */
  readonly assigned: number;
}

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

/** What a tuner calls the steps of this work; its entry says whether one workgroup is faster. */
export function stepsName({ flops, assigned }: StepWork): string {
  return `steps of ${flops} operations, ${assigned} assigned`;
}

/** Whether steps run in one workgroup: with `wanted` wherever they can, without never, and unless said where that is faster. */
export function suitsOneWorkgroup(work: StepWork, gpu: Capabilities, wanted: boolean | undefined): boolean {
  if (wanted === false || work.flops > MOST.flops || work.assigned > MOST.assigned) return false;
  const tuned = gpu.tuned?.(stepsName(work));
  return wanted ?? (typeof tuned === 'boolean' ? tuned : work.flops + PER_ASSIGNED * work.assigned <= bound(gpu));
}

export function workOf(fusion: Fusion, commits: readonly Commit[]): StepWork {
  const elements = (specs: readonly Spec[]) => specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const flops = fusion.groups.map(({ root, chains }) => {
    const own = root ? (root.op!.flops?.(root.inputs, root.params) ?? elements(root.inputs)) : 0;
    return own + elements([...chains.values()].flat());
  });
  return { flops: flops.reduce((a, b) => a + b, 0), assigned: elements(commits.map(({ tensor }) => tensor)) };
}

/** A dispatch makes 1, 2, 4, … or 2 ** (LENGTHS - 1) steps. */
const LENGTHS = 11;

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

/** Milliseconds that a dispatch should take; what else the device has to show waits for it, 50 at most. */
const TARGET_MS = 25;

/** How much longer dispatches may become by what one submit taught. */
const GROWTH = 4;

/** Submits under way that are kept in mind. */
const REMEMBERED = 64;

/** Milliseconds that are told apart from nothing: browsers' clocks are coarse. */
const LEAST_MS = 1;

interface Submit {
  readonly steps: number;
  readonly at: number;
}

/** How many steps go into a dispatch, learnt from how long steps took. */
export class DispatchLength {
  #msPerStep: number | undefined;
  /** The longest dispatch so far was 2 ** this. */
  #longest = 0;
  /** Steps under way, and since when the device has worked on the oldest of them, as far as is known. */
  #submits: Submit[] = [];
  #landed = 0;

  /** Steps are handed to the device at `now`, in milliseconds; the result is for {@link land}. */
  submit(steps: number, now: number): Submit {
    const submit = { steps, at: now };
    this.#submits.push(submit);
    // Whoever never waits for a submit never lands it.
    if (this.#submits.length > REMEMBERED) this.#submits.shift();
    return submit;
  }

  /** A submit is done at `now`, and with it all that came before it. */
  land(submit: Submit, now: number): void {
    const place = this.#submits.indexOf(submit);
    if (place < 0) return;
    const done = this.#submits.splice(0, place + 1);
    const ms = Math.max(LEAST_MS, now - Math.max(this.#landed, done[0]!.at));
    this.#msPerStep = ms / done.reduce((sum, { steps }) => sum + steps, 0);
    this.#landed = now;
  }

  /** Indices into the lengths that together make `steps` steps, longest first. */
  split(steps: number): number[] {
    // Before anything is known, each step is a dispatch of its own.
    const most = this.#msPerStep === undefined ? 1 : Math.max(1, TARGET_MS / this.#msPerStep);
    const longest = Math.min(LENGTHS - 1, Math.floor(Math.log2(most)), this.#longest + Math.log2(GROWTH));
    const indices: number[] = [];
    for (let left = steps; left > 0; left -= 2 ** indices.at(-1)!) {
      indices.push(Math.min(longest, 31 - Math.clz32(left)));
    }
    this.#longest = Math.max(this.#longest, indices[0]!);
    return indices;
  }
}
