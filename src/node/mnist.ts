// MNIST for Node: from a folder that the user names, else from the cache, else from the mirrors into the cache.

import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLASSES, type DataPair, type DataSet, TARGETS } from '../data/dataset.ts';
import { MNIST_SCALE } from '../data/digits.ts';
import { MNIST_FILES, MNIST_MIRRORS, type RemoteFile } from '../data/mnist-files.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import { ARRAY, BOOLEAN, checkOptions, FUNCTION, MILLISECONDS, type Names, SIGNAL, STRING } from '../graph/options.ts';
import { download, verified } from './data-download.ts';
import { readIdxSets } from './data-idx.ts';
import { FileError } from './file-error.ts';
import { prepareFolder, writeAtomic } from './files.ts';
import { dataFolder } from './folders.ts';
import { pairOf, readFolder } from './idx-folder.ts';
import { findIdxSet, type IdxPaths } from './idx-names.ts';
import { readWhole } from './read-file.ts';

const ADVICE =
  "Use the digits made here (datasets.digits(), --data digits), or put MNIST's four files into a folder and name it (folder, --data DIR).";

export interface MnistOptions {
  /** A folder with an IDX set (MNIST, Fashion-MNIST, EMNIST, QMNIST and the like), read as it is: no checksum, no network. */
  folder?: string | URL;
  /** Which set, where the folder holds several: what the names of its files begin with, such as `emnist-letters`. */
  set?: string;
  /** The number of classes in the folder's labels, at least 2. Default: the largest label + 1. Labels from 1 to `classes` are
   * counted from 0. */
  classes?: number;
  /** `classes`: the folder's labels are class indices; `values`: numbers to regress on. Default `classes`, of integers alone. */
  targets?: 'classes' | 'values';
  /** The folder's pictures are stored with rows and columns interchanged, as EMNIST's are. Default false. */
  transpose?: boolean;
  /** Called while downloading, with the bytes of all files so far and in all. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
  /** Longest silence of a mirror in milliseconds. Default 15,000. */
  timeoutMs?: number;
  /** URLs of folders with the files. */
  mirrors?: readonly string[];
  /** The folder for data sets. Default: `$THALWEG_DATA`, else the platform's cache folder; MNIST lies in `mnist` there. */
  cache?: string;
  /** The files to download, for tests and other sets. */
  files?: readonly RemoteFile[];
}

const NAMES: Names<MnistOptions> = {
  folder: {
    advice: 'Give a path, or a file: URL.',
    fits: (v) => typeof v === 'string' || (v instanceof URL && v.protocol === 'file:'),
  },
  onProgress: FUNCTION,
  signal: SIGNAL,
  timeoutMs: MILLISECONDS,
  mirrors: ARRAY,
  cache: STRING,
  set: STRING,
  classes: CLASSES,
  targets: TARGETS,
  transpose: BOOLEAN,
  files: ARRAY,
};

/** Options of a folder alone. */
const OF_FOLDER = ['set', 'classes', 'targets', 'transpose'] as const;

/**
 * MNIST, or any IDX set in a folder: x (size, pixels), bytes or for other numbers f32; y (size) labels, or (size, outputs) f32.
 * Bytes are scaled as MNIST's are. A folder without a test set has a tenth of its training set, chosen by a seeded shuffle, for one.
 * @throws DataError where a file is missing, damaged or cannot be had; FileError where the system refuses; OptionError.
 */
export async function mnist(options: MnistOptions = {}, ...extra: never[]): Promise<DataPair> {
  const { signal } = checkOptions('mnist', options, NAMES, extra);
  const folder = options.folder instanceof URL ? fileURLToPath(options.folder) : options.folder;
  signal?.throwIfAborted();
  if (folder !== undefined) return pairOf(await readFolder(folder, options));
  const lone = OF_FOLDER.find((name) => options[name] !== undefined);
  if (lone) throw new OptionError(`mnist: ${lone} is for the set in a folder. Add folder, or leave ${lone} out.`);
  const home = mnistFolder(options);
  const cached = await cachedFiles(home);
  if (cached !== undefined) return { ...(await readMnist(cached)), source: `MNIST, from the cache ${home}.` };
  const host = await fill(home, options);
  const filled = await cachedFiles(home);
  if (!filled)
    throw new DataError(`mnist: the files that were downloaded into ${home} are no IDX set. Name them as MNIST's are.`);
  const read = await readMnist(filled);
  return { ...read, source: `MNIST, downloaded from ${host} into ${home}.` };
}

