// Once for all page tests: the page is built, served with pictures of its own, and a Chromium waits for them.
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { chromium } from 'playwright';
import { build } from 'vite';
import type { TestProject } from 'vitest/node';
import { launchOptions } from '../../app/tools/chromium.ts';
import { serveSite } from '../../app/tools/site.ts';
import { digits } from '../../src/data/digits.ts';
import type { HostArray } from '../../src/graph/dtype.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the page is, as it is built. */
    readonly site: string;
    /** Where it is with the made digits in MNIST's files beside it: a page takes 3 s to make them itself. */
    readonly siteWithData: string;
    /** Where the page lies on disk, as it is built. */
    readonly siteFolder: string;
    /** Where the digits of `siteWithData` lie on disk. */
    readonly digitsFolder: string;
    /** Where the browser listens. */
    readonly browser: string;
  }
}

/** How many digits there are to train on; `DATA` (harness.ts) makes runs as long as with MNIST's 60,000. */
const TRAIN = 6000;

const KEYS = ['site', 'siteWithData', 'siteFolder', 'digitsFolder', 'browser'] as const;

export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  // Setups of all projects run before the first test and end after the last: what one has made serves the others.
  const made = project.vitest.projects
    .map((other) => other.getProvidedContext())
    .find(({ site }) => site !== undefined);
  if (made) {
    for (const key of KEYS) project.provide(key, made[key]);
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), 'thalweg-site-'));
  const [plain, withData] = [join(folder, 'plain'), join(folder, 'with-data')];
  const [, , server] = await Promise.all([
    buildPage(plain),
    writeDigits(join(withData, 'data')),
    launchOptions().then((options) => chromium.launchServer(options)),
  ]);
  // Files that are there stay: the list of data among them.
  await cp(plain, withData, { recursive: true, force: false });
  const sites = await Promise.all([plain, withData].map(serveSite));
  project.provide('site', sites[0]!.url);
  project.provide('siteWithData', sites[1]!.url);
  project.provide('siteFolder', plain);
  project.provide('digitsFolder', join(withData, 'data', 'mnist'));
  project.provide('browser', server.wsEndpoint());
  return async () => {
    await server.close();
    for (const site of sites) await site.close();
    await rm(folder, { recursive: true, force: true });
  };
}

async function buildPage(outDir: string): Promise<void> {
  // Vitest says 'test', of which Vite would make a build for developers.
  const { NODE_ENV } = process.env;
  process.env['NODE_ENV'] = 'production';
  await build({ logLevel: 'warn', build: { outDir, emptyOutDir: true } });
  if (NODE_ENV === undefined) delete process.env['NODE_ENV'];
  else process.env['NODE_ENV'] = NODE_ENV;
}

/**
 * A tenth of the digits that a page makes, as MNIST's four files and the list of them: a page reads all 70,000 for 2 s of a
 * processor, and few tests are about that.
 */
async function writeDigits(folder: string): Promise<void> {
  const { train, test } = await digits({ train: TRAIN, test: 1000 });
  await mkdir(join(folder, 'mnist'), { recursive: true });
  const names = await Promise.all(
    [['train', train] as const, ['t10k', test] as const].flatMap(([name, { size, x, y }]) => [
      writeIdx(folder, `${name}-images-idx3-ubyte.gz`, [size, 28, 28], x.data),
      writeIdx(folder, `${name}-labels-idx1-ubyte.gz`, [size], y.data),
    ]),
  );
  await writeFile(join(folder, 'index.json'), JSON.stringify({ mnist: names }));
}

async function writeIdx(folder: string, name: string, shape: readonly number[], data: HostArray): Promise<string> {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  for (const [axis, size] of shape.entries()) header.writeUInt32BE(size, 4 + 4 * axis);
  const idx = Buffer.concat([header, Uint8Array.from(data)]);
  await writeFile(join(folder, 'mnist', name), await promisify(gzip)(idx, { level: 1 }));
  return name;
}
