// One configuration for three: the page's development server and build (root app/), and the tests.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { pageData } from './app/build/data.ts';
import { offline } from './app/build/offline.ts';
import { contentSecurityPolicy } from './app/build/policy.ts';
import { whyNoBrowser } from './app/tools/chromium.ts';
import { packedChromium } from './test/in-chromium.ts';
import { slowestFirst } from './test/slowest-first.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * Test files that take 7 s of a processor or more, the slowest first: pipelines that a software GPU compiles, trainings in
 * full, pages, and processes that need `dist`. They begin first, and `npm run test:quick` leaves them out.
 */
const SLOW = [
  'gpu-training',
  'page/keep',
  'page/trouble',
  'cli',
  'page/access',
  'page/stale',
  'fusion',
  'parity',
  'gemm',
  'persistent',
  'class-targets',
  'page/panels',
  'cli-tune',
  'train-on-batch',
  'page-session-trouble',
  'page/data',
  'page/compiling',
  'bench',
  'package',
  'cpu-fast',
  'cpu-threads',
  'peers',
  'page/training',
  'split',
  'gpu-programs',
  'gpu-resume',
  'specials',
  'page-session-races',
  'tuning',
  'lr-find',
  'option-docs',
  'profile',
  'public-names',
  'bundles',
];
const fileOf = (name: string) => `test/${name}.test.ts`;
for (const file of SLOW.map(fileOf))
  if (!existsSync(at(file))) throw new Error(`vite.config.ts: SLOW names ${file}, which is not there. Remove it.`);

/** What is bounded in milliseconds. */
const TIMED = 'test/page/handlers.test.ts';

/** `vitest --mode quick`: no file of SLOW, and a test that belongs into one fails by its time. */
const isQuick = (mode: string) => mode === 'quick';

export default defineConfig(({ mode }) => ({
  root: at('app'),
  // Relative addresses: the built folder works wherever it is put.
  base: './',
  build: { outDir: at('dist-app'), emptyOutDir: true, target: 'es2022', modulePreload: { polyfill: false } },
  worker: { format: 'es' },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [contentSecurityPolicy(), pageData(), offline()],
  test: {
    root: at('.'),
    sequence: { sequencer: slowestFirst(SLOW) },
    projects: [
      {
        extends: true,
        // Projects do not inherit it; test/sample.ts reads it.
        mode,
        test: {
          name: 'engine',
          include: ['test/**/*.test.ts'],
          exclude: ['test/page/**', '**/node_modules/**', ...(isQuick(mode) ? SLOW.map(fileOf) : [])],
          testTimeout: isQuick(mode) ? 30_000 : 60_000,
          hookTimeout: 60_000,
          maxWorkers: 2,
        },
      },
      ...(isQuick(mode) ? [] : inBrowsers()),
    ],
  },
}));

/** The projects that need a browser; where there is none they are left out, by name. */
function inBrowsers(): TestProjectInlineConfiguration[] {
  const missing = whyNoBrowser();
  if (missing) {
    if (process.env['VITEST']) console.warn(`skipped: the projects 'browser' and 'page'. ${missing}`);
    return [];
  }
  return [
    {
      extends: true,
      // The same files as in Node, on the browser's own device.
      resolve: { alias: [{ find: './gpu-node.ts', replacement: at('test/gpu-web.ts') }] },
      test: {
        name: 'browser',
        include: ['parity', 'specials', 'gpu-programs', 'gpu-training'].map((name) => `test/${name}.test.ts`),
        testTimeout: 120_000,
        hookTimeout: 120_000,
        maxWorkers: 2,
        browser: {
          enabled: true,
          headless: true,
          screenshotFailures: false,
          provider: packedChromium(),
          instances: [{ browser: 'chromium' }],
        },
      },
    },
    // Pages in a real Chromium, beside the engine: a page waits more than it computes.
    pages({ name: 'page', include: ['test/page/*.test.ts'], exclude: [TIMED] }),
    // Bounds in milliseconds need the machine for themselves, so this begins when all the others have ended.
    pages({ name: 'page-timed', include: [TIMED], sequence: { groupOrder: 1 } }),
  ];
}

function pages(test: TestProjectInlineConfiguration['test']): TestProjectInlineConfiguration {
  return {
    extends: true,
    test: {
      globalSetup: ['test/page/setup.ts'],
      // What a page does takes longer than Vitest's one second where others share its cores.
      expect: { poll: { timeout: 10_000 } },
      testTimeout: 120_000,
      hookTimeout: 120_000,
      maxWorkers: 2,
      ...test,
    },
  };
}
