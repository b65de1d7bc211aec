// The last rewrites before fusion: copies where memory would otherwise be read while the same dispatch writes it, or where a
// result would have no memory of its own.
import type { Recipe } from '../graph/executor.ts';
import { rootsOf } from '../graph/simplify.ts';
import { Node, Tensor, type Variable, variableOf } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import { copy } from '../ops/counter.ts';
import type { Overlaps } from './ahead.ts';
import { keyOf, resolve } from './keep.ts';

/** A recipe that is ready for fusion. */
export interface Prepared extends Recipe {
  /** The assigned tensors, in order, without the copies that only the dispatch needs that writes them. */
  readonly seen: readonly Tensor[];
}

export function prepare(recipe: Recipe, overlaps: Overlaps): Prepared {
  const packed = ownParts(recipe);
  const assigned = [...(packed.assignments ?? []), ...(packed.records ?? [])].map(([variable]) => variable);
  const protect = protector(assigned, overlaps);
  const outputs = Object.entries(packed.outputs ?? {}).map(
    ([name, t]) => [name, resolve(t).node.op ? t : copy(t)] as const,
  );
  return {
    ...packed,
    seen: packed.assignments?.map(([, t]) => t) ?? [],
    outputs: Object.fromEntries(outputs),
    assignments: packed.assignments?.map(([variable, t]) => [variable, protect(t)] as const) ?? [],
    records: packed.records?.map(([variable, t]) => [variable, protect(t)] as const) ?? [],
  };
}

/**
 * The last dispatch computes new values and writes them, each thread at its own index. A variable it writes may be read
 * there only at that index; other reads go to a copy made before.
 */
function protector(assigned: readonly Variable[], overlaps: Overlaps): (t: Tensor) => Tensor {
  const done = new Map<string, Tensor>();
  const copies = new Map<Variable, Tensor>();
  const written = new Set(assigned);
  const unsafe = (variable: Variable, identity: boolean) =>
    written.has(variable) ? !identity : assigned.some((other) => overlaps(variable, other));
  const visit = (t: Tensor, identity: boolean): Tensor => {
    const key = `${keyOf(t)} ${identity}`;
    const before = done.get(key);
    if (before) return before;
    const after = protectNode(t, identity);
    done.set(key, after);
    return after;
  };
  const protectNode = (t: Tensor, identity: boolean): Tensor => {
    const variable = variableOf(t.node);
    if (variable) {
      if (!unsafe(variable, identity)) return t;
      const made = copies.get(variable) ?? copy(t);
      copies.set(variable, made);
      return made;
    }
    const { op } = t.node;
    if (!op?.map || op.cost === Number.POSITIVE_INFINITY) return t;
    const inputs = t.node.inputs.map((x) => visit(x, identity && op.elementwise === true));
    return withInputs(t.node, inputs)[t.output]!;
  };
  return (t) => visit(t, true);
}

/** The outputs of a node over other inputs; the node's own where nothing changed. */
function withInputs(node: Node, inputs: readonly Tensor[]): Tensor[] {
  const same = inputs.every((t, k) => keyOf(t) === keyOf(node.inputs[k]!));
  const next = same ? node : new Node(node.op, node.source, inputs, node.params, node.outs);
  return next.outs.map((_, output) => new Tensor(next, output));
}

/** Gives every part of a `placement` op memory that is its own to be placed: leaves and parts used twice are copied. */
function ownParts(recipe: Recipe): Recipe {
  const roots = rootsOf(recipe);
  const replaced = new Map<Node, Tensor[]>();
  const taken = new Set<string>();
  const current = (t: Tensor) => replaced.get(t.node)![t.output]!;
  for (const node of topologicalOrder(roots)) {
    const inputs = node.inputs.map(current);
    if (!node.op?.placement) {
      replaced.set(node, withInputs(node, inputs));
      continue;
    }
    const parts = inputs.map((t) => {
      const x = resolve(t);
      const key = keyOf(x);
      if (x.node.op && !x.node.op.placement && !taken.has(key)) {
        taken.add(key);
        return t;
      }
      return new Tensor(copy(t).node);
    });
    replaced.set(node, withInputs(node, parts));
  }
  const pairs = (list: Recipe['assignments'] = []) => list.map(([variable, t]) => [variable, current(t)] as const);
  return {
    outputs: Object.fromEntries(Object.entries(recipe.outputs ?? {}).map(([name, t]) => [name, current(t)])),
    assignments: pairs(recipe.assignments),
    records: pairs(recipe.records),
    ...(recipe.guard && {
      guard: { ...recipe.guard, step: current(recipe.guard.step), checked: recipe.guard.checked.map(current) },
    }),
  };
}
