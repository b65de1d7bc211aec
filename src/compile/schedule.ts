// From a recipe to the dispatches of one step: simplified, prepared, fused, its memory planned, lowered to WGSL.
import { DeviceError } from '../graph/errors.ts';
import type { Recipe } from '../graph/executor.ts';
import type { Capabilities, KernelPlan } from '../graph/op.ts';
import { simplifyRecipe } from '../graph/simplify.ts';
import type { Node, Tensor, Variable } from '../graph/tensor.ts';
import { commitsOf, componentsOf, packed } from './commit.ts';
import { Fusion, type Group } from './fuse.ts';
import { keyOf, resolve } from './keep.ts';
import { type Dispatch, type LowerContext, lowerCheck, lowerCommit, lowerGroup, planKernel } from './lower.ts';
import { type MemoryPlan, type Place, planMemory } from './memory.ts';
import { prepare } from './prepare.ts';

/** The dispatches of one step, in order, and where everything lies. */
export interface Schedule {
  readonly outputs: readonly (readonly [string, Tensor])[];
  readonly plan: MemoryPlan;
  readonly dispatches: readonly Dispatch[];
}

/** What a schedule is made for. */
export interface Target {
  readonly gpu: Capabilities;
  /** False computes every op in a dispatch of its own. */
  readonly fuse: boolean;
  /** Where a leaf lies. */
  leaf(node: Node): Place;
  /** Where a variable lies. */
  placeOf(variable: Variable): Place;
}

/** @throws DeviceError where a kernel needs more storage buffers than the adapter has, however it is cut. */
export function schedule(given: Recipe, to: Target): Schedule {
  const { gpu, leaf, placeOf } = to;
  const recipe = prepare(simplifyRecipe(given), (a, b) => placeOf(a).memory === placeOf(b).memory);
  const named = Object.entries(recipe.outputs ?? {});
  const commits = commitsOf(recipe, gpu.maxStorageBuffersPerShaderStage);
  const checked = recipe.guard ? [recipe.guard.step, ...recipe.guard.checked] : [];
  const outputs = named.map(([, t]) => t);
  const fusion = new Fusion([...outputs, ...checked.filter((t) => resolve(t).node.op)], commits, {
    buffers: gpu.maxStorageBuffersPerShaderStage,
    fuse: to.fuse,
  });
  const kernels = new Map<Group, KernelPlan>();
  for (const group of fusion.groups) if (group.root) kernels.set(group, planKernel(group, fusion, gpu));
  const commitReads = [...commits.map((c) => c.tensor), ...checked].flatMap((t) =>
    fusion.keeping.readsOfInput(t).map((read) => read.tensor),
  );
  const scratch = new Map(
    [...kernels].map(([group, plan]) => [group, (plan.scratch ?? []).map((s) => ({ name: s.name, words: s.size }))]),
  );
  const plan = planMemory(fusion, { leaf, outputs, commitReads, scratch });
  const wanted = new Set(
    [...outputs, ...commitReads, ...fusion.groups.flatMap((g) => fusion.needs(g))].map((t) => keyOf(resolve(t))),
  );
  addParts(fusion, wanted);
  const context: LowerContext = { fusion, plan, gpu, kernels, wanted };
  const texts = fusion.groups.flatMap((group) => lowerGroup(group, context));
  const status = recipe.guard && placeOf(recipe.guard.status);
  if (recipe.guard) {
    const values = [...recipe.guard.checked, ...commits.filter((c) => c.guarded).map((c) => c.tensor)];
    const { step } = recipe.guard;
    const parts = packed(
      values.filter((t) => t.dtype === 'f32').map((t) => [t]),
      gpu,
      (t) => [...readKeys(fusion, t), ...readKeys(fusion, step)],
    );
    for (const part of parts) texts.push(lowerCheck(part, step, status!, context));
  }
  const parts = packed(componentsOf(commits), gpu, (c) => [...readKeys(fusion, c.tensor), keyOf(c.variable)]);
  for (const part of parts) texts.push(lowerCommit(part, (c) => placeOf(c.variable), status, context));
  for (const dispatch of texts) checkLimits(dispatch, gpu);
  return { outputs: named, plan, dispatches: texts };
}

function checkLimits({ label, bindings, workgroups }: Dispatch, gpu: Capabilities): void {
  const buffers = gpu.maxStorageBuffersPerShaderStage;
  if (bindings.length > buffers) {
    throw new DeviceError(
      `${label}: it needs ${bindings.length} storage buffers, this adapter has ${buffers} a kernel. Try fuse: false.`,
    );
  }
  const most = Math.max(...workgroups);
  if (most > gpu.maxComputeWorkgroupsPerDimension) {
    throw new DeviceError(
      `${label}: it needs ${most} workgroups along an axis, this adapter has ${gpu.maxComputeWorkgroupsPerDimension}. Use a smaller batch.`,
    );
  }
  const big = bindings.find(({ words }) => words * 4 > gpu.maxStorageBufferBindingSize);
  if (big) {
    throw new DeviceError(
      `${label}: it binds ${big.words * 4} bytes of ${big.memory.label}, this adapter binds ${gpu.maxStorageBufferBindingSize} at most. Use a smaller batch or model.`,
    );
  }
}

/** The keys of what computing `t` reads from memory. */
function readKeys(fusion: Fusion, t: Tensor): string[] {
  return fusion.keeping.readsOfInput(t).map((read) => keyOf(read.tensor));
}

/** Parts of wanted arenas are wanted. */
function addParts(fusion: Fusion, wanted: Set<string>): void {
  for (const part of fusion.parts(wanted)) wanted.add(keyOf(resolve(part)));
}
