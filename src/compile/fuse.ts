// Which ops share a dispatch. A *map* tensor is either computed where it is read (inlined) or kept in memory; those kept in
// memory, and the kernel ops, are gathered into groups: a kernel with the chains that follow it (its epilogue), or a set
// of map tensors over one range of indices. Nothing here knows an op by name.
import { internal } from '../graph/errors.ts';
import { fillOf, type Node, Tensor, type Variable } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';

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

/** Map tensors evaluated at one index, in order, and stored. */
export interface Segment {
  readonly size: number;
  readonly members: Tensor[];
}

/** One dispatch to be (a kernel op's passes, or one map kernel over its segments). */
export interface Group {
  readonly id: number;
  /** The kernel op; absent in a map group. */
  readonly root?: Node;
  /** A kernel's epilogues, by output: tensors computed from the stored value, at its index. */
  readonly chains: Map<number, Tensor[]>;
  /** A map group's ranges. */
  readonly segments: Segment[];
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

/** A variable and the tensor it takes; `guarded` ones only while all is finite. */
export interface Commit {
  readonly variable: Variable;
  readonly tensor: Tensor;
  readonly guarded: boolean;
}

/** The plan of a recipe: groups in order, and what the last dispatch writes to variables. */
export class Fusion {
  readonly groups: Group[] = [];
  /** Map tensors that are kept in memory, by key. */
  readonly kept = new Set<string>();
  readonly #limits: FusionLimits;
  readonly #order: Node[];
  readonly #uses = new Map<string, { node: Node; k: number }[]>();
  readonly #roots: Set<string>;
  /** Values of variables that are computed in the very dispatch that writes them. */
  readonly #committed: Set<string>;
  readonly #producers = new Map<string, Group>();
  readonly #placed = new Map<string, Node>();

