// Group: which ops are computed together (vertical fusion). A group is a kernel op with the chains that follow its outputs (its
// epilogue) and those its loads compute (its prologue), or map tensors at one index. Nothing here knows an op by name.
import { resolve } from '../../graph/rewrite.ts';
import type { Node, Tensor } from '../../graph/tensor.ts';
import type { Materialized, Read } from './materialize.ts';

/** Ops computed together. */
export interface Group {
  readonly id: number;
  /** The kernel op; undefined in a map group. */
  readonly root: Node | undefined;
  /** By output: tensors computed from the stored value, at its index. A map group's members are under 0. */
  readonly chains: ReadonlyMap<number, readonly Tensor[]>;
  /** Tensors of other groups that it reads from memory. */
  readonly reads: ReadonlySet<Tensor>;
  /** The groups it depends on. */
  readonly before: ReadonlySet<Group>;
}

/** The groups of a recipe, each after its dependencies. */
export interface Grouped {
  readonly graph: Materialized;
  readonly groups: readonly Group[];
  /** Tensors that something reads from memory. */
  readonly stored: ReadonlySet<Tensor>;
  readonly arenas: Arenas;
  /** The direct dependencies of computing `t`. */
  behind(t: Tensor): readonly Group[];
}

/** Flat buffers of several tensors; see `placement`. */
export interface Arenas {
  /** The arena whose memory a tensor is, or is a part of. */
  of(t: Tensor): Tensor | undefined;
  /** The parts of an arena and their offsets; undefined for other tensors. */
  parts(t: Tensor): readonly { readonly part: Tensor; readonly offset: number }[] | undefined;
}

/** The tensors that a group may store. */
export function productsOf({ root, chains }: Group): Tensor[] {
  return [...(root?.outputs ?? []), ...[...chains.values()].flat()];
}

/** `buffers`: storage buffers that a dispatch may bind; `scratch`: how many of them a kernel op's kernel takes for scratch. */
export function group(
  graph: Materialized,
  buffers: number,
  fuse: boolean,
  scratch: (root: Node) => number = () => 0,
): Grouped {
  const drafts = new Drafts(graph, buffers, fuse, scratch);
  const groups = inOrder(drafts.all, ({ before }) => before);
  for (const [id, draft] of groups.entries()) draft.id = id;
  const { arenas } = drafts;
  return { graph, groups, stored: storedOf(graph, groups, arenas), arenas, behind: (t) => drafts.behind(t) };
}

/** Items sorted so that each follows its dependencies, otherwise in their order. */
export function inOrder<T>(items: readonly T[], before: (item: T) => Iterable<T>): T[] {
  const entered = new Set<T>();
  const sorted: T[] = [];
  for (const item of items) {
    if (entered.has(item)) continue;
    entered.add(item);
    const stack = [{ item, rest: before(item)[Symbol.iterator]() }];
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const { done, value } = top.rest.next();
      if (done) {
        sorted.push(top.item);
        stack.pop();
      } else if (!entered.has(value)) {
        entered.add(value);
        stack.push({ item: value, rest: before(value)[Symbol.iterator]() });
      }
    }
  }
  return sorted;
}

function storedOf(graph: Materialized, groups: readonly Group[], arenas: Arenas): Set<Tensor> {
  const { outputs, commits, guard, split } = graph.recipe;
  const used = [...commits.flat().map(({ tensor }) => tensor), ...(guard ? [guard.step, ...guard.checked] : [])];
  const stored = new Set([
    ...[...outputs.map(([, t]) => t), ...split].map(resolve),
    ...used.flatMap((t) => graph.readsOfInput(t).map(({ tensor }) => tensor)),
    ...groups.flatMap(({ reads }) => [...reads]),
  ]);
  // Parts of stored arenas are stored.
  for (const t of stored) for (const { part } of arenas.parts(t) ?? []) stored.add(resolve(part));
  return stored;
}

/** A group that ops may still join. */
interface Draft extends Group {
  id: number;
  readonly chains: Map<number, Tensor[]>;
  readonly products: Set<Tensor>;
  readonly reads: Set<Tensor>;
  readonly before: Set<Draft>;
  readonly after: Set<Draft>;
  /** Greater than the depth of every earlier draft. */
  depth: number;
}

/** Puts nodes into groups, in the order of the graph. */
class Drafts {
  readonly all: Draft[] = [];
  readonly #graph: Materialized;
  readonly #buffers: number;
  readonly #fuse: boolean;
  readonly #scratch: (root: Node) => number;
  readonly #scratchOf = new Map<Node, number>();
  readonly #producers = new Map<Tensor, Draft>();
  readonly #arenas = new Map<Tensor, Tensor>();

