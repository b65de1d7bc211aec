// What a tuner found to be fastest on an adapter, as plain data: by the name of a piece of work, how to do it. Only the op that
// asks for a name knows what its entry means.
import { hashText } from './random.ts';

/** A tuner's table, as `createBackend` takes it: what `thalweg tune` writes, whole. */
export interface Tuning {
  /** By the name of a piece of work, such as `matmul NT 64x128x784`, how to do it. */
  readonly entries: Readonly<Record<string, unknown>>;
  /** Where it came from, for reports. */
  readonly source?: string;
}

/** The tuning of a backend, and which of its entries its programs have used. */
export interface TuningReport extends Tuning {
  readonly used: readonly string[];
}

/** Equal entries, equal digests: eight hexadecimal digits. */
export function digestOf({ entries }: Tuning): string {
  const sorted = Object.entries(entries).sort(([a], [b]) => (a < b ? -1 : 1));
  return hashText(JSON.stringify(sorted)).toString(16).padStart(8, '0');
}
