// Finding a device: the folders code is loaded from, SwiftShader's unpacking, which adapter is taken and what is said about
// the others (with a faked Dawn and a faked browser), and one real device that computes.
// Long, since the faked Dawn and the faked browser serve every case.
import { execFile } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompressSync } from 'node:zlib';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type AdapterChoice,
  type AdapterReport,
  browserProvider,
  describe as describeAdapter,
  isSoftwareName,
} from '../src/gpu/adapter.ts';
import { DeviceError } from '../src/graph/errors.ts';
import { type DawnModule, dawnProvider } from '../src/node/dawn.ts';
import { cacheFolder, dataFolder, privateFolder } from '../src/node/folders.ts';
import { findSwiftShader, readTar, unpackSwiftShader } from '../src/node/swiftshader.ts';
import { vulkanMayBeThere } from '../src/node/vulkan.ts';

const linuxX64 = process.platform === 'linux' && process.arch === 'x64';
const mode = (path: string) => lstatSync(path).mode & 0o777;

let scratch: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'thalweg-test-'));
});
afterEach(() => {
  rmSync(scratch, { recursive: true, force: true });
  vi.unstubAllGlobals();
  vi.unstubAllEnvs();
});

describe('a Vulkan driver', () => {
  const there = (files: Record<string, string[]>, env = {}, platform: NodeJS.Platform = 'linux') =>
    vulkanMayBeThere({ env, platform, home: '/me', list: (folder) => files[folder] ?? [] });
  it.each([
    ['nothing at all', {}, {}, false],
    ['devices, none of a GPU', { '/dev': ['null', 'tty', 'driver'] }, {}, false],
    ['a folder for manifests without one', { '/usr/share/vulkan/icd.d': ['README'] }, {}, false],
    ['a render node', { '/dev': ['null', 'dri'] }, {}, true],
    ['an NVIDIA device', { '/dev': ['nvidia0'] }, {}, true],
    ['a manifest', { '/usr/share/vulkan/icd.d': ['lvp_icd.x86_64.json'] }, {}, true],
    ['a manifest of one user', { '/me/.local/share/vulkan/icd.d': ['a.json'] }, {}, true],
    ['a manifest in $XDG_DATA_DIRS', { '/x/vulkan/icd.d': ['a.json'] }, { XDG_DATA_DIRS: '/y:/x' }, true],
    ['a driver named by a variable', {}, { VK_ICD_FILENAMES: '/a.json' }, true],
  ] as const)('%s', (_, files, env, found) => {
    expect(there(files as unknown as Record<string, string[]>, env)).toBe(found);
  });
  it('may be anywhere on other systems', () => expect(there({}, {}, 'darwin')).toBe(true));

  it('that cannot be there is not asked for: SwiftShader is next', async () => {
    const { created, provider } = fakeDawn([], { driverMayBeThere: false });
    const { opened, refused } = await provider.open(undefined);
    expect(opened?.report.software).toBe(true);
    const asking = fakeDawn([]);
    await asking.provider.open(undefined);
    expect(created.length).toBeLessThan(asking.created.length);
    expect(refused.join(' ')).toMatch(/no hardware adapter found/);
  });
});

