// Place memory: the location of every value of a program. Variables and data keep theirs; temporaries share pooled buffers if
// their lifetimes do not overlap; the parts of an arena are at their offsets in it.
import { aligned, type Memory, newMemory, type Place } from '../../gpu/memory.ts';
import { byteLength } from '../../graph/dtype.ts';
import { identityOf, resolve } from '../../graph/rewrite.ts';
import type { Node, Tensor, Variable } from '../../graph/tensor.ts';
import type { Buffer, Buffers } from '../buffers.ts';
import { type Dispatch, dtypeOfValue, nameOf, type Value } from '../plan.ts';
import type { Packed } from './pack.ts';

export interface Placed extends Packed {
  place(value: Value): Place;
  /** Buffers that the program creates and owns. */
  readonly owned: readonly Memory[];
  /** The variables carried from step to step. */
  readonly carried: ReadonlyMap<Node, Place>;
}

/** With `whole` all dispatches become one, in which nothing is freed before the end. */
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

/** A buffer, and the last dispatch that uses its content. */
interface Pooled {
  readonly memory: Memory;
  until: number;
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
    const pool: Pooled[] = [];
    for (const [at, sets] of made.entries())
      for (const [buffer, values] of sets) {
        const growing = this.#growing.get(buffer);
        const fresh = growing ?? newMemory(values.map(nameOf).join(', '), 0);
        const ranges = values.map((value) => extend(fresh, wordsOf(value)));
        const memory = growing ?? this.#take(pool, fresh, at, last.get(buffer)!);
        for (const [k, value] of values.entries()) this.places.set(value, { ...ranges[k]!, memory });
      }
  }

  /** The smallest pooled buffer that is free at dispatch `at` and not far too large, else this one; results do not share theirs. */
  #take(pool: Pooled[], fresh: Memory, at: number, until: number): Memory {
    const { bytes } = fresh;
    const fits = (slot: Pooled) =>
      slot.until < at && slot.memory.bytes >= bytes && slot.memory.bytes <= 4 * bytes + 1024;
    const fitting = until === Number.POSITIVE_INFINITY ? [] : pool.filter(fits);
    const [slot] = fitting.sort((a, b) => a.memory.bytes - b.memory.bytes);
    if (slot) slot.until = until;
    else {
      this.owned.push(fresh);
      pool.push({ memory: fresh, until });
    }
    return slot?.memory ?? fresh;
  }

  /** The values written by a dispatch that need memory, by the buffer they share. */
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
    // Values that the guard reads may be tested after all others.
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
