// The CPU engine: the same recipes as on the GPU. In floats, products and fused elementwise chains are WebAssembly SIMD where available;
// the plain loops are their reference, and in doubles they run alone.

import { DeviceEnd } from '../graph/device-end.ts';
import type { Precision } from '../graph/dtype.ts';
import { DeviceError } from '../graph/errors.ts';
import {
  type CompileOptions,
  type Counters,
  type Executor,
  newCounters,
  type Program,
  type Recipe,
  type Storage,
  type VariableGroup,
} from '../graph/executor.ts';
import { Storages } from '../graph/storages.ts';
import { Heap } from './heap.ts';
import type { PoolFactory } from './pool.ts';
import { CpuProgram } from './program.ts';
import { CpuStorage } from './storage.ts';

/** Runs recipes on the CPU: in floats as the engine where there is no GPU, in doubles as the truth. */
export class CpuExecutor implements Executor {
  readonly kind = 'cpu';
  readonly maxBindingBytes = Number.POSITIVE_INFINITY;
  readonly precision: Precision;
  readonly counters: Counters = newCounters();
  readonly inUse = new Storages<Storage>();
  readonly #end = new DeviceEnd();
  readonly #heap: Heap;

  /** `threads` makes the threads that compute in floats; without it there is one. `maxBytes`: of WebAssembly memory, for tests. */
  constructor({
    precision = 'float32',
    threads,
    maxBytes,
  }: { precision?: Precision; threads?: PoolFactory | undefined; maxBytes?: number } = {}) {
    this.precision = precision;
    this.#heap = new Heap(this.counters, precision, this.#end, threads, maxBytes);
  }

  get lost(): Promise<never> {
    return this.#end.lost;
  }

  orLost<T>(promise: Promise<T>): Promise<T> {
    return this.#end.orLost(promise);
  }

  get note(): string | undefined {
    return this.#heap.note;
  }

  allocate(groups: readonly VariableGroup[]): Storage {
    this.#end.check();
    return this.inUse.register(new CpuStorage(groups, this.#heap));
  }

  async compile(recipe: Recipe, options: CompileOptions = {}): Promise<Program> {
    this.#end.check();
    return new CpuProgram(recipe, options, this.#heap).link();
  }

  dispose(): void {
    this.#end.fail(new DeviceError('CPU backend: it was disposed. Create a new one with createBackend().'));
    this.#heap.pool?.end();
  }
}
