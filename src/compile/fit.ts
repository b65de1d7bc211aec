// The dispatches of a recipe, as few as fit the adapter: fused, its memory planned, lowered to WGSL, and with less put into a
// dispatch where one of them turns out to bind too many buffers.
import { DeviceError } from '../graph/errors.ts';
import type { Recipe } from '../graph/executor.ts';
import type { Capabilities, KernelPlan, RowStage } from '../graph/op.ts';
import { simplifyRecipe } from '../graph/simplify.ts';
import type { Node, Tensor, Variable } from '../graph/tensor.ts';
import { type Commit, commitsOf, componentsOf, packed } from './commit.ts';
import { Fusion, type Group } from './fuse.ts';
import { keyOf, resolve } from './keep.ts';
import { launchesOf } from './launch.ts';
import {
  type Dispatch,
  dispatchOf,
  type LowerContext,
  lowerCheck,
  lowerCommit,
  lowerLaunch,
  planKernel,
  planStage,
} from './lower.ts';
import { type Memory, type MemoryPlan, overlap, type Place, planMemory } from './memory.ts';
import { inOneWorkgroup, lengthsMemory, suitsOneWorkgroup } from './persistent.ts';
import { type Prepared, prepare } from './prepare.ts';
import { placeWatches, watched } from './watch.ts';
import { workOf } from './work.ts';

/** What a schedule is made for. */
export interface Target {
  readonly gpu: Capabilities;
  /** False computes every op in a dispatch of its own. */
  readonly fuse: boolean;
  /** Whether many steps are one dispatch where they can be; where that is faster unless said. */
  readonly persistent?: boolean | undefined;
  /** Where a leaf lies. */
  leaf(node: Node): Place;
  /** Where a variable lies. */
  placeOf(variable: Variable): Place;
  /** The counters that the program's steps hand on, and the bytes of their buffer. */
  readonly counters?: { readonly memory: Memory; readonly bytes: number } | undefined;
}

/** The dispatches of one step, in order, and where everything lies. */
export interface Fitted {
  readonly outputs: readonly (readonly [string, Tensor])[];
  readonly plan: MemoryPlan;
  readonly dispatches: readonly Dispatch[];
  /** With it, the one dispatch makes as many steps as this memory says where it is bound. */
  readonly lengths?: Memory;
}

/** `guards` says which assignments the guard looks at. */
export function fitted(given: Recipe, to: Target, guards: (commit: Commit) => boolean = () => true): Fitted {
  const { gpu, placeOf } = to;
  const recipe = prepare(simplifyRecipe(given), (a, b) => overlap(placeOf(a), placeOf(b)));
  // What a dispatch binds is known once it is written: where that is too much, less is put into it.
  const most = gpu.maxStorageBuffersPerShaderStage;
  const cuts: Cut[] = to.fuse ? [true, false].flatMap((fold) => [{ fold, buffers: most }]) : [];
  for (let buffers = most - 1; to.fuse && buffers > 0; buffers--) cuts.push({ fold: false, buffers });
  const whole = to.fuse && repeats(recipe) && suitsOneWorkgroup(workOf(recipe), gpu, to.persistent);
  if (whole) cuts.unshift({ fold: true, buffers: most, whole });
  for (const cut of cuts) {
    const made = attempt(recipe, to, cut, guards);
    if (!made?.dispatches.every(({ bindings }) => bindings.length <= most)) continue;
    if (!cut.whole || excessOf(made.dispatches[0]!, gpu) === undefined) return checked(made, gpu);
  }
  return checked(attempt(recipe, to, { fold: false, buffers: 0 }, guards)!, gpu);
}

/** How much is put into a dispatch. */
interface Cut {
  /** Whether the guard looks at values within the dispatches that make them. */
  readonly fold: boolean;
  /** About how many buffers a dispatch of several groups may bind. */
  readonly buffers: number;
  /** All in one workgroup, which makes many steps in a dispatch. */
  readonly whole?: boolean;
}

/** Whether steps of a recipe can follow each other with nothing in between: those with outputs are read after each. */
function repeats({ guard, outputs = {} }: Recipe): boolean {
  return guard !== undefined && Object.keys(outputs).length === 0;
}

