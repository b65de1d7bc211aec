// What kernels and the compiler may know about an adapter.
import type { Work } from './tuning.ts';

/** A WebGPU feature that a kernel may require, such as `shader-f16` or `subgroups`. */
export type Feature = string;

/** What kernels and the compiler know of an adapter: its costs, features and limits. */
export interface Capabilities {
  /** The adapter's own name, for tables of measured choices. */
  readonly name: string;
  /** Whether the adapter computes on the CPU. For reports only: kernels and passes use the costs below. */
  readonly software: boolean;
  /** The cost of a barrier; `none`: kernels must not have any, as in a persistent kernel. */
  readonly barriers: 'cheap' | 'expensive' | 'none';
  /** The cost of starting a workgroup, besides its threads' work. */
  readonly workgroups: 'cheap' | 'expensive';
  /** Lanes that share a row in a row kernel. */
  readonly lanes: number;
  /** Bytes of workgroup memory. */
  readonly sharedBytes: number;
  /** The features the device was opened with. */
  readonly features: ReadonlySet<Feature>;
  /** Lanes of a subgroup, if the device has subgroups, all of this size. */
  readonly subgroupLanes?: number | undefined;
  /** Storage buffers that a dispatch may bind. */
  readonly maxStorageBuffersPerShaderStage: number;
  /** Bytes that one storage binding may span. */
  readonly maxStorageBufferBindingSize: number;
  /** Threads in a workgroup. */
  readonly maxComputeInvocationsPerWorkgroup: number;
  /** Workgroups along each dimension of a dispatch. */
  readonly maxComputeWorkgroupsPerDimension: number;
  /**
   * The tuner's fastest configuration for a work, if there is a tuning with an entry for it. The op that asks knows its meaning and
   * validates it before use.
   * @internal
   */
  readonly tuned?: (work: Work) => unknown;
}

/** The costs of a software adapter: barriers suspend threads, and workgroups are scheduled one by one. */
const SOFTWARE = { barriers: 'expensive', workgroups: 'expensive', lanes: 1 } as const;

const HARDWARE = { barriers: 'cheap', workgroups: 'cheap', lanes: 16 } as const;

/** The costs on a hardware or a software adapter. */
export function costsOf(software: boolean): Pick<Capabilities, 'software' | 'barriers' | 'workgroups' | 'lanes'> {
  return { software, ...(software ? SOFTWARE : HARDWARE) };
}
