// Materialize: which map tensors are stored in memory, and which are computed where they are read. Materialized are results, direct kernel
// inputs, values that would be recomputed too often, and parts of expressions that would read more buffers than a dispatch may bind.
import type { Capabilities } from '../../graph/capabilities.ts';
import { RECOMPUTE_BUDGET, SCALAR_REUSE } from '../../graph/cost.ts';
import { internal } from '../../graph/errors.ts';
import { resolve } from '../../graph/rewrite.ts';
import { fillOf, type Node, type Tensor } from '../../graph/tensor.ts';
import { topologicalOrder } from '../../graph/walk.ts';
import type { Prepared } from './hazards.ts';

/** A memory read made by evaluating a tensor at an index. */
export interface Read {
  readonly tensor: Tensor;
  /** Whether it reads at the index being evaluated. */
  readonly identity: boolean;
}

/** Whether a tensor is a constant filled with one value, which is written into the text, not read. */
export function isFill(t: Tensor): boolean {
  return fillOf(t) !== undefined;
}

/** False for `fuse` materializes every tensor. */
export function materialize(recipe: Prepared, gpu: Capabilities, fuse: boolean): Materialized {
  return new Materialized(recipe, new Decision(recipe, gpu, fuse));
}

/** A recipe's graph, with the decision for every tensor. Tensors it returns are resolved. */
export class Materialized {
  readonly recipe: Prepared;
  /** The nodes, inputs first, without views. */
  readonly order: readonly Node[];
  readonly #kept: ReadonlySet<Node>;
  readonly #reads = new Map<Tensor, readonly Read[]>();

  constructor(recipe: Prepared, { order, kept }: Pick<Decision, 'order' | 'kept'>) {
    this.recipe = recipe;
    this.order = order;
    this.#kept = kept;
  }

  /** Whether a map node's tensor is materialized. */
  isKept(node: Node): boolean {
    return this.#kept.has(node);
  }

  /** Whether `t` (resolved) is loaded from memory rather than computed where it is read. */
  inMemory({ node }: Tensor): boolean {
    return !node.op?.map || this.#kept.has(node);
  }

  /** The tensors that evaluating `t` at an index loads. */
  reads(t: Tensor): readonly Read[] {
    let reads = this.#reads.get(t);
    if (!reads) {
      reads = this.#find(t);
      this.#reads.set(t, reads);
    }
    return reads;
  }

  #find(t: Tensor): Read[] {
    const found = new Map<Tensor, Read>();
    const seen = [new Set<Tensor>(), new Set<Tensor>()] as const;
    const visit = (at: Tensor, identity: boolean, top: boolean) => {
      const x = resolve(at);
      const visited = seen[identity ? 1 : 0];
      if (visited.has(x)) return;
      visited.add(x);
      if (!top && this.inMemory(x)) {
        if (!isFill(x)) found.set(x, { tensor: x, identity: identity && (found.get(x)?.identity ?? true) });
        return;
      }
      for (const input of x.node.inputs) visit(input, identity && x.node.op!.elementwise === true, false);
    };
    visit(t, true, true);
    return [...found.values()];
  }

  /** What loading a kernel's input reads: the input if materialized, else the tensors it is computed from. */
  readsOfInput(t: Tensor): readonly Read[] {
    const x = resolve(t);
    if (isFill(x)) return [];
    return this.inMemory(x) ? [{ tensor: x, identity: true }] : this.reads(x);
  }
}

/** Decides node by node. */
class Decision {
  readonly order: readonly Node[];
  readonly kept = new Set<Node>();
  readonly #buffers: number;
  readonly #fuse: boolean;
  readonly #uses = new Map<Node, { node: Node; k: number }[]>();
  readonly #roots: ReadonlySet<Node>;
  /** New values of variables that are computed in the dispatch that writes them. */
  readonly #committed: Set<Node>;
  readonly #leaves = new Map<Node, Set<Tensor>>();
  readonly #onlyInCommits = new Map<Node, boolean>();

  constructor({ outputs, commits, guard, split }: Prepared, gpu: Capabilities, fuse: boolean) {
    this.#buffers = gpu.maxStorageBuffersPerShaderStage;
    this.#fuse = fuse;
    const seen = guard ? [guard.step, ...guard.checked].map(resolve).filter((t) => t.node.op) : [];
    const roots = [...outputs.map(([, t]) => resolve(t)), ...seen, ...split.map(resolve)];
    const assigned = commits.flat().map(({ tensor }) => resolve(tensor));
    this.#roots = new Set(roots.map((t) => t.node));
    this.#committed = new Set(assigned.map((t) => t.node));
    this.order = topologicalOrder([...roots, ...assigned]).filter((node) => !node.op?.view);
    for (const node of this.order) this.#uses.set(node, []);
    for (const node of this.order)
      for (const [k, t] of node.inputs.entries()) this.#uses.get(resolve(t).node)!.push({ node, k });
    this.#keepWide();
    this.#choose();
  }

