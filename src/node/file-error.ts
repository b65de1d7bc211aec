// System errors as sentences: the action, the path, the reason and what to do.

/** A file or folder that the system refused; `code` is the system's code (`ENOSPC`, `EACCES`, …). */
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
  EEXIST: 'a file or folder of that name is in the way. Choose another name',
  ENAMETOOLONG: 'the name is too long. Choose a shorter one',
  ELOOP: 'its symbolic links form a loop. Check the path',
  EMFILE: 'too many files are open. Close some programs or raise the limit',
  EIO: 'the disk reported a fault. Check the disk',
  ERR_INVALID_ARG_VALUE: 'no path can hold a NUL character. Check the path',
};

export const MAKE = 'create the folder';
/** Missing parents are created too, so ENOENT comes from the file system itself, as under /proc. */
const NO_FOLDERS = 'the file system does not allow new folders there. Choose another place';

/** The advice for `EACCES` and `EPERM` when reading. */
const NOT_READABLE = 'permission denied. Use a file you can read';

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
