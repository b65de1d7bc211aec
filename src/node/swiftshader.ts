// SwiftShader, a software Vulkan driver, from the npm package @sparticuz/chromium: unpacked once per user and version into a folder that
// nobody else can write to, since its content is loaded as code.
import { createHash, randomBytes } from 'node:crypto';
import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { DeviceError } from '../graph/errors.ts';
import { cacheFolder, privateFolder } from './folders.ts';

/** The paths of an unpacked SwiftShader. */
export interface SwiftShader {
  folder: string;
  /** The manifest that `VK_DRIVER_FILES` points to. */
  icd: string;
  /** The Vulkan loader, for machines without one. */
  loader: string;
}

/** The archive to unpack; its version names the folder. */
export interface SwiftShaderArchive {
  path: string;
  version: string;
}

const LOADER = 'libvulkan.so.1';
const ICD = 'vk_swiftshader_icd.json';
const WANTED = [LOADER, 'libvk_swiftshader.so', ICD];
const MANIFEST = 'sha256.json';
const UNPACKING = '.unpacking-';
const HOUR_MS = 3_600_000;

const PACKAGE = '@sparticuz/chromium';

/** The command that installs it; 147 is the last major version that runs on Node 20. */
export const INSTALL_SWIFTSHADER = `npm install ${PACKAGE}@147`;

/**
 * Finds the installed package's archive. @throws DeviceError with what to install, or why it cannot be installed.
 */
export function findSwiftShader(): SwiftShaderArchive {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new DeviceError(
      `SwiftShader: the npm package has it for Linux x64 only, and this is ${process.platform} ${process.arch}. ` +
        "Install a driver for the system's GPU, or use the CPU backend.",
    );
  }
  let main: string;
  try {
    // In two steps, which webpack does not mistake for a dependency of its bundle.
    const { resolve } = createRequire(import.meta.url);
    main = resolve(PACKAGE);
  } catch {
    throw new DeviceError(`SwiftShader: the package ${PACKAGE} is not installed. Run: ${INSTALL_SWIFTSHADER}`);
  }
  for (let folder = dirname(main); folder !== dirname(folder); folder = dirname(folder)) {
    const about = readJson(join(folder, 'package.json')) as { name?: string; version?: string } | undefined;
    if (about?.name !== PACKAGE) continue;
    return { path: join(folder, 'bin', 'swiftshader.tar.br'), version: String(about.version) };
  }
  throw new DeviceError(`SwiftShader: no package contains ${main}. Run: ${INSTALL_SWIFTSHADER}`);
}

/**
 * Unpacks SwiftShader, or uses an undamaged earlier copy. Safe to run in several processes at once. If the user's cache is unusable
 * (read-only, owned by somebody else), a private temporary folder is used until the process ends. @param cache the folder to unpack under;
 * if given, no other is tried. @throws DeviceError if the archive is missing or damaged, or no folder is safe.
 */
