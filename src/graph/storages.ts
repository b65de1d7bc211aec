// The storages of an engine that are in use, so that a variable's memory is found by the variable. None is kept alive by it.
import type { Variable } from './tensor.ts';

interface Holder {
  has(variable: Variable): boolean;
}

export class Storages<S extends Holder> {
  #noted: WeakRef<S>[] = [];

  /** Notes a storage, and gives it back. */
  note<T extends S>(storage: T): T {
    this.#noted = [...this.#noted.filter((ref) => ref.deref()), new WeakRef(storage)];
    return storage;
  }

  /** Those that hold the variable: none after their `dispose`. */
  holding(variable: Variable): S[] {
    return this.#noted.flatMap((ref) => ref.deref() ?? []).filter((storage) => storage.has(variable));
  }
}
