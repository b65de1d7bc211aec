// Prefetch: values that depend only on counters and resident data (the batch, the slot of a ring, the rate) are computed for the
// next step in the dispatch that advances the counters, so that no step begins with a dispatch for them.
import { EXPENSIVE, PREFETCH } from '../../graph/cost.ts';
import type { Recipe } from '../../graph/executor.ts';
import { mapRecipe, rootsOf } from '../../graph/recipe.ts';
import { identityOf, rewrite, substitute, withInputs } from '../../graph/rewrite.ts';
import { simplifyRecipe } from '../../graph/simplify.ts';
import { type Node, type Tensor, Variable, variableOf } from '../../graph/tensor.ts';
import { topologicalOrder } from '../../graph/walk.ts';
import { copy } from '../../ops/counter.ts';

/** A recipe whose steps pass values to the next, and their initial values in a submit. */
export interface Prefetched {
  readonly recipe: Recipe;
  /** Variables that the program owns, with the tensors that they replace. */
  readonly carried: readonly (readonly [Variable, Tensor])[];
}

/** Whether two variables' memory overlaps. */
export type Overlaps = (a: Variable, b: Variable) => boolean;

export function prefetch(recipe: Recipe, overlaps: Overlaps): Prefetched {
  const roots = rootsOf(recipe);
  const order = topologicalOrder(roots);
  // Outputs and inputs belong to single runs, which have no next step.
  if (Object.keys(recipe.outputs ?? {}).length > 0 || order.some((node) => node.source?.kind === 'input'))
    return { recipe, carried: [] };
  const counters = countersOf(recipe, order, overlaps);
  const carried = new Map<Tensor, Variable>();
  for (const t of worthCarrying(order, counters))
    carried.set(t, new Variable(t.shape, { dtype: t.dtype, initial: () => new Uint32Array(t.size) }));
  if (carried.size === 0) return { recipe, carried: [] };
  const next = new Map(
    (recipe.assignments ?? []).flatMap(([v, t]) => (counters.has(v.node) ? [[v as Tensor, t] as const] : [])),
  );
  const pairs = [...carried].map(([t, v]) => [v, t] as const);
  const after = expensiveOnce(
    substitute(
      pairs.map(([, t]) => t),
      next,
    ),
  );
  const current = rewrite(roots, (node, inputs) => {
    const variable = carried.get(node.outputs[0]!);
    return variable ? [variable] : withInputs(node, inputs);
  });
  const now = mapRecipe(recipe, current);
  const assignments = [...now.assignments!, ...pairs.map(([v], k) => [v, after[k]!] as const)];
  // Computing the next step repeats parts of this one.
  return { recipe: simplifyRecipe({ ...now, assignments }), carried: pairs };
}

/** The nodes whose values are known one step ahead: those that depend only on small self-advancing variables. */
function countersOf(recipe: Recipe, order: readonly Node[], overlaps: Overlaps): Set<Node> {
  const assigned = new Map((recipe.assignments ?? []).map(([v, t]) => [v, t]));
  const recorded = (recipe.records ?? []).map(([v]) => v);
  const moved = [...assigned.keys(), ...recorded];
  const excluded = new Set<Variable>(recorded);
  for (;;) {
    const known = new Set<Node>();
    for (const node of order) {
      const v = variableOf(node);
      const own = v
        ? !excluded.has(v) && v.size <= PREFETCH.leaf && !moved.some((other) => other !== v && overlaps(other, v))
        : node.source !== undefined || node.op?.map !== undefined;
      if (own && node.inputs.every((t) => known.has(t.node))) known.add(node);
    }
    const wrong = [...assigned].find(([v, t]) => known.has(v.node) && !known.has(t.node));
    if (!wrong) return known;
    excluded.add(wrong[0]);
  }
}

/** What to carry: kernel inputs, which must be in memory anyway, single numbers, and expensive values. */
function worthCarrying(order: readonly Node[], counters: ReadonlySet<Node>): Iterable<Tensor> {
  const moving = new Set<Node>();
  for (const node of order) {
    const moves = variableOf(node) !== undefined || node.inputs.some((t) => moving.has(t.node));
    if (counters.has(node) && moves) moving.add(node);
  }
  const found = new Set<Tensor>();
  const visited = new Set<Node>();
  const visit = (t: Tensor, whole: boolean) => {
    const { node } = t;
    if (!moving.has(node) || !node.op || found.has(identityOf(t))) return;
    const expensive = t.size <= PREFETCH.value && (node.op.cost ?? 1) >= EXPENSIVE;
    if (whole || t.size <= 1 || expensive) found.add(identityOf(t));
    else if (!visited.has(node)) {
      visited.add(node);
      for (const input of node.inputs) visit(input, false);
    }
  };
  for (const node of order)
    if (!counters.has(node)) for (const t of node.inputs) visit(t, !node.op?.map && !node.op?.placement);
  return found;
}

/** The same values, with expensive ones materialized, since storing reads them repeatedly. */
function expensiveOnce(values: readonly Tensor[]): Tensor[] {
  return values.map(
    rewrite(values, (node, inputs) => {
      const same = withInputs(node, inputs);
      const { cost = 0 } = node.op ?? {};
      return cost >= EXPENSIVE && cost < Number.POSITIVE_INFINITY ? same.map(copy) : same;
    }),
  );
}
