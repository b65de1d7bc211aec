// Which values share a buffer, known before memory is placed: what a dispatch binds can be counted, not tried. Packing counts by
// it, placing follows it.
import type { Memory } from '../gpu/memory.ts';
import { SIDE_BY_SIDE_BYTES } from '../graph/cost.ts';
import { byteLength } from '../graph/dtype.ts';
import { resolve } from '../graph/rewrite.ts';
import type { Node, Tensor } from '../graph/tensor.ts';
import type { Arenas, Grouped } from './passes/group.ts';
import type { Value } from './plan.ts';

/** A dispatch or a draft of one; its small results share a buffer. */
export interface Home {
  readonly id: number;
  /** The first arena that it writes to. */
  readonly arena: Tensor | undefined;
}

/**
 * The identity of a buffer: the memory of a leaf, an arena, the dtype of the values carried from step to step, a dispatch with a dtype for
 * its small results, or a value with its own buffer.
 */
export type Buffer = Memory | Tensor | Value | string;

/** The buffer of a dispatch's small results of a dtype. */
export function resultsOf({ id }: Home, dtype: string): string {
  return `${id} ${dtype}`;
}

export class Buffers {
  readonly #arenas: Arenas;
  readonly #outputs: ReadonlySet<Tensor>;
  readonly #carried: ReadonlySet<Node>;
  readonly #memoryOf: (leaf: Node) => Memory;
  /** Whether there is a u32 buffer that every step binds. */
  readonly #counters: boolean;

  constructor(
    { arenas, graph }: Pick<Grouped, 'arenas' | 'graph'>,
    memoryOf: (leaf: Node) => Memory,
    carried: readonly Tensor[],
  ) {
    this.#arenas = arenas;
    this.#outputs = new Set(graph.recipe.outputs.map(([, t]) => resolve(t)));
    this.#memoryOf = memoryOf;
    this.#carried = new Set(carried.map(({ node }) => node));
    this.#counters = carried.some(({ dtype }) => dtype === 'u32');
  }

  /** The buffer of a value, given the dispatch that computes it, if any. */
  of(value: Value, home: Home | undefined): Buffer {
    if ('array' in value) return value;
    const arena = this.#arenas.of(value);
    if (arena) return arena;
    const { op } = value.node;
    if (!op) return this.#carried.has(value.node) ? `carried ${value.dtype}` : this.#memoryOf(value.node);
    if (!home || op.opaque || this.#outputs.has(value)) return value;
    if (byteLength(value.dtype, value.size) > SIDE_BY_SIDE_BYTES) return value;
    return this.#companion(value.dtype, home) ?? resultsOf(home, value.dtype);
  }

  /** The buffer that consumers of the dispatch's small results bind anyway: the carried u32, or the arena that it writes to. */
  #companion(dtype: string, { arena }: Home): Buffer | undefined {
    if (dtype === 'u32') return this.#counters ? 'carried u32' : undefined;
    return dtype === 'f32' ? arena : undefined;
  }

  /** The first arena among the written values. */
  arenaOf(writes: readonly Value[]): Tensor | undefined {
    for (const written of writes) {
      const arena = 'array' in written ? undefined : this.#arenas.of(written);
      if (arena) return arena;
    }
    return undefined;
  }
}