  constructor(graph: Materialized, buffers: number, fuse: boolean, scratch: (root: Node) => number) {
    this.#graph = graph;
    this.#scratch = scratch;
    this.#buffers = buffers;
    this.#fuse = fuse;
    for (const node of graph.order) {
      const { op } = node;
      if (op?.placement)
        for (const part of [node.outputs[0]!, ...node.inputs]) this.#arenas.set(resolve(part), node.outputs[0]!);
      else if (op?.map) {
        if (graph.isKept(node)) this.#placeMap(node.outputs[0]!);
      } else if (op) this.#open(node);
    }
  }

  readonly arenas: Arenas = {
    of: (t) => this.#arenas.get(resolve(t)),
    parts: (t) => {
      const { op, inputs, params } = resolve(t).node;
      const offsets = op?.placement?.(params);
      return offsets && inputs.map((part, k) => ({ part, offset: offsets[k]! }));
    },
  };

  behind(t: Tensor): Draft[] {
    const x = resolve(t);
    if (x.node.op?.placement) return x.node.inputs.flatMap((part) => this.behind(part));
    const draft = this.#producers.get(x);
    return draft ? [draft] : [];
  }

  #open(root?: Node): Draft {
    const sets = {
      products: new Set<Tensor>(),
      reads: new Set<Tensor>(),
      before: new Set<Draft>(),
      after: new Set<Draft>(),
    };
    const draft: Draft = { id: this.all.length, root, chains: new Map(), ...sets, depth: 0 };
    this.all.push(draft);
    for (const t of root?.outputs ?? []) this.#produce(draft, t);
    for (const t of root?.inputs ?? [])
      this.#read(draft, root!.op!.opaque ? [{ tensor: resolve(t) }] : this.#graph.readsOfInput(t));
    return draft;
  }

  #produce(draft: Draft, t: Tensor): void {
    draft.products.add(t);
    this.#producers.set(t, draft);
  }

  #read(draft: Draft, reads: readonly Pick<Read, 'tensor'>[]): void {
    for (const { tensor: t } of reads) {
      if (draft.products.has(t)) continue;
      draft.reads.add(t);
      for (const before of this.behind(t)) {
        draft.before.add(before);
        before.after.add(draft);
        deepen(draft, before.depth + 1);
      }
    }
  }

  #placeMap(t: Tensor): void {
    const reads = this.#graph.reads(t);
    const home = this.#fuse ? this.#homeFor(reads, t.size) : undefined;
    const { draft, chain } = home ?? { draft: this.#open(), chain: 0 };
    draft.chains.set(chain, [...(draft.chains.get(chain) ?? []), t]);
    this.#read(draft, reads);
    this.#produce(draft, t);
  }

  /** A chain that already computes one of `reads` at the same index and can take a tensor of this size. */
  #homeFor(reads: readonly Read[], size: number): { draft: Draft; chain: number } | undefined {
    for (const { tensor, identity } of [...reads].reverse()) {
      const draft = this.#producers.get(tensor);
      if (!identity || !draft || tensor.size !== size || (draft.root && !draft.root.op!.epilogue)) continue;
      const chain = chainOf(draft, tensor);
      const inside = new Set(draft.chains.get(chain));
      if (draft.root) inside.add(draft.root.outputs[chain]!);
      if (reads.some((read) => inside.has(read.tensor) && !read.identity)) continue;
      const outside = reads.filter((read) => !inside.has(read.tensor));
      const scratch = draft.root ? this.#scratchCount(draft.root) : 0;
      if (draft.products.size + draft.reads.size + outside.length + scratch + 1 > this.#buffers) continue;
      if (!outside.some((read) => this.#dependsOn(read.tensor, draft))) return { draft, chain };
    }
    return undefined;
  }

  #scratchCount(root: Node): number {
    const count = this.#scratchOf.get(root) ?? this.#scratch(root);
    this.#scratchOf.set(root, count);
    return count;
  }

  #dependsOn(t: Tensor, target: Draft): boolean {
    const seen = new Set<Draft>();
    const stack = this.behind(t);
    while (stack.length > 0) {
      const draft = stack.pop()!;
      if (draft === target) return true;
      if (draft.depth <= target.depth || seen.has(draft)) continue;
      seen.add(draft);
      stack.push(...draft.before);
    }
    return false;
  }
}

function chainOf(draft: Draft, t: Tensor): number {
  if (draft.root && t.node === draft.root) return t.output;
  for (const [output, members] of draft.chains) if (members.includes(t)) return output;
  return 0;
}

/** Makes a draft depend on another at `depth - 1`, and updates all its dependents. */
function deepen(draft: Draft, depth: number): void {
  const stack = [{ draft, depth }];
  while (stack.length > 0) {
    const next = stack.pop()!;
    if (next.depth <= next.draft.depth) continue;
    next.draft.depth = next.depth;
    for (const after of next.draft.after) stack.push({ draft: after, depth: next.depth + 1 });
  }
}
