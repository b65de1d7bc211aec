// The tuning tables of `thalweg tune`: a file for each adapter and driver in the user's cache folder. Entries are merged into it; a file
// that
// cannot be used, or has another version, is reported, and replaced by the next tuning.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdapterReport } from '../gpu/report.ts';
import { TUNING_VERSION, type Tuning, type TuningEntry, withEntries } from '../graph/tuning.ts';
import { faultOf } from '../ops/gemm-table.ts';
import { FileError, fileError } from './file-error.ts';
import { prepareFolder, writeAtomic } from './files.ts';
import { cacheFolder } from './folders.ts';
import { readText } from './read-file.ts';

type Adapter = Pick<AdapterReport, 'name' | 'driver' | 'limits'>;

/** The folder of the tables. */
export function tuningFolder(): string {
  return join(cacheFolder(), 'tuning');
}

/** The file of an adapter with its driver. */
export function tuningFile({ name, driver }: Pick<Adapter, 'name' | 'driver'>): string {
  const slug = `${name} ${driver}`.toLowerCase().replace(/[^a-z0-9.]+/g, '-');
  return join(tuningFolder(), `${slug.replace(/^-+|-+$/g, '').slice(0, 120)}.json`);
}

/** The stored tuning of an adapter, or none; reports to `warn` why a file is unusable. */
export function keptTuning(adapter: Adapter, warn: (text: string) => void): Tuning | undefined {
  const file = tuningFile(adapter);
  let text: string;
  try {
    text = readText(file);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    const absent = ['ENOENT', 'ENOTDIR'].includes(error.code);
    if (!absent) warn(`${error.message} Until then the default kernels are used.`);
    return undefined;
  }
  const found = tuningIn(text, adapter);
  if (typeof found !== 'string') return found.entries.length > 0 ? { ...found, source: file } : undefined;
  warn(
    `${file}: ${found}, so the default kernels are used. Run thalweg tune to replace it, or thalweg tune --reset to remove it.`,
  );
  return undefined;
}

/** The tuning in a file's text, or what is wrong with it. */
function tuningIn(text: string, { name, driver, limits }: Adapter): Tuning | string {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return 'it is not valid JSON';
  }
  const fault = faultOf(data, limits);
  if (fault !== undefined) return fault;
  const kept = data as Tuning & Partial<Record<'adapter' | 'driver', unknown>>;
  if (kept.adapter !== name || kept.driver !== driver)
    return `it is for the adapter ${JSON.stringify(kept.adapter)} with driver ${JSON.stringify(kept.driver)}`;
  return { version: TUNING_VERSION, entries: kept.entries };
}

/**
 * Merges entries into an adapter's file, keeping entries for other work, and returns its path. If `use` is undefined, the entry is removed.
 * @throws FileError
 */
export async function keepTuning(adapter: Adapter, entries: readonly TuningEntry[]): Promise<string> {
  const file = tuningFile(adapter);
  await prepareFolder(tuningFolder());
  const found = tuningIn(textOr('', file), adapter);
  // An unusable file is replaced.
  const all = withEntries(typeof found === 'string' ? [] : found.entries, entries);
  const { name, driver } = adapter;
  const kept = { version: TUNING_VERSION, adapter: name, driver, entries: all.filter(({ use }) => use !== undefined) };
  await writeAtomic(file, `${JSON.stringify(kept, undefined, 2)}\n`);
  return file;
}

function textOr(otherwise: string, file: string): string {
  try {
    return readText(file);
  } catch {
    return otherwise;
  }
}

/** Removes an adapter's file; returns whether there was one. @throws FileError */
export async function dropTuning(adapter: Pick<Adapter, 'name' | 'driver'>): Promise<boolean> {
  const file = tuningFile(adapter);
  try {
    await rm(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw fileError('remove', file, error);
  }
}
