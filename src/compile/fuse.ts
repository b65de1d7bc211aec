// Which ops share a dispatch. Kernel ops and the map tensors that are kept in memory are gathered into groups: a kernel with
// the chains that follow it (its epilogue), or map tensors over ranges of indices. Nothing here knows an op by name.
import { type Node, Tensor } from '../graph/tensor.ts';
import type { Commit } from './commit.ts';
import { type FusionLimits, Keeping, keyOf, type Read, resolve, sizeOfNode } from './keep.ts';

/** What is computed together: a kernel op with its chains, or map tensors at one index. */
export interface Group {
  readonly id: number;
  /** The kernel op; absent in a map group. */
  readonly root?: Node;
  /** By output: tensors computed from the stored value, at its index. A map group's own members are under 0. */
  readonly chains: Map<number, Tensor[]>;
}

/** The plan of a recipe: groups in order, and what the last dispatch writes to variables. */
export class Fusion {
  /** Each after those it needs. */
  readonly groups: Group[] = [];
  readonly keeping: Keeping;
  readonly #limits: FusionLimits;
  readonly #producers = new Map<string, Group>();
  readonly #placed = new Map<string, Node>();
  /** Of the placed tensors and of their parts: which arena they lie in. */
  readonly #arenas = new Map<string, Node>();

  constructor(outputs: readonly Tensor[], commits: readonly Commit[], limits: FusionLimits) {
    this.#limits = limits;
    this.keeping = new Keeping(outputs, commits, limits);
    for (const node of this.keeping.order) this.#place(node);
    this.#sort();
  }

  // ---- groups