  constructor(outputs: readonly Tensor[], commits: readonly Commit[], limits: FusionLimits) {
    this.#limits = limits;
    const finals = [...outputs, ...commits.map(({ tensor }) => tensor)].map(resolve);
    this.#roots = new Set(outputs.map((t) => keyOf(resolve(t))));
    this.#order = topologicalOrder(finals).filter((node) => !node.op?.view);
    for (const node of this.#order) {
      for (const [k, t] of node.inputs.entries()) {
        const key = keyOf(resolve(t));
        this.#uses.set(key, [...(this.#uses.get(key) ?? []), { node, k }]);
      }
    }
    this.#committed = new Set(commits.map(({ tensor }) => keyOf(resolve(tensor))));
    this.#keepWide();
    for (const component of componentsOf(commits)) this.#keepTooMany(component);
    this.#chooseKept();
    for (const node of this.#order) this.#place(node);
    this.#mergeAcross();
  }

  /** Whether `t` (resolved) is to be loaded from memory rather than computed where it is read. */
  inMemory(t: Tensor): boolean {
    const { node } = t;
    if (!node.op) return true;
    return !node.op.map || this.kept.has(keyOf(t));
  }

  /** The tensors that evaluating `t` at an index loads, down to memory. */
  reads(t: Tensor, known: ReadonlySet<string> = new Set()): Read[] {
    const found = new Map<string, Read>();
    const seen = new Set<string>();
    const visit = (at: Tensor, identity: boolean, top: boolean) => {
      const x = resolve(at);
      const key = keyOf(x);
      if (seen.has(`${key} ${identity}`)) return;
      seen.add(`${key} ${identity}`);
      if (!top && (known.has(key) || this.inMemory(x))) {
        const before = found.get(key);
        found.set(key, { tensor: x, identity: identity && (before?.identity ?? true) });
        return;
      }
      for (const input of x.node.inputs) visit(input, identity && x.node.op!.elementwise === true, false);
    };
    visit(t, true, true);
    return [...found.values()].filter((read) => !isFill(read.tensor));
  }

  // ---- which map tensors are kept in memory

  /** Keeps parts of what would otherwise read more buffers than a dispatch may bind. */
  #keepWide(): void {
    for (const node of this.#order) {
      const { op } = node;
      if (!op || op.placement) continue;
      const inlined = op.map ? node.inputs : node.inputs.filter((_, k) => op.prologue?.(node.params).includes(k));
      // Beside what is read: the outputs, and the guard's flag where the value is assigned.
      const budget = this.#limits.buffers - node.outs.length - 1;
      while (this.#leavesOf(node).size > budget) {
        const parts = inlined.map(resolve).filter((t) => t.node.op?.map && !this.#isKept(t.node));
        const widest = parts.sort((a, b) => this.#leavesOf(b.node).size - this.#leavesOf(a.node).size)[0];
        if (!widest || this.#leavesOf(widest.node).size < 2) break;
        this.kept.add(keyOf(widest));
        this.#leaves.delete(node);
      }
    }
  }

  /** Values that must be assigned in one dispatch, but read too much for it, are computed before, each on its own. */
  #keepTooMany(component: readonly Commit[]): void {
    const values = component.map(({ tensor }) => resolve(tensor));
    const bound = new Set(component.map(({ variable }) => `${variable.node.id}.0`));
    for (const t of values) for (const key of t.node.op?.map ? this.#leavesOf(t.node) : [keyOf(t)]) bound.add(key);
    if (bound.size + 1 <= this.#limits.buffers) return;
    for (const t of values) this.#committed.delete(keyOf(t));
    for (const t of values) this.#roots.add(keyOf(t));
  }

  #chooseKept(): void {
    const costs = this.#fullCosts();
    const evaluations = new Map<Node, number>();
    for (const node of [...this.#order].reverse()) {
      if (!node.op?.map) continue;
      if (node.outs.length !== 1) throw internal(`${node.name}: a map op has one output`);
      const key = `${node.id}.0`;
      const size = sizeOfNode(node);
      let needed = this.#roots.has(key) || !this.#limits.fuse || node.op.cost === Infinity;
      let count = 0;
      for (const { node: user, k } of this.#uses.get(key) ?? []) {
        if (user.op!.map)
          count += this.#isKept(user) || this.#isCommitted(user) ? sizeOfNode(user) : evaluations.get(user)!;
        else if (user.op!.prologue?.(user.params).includes(k)) count += size;
        else needed = true;
      }
      if (this.#isCommitted(node) && !needed && !this.#isKept(node)) {
        needed = !this.#onlyCommitted(node);
        if (!needed) count += size;
        else this.#committed.delete(key);
      } else if (needed) this.#committed.delete(key);
      evaluations.set(node, count);
      const cost = costs.get(node)!;
      const again = count > size && cost > 0 && (cost > 1 || count > 2 * size);
      if (this.#isCommitted(node)) continue;
      if (needed || again) this.kept.add(key);
    }
  }

  #isKept(node: Node): boolean {
    return this.kept.has(`${node.id}.0`);
  }

  #isCommitted(node: Node): boolean {
    return this.#committed.has(`${node.id}.0`);
  }

  /** Whether everything that reads the node is computed in the last dispatch. */
  #onlyCommitted(node: Node): boolean {
    return (this.#uses.get(`${node.id}.0`) ?? []).every(
      ({ node: user }) =>
        user.op!.map &&
        !this.#isKept(user) &&
        (this.#isCommitted(user) || ((this.#uses.get(`${user.id}.0`) ?? []).length > 0 && this.#onlyCommitted(user))),
    );
  }

  /** The cost of computing each map node from memory, were everything below it inlined. */
  #fullCosts(): Map<Node, number> {
    const costs = new Map<Node, number>();
    for (const node of this.#order) {
      if (!node.op?.map) continue;
      let cost = node.op.cost ?? 1;
      for (const input of node.inputs) cost += costs.get(resolve(input).node) ?? 0;
      costs.set(node, Math.min(cost, 1e6));
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
        const inlined = x.node.op?.map && x.node.op.cost !== Number.POSITIVE_INFINITY && !this.#isKept(x.node);
        if (inlined) for (const key of this.#leavesOf(x.node)) leaves.add(key);
        else leaves.add(keyOf(x));
      }
      this.#leaves.set(node, leaves);
    }
    return leaves;
  }

  // ---- groups

  #newGroup(root?: Node): Group {
    const group: Group = { id: this.groups.length, ...(root && { root }), chains: new Map(), segments: [] };
    this.groups.push(group);
    return group;
  }

  #place(node: Node): void {
    if (node.op?.kernel) {
      const group = this.#newGroup(node);
      for (const output of node.outs.keys()) this.#producers.set(`${node.id}.${output}`, group);
    } else if (node.op?.placement) {
      this.#placed.set(`${node.id}.0`, node);
    } else if (node.op?.map && this.#isKept(node)) this.#placeMap(node);
  }

  #placeMap(node: Node): void {
    const t = new Tensor(node);
    const reads = this.reads(t);
    const size = sizeOfNode(node);
    const home = this.#limits.fuse ? this.#homeFor(reads, size) : undefined;
    if (home) {
      home.members.push(t);
      this.#producers.set(keyOf(t), home.group);
      return;
    }
    const group = this.#newGroup();
    group.segments.push({ size, members: [t] });
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
    if (!group.root) return group.segments.find((s) => s.members.some((m) => keyOf(m) === keyOf(t)))?.members;
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
      for (const t of group.root.inputs) for (const read of this.readsOfInput(t)) keys.add(keyOf(read.tensor));
      for (const output of group.root.outs.keys()) keys.add(`${group.root.id}.${output}`);
    }
    for (const members of [...group.chains.values(), ...group.segments.map((s) => s.members)]) {
      for (const m of members) {
        keys.add(keyOf(m));
        for (const read of this.reads(m)) keys.add(keyOf(read.tensor));
      }
    }
    return keys.size;
  }

