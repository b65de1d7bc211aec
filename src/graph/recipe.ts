// Walking and mapping a recipe: every tensor it names, in one fixed order.
import type { Recipe } from './executor.ts';
import type { Tensor } from './tensor.ts';

/** Every tensor that a recipe computes. */
export function rootsOf({ outputs = {}, assignments = [], records = [], guard, split = [] }: Recipe): Tensor[] {
  return [
    ...Object.values(outputs),
    ...(guard ? [guard.step, ...guard.checked] : []),
    ...assignments.map(([, t]) => t),
    ...records.map(([, t]) => t),
    ...split,
  ];
}

/** The same recipe over other tensors. */
export function mapRecipe(recipe: Recipe, map: (t: Tensor) => Tensor): Recipe {
  const pairs = (list: Recipe['assignments'] = []) => list.map(([variable, t]) => [variable, map(t)] as const);
  const { outputs = {}, guard, split } = recipe;
  return {
    outputs: Object.fromEntries(Object.entries(outputs).map(([name, t]) => [name, map(t)])),
    assignments: pairs(recipe.assignments),
    records: pairs(recipe.records),
    ...(guard && { guard: { ...guard, step: map(guard.step), checked: guard.checked.map(map) } }),
    ...(split && { split: split.map(map) }),
  };
}