export function unpackSwiftShader(archive: SwiftShaderArchive = findSwiftShader(), cache?: string): SwiftShader {
  if (cache !== undefined) return unpackUnder(privateFolder(cache), archive);
  try {
    return unpackUnder(privateFolder(join(cacheFolder(), 'swiftshader')), archive);
  } catch (error) {
    try {
      return unpackForThisProcess(archive);
    } catch {
      if (error instanceof DeviceError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      throw new DeviceError(
        `SwiftShader: cannot be unpacked: ${why}. Set XDG_CACHE_HOME to a folder you can write to.`,
      );
    }
  }
}

let temporary: { unpacked: SwiftShader; from: string } | undefined;

function unpackForThisProcess(archive: SwiftShaderArchive): SwiftShader {
  if (temporary?.from === archive.path) return temporary.unpacked;
  const folder = mkdtempSync(join(tmpdir(), 'thalweg-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  temporary = { unpacked: unpackUnder(privateFolder(folder), archive), from: archive.path };
  return temporary.unpacked;
}

function unpackUnder(root: string, archive: SwiftShaderArchive): SwiftShader {
  const folder = join(root, archive.version);
  if (isIntact(folder)) return filesOf(folder);
  const fresh = mkdtempSync(join(root, UNPACKING));
  try {
    writeFiles(fresh, readArchive(archive));
    moveInto(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    removeAbandoned(root);
  }
  return filesOf(folder);
}

function filesOf(folder: string): SwiftShader {
  return { folder, icd: join(folder, ICD), loader: join(folder, LOADER) };
}

/** Renaming is atomic, and fails if the target folder has files: then another process was first, or the target is damaged. */
function moveInto(fresh: string, folder: string): void {
  for (let attempt = 0; ; attempt++) {
    try {
      renameSync(fresh, folder);
      return;
    } catch (error) {
      if (isIntact(folder)) return;
      if (attempt === 3) throw error;
    }
    const aside = join(dirname(folder), `${UNPACKING}${randomBytes(6).toString('hex')}`);
    try {
      renameSync(folder, aside);
    } catch {
      continue; // another process has just taken it away
    }
    rmSync(aside, { recursive: true, force: true });
  }
}

/** Removes folders of processes that died while unpacking. */
function removeAbandoned(root: string): void {
  for (const name of readdirSync(root)) {
    if (!name.startsWith(UNPACKING)) continue;
    const path = join(root, name);
    const { mtimeMs } = statSync(path, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > HOUR_MS) rmSync(path, { recursive: true, force: true });
  }
}

function writeFiles(folder: string, files: ReadonlyMap<string, Buffer>): void {
  const sums: Record<string, string> = {};
  for (const [name, bytes] of files) {
    writeFileSync(join(folder, name), bytes, { mode: 0o600, flag: 'wx' });
    sums[name] = sha256(bytes);
  }
  writeFileSync(join(folder, MANIFEST), JSON.stringify(sums), { mode: 0o600, flag: 'wx' });
}

/** Checksums detect damage (a full disk, a crash); the folder's mode keeps other users out. */
function isIntact(folder: string): boolean {
  const sums = readJson(join(folder, MANIFEST)) as Record<string, string> | undefined;
  if (!sums) return false;
  try {
    return WANTED.every((name) => {
      const path = join(folder, name);
      return lstatSync(path).isFile() && sha256(readFileSync(path)) === sums[name];
    });
  } catch {
    return false;
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

function readArchive({ path }: SwiftShaderArchive): Map<string, Buffer> {
  try {
    const files = readTar(brotliDecompressSync(readFileSync(path)), WANTED);
    const missing = WANTED.filter((name) => !files.has(name));
    if (missing.length > 0) throw new Error(`it has no ${missing.join(', ')}`);
    return files;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new DeviceError(`SwiftShader: ${path} cannot be read: ${why}. Install it again: ${INSTALL_SWIFTSHADER}`);
  }
}

const BLOCK = 512;

/**
 * Reads the wanted regular files of a tar archive; all other entries are skipped, so no name can escape.
 * POSIX ustar: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html
 */
export function readTar(tar: Buffer, wanted: readonly string[]): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; at + BLOCK <= tar.length; ) {
    const header = tar.subarray(at, at + BLOCK);
    if (header[0] === 0) break;
    const name = header.toString('latin1', 0, 100).split('\0', 1)[0] ?? '';
    const size = octalField(header, 124, 12);
    let sum = 0;
    // The checksum is computed with its own eight bytes as spaces.
    for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : (header[i] ?? 0);
    if (sum !== octalField(header, 148, 8)) throw new Error(`a header at byte ${at} is damaged`);
    const start = at + BLOCK;
    if (start + size > tar.length) throw new Error(`it ends inside ${name}`);
    const type = header[156];
    const regular = type === 0 || type === 0x30;
    const plain = name.replace(/^\.\//, '');
    if (regular && wanted.includes(plain)) files.set(plain, tar.subarray(start, start + size));
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}

function octalField(header: Buffer, start: number, length: number): number {
  const value = Number.parseInt(
    header
      .toString('latin1', start, start + length)
      .replace(/\0.*$/s, '')
      .trim(),
    8,
  );
  if (!Number.isInteger(value) || value < 0) throw new Error(`a header field is not a number`);
  return value;
}

/** glibc's flag that keeps a library when its handle is closed; Node's constants lack it. */
const RTLD_NODELETE = 0x1000;

/**
 * Loads the Vulkan loader into this process, so that Dawn's `dlopen("libvulkan.so.1")` finds it by name. @throws DeviceError if the dynamic
 * linker refuses it (another C library, a folder mounted noexec).
 */
export function loadVulkanLoader(path: string): void {
  const { RTLD_NOW, RTLD_GLOBAL } = constants.dlopen;
  try {
    process.dlopen({ exports: {} }, path, RTLD_NOW | RTLD_GLOBAL | RTLD_NODELETE);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // It is not a Node add-on, and Node says so after loading it.
    if (message.includes('did not self-register')) return;
    throw new DeviceError(
      `SwiftShader: its Vulkan loader cannot be loaded: ${message}. Install libvulkan1 and a driver.`,
    );
  }
}
