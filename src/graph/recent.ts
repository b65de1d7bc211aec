// A cache of expensive values by key: kept while an owner uses them and, unused, while among the most recently used.

interface Entry<V> {
  readonly made: Promise<V>;
  readonly owners: Set<object>;
}

export class Recent<V> {
  readonly #most: number;
  readonly #drop: (value: V) => void;
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry<V>>();

  /** At most `most` unused values are kept; the others are dropped. */
  constructor(most: number, drop: (value: V) => void = () => {}) {
    this.#most = most;
    this.#drop = drop;
  }

  /** The value of `key`, made if absent, and kept until `owner` releases it. Failures are not cached. */
  get(key: string, make: () => Promise<V>, owner?: object): Promise<V> {
    let entry = this.#entries.get(key);
    if (!entry) {
      const made = make();
      const added = { made, owners: new Set<object>() };
      made.catch(() => this.#entries.get(key) === added && this.#entries.delete(key));
      entry = added;
    }
    if (owner) entry.owners.add(owner);
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#trim();
    return entry.made;
  }

  release(owner: object): void {
    for (const { owners } of this.#entries.values()) owners.delete(owner);
    this.#trim();
  }

  #trim(): void {
    const unused = [...this.#entries].filter(([, { owners }]) => owners.size === 0);
    for (const [key] of unused.slice(0, Math.max(0, unused.length - this.#most))) this.#forget(key);
  }

  #forget(key: string): void {
    this.#entries.get(key)!.made.then(this.#drop, () => {});
    this.#entries.delete(key);
  }

  clear(): void {
    for (const key of [...this.#entries.keys()]) this.#forget(key);
  }
}
