// What a program writes to variables: which assignments must share a dispatch, and how few dispatches hold them all.

import type { Capabilities } from '../graph/op.ts';
import { fillOf, type Node, Tensor, type Variable } from '../graph/tensor.ts';
import { copy } from '../ops/counter.ts';
import type { Prepared } from './prepare.ts';

/** A variable and the tensor it takes; `guarded` ones only while all is finite. */
export interface Commit {
  readonly variable: Variable;
  readonly tensor: Tensor;
  readonly guarded: boolean;
  /** The same value for the guard to look at, as it was before copies were put into it. */
  readonly seen: Tensor;
}

/**
 * The assignments and records of a recipe. Those that must share a dispatch but read and write more buffers than `buffers`
 * are computed into memory of their own before, so that each can be made alone.
 */
export function commitsOf({ assignments = [], records = [], seen }: Prepared, buffers: number): Commit[] {
  const commits = [
    ...assignments.map(([variable, tensor], k) => ({ variable, tensor, guarded: true, seen: seen[k]! })),
    ...records.map(([variable, tensor]) => ({ variable, tensor, guarded: false, seen: tensor })),
  ];
  return componentsOf(commits).flatMap((component) => {
    if (component.length === 1 || buffersOf(component) <= buffers) return component;
    return component.map((commit) => ({ ...commit, tensor: copy(commit.tensor) }));
  });
}

/** The buffers that making the assignments in one dispatch binds, the guard's flag included, were all computed there. */
function buffersOf(component: readonly Commit[]): number {
  const bound = new Set(component.map(({ variable }) => variable.node.id));
  for (const { tensor } of component) {
    for (const node of mapNodesOf(tensor)) if (isRead(node)) bound.add(node.id);
  }
  return bound.size + 1;
}

/** Whether a node's values are read from memory: all but map ops and constants written into the text. */
function isRead(node: Node): boolean {
  if (node.op) return !node.op.map || node.op.cost === Number.POSITIVE_INFINITY;
  return fillOf(new Tensor(node)) === undefined;
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

/** Puts sets of things that belong together into as few dispatches as their buffers fit. */
export function packed<T>(
  sets: readonly (readonly T[])[],
  gpu: Capabilities,
  buffersOf: (item: T) => unknown[],
): T[][] {
  const dispatches: { items: T[]; buffers: Set<unknown> }[] = [];
  for (const set of sets) {
    const buffers = set.flatMap(buffersOf);
    const host = dispatches.find(
      (d) => new Set([...d.buffers, ...buffers]).size <= gpu.maxStorageBuffersPerShaderStage,
    );
    if (host) {
      host.items.push(...set);
      for (const key of buffers) host.buffers.add(key);
    } else dispatches.push({ items: [...set], buffers: new Set(buffers) });
  }
  return dispatches.map((d) => d.items);
}
