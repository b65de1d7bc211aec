// Which files of a folder form an IDX set: the name of each gives its role, `train-images-idx3-ubyte.gz`, after an optional prefix that
// distinguishes sets, `emnist-letters-test-labels-idx1-ubyte`.
import { readdirSync, statSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DataError } from '../graph/errors.ts';
import { nearest } from '../graph/nearest.ts';
import { fileError } from './file-error.ts';
import { refuseIrregular } from './read-file.ts';

/** The original names of MNIST's files. */
const USUAL =
  'train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte (or .gz)';
/** Prefix, part and role: the part is `train`, or for the test set `t10k` or `test`. */
const NAME = /^(?:([^.].*?)[-_.])?(train|t10k|test)[-_.](images|labels)[-_.]idx[\w-]*(\.gz)?$/i;

/** A file as described by its name. */
interface Named {
  readonly name: string;
  readonly prefix: string;
  readonly part: 'train' | 't10k' | 'test';
  readonly role: 'images' | 'labels';
}

/** Images and labels. */
export interface IdxPaths {
  readonly images: string;
  readonly labels: string;
}

/** The files of one set in a folder. */
export interface FoundSet {
  /** The prefix of its file names, or ''. */
  readonly prefix: string;
  readonly train?: IdxPaths;
  readonly test?: IdxPaths;
}

/** The role of a file; undefined if it has none. */
function named(name: string): Named | undefined {
  const match = NAME.exec(name);
  if (!match) return undefined;
  const [part, role] = [match[2]!.toLowerCase(), match[3]!.toLowerCase()];
  return { name, prefix: match[1] ?? '', part: part as Named['part'], role: role as Named['role'] };
}

function isOf(file: Named | undefined, set: string): boolean {
  return file?.prefix.toLowerCase() === set.toLowerCase();
}

/**
 * The files of the IDX set in a folder, plain or gzip: a training set, a test set or both.
 * @param set the prefix of its file names, if the folder holds several sets. @throws DataError with the names of missing files, or of sets
 * to choose from; FileError.
 */
export async function findIdxSet(folder: string, set?: string): Promise<FoundSet> {
  const names = await namesIn(folder);
  const files = names.map(named).filter((file) => file !== undefined);
  if (files.length === 0) {
    // Kuzushiji-49 is published as NumPy's files alone.
    const numpy = names.find((name) => /\.np[yz]$/i.test(name));
    const instead = numpy
      ? `, and NumPy's ${numpy} cannot be read. Convert it to IDX`
      : '. Put the files of a set there';
    throw new DataError(`${folder}: it holds no IDX files${instead}, named like ${USUAL}.`);
  }
  const prefixes = [...new Map(files.map(({ prefix }) => [prefix.toLowerCase(), prefix])).values()];
  const chosen = files.filter((file) => isOf(file, set ?? prefixes[0]!));
  if (set !== undefined && chosen.length === 0) {
    const guess = nearest(set, prefixes);
    throw new DataError(
      `${folder}: it holds no set ${JSON.stringify(set)}. ${guess ? `Did you mean '${guess}'? ` : ''}Use ${quotedList(prefixes)}.`,
    );
  }
  if (set === undefined && prefixes.length > 1)
    throw new DataError(
      `${folder}: it holds ${prefixes.length} sets: ${quotedList(prefixes)}. Choose one, as { set: '${prefixes.find(Boolean)}' }.`,
    );
  const { prefix } = chosen[0]!;
  const of = (part: (file: Named) => boolean) => filesOf(folder, chosen.filter(part));
  const [train, test] = [await of(({ part }) => part === 'train'), await of(({ part }) => part !== 'train')];
  const missing = [train, test].flatMap(({ missing }) => missing);
  if (missing.length > 0)
    throw new DataError(
      `${folder}: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing (neither plain nor .gz). Put all files of the set there: images and labels.`,
    );
  return { prefix, ...(train.paths && { train: train.paths }), ...(test.paths && { test: test.paths }) };
}

function quotedList(prefixes: readonly string[]): string {
  return [...prefixes]
    .sort()
    .map((prefix) => `'${prefix}'${prefix === '' ? ' (train-images-…)' : ''}`)
    .join(', ');
}

/** Whether a folder holds files of an IDX set. @throws DataError if there is no such folder; FileError */
export async function holdsIdx(folder: string): Promise<boolean> {
  return (await namesIn(folder)).some((name) => named(name) !== undefined);
}

async function namesIn(folder: string): Promise<string[]> {
  const found = await stat(folder).catch((error) => {
    if (error.code === 'ENOENT') throw new DataError(`${folder}: there is no such folder. Check the path.`);
    throw fileError('read', folder, error);
  });
  if (!found.isDirectory()) throw new DataError(`${folder}: it is a file. Give the folder that holds ${USUAL}.`);
  const names = await readdir(folder).catch((error) => {
    throw fileError('read', folder, error);
  });
  return names.sort();
}

/** Images and labels among the files of a part; for a missing one, the name it might have. */
async function filesOf(folder: string, files: readonly Named[]): Promise<{ paths?: IdxPaths; missing: string[] }> {
  const images = await pathOf(folder, files, 'images');
  const labels = await pathOf(folder, files, 'labels');
  if (images && labels) return { paths: { images, labels }, missing: [] };
  if (!images && !labels) return { missing: [] };
  const { prefix, part } = files[0]!;
  const name = `${prefix}${prefix && '-'}${part}`;
  return { missing: [images ? `${name}-labels-idx1-ubyte` : `${name}-images-idx3-ubyte`] };
}

/** The file of a role; the plain one if both plain and gzip exist. */
async function pathOf(folder: string, files: readonly Named[], role: Named['role']): Promise<string | undefined> {
  const fitting = files.filter((file) => file.role === role).map(({ name }) => name);
  const found = await Promise.all(fitting.map((name) => stat(join(folder, name)).catch(() => undefined)));
  const regular = fitting.filter((_, k) => found[k]?.isFile());
  // Names that differ in more than spelling are different files.
  const spellings = new Set(regular.map((name) => name.toLowerCase().replace(/\.gz$/, '').replace(/[-_.]/g, '-')));
  if (spellings.size > 1)
    throw new DataError(
      `${folder}: ${regular.slice(0, 2).join(' and ')} have the same role. Move one of them to another folder.`,
    );
  if (regular.length > 0) return join(folder, regular.find((name) => !/\.gz$/i.test(name)) ?? regular[0]!);
  for (const [k, it] of found.entries()) if (it) refuseIrregular('read', join(folder, fitting[k]!), it);
  return undefined;
}

/** `DIR/PREFIX` as a folder and a set in it; undefined if it is itself a folder, or no folder holds such sets. @throws FileError */
export function setAt(path: string): { readonly folder: string; readonly set: string } | undefined {
  try {
    if (statSync(path, { throwIfNoEntry: false })) return undefined;
    const folder = dirname(path);
    if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return undefined;
    return readdirSync(folder).some((name) => named(name)?.prefix) ? { folder, set: basename(path) } : undefined;
  } catch (error) {
    throw fileError('read', path, error);
  }
}
