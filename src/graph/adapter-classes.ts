// Classes of adapters to compile for without a device: data that no page needs.
import { type Capabilities, costsOf } from './capabilities.ts';

/** WebGPU's default limits, which every adapter has. */
const DEFAULT_LIMITS = {
  sharedBytes: 16384,
  maxStorageBuffersPerShaderStage: 8,
  maxStorageBufferBindingSize: 2 ** 27,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupsPerDimension: 65535,
};

/** Adapters to compile for without a device. */
export const ADAPTER_CLASSES = {
  /** WebGPU's guaranteed limits. */
  'webgpu-default': { name: 'WebGPU default limits', ...costsOf(false), features: new Set(), ...DEFAULT_LIMITS },
  /** SwiftShader's limits. */
  software: {
    name: 'SwiftShader',
    ...costsOf(true),
    features: new Set(),
    ...DEFAULT_LIMITS,
    maxStorageBuffersPerShaderStage: 12,
  },
  /** A desktop GPU. */
  gpu: {
    name: 'GPU',
    ...costsOf(false),
    features: new Set(['shader-f16', 'subgroups', 'timestamp-query']),
    ...DEFAULT_LIMITS,
    sharedBytes: 32768,
    maxStorageBuffersPerShaderStage: 16,
    maxStorageBufferBindingSize: 2 ** 31,
    maxComputeInvocationsPerWorkgroup: 1024,
  },
} as const satisfies Record<string, Capabilities>;

/** A class of adapters to compile for without a device: `webgpu-default` (the limits of every adapter), `software` or `gpu`. */
export type AdapterClass = keyof typeof ADAPTER_CLASSES;
