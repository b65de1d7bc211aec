// Where every tensor of a program lies: variables and data where they are, temporaries in pooled buffers coloured by
// liveness, the parts of an arena at their offsets in it.
import { byteLength, type DType } from '../graph/dtype.ts';
import { sizeOf } from '../graph/shape.ts';
import { Node, type Tensor } from '../graph/tensor.ts';
import { topologicalOrder } from '../graph/walk.ts';
import type { Fusion, Group } from './fuse.ts';
import { keyOf, resolve } from './keep.ts';
import { type Launch, liesBeside } from './launch.ts';

/** A buffer to be, or one that is. */
export interface Memory {
  readonly label: string;
  /** It grows while memory is planned. */
  bytes: number;
  buffer?: GPUBuffer;
}

/** A buffer to be: whole vec4s, so that its last words can be read as such. */
export function newMemory(label: string, bytes: number): Memory {
  return { label, bytes: Math.ceil(bytes / 16) * 16 };
}

/** Where the next tensor in a memory would start, in words. */
function endOf(memory: Memory): number {
  return Math.ceil(memory.bytes / 4 / ALIGNMENT) * ALIGNMENT;
}

/** A tensor's place: offset and length in 32-bit words. */
export interface Place {
  readonly memory: Memory;
  readonly offset: number;
  readonly words: number;
}

/** Whether two places share words. */
export function overlap(a: Place, b: Place): boolean {
  return a.memory === b.memory && a.offset < b.offset + b.words && b.offset < a.offset + a.words;
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
  readonly launches: readonly Launch[];
  /** Where leaves lie. */
  leaf(node: Node): Place;
  /** Tensors that must outlive the last dispatch. */
  readonly outputs: readonly Tensor[];
  /** Tensors that the last dispatches read. */
  readonly commitReads: readonly Tensor[];
  readonly scratch: ReadonlyMap<Group, readonly { readonly name: string; readonly words: number }[]>;
  /** A buffer of the program's that holds u32 already, to which small results can be added, and its bytes until then. */
  readonly counters: { readonly memory: Memory; readonly bytes: number } | undefined;
}

/**
 * The one buffer beside which a dispatch's small results of a dtype may lie because every dispatch that uses them binds it in
 * any case: for u32 that of the counters handed on, for f32 the arena that the dispatch writes to.
 */
export function companionOf(
  dtype: DType,
  groups: readonly Group[],
  fusion: Fusion,
  counters: Memory | undefined,
): Memory | Node | undefined {
  if (dtype === 'u32') return counters;
  if (dtype !== 'f32') return undefined;
  return groups.flatMap((group) => fusion.productsOf(group).flatMap((t) => fusion.arenaOf(t) ?? []))[0];
}

export function planMemory(fusion: Fusion, demands: Demands): MemoryPlan {
  const { counters } = demands;
  if (counters) counters.memory.bytes = counters.bytes;
  const places = new Map<string, Place>();
  const owned: Memory[] = [];
  const own = (label: string, bytes: number): Memory => {
    const memory = newMemory(label, bytes);
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
  for (const [at, { parts }] of demands.launches.entries()) {
    const groups = parts.flat();
    for (const end of ends) if (end.at < at) pool.find((slot) => slot.memory === end.memory)!.free = true;
    ends.splice(0, ends.length, ...ends.filter((end) => end.at >= at));
    const kept = groups
      .flatMap((group) => fusion.productsOf(group))
      .flatMap((t) => (places.has(keyOf(t)) || !last.has(keyOf(t)) ? [] : { t, until: last.get(keyOf(t))! }));
    for (const { t } of kept.filter(({ until }) => until === Infinity)) {
      const bytes = byteLength(t.dtype, t.size);
      places.set(keyOf(t), { memory: own(t.node.name, bytes), offset: 0, words: bytes / 4 });
    }
    for (const together of besides(kept.filter(({ until }) => until < Infinity))) {
      const words = together.map(({ t }) => byteLength(t.dtype, t.size) / 4);
      const starts = startsOf(words);
      const bytes = (starts.at(-1)! + words.at(-1)!) * 4;
      const { t: first } = together[0]!;
      const companion = liesBeside(first) ? companionOf(first.dtype, groups, fusion, counters?.memory) : undefined;
      const beside = companion instanceof Node ? places.get(`${companion.id}.0`)?.memory : companion;
      const memory = beside ?? take(together.map(({ t }) => t.node.name).join(', '), bytes);
      const from = beside ? endOf(beside) : 0;
      if (beside) beside.bytes = Math.ceil((from * 4 + bytes) / 16) * 16;
      else ends.push({ at: Math.max(...together.map(({ until }) => until)), memory });
      for (const [k, { t }] of together.entries())
        places.set(keyOf(t), { memory, offset: from + starts[k]!, words: words[k]! });
    }
    for (const group of groups) {
      for (const { name, words } of demands.scratch.get(group) ?? []) {
        const memory = take(`${group.root!.name} ${name}`, words * 4);
        ends.push({ at, memory });
        scratch.set(`${group.id} ${name}`, { memory, offset: 0, words });
      }
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

interface Kept {
  readonly t: Tensor;
  /** The last launch that reads it. */
  readonly until: number;
}

/** What a launch keeps, in sets that lie in one buffer each. */
function besides(kept: readonly Kept[]): Kept[][] {
  const sets = new Map<string, Kept[]>();
  for (const one of kept) {
    const key = liesBeside(one.t) ? one.t.dtype : keyOf(one.t);
    sets.set(key, [...(sets.get(key) ?? []), one]);
  }
  return [...sets.values()];
}

/** Offsets, in words, of ranges that can each be bound alone. */
export function startsOf(words: readonly number[]): number[] {
  let end = 0;
  return words.map((n) => {
    const start = end;
    end = Math.ceil((start + n) / ALIGNMENT) * ALIGNMENT;
    return start;
  });
}

/** WebGPU's largest `minStorageBufferOffsetAlignment`, 256 bytes, in words. */
const ALIGNMENT = 64;

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

/** The index of the last launch that reads each tensor; Infinity for those that outlive them. */
function lastUses(fusion: Fusion, demands: Demands, arenas: Map<string, readonly Tensor[]>): Map<string, number> {
  const last = new Map<string, number>();
  const use = (t: Tensor, at: number) => {
    const x = resolve(t);
    const key = keyOf(x);
    last.set(key, Math.max(last.get(key) ?? -1, at));
    for (const input of arenas.get(key) ?? []) use(input, at);
  };
  for (const [at, { parts }] of demands.launches.entries())
    for (const group of parts.flat()) for (const t of fusion.needs(group)) use(t, at);
  for (const t of demands.commitReads) use(t, demands.launches.length);
  for (const t of demands.outputs) use(t, Number.POSITIVE_INFINITY);
  return last;
}