  /** Materializes parts of expressions that would otherwise read more buffers than a dispatch may bind. */
  #keepWide(): void {
    for (const node of this.order) {
      const { op } = node;
      if (!op || op.placement) continue;
      const inlined = op.map ? node.inputs : node.inputs.filter((_, k) => op.prologue?.(node.params).includes(k));
      // Besides the reads: the outputs, and the guard's flag if the value is assigned.
      const budget = this.#buffers - node.outs.length - 1;
      while (this.#leavesOf(node).size > budget) {
        const parts = inlined.map(resolve).filter((t) => t.node.op?.map && !this.kept.has(t.node));
        const widest = parts.sort((a, b) => this.#leavesOf(b.node).size - this.#leavesOf(a.node).size)[0];
        if (!widest || this.#leavesOf(widest.node).size < 2) break;
        this.kept.add(widest.node);
        this.#leaves.delete(node);
      }
    }
  }

  #choose(): void {
    const costs = this.#fullCosts();
    const evaluations = new Map<Node, number>();
    for (const node of [...this.order].reverse()) {
      if (!node.op?.map) continue;
      if (node.outs.length !== 1) throw internal(`${node.name}: a map op has one output`);
      const { size } = node.outputs[0]!;
      let needed = this.#roots.has(node) || !this.#fuse || node.op.cost === Number.POSITIVE_INFINITY;
      let count = 0;
      for (const { node: user, k } of this.#uses.get(node)!) {
        if (user.op!.map)
          count +=
            this.kept.has(user) || this.#committed.has(user) ? user.outputs[0]!.size : (evaluations.get(user) ?? 0);
        else if (user.op!.prologue?.(user.params).includes(k)) count += size;
        else needed = true;
      }
      // A value computed in the last dispatch is not available to an earlier one, which recomputes it or has it materialized.
      if (this.#committed.has(node) && !needed && !this.kept.has(node)) count += size;
      if (needed || !this.#isOnlyInCommits(node)) this.#committed.delete(node);
      evaluations.set(node, count);
      const cost = costs.get(node)!;
      const often = size === 1 && this.#isOnlyInCommits(node) ? count / SCALAR_REUSE : count;
      const extra = (often - size) * cost;
      const again = extra > RECOMPUTE_BUDGET && (cost > 1 || count > 2 * size);
      if (!this.#committed.has(node) && (needed || again)) this.kept.add(node);
    }
  }

  /** Whether all consumers of the node are computed in the last dispatch. */
  #isOnlyInCommits(node: Node): boolean {
    const known = this.#onlyInCommits.get(node);
    if (known !== undefined) return known;
    const only = this.#uses
      .get(node)!
      .every(
        ({ node: user }) =>
          user.op!.map &&
          !this.kept.has(user) &&
          (this.#committed.has(user) || (this.#uses.get(user)!.length > 0 && this.#isOnlyInCommits(user))),
      );
    this.#onlyInCommits.set(node, only);
    return only;
  }

  /** The cost of computing each map node from memory if everything below it is inlined. */
  #fullCosts(): Map<Node, number> {
    const costs = new Map<Node, number>();
    for (const node of this.order) {
      if (!node.op?.map) continue;
      let cost = node.op.cost ?? 1;
      for (const input of node.inputs.map(resolve)) {
        // An expensive scalar is materialized, or computed once per thread.
        const each = input.size === 1 && node.outputs[0]!.size > 1 ? SCALAR_REUSE : 1;
        cost += (costs.get(input.node) ?? 0) / each;
      }
      // A value that is always materialized costs its consumers nothing.
      costs.set(node, node.op.cost === Number.POSITIVE_INFINITY ? 0 : Math.min(cost, 1e6));
    }
    return costs;
  }

  /** The tensors that computing the node reads from memory, given those materialized so far. */
  #leavesOf(node: Node): Set<Tensor> {
    let leaves = this.#leaves.get(node);
    if (!leaves) {
      leaves = new Set();
      for (const input of node.inputs) {
        const x = resolve(input);
        if (isFill(x)) continue;
        const inlined = x.node.op?.map && x.node.op.cost !== Number.POSITIVE_INFINITY && !this.kept.has(x.node);
        if (inlined) for (const leaf of this.#leavesOf(x.node)) leaves.add(leaf);
        else leaves.add(x);
      }
      this.#leaves.set(node, leaves);
    }
    return leaves;
  }
}
