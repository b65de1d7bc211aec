// Loop: a submit runs many steps. They are a loop over the dispatches of one step or, if a step is so small that dispatches cost more
// than their work, one dispatch that loops by itself: a persistent kernel.
import { LENGTHS } from '../../gpu/dispatch-length.ts';
import { newMemory } from '../../gpu/memory.ts';
import type { Capabilities } from '../../graph/capabilities.ts';
import { PERSISTENT, persistentBound, persistentThreads } from '../../graph/cost.ts';
import type { Recipe } from '../../graph/executor.ts';
import { input, type Tensor } from '../../graph/tensor.ts';
import { inStep, looped, sideBySide } from '../frame.ts';
import { accessOf } from '../kernels.ts';
import type { Dispatch, Loop, Plan } from '../plan.ts';
import { type StepWork, workOf } from '../work.ts';
import type { Placed } from './place.ts';

/** The plan of a program over placed values. */
export interface Looped extends Omit<Placed, 'dispatches' | 'commits'> {
  readonly plan: Plan;
}

/** The steps of a submit as a loop over the dispatches of one. */
export function loop({ dispatches, commits, ...placed }: Placed): Looped {
  return { ...placed, plan: [{ count: 'steps', plan: [...dispatches, ...commits] }] };
}

/** Whether the steps of a recipe can follow each other without a break: a step with outputs is read after each. */
function repeats({ guard, outputs = {}, split }: Recipe): boolean {
  return guard !== undefined && Object.keys(outputs).length === 0 && split === undefined;
}

/**
 * Whether steps run in a persistent kernel: never if `wanted` is false or the work is too large, whenever possible if it is true, else if
 * that is faster.
 */
export function suitsPersistent(recipe: Recipe, gpu: Capabilities, wanted: boolean | undefined): boolean {
  return repeats(recipe) && isWorthwhile(workOf(recipe), gpu, wanted);
}

export function isWorthwhile(work: StepWork, gpu: Capabilities, wanted: boolean | undefined): boolean {
  if (wanted === false || work.flops > PERSISTENT.flops || work.assigned > PERSISTENT.assigned) return false;
  const tuned = gpu.tuned?.({ kind: 'steps', flops: work.flops, assigned: work.assigned });
  if (wanted ?? typeof tuned === 'boolean') return wanted ?? (tuned as boolean);
  return work.flops + PERSISTENT.perAssigned * work.assigned <= persistentBound(gpu);
}

/** The adapter as seen by the parts of a persistent kernel, whose threads do not wait for each other. */
export function withoutBarriers(gpu: Capabilities): Capabilities {
  return {
    ...gpu,
    barriers: 'none',
    workgroups: 'expensive',
    lanes: 1,
    subgroupLanes: undefined,
    tuned: () => undefined,
  };
}

/** The loop as one dispatch; undefined if a kernel cannot be part of it, or if it would exceed the binding limit. */
export function persist(step: Looped, gpu: Capabilities): Looped | undefined {
  const [steps] = step.plan as [Loop];
  const lengths = newMemory('lengths', LENGTHS.bytes);
  const word: Tensor = input('lengths', { shape: [1], dtype: 'u32' });
  const kernels = (steps.plan as readonly Dispatch[]).map((dispatch) => sideBySide(dispatch.kernels, gpu));
  if (kernels.some((kernel) => kernel.opaque || inStep(kernel))) return undefined;
  const kernel = looped(kernels, accessOf(word), persistentThreads(gpu));
  const place: Looped['place'] = (value) =>
    value === word ? { memory: lengths, offset: 0, words: 1 } : step.place(value);
  const memories = new Set([...kernel.reads, ...kernel.writes].map(({ value }) => place(value).memory));
  if (memories.size > gpu.maxStorageBuffersPerShaderStage) return undefined;
  return { ...step, place, plan: [{ ...steps, plan: [{ kernels: [kernel] }], lengths }] };
}
