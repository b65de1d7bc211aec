// What a tuner found to be fastest on an adapter, as plain data: by the name of a piece of work, how to do it. Only the op that
// asks for a name knows what its entry means.
import { hashText } from './random.ts';

/** A tuner's table, as `createBackend` takes it: what `thalweg tune` writes, whole. */
export interface Tuning {
  /** By the name of a piece of work, such as `matmul NT 64x128x784`, how to do it. */
  readonly entries: Readonly<Record<string, unknown>>;
  /** Where it came from, for reports: 'given' unless said. */
  readonly source?: string;
}

/** The tuning of a backend: where it came from, which one it is, and which of its entries its programs have used. */
export interface TuningReport {
  readonly source: string;
  /** Eight hexadecimal digits: equal entries, equal digits. */
  readonly digest: string;
  readonly entries: number;
  readonly used: readonly string[];
}

/** A table in force, which remembers what was looked up. */
export class TuningInForce {
  readonly #tuning: Tuning;
  readonly #used = new Set<string>();

  constructor(tuning: Tuning) {
    this.#tuning = tuning;
  }

  /** The entry of that name, if there is one. */
  lookUp(name: string): unknown {
    const { entries } = this.#tuning;
    if (!Object.hasOwn(entries, name)) return undefined;
    this.#used.add(name);
    return entries[name];
  }

  get report(): TuningReport {
    const { entries, source = 'given' } = this.#tuning;
    const sorted = Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
    const digest = hashText(JSON.stringify(sorted)).toString(16).padStart(8, '0');
    return { source, digest, entries: sorted.length, used: [...this.#used].sort() };
  }
}
