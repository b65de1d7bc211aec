// What the system refuses, as a sentence: what was tried, on which path, why it failed and what to do.

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
  ELOOP: 'its symbolic links lead back to themselves. Check the path',
  EMFILE: 'too many files are open. Close some programs or raise the limit',
  EIO: 'the disk reported a fault. Check the disk',
  ERR_INVALID_ARG_VALUE: 'no path can hold a NUL character. Check the path',
};

export const MAKE = 'make the folder';
/** Whoever makes a folder makes what is missing above, so that ENOENT comes from the file system itself, as under /proc. */
const NO_FOLDERS = 'the place does not allow folders to be made. Choose another place';

/** What `EACCES` and `EPERM` mean for a file that was to be read. */
const NOT_READABLE = 'permission denied. Use a file you may read';

/** A system error as a {@link FileError}. */
export function fileError(action: string, path: string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  const code = codeOf(error);
  const special =
    action === MAKE && code === 'ENOENT'
      ? NO_FOLDERS
      : action === 'read' && ['EACCES', 'EPERM'].includes(code)
        ? NOT_READABLE
        : undefined;
  const advice = special ?? ADVICE[code] ?? `${error instanceof Error ? error.message : String(error)}. Check the path`;
  return new FileError(`${path}: cannot ${action}: ${advice}${code === '' ? '' : ` (${code})`}.`, code, error);
}

/** The system's code of an error, or ''. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}
