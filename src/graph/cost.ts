// Costs, by capabilities: every threshold of the compiler and of the kernels that it arranges, each with the measurement (or the
// estimate) that set it. Nothing here changes a result, only the way it is computed.
import type { Capabilities } from './capabilities.ts';

/** Threads in a workgroup of a map kernel. */
export const MAP_THREADS = 64;

/** Elements per thread of a map kernel. If workgroups are expensive, 16 workgroups keep the cores busy: an estimate. */
export function elementsPerThread(size: number, { workgroups }: Capabilities): number {
  return workgroups === 'expensive' ? Math.min(32, Math.ceil(size / (MAP_THREADS * 16))) : 1;
}

/** Repeated work, in adds, that costs less than a dispatch and the memory in between: an estimate. */
export const RECOMPUTE_BUDGET = 2 ** 20;

/** The number of elements for which a scalar computed where it is read counts once: those of a thread or of neighbouring lanes. An estimate. */
export const SCALAR_REUSE = 8;

/** Work per element, in adds, above which a value is never computed twice. */
export const EXPENSIVE = 8;

/** Prefetch: the largest variable that counts as a counter or a table, and the largest value prefetched for its cost, in elements. Estimates. */
export const PREFETCH = { leaf: 256, value: 4096 } as const;

/** A kernel with more threads fills a device: sharing a dispatch would only add register pressure. An estimate. */
export const FULL_DEVICE_THREADS = 65536;

/**
 * Results of a dispatch up to this many bytes share a buffer, so that later dispatches bind few. Larger ones have pooled buffers, since
 * Dawn orders dispatches by whole buffers.
 */
export const SIDE_BY_SIDE_BYTES = 2 ** 18;

/**
 * The maximum number of kernels in a dispatch. Compilers inline everything, and their time grows faster than the text: on SwiftShader a
 * weight gradient among 16 took 1.4 times as long to compile as one among 8 (2.5 s and 1.8 s each, on a busy machine). For GPUs an estimate.
 */
export function dispatchKernels({ workgroups }: Capabilities): number {
  return workgroups === 'expensive' ? 12 : 16;
}

/**
 * The maximum number of consecutive row kernels in a dispatch. Few, if a dispatch costs little compared with its threads: the operands of
 * four layers are bound separately within 12 storage buffers, so that all such dispatches of a deep network share a pipeline.
 */
export function rowKernels({ workgroups }: Capabilities): number {
  return workgroups === 'expensive' ? 4 : 8;
}

/** The maximum number of places where the guard tests an assigned arena as its parts are computed. With more, most of the text would be tests. An estimate. */
export const GUARD_HOSTS = 16;

/**
 * The maximum multiply-adds and elements per lane and row of a row kernel. A wider product is faster with tiles shared by several rows,
 * a wider row with lanes that sum it together. Estimates.
 */
export const ROW = { multiplyAdds: 4096, narrow: 32, elements: { alone: 4096, shared: 256 } } as const;

/** Whether a row of `elements` elements fits row kernels with this many lanes per row. */
export function rowFits(elements: number, lanes: number): boolean {
  return elements <= (lanes === 1 ? ROW.elements.alone : ROW.elements.shared);
}

/** Whether a product with N columns over K fits row kernels with this many lanes per row: narrow on one side, and little work. */
export function rowProductFits(N: number, K: number, lanes: number): boolean {
  return Math.min(N, K) <= ROW.narrow && N * K <= ROW.multiplyAdds * lanes;
}

/**
 * Persistent kernels never pay for steps with more work than 20,000 parameters at batch 64 with an optimizer's two moments. An assigned
 * element is computed, tested, stored and read again, which costs as much as `perAssigned` operations.
 */
export const PERSISTENT = { flops: 6 * 20_000 * 64 * 1.25, assigned: 3 * 20_000 * 1.25, perAssigned: 36 } as const;

/**
 * The work of a step up to which one workgroup is faster than dispatches. Lavapipe: measured (docs/performance.md); larger steps would
 * gain a little too, but take long to compile. GPUs: an estimate, 3 dispatches of 3 us against some 256 threads. SwiftShader: 0, since
 * its dispatches cost almost nothing and its barriers are expensive.
 */
export function persistentBound({ name, workgroups }: Capabilities): number {
  if (name.toLowerCase().includes('swiftshader')) return 0;
  return workgroups === 'expensive' ? 150_000 : 50_000;
}

/** Threads of a persistent kernel: as many as a CPU computes at once, or as every GPU has. */
export function persistentThreads({ workgroups, maxComputeInvocationsPerWorkgroup }: Capabilities): number {
  return workgroups === 'expensive' ? 8 : Math.min(256, maxComputeInvocationsPerWorkgroup);
}
