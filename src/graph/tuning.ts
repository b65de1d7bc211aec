// A tuner's results for an adapter, as plain data: a list of works, each with its fastest configuration. Works are compared by size,
// never by text. Only the code that looks a work up knows the meaning of its entry.
import { hashText } from './random.ts';

/** The version of the format. Raise it when the works or the meaning of their entries change (another generator of kernels). */
export const TUNING_VERSION = 2;

/** Products of one layout and size: (M, K) times (K, N), `batch` times. */
export interface ProductWork {
  readonly kind: 'product';
  /** a is stored (K, M), b is stored (N, K). */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** The number of products: 1 without batch axes. */
  readonly batch: number;
}

/** Work that a tuner measures: a product, or training steps with this many operations and assigned elements each. */
export type Work = ProductWork | { readonly kind: 'steps'; readonly flops: number; readonly assigned: number };

/** The configuration for a work: that of a product's kernel, or whether many steps share a dispatch. */
export interface TuningEntry {
  readonly work: Work;
  readonly use: unknown;
}

/** A tuning as `createBackend` takes it: the parsed content of the file that `thalweg tune` writes. */
export interface Tuning {
  /** The version of the format; a tuning of another version is refused. */
  readonly version: typeof TUNING_VERSION;
  /** The fastest way found for each work. */
  readonly entries: readonly TuningEntry[];
  /** Where it came from, for reports. */
  readonly source?: string;
}

/** The tuning of a backend, and the works whose entries its programs have used. */
export interface TuningReport extends Tuning {
  /** Works whose entries a program has used. */
  readonly used: readonly Work[];
}

/** A key that is equal for equal works. */
function workKey(work: Work): string {
  const { kind } = work;
  if (kind === 'steps') return JSON.stringify([kind, work.flops, work.assigned]);
  return JSON.stringify([kind, work.transposeA, work.transposeB, work.M, work.N, work.K, work.batch]);
}

export function sameWork(a: Work, b: Work): boolean {
  return workKey(a) === workKey(b);
}

/** A work as text: `matmul NT 64x128x784`, followed by the batch (` x6`), or `steps of 12 operations, 3 assigned`. */
export function workText(work: Work): string {
  if (work.kind === 'steps') return `steps of ${work.flops} operations, ${work.assigned} assigned`;
  const { transposeA, transposeB, M, N, K, batch } = work;
  const layout = `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`;
  return `matmul ${layout} ${M}x${N}x${K}${batch > 1 ? ` x${batch}` : ''}`;
}

/** The entry of exactly this work. */
export function entryFor(entries: readonly TuningEntry[], work: Work): TuningEntry | undefined {
  return entries.find((entry) => sameWork(entry.work, work));
}

/** `entries` with those of `changes` replacing entries of the same works, or added. */
export function withEntries(entries: readonly TuningEntry[], changes: readonly TuningEntry[]): TuningEntry[] {
  const added = changes.filter(({ work }) => !entryFor(entries, work));
  return [...entries.map((entry) => entryFor(changes, entry.work) ?? entry), ...added];
}

/** A digest that is equal for equal entries: eight hexadecimal digits. */
export function digestOf({ entries }: Pick<Tuning, 'entries'>): string {
  const keyed = entries.map(({ work, use }) => [workKey(work), use] as const);
  const sorted = keyed.sort(([a], [b]) => (a < b ? -1 : 1));
  return hashText(JSON.stringify(sorted)).toString(16).padStart(8, '0');
}

/** Why data is not a tuning of this version, as a clause; undefined if it is one. The meaning of entries is not checked. */
export function formatFault(data: unknown): string | undefined {
  if (typeof data !== 'object' || data === null) return 'it is not a tuning';
  const { version, format, entries } = data as Readonly<Record<string, unknown>>;
  if (version !== TUNING_VERSION) {
    // Version 1 called it the format.
    const found = version ?? (format === 1 ? 1 : undefined);
    const what = found === undefined ? 'it has no version' : `its version is ${JSON.stringify(found)}`;
    return `${what}, but this release reads version ${TUNING_VERSION}`;
  }
  if (!Array.isArray(entries)) return 'it has no list of entries';
  const keys = new Set<string>();
  for (const [k, entry] of entries.entries()) {
    const work: unknown = entry?.work;
    if (!isWork(work))
      return `the work of its entry ${k} is ${JSON.stringify(work)}, which is neither a product nor steps`;
    if (keys.has(workKey(work))) return `it has two entries of "${workText(work)}"`;
    keys.add(workKey(work));
  }
  return undefined;
}

function isWork(data: unknown): data is Work {
  const work = (data ?? {}) as Work;
  const whole = (...counts: unknown[]) => counts.every((n) => Number.isSafeInteger(n) && (n as number) >= 0);
  if (work.kind === 'steps') return whole(work.flops, work.assigned);
  const flags = [work.transposeA, work.transposeB];
  return (
    work.kind === 'product' &&
    flags.every((flag) => typeof flag === 'boolean') &&
    whole(work.M, work.N, work.K, work.batch)
  );
}