/** What {@link mnistIfQuick} found: data, or why there is none. */
export type QuickMnist = { data: DataPair; reason: undefined } | { data: undefined; reason: string };

/**
 * MNIST where it is cached, or where a mirror gives its smallest file within `quickMs` (3,000 unless said); else the reason
 * in a few words. Damaged files in the cache are an error, not a reason.
 */
export async function mnistIfQuick(
  options: Omit<MnistOptions, 'folder' | (typeof OF_FOLDER)[number]> & { quickMs?: number } = {},
): Promise<QuickMnist> {
  const { quickMs = 3000, ...asked } = options;
  const { signal, mirrors = MNIST_MIRRORS, files = MNIST_FILES } = asked;
  const home = mnistFolder(asked);
  if ((await cachedFiles(home)) === undefined) {
    const limit = AbortSignal.timeout(quickMs);
    try {
      const first = files[0]!;
      const both = signal === undefined ? limit : AbortSignal.any([signal, limit]);
      const { mirror } = await download(first, { mirrors, timeoutMs: quickMs / mirrors.length, signal: both });
      return {
        data: await mnist({ timeoutMs: 5000, ...asked, mirrors: withFirst(mirror, mirrors) }),
        reason: undefined,
      };
    } catch (error) {
      signal?.throwIfAborted();
      if (limit.aborted && error === limit.reason)
        return { data: undefined, reason: `MNIST is not cached and no mirror answered within ${quickMs / 1000} s` };
      if (error instanceof DataError || error instanceof FileError)
        return { data: undefined, reason: `MNIST is not cached, and ${short(error)}` };
      throw error;
    }
  }
  return { data: await mnist(asked), reason: undefined };
}

/** An error's message without its advice. */
function short(error: Error): string {
  return error.message.split(ADVICE)[0]!.trim().replace(/\.$/, '');
}

/** Where MNIST is looked for and downloaded to: `mnist` in `$THALWEG_DATA`, else in the platform's cache folder. */
export function mnistFolder({ cache }: MnistOptions = {}): string {
  return join(cache === undefined ? dataFolder() : resolve(cache), 'mnist');
}

/** The cache's training and test files; undefined unless all are there. */
export async function cachedFiles(home: string): Promise<readonly IdxPaths[] | undefined> {
  try {
    const { train, test } = await findIdxSet(home, '');
    return train && test && [train, test];
  } catch (error) {
    if (error instanceof DataError) return undefined;
    throw error;
  }
}

async function readMnist(paths: readonly IdxPaths[]): Promise<Pick<DataPair, 'train' | 'test'>> {
  try {
    const [train, test] = await readIdxSets(paths, { name: 'mnist', classes: 10, scale: MNIST_SCALE });
    return { train: train as DataSet, test: test as DataSet };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${error.message} Deleting it from the cache has it downloaded anew.`, { cause: error });
  }
}

/** Downloads what the cache lacks. Each file appears there whole, under its name, once its checksum is right. */
async function fill(home: string, options: MnistOptions): Promise<string> {
  const { signal, timeoutMs = 15_000, files = MNIST_FILES, onProgress } = options;
  let mirrors = options.mirrors ?? MNIST_MIRRORS;
  if (mirrors.length === 0) throw new OptionError('mirrors: the list is empty. Give at least one URL.');
  await prepareFolder(home);
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  let before = 0;
  for (const file of files) {
    const progress = (done: number) => onProgress?.(before + done, total);
    if (await isThere(join(home, file.name), file)) progress(file.bytes);
    else {
      const { bytes, mirror } = await download(file, { mirrors, timeoutMs, signal, onProgress: progress }).catch(
        (error) => {
          throw error instanceof DataError ? new DataError(`mnist: ${error.message}. ${ADVICE}`) : error;
        },
      );
      await writeAtomic(join(home, file.name), bytes);
      mirrors = withFirst(mirror, mirrors);
    }
    before += file.bytes;
  }
  return new URL(mirrors[0]!).host;
}

/** Whether an earlier download left the file, whole. */
async function isThere(path: string, file: RemoteFile): Promise<boolean> {
  try {
    verified(readWhole(path, file.bytes), file);
    return true;
  } catch {
    return false;
  }
}

function withFirst(mirror: string, mirrors: readonly string[]): string[] {
  return [mirror, ...mirrors.filter((other) => other !== mirror)];
}