  #newGroup(root?: Node): Group {
    const group: Group = { id: this.groups.length, ...(root && { root }), chains: new Map() };
    this.groups.push(group);
    return group;
  }

  #place(node: Node): void {
    if (node.op?.kernel) {
      const group = this.#newGroup(node);
      for (const output of node.outs.keys()) this.#producers.set(`${node.id}.${output}`, group);
    } else if (node.op?.placement) {
      this.#placed.set(`${node.id}.0`, node);
      for (const part of [new Tensor(node), ...node.inputs]) this.#arenas.set(keyOf(resolve(part)), node);
    } else if (node.op?.map && this.keeping.isKept(node)) this.#placeMap(node);
  }

  #placeMap(node: Node): void {
    const t = new Tensor(node);
    const reads = this.keeping.reads(t);
    const size = sizeOfNode(node);
    const home = this.#limits.fuse ? this.#homeFor(reads, size) : undefined;
    if (home) {
      home.members.push(t);
      this.#producers.set(keyOf(t), home.group);
      return;
    }
    const group = this.#newGroup();
    group.chains.set(0, [t]);
    this.#producers.set(keyOf(t), group);
  }

  /** A chain or segment that already computes one of `reads` at the same index, and that can take the tensor in. */
  #homeFor(reads: readonly Read[], size: number): { group: Group; members: Tensor[] } | undefined {
    for (const { tensor, identity } of [...reads].reverse()) {
      const group = this.#producers.get(keyOf(tensor));
      if (!identity || !group || tensor.size !== size) continue;
      if (group.root && !group.root.op!.epilogue) continue;
      const members = this.#membersWith(group, tensor);
      if (!members) continue;
      const inside = new Set(members.map(keyOf));
      if (group.root) inside.add(`${group.root.id}.${this.#chainOf(group, tensor)}`);
      const outside = reads.filter((read) => !inside.has(keyOf(read.tensor)));
      if (reads.some((read) => inside.has(keyOf(read.tensor)) && !read.identity)) continue;
      if (outside.some((read) => this.#dependsOn(read.tensor, group))) continue;
      if (this.#bindings(group) + outside.length + 1 > this.#limits.buffers) continue;
      return { group, members };
    }
    return undefined;
  }

  #chainOf(group: Group, t: Tensor): number {
    if (t.node === group.root) return t.output;
    for (const [output, members] of group.chains) if (members.some((m) => keyOf(m) === keyOf(t))) return output;
    return -1;
  }

  #membersWith(group: Group, t: Tensor): Tensor[] | undefined {
    const output = this.#chainOf(group, t);
    if (output < 0) return undefined;
    const members = group.chains.get(output) ?? [];
    group.chains.set(output, members);
    return members;
  }

  /** Storage buffers the group binds at most. */
  #bindings(group: Group): number {
    const keys = new Set<string>();
    if (group.root) {
      for (const t of group.root.inputs) for (const read of this.keeping.readsOfInput(t)) keys.add(keyOf(read.tensor));
      for (const output of group.root.outs.keys()) keys.add(`${group.root.id}.${output}`);
    }
    for (const members of group.chains.values()) {
      for (const m of members) {
        keys.add(keyOf(m));
        for (const read of this.keeping.reads(m)) keys.add(keyOf(read.tensor));
      }
    }
    return keys.size;
  }

  /** Tensors of other groups that the group needs before it starts. */
  needs(group: Group): Tensor[] {
    const own = new Set<string>();
    const found = new Map<string, Tensor>();
    const add = (reads: readonly Read[]) => {
      for (const { tensor } of reads) if (!own.has(keyOf(tensor))) found.set(keyOf(tensor), tensor);
    };
    if (group.root) {
      for (const t of group.root.inputs) add(this.keeping.readsOfInput(t));
      for (const output of group.root.outs.keys()) own.add(`${group.root.id}.${output}`);
    }
    for (const members of group.chains.values()) {
      for (const m of members) {
        add(this.keeping.reads(m));
        own.add(keyOf(m));
      }
    }
    return [...found.values()];
  }

  /** The tensors that a group may store. */
  productsOf(group: Group): Tensor[] {
    const roots = group.root?.outs.map((_, output) => new Tensor(group.root!, output)) ?? [];
    return [...roots, ...[...group.chains.values()].flat()];
  }

  /** The groups that must be done before this one. */
  groupsBefore(group: Group): Group[] {
    return this.needs(group).flatMap((t) => this.groupsBehind(t));
  }

  /** The groups that computing `t` waits for directly. */
  groupsBehind(t: Tensor): Group[] {
    const x = resolve(t);
    const placed = this.#placed.get(keyOf(x));
    if (placed) return placed.inputs.flatMap((input) => this.groupsBehind(input));
    const group = this.#producers.get(keyOf(x));
    return group ? [group] : [];
  }

  #dependsOn(t: Tensor, target: Group): boolean {
    const seen = new Set<Group>();
    const stack = this.groupsBehind(t);
    while (stack.length > 0) {
      const group = stack.pop()!;
      if (group === target) return true;
      if (seen.has(group)) continue;
      seen.add(group);
      stack.push(...this.groupsBefore(group));
    }
    return false;
  }

  /** The tensors that make up the arenas whose keys are in `wanted`. */
  parts(wanted: ReadonlySet<string>): Tensor[] {
    return [...this.#placed].flatMap(([key, node]) => (wanted.has(key) ? node.inputs : []));
  }

  /** What an arena is made of, and where in it each part starts; `undefined` for other tensors. */
  partsOf(t: Tensor): { part: Tensor; offset: number }[] | undefined {
    const node = this.#placed.get(keyOf(resolve(t)));
    if (!node) return undefined;
    const offsets = node.op!.placement!(node.params);
    return node.inputs.map((part, k) => ({ part, offset: offsets[k]! }));
  }

  /** The node whose one memory a tensor is, or is a part of: see `placement`. */
  arenaOf(t: Tensor): Node | undefined {
    return this.#arenas.get(keyOf(resolve(t)));
  }

  /** Groups so that each comes after those it needs; as early as the graph named them. */
  #sort(): void {
    const done = new Set<Group>();
    const sorted: Group[] = [];
    const visit = (group: Group) => {
      if (done.has(group)) return;
      done.add(group);
      for (const before of this.groupsBefore(group)) visit(before);
      sorted.push(group);
    };
    for (const group of this.groups) visit(group);
    this.groups.splice(0, this.groups.length, ...sorted);
  }
}
