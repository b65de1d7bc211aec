// The storages of an engine in use, to find a variable's memory by the variable. Held weakly.
import type { Variable } from './tensor.ts';

interface Holder {
  has(variable: Variable): boolean;
}

export class Storages<S extends Holder> {
  #storages: WeakRef<S>[] = [];

  /** Registers a storage, and returns it. */
  register<T extends S>(storage: T): T {
    this.#storages = [...this.#storages.filter((ref) => ref.deref()), new WeakRef(storage)];
    return storage;
  }

  /** The storages that hold the variable, without disposed ones. */
  holding(variable: Variable): S[] {
    return this.#storages.flatMap((ref) => ref.deref() ?? []).filter((storage) => storage.has(variable));
  }
}
