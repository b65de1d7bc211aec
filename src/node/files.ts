// Atomic writes: a file appears under its name only once it is completely on disk. And folders, proved writable.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, statSync, unlinkSync } from 'node:fs';
import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { codeOf, FileError, fileError, MAKE } from './file-error.ts';
import { refuseIrregular } from './read-file.ts';

/** Names from {@link openTemporary}: `.weights.safetensors.3f9c….tmp`. */
const TEMPORARY = /^\.(.+)\.[0-9a-f]{16}\.tmp$/;
const TRIES = 8;

/**
 * A new file beside `path`. Its name is random: process ids repeat (each container counts from 1), and a killed process leaves its file
 * behind.
 */
async function openTemporary(
  path: string,
  random: () => string = () => randomBytes(8).toString('hex'),
): Promise<{ temporary: string; file: FileHandle }> {
  for (let tries = 1; ; tries++) {
    const temporary = join(dirname(path), `.${basename(path).slice(0, 100)}.${random()}.tmp`);
    try {
      return { temporary, file: await open(temporary, 'wx') };
    } catch (error) {
      if (codeOf(error) !== 'EEXIST' || tries === TRIES) throw error;
    }
  }
}

/**
 * Writes a file so that `path` always holds either its old content or all of `content`, even after a crash: a temporary file beside it,
 * flushed to disk, then renamed. @throws FileError; the temporary file is removed and `path` is unchanged.
 */
export async function writeAtomic(
  path: string,
  content: Uint8Array | string,
  random?: () => string, // for tests
): Promise<void> {
  let made: string | undefined;
  try {
    await checkTarget(path);
    const { temporary, file } = await openTemporary(path, random);
    made = temporary;
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    if (made) await unlink(made).catch(() => {});
    throw fileError('write', path, error);
  }
  await syncFolder(dirname(path));
}

/** A device, such as /dev/null, would be replaced by a file. */
async function checkTarget(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found) refuseIrregular('write', path, found);
}

/** Flushes the renamed entry to disk. Not every platform can open a folder, and the data is already safe. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch {}
}

/** Milliseconds after which a temporary file counts as abandoned. */
const ABANDONED = 3_600_000;

/**
 * Removes temporary files that killed processes left in a folder: those unchanged for an hour, or all, if only the caller writes there.
 */
export function removeTemporaries(folder: string, { alone = false }: { alone?: boolean } = {}): void {
  for (const name of readdirSync(folder).filter((entry) => TEMPORARY.test(entry))) {
    const path = join(folder, name);
    try {
      if (alone || Date.now() - statSync(path).mtimeMs > ABANDONED) unlinkSync(path);
    } catch {} // Another process removes it, or it is not ours to remove.
  }
}

/** mkdir -p. Node's recursive mkdir never returns in a folder that exists but refuses new entries, as under /proc. */
export function makeFolder(path: string, mode = 0o777): void {
  if (existsSync(path)) {
    if (!statSync(path).isDirectory()) throw Object.assign(new Error(`${path} is not a folder`), { code: 'ENOTDIR' });
    return;
  }
  makeFolder(dirname(path), mode);
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const made = codeOf(error) === 'EEXIST' && existsSync(path); // another process was first
    if (!made) throw error;
  }
}

/**
 * Creates the folder with its parents, and proves that a file can be written there, so that a long run does not fail at its end. Removes
 * abandoned temporary files. Returns the absolute path.
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
  // Access bits do not reveal a read-only mount or a full disk; writing a byte does.
  try {
    const { temporary, file } = await openTemporary(join(folder, 'probe'));
    try {
      await file.writeFile('\n');
    } finally {
      await file.close();
      await unlink(temporary);
    }
    removeTemporaries(folder);
  } catch (error) {
    throw fileError('write into the folder', path, error);
  }
  return folder;
}

/** Proves that a file can be written: {@link prepareFolder} of its folder, and its name is not a folder or device. @throws FileError */
export async function prepareFile(path: string): Promise<void> {
  await prepareFolder(dirname(path));
  await checkTarget(path);
}
