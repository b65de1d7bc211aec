// Which map tensors are kept in memory, and which are computed where they are read. Kept are results, what a kernel reads
// itself, what would be computed again and again, and parts of what would read more buffers than a dispatch may bind.
import { internal } from '../graph/errors.ts';
import { sizeOf } from '../graph/shape.ts';
import { fillOf, type Node, type Tensor } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import type { Commit } from './commit.ts';

/** A tensor's identity: node and output. */
export function keyOf(t: Tensor): string {
  return `${t.node.id}.${t.output}`;
}

/** The tensor whose memory `t` is: views are other shapes of the same elements. */
export function resolve(t: Tensor): Tensor {
  let at = t;
  while (at.node.op?.view) at = at.node.inputs[0]!;
  return at;
}

export interface FusionLimits {
  /** Storage buffers a dispatch may bind. */
  readonly buffers: number;
  /** False keeps every tensor in memory and every op in a dispatch of its own. */
  readonly fuse: boolean;
}

/** A read of memory that evaluating a tensor at an index does. */
export interface Read {
  readonly tensor: Tensor;
  /** At the very index that is being evaluated. */
  readonly identity: boolean;
}

/** Adds' worth of repeated work that costs less than a dispatch and the memory between. */
const WORTH_A_DISPATCH = 2 ** 20;

/** For how many elements a scalar that is computed where it is read counts once: for those of a thread, or of neighbouring lanes. */
const EACH_THREAD = 8;

/** The decision for every tensor behind some outputs and assignments. */
export class Keeping {
  /** The nodes, inputs first, without views. */
  readonly order: readonly Node[];
  readonly #limits: FusionLimits;
  readonly #kept = new Set<string>();
  readonly #uses = new Map<string, { node: Node; k: number }[]>();
  readonly #roots: Set<string>;
  /** Values of variables that are computed in the very dispatch that writes them. */
  readonly #committed: Set<string>;

  constructor(outputs: readonly Tensor[], commits: readonly Commit[], limits: FusionLimits) {
    this.#limits = limits;
    const finals = [...outputs, ...commits.map(({ tensor }) => tensor)].map(resolve);
    this.#roots = new Set(outputs.map((t) => keyOf(resolve(t))));
    this.order = topologicalOrder(finals).filter((node) => !node.op?.view);
    for (const node of this.order) {
      for (const [k, t] of node.inputs.entries()) {
        const key = keyOf(resolve(t));
        this.#uses.set(key, [...(this.#uses.get(key) ?? []), { node, k }]);
      }
    }
    this.#committed = new Set(commits.map(({ tensor }) => keyOf(resolve(tensor))));
    this.#keepWide();
    this.#choose();
  }

  /** Whether `t` (resolved) is to be loaded from memory rather than computed where it is read. */
  inMemory(t: Tensor): boolean {
    const { node } = t;
    if (!node.op) return true;
    return !node.op.map || this.isKept(node);
  }

  /** The tensors that evaluating `t` at an index loads, down to memory. */
  reads(t: Tensor): Read[] {
    const found = new Map<string, Read>();
    const seen = new Set<string>();
    const visit = (at: Tensor, identity: boolean, top: boolean) => {
      const x = resolve(at);
      const key = keyOf(x);
      if (seen.has(`${key} ${identity}`)) return;
      seen.add(`${key} ${identity}`);
      if (!top && this.inMemory(x)) {
        const before = found.get(key);
        found.set(key, { tensor: x, identity: identity && (before?.identity ?? true) });
        return;
      }
      for (const input of x.node.inputs) visit(input, identity && x.node.op!.elementwise === true, false);
    };
    visit(t, true, true);
    return [...found.values()].filter((read) => !isFill(read.tensor));
  }

  /** What loading a kernel's input reads: itself where it is in memory, else what computes it. */
  readsOfInput(t: Tensor): Read[] {
    const x = resolve(t);
    if (isFill(x)) return [];
    return this.inMemory(x) ? [{ tensor: x, identity: true }] : this.reads(x);
  }

