// The seam between programs and threads: src/node fills it in, and a page leaves it out.
import type { DeviceError } from '../graph/errors.ts';

/** Where a program's scratch memory is: thread k's begins `perThread` bytes after that of thread k - 1. */
export interface ScratchPlaces {
  readonly shared: number;
  readonly thread: number;
  readonly perThread: number;
}

/** Threads that compute passes together with the calling one. */
export interface ThreadPool {
  /** How many, with the calling one. */
  readonly threads: number;
  /** Makes a module over a shared memory known to the other threads; `exports` are the calling thread's. */
  load(
    module: WebAssembly.Module,
    exports: WebAssembly.Exports,
    memory: WebAssembly.Memory,
    places: ScratchPlaces,
  ): ThreadedModule;
  /** Ends the threads. */
  end(): void;
}

export interface ThreadedModule {
  /** Computes all units of an exported function. @throws DeviceError if a thread failed */
  run(func: number, units: number, chunk: number): void;
  release(): void;
}

/** Makes a pool; `fail` is called if a thread dies. */
export type PoolFactory = (fail: (error: DeviceError) => void) => ThreadPool;

/** The cost of a pass (`WasmPass.operations`) from which threads share it, and the least of a chunk that a thread takes. Measured. */
const WORTH_SHARING = 2 ** 20;
const CHUNK = 2 ** 15;

/** The units that a thread takes at a time, or 0 if the calling thread computes the pass alone. */
export function chunkOf(units: number, operations: number, threads: number): number {
  if (threads === 1 || units === 1 || operations < WORTH_SHARING) return 0;
  return Math.max(1, Math.ceil(units / (threads * 4)), Math.ceil((units * CHUNK) / operations));
}