function attempt(
  recipe: Prepared,
  to: Target,
  { fold, buffers, whole = false }: Cut,
  guards: (commit: Commit) => boolean,
): Fitted | undefined {
  const { fuse, leaf, placeOf, counters } = to;
  // Threads of a kernel for a CPU that pretends to be a GPU do not wait for each other.
  const gpu = whole ? { ...to.gpu, software: true, tuned: () => undefined } : to.gpu;
  const named = Object.entries(recipe.outputs ?? {});
  const commits = commitsOf(recipe, gpu.maxStorageBuffersPerShaderStage);
  const seen = recipe.guard ? [recipe.guard.step, ...recipe.guard.checked] : [];
  const outputs = named.map(([, t]) => t);
  const fusion = new Fusion([...outputs, ...seen.filter((t) => resolve(t).node.op)], commits, {
    buffers: gpu.maxStorageBuffersPerShaderStage,
    fuse,
  });
  const kernels = new Map<Group, KernelPlan>();
  const stages = new Map<Group, RowStage>();
  for (const group of fusion.groups) {
    if (!group.root) continue;
    kernels.set(group, planKernel(group, fusion, gpu));
    const stage = planStage(group, fusion, gpu);
    if (stage) stages.set(group, stage);
  }
  const commitReads = [...commits.map((c) => c.tensor), ...seen].flatMap((t) =>
    fusion.keeping.readsOfInput(t).map((read) => read.tensor),
  );
  const wanted = new Set(
    [...outputs, ...commitReads, ...fusion.groups.flatMap((g) => fusion.needs(g))].map((t) => keyOf(resolve(t))),
  );
  addParts(fusion, wanted);
  const launches = launchesOf(fusion, {
    buffers,
    gpu,
    kernels,
    stages,
    wanted,
    memoryOf: (t) => leaf(t.node).memory,
    counters: counters?.memory,
  });
  const scratch = new Map(
    [...kernels].map(([group, plan]) => [group, (plan.scratch ?? []).map((s) => ({ name: s.name, words: s.size }))]),
  );
  const planned = whole ? [{ parts: launches.flatMap(({ parts }) => parts) }] : launches;
  const plan = planMemory(fusion, { launches: planned, leaf, outputs, commitReads, scratch, counters });
  const { guard } = recipe;
  const watches = placeWatches(guard ? watched(guard, commits.filter(guards)) : [], { fusion, launches, wanted, fold });
  const flag = guard && { status: placeOf(guard.status), step: guard.step };
  const context: LowerContext = { fusion, plan, gpu, kernels, stages, wanted, watches, guard: flag };
  const lowered = launches.flatMap((launch) => lowerLaunch(launch, context));
  const memories = (t: Tensor) => fusion.keeping.readsOfInput(t).map((read) => plan.place(read.tensor).memory);
  const flagged = flag ? [flag.status.memory] : [];
  const checks = packed(
    watches.after.map((t) => [t]),
    gpu,
    (t) => [...memories(t), ...memories(guard!.step), ...flagged],
  );
  for (const part of checks) lowered.push(lowerCheck(part, context));
  const parts = packed(componentsOf(commits), gpu, (c) => [
    ...memories(c.tensor),
    placeOf(c.variable).memory,
    ...flagged,
  ]);
  for (const part of parts) lowered.push(lowerCommit(part, (c) => placeOf(c.variable), context));
  const made = { outputs: named, plan };
  if (!whole) return { ...made, dispatches: lowered.map((stage) => dispatchOf(stage, gpu)) };
  const lengths = lengthsMemory();
  const steps = inOneWorkgroup(lowered, lengths, to.gpu);
  return steps && { ...made, dispatches: [steps], lengths };
}

function checked(made: Fitted, gpu: Capabilities): Fitted {
  for (const dispatch of made.dispatches) {
    const excess = excessOf(dispatch, gpu);
    if (excess !== undefined) throw new DeviceError(`${dispatch.label}: ${excess}`);
  }
  return made;
}

/** What of a dispatch is more than the adapter allows, as sentences. */
function excessOf({ bindings, workgroups }: Dispatch, gpu: Capabilities): string | undefined {
  const buffers = gpu.maxStorageBuffersPerShaderStage;
  if (bindings.length > buffers)
    return `it needs ${bindings.length} storage buffers, this adapter has ${buffers} a kernel. Try fuse: false.`;
  const most = Math.max(...workgroups);
  if (most > gpu.maxComputeWorkgroupsPerDimension)
    return `it needs ${most} workgroups along an axis, this adapter has ${gpu.maxComputeWorkgroupsPerDimension}. Use a smaller batch.`;
  const big = bindings.find(({ words }) => words * 4 > gpu.maxStorageBufferBindingSize);
  if (big)
    return `it binds ${big.words * 4} bytes of ${big.memory.label}, this adapter binds ${gpu.maxStorageBufferBindingSize} at most. Use a smaller batch or model.`;
  return undefined;
}

/** Parts of wanted arenas are wanted. */
function addParts(fusion: Fusion, wanted: Set<string>): void {
  for (const part of fusion.parts(wanted)) wanted.add(keyOf(resolve(part)));
}
