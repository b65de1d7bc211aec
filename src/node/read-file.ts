// Safe reads of user-named files: type and size are checked before anything is read, so that a pipe, a device or a file far too large is
// refused at once. Opening a pipe would wait for its writer, and no signal ends that wait.
import { closeSync, constants, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { FileError, fileError } from './file-error.ts';

/** Refuses anything but a regular file, naming its type. @throws FileError */
export function refuseIrregular(action: string, path: string, found: Stats): void {
  if (found.isFile()) return;
  if (found.isDirectory()) throw fileError(action, path, Object.assign(new Error('a folder'), { code: 'EISDIR' }));
  const kind = found.isFIFO() ? 'named pipe' : found.isSocket() ? 'socket' : 'device';
  throw new FileError(`${path}: cannot ${action}: it is a ${kind} and not a regular file. Name a file.`, '');
}

/** A regular file, open for reading. */
export interface OpenFile {
  readonly size: number;
  /** `length` bytes from `from`, fewer at the end of the file. */
  read(from: number, length: number): Uint8Array<ArrayBuffer>;
}

/** Opens a regular file for as long as `work` takes. @throws FileError */
export function withFile<T>(path: string, work: (file: OpenFile) => T): T {
  let descriptor: number | undefined;
  try {
    refuseIrregular('read', path, statSync(path));
    // If a pipe replaces the file meanwhile, opening it does not wait either.
    descriptor = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    const found = fstatSync(descriptor);
    refuseIrregular('read', path, found);
    return work(openFile(path, descriptor, found.size));
  } catch (error) {
    // An error that `work` throws on purpose is not a system error.
    const refused = error instanceof Error && ('syscall' in error || path.includes('\0'));
    throw refused ? fileError('read', path, error) : error;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

function openFile(path: string, descriptor: number, size: number): OpenFile {
  return {
    size,
    read(from, length) {
      const bytes = allocate(path, Math.max(0, Math.min(length, size - from)));
      let done = 0;
      while (done < bytes.length) {
        const got = readSync(descriptor, bytes, done, Math.min(bytes.length - done, 2 ** 30), from + done);
        if (got === 0) break; // It was truncated meanwhile.
        done += got;
      }
      return bytes.subarray(0, done);
    },
  };
}

function allocate(path: string, length: number): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(length);
  } catch (error) {
    throw new FileError(`${path}: cannot read: no memory for its ${length} bytes. Use a smaller file.`, '', error);
  }
}

/** All bytes of a regular file of at most `most` bytes. @throws FileError */
export function readWhole(path: string, most = Number.POSITIVE_INFINITY): Uint8Array<ArrayBuffer> {
  return withFile(path, (file) => {
    if (file.size > most)
      throw new FileError(
        `${path}: cannot read: it has ${file.size} bytes, but at most ${most} are expected. Check the path.`,
        'EFBIG',
      );
    return file.read(0, file.size);
  });
}

/** The maximum bytes of a settings file or of a benchmark's lines. */
const MOST_TEXT = 64 * 2 ** 20;

/** The text of a regular file. Default limit 64 MiB. @throws FileError */
export function readText(path: string, most = MOST_TEXT): string {
  return new TextDecoder().decode(readWhole(path, most));
}
