// Render: the text of every dispatch, with its bindings and its grid.
import type { Shader, ShaderLoop } from '../../gpu/memory.ts';
import type { Capabilities } from '../../graph/capabilities.ts';
import { DeviceError } from '../../graph/errors.ts';
import { type OpaqueKernel, sharedBytesOf } from '../../graph/kernel.ts';
import { entryPoint, sideBySide, threadsOf } from '../frame.ts';
import { checkBindings } from '../memory-limits.ts';
import { Layout, Module } from '../module.ts';
import type { Contents, Dispatch, Kernel, Loop } from '../plan.ts';
import type { Looped } from './loop.ts';

/** A shader and its parts. */
export interface Rendered extends Shader {
  readonly contents: readonly Contents[];
  /** How many kernels share it. */
  readonly kernels: number;
}

/** @throws DeviceError if a dispatch exceeds the adapter's limits. */
export function render(
  { plan, place, owned }: Pick<Looped, 'plan' | 'place' | 'owned'>,
  gpu: Capabilities,
): ShaderLoop<Rendered> {
  const [{ lengths, plan: dispatches }] = plan as readonly [Loop];
  const shaders = (dispatches as readonly Dispatch[]).map((dispatch) => shaderOf(dispatch, { place, owned }, gpu));
  return { plan: shaders, ...(lengths && { lengths }) };
}

function shaderOf(
  { kernels }: Dispatch,
  { place, owned }: Pick<Looped, 'place' | 'owned'>,
  gpu: Capabilities,
): Rendered {
  for (const part of kernels) {
    const missing = part.requires.find((feature) => !gpu.features.has(feature));
    const fault =
      missing === undefined
        ? excessOfWorkgroup(part, gpu)
        : `it requires ${missing}, which ${gpu.name} does not have. Use another adapter.`;
    if (fault !== undefined) throw new DeviceError(`${part.name}: ${fault}`);
  }
  const kernel = sideBySide(kernels, gpu);
  const shader = kernel.opaque ? opaqueShader(kernel, kernel.opaque, place) : written(kernel, place, gpu);
  const excess = excessOf(shader, gpu);
  if (excess !== undefined) throw new DeviceError(`${kernel.name}: ${excess}`);
  checkBindings(kernel.name, shader.bindings, owned, gpu.maxStorageBufferBindingSize);
  return { ...shader, kernels: kernels.length };
}

function written(kernel: Kernel, place: Looped['place'], gpu: Capabilities): Omit<Rendered, 'kernels'> {
  const layout = new Layout(kernel, place, gpu.maxStorageBuffersPerShaderStage);
  const module = new Module(layout);
  const main = entryPoint(kernel, module);
  return {
    label: kernel.name,
    code: module.text(kernel.requires, main),
    entryPoint: 'main',
    constants: {},
    bindings: layout.bindings,
    workgroups: kernel.grid,
    contents: kernel.contents,
  };
}

/** The op's module unchanged: inputs, then outputs. */
function opaqueShader(
  { name, reads, writes, grid, contents }: Kernel,
  { module, entryPoint = 'main', constants = {} }: OpaqueKernel,
  place: Looped['place'],
): Omit<Rendered, 'kernels'> {
  const bindings = [
    ...reads.map(({ value }) => ({ ...place(value), access: 'read' as const })),
    ...writes.map(({ value }) => ({ ...place(value), access: 'write' as const })),
  ];
  return { label: name, code: module, entryPoint, constants, bindings, workgroups: grid, contents };
}

/** Which limit a kernel's workgroups exceed, as a sentence. */
function excessOfWorkgroup({ workgroup, shared }: Kernel, gpu: Capabilities): string | undefined {
  const threads = threadsOf(workgroup);
  if (threads > gpu.maxComputeInvocationsPerWorkgroup)
    return `its workgroups have ${threads} threads, but this adapter allows ${gpu.maxComputeInvocationsPerWorkgroup}. Use smaller ones.`;
  const bytes = shared.reduce((sum, array) => sum + sharedBytesOf(array), 0);
  if (bytes > gpu.sharedBytes)
    return `it needs ${bytes} bytes of workgroup memory, but this adapter allows ${gpu.sharedBytes}. Use smaller arrays.`;
  return undefined;
}

/** Which limits a dispatch exceeds, as sentences. */
function excessOf({ bindings, workgroups }: Omit<Rendered, 'kernels'>, gpu: Capabilities): string | undefined {
  const buffers = gpu.maxStorageBuffersPerShaderStage;
  if (bindings.length > buffers)
    return `it needs ${bindings.length} storage buffers, but this adapter allows ${buffers} per kernel. Try fuse: false.`;
  const most = Math.max(...workgroups);
  if (most > gpu.maxComputeWorkgroupsPerDimension)
    return `it needs ${most} workgroups along an axis, but this adapter allows ${gpu.maxComputeWorkgroupsPerDimension}. Use a smaller batch.`;
  return undefined;
}
