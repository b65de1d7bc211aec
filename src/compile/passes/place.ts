// Place memory: where every value of a program lies. Variables and data are where they are; temporaries share pooled buffers where
// their lives do not overlap; the parts of an arena are at their offsets in it.
import { aligned, type Memory, newMemory, type Place } from '../../gpu/memory.ts';
import { byteLength } from '../../graph/dtype.ts';
import { identityOf, resolve } from '../../graph/rewrite.ts';
import type { Node, Tensor, Variable } from '../../graph/tensor.ts';
import type { Buffer, Buffers } from '../buffers.ts';
import { type Dispatch, dtypeOfValue, nameOf, type Value } from '../plan.ts';
import type { Packed } from './pack.ts';

export interface Placed extends Packed {
  place(value: Value): Place;
  /** Buffers that the program makes and owns. */
  readonly owned: readonly Memory[];
  /** The variables that steps hand on. */
  readonly carried: ReadonlyMap<Node, Place>;
}

/** With `whole` all dispatches are to become one, in which nothing is given up before the end. */
export function place(
  packed: Packed,
  buffers: Buffers,
  leaf: (node: Node) => Place,
  carried: readonly Variable[],
  whole = false,
): Placed {
  const memory = new Placement(packed, buffers, whole);
  const handed = memory.placeCarried(carried);
  memory.placeArenas();
  memory.placeResults();
  const places = memory.places;
  return {
    ...packed,
    place: (value) => {
      if ('array' in value) return places.get(value)!;
      const x = resolve(value);
      return x.node.op ? places.get(x)! : (handed.get(x.node) ?? leaf(x.node));
    },
    owned: memory.owned,
    carried: handed,
  };
}

function wordsOf(value: Value): number {
  const size = 'array' in value ? value.array.size : value.size;
  return byteLength(dtypeOfValue(value), size) / 4;
}

class Placement {
  readonly places = new Map<Value, Place>();
  readonly owned: Memory[] = [];
  readonly #packed: Packed;
  readonly #buffers: Buffers;
  readonly #dispatches: readonly Dispatch[];
  /** The memory of arenas and of carried values, to which results are added. */
  readonly #growing = new Map<Buffer, Memory>();

  constructor(packed: Packed, buffers: Buffers, whole: boolean) {
    this.#packed = packed;
    this.#buffers = buffers;
    const { dispatches } = packed;
    this.#dispatches = whole ? [{ kernels: dispatches.flatMap(({ kernels }) => kernels) }] : dispatches;
  }

  #own(label: string, bytes: number): Memory {
    const memory = newMemory(label, bytes);
    this.owned.push(memory);
    return memory;
  }

  /** One buffer for each dtype. */
  placeCarried(variables: readonly Variable[]): Map<Node, Place> {
    const places = new Map<Node, Place>();
    for (const v of variables) {
      const key = this.#buffers.of(identityOf(v), undefined);
      const memory = this.#growing.get(key) ?? this.#own('carried', 0);
      this.#growing.set(key, memory);
      places.set(v.node, extend(memory, v.size));
    }
    return places;
  }

  placeArenas(): void {
    const { graph, arenas } = this.#packed;
    for (const node of graph.order) {
      const [arena] = node.outputs as [Tensor];
      const parts = arenas.parts(arena);
      if (!parts) continue;
      const memory = this.#own(node.name, wordsOf(arena) * 4);
      this.#growing.set(arena, memory);
      this.places.set(arena, { memory, offset: 0, words: wordsOf(arena) });
      for (const { part, offset } of parts) this.places.set(resolve(part), { memory, offset, words: part.size });
    }
  }

  placeResults(): void {
    const made = this.#dispatches.map((dispatch, id) => this.#buffersOf(dispatch, id));
    const last = this.#lastUses([...this.#dispatches, ...this.#packed.commits], made);
    const pool: { memory: Memory; free: boolean; until: number }[] = [];
    for (const [at, sets] of made.entries()) {
      for (const slot of pool) slot.free ||= slot.until < at;
      for (const [buffer, values] of sets) {
        const growing = this.#growing.get(buffer);
        if (growing) {
          for (const value of values) this.places.set(value, extend(growing, wordsOf(value)));
          continue;
        }
        const memory = this.#take(pool, values, last.get(buffer)!);
        let offset = 0;
        for (const value of values) {
          this.places.set(value, { memory, offset, words: wordsOf(value) });
          offset = aligned(offset + wordsOf(value));
        }
      }
    }
  }

  #take(pool: { memory: Memory; free: boolean; until: number }[], values: readonly Value[], until: number): Memory {
    const label = values.map(nameOf).join(', ');
    const words =
      values.slice(0, -1).reduce((end, value) => aligned(end + wordsOf(value)), 0) + wordsOf(values.at(-1)!);
    const bytes = words * 4;
    if (until === Number.POSITIVE_INFINITY) return this.#own(label, bytes);
    const fitting = pool.filter(
      ({ free, memory }) => free && memory.bytes >= bytes && memory.bytes <= 4 * bytes + 1024,
    );
    let slot = fitting.sort((a, b) => a.memory.bytes - b.memory.bytes)[0];
    if (!slot) {
      slot = { memory: this.#own(label, bytes), free: false, until };
      pool.push(slot);
    }
    slot.free = false;
    slot.until = until;
    return slot.memory;
  }

  /** The values that a dispatch writes and that need a place, by the buffer they share. */
  #buffersOf({ kernels }: Dispatch, id: number): Map<Buffer, Value[]> {
    const writes = kernels.flatMap((kernel) => kernel.writes.map(({ value }) => value));
    const home = { id, arena: this.#buffers.arenaOf(writes) };
    const sets = new Map<Buffer, Value[]>();
    for (const value of new Set(writes)) {
      if (this.places.has(value) || (!('array' in value) && !value.node.op)) continue;
      const buffer = this.#buffers.of(value, home);
      sets.set(buffer, [...(sets.get(buffer) ?? []), value]);
    }
    return sets;
  }

  /** The last dispatch that touches each buffer; Infinity for results. */
  #lastUses(all: readonly Dispatch[], made: readonly ReadonlyMap<Buffer, readonly Value[]>[]): Map<Buffer, number> {
    const { graph } = this.#packed;
    const { outputs, guard } = graph.recipe;
    const bufferOf = new Map<Value, Buffer>();
    for (const sets of made)
      for (const [buffer, values] of sets) for (const value of values) bufferOf.set(value, buffer);
    const last = new Map<Buffer, number>();
    const use = (value: Value, at: number) => {
      const buffer = bufferOf.get(value);
      if (buffer !== undefined) last.set(buffer, Math.max(last.get(buffer) ?? -1, at));
    };
    for (const [at, { kernels }] of all.entries())
      for (const { reads, writes } of kernels) for (const { value } of [...reads, ...writes]) use(value, at);
    // What the guard reads may be tested after all others.
    for (const t of guard ? [guard.step, ...guard.checked] : [])
      for (const { tensor } of graph.readsOfInput(t)) use(tensor, all.length);
    for (const [, t] of outputs) use(resolve(t), Number.POSITIVE_INFINITY);
    return last;
  }
}

/** A range at the end of a memory that grows. */
function extend(memory: Memory, words: number): Place {
  const offset = aligned(memory.bytes / 4);
  memory.bytes = Math.ceil(((offset + words) * 4) / 16) * 16;
  return { memory, offset, words };
}
