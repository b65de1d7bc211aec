// Files that are whole or absent: what is written appears under its name only once all of it is on the disk, and a log of
// lines never ends in half a line. What the system refuses is told as a sentence.
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  writeSync,
} from 'node:fs';
import { open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** A file or folder the system would not let us use; `code` is the system's own (`ENOSPC`, `EACCES`, …). */
export class FileError extends Error {
  override readonly name = 'FileError';
  readonly code: string;
  constructor(message: string, code: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full. Free some space',
  EDQUOT: 'your disk quota is used up. Free some space',
  EFBIG: 'the file would be larger than the file system or a limit of the process allows. Use another disk',
  EACCES: 'permission denied. Choose a place you may write to',
  EPERM: 'permission denied. Choose a place you may write to',
  EROFS: 'the file system is read-only. Choose another place',
  ENOENT: 'it does not exist, or the folder it is in does not. Check the path',
  ENOTDIR: 'a part of the path is a file and not a folder. Check the path',
  EISDIR: 'it is a folder and not a file. Check the path',
  EEXIST: 'something of that name is in the way. Choose another name',
  ENAMETOOLONG: 'the name is too long. Choose a shorter one',
  EMFILE: 'too many files are open. Close some programs or raise the limit',
  EIO: 'the disk reported a fault. Check the disk',
};

const MAKE = 'make the folder';
/** {@link makeFolder} makes what is missing above, so that ENOENT comes from the file system itself, as under /proc. */
const NO_FOLDERS = 'the place does not allow folders to be made. Choose another place';

/** A system error as a {@link FileError} that says what was tried, on what, why it failed and what to do. */
export function fileError(action: string, path: string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  const code = codeOf(error);
  const advice =
    (code === 'ENOENT' && action === MAKE ? NO_FOLDERS : ADVICE[code]) ??
    `${error instanceof Error ? error.message : String(error)}. Check the path`;
  return new FileError(`${path}: cannot ${action}: ${advice}${code === '' ? '' : ` (${code})`}.`, code, error);
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

let temporaries = 0;

function temporaryBeside(path: string): string {
  temporaries++;
  return join(dirname(path), `.${basename(path).slice(0, 100)}.${process.pid}-${temporaries}.tmp`);
}

/**
 * Writes a file so that `path` always holds either what it held before or all of `content`, also after a crash: a temporary
 * file beside it, flushed to the disk, then renamed.
 * @throws FileError; the temporary file is gone and `path` is as it was.
 */
export async function writeAtomic(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = temporaryBeside(path);
  let made = false;
  try {
    const file = await open(temporary, 'wx');
    made = true;
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    if (made) await unlink(temporary).catch(() => {});
    throw fileError('write', path, error);
  }
  await syncFolder(dirname(path));
}

/** Puts the renamed entry itself on the disk. Not every platform lets a folder be opened, and the data is safe already. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch {}
}

/** mkdir -p. Node's own recursive mkdir never returns where a folder can be seen but not made in, as under /proc. */
export function makeFolder(path: string, mode = 0o777): void {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) throw Object.assign(new Error(`${path} is not a folder`), { code: 'ENOTDIR' });
    return;
  }
  makeFolder(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const made = (error as NodeJS.ErrnoException).code === 'EEXIST' && existsSync(path); // another process was first
    if (!made) throw error;
  }
}

/**
 * Makes the folder, with those above it, and proves that a file can be written there, so that a long run does not find out
 * at its end. Returns the absolute path.
 * @throws FileError
 */
export async function prepareFolder(path: string): Promise<string> {
  const folder = resolve(path);
  try {
    makeFolder(folder);
  } catch (error) {
    const isFile = await stat(folder).then(
      (found) => !found.isDirectory(),
      () => false,
    );
    if (isFile)
      throw new FileError(`${path}: it is a file and not a folder. Choose another place (ENOTDIR).`, 'ENOTDIR', error);
    throw fileError(MAKE, path, error);
  }
  // Access bits do not tell of a read-only mount or a full disk; a written byte does.
  const probe = temporaryBeside(join(folder, 'probe'));
  try {
    const file = await open(probe, 'wx');
    try {
      await file.writeFile('\n');
    } finally {
      await file.close();
      await unlink(probe);
    }
  } catch (error) {
    throw fileError('write into the folder', path, error);
  }
  return folder;
}

/** How {@link appendLines} treats a file that is there already. */
export interface AppendOptions {
  /** `true` goes on after its last whole line; a function also drops the lines it says no to. Default: start empty. */
  readonly keep?: boolean | ((line: string) => boolean);
  /** Lines wait in memory for at most this long before the next {@link LineWriter.write} puts them down. Default 1000. */
  readonly flushMs?: number;
}

/**
 * Opens a log of lines such as metrics.jsonl. A half line at its end, left by a crash, is cut off.
 * @throws FileError
 */
export async function appendLines(
  path: string,
  { keep = false, flushMs = 1000 }: AppendOptions = {},
): Promise<LineWriter> {
  if (keep === false) await writeAtomic(path, '');
  else if (typeof keep === 'function') await writeAtomic(path, keptLines(path, keep));
  return new LineWriter(path, flushMs);
}

function keptLines(path: string, keep: (line: string) => boolean): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw fileError('read', path, error);
  }
  const lines = text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .slice(0, -1);
  return lines
    .filter(keep)
    .map((line) => `${line}\n`)
    .join('');
}

/** A growing file of whole lines; made by {@link appendLines}. Synchronous, so that it also works while a process ends. */
export class LineWriter {
  readonly #path: string;
  readonly #flushMs: number;
  #file: number | undefined;
  /** Bytes of whole lines in the file. */
  #length: number;
  #waiting = '';
  #flushed = Date.now();

  constructor(path: string, flushMs: number) {
    this.#path = path;
    this.#flushMs = flushMs;
    try {
      this.#file = openSync(path, 'a+');
      this.#length = wholeLines(this.#file);
      ftruncateSync(this.#file, this.#length);
    } catch (error) {
      if (this.#file !== undefined) closeSync(this.#file);
      throw fileError('append', path, error);
    }
  }

  /** Adds one line, without its line feed. Throws FileError when the disk refuses; the file then ends after a whole line. */
  write(line: string): void {
    this.#waiting += `${line}\n`;
    if (this.#waiting.length >= 65536 || Date.now() - this.#flushed >= this.#flushMs) this.flush();
  }

  /** Hands the waiting lines to the system, in one write. */
  flush(): void {
    this.#flushed = Date.now();
    if (this.#waiting === '' || this.#file === undefined) return;
    const bytes = Buffer.from(this.#waiting);
    this.#waiting = '';
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
      this.#length += bytes.length;
    } catch (error) {
      // A part may have been written before the disk was full.
      try {
        ftruncateSync(this.#file, this.#length);
      } catch {}
      throw fileError('append', this.#path, error);
    }
  }

  /** Flushes, puts everything on the disk and closes. A second call does nothing. */
  close(): void {
    const file = this.#file;
    if (file === undefined) return;
    try {
      this.flush();
      fsyncSync(file);
    } catch (error) {
      throw fileError('append', this.#path, error);
    } finally {
      this.#file = undefined;
      closeSync(file);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Bytes up to and with the last line feed. */
function wholeLines(file: number): number {
  const size = fstatSync(file).size;
  return size === 0 ? 0 : readFileSync(file).lastIndexOf(0x0a) + 1;
}
