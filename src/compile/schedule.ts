// From a recipe to what a program runs: the dispatches of a step, and those before the first step of a submit.
import type { Recipe } from '../graph/executor.ts';
import { simplifyRecipe } from '../graph/simplify.ts';
import { type Variable, variableOf } from '../graph/tensor.ts';
import { computeAhead } from './ahead.ts';
import { type Fitted, fitted, type Target } from './fit.ts';
import type { Dispatch } from './lower.ts';
import { type Memory, newMemory, overlap, type Place, startsOf } from './memory.ts';

/** All that a program runs, and what it owns. */
export interface Schedule extends Fitted {
  /** What comes before the first step of a submit: values that each step computes for the next. */
  readonly start: readonly Dispatch[];
  /** Buffers that the program makes and owns. */
  readonly owned: readonly Memory[];
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
