// The result of each pass in one compilation, by its name.
import { type Compiled, compile, type Observe, type PassResults, type Target } from '../compile/index.ts';
import type { PassName } from '../compile/pass-names.ts';
import type { Looped } from '../compile/passes/loop.ts';
import type { Dispatch, Loop } from '../compile/plan.ts';
import type { Recipe } from '../graph/executor.ts';

/** The results of the passes, the compiled recipe and its target. */
export interface Seen {
  readonly results: PassResults;
  readonly compiled: Compiled;
  readonly target: Target;
}

/** Compiles a recipe and keeps the result of each pass; of a pass that ran twice (a persistent kernel that did not fit), the last. */
export function observed(recipe: Recipe, target: Target): Seen {
  const results: Partial<Record<PassName, unknown>> = {};
  const observe: Observe = (pass, result) => {
    results[pass] = result;
    return result;
  };
  const compiled = compile(recipe, target, observe);
  return { results: results as unknown as PassResults, compiled, target };
}

/** The dispatches that the steps of a submit repeat: one for a persistent kernel. */
export function dispatchesOf({ plan }: Pick<Looped, 'plan'>): readonly Dispatch[] {
  return (plan[0] as Loop).plan as readonly Dispatch[];
}
