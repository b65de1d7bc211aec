// Scratch memory of a program: as much as the op that needs the most, for each thread and for all of them together.
import type { WasmScope } from '../graph/op.ts';
import type { CpuArray, Heap } from './heap.ts';
import type { ScratchPlaces } from './pool.ts';

/** The bytes of a cache line: no two threads write to the same one. */
const LINE = 64;

/** Hands out ranges one after another, and keeps the most that an op took. */
class Ranges {
  most = 0;

  /** Ranges of another op: they may cover those of ops before it. */
  forOp(): (bytes: number) => number {
    let end = 0;
    return (bytes) => {
      const start = end;
      end += Math.ceil(bytes / LINE) * LINE;
      this.most = Math.max(this.most, end);
      return start;
    };
  }
}

export class Scratch {
  places: ScratchPlaces = { shared: 0, thread: 0, perThread: 0 };
  readonly #thread = new Ranges();
  readonly #shared = new Ranges();

  forOp(): Pick<WasmScope, 'scratch' | 'shared'> {
    return { scratch: this.#thread.forOp(), shared: this.#shared.forOp() };
  }

  reserve(heap: Heap, owned: Set<CpuArray>): void {
    const perThread = this.#thread.most;
    const bytes = perThread * heap.threads + this.#shared.most;
    if (bytes === 0) return;
    // From a line's beginning.
    const { address } = heap.array({ shape: [(bytes + LINE) / 4], dtype: 'f32' }, owned);
    const shared = Math.ceil(address! / LINE) * LINE;
    this.places = { shared, thread: shared + this.#shared.most, perThread };
  }
}
