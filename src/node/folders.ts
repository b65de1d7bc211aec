// Where Thalweg stores a user's files: the platform's folders for caches and data, and folders that nobody else can write to, for files
// loaded as code.
import { chmodSync, lstatSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { DeviceError } from '../graph/errors.ts';
import { makeFolder } from './files.ts';

/** What a folder's location depends on; tests pass their own. */
export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  platform: NodeJS.Platform;
  home: string;
}

const here = (): Surroundings => ({ env: process.env, platform: process.platform, home: homedir() });

/** The folder for reproducible files: `~/.cache/thalweg` and its equivalents on macOS and Windows. */
export function cacheFolder({ env, platform, home } = here()): string {
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'thalweg');
  if (platform === 'win32') return join(env['LOCALAPPDATA'] || join(home, 'AppData', 'Local'), 'thalweg', 'Cache');
  return join(absolute(env['XDG_CACHE_HOME']) ?? join(home, '.cache'), 'thalweg');
}

/** The folder for downloaded data sets: `$THALWEG_DATA`, else the cache folder. */
export function dataFolder(around = here()): string {
  const named = around.env['THALWEG_DATA'];
  return named ? resolve(named) : cacheFolder(around);
}

/** The XDG specification requires relative paths to be ignored. */
function absolute(path: string | undefined): string | undefined {
  return path && isAbsolute(path) ? path : undefined;
}

const WRITABLE_BY_OTHERS = 0o022;
const WORLD_WRITABLE = 0o002;
const STICKY = 0o1000;

/** The owner of root's files inside a user namespace that does not map root. */
const OVERFLOW_UID = 65534;

/**
 * Creates a folder, or takes an existing one, that only this user can change: mode 0700, owned by us, and nobody else can replace it
 * through a parent folder. POSIX only. @throws DeviceError if somebody else could write there.
 */
export function privateFolder(path: string): string {
  makeFolder(resolve(path), 0o700);
  const uid = process.getuid?.() ?? 0;
  const found = lstatSync(path);
  if (!found.isDirectory()) throw unsafe(path, 'is not a folder (a link is not followed)');
  if (found.uid !== uid) throw unsafe(path, `belongs to user ${found.uid}, not to ${uid}`);
  if (found.mode & WRITABLE_BY_OTHERS) throw unsafe(path, `can be written by others (mode ${octal(found.mode)})`);
  for (let above = dirname(resolve(path)); ; above = dirname(above)) {
    const { uid: owner, mode } = lstatSync(above);
    if (![uid, 0, OVERFLOW_UID].includes(owner)) throw unsafe(path, `lies in ${above}, which belongs to user ${owner}`);
    if (mode & WORLD_WRITABLE && !(mode & STICKY)) throw unsafe(path, `lies in ${above}, which everyone can write`);
    if (above === dirname(above)) break;
  }
  chmodSync(path, 0o700);
  return path;
}

function octal(mode: number): string {
  return `0${(mode & 0o7777).toString(8)}`;
}

function unsafe(path: string, why: string): DeviceError {
  return new DeviceError(`folder ${path}: ${why}, so loading code from it is not safe. Remove it or correct its mode.`);
}
