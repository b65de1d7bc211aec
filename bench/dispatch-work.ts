// What a dispatch has to do, as a roofline counts it: the arithmetic of the ops in it, and the bytes of the tensors that it reads
// from outside and of those that it writes, each once, however often a kernel loads them.
import type { Group } from '../src/compile/fuse.ts';
import { isFill, keyOf, resolve } from '../src/compile/keep.ts';
import type { Contents, LowerContext } from '../src/compile/lower.ts';
import { watchesOf } from '../src/compile/watch.ts';
import { flopsOf } from '../src/compile/work.ts';
import type { Pass } from '../src/graph/op.ts';
import { Tensor } from '../src/graph/tensor.ts';
import type { Work } from './cases.ts';

/** The work of a dispatch from what it is made of. */
export function workOfDispatch({ context, groups = [], pass, checked = [], commits = [] }: Contents): Work {
  const count = new Count(context);
  for (const group of groups) for (const t of context.fusion.productsOf(group)) count.make(t);
  for (const group of groups) count.group(group, pass);
  for (const t of checked) count.use(t, t.size);
  for (const { variable, tensor } of commits) {
    count.use(tensor, tensor.size);
    count.move(variable, tensor.size);
  }
  return count.work();
}

/** A tensor, and how many of its elements. */
interface Share {
  readonly t: Tensor;
  readonly n: number;
}

/** Adds up what the parts of a dispatch compute, read and write. */
class Count {
  readonly #context: LowerContext;
  /** Keys of what the dispatch makes itself. */
  readonly #made = new Set<string>();
  /** By key: what is computed where it is used, what is read from memory, what the guard looks at. */
  readonly #computed = new Map<string, Share>();
  readonly #read = new Map<string, Share>();
  readonly #watched = new Map<string, Share>();
  #flops = 0;
  #bytes = 0;

  constructor(context: LowerContext) {
    this.#context = context;
  }

  make(t: Tensor): void {
    this.#made.add(keyOf(resolve(t)));
  }

  group(group: Group, pass: Pass | undefined): void {
    const { wanted, kernels, watches } = this.#context;
    const { root, chains } = group;
    const { passes = [], scratch = [] } = kernels.get(group) ?? {};
    if (root && (!pass || pass === passes[0])) this.#flops += flopsOf(root);
    for (const [k, t] of (root?.inputs ?? []).entries()) if (!pass || pass.inputs.includes(k)) this.use(t, t.size);
    for (const output of (root?.outs ?? ['of a map group']).keys()) {
      if (pass && !pass.outs.includes(output)) continue;
      const members = chains.get(output) ?? [];
      for (const t of members) this.#compute(t, t.size);
      for (const t of root ? [new Tensor(root, output), ...members] : members) {
        if (wanted.has(keyOf(t))) this.move(t, t.size);
        for (const { tensor, part } of watchesOf(watches, group, t)) {
          if (part) this.make(part.arena);
          // Each part of an arena looks at a range of its own.
          const before = this.#watched.get(keyOf(tensor))?.n ?? 0;
          this.#watched.set(keyOf(tensor), { t: tensor, n: before + t.size });
        }
      }
    }
    for (const { name, size } of scratch)
      for (const names of [pass?.reads, pass?.writes]) if (names?.includes(name)) this.#bytes += 4 * size;
  }

  /** At most `n` elements of `t` are used: from memory, or computed. */
  use(t: Tensor, n: number): void {
    const x = resolve(t);
    if (isFill(x) || this.#made.has(keyOf(x))) return;
    const most = Math.min(x.size, n);
    if (!this.#context.fusion.keeping.inMemory(x)) this.#compute(x, most);
    else raise(this.#read, x, most);
  }

  #compute(t: Tensor, n: number): void {
    if (raise(this.#computed, t, n)) for (const input of t.node.inputs) this.use(input, n);
  }

  /** `n` elements go to memory, or come from there. */
  move({ dtype }: Tensor, n: number): void {
    this.#bytes += dtype === 'u8' ? n : 4 * n;
  }

  work(): Work {
    for (const { t, n } of this.#watched.values()) this.use(t, n);
    for (const { t, n } of this.#read.values()) this.move(t, n);
    for (const { t, n } of this.#computed.values()) this.#flops += (flopsOf(t.node) * n) / t.size;
    return { flops: this.#flops, bytes: this.#bytes };
  }
}

/** Makes the share of `t` at least `n`, and says whether it was less. */
function raise(shares: Map<string, Share>, t: Tensor, n: number): boolean {
  if ((shares.get(keyOf(t))?.n ?? 0) >= n) return false;
  shares.set(keyOf(t), { t, n });
  return true;
}
