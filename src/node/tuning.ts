// What `thalweg tune` keeps: a file for each adapter and driver in the user's cache folder. Entries are merged into it; a file that
// cannot be used is told of, and replaced by the next tuning.
import { readFileSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { AdapterReport } from '../gpu/report.ts';
import type { Tuning } from '../graph/tuning.ts';
import { faultOf } from '../ops/gemm-table.ts';
import { fileError, prepareFolder, writeAtomic } from './files.ts';
import { cacheFolder } from './folders.ts';

/** What the entries mean: another generator of kernels, another number. */
const FORMAT = 1;

type Adapter = Pick<AdapterReport, 'name' | 'driver' | 'limits'>;

/** Where tables lie. */
export function tuningFolder(): string {
  return join(cacheFolder(), 'tuning');
}

/** The file of an adapter with its driver. */
export function tuningFile({ name, driver }: Pick<Adapter, 'name' | 'driver'>): string {
  const slug = `${name} ${driver}`.toLowerCase().replace(/[^a-z0-9.]+/g, '-');
  return join(tuningFolder(), `${slug.replace(/^-+|-+$/g, '').slice(0, 120)}.json`);
}

/** The table that is kept for an adapter, or none; why a file there cannot be used is told to `warn`. */
export function keptTuning(adapter: Adapter, warn: (text: string) => void): Tuning | undefined {
  const file = tuningFile(adapter);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const absent = ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
    if (!absent) warn(`${fileError('read', file, error).message} Until then the default kernels are used.`);
    return undefined;
  }
  const found = tableIn(text, adapter);
  if (typeof found !== 'string') return Object.keys(found.entries).length > 0 ? { ...found, source: file } : undefined;
  warn(
    `${file}: ${found}, so the default kernels are used. Run thalweg tune --reset, or repair the file, and tune again.`,
  );
  return undefined;
}

/** The entries of a file's text, or what is wrong with it. */
function tableIn(text: string, { name, driver, limits }: Adapter): Tuning | string {
  let table: Partial<Record<'format' | 'adapter' | 'driver' | 'entries', unknown>> | null;
  try {
    table = JSON.parse(text);
  } catch {
    return 'it is not valid JSON';
  }
  if (typeof table !== 'object' || table === null) return 'it holds no table';
  if (table.format !== FORMAT) return `its format is ${JSON.stringify(table.format)}, and this version reads ${FORMAT}`;
  if (table.adapter !== name || table.driver !== driver)
    return `it is of the adapter ${JSON.stringify(table.adapter)} with driver ${JSON.stringify(table.driver)}`;
  const { entries } = table;
  if (typeof entries !== 'object' || entries === null || Array.isArray(entries)) return 'it has no object of entries';
  const found = { entries: entries as Tuning['entries'] };
  return faultOf(found, limits) ?? found;
}

/**
 * Adds entries to an adapter's file, which keeps those of other names (an entry that is undefined goes), and returns its path.
 * @throws FileError
 */
export async function keepTuning(adapter: Adapter, entries: Readonly<Record<string, unknown>>): Promise<string> {
  const file = tuningFile(adapter);
  await prepareFolder(tuningFolder());
  const before = await readFile(file, 'utf8').catch(() => '');
  const table = tableIn(before, adapter);
  // What cannot be read is of no use to anybody: the new entries take its place.
  const all = { ...(typeof table === 'string' ? {} : table.entries), ...entries };
  const { name, driver } = adapter;
  await writeAtomic(file, `${JSON.stringify({ format: FORMAT, adapter: name, driver, entries: all }, undefined, 2)}\n`);
  return file;
}

/** Removes an adapter's file; says whether there was one. @throws FileError */
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
