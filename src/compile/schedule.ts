// From a recipe to the dispatches of one step: simplified, prepared, fused, its memory planned, lowered to WGSL.
import { DeviceError } from '../graph/errors.ts';
import type { Recipe } from '../graph/executor.ts';
import type { Capabilities, KernelPlan, RowStage } from '../graph/op.ts';
import { simplifyRecipe } from '../graph/simplify.ts';
import { type Node, type Tensor, type Variable, variableOf } from '../graph/tensor.ts';
import { computeAhead } from './ahead.ts';
import { type Commit, commitsOf, componentsOf, packed } from './commit.ts';
import { Fusion, type Group } from './fuse.ts';
import { keyOf, resolve } from './keep.ts';
import { launchesOf } from './launch.ts';
import {
  type Dispatch,
  type LowerContext,
  lowerCheck,
  lowerCommit,
  lowerLaunch,
  planKernel,
  planStage,
} from './lower.ts';
import { type Memory, type MemoryPlan, newMemory, type Place, planMemory, startsOf } from './memory.ts';
import { type Prepared, prepare } from './prepare.ts';
import { placeWatches, watched } from './watch.ts';

/** The dispatches of one step, in order, and where everything lies. */
export interface Schedule {
  readonly outputs: readonly (readonly [string, Tensor])[];
  readonly plan: MemoryPlan;
  readonly dispatches: readonly Dispatch[];
  /** What comes before the first step of a submit: values that each step computes for the next. */
  readonly start: readonly Dispatch[];
  /** Buffers that the program makes and owns. */
  readonly owned: readonly Memory[];
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
  /** The counters that the program's steps hand on, and the bytes of their buffer. */
  readonly counters?: { readonly memory: Memory; readonly bytes: number } | undefined;
}

/** @throws DeviceError where a kernel needs more storage buffers than the adapter has, however it is cut. */
export function schedule(given: Recipe, to: Target): Schedule {
  const overlaps = (a: Variable, b: Variable) => overlap(to.placeOf(a), to.placeOf(b));
  const simple = simplifyRecipe(given);
  const { recipe, carried } = to.fuse ? computeAhead(simple, overlaps) : { recipe: simple, carried: [] };
  const { places, owned } = placeCarried(carried.map(([variable]) => variable));
  const counted = carried.find(([variable]) => variable.dtype === 'u32');
  const memory = counted && places.get(counted[0])!.memory;
  const within: Target = {
    ...to,
    leaf: (node) => places.get(variableOf(node)!) ?? to.leaf(node),
    placeOf: (variable) => places.get(variable) ?? to.placeOf(variable),
  };
  const counters = memory && { memory, bytes: memory.bytes };
  const step = fitted(recipe, { ...within, counters }, (commit) => !places.has(commit.variable));
  const start = carried.length > 0 ? fitted({ records: carried }, within) : undefined;
  return {
    ...step,
    start: start?.dispatches ?? [],
    owned: [...owned, ...step.plan.owned, ...(start?.plan.owned ?? [])],
  };
}

/** Whether two places share words. */
function overlap(a: Place, b: Place): boolean {
  return a.memory === b.memory && a.offset < b.offset + b.words && b.offset < a.offset + a.words;
}

/** Memory for variables of the program's own: one buffer for each dtype. */
function placeCarried(variables: readonly Variable[]): { places: Map<Variable, Place>; owned: Memory[] } {
  const places = new Map<Variable, Place>();
  const owned: Memory[] = [];
  for (const dtype of new Set(variables.map((v) => v.dtype))) {
    const members = variables.filter((v) => v.dtype === dtype);
    const starts = startsOf(members.map((v) => v.size));
    const memory = newMemory('ahead', (starts.at(-1)! + members.at(-1)!.size) * 4);
    owned.push(memory);
    for (const [k, v] of members.entries()) places.set(v, { memory, offset: starts[k]!, words: v.size });
  }
  return { places, owned };
}

type Fitted = Pick<Schedule, 'outputs' | 'plan' | 'dispatches'>;

/** The dispatches of a recipe, as few as fit the adapter. `guards` says which assignments the guard looks at. */
function fitted(given: Recipe, to: Target, guards: (commit: Commit) => boolean = () => true): Fitted {
  const { gpu, placeOf } = to;
  const recipe = prepare(simplifyRecipe(given), (a, b) => overlap(placeOf(a), placeOf(b)));
  // What a dispatch binds is known once it is written: where that is too much, less is put into it.
  const most = gpu.maxStorageBuffersPerShaderStage;
  const cuts = to.fuse ? [true, false].flatMap((fold) => [{ fold, buffers: most }]) : [];
  for (let buffers = most - 1; to.fuse && buffers > 0; buffers--) cuts.push({ fold: false, buffers });
  for (const cut of cuts) {
    const made = attempt(recipe, to, cut, guards);
    if (made.dispatches.every(({ bindings }) => bindings.length <= most)) return checked(made, gpu);
  }
  return checked(attempt(recipe, to, { fold: false, buffers: 0 }, guards), gpu);
}

/** How much is put into a dispatch. */
interface Cut {
  /** Whether the guard looks at values within the dispatches that make them. */
  readonly fold: boolean;
  /** About how many buffers a dispatch of several groups may bind. */
  readonly buffers: number;
}

function attempt(
  recipe: Prepared,
  { gpu, fuse, leaf, placeOf, counters }: Target,
  { fold, buffers }: Cut,
  guards: (commit: Commit) => boolean,
): Fitted {
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
  const plan = planMemory(fusion, { launches, leaf, outputs, commitReads, scratch, counters });
  const { guard } = recipe;
  const watches = placeWatches(guard ? watched(guard, commits.filter(guards)) : [], { fusion, launches, wanted, fold });
  const flag = guard && { status: placeOf(guard.status), step: guard.step };
  const context: LowerContext = { fusion, plan, gpu, kernels, stages, wanted, watches, guard: flag };
  const texts = launches.flatMap((launch) => lowerLaunch(launch, context));
  const memories = (t: Tensor) => fusion.keeping.readsOfInput(t).map((read) => plan.place(read.tensor).memory);
  const flagged = flag ? [flag.status.memory] : [];
  const checks = packed(
    watches.after.map((t) => [t]),
    gpu,
    (t) => [...memories(t), ...memories(guard!.step), ...flagged],
  );
  for (const part of checks) texts.push(lowerCheck(part, context));
  const parts = packed(componentsOf(commits), gpu, (c) => [
    ...memories(c.tensor),
    placeOf(c.variable).memory,
    ...flagged,
  ]);
  for (const part of parts) texts.push(lowerCommit(part, (c) => placeOf(c.variable), context));
  return { outputs: named, plan, dispatches: texts };
}

function checked(made: Fitted, gpu: Capabilities): Fitted {
  for (const dispatch of made.dispatches) checkLimits(dispatch, gpu);
  return made;
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

/** Parts of wanted arenas are wanted. */
function addParts(fusion: Fusion, wanted: Set<string>): void {
  for (const part of fusion.parts(wanted)) wanted.add(keyOf(resolve(part)));
}
