// An engine without a device: it gives variables and data a place in memory, so that a step can be traced and compiled for any adapter,
// but runs nothing.
import type { Target } from '../compile/index.ts';
import { type Memory, newMemory, type Place } from '../gpu/memory.ts';
import type { Capabilities } from '../graph/capabilities.ts';
import { byteLength, type HostArray } from '../graph/dtype.ts';
import { internal, missingVariable } from '../graph/errors.ts';
import {
  type CompileOptions,
  type Executor,
  newCounters,
  type Program,
  type Storage,
  type VariableGroup,
} from '../graph/executor.ts';
import { type Node, type Variable, variableOf } from '../graph/tensor.ts';

/** Places of variables in buffers that are never created. */
class PlanStorage implements Storage {
  readonly bytes: number;
  readonly #places = new Map<Variable, Place>();

  constructor(groups: readonly VariableGroup[]) {
    let total = 0;
    for (const { variable, members = [] } of groups) {
      const label = members.length > 0 ? 'arena' : 'variable';
      const memory = newMemory(label, byteLength(variable.dtype, variable.size));
      total += memory.bytes;
      this.#places.set(variable, { memory, offset: 0, words: memory.bytes / 4 });
      for (const { variable: member, offset } of members)
        this.#places.set(member, { memory, offset, words: member.size });
    }
    this.bytes = total;
  }

  place(variable: Variable): Place | undefined {
    return this.#places.get(variable);
  }

  has(variable: Variable): boolean {
    return this.#places.has(variable);
  }

  write(): void {}

  copyFrom(): void {}

  async read(): Promise<never> {
    throw internal('a storage without memory cannot be read');
  }

  dispose(): void {}
}

export class PlanExecutor implements Executor {
  readonly kind = 'gpu';
  readonly counters = newCounters();
  readonly lost = new Promise<never>(() => {});
  readonly orLost = <T>(promise: Promise<T>): Promise<T> => promise;
  readonly capabilities: Capabilities;
  readonly #storages: PlanStorage[] = [];
  readonly #leaves = new Map<Node | HostArray, Place>();

  constructor(capabilities: Capabilities) {
    this.capabilities = capabilities;
  }

  get maxBindingBytes(): number {
    return this.capabilities.maxStorageBufferBindingSize;
  }

  allocate(groups: readonly VariableGroup[]): PlanStorage {
    const storage = new PlanStorage(groups);
    this.#storages.push(storage);
    return storage;
  }

  /** The target for recipes over its storages. */
  target({ fuse = true, persistent }: Pick<CompileOptions, 'fuse' | 'persistent'> = {}): Target {
    return {
      gpu: this.capabilities,
      fuse,
      persistent,
      leaf: (node) => this.#leaf(node),
      placeOf: (variable) => this.#placeOf(variable),
    };
  }

  #placeOf(variable: Variable): Place {
    for (const storage of this.#storages) {
      const place = storage.place(variable);
      if (place) return place;
    }
    throw missingVariable('the plan', variable);
  }

  #leaf(node: Node): Place {
    const source = node.source!;
    if (source.kind === 'variable') return this.#placeOf(variableOf(node)!);
    const resident = source.kind === 'resident';
    const key = resident ? source.array.data : node;
    let place = this.#leaves.get(key);
    if (!place) {
      const { dtype, size } = node.outputs[0]!;
      const memory: Memory = newMemory(resident ? 'data' : source.kind, byteLength(dtype, size));
      place = { memory, offset: 0, words: memory.bytes / 4 };
      this.#leaves.set(key, place);
    }
    return place;
  }

  async compile(): Promise<Program> {
    throw internal('an engine without a device cannot compile programs');
  }

  dispose(): void {}
}
