// What a dispatch has to do, as a roofline counts it: the arithmetic of the ops in it, and the bytes of the tensors that it reads
// from outside and of those that it writes, each once, however often a kernel loads them.
import { isFill } from '../compile/passes/materialize.ts';
import type { Contents } from '../compile/plan.ts';
import { flopsOf } from '../compile/work.ts';
import { ARRAYS } from '../graph/dtype.ts';
import { resolve } from '../graph/rewrite.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { DispatchWork } from './explanation.ts';

/** The work of a dispatch from what it is made of. */
export function workOfDispatch(contents: readonly Contents[]): DispatchWork {
  const count = new Count();
  for (const part of contents) for (const t of productsOf(part)) count.make(t);
  for (const part of contents) count.add(part);
  return count.work();
}

/** What a kernel stores, or might. */
function productsOf({ group, outputs = [0] }: Contents): Tensor[] {
  if (!group) return [];
  return outputs.flatMap((k) => [...(group.root ? [group.root.outputs[k]!] : []), ...(group.chains.get(k) ?? [])]);
}

/** A tensor, how many of its elements, and the graph that decides where it lies. */
interface Share {
  readonly n: number;
  readonly graph: Contents['graph'];
}

/** Adds up what the parts of a dispatch compute, read and write. */
class Count {
  /** What the dispatch makes itself. */
  readonly #made = new Set<Tensor>();
  /** What is computed where it is used, what is read from memory, what the guard tests. */
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
        // Each part of an arena tests a range of its own.
        const x = resolve(tensor);
        this.#watched.set(x, { n: (this.#watched.get(x)?.n ?? 0) + t.size, graph });
      }
    }
    for (const { size } of scratch) this.#bytes += 4 * size;
  }

  /** At most `n` elements of `t` are used: from memory, or computed. */
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

  /** `n` elements go to memory, or come from there. */
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

/** Makes the share of `t` at least `n`, and tells whether it was less. */
function raise(shares: Map<Tensor, Share>, t: Tensor, n: number, graph: Contents['graph']): boolean {
  if ((shares.get(t)?.n ?? 0) >= n) return false;
  shares.set(t, { n, graph });
  return true;
}
