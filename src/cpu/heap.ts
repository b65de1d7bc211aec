// The memory of a CPU executor in floats: one WebAssembly memory, so that kernels and plain loops work on the same arrays. It grows as
// needed; released ranges are reused, first fit. A large memory is dropped when it is empty.

import { DeviceEnd } from '../graph/device-end.ts';
import { ARRAYS, type HostArray, hostArray, type Precision } from '../graph/dtype.ts';
import { DeviceError } from '../graph/errors.ts';
import type { Counters } from '../graph/executor.ts';
import { MemoryError, megabytes } from '../graph/memory-error.ts';
import type { Spec } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import type { PoolFactory, ThreadPool } from './pool.ts';
import { finiteCheck } from './wasm/finite.ts';
import { CONSTANTS_END, ONE } from './wasm/matmul.ts';
import { importsOf, MOST_PAGES, moduleOf } from './wasm/module.ts';

const PAGE = 2 ** 16;
/** Arrays are aligned to it; vector loads may reach that far past an array's end. */
const UNIT = 16;
/** The largest empty memory that is kept, in bytes. */
const KEPT = 2 ** 24;

/** An array of a program or a storage. */
export interface CpuArray extends Spec {
  /** A new view after the memory has grown; do not keep it. */
  data: HostArray;
  /** Its bytes; 0 inside another array. */
  readonly bytes: number;
  /** Its address in the WebAssembly memory; absent outside. */
  readonly address?: number;
}

export class Heap {
  readonly precision: Precision;
  /** Threads that share the memory; absent if there is one. */
  pool: ThreadPool | undefined;
  /** Absent in doubles and without WebAssembly, where arrays are plain. */
  memory: WebAssembly.Memory | undefined;
  /** Why there is no WebAssembly, in one sentence. */
  readonly note: string | undefined;
  /** 1 where the f32 array at `address` holds no NaN and no infinity. */
  allFinite!: (address: number, bytes: number) => number;
  /** Releases everything; nothing is computed, read or written afterwards. */
  readonly end: DeviceEnd;
  /** The most bytes of WebAssembly memory. */
  readonly #most: number;
  readonly #counters: Counters;
  /** By address. */
  #arrays: CpuArray[] = [];

  constructor(
    counters: Counters,
    precision: Precision,
    end = new DeviceEnd(),
    threads?: PoolFactory,
    most = MOST_PAGES * PAGE,
  ) {
    this.#most = most;
    this.#counters = counters;
    this.end = end;
    this.precision = precision;
    if (precision === 'float64') return;
    try {
      this.pool = threads?.((error) => end.fail(error));
      this.#open();
    } catch (error) {
      this.note = `Without WebAssembly it is many times slower: ${(error as Error).message}`;
    }
  }

  /** How many threads compute. */
  get threads(): number {
    return this.pool?.threads ?? 1;
  }

  #open(): void {
    // A shared memory reserves the addresses of its maximum, which takes no memory.
    const shared = this.pool && { maximum: MOST_PAGES, shared: true };
    const memory = new WebAssembly.Memory({ initial: 1, ...shared });
    const module = new WebAssembly.Module(moduleOf([finiteCheck], this.threads > 1));
    this.allFinite = new WebAssembly.Instance(module, importsOf({ memory, thread: 0, shared: 0 })).exports[
      '0'
    ] as Heap['allFinite'];
    this.memory = memory;
    new Float32Array(memory.buffer)[ONE] = 1;
  }

  /** A zeroed array, or one `offset` elements into another, recorded in `owned` for its release. @throws DeviceError */
  array({ shape, dtype }: Spec, owned: Set<CpuArray>, within?: CpuArray, offset = 0): CpuArray {
    const size = sizeOf(shape);
    const bytes = within ? 0 : arrayBytes({ shape, dtype });
    let array: CpuArray;
    if (this.memory && (!within || within.address !== undefined)) {
      const address = within ? within.address! + offset * 4 : this.#gap(bytes);
      new Uint8Array(this.memory.buffer, address, bytes).fill(0);
      array = { shape, dtype, bytes, address, data: this.#view(dtype, address, size) };
      this.#arrays.push(array);
      this.#arrays.sort((a, b) => a.address! - b.address!);
    } else {
      const data = within?.data.subarray(offset, offset + size) ?? hostArray(dtype, size, this.precision);
      array = { shape, dtype, bytes, data };
    }
    owned.add(array);
    this.#count(bytes);
    return array;
  }

  /** Refuses arrays that do not fit beside those in use, before any of them is allocated. @throws MemoryError */
  checkFits(label: string, arrays: readonly Spec[]): void {
    const [inUse, most] = [this.#counters.bytes, this.#most];
    const bytes = arrays.reduce((sum, spec) => sum + arrayBytes(spec), 0);
    if (!this.memory || inUse + bytes <= most) return;
    const largest = (rows: number) => {
      // What grows with the batch has a multiple of its rows; rounding adds at most a unit to each array.
      const fixed = arrays.reduce((sum, spec) => sum + (sizeOf(spec.shape) % rows === 0 ? UNIT : arrayBytes(spec)), 0);
      return (rows * Math.max(0, most - inUse - fixed)) / bytes;
    };
    throw new MemoryError(
      `${label}: its values take ${megabytes(bytes)} beside the ${megabytes(inUse)} in use, but the CPU backend has at most ${megabytes(most)}.`,
      largest,
    );
  }

  release(owned: Set<CpuArray>): void {
    this.#count(-bytesOf(owned));
    this.#arrays = this.#arrays.filter((array) => !owned.has(array));
    owned.clear();
    // Every program and storage has arrays here: without any, nothing refers to the memory.
    if (this.memory && this.#arrays.length === 0 && this.memory.buffer.byteLength > KEPT) this.#open();
  }

  #view(dtype: Spec['dtype'], address: number, size: number): HostArray {
    return new ARRAYS[dtype](this.memory!.buffer, address, size);
  }

  #count(bytes: number): void {
    this.#counters.bytes += bytes;
    this.#counters.peakBytes = Math.max(this.#counters.peakBytes, this.#counters.bytes);
  }

  /** The first address with `bytes` free bytes. */
  #gap(bytes: number): number {
    let start = CONSTANTS_END;
    for (const array of this.#arrays) {
      if (array.address! - start >= bytes) return start;
      start = Math.max(start, array.address! + array.bytes);
    }
    const missing = start + bytes + UNIT - this.memory!.buffer.byteLength;
    if (missing > 0) this.#grow(missing);
    return start;
  }

  #grow(bytes: number): void {
    try {
      this.memory!.grow(Math.ceil(bytes / PAGE));
    } catch {
      const [more, now] = [bytes, this.#counters.bytes].map((n) => `${(n / 1e6).toFixed(1)} MB`);
      throw new DeviceError(
        `CPU backend: no memory for ${more} beside the ${now} in use. Use a smaller batch or model.`,
      );
    }
    for (const array of this.#arrays) array.data = this.#view(array.dtype, array.address!, sizeOf(array.shape));
  }
}

/** The bytes of a separate array. */
export function arrayBytes({ shape, dtype }: Spec): number {
  return Math.ceil((sizeOf(shape) * ARRAYS[dtype].BYTES_PER_ELEMENT) / UNIT) * UNIT;
}

/** The total bytes of all arrays. */
export function bytesOf(arrays: Iterable<CpuArray>): number {
  let total = 0;
  for (const { bytes } of arrays) total += bytes;
  return total;
}
