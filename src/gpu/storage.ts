// Variables in GPU buffers: one buffer for each group, members at their offsets.

import { ARRAYS, byteLength, type DType, type HostArray } from '../graph/dtype.ts';
import { internal } from '../graph/errors.ts';
import type { Region, Storage, VariableGroup } from '../graph/executor.ts';
import { checkValues } from '../graph/inputs.ts';
import type { Variable } from '../graph/tensor.ts';
import type { Memory, Place } from './memory.ts';
import type { GpuRuntime } from './runtime.ts';

export class GpuStorage implements Storage {
  readonly bytes: number;
  readonly #runtime: GpuRuntime;
  readonly #places = new Map<Variable, Place>();
  readonly #memories: Memory[] = [];

  constructor(runtime: GpuRuntime, groups: readonly VariableGroup[]) {
    this.#runtime = runtime;
    try {
      this.bytes = this.#make(groups);
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  #make(groups: readonly VariableGroup[]): number {
    const runtime = this.#runtime;
    let bytes = 0;
    for (const { variable, members = [] } of groups) {
      const size = Math.ceil(byteLength(variable.dtype, variable.size) / 16) * 16;
      const buffer = runtime.buffer(members.length > 0 ? 'arena' : 'variable', size);
      const memory: Memory = { label: buffer.label, bytes: size, buffer };
      this.#memories.push(memory);
      bytes += size;
      this.#places.set(variable, { memory, offset: 0, words: size / 4 });
      for (const { variable: member, offset } of members) {
        this.#places.set(member, { memory, offset, words: member.size });
      }
    }
    return bytes;
  }

  has(variable: Variable): boolean {
    return this.#places.has(variable);
  }

  place(variable: Variable): Place {
    const place = this.#places.get(variable);
    if (!place) throw internal(`${variable} is not in this storage`);
    return place;
  }

  write(variable: Variable, data: HostArray): void {
    const { memory, offset } = this.place(variable);
    checkValues('storage', `${variable}`, variable, data);
    this.#runtime.write(memory.buffer!, offset * 4, toWords(data, variable.dtype));
  }

  copyFrom(source: GpuStorage, copies: readonly (readonly [from: Region, to: Region])[]): void {
    this.#runtime.submit('copy variables', (encoder) => {
      for (const [from, to] of copies) {
        const [a, b] = [source.place(from.within), this.place(to.within)];
        const [start, end] = [(a.offset + from.offset) * 4, (b.offset + to.offset) * 4];
        const bytes = byteLength(from.within.dtype, from.size);
        encoder.copyBufferToBuffer(a.memory.buffer!, start, b.memory.buffer!, end, bytes);
      }
    });
  }

  async read(variables: readonly Variable[]): Promise<HostArray[]> {
    const wanted = variables.map((v) => ({ place: this.place(v), dtype: v.dtype, size: v.size }));
    return submitAndRead(this.#runtime, 'read variables', () => {}, wanted)();
  }

  dispose(): void {
    for (const memory of this.#memories.splice(0)) this.#runtime.destroy(memory.buffer!);
    this.#places.clear();
  }
}

/** Host values in the layout of GPU buffers. */
export function toWords(data: HostArray, dtype: DType): ArrayBufferView {
  const Words = ARRAYS[dtype];
  return data instanceof Words ? data : Words.from(data);
}

/** What {@link submitAndRead} copies. */
export interface Wanted {
  readonly place: Place;
  readonly dtype: DType;
  readonly size: number;
}

/** Submits commands, and copies of ranges into one staging buffer; the returned function waits for them and reads them. */
export function submitAndRead(
  runtime: GpuRuntime,
  label: string,
  record: (encoder: GPUCommandEncoder) => void,
  wanted: readonly Wanted[],
): () => Promise<HostArray[]> {
  let bytes = 0;
  const offsets = wanted.map(({ dtype, size }) => {
    const at = bytes;
    bytes += byteLength(dtype, size);
    return at;
  });
  const staging = runtime.staging(bytes);
  try {
    runtime.submit(label, (encoder) => {
      record(encoder);
      for (const [n, { place, dtype, size }] of wanted.entries()) {
        const { memory, offset } = place;
        encoder.copyBufferToBuffer(memory.buffer!, offset * 4, staging, offsets[n]!, byteLength(dtype, size));
      }
    });
  } catch (error) {
    runtime.destroy(staging);
    throw error;
  }
  return async () => {
    const copy = await runtime.readBack(staging, bytes);
    return wanted.map(({ dtype, size }, n) => new ARRAYS[dtype](copy, offsets[n]!, size));
  };
}
