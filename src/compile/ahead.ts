// Work one step ahead: what follows from counters and resident data alone (the batch, the slot of a ring, the rate) is computed
// for the next step in the dispatch that moves the counters, so that no step begins with a dispatch of its own for it.
import type { Recipe } from '../graph/executor.ts';
import { rootsOf } from '../graph/simplify.ts';
import { substitute } from '../graph/substitute.ts';
import { Node, Tensor, Variable, variableOf } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import { copy } from '../ops/counter.ts';
import { keyOf } from './keep.ts';

/** A recipe whose steps hand values on, and what these are before the first of a submit. */
export interface Ahead {
  readonly recipe: Recipe;
  /** Variables that the program owns, with the tensors that they stand for. */
  readonly carried: readonly (readonly [Variable, Tensor])[];
}

/** The largest variable that counts as a counter or a table, and the largest value carried for its cost alone, in elements. */
const MOST_LEAF = 256;
const MOST_CARRIED = 4096;
/** Work per element from which a value is worth carrying whatever its size. */
const DEAR = 8;

/** Whether two variables' memory overlaps. */
export type Overlaps = (a: Variable, b: Variable) => boolean;

export function computeAhead(recipe: Recipe, overlaps: Overlaps): Ahead {
  const roots = rootsOf(recipe);
  const order = topologicalOrder(roots);
  // Outputs and inputs belong to single runs, which have no next step.
  if (Object.keys(recipe.outputs ?? {}).length > 0 || order.some((node) => node.source?.kind === 'input'))
    return { recipe, carried: [] };
  const counters = countersOf(recipe, order, overlaps);
  const carried = new Map<string, readonly [Variable, Tensor]>();
  for (const t of worthCarrying(order, counters)) {
    carried.set(keyOf(t), [new Variable(t.shape, { dtype: t.dtype, initial: () => new Uint32Array(t.size) }), t]);
  }
  if (carried.size === 0) return { recipe, carried: [] };
  const next = new Map(
    (recipe.assignments ?? []).flatMap(([v, t]) => (counters.has(v.node) ? [[v as Tensor, t] as const] : [])),
  );
  const pairs = [...carried.values()];
  const after = dearOnce(
    substitute(
      pairs.map(([, t]) => t),
      next,
    ),
  );
  const replaced = withCarried(order, carried);
  const now = (t: Tensor) => replaced.get(t.node)?.[t.output] ?? t;
  const map = (list: Recipe['assignments'] = []) => list.map(([v, t]) => [v, now(t)] as const);
  return {
    recipe: {
      ...recipe,
      assignments: [...map(recipe.assignments), ...pairs.map(([v], k) => [v, after[k]!] as const)],
      records: map(recipe.records),
      ...(recipe.guard && {
        guard: { ...recipe.guard, step: now(recipe.guard.step), checked: recipe.guard.checked.map(now) },
      }),
    },
    carried: pairs,
  };
}

/** The nodes whose values in a step are known one step before: what small variables that move by themselves lead to. */
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
        ? !excluded.has(v) && v.size <= MOST_LEAF && !moved.some((other) => other !== v && overlaps(other, v))
        : node.source !== undefined || node.op?.map !== undefined;
      if (own && node.inputs.every((t) => known.has(t.node))) known.add(node);
    }
    const wrong = [...assigned].find(([v, t]) => known.has(v.node) && !known.has(t.node));
    if (!wrong) return known;
    excluded.add(wrong[0]);
  }
}

/** What to hand on: what a kernel reads, which has to be in memory anyhow, single numbers, and what is dear to compute. */
function worthCarrying(order: readonly Node[], counters: ReadonlySet<Node>): Tensor[] {
  const moving = new Set<Node>();
  for (const node of order) {
    const moves = variableOf(node) !== undefined || node.inputs.some((t) => moving.has(t.node));
    if (counters.has(node) && moves) moving.add(node);
  }
  const found = new Map<Node, Tensor>();
  const visited = new Set<Node>();
  const visit = (t: Tensor, whole: boolean) => {
    const { node } = t;
    if (!moving.has(node) || !node.op || found.has(node)) return;
    if (whole || t.size <= 1 || (t.size <= MOST_CARRIED && (node.op.cost ?? 1) >= DEAR)) found.set(node, t);
    else if (!visited.has(node)) {
      visited.add(node);
      for (const input of node.inputs) visit(input, false);
    }
  };
  for (const node of order)
    if (!counters.has(node)) for (const t of node.inputs) visit(t, node.op?.kernel !== undefined);
  return [...found.values()];
}

/** The same values, with what is dear to compute in memory of its own: it is read over and over where they are stored. */
function dearOnce(values: readonly Tensor[]): Tensor[] {
  const made = new Map<Node, Tensor>();
  const now = (t: Tensor) => made.get(t.node) ?? t;
  for (const node of topologicalOrder(values)) {
    const inputs = node.inputs.map(now);
    const changed = inputs.some((t, k) => t !== node.inputs[k]);
    const same = changed
      ? new Tensor(new Node(node.op, node.source, inputs, node.params, node.outs))
      : new Tensor(node);
    const dear = (node.op?.cost ?? 0) >= DEAR && node.op!.cost! < Number.POSITIVE_INFINITY;
    if (changed || dear) made.set(node, dear ? copy(same) : same);
  }
  return values.map(now);
}

/** The nodes that read what is carried, made anew over the variables that carry it. */
function withCarried(
  order: readonly Node[],
  carried: ReadonlyMap<string, readonly [Variable, Tensor]>,
): Map<Node, readonly Tensor[]> {
  const made = new Map<Node, readonly Tensor[]>();
  for (const node of order) {
    const variable = carried.get(`${node.id}.0`)?.[0];
    if (variable) {
      made.set(node, [variable]);
      continue;
    }
    const inputs = node.inputs.map((t) => made.get(t.node)?.[t.output] ?? t);
    if (inputs.every((t, k) => t === node.inputs[k])) continue;
    const next = new Node(node.op, node.source, inputs, node.params, node.outs);
    made.set(
      node,
      next.outs.map((_, output) => new Tensor(next, output)),
    );
  }
  return made;
}
