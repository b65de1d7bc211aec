// MNIST for Node: from a folder given by the user, else from the cache, else from the mirrors into the cache.

import { join, resolve } from 'node:path';
import { CLASSES, type DataPair, type DataSet, TARGETS } from '../data/dataset.ts';
import { MNIST_SCALE } from '../data/digits.ts';
import { MNIST_FILES, MNIST_MIRRORS, type RemoteFile } from '../data/mnist-files.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import {
  ARRAY,
  BOOLEAN,
  checkOptions,
  FUNCTION,
  MILLISECONDS,
  type Schema,
  SIGNAL,
  STRING,
  type WithDefaults,
} from '../graph/options.ts';
import { download, verified } from './data-download.ts';
import { readIdxSets } from './data-idx.ts';
import { FileError } from './file-error.ts';
import { prepareFolder, writeAtomic } from './files.ts';
import { FOLDER, folderPath } from './folder-option.ts';
import { dataFolder } from './folders.ts';
import { pairOf, readFolder } from './idx-folder.ts';
import { findIdxSet, type IdxPaths } from './idx-names.ts';
import { readWhole } from './read-file.ts';

const ADVICE =
  "Use the synthetic digits (datasets.digits(), --data digits), or put MNIST's four files into a folder and pass it (folder, --data DIR).";

/** Options of the `datasets.mnist` of `thalweg/node`. */
export interface MnistOptions {
  /** A folder with an IDX set (MNIST, Fashion-MNIST, EMNIST, QMNIST and the like), read without checksums or network. */
  folder?: string | URL | undefined;
  /** Which set, if the folder holds several: the prefix of its file names, such as `emnist-letters`. */
  set?: string | undefined;
  /** The number of classes in the folder's labels, at least 2. Default: the largest label + 1. Labels from 1 to `classes` are shifted to
   * begin at 0. */
  classes?: number | undefined;
  /** `classes`: the folder's labels are class indices; `values`: numbers to regress on. Default: `classes`, which requires integers. */
  targets?: 'classes' | 'values' | undefined;
  /** Whether the folder's images are stored transposed, as EMNIST's are. Default false. */
  transpose?: boolean | undefined;
  /** Whether examples keep the axes of images, [H, W, C] ([28, 28, 1] for MNIST), for convolutions, instead of [pixels]. Default false. */
  images?: boolean | undefined;
  /** Called during a download with the bytes of all files so far and their total. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Aborts the download; the promise then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** The longest wait for a mirror's next bytes, in milliseconds. Default 15,000. */
  timeoutMs?: number | undefined;
  /** URLs of folders with the files. Default: known mirrors. */
  mirrors?: readonly string[] | undefined;
  /** The folder for data sets. Default: `$THALWEG_DATA`, else the platform's cache folder; MNIST is in its subfolder `mnist`. */
  cache?: string | undefined;
  /** The files to download, for tests and other data sets. Default: MNIST's. */
  files?: readonly RemoteFile[] | undefined;
}

const SCHEMA = {
  folder: FOLDER,
  onProgress: FUNCTION,
  signal: SIGNAL,
  timeoutMs: [MILLISECONDS, 15_000],
  mirrors: [ARRAY, MNIST_MIRRORS],
  cache: STRING,
  set: STRING,
  classes: CLASSES,
  targets: TARGETS,
  transpose: [BOOLEAN, false],
  images: [BOOLEAN, false],
  files: [ARRAY, MNIST_FILES],
} satisfies Schema<MnistOptions>;

/** Options of a folder alone. */
const OF_FOLDER = ['set', 'classes', 'targets', 'transpose'] as const;

/**
 * MNIST, or any IDX set in a folder: x (size, pixels), or (size, H, W, C) with `images`: bytes, or f32 for other types; y (size) labels, or
 * (size, outputs) f32. Bytes are scaled as MNIST's are. Without a test set in the folder, a tenth of its training set, chosen by a seeded shuffle, is held out. @throws
 * DataError if a file is missing, damaged or not downloadable; FileError if the system refuses; OptionError.
 */
export async function mnist(options: MnistOptions = {}, ...extra: never[]): Promise<DataPair> {
  const checked = checkOptions('mnist', options, SCHEMA, extra);
  const { signal, images } = checked;
  const folder = options.folder === undefined ? undefined : folderPath('mnist', options.folder);
  signal?.throwIfAborted();
  if (folder !== undefined) return pairOf(await readFolder(folder, checked));
  const lone = OF_FOLDER.find((name) => options[name] !== undefined);
  if (lone)
    throw new OptionError(`mnist: ${lone} applies only to a set in a folder. Add folder, or leave ${lone} out.`);
  const home = mnistFolder(options);
  const cached = await cachedFiles(home);
  if (cached !== undefined) return { ...(await readMnist(cached, images)), source: `MNIST, from the cache ${home}.` };
  const host = await fill(home, checked);
  const filled = await cachedFiles(home);
  if (!filled)
    throw new DataError(`mnist: the files downloaded into ${home} are not an IDX set. Name them like MNIST's.`);
  const read = await readMnist(filled, images);
  return { ...read, source: `MNIST, downloaded from ${host} into ${home}.` };
}

/** The result of {@link mnistIfQuick}: data, or why there is none. */
export type QuickMnist = { data: DataPair; reason: undefined } | { data: undefined; reason: string };

/**
 * MNIST if it is cached, or if a mirror serves its smallest file within `quickMs`; else the reason in a few words. Default quickMs 3,000.
 * Damaged files in the cache are an error, not a reason.
 */
export async function mnistIfQuick(
  options: Omit<MnistOptions, 'folder' | (typeof OF_FOLDER)[number]> & { quickMs?: number } = {},
): Promise<QuickMnist> {
  const { quickMs = 3000, ...asked } = options;
  const { signal, mirrors, files } = checkOptions('mnist', asked, SCHEMA);
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

/** The folder in which MNIST is cached: `mnist` in `$THALWEG_DATA`, else in the platform's cache folder. */
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

async function readMnist(paths: readonly IdxPaths[], images: boolean): Promise<Pick<DataPair, 'train' | 'test'>> {
  try {
    const [train, test] = await readIdxSets(paths, { name: 'mnist', classes: 10, images, scale: MNIST_SCALE });
    return { train: train as DataSet, test: test as DataSet };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    throw new DataError(`${error.message} Delete it from the cache to download it again.`, { cause: error });
  }
}

/** Downloads what the cache lacks. Each file appears there whole, under its name, once its checksum is right. */
async function fill(home: string, options: WithDefaults<MnistOptions, typeof SCHEMA>): Promise<string> {
  const { signal, timeoutMs, files, onProgress } = options;
  let { mirrors } = options;
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

/** Whether an earlier download left the complete file. */
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
