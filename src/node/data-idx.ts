// IDX files on the disk, plain or gzip: found under their usual names, decompressed no further than their header allows.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import type { DataSet, Scale } from '../data/dataset.ts';
import { checkIdx, type IdxArray, idxLength, idxPair, MAX_IDX_BYTES, type NamedIdx, parseIdx } from '../data/idx.ts';
import { DataError } from '../graph/errors.ts';
import { fileError } from './file-error.ts';
import { refuseIrregular, withFile } from './read-file.ts';

/** The names of an IDX set's files, as MNIST's authors gave them. */
export const IDX_NAMES = [
  'train-images-idx3-ubyte',
  'train-labels-idx1-ubyte',
  't10k-images-idx3-ubyte',
  't10k-labels-idx1-ubyte',
] as const;

/** Where each file of a set was found, in the order of {@link IDX_NAMES}. */
export type IdxPaths = readonly [string, string, string, string];

/** The spellings under which a file is looked for. */
function spellings(name: string): string[] {
  const dotted = name.replace(/-(idx\d)/, '.$1');
  return [name, `${name}.gz`, dotted, `${dotted}.gz`];
}

/**
 * The four files of an IDX set in a folder, plain or gzip, spelt `train-images-idx3-ubyte` or `train-images.idx3-ubyte`.
 * @throws DataError with the names of those that are missing.
 */
export async function findIdxFiles(folder: string): Promise<IdxPaths> {
  const found = await stat(folder).catch((error) => {
    if (error.code === 'ENOENT') throw new DataError(`${folder}: there is no such folder. Check the path.`);
    throw fileError('read', folder, error);
  });
  if (!found.isDirectory())
    throw new DataError(`${folder}: it is a file. Give the folder that holds ${IDX_NAMES.join(', ')}.`);
  const paths = await Promise.all(IDX_NAMES.map((name) => firstFile(spellings(name).map((s) => join(folder, s)))));
  const missing = IDX_NAMES.filter((_, i) => paths[i] === undefined);
  if (missing.length > 0)
    throw new DataError(
      `${folder}: ${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing (neither plain nor .gz). Put the four files of an IDX set there: ${IDX_NAMES.join(', ')}.`,
    );
  return paths as unknown as IdxPaths;
}

/** The first that is a file. @throws FileError where only a folder, a pipe or a device has one of the names. */
async function firstFile(paths: readonly string[]): Promise<string | undefined> {
  const found = await Promise.all(paths.map((path) => stat(path).catch(() => undefined)));
  const k = found.findIndex((it) => it?.isFile());
  if (k >= 0) return paths[k];
  for (const [other, it] of found.entries()) if (it) refuseIrregular('read', paths[other]!, it);
  return undefined;
}

/** Reads the training and the test set of four IDX files. */
export async function readIdxSet(
  paths: IdxPaths,
  meaning: { name: string; classes: number; scale: Scale },
): Promise<{ train: DataSet; test: DataSet }> {
  const arrays: NamedIdx[] = [];
  for (const path of paths) arrays.push({ file: path, ...(await readIdx(path)) });
  return idxPair(arrays, meaning);
}

/**
 * Reads one IDX file; gzip is recognised by its first bytes, whatever the name.
 * @throws DataError, or FileError where the system refuses.
 */
export async function readIdx(path: string): Promise<IdxArray> {
  const bytes = withFile(path, (file) => {
    if (file.size > MOST_BYTES)
      throw new DataError(`${path}: expected at most ${MOST_BYTES} bytes, got ${file.size}. Use a smaller set.`);
    // What the header refuses is not read.
    const head = file.read(0, MAX_HEADER);
    if (!isGzip(head)) checkIdx(head, path, file.size);
    return file.read(0, file.size);
  });
  return parseIdx(isGzip(bytes) ? await gunzipIdx(bytes, path) : bytes, path);
}

/** Bytes of the header of four axes, and the most bytes of a file. */
const MAX_HEADER = 20;
const MOST_BYTES = MAX_IDX_BYTES + MAX_HEADER;

function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Decompresses an IDX file, and stops as soon as it is longer than its own header says. */
async function gunzipIdx(bytes: Uint8Array, file: string): Promise<Uint8Array> {
  const gunzip = createGunzip();
  gunzip.end(bytes);
  const chunks: Uint8Array[] = [];
  let size = 0;
  let expected: number | undefined;
  try {
    for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      size += chunk.length;
      expected ??= idxLength(chunks.length === 1 ? chunk : Buffer.concat(chunks), file)?.total;
      if (expected !== undefined && size > expected)
        throw new DataError(
          `${file}: the data should have ended at offset ${expected} (decompressed), got more. Remove the bytes after it or get it again.`,
        );
    }
  } catch (error) {
    throw error instanceof DataError ? error : gzipError(error, file, bytes.length, size, expected);
  }
  if (gunzip.bytesWritten !== bytes.length)
    throw new DataError(
      `${file}: offset ${gunzip.bytesWritten}: expected the end of the gzip data, got ${bytes.length - gunzip.bytesWritten} bytes more. Remove them or get it again.`,
    );
  return Buffer.concat(chunks);
}

function gzipError(
  error: unknown,
  file: string,
  stored: number,
  size: number,
  expected: number | undefined,
): DataError {
  const cut = (error as NodeJS.ErrnoException).code === 'Z_BUF_ERROR';
  const wanted = expected === undefined ? 'a whole IDX file' : `${expected} bytes`;
  const what = cut
    ? `the gzip data ends at offset ${stored}, too early`
    : `the gzip data is corrupt (${error instanceof Error ? error.message : error})`;
  return new DataError(`${file}: ${what}: expected ${wanted} decompressed, got ${size}. Get the file again.`, {
    cause: error,
  });
}
