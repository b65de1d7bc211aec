// What the package weighs in a page: typical programs, bundled and minified by Vite (Rolldown) and by esbuild, in bytes after gzip.
// `npm run size` prints them; test/package.test.ts and .ci/check.mjs hold them to their bounds.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { argv } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MANIFEST = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** A dense network that learns from arrays, on a backend made by `create`. */
const dense = (create, data = 'datasets.array([[0, 1], [1, 0]], [0, 1])') => `
import { ${create}, datasets, losses, nn, optim, Trainer } from 'thalweg';
const [hidden, out] = [new nn.Linear(784, 16), new nn.Linear(16, 10)];
const model = { hidden, out, forward: (x) => out.forward(hidden.forward(x).relu()) };
const backend = await ${create}();
const trainer = new Trainer(backend, { model, loss: losses.softmaxCrossEntropy, optimizer: optim.adam() });
for await (const e of trainer.fit(${data}, { epochs: 1 })) console.log(e.loss);
`;

/** The same with the namespaces imported from their own entry points, into which esbuild looks. */
const denseByParts = dense('createBackend').replace(
  /^import .*/m,
  ['datasets', 'losses', 'nn', 'optim']
    .map((name) => `import * as ${name} from 'thalweg/${name}';\n`)
    .join('')
    .concat("import { createBackend, Trainer } from 'thalweg';"),
);

/**
 * The programs, and the most that each may weigh. esbuild does not look into namespaces that a package re-exports, so it keeps all of
 * `nn`, `losses`, `optim` and `datasets` unless they are imported from entry points of their own.
 */
export const BUNDLES = [
  {
    name: 'tensors and gradients, on the CPU',
    code: `
import { constant, createCpuBackend, grad } from 'thalweg';
const w = constant([1, 2, 3]);
const [dw] = grad(w.mul(w).sum(), [w]);
console.log(await createCpuBackend().run(() => dw));
`,
    most: { vite: 35_000, esbuild: 36_300 },
  },
  {
    name: 'a dense network, trained from arrays on the CPU',
    code: dense('createCpuBackend'),
    most: { vite: 81_100, esbuild: 154_200 },
  },
  {
    name: 'the same on WebGPU, or on the CPU without it',
    code: dense('createBackend'),
    most: { vite: 103_500, esbuild: 177_500 },
  },
  {
    name: 'the same, with `import * as nn from "thalweg/nn"`',
    code: denseByParts,
    most: { vite: 103_200, esbuild: 107_700 },
  },
  {
    name: 'the same on MNIST',
    code: dense('createBackend', '(await datasets.mnist()).train'),
    most: { vite: 105_800, esbuild: 177_500 },
  },
  {
    name: 'the same on WebGPU, its weights saved and loaded',
    code: `
import { loadWeights, saveWeights } from 'thalweg';${dense('createBackend')}
await loadWeights(trainer, await saveWeights(trainer));
`,
    most: { vite: 111_000, esbuild: 185_400 },
  },
  {
    name: 'everything, all ops included',
    code: "export * from 'thalweg';\nexport * as ops from 'thalweg/ops';\n",
    most: { vite: 200_500, esbuild: 208_000 },
  },
];

/** The entry points that pages import, in `dist`. */
const ENTRIES = Object.fromEntries(
  ['./ops', './nn', './optim', './losses', './datasets', '.'].map((entry) => [
    entry.replace('.', MANIFEST.name),
    join(ROOT, MANIFEST.exports[entry].default),
  ]),
);

/** Bundles a program with Vite: its text, what it imports still, and the files in it. */
export async function bundle(code) {
  const folder = mkdtempSync(join(tmpdir(), 'thalweg-size-'));
  const entry = join(folder, 'entry.mjs');
  writeFileSync(entry, code);
  try {
    const { output } = await build({
      configFile: false,
      root: folder,
      logLevel: 'silent',
      resolve: { alias: ENTRIES },
      build: {
        rollupOptions: { input: entry, preserveEntrySignatures: 'strict' },
        target: 'es2022',
        modulePreload: false,
        write: false,
      },
    });
    const chunks = output.filter(({ type }) => type === 'chunk');
    return {
      code: chunks.map((chunk) => chunk.code).join('\n'),
      imports: chunks.flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports]),
      modules: chunks.flatMap(({ modules }) => Object.keys(modules)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The same with esbuild, run by `command`: its text. @throws Error where it cannot be run. */
export function esbuildBundle(code, command = ['npx', '--yes', 'esbuild@0.25']) {
  const [program, ...args] = command;
  const aliases = Object.entries(ENTRIES).map(([name, file]) => `--alias:${name}=${file}`);
  const { status, stdout, stderr, error } = spawnSync(
    program,
    [...args, '--bundle', '--minify', '--format=esm', '--target=es2022', ...aliases],
    { input: code, encoding: 'utf8', maxBuffer: 2 ** 26, shell: process.platform === 'win32' },
  );
  if (status !== 0) throw new Error(`esbuild: ${error?.message ?? stderr}`);
  return stdout;
}

/** Bytes after gzip, as servers send them. */
export const gzipped = (code) => gzipSync(code, { level: 9 }).length;

async function main() {
  console.log(`thalweg ${MANIFEST.version}, minified and gzipped, in kB\n`);
  console.log('| program | Vite | esbuild |\n| --- | ---: | ---: |');
  for (const { name, code } of BUNDLES) {
    const sizes = [gzipped((await bundle(code)).code), gzipped(esbuildBundle(code))];
    console.log(`| ${[name, ...sizes.map((bytes) => (bytes / 1000).toFixed(1))].join(' | ')} |`);
  }
}

if (pathToFileURL(argv[1] ?? '').href === import.meta.url) await main();
