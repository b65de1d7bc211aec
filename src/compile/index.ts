// The compiler: from a recipe to a runnable program, pass by pass. Each pass takes the previous pass's result without modifying it;
// `docs/compiler.md` walks through them.
import { type Memory, overlap, type Place, type ShaderLoop } from '../gpu/memory.ts';
import type { Capabilities } from '../graph/capabilities.ts';
import type { Recipe } from '../graph/executor.ts';
import { simplifyRecipe } from '../graph/simplify.ts';
import type { Node, Tensor, Variable } from '../graph/tensor.ts';
import { Buffers } from './buffers.ts';
import { scratchCountOf } from './builder.ts';
import type { PassName } from './pass-names.ts';
import { fuseRows, type Units } from './passes/fuse-rows.ts';
import { type Grouped, group } from './passes/group.ts';
import { guard } from './passes/guard.ts';
import { type Prepared, withoutHazards } from './passes/hazards.ts';
import { type Looped, loop, persist, suitsPersistent, withoutBarriers } from './passes/loop.ts';
import { type Materialized, materialize } from './passes/materialize.ts';
import { type Packed, pack } from './passes/pack.ts';
import { type Placed, place } from './passes/place.ts';
import { type Prefetched, prefetch } from './passes/prefetch.ts';
import { type Rendered, render } from './passes/render.ts';

/** The target that a recipe is compiled for. */
export interface Target {
  readonly gpu: Capabilities;
  /** False gives every op a separate dispatch. */
  readonly fuse: boolean;
  /** False puts each group in its own dispatch, for drivers that refuse merged ones. Default true. */
  readonly merge?: boolean;
  /** Whether steps run in a persistent kernel, if possible. Default: if that is faster. */
  readonly persistent?: boolean | undefined;
  /** The memory of a leaf. */
  leaf(node: Node): Place;
  /** The memory of a variable. */
  placeOf(variable: Variable): Place;
}

/** Everything a program runs and owns. */
export interface Compiled {
  /** Dispatches before the first step of a submit: the values that each step computes for the next. */
  readonly start: readonly Rendered[];
  readonly steps: ShaderLoop<Rendered>;
  readonly outputs: readonly (readonly [string, Tensor])[];
  /** The number of dispatches before the split, if the recipe has one. */
  readonly split: number | undefined;
  place(t: Tensor): Place;
  /** Buffers that the program creates and owns. */
  readonly owned: readonly Memory[];
}

/** The result of each pass. */
export interface PassResults {
  readonly simplify: Recipe;
  readonly prefetch: Prefetched;
  readonly hazards: Prepared;
  readonly materialize: Materialized;
  readonly group: Grouped;
  readonly 'fuse-rows': Units;
  readonly pack: Packed;
  readonly place: Placed;
  readonly guard: Placed;
  readonly loop: Looped;
  readonly render: ShaderLoop<Rendered>;
}

/** Receives the result of each pass, and returns it. */
export type Observe = <P extends PassName>(pass: P, result: PassResults[P]) => PassResults[P];

const unobserved: Observe = (_, result) => result;

/** @throws DeviceError if a kernel exceeds the adapter's limits in every arrangement. */
export function compile(recipe: Recipe, to: Target, observe: Observe = unobserved): Compiled {
  const overlaps = (a: Variable, b: Variable) => overlap(to.placeOf(a), to.placeOf(b));
  const simple = observe('simplify', simplifyRecipe(recipe));
  const ahead = observe('prefetch', to.fuse ? prefetch(simple, overlaps) : { recipe: simple, carried: [] });
  const carried = ahead.carried.map(([variable]) => variable);
  const steps = lowerSteps(ahead.recipe, to, carried, observe);
  const start = carried.length > 0 ? lowerStart(ahead.carried, to, steps) : undefined;
  return {
    start: start ? render(start, to.gpu).plan : [],
    steps: observe('render', render(steps, to.gpu)),
    outputs: steps.graph.recipe.outputs,
    split: steps.split,
    place: steps.place,
    owned: [...steps.owned, ...(start?.owned ?? [])],
  };
}

/** A step, as a persistent kernel if suitable. */
function lowerSteps(recipe: Recipe, to: Target, carried: readonly Variable[], observe: Observe): Looped {
  if (to.fuse && suitsPersistent(recipe, to.gpu, to.persistent)) {
    const gpu = withoutBarriers(to.gpu);
    const steps = persist(loop(lower(recipe, { ...to, gpu, whole: true }, carried, observe)), to.gpu);
    if (steps) return observe('loop', steps);
  }
  return observe('loop', loop(lower(recipe, to, carried, observe)));
}

/** The carried values, computed for the first step of a submit. */
function lowerStart(carried: Iterable<readonly [Variable, Tensor]>, to: Target, steps: Looped): Looped {
  const placeOf = (variable: Variable) => steps.carried.get(variable.node) ?? to.placeOf(variable);
  const leaf = (node: Node) => steps.carried.get(node) ?? to.leaf(node);
  return loop(lower({ records: [...carried] }, { ...to, placeOf, leaf }, [], unobserved));
}

function lower(
  recipe: Recipe,
  to: Target & { readonly whole?: boolean },
  carried: readonly Variable[],
  observe: Observe,
): Placed {
  const { gpu, fuse, merge = true, whole } = to;
  const most = gpu.maxStorageBuffersPerShaderStage;
  const own = new Set(carried);
  const overlaps = (a: Variable, b: Variable) => !own.has(a) && !own.has(b) && overlap(to.placeOf(a), to.placeOf(b));
  const prepared = observe('hazards', withoutHazards(recipe, overlaps, most));
  const graph = observe('materialize', materialize(prepared, gpu, fuse));
  const grouped = observe(
    'group',
    group(graph, most, fuse, (root) => scratchCountOf(root, { graph, gpu })),
  );
  const buffers = new Buffers(grouped, (node) => to.leaf(node).memory, carried);
  const units = observe('fuse-rows', fuseRows(grouped, buffers, gpu, fuse && merge));
  const packed = observe('pack', pack(units, buffers, { gpu, units: fuse && merge, commits: merge }));
  const placed = observe('place', place(packed, buffers, to.leaf, carried, whole));
  return observe('guard', guard(placed, gpu));
}
