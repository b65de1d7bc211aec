// The guide's pages: their files, as the text shows them, are built by Vite and do in a Chromium what the text says.
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright';
import { build, type Plugin } from 'vite';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { serveSite } from '../../app/tools/site.ts';
import { type Block, blocksOf, entryPoints, fits, ROOT, sourceOf } from '../guide.ts';

interface GuidePage {
  readonly name: string;
  readonly files: readonly (readonly [name: string, code: string])[];
  readonly output: string;
}

/** The pages of a chapter: blocks marked `page:name/file`, and the output after the last of their programs. */
function pagesOf(chapter: string): GuidePage[] {
  const blocks = blocksOf(chapter);
  const place = ({ marks }: Block) => /^page:(.+)\/(.+)$/.exec(marks.join(' '));
  const names = new Set(blocks.flatMap((block) => place(block)?.[1] ?? []));
  return [...names].map((name) => {
    const own = [...blocks.entries()].filter(([, block]) => place(block)?.[1] === name);
    const files = own.map(([, block]) => [place(block)![2]!, block.code] as const);
    const output = own.flatMap(([k]) => (blocks[k + 1]?.marks.includes('output') ? blocks[k + 1]!.code : []));
    expect(output, `outputs of the page ${name}`).toHaveLength(1);
    return { name, files, output: output[0]! };
  });
}

/** Keeps the files that attach methods: package.json lists them as they are built, and here they are sources. */
function sideEffects(): Plugin {
  const { sideEffects }: { sideEffects: string[] } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const kept = sideEffects.map(sourceOf);
  return {
    name: 'thalweg-side-effects',
    transform: (code, id) => (kept.includes(id) ? { code, map: null, moduleSideEffects: true } : undefined),
  };
}

let folder: string;
let browser: Browser;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thalweg-guide-'));
  browser = await chromium.connect(inject('browser'));
});
afterAll(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

it.each(['first-network', 'data', 'recipes'].flatMap((chapter) => pagesOf(`docs/guide/${chapter}.md`)))(
  'the page $name shows what the text shows',
  async ({ name, files, output }) => {
    const root = join(folder, name);
    await mkdir(root);
    for (const [file, code] of files) await writeFile(join(root, file), code);
    const config = files.find(([file]) => file === 'vite.config.mjs')?.[0];
    const alias = Object.entries(entryPoints()).map(([entry, file]) => ({
      find: new RegExp(`^${entry}$`),
      replacement: file,
    }));
    await build({
      root,
      configFile: config ? join(root, config) : false,
      logLevel: 'warn',
      resolve: { alias },
      plugins: [sideEffects()],
    });
    const site = await serveSite(join(root, 'dist'));
    const page = await browser.newPage();
    const failed: string[] = [];
    page.on('pageerror', (error) => failed.push(error.message));
    await page.goto(site.url);
    const shown = async () => (await page.locator('#log').textContent()) ?? '';
    await expect
      .poll(async () => failed.length > 0 || fits(output, await shown()), { timeout: 60_000 })
      .toBe(true)
      .catch(async () => {
        expect(await shown(), `what the page ${name} shows`).toBe(output);
      });
    expect(failed).toEqual([]);
    await page.close();
    await site.close();
  },
);
