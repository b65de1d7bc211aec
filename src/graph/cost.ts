// What things cost, by capabilities: every threshold of the compiler and of the kernels that it arranges, each with the
// measurement (or the estimate) that set it. Nothing here changes a result, only which of two ways is taken.
import type { Capabilities } from './capabilities.ts';

/** Threads in a workgroup of a map kernel. */
export const MAP_THREADS = 64;

/** Elements that a thread of a map kernel computes one after another. Where workgroups are expensive, 16 keep the cores busy: an estimate. */
export function elementsPerThread(size: number, { workgroups }: Capabilities): number {
  return workgroups === 'expensive' ? Math.min(32, Math.ceil(size / (MAP_THREADS * 16))) : 1;
}

/** Adds' worth of repeated work that costs less than a dispatch and the memory between: an estimate. */
export const RECOMPUTE_BUDGET = 2 ** 20;

/** For how many elements a scalar that is computed where it is read counts once: those of a thread, or of neighbouring lanes. An estimate. */
export const SCALAR_REUSE = 8;

/** Work per element, in adds, from which a value is never computed twice. */
export const EXPENSIVE = 8;

/** Prefetch: the largest variable that counts as a counter or a table, and the largest value prefetched for its cost, in elements. Estimates. */
export const PREFETCH = { leaf: 256, value: 4096 } as const;

/** A kernel of more threads fills a device: to share a dispatch would only make it wait for registers. An estimate. */
export const FULL_DEVICE_THREADS = 65536;

/**
 * Bytes up to which the results of a dispatch lie side by side in one buffer, so that later ones bind few. Larger ones have
 * pooled buffers, since Dawn orders dispatches by whole buffers.
 */
export const SIDE_BY_SIDE_BYTES = 2 ** 18;

/**
 * Kernels that share a dispatch. Compilers inline all of it, and their time grows faster than its text: on SwiftShader a weight
 * gradient among 16 took 1.4 times as long to compile as one among 8 (2.5 s and 1.8 s each, on a busy machine). For GPUs an estimate.
 */
export function dispatchKernels({ workgroups }: Capabilities): number {
  return workgroups === 'expensive' ? 12 : 16;
}

/**
 * Row kernels that follow each other in one dispatch. Where a dispatch costs little beside its threads, few: the operands of four
 * layers are bound by themselves within 12 storage buffers, so that all such dispatches of a deep network share a pipeline.
 */
export function rowKernels({ workgroups }: Capabilities): number {
  return workgroups === 'expensive' ? 4 : 8;
}

/** Places where the guard tests an assigned arena as its parts are computed. With more, the tests would be most of the text. An estimate. */
export const GUARD_HOSTS = 16;

/**
 * Multiply-adds and elements a lane may take for one row in a row kernel. A wider product is faster by tiles that several rows
 * share, a wider row by lanes that add it up together. Estimates.
 */
export const ROW = { multiplyAdds: 4096, narrow: 32, elements: { alone: 4096, shared: 256 } } as const;

/** Whether a row of `elements` elements fits row kernels with this many lanes a row. */
export function rowFits(elements: number, lanes: number): boolean {
  return elements <= (lanes === 1 ? ROW.elements.alone : ROW.elements.shared);
}

/** Whether a product with N columns over K fits row kernels with this many lanes a row: narrow on one side, and little work. */
export function rowProductFits(N: number, K: number, lanes: number): boolean {
  return Math.min(N, K) <= ROW.narrow && N * K <= ROW.multiplyAdds * lanes;
}

/**
 * Persistent kernels: no step beyond the work of 20,000 parameters at batch 64 with an optimizer's two moments comes near to being
 * worth one. An assigned element is computed, tested, stored and read again, which costs as much as `perAssigned` operations.
 */
export const PERSISTENT = { flops: 6 * 20_000 * 64 * 1.25, assigned: 3 * 20_000 * 1.25, perAssigned: 36 } as const;

/**
 * The work of a step up to which one workgroup is faster than dispatches. Lavapipe: measured (docs/performance.md); larger steps
 * would win a little too, but take long to compile. GPUs: an estimate, 3 dispatches of 3 us against some 256 threads.
 * SwiftShader's dispatches cost next to nothing beside what they do, and its barriers do not.
 */
export function persistentBound({ name, workgroups }: Capabilities): number {
  if (name.toLowerCase().includes('swiftshader')) return 0;
  return workgroups === 'expensive' ? 150_000 : 50_000;
}

/** Threads of a persistent kernel: as many as a processor computes at once, or as every GPU has. */
export function persistentThreads({ workgroups, maxComputeInvocationsPerWorkgroup }: Capabilities): number {
  return workgroups === 'expensive' ? 8 : Math.min(256, maxComputeInvocationsPerWorkgroup);
}