  /** What loading a kernel's input reads: itself where it is in memory, else what computes it. */
  readsOfInput(t: Tensor): Read[] {
    const x = resolve(t);
    if (isFill(x)) return [];
    return this.inMemory(x) ? [{ tensor: x, identity: true }] : this.reads(x);
  }

  /** Tensors of other groups that the group needs before it starts. */
  needs(group: Group): Tensor[] {
    const own = new Set<string>();
    const found = new Map<string, Tensor>();
    const add = (reads: readonly Read[]) => {
      for (const { tensor } of reads) if (!own.has(keyOf(tensor))) found.set(keyOf(tensor), tensor);
    };
    if (group.root) {
      for (const t of group.root.inputs) add(this.readsOfInput(t));
      for (const output of group.root.outs.keys()) own.add(`${group.root.id}.${output}`);
    }
    for (const members of [...group.chains.values(), ...group.segments.map((s) => s.members)]) {
      for (const m of members) {
        add(this.reads(m));
        own.add(keyOf(m));
      }
    }
    return [...found.values()];
  }

  /** The groups that computing `t` waits for directly. */
  #groupsBehind(t: Tensor): Group[] {
    const x = resolve(t);
    const placed = this.#placed.get(keyOf(x));
    if (placed) return placed.inputs.flatMap((input) => this.#groupsBehind(input));
    const group = this.#producers.get(keyOf(x));
    return group ? [group] : [];
  }

  #dependsOn(t: Tensor, target: Group): boolean {
    const seen = new Set<Group>();
    const stack = this.#groupsBehind(t);
    while (stack.length > 0) {
      const group = stack.pop()!;
      if (group === target) return true;
      if (seen.has(group)) continue;
      seen.add(group);
      for (const need of this.needs(group)) stack.push(...this.#groupsBehind(need));
    }
    return false;
  }

  /** The tensors that make up the arenas whose keys are in `wanted`. */
  parts(wanted: ReadonlySet<string>): Tensor[] {
    return [...this.#placed].flatMap(([key, node]) => (wanted.has(key) ? node.inputs : []));
  }

  // ---- order, and independent map groups side by side in one dispatch

  #mergeAcross(): void {
    const sorted = this.#sorted();
    const merged: Group[] = [];
    for (const group of sorted) {
      const after = Math.max(
        -1,
        ...this.needs(group)
          .flatMap((t) => this.#groupsBehind(t))
          .map((g) => merged.indexOf(g)),
      );
      const host =
        this.#limits.fuse && !group.root
          ? merged.slice(after + 1).find((g) => !g.root && this.#fitTogether(g, group))
          : undefined;
      if (!host) {
        merged.push(group);
        continue;
      }
      host.segments.push(...group.segments);
      for (const segment of group.segments) for (const m of segment.members) this.#producers.set(keyOf(m), host);
    }
    this.groups.length = 0;
    this.groups.push(...merged);
  }

  #fitTogether(a: Group, b: Group): boolean {
    const keys = new Set<string>();
    for (const group of [a, b]) {
      for (const t of this.needs(group)) keys.add(keyOf(t));
      for (const segment of group.segments) for (const m of segment.members) keys.add(keyOf(m));
    }
    return keys.size <= this.#limits.buffers;
  }

  /** Groups so that each comes after those it needs; as early as the graph named them. */
  #sorted(): Group[] {
    const done = new Set<Group>();
    const sorted: Group[] = [];
    const visit = (group: Group) => {
      if (done.has(group)) return;
      done.add(group);
      for (const t of this.needs(group)) for (const before of this.#groupsBehind(t)) visit(before);
      sorted.push(group);
    };
    for (const group of this.groups) visit(group);
    return sorted;
  }
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

function sizeOfNode(node: Node): number {
  return node.outs[0]!.shape.reduce((size, n) => size * n, 1);
}

function isFill(t: Tensor): boolean {
  return fillOf(t) !== undefined;
}
