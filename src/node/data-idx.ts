// IDX files on the disk, plain or gzip, decompressed no further than their header allows.
import { createGunzip } from 'node:zlib';
import type { DataSet } from '../data/dataset.ts';
import { checkIdx, type IdxArray, idxLength, MAX_IDX_BYTES, parseIdx } from '../data/idx.ts';
import { type IdxFiles, type IdxMeaning, idxSets } from '../data/idx-set.ts';
import { DataError } from '../graph/errors.ts';
import type { IdxPaths } from './idx-names.ts';
import { withFile } from './read-file.ts';

/** Reads the sets of one source: a training set, a test set or both. */
export async function readIdxSets(paths: readonly IdxPaths[], meaning: IdxMeaning): Promise<DataSet[]> {
  const sets: IdxFiles[] = [];
  const read = async (file: string) => ({ file, ...(await readIdx(file)) });
  for (const { images, labels } of paths) sets.push({ images: await read(images), labels: await read(labels) });
  return idxSets(sets, meaning);
}

/**
 * Reads one IDX file; gzip is recognized by its first bytes, whatever the name. @throws DataError, or FileError if the system refuses.
 */
export async function readIdx(path: string): Promise<IdxArray> {
  const bytes = withFile(path, (file) => {
    if (file.size > MOST_BYTES)
      throw new DataError(`${path}: expected at most ${MOST_BYTES} bytes, got ${file.size}. Use a smaller set.`);
    // Data is not read if the header is refused.
    const head = file.read(0, MAX_HEADER);
    if (!isGzip(head)) checkIdx(head, path, file.size);
    return file.read(0, file.size);
  });
  return parseIdx(isGzip(bytes) ? await gunzipIdx(bytes, path) : bytes, path);
}

/** Bytes of a header with four axes, and the maximum bytes of a file. */
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
          `${file}: the data should have ended at offset ${expected} (decompressed), got more. Remove the excess bytes or download it again.`,
        );
    }
  } catch (error) {
    throw error instanceof DataError ? error : gzipError(error, file, bytes.length, size, expected);
  }
  if (gunzip.bytesWritten !== bytes.length)
    throw new DataError(
      `${file}: offset ${gunzip.bytesWritten}: expected the end of the gzip data, got ${bytes.length - gunzip.bytesWritten} bytes more. Remove them or download it again.`,
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
  return new DataError(`${file}: ${what}: expected ${wanted} decompressed, got ${size}. Download the file again.`, {
    cause: error,
  });
}
