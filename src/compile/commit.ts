// What a program writes to variables: which assignments must share a dispatch, and how few dispatches hold them all.
import type { Recipe } from '../graph/executor.ts';
import type { Capabilities } from '../graph/op.ts';
import type { Node, Tensor, Variable } from '../graph/tensor.ts';

/** A variable and the tensor it takes; `guarded` ones only while all is finite. */
export interface Commit {
  readonly variable: Variable;
  readonly tensor: Tensor;
  readonly guarded: boolean;
}

/** The assignments and records of a recipe. */
export function commitsOf({ assignments = [], records = [] }: Recipe): Commit[] {
  return [
    ...assignments.map(([variable, tensor]) => ({ variable, tensor, guarded: true })),
    ...records.map(([variable, tensor]) => ({ variable, tensor, guarded: false })),
  ];
}

/** Assignments that read each other's variables: they must be made in one dispatch. */
export function componentsOf(commits: readonly Commit[]): Commit[][] {
  const components: { commits: Commit[]; nodes: Set<Node> }[] = [];
  for (const commit of commits) {
    const nodes = new Set(mapNodesOf(commit.tensor));
    nodes.add(commit.variable.node);
    const variables = [...nodes].filter((node) => commits.some((c) => c.variable.node === node));
    const touching = components.filter((c) => variables.some((node) => c.nodes.has(node)));
    const merged = { commits: [...touching.flatMap((c) => c.commits), commit], nodes: new Set(variables) };
    for (const c of touching) for (const node of c.nodes) merged.nodes.add(node);
    components.splice(0, components.length, ...components.filter((c) => !touching.includes(c)), merged);
  }
  return components.map((c) => c.commits);
}

/** The map nodes and leaves that a tensor is computed from in one go. */
function mapNodesOf(t: Tensor): Node[] {
  const seen = new Set<Node>();
  const visit = (node: Node) => {
    if (seen.has(node)) return;
    seen.add(node);
    if (node.op?.map && node.op.cost !== Number.POSITIVE_INFINITY) for (const input of node.inputs) visit(input.node);
  };
  visit(t.node);
  return [...seen];
}

/** Puts sets of things that belong together into as few dispatches as their buffers, and the guard's flag, fit. */
export function packed<T>(sets: readonly (readonly T[])[], gpu: Capabilities, buffersOf: (item: T) => string[]): T[][] {
  const dispatches: { items: T[]; buffers: Set<string> }[] = [];
  for (const set of sets) {
    const buffers = set.flatMap(buffersOf);
    const host = dispatches.find(
      (d) => new Set([...d.buffers, ...buffers]).size + 1 <= gpu.maxStorageBuffersPerShaderStage,
    );
    if (host) {
      host.items.push(...set);
      for (const key of buffers) host.buffers.add(key);
    } else dispatches.push({ items: [...set], buffers: new Set(buffers) });
  }
  return dispatches.map((d) => d.items);
}
