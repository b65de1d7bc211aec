// Once for all page tests: the page is built, served, and a Chromium waits for them.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright';
import { build } from 'vite';
import type { TestProject } from 'vitest/node';
import { launchOptions } from '../../app/tools/chromium.ts';
import { serveSite } from '../../app/tools/site.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the page is. */
    readonly site: string;
    /** Where it lies on disk. */
    readonly siteFolder: string;
    /** Where the browser listens. */
    readonly browser: string;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'thalweg-site-'));
  // Vitest says 'test', of which Vite would make a build for developers.
  const { NODE_ENV } = process.env;
  process.env['NODE_ENV'] = 'production';
  await build({ logLevel: 'warn', build: { outDir: folder, emptyOutDir: true } });
  if (NODE_ENV === undefined) delete process.env['NODE_ENV'];
  else process.env['NODE_ENV'] = NODE_ENV;
  const site = await serveSite(folder);
  const server = await chromium.launchServer(await launchOptions());
  project.provide('site', site.url);
  project.provide('siteFolder', folder);
  project.provide('browser', server.wsEndpoint());
  return async () => {
    await server.close();
    await site.close();
    await rm(folder, { recursive: true, force: true });
  };
}