describe('folders', () => {
  const home = '/me';
  it.each([
    ['linux', {}, '/me/.cache/thalweg', '/me/.cache/thalweg'],
    ['linux', { XDG_CACHE_HOME: '/c' }, '/c/thalweg', '/c/thalweg'],
    ['linux', { XDG_CACHE_HOME: 'c' }, '/me/.cache/thalweg', '/me/.cache/thalweg'],
    ['linux', { THALWEG_DATA: '/sets' }, '/me/.cache/thalweg', '/sets'],
    ['darwin', {}, '/me/Library/Caches/thalweg', '/me/Library/Caches/thalweg'],
    ['win32', { LOCALAPPDATA: '/local' }, '/local/thalweg/Cache', '/local/thalweg/Cache'],
  ] as const)('on %s with %o', (platform, env, cache, data) => {
    expect(cacheFolder({ env, platform, home })).toBe(cache);
    expect(dataFolder({ env, platform, home })).toBe(data);
  });

  it.skipIf(process.platform === 'win32')('a private folder is ours alone, with every folder made on the way', () => {
    const path = privateFolder(join(scratch, 'a', 'b'));
    expect(mode(path)).toBe(0o700);
    expect(mode(join(scratch, 'a'))).toBe(0o700);
  });

  it.skipIf(process.platform === 'win32')('narrows a folder that others could only read', () => {
    const path = join(scratch, 'readable');
    mkdirSync(path);
    chmodSync(path, 0o755);
    expect(mode(privateFolder(path))).toBe(0o700);
  });

  it.skipIf(process.platform === 'win32')(
    'refuses what others can write, a link, and a place others can change',
    () => {
      const open = join(scratch, 'open');
      mkdirSync(open);
      chmodSync(open, 0o777);
      expect(() => privateFolder(open)).toThrow(
        /can be written by others \(mode 0777\), so loading code from it is not safe/,
      );
      chmodSync(open, 0o770);
      expect(() => privateFolder(open)).toThrow(DeviceError);
      chmodSync(open, 0o777);
      expect(() => privateFolder(join(open, 'inner'))).toThrow(/which everyone can write/);
      chmodSync(open, 0o1777);
      expect(privateFolder(join(open, 'inner'))).toBe(join(open, 'inner'));
      symlinkSync(join(open, 'inner'), join(scratch, 'link'));
      expect(() => privateFolder(join(scratch, 'link'))).toThrow(/a link is not followed/);
    },
  );
});

