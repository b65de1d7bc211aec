// What a kernel and the compiler may ask about an adapter.
import type { Work } from './tuning.ts';

/** A WebGPU feature that a kernel may require, such as `shader-f16` or `subgroups`. */
export type Feature = string;

export interface Capabilities {
  /** What the adapter calls itself, for tables of what is fast where. */
  readonly name: string;
  /** A processor plays the GPU. For reports only: kernels and passes ask what follows. */
  readonly software: boolean;
  /** What a barrier costs; `none`: kernels without any are requested (a persistent kernel has no place for them). */
  readonly barriers: 'cheap' | 'expensive' | 'none';
  /** What starting a workgroup costs beside what its threads do. */
  readonly workgroups: 'cheap' | 'expensive';
  /** Lanes that share a row in a row kernel. */
  readonly lanes: number;
  /** Bytes of workgroup memory. */
  readonly sharedBytes: number;
  readonly features: ReadonlySet<Feature>;
  readonly maxStorageBuffersPerShaderStage: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxComputeInvocationsPerWorkgroup: number;
  readonly maxComputeWorkgroupsPerDimension: number;
  /**
   * What a tuner found to be the fastest way of doing this work, where one was asked and did. The op that asks knows what it
   * means, and validates it before use.
   * @internal
   */
  readonly tuned?: (work: Work) => unknown;
}

/** The costs of an adapter that a processor plays: barriers suspend threads, and workgroups are scheduled one by one. */
const SOFTWARE = { barriers: 'expensive', workgroups: 'expensive', lanes: 1 } as const;

const HARDWARE = { barriers: 'cheap', workgroups: 'cheap', lanes: 16 } as const;

/** What things cost on an adapter, by what it is. */
export function costsOf(software: boolean): Pick<Capabilities, 'software' | 'barriers' | 'workgroups' | 'lanes'> {
  return { software, ...(software ? SOFTWARE : HARDWARE) };
}
