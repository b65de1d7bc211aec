// The work of a dispatch, as a roofline counts it: the arithmetic of its ops, and the bytes of the tensors that it reads from outside
// and of those that it writes, each once, however often a kernel loads them.
import { isFill } from '../compile/passes/materialize.ts';
import type { Contents } from '../compile/plan.ts';
import { flopsOf } from '../compile/work.ts';
import { ARRAYS } from '../graph/dtype.ts';
import { resolve } from '../graph/rewrite.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { DispatchWork } from './explanation.ts';

/** The work of a dispatch, from its contents. */
export function workOfDispatch(contents: readonly Contents[]): DispatchWork {
  const count = new Count();
  for (const part of contents) for (const t of productsOf(part)) count.make(t);
  for (const part of contents) count.add(part);
  return count.work();
}

/** The tensors that a kernel may store. */
function productsOf({ group, outputs = [0] }: Contents): Tensor[] {
  if (!group) return [];
  return outputs.flatMap((k) => [...(group.root ? [group.root.outputs[k]!] : []), ...(group.chains.get(k) ?? [])]);
}

/** How many elements of a tensor are used, and the graph that decides whether it is in memory. */
interface Share {
  readonly n: number;
  readonly graph: Contents['graph'];
}

/** Sums what the parts of a dispatch compute, read and write. */
class Count {
  /** Tensors computed by the dispatch itself. */
  readonly #made = new Set<Tensor>();
  /** Tensors computed where they are used, tensors read from memory, and tensors tested by the guard. */
  readonly #computed = new Map<Tensor, Share>();
  readonly #read = new Map<Tensor, Share>();
  readonly #watched = new Map<Tensor, Share>();
  #flops = 0;
  #bytes = 0;

  make(t: Tensor): void {
    this.#made.add(resolve(t));
  }

  add(part: Contents): void {
    const { graph, group, checked = [], commits = [] } = part;
    if (group) this.#group(part);
    for (const t of checked) this.#use(t, t.size, graph);
    for (const { variable, tensor } of commits) {
      this.#use(tensor, tensor.size, graph);
      this.#move(variable, tensor.size);
    }
  }

  #group(part: Contents): void {
    const { graph, group, stored, inputs = [], scratch = [], first, watches = [] } = part;
    const { root } = group!;
    if (root && first) this.#flops += flopsOf(root);
    for (const k of inputs) this.#use(root!.inputs[k]!, root!.inputs[k]!.size, graph);
    for (const t of productsOf(part)) {
      if (t.node !== root) this.#compute(t, t.size, graph);
      if (stored.has(t)) this.#move(t, t.size);
      for (const { tensor, part: at } of watches.filter(({ host }) => host === t)) {
        if (at) this.make(at.arena);
        // Each part of an arena tests its own range.
        const x = resolve(tensor);
        this.#watched.set(x, { n: (this.#watched.get(x)?.n ?? 0) + t.size, graph });
      }
    }
    for (const { size } of scratch) this.#bytes += 4 * size;
  }

  /** Counts a use of at most `n` elements of `t`, from memory or computed. */
  #use(t: Tensor, n: number, graph: Contents['graph']): void {
    const x = resolve(t);
    if (isFill(x) || this.#made.has(x)) return;
    const most = Math.min(x.size, n);
    if (graph.inMemory(x)) raise(this.#read, x, most, graph);
    else this.#compute(x, most, graph);
  }

  #compute(t: Tensor, n: number, graph: Contents['graph']): void {
    if (raise(this.#computed, t, n, graph)) for (const input of t.node.inputs) this.#use(input, n, graph);
  }

  /** Counts `n` elements written to memory or read from it. */
  #move({ dtype }: Tensor, n: number): void {
    this.#bytes += ARRAYS[dtype].BYTES_PER_ELEMENT * n;
  }

  work(): DispatchWork {
    for (const [t, { n, graph }] of this.#watched) this.#use(t, n, graph);
    for (const [t, { n }] of this.#read) this.#move(t, n);
    for (const [t, { n }] of this.#computed) this.#flops += (flopsOf(t.node) * n) / t.size;
    return { flops: this.#flops, bytes: this.#bytes };
  }
}

/** Raises the share of `t` to at least `n`; returns whether it was less. */
function raise(shares: Map<Tensor, Share>, t: Tensor, n: number, graph: Contents['graph']): boolean {
  if ((shares.get(t)?.n ?? 0) >= n) return false;
  shares.set(t, { n, graph });
  return true;
}