  /** Keeps parts of what would otherwise read more buffers than a dispatch may bind. */
  #keepWide(): void {
    for (const node of this.order) {
      const { op } = node;
      if (!op || op.placement) continue;
      const inlined = op.map ? node.inputs : node.inputs.filter((_, k) => op.prologue?.(node.params).includes(k));
      // Beside what is read: the outputs, and the guard's flag where the value is assigned.
      const budget = this.#limits.buffers - node.outs.length - 1;
      while (this.#leavesOf(node).size > budget) {
        const parts = inlined.map(resolve).filter((t) => t.node.op?.map && !this.isKept(t.node));
        const widest = parts.sort((a, b) => this.#leavesOf(b.node).size - this.#leavesOf(a.node).size)[0];
        if (!widest || this.#leavesOf(widest.node).size < 2) break;
        this.#kept.add(keyOf(widest));
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
      const key = `${node.id}.0`;
      const size = sizeOfNode(node);
      let needed = this.#roots.has(key) || !this.#limits.fuse || node.op.cost === Infinity;
      let count = 0;
      for (const { node: user, k } of this.#uses.get(key) ?? []) {
        if (user.op!.map)
          count += this.isKept(user) || this.#isCommitted(user) ? sizeOfNode(user) : evaluations.get(user)!;
        else if (user.op!.prologue?.(user.params).includes(k)) count += size;
        else needed = true;
      }
      // What is computed in the last dispatch is not there for an earlier one, which computes it again or has it kept.
      if (this.#isCommitted(node) && !needed && !this.isKept(node)) count += size;
      if (needed || !this.#onlyCommitted(node)) this.#committed.delete(key);
      evaluations.set(node, count);
      const cost = costs.get(node)!;
      const often = size === 1 && this.#onlyCommitted(node) ? count / EACH_THREAD : count;
      const extra = (often - size) * cost;
      const again = extra > WORTH_A_DISPATCH && (cost > 1 || count > 2 * size);
      if (this.#isCommitted(node)) continue;
      if (needed || again) this.#kept.add(key);
    }
  }

  /** Whether a map node's tensor is kept in memory. */
  isKept(node: Node): boolean {
    return this.#kept.has(`${node.id}.0`);
  }

  #isCommitted(node: Node): boolean {
    return this.#committed.has(`${node.id}.0`);
  }

  /** Whether everything that reads the node is computed in the last dispatch. */
  #onlyCommitted(node: Node): boolean {
    const known = this.#apart.get(node);
    if (known !== undefined) return known;
    const only = (this.#uses.get(`${node.id}.0`) ?? []).every(
      ({ node: user }) =>
        user.op!.map &&
        !this.isKept(user) &&
        (this.#isCommitted(user) || ((this.#uses.get(`${user.id}.0`) ?? []).length > 0 && this.#onlyCommitted(user))),
    );
    this.#apart.set(node, only);
    return only;
  }

  readonly #apart = new Map<Node, boolean>();

  /** The cost of computing each map node from memory, were everything below it inlined. */
  #fullCosts(): Map<Node, number> {
    const costs = new Map<Node, number>();
    for (const node of this.order) {
      if (!node.op?.map) continue;
      let cost = node.op.cost ?? 1;
      for (const input of node.inputs.map(resolve)) {
        // A scalar that is dear is kept, or computed once a thread.
        const each = input.size === 1 && sizeOfNode(node) > 1 ? EACH_THREAD : 1;
        cost += (costs.get(input.node) ?? 0) / each;
      }
      // What is always kept costs its readers nothing.
      costs.set(node, node.op.cost === Number.POSITIVE_INFINITY ? 0 : Math.min(cost, 1e6));
    }
    return costs;
  }

  readonly #leaves = new Map<Node, Set<string>>();

  /** The buffers that computing the node reads, with what is kept so far. */
  #leavesOf(node: Node): Set<string> {
    let leaves = this.#leaves.get(node);
    if (!leaves) {
      leaves = new Set();
      for (const input of node.inputs) {
        const x = resolve(input);
        if (isFill(x)) continue;
        const inlined = x.node.op?.map && x.node.op.cost !== Number.POSITIVE_INFINITY && !this.isKept(x.node);
        if (inlined) for (const key of this.#leavesOf(x.node)) leaves.add(key);
        else leaves.add(keyOf(x));
      }
      this.#leaves.set(node, leaves);
    }
    return leaves;
  }
}

export function sizeOfNode(node: Node): number {
  return sizeOf(node.outs[0]!.shape);
}

/** Whether a tensor is a constant filled with one value: it is written into the text, not read. */
export function isFill(t: Tensor): boolean {
  return fillOf(t) !== undefined;
}
