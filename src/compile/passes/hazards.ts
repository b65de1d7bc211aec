// Hazards: inserts copies where a dispatch would read memory that it also writes, where a result would have no memory, and where
// assignments that must share a dispatch would bind too many buffers.
import { ALIGNMENT } from '../../gpu/memory.ts';
import type { Guard, Recipe } from '../../graph/executor.ts';
import { mapRecipe, rootsOf } from '../../graph/recipe.ts';
import { identityOf, resolve, rewrite, withInputs } from '../../graph/rewrite.ts';
import { fillOf, type Node, type Tensor, type Variable, variableOf } from '../../graph/tensor.ts';
import { copy } from '../../ops/counter.ts';
import type { Overlaps } from './prefetch.ts';

/** A variable and its new value; `guarded` ones are assigned only if all values are finite. */
export interface Commit {
  readonly variable: Variable;
  readonly tensor: Tensor;
  readonly guarded: boolean;
  /** The same value before copies were inserted, for the guard. */
  readonly original: Tensor;
}

/** A recipe without hazards. */
export interface Prepared {
  readonly outputs: readonly (readonly [string, Tensor])[];
  /** Sets of assignments that read each other's variables: each set is made in one dispatch. */
  readonly commits: readonly (readonly Commit[])[];
  readonly guard: Guard | undefined;
  readonly split: readonly Tensor[];
}

/** `buffers`: storage buffers that a dispatch may bind. */
export function withoutHazards(given: Recipe, overlaps: Overlaps, buffers: number): Prepared {
  const recipe = ownParts(given);
  const { outputs = {}, assignments = [], records = [], guard, split = [] } = recipe;
  const protect = protector(
    [...assignments, ...records].map(([variable]) => variable),
    overlaps,
  );
  const commits = [
    ...assignments.map(([variable, original]) => ({ variable, tensor: protect(original), guarded: true, original })),
    ...records.map(([variable, original]) => ({ variable, tensor: protect(original), guarded: false, original })),
  ];
  return {
    outputs: Object.entries(outputs).map(([name, t]) => [name, resolve(t).node.op ? t : copy(t)] as const),
    commits: componentsOf(commits).flatMap((component) => separable(component, buffers)),
    guard,
    split,
  };
}

/** Whether a node is computed where it is read. */
function isInlined({ op }: Node): boolean {
  return op?.map !== undefined && op.cost !== Number.POSITIVE_INFINITY;
}

/**
 * The last dispatch computes new values and writes them, each thread at its index. A variable it writes may be read there only
 * at that index; other reads go to a copy made before.
 */
function protector(assigned: readonly Variable[], overlaps: Overlaps): (t: Tensor) => Tensor {
  const done = [new Map<Tensor, Tensor>(), new Map<Tensor, Tensor>()] as const;
  const copies = new Map<Variable, Tensor>();
  const written = new Set(assigned);
  const unsafe = (variable: Variable, identity: boolean) =>
    written.has(variable) ? !identity : assigned.some((other) => overlaps(variable, other));
  const visit = (t: Tensor, identity: boolean): Tensor => {
    const known = done[identity ? 1 : 0];
    let after = known.get(identityOf(t));
    if (!after) {
      after = protectedOf(t, identity);
      known.set(identityOf(t), after);
    }
    return after;
  };
  const protectedOf = (t: Tensor, identity: boolean): Tensor => {
    const variable = variableOf(t.node);
    if (variable) {
      if (!unsafe(variable, identity)) return t;
      const made = copies.get(variable) ?? copy(t);
      copies.set(variable, made);
      return made;
    }
    if (!isInlined(t.node)) return t;
    const inputs = t.node.inputs.map((x) => visit(x, identity && t.node.op!.elementwise === true));
    return withInputs(t.node, inputs)[t.output]!;
  };
  return (t) => visit(t, true);
}

/**
 * Gives every part of a `placement` op memory that can be placed: leaves, opaque outputs and parts used twice are copied, as are parts at
 * offsets where no binding can start, since other dispatches may bind them.
 */
function ownParts(recipe: Recipe): Recipe {
  const taken = new Set<Tensor>();
  const current = rewrite(rootsOf(recipe), (node, inputs) => {
    const offsets = node.op?.placement?.(node.params);
    if (!offsets) return withInputs(node, inputs);
    const parts = inputs.map((t, k) => {
      const x = resolve(t);
      const { op } = x.node;
      if (offsets[k]! % ALIGNMENT !== 0 || !op || op.placement || op.opaque || taken.has(x)) return copy(t);
      taken.add(x);
      return t;
    });
    return withInputs(node, parts);
  });
  return mapRecipe(recipe, current);
}

/** Sets of assignments that read each other's variables and must therefore share a dispatch. */
function componentsOf(commits: readonly Commit[]): Commit[][] {
  const written = new Set(commits.map(({ variable }) => variable.node));
  let components: { commits: Commit[]; nodes: Set<Node> }[] = [];
  for (const commit of commits) {
    const nodes = new Set([...inlinedNodesOf(commit.tensor), commit.variable.node].filter((node) => written.has(node)));
    const touching = components.filter((c) => [...nodes].some((node) => c.nodes.has(node)));
    for (const c of touching) for (const node of c.nodes) nodes.add(node);
    components = components.filter((c) => !touching.includes(c));
    components.push({ commits: [...touching.flatMap((c) => c.commits), commit], nodes });
  }
  return components.map((c) => c.commits);
}

/** The set unchanged or, if one dispatch cannot bind everything it reads and writes, one by one from earlier copies. */
function separable(component: readonly Commit[], buffers: number): (readonly Commit[])[] {
  const bound = new Set(component.map(({ variable }) => variable.node));
  for (const { tensor } of component)
    for (const node of inlinedNodesOf(tensor))
      if (!isInlined(node) && (node.op || fillOf(node.outputs[0]!) === undefined)) bound.add(node);
  if (component.length === 1 || bound.size + 1 <= buffers) return [component];
  return component.map((commit) => [{ ...commit, tensor: copy(commit.tensor) }]);
}

/** The nodes that a tensor is computed from inline, down to the memory it reads. */
function inlinedNodesOf(t: Tensor): Set<Node> {
  const seen = new Set<Node>();
  const visit = (node: Node) => {
    if (seen.has(node)) return;
    seen.add(node);
    if (isInlined(node)) for (const input of node.inputs) visit(input.node);
  };
  visit(t.node);
  return seen;
}
