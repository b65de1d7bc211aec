// Where every tensor of a program lies: variables and data where they are, temporaries in pooled buffers coloured by
// liveness, the parts of an arena at their offsets in it.
import { byteLength } from '../graph/dtype.ts';
import { sizeOf } from '../graph/shape.ts';
import { type Node, Tensor } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import type { Fusion, Group } from './fuse.ts';
import { keyOf, resolve } from './keep.ts';

/** A buffer to be, or one that is. */
export interface Memory {
  readonly label: string;
  readonly bytes: number;
  buffer?: GPUBuffer;
}

/** A tensor's place: offset and length in 32-bit words. */
export interface Place {
  readonly memory: Memory;
  readonly offset: number;
  readonly words: number;
}

export interface MemoryPlan {
  /** The place of a tensor that is kept in memory. */
  place(t: Tensor): Place;
  /** Buffers that the program makes and owns. */
  readonly owned: readonly Memory[];
  /** Scratch of a kernel group, by name. */
  scratch(group: Group, name: string): Place;
}

export interface Demands {
  /** Where leaves lie. */
  leaf(node: Node): Place;
  /** Tensors that must outlive the last dispatch. */
  readonly outputs: readonly Tensor[];
  /** Tensors that the last dispatches read. */
  readonly commitReads: readonly Tensor[];
  readonly scratch: ReadonlyMap<Group, readonly { readonly name: string; readonly words: number }[]>;
}

export function planMemory(fusion: Fusion, demands: Demands): MemoryPlan {
  const places = new Map<string, Place>();
  const owned: Memory[] = [];
  const own = (label: string, bytes: number): Memory => {
    const memory = { label, bytes };
    owned.push(memory);
    return memory;
  };
  const arenas = placeArenas(fusion, demands, places, own);
  const last = lastUses(fusion, demands, arenas);
  const pool: { memory: Memory; free: boolean }[] = [];
  const take = (label: string, bytes: number): Memory => {
    const fitting = pool.filter(
      (slot) => slot.free && slot.memory.bytes >= bytes && slot.memory.bytes <= 4 * bytes + 1024,
    );
    const best = fitting.sort((a, b) => a.memory.bytes - b.memory.bytes)[0];
    if (best) {
      best.free = false;
      return best.memory;
    }
    const memory = own(label, bytes);
    pool.push({ memory, free: false });
    return memory;
  };
  const scratch = new Map<string, Place>();
  const ends: { at: number; memory: Memory }[] = [];
  for (const [at, group] of fusion.groups.entries()) {
    for (const end of ends) if (end.at < at) pool.find((slot) => slot.memory === end.memory)!.free = true;
    ends.splice(0, ends.length, ...ends.filter((end) => end.at >= at));
    for (const t of productsOf(group)) {
      const key = keyOf(t);
      const until = last.get(key);
      if (places.has(key) || until === undefined) continue;
      const bytes = byteLength(t.dtype, t.size);
      const memory = until === Infinity ? own(t.node.name, bytes) : take(t.node.name, bytes);
      if (until !== Infinity) ends.push({ at: until, memory });
      places.set(key, { memory, offset: 0, words: bytes / 4 });
    }
    for (const { name, words } of demands.scratch.get(group) ?? []) {
      const memory = take(`${group.root!.name} ${name}`, words * 4);
      ends.push({ at, memory });
      scratch.set(`${group.id} ${name}`, { memory, offset: 0, words });
    }
  }
  return {
    owned,
    place: (t) => {
      const x = resolve(t);
      return x.node.op ? places.get(keyOf(x))! : demands.leaf(x.node);
    },
    scratch: (group, name) => scratch.get(`${group.id} ${name}`)!,
  };
}

/** The tensors that a group may store. */
export function productsOf(group: Group): Tensor[] {
  const roots = group.root ? group.root.outs.map((_, output) => new Tensor(group.root!, output)) : [];
  return [...roots, ...[...group.chains.values()].flat(), ...group.segments.flatMap((s) => s.members)];
}

/** Gives every `placement` op its flat buffer, and its inputs their places in it. */
function placeArenas(
  fusion: Fusion,
  demands: Demands,
  places: Map<string, Place>,
  own: (label: string, bytes: number) => Memory,
): Map<string, readonly Tensor[]> {
  const arenas = new Map<string, readonly Tensor[]>();
  const roots = [...demands.outputs, ...demands.commitReads, ...fusion.groups.flatMap((group) => fusion.needs(group))];
  for (const node of topologicalOrder(roots)) {
    if (!node.op?.placement) continue;
    const words = sizeOf(node.outs[0]!.shape);
    const memory = own(node.name, words * 4);
    places.set(`${node.id}.0`, { memory, offset: 0, words });
    arenas.set(`${node.id}.0`, node.inputs);
    for (const [k, offset] of node.op.placement(node.params).entries()) {
      const t = resolve(node.inputs[k]!);
      places.set(keyOf(t), { memory, offset, words: t.size });
    }
  }
  return arenas;
}

/** The index of the last group that reads each tensor; Infinity for those that outlive the groups. */
function lastUses(fusion: Fusion, demands: Demands, arenas: Map<string, readonly Tensor[]>): Map<string, number> {
  const last = new Map<string, number>();
  const use = (t: Tensor, at: number) => {
    const x = resolve(t);
    const key = keyOf(x);
    last.set(key, Math.max(last.get(key) ?? -1, at));
    for (const input of arenas.get(key) ?? []) use(input, at);
  };
  for (const [at, group] of fusion.groups.entries()) for (const t of fusion.needs(group)) use(t, at);
  for (const t of demands.commitReads) use(t, fusion.groups.length);
  for (const t of demands.outputs) use(t, Number.POSITIVE_INFINITY);
  return last;
}