/** A ustar archive: [name, content, type] each. */
function tarOf(entries: readonly [string, string, string?][]): Buffer {
  const blocks = entries.flatMap(([name, content, type = '0']) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('        ', 148);
    header.write(type, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, Buffer.concat([Buffer.from(content)], Math.ceil(content.length / 512) * 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

describe('tar', () => {
  const tar = tarOf([
    ['a', 'A'.repeat(513)],
    ['../a', 'evil'],
    ['b', '', '2'],
    ['./b', 'B'],
  ]);

  it('reads wanted regular files and steps over everything else', () => {
    const files = readTar(tar, ['a', 'b']);
    expect([...files].map(([name, bytes]) => [name, bytes.toString()])).toEqual([
      ['a', 'A'.repeat(513)],
      ['b', 'B'],
    ]);
  });

  it('refuses a damaged header and a cut archive', () => {
    const damaged = Buffer.from(tar);
    damaged[3] = 1;
    expect(() => readTar(damaged, ['a'])).toThrow('a header at byte 0 is damaged');
    expect(() => readTar(tar.subarray(0, 1000), ['a'])).toThrow('it ends inside a');
  });
});

function replaceByFile(folder: string): void {
  rmSync(folder, { recursive: true });
  writeFileSync(folder, '');
}

const FILES = ['libvulkan.so.1', 'libvk_swiftshader.so', 'vk_swiftshader_icd.json'] as const;

describe.skipIf(process.platform === 'win32')('unpacking SwiftShader', () => {
  const archive = { path: '', version: '1.2.3' };
  let cache: string;
  beforeEach(() => {
    cache = join(scratch, 'cache');
    archive.path = join(scratch, 'swiftshader.tar.br');
    writeFileSync(
      archive.path,
      brotliCompressSync(tarOf([...FILES.map((name) => [name, name] as [string, string]), ['libEGL.so', '']])),
    );
  });

  it('writes what is needed, private, under its version', () => {
    const { folder, icd, loader } = unpackSwiftShader(archive, cache);
    expect(folder).toBe(join(cache, '1.2.3'));
    expect(readdirSync(folder).sort()).toEqual([...FILES, 'sha256.json'].sort());
    expect(readFileSync(icd, 'utf8')).toBe(FILES[2]);
    expect(readFileSync(loader, 'utf8')).toBe(FILES[0]);
    expect([mode(cache), mode(folder), mode(icd), mode(loader)]).toEqual([0o700, 0o700, 0o600, 0o600]);
    expect(readdirSync(cache)).toEqual(['1.2.3']);
  });

  it('takes what is there, and keeps another version beside it', () => {
    const { folder, loader } = unpackSwiftShader(archive, cache);
    const { ino } = statSync(loader);
    unpackSwiftShader({ ...archive, version: '2.0.0' }, cache);
    expect(unpackSwiftShader(archive, cache).folder).toBe(folder);
    expect(statSync(loader).ino).toBe(ino);
    expect(readdirSync(cache)).toEqual(['1.2.3', '2.0.0']);
  });

  it.each([
    ['a cut file', (folder: string) => truncateSync(join(folder, FILES[1]), 3)],
    ['a changed file', (folder: string) => writeFileSync(join(folder, FILES[0]), 'x'.repeat(FILES[0].length))],
    ['a missing file', (folder: string) => rmSync(join(folder, FILES[2]))],
    ['no sums', (folder: string) => rmSync(join(folder, 'sha256.json'))],
    ['broken sums', (folder: string) => writeFileSync(join(folder, 'sha256.json'), '{')],
    ['a file in its place', replaceByFile],
  ])('replaces a cache with %s', (_, damage) => {
    damage(unpackSwiftShader(archive, cache).folder);
    const { folder } = unpackSwiftShader(archive, cache);
    for (const name of FILES) expect(readFileSync(join(folder, name), 'utf8')).toBe(name);
    expect(readdirSync(cache)).toEqual(['1.2.3']);
  });

  it('refuses a folder that everyone can write', () => {
    mkdirSync(cache);
    chmodSync(cache, 0o777);
    expect(() => unpackSwiftShader(archive, cache)).toThrow(/can be written by others/);
    expect(readdirSync(cache)).toEqual([]);
  });

  it('falls back to a private temporary folder where the cache is not safe', () => {
    mkdirSync(join(cache, 'thalweg', 'swiftshader'), { recursive: true });
    chmodSync(join(cache, 'thalweg', 'swiftshader'), 0o777);
    mkdirSync(join(scratch, 'tmp'));
    vi.stubEnv('XDG_CACHE_HOME', cache);
    vi.stubEnv('TMPDIR', join(scratch, 'tmp'));
    const { folder } = unpackSwiftShader(archive);
    expect(folder.startsWith(join(scratch, 'tmp', 'thalweg-'))).toBe(process.platform === 'linux');
    expect(unpackSwiftShader(archive).folder).toBe(folder);
  });

  it('says what to do about a damaged or incomplete archive, and leaves nothing behind', () => {
    writeFileSync(archive.path, brotliCompressSync(tarOf([[FILES[0], 'x']])));
    expect(() => unpackSwiftShader(archive, cache)).toThrow(
      /it has no libvk_swiftshader.so, vk_swiftshader_icd.json. Install it again: npm install @sparticuz\/chromium@147/,
    );
    writeFileSync(archive.path, 'not brotli');
    expect(() => unpackSwiftShader(archive, cache)).toThrow(DeviceError);
    expect(readdirSync(cache)).toEqual([]);
  });

  it('removes what a process left that died while unpacking, and nothing that is recent', () => {
    unpackSwiftShader(archive, cache);
    for (const name of ['.unpacking-old', '.unpacking-new']) mkdirSync(join(cache, name));
    const yesterday = Date.now() / 1000 - 86_400;
    utimesSync(join(cache, '.unpacking-old'), yesterday, yesterday);
    unpackSwiftShader({ ...archive, version: '2.0.0' }, cache);
    expect(readdirSync(cache).sort()).toEqual(['.unpacking-new', '1.2.3', '2.0.0']);
  });

  it('is safe in several processes at once', async () => {
    // Node 20 runs no TypeScript, so the modules are transpiled next to each other.
    const node = ['file-error', 'read-file', 'files', 'folders', 'swiftshader'];
    for (const file of ['graph/errors.ts', ...node.map((name) => `node/${name}.ts`)]) {
      const source = readFileSync(new URL(`../src/${file}`, import.meta.url), 'utf8');
      const compilerOptions = {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        rewriteRelativeImportExtensions: true,
      };
      const path = join(scratch, 'js', file.replace('.ts', '.js'));
      mkdirSync(join(path, '..'), { recursive: true });
      writeFileSync(path, ts.transpileModule(source, { compilerOptions }).outputText);
    }
    writeFileSync(join(scratch, 'js', 'package.json'), '{"type":"module"}');
    const program = `
      import { readFileSync } from 'node:fs';
      import { unpackSwiftShader } from ${JSON.stringify(join(scratch, 'js', 'node', 'swiftshader.js'))};
      while (Date.now() < ${Date.now() + 400});
      console.log(readFileSync(unpackSwiftShader(${JSON.stringify(archive)}, ${JSON.stringify(cache)}).loader, 'utf8'));`;
    const runs = Array.from({ length: 4 }, () =>
      promisify(execFile)(process.execPath, ['--input-type=module', '-e', program]),
    );
    expect((await Promise.all(runs)).map(({ stdout }) => stdout.trim())).toEqual(Array(4).fill(FILES[0]));
    expect(readdirSync(cache)).toEqual(['1.2.3']);
  });

  it('is found in the installed package on Linux x64, and elsewhere says why not', () => {
    if (linuxX64) expect(findSwiftShader().version).toMatch(/^\d+\.\d+\.\d+/);
    const platform = vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
    expect(() => findSwiftShader()).toThrow(/for Linux x64 only, and this is darwin/);
    platform.mockRestore();
  });
});

interface FakeAdapter {
  name: string;
  vendor?: string;
  description?: string;
  fallback?: boolean;
  /** requestDevice fails with this. */
  refuses?: string;
}

const GEFORCE: FakeAdapter = { name: 'GeForce RTX 9000', vendor: 'nvidia', description: 'NVIDIA: 999.1' };
const RADEON: FakeAdapter = { name: 'Radeon Pro', vendor: 'amd' };
const LLVMPIPE: FakeAdapter = { name: 'llvmpipe (LLVM 15)', vendor: 'mesa', fallback: true };
const SWIFTSHADER: FakeAdapter = { name: 'SwiftShader Device (Subzero)', vendor: 'google' };

const destroyed: string[] = [];
beforeEach(() => {
  destroyed.length = 0;
});

function adapterOf({ name, vendor = '', description = '', fallback = false, refuses }: FakeAdapter) {
  const limits = { maxBufferSize: 1234, maxStorageBuffersPerShaderStage: 10 };
  return {
    info: {
      vendor,
      architecture: '',
      description,
      device: name.toLowerCase().replace(/[^a-z0-9]+/g, '-'),
      isFallbackAdapter: fallback,
    },
    features: new Set(['subgroups', 'texture-compression-bc']),
    limits,
    async requestDevice({ requiredFeatures, requiredLimits }: GPUDeviceDescriptor) {
      if (refuses) throw new Error(refuses);
      return { features: new Set(requiredFeatures), limits: requiredLimits, destroy: () => destroyed.push(name) };
    },
  };
}

/** Dawn with these adapters: `system` in the order it prefers them, `swiftshader` once VK_DRIVER_FILES names its ICD. */
function fakeDawn(system: FakeAdapter[], { lists = true, driverMayBeThere = true } = {}) {
  const created: string[][] = [];
  const dawn = {
    create(options: string[]) {
      created.push(options);
      const adapters = process.env['VK_DRIVER_FILES'] === '/icd' ? [SWIFTSHADER] : system;
      const asked = options.find((option) => option.startsWith('adapter='))?.slice('adapter='.length);
      return {
        async requestAdapter() {
          if (options.includes('backend=null')) return adapterOf({ name: 'Null backend' });
          const found = adapters.find(({ name }) => !lists || asked === undefined || name === asked);
          if (found || asked === undefined) return found ? adapterOf(found) : null;
          const list = adapters.map(({ name }) => ` * backend: 'vulkan', name: '${name}'\n`).join('');
          throw new Error(`no suitable backends found\n${list && `Available adapters:\n${list}`}`);
        },
      };
    },
  };
  const prepareSwiftShader = vi.fn(() => '/icd');
  const importDawn = async () => dawn as unknown as DawnModule;
  return {
    created,
    prepareSwiftShader,
    provider: dawnProvider({
      importDawn,
      findSwiftShader: () => {},
      prepareSwiftShader,
      driverMayBeThere: () => driverMayBeThere,
    }),
  };
}

describe('which adapter Dawn opens', () => {
  beforeEach(() => vi.stubEnv('VK_DRIVER_FILES', undefined));

  it.each<[string, FakeAdapter[], AdapterChoice | undefined, boolean, string | undefined]>([
    ['any takes hardware', [GEFORCE, LLVMPIPE], undefined, true, 'GeForce RTX 9000'],
    ['any leaves the choice of hardware to Dawn', [RADEON, GEFORCE], undefined, true, 'Radeon Pro'],
    ['any takes SwiftShader out of npm first', [LLVMPIPE], undefined, true, 'SwiftShader Device (Subzero), software'],
    ['hardware takes hardware', [GEFORCE, LLVMPIPE], 'hardware', true, 'GeForce RTX 9000'],
    ['hardware takes no software', [LLVMPIPE], 'hardware', true, undefined],
    ['any without software takes none', [LLVMPIPE], undefined, false, undefined],

    [
      'software passes over hardware and takes SwiftShader out of npm',
      [GEFORCE, LLVMPIPE],
      'software',
      true,
      'SwiftShader Device (Subzero), software',
    ],
    ['software without software takes none', [GEFORCE], 'software', false, undefined],
    ['a part of the name', [RADEON, GEFORCE], { name: 'rtx' }, true, 'GeForce RTX 9000'],
    ['the vendor', [RADEON, GEFORCE], { name: 'NVIDIA' }, true, 'GeForce RTX 9000'],
    ['lavapipe is llvmpipe', [GEFORCE, LLVMPIPE], { name: 'Lavapipe' }, true, 'llvmpipe (LLVM 15), software'],
    [
      'swiftshader passes over the system driver',
      [LLVMPIPE],
      { name: 'swiftshader' },
      true,
      'SwiftShader Device (Subzero), software',
    ],
    ['a named software adapter is still software', [LLVMPIPE], { name: 'llvmpipe' }, false, undefined],
    ['null', [GEFORCE], { name: 'null' }, true, 'Null backend, software'],
    ['a name that none has', [GEFORCE, LLVMPIPE], { name: 'arc' }, true, undefined],
  ])('%s', async (_, system, choice, allowSoftware, expected) => {
    const { provider } = fakeDawn(system);
    const { opened, refused } = await provider.open(choice, { allowSoftware });
    expect(opened && describeAdapter(opened.report)).toBe(expected);
    if (!opened) expect(refused.length).toBeGreaterThan(0);
    opened?.close();
    opened?.close();
    expect(destroyed.length).toBe(opened ? 1 : 0);
  });

  it('asks for the limits and features that matter, and reports what it got', async () => {
    const { provider, created } = fakeDawn([GEFORCE]);
    const { opened, refused } = await provider.open(undefined);
    expect(refused).toEqual([]);
    expect(opened?.report).toEqual({
      name: 'GeForce RTX 9000',
      vendor: 'nvidia',
      architecture: '',
      description: 'NVIDIA: 999.1',
      driver: 'NVIDIA: 999.1',
      software: false,
      features: ['subgroups'],
      limits: { maxBufferSize: 1234, maxStorageBuffersPerShaderStage: 10 },
    } satisfies AdapterReport);
    expect(created.at(-1)?.join(' ')).toMatch(/allow_unsafe_apis,vulkan_enable_f16_on_nvidia .*timestamp_quantization/);
  });

  it('says what it passed over and why', async () => {
    const none = await fakeDawn([LLVMPIPE]).provider.open('hardware');
    expect(none.refused[0]).toMatch(
      /^Dawn: no hardware adapter found; the system offers only llvmpipe \(LLVM 15\) \(software\)/,
    );
    expect(none.refused.slice(1)).toEqual([
      expect.stringMatching(/^SwiftShader: a software adapter, .* Take it with adapter 'software'/),
      expect.stringMatching(/^llvmpipe \(LLVM 15\): a software adapter, which computes on the CPU\./),
    ]);
    const unknown = await fakeDawn([GEFORCE]).provider.open({ name: 'arc' });
    expect(unknown.refused).toEqual([
      "adapter 'arc': no adapter has that name. Available: GeForce RTX 9000, SwiftShader (from npm), null.",
    ]);
    const swiftshader = await fakeDawn([]).provider.open({ name: 'swiftshader' }, { allowSoftware: false });
    expect(swiftshader.refused[0]).toMatch(/^SwiftShader: a software adapter/);
  });

  it('goes on after a refused device, with the reason', async () => {
    const { provider } = fakeDawn([{ ...GEFORCE, refuses: 'out of luck' }, LLVMPIPE]);
    const { opened, refused } = await provider.open(undefined);
    expect(opened?.report.name).toBe(SWIFTSHADER.name);
    expect(refused).toEqual([
      expect.stringMatching(
        /^requestDevice: GeForce RTX 9000 refused: out of luck\. The requested limits are .*maxBufferSize 1234/,
      ),
    ]);
  });

  it('tries Dawn’s own choice where that version lists nothing', async () => {
    const { opened } = await fakeDawn([GEFORCE], { lists: false }).provider.open(undefined);
    expect(opened?.report.name).toBe('geforce rtx 9000');
    const refused = await fakeDawn([LLVMPIPE], { lists: false }).provider.open('hardware');
    expect(refused.opened).toBeUndefined();
    expect(refused.refused[0]).toMatch(/software adapter/);
  });

  it('leaves the environment as it was, also when opens overlap', async () => {
    vi.stubEnv('VK_DRIVER_FILES', '/mine');
    vi.stubEnv('VK_LOADER_DRIVERS_DISABLE', '*');
    const { provider } = fakeDawn([LLVMPIPE]);
    const names = ['swiftshader', 'swiftshader', 'llvmpipe'];
    const results = await Promise.all(names.map((name) => provider.open({ name })));
    expect(results.map(({ opened }) => opened?.report.name)).toEqual([
      SWIFTSHADER.name,
      SWIFTSHADER.name,
      LLVMPIPE.name,
    ]);
    expect(process.env).toMatchObject({ VK_DRIVER_FILES: '/mine', VK_LOADER_DRIVERS_DISABLE: '*' });
    expect('VK_ICD_FILENAMES' in process.env).toBe(false);
  });

  it('names the command that installs a missing package', async () => {
    const missing = Object.assign(new Error("Cannot find package 'webgpu' imported from /x.js"), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
    const noDawn = await dawnProvider({ importDawn: () => Promise.reject(missing) }).open(undefined);
    expect(noDawn).toEqual({
      opened: undefined,
      refused: ['Dawn: the package webgpu is not installed. Run: npm install webgpu'],
    });
    const broken = await dawnProvider({ importDawn: () => Promise.reject(new Error('no dawn.node')) }).open(undefined);
    expect(broken.refused[0]).toMatch(
      /^Dawn: the package webgpu cannot be loaded on \w+ \w+: no dawn.node\. Use the CPU backend\.$/,
    );
    const { provider, prepareSwiftShader } = fakeDawn([]);
    prepareSwiftShader.mockImplementation(() => {
      throw new DeviceError('SwiftShader: not installed. Run: npm install @sparticuz/chromium@147');
    });
    expect((await provider.open(undefined)).refused.at(-1)).toMatch(/npm install @sparticuz\/chromium@147$/);
  });
});

describe('the browser', () => {
  /** A browser that answers the requests for a fast, a frugal and a fallback adapter with these. */
  function fakeBrowser(fast?: FakeAdapter, frugal = fast, fallback?: FakeAdapter) {
    const requestAdapter = async (request: GPURequestAdapterOptions = {}) => {
      const found = request.forceFallbackAdapter ? fallback : request.powerPreference === 'low-power' ? frugal : fast;
      return found ? adapterOf({ ...found, description: found.name }) : null;
    };
    vi.stubGlobal('isSecureContext', true);
    vi.stubGlobal('navigator', { userAgent: 'Mozilla/5.0', gpu: { requestAdapter } });
  }

  it('an insecure context is told before a missing navigator.gpu', async () => {
    vi.stubGlobal('isSecureContext', false);
    vi.stubGlobal('navigator', { userAgent: 'Mozilla/5.0' });
    expect(await browserProvider().open(undefined)).toEqual({
      opened: undefined,
      refused: [expect.stringMatching(/not a secure context\. Serve it over https/)],
    });
  });

  it('a browser without WebGPU, and Node', async () => {
    vi.stubGlobal('isSecureContext', true);
    vi.stubGlobal('navigator', { userAgent: 'Mozilla/5.0' });
    expect((await browserProvider().open(undefined)).refused).toEqual([
      expect.stringMatching(/no navigator\.gpu\. Use Chrome/),
    ]);
    vi.stubGlobal('navigator', undefined);
    expect((await browserProvider().open(undefined)).refused).toEqual([expect.stringMatching(/'thalweg\/node'/)]);
  });

  it('no adapter', async () => {
    fakeBrowser();
    const { opened, refused } = await browserProvider().open(undefined);
    expect(opened).toBeUndefined();
    expect(refused).toEqual([
      expect.stringMatching(/requestAdapter\(\) found no adapter\. .*blocklist.*unsafe-webgpu/),
    ]);
  });

  it('a device refused', async () => {
    fakeBrowser({ ...GEFORCE, refuses: 'maxBufferSize is too much' });
    const { opened, refused } = await browserProvider().open(undefined);
    expect(opened).toBeUndefined();
    expect(refused).toEqual([
      expect.stringMatching(/refused: maxBufferSize is too much\. The requested limits .*maxBufferSize 1234/),
    ]);
  });

  it('a software adapter is taken with a word, or refused', async () => {
    fakeBrowser(SWIFTSHADER);
    const taken = await browserProvider().open(undefined);
    expect(taken.opened && describeAdapter(taken.opened.report)).toBe('SwiftShader Device (Subzero), software');
    expect(taken.refused).toEqual([expect.stringMatching(/offers no hardware adapter, only SwiftShader/)]);
    for (const refused of [
      await browserProvider().open('hardware'),
      await browserProvider().open(undefined, { allowSoftware: false }),
    ]) {
      expect(refused.opened).toBeUndefined();
      expect(refused.refused).toEqual([expect.stringMatching(/^SwiftShader Device \(Subzero\): a software/)]);
    }
  });

  it.each<[AdapterChoice | undefined, string | undefined]>([
    [undefined, GEFORCE.name],
    ['hardware', GEFORCE.name],
    ['software', SWIFTSHADER.name],
    [{ name: 'radeon' }, RADEON.name],
    [{ name: 'google' }, SWIFTSHADER.name],
    [{ name: 'arc' }, undefined],
  ])('%o of three adapters is %s', async (choice, expected) => {
    fakeBrowser(GEFORCE, RADEON, SWIFTSHADER);
    const { opened } = await browserProvider().open(choice);
    expect(opened?.report.name).toBe(expected);
  });
});

it.each([
  ['SwiftShader Device (Subzero)', true],
  ['llvmpipe (LLVM 15.0.6, 256 bits)', true],
  ['Microsoft Basic Render Driver', true],
  ['WARP', true],
  ['NVIDIA H100 80GB HBM3', false],
  ['Warpdrive 3000', false],
])('%s: software %s', (name, software) => {
  expect(isSoftwareName(name)).toBe(software);
});

describe('real devices', () => {
  it.skipIf(!linuxX64)('SwiftShader computes', async () => {
    const { opened } = await dawnProvider().open({ name: 'swiftshader' });
    if (!opened) throw new Error('SwiftShader did not open');
    const { device, report } = opened;
    expect(describeAdapter(report)).toBe('SwiftShader Device (Subzero), software');
    expect(report.limits['maxStorageBuffersPerShaderStage']).toBeGreaterThan(8);
    expect(report.features).toContain('timestamp-query');
    try {
      device.pushErrorScope('validation');
      const size = 256;
      const y = device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC });
      const read = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      const code = `@group(0) @binding(0) var<storage, read_write> y: array<u32>;
        @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) i: u32) { y[i] = i * i; }`;
      const pipeline = device.createComputePipeline({
        layout: 'auto',
        compute: { module: device.createShaderModule({ code }) },
      });
      const layout = pipeline.getBindGroupLayout(0);
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, device.createBindGroup({ layout, entries: [{ binding: 0, resource: { buffer: y } }] }));
      pass.dispatchWorkgroups(1);
      pass.end();
      encoder.copyBufferToBuffer(y, 0, read, 0, size);
      device.queue.submit([encoder.finish()]);
      await read.mapAsync(GPUMapMode.READ);
      expect([...new Uint32Array(read.getMappedRange())]).toEqual(Array.from({ length: 64 }, (_, i) => i * i));
      expect(await device.popErrorScope()).toBeNull();
    } finally {
      opened.close();
    }
    expect((await device.lost).reason).toBe('destroyed');
  });

  it('the null backend opens, and says that it computes nothing', async () => {
    const { opened, refused } = await dawnProvider().open({ name: 'null' });
    expect(refused).toEqual([]);
    expect(opened?.report).toMatchObject({ software: true, description: expect.stringMatching(/^computes nothing/) });
    opened?.close();
  });
});
