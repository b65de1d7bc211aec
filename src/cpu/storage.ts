// The memory of variables on the CPU: members of a group lie in its array.
import type { HostArray } from '../graph/dtype.ts';
import { internal } from '../graph/errors.ts';
import type { Region, Storage, VariableGroup } from '../graph/executor.ts';
import { checkValues } from '../graph/inputs.ts';
import type { Variable } from '../graph/tensor.ts';
import { bytesOf, type CpuArray, type Heap } from './heap.ts';

export class CpuStorage implements Storage {
  readonly bytes: number;
  readonly heap: Heap;
  disposed = false;
  readonly #owned = new Set<CpuArray>();
  readonly #arrays = new Map<Variable, CpuArray>();

  constructor(groups: readonly VariableGroup[], heap: Heap) {
    this.heap = heap;
    try {
      for (const { variable, members } of groups) {
        const array = heap.array(variable, this.#owned);
        this.#arrays.set(variable, array);
        for (const { variable: member, offset } of members ?? [])
          this.#arrays.set(member, heap.array(member, this.#owned, array, offset));
      }
    } catch (error) {
      this.dispose();
      throw error;
    }
    this.bytes = bytesOf(this.#owned);
  }

  has(variable: Variable): boolean {
    return this.#arrays.has(variable);
  }

  /** The live array itself. */
  array(variable: Variable): CpuArray {
    const array = this.#arrays.get(variable);
    if (!array) throw internal(`a variable ${variable} is not in this storage`);
    return array;
  }

  write(variable: Variable, data: HostArray): void {
    this.heap.end.check();
    checkValues('storage', `${variable}`, variable, data);
    this.array(variable).data.set(data);
  }

  copyFrom(source: CpuStorage, copies: readonly (readonly [from: Region, to: Region])[]): void {
    this.heap.end.check();
    for (const [from, to] of copies) {
      const data = source.array(from.within).data.subarray(from.offset, from.offset + from.size);
      this.array(to.within).data.set(data, to.offset);
    }
  }

  async read(variables: readonly Variable[]): Promise<HostArray[]> {
    this.heap.end.check();
    return variables.map((variable) => this.array(variable).data.slice());
  }

  dispose(): void {
    this.disposed = true;
    this.#arrays.clear();
    this.heap.release(this.#owned);
  }
}
