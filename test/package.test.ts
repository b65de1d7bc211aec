// The package as its users meet it, as far as that needs no registry: the entry points of `dist`, and the
// examples and the README's program, each in a process of its own. `npm test` builds `dist` first.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { digits } from '../src/data/digits.ts';
import { ROOT, requireFreshDist } from './dist.ts';

const scratch = mkdtempSync(join(tmpdir(), 'thalweg-package-'));

/** SwiftShader compiles for seconds, on a busy machine for many. */
const SLOW = 180_000;

beforeAll(async () => {
  requireFreshDist();
  writeFileSync(join(scratch, 'package.json'), '{ "type": "module" }');
  await writeMnist(join(scratch, 'mnist'));
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A few digits in MNIST's files, so that what asks for MNIST finds it in the cache. */
async function writeMnist(folder: string): Promise<void> {
  mkdirSync(folder);
  const { train, test: held } = await digits({ train: 2000, test: 500 });
  for (const [name, { size, x, y }] of [
    ['train', train],
    ['t10k', held],
  ] as const) {
    const header = (...numbers: number[]) => new Uint8Array(new Uint32Array(numbers).buffer).reverse();
    writeFileSync(
      join(folder, `${name}-images-idx3-ubyte`),
      Buffer.concat([header(28, 28, size, 0x803), x.data as Uint8Array]),
    );
    writeFileSync(
      join(folder, `${name}-labels-idx1-ubyte`),
      Buffer.concat([header(size, 0x801), y.data as Uint8Array]),
    );
  }
}

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a module of the repository in Node, as a user would. */
function node(...args: string[]): Promise<Ended> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, env: { ...process.env, THALWEG_DATA: scratch } });
    let [out, err] = ['', ''];
    child.stdout.on('data', (text) => {
      out += text;
    });
    child.stderr.on('data', (text) => {
      err += text;
    });
    child.on('error', fail);
    child.on('close', (code) => done({ code, out, err }));
  });
}

function run(code: string): Promise<Ended> {
  return node('--input-type=module', '--eval', code);
}

function numberIn(text: string, pattern: RegExp): number {
  const found = pattern.exec(text);
  expect(found, `no ${pattern} in:\n${text}`).not.toBeNull();
  return Number(found![1]);
}

describe('entry points', () => {
  interface Manifest {
    readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
    readonly bin: Readonly<Record<string, string>>;
    readonly files: readonly string[];
  }
  const { exports, bin, files }: Manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

  test('every file that package.json names is there', () => {
    const named = [...Object.values(exports), bin]
      .flatMap((entry) => (typeof entry === 'string' ? [entry] : Object.values(entry)))
      .concat(files.filter((file) => !file.startsWith('!')));
    expect(named.length).toBeGreaterThan(8);
    expect(named.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });

  test('thalweg in Node offers the CPU, and says why not a GPU', async () => {
    const { code, out, err } = await run(`
      import { createBackend } from 'thalweg';
      const backend = await createBackend();
      const { y } = await backend.run(({ x }) => x.softmax(), { x: { shape: [2], dtype: 'f32', data: Float32Array.of(0, 0) } });
      console.log(backend.kind, [...y.data].join(), backend.notes.join(' '));
    `);
    expect(err).toBe('');
    expect(out).toMatch(/^cpu 0\.5,0\.5 .*thalweg\/node/);
    expect(code).toBe(0);
  });

  test('thalweg/node exports all of thalweg', async () => {
    const { out } = await run(`
      import * as page from 'thalweg';
      import * as node from 'thalweg/node';
      const same = Object.keys(page).filter((name) => page[name] === node[name]);
      console.log(Object.keys(page).filter((name) => !(name in node)).join() || 'all', same.length, Object.keys(page).length);
    `);
    const [missing, same, all] = out.trim().split(' ');
    expect(missing).toBe('all');
    expect(Number(all)).toBeGreaterThan(30);
    // createBackend and datasets are bound to other things.
    expect(Number(all) - Number(same)).toBe(2);
  });

  test('thalweg/nn, optim, losses and datasets are the namespaces of thalweg', async () => {
    const { out, err } = await run(`
      import * as page from 'thalweg';
      for (const name of ['nn', 'optim', 'losses', 'datasets']) {
        if ((await import('thalweg/' + name)) !== page[name]) console.log(name);
      }
    `);
    expect([out, err]).toEqual(['', '']);
  });

  test('files inside the package cannot be imported past the entry points', async () => {
    const { code, err } = await run(`import 'thalweg/dist/src/backend.js';`);
    expect(err).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
    expect(code).not.toBe(0);
  });
});

describe('the lock file', () => {
  interface Locked {
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  }
  const text = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
  const packages: Record<string, Locked> = JSON.parse(text).packages;

  test('knows the packages of every platform', () => {
    // `npm install` drops those that its registry does not have, and `npm ci` then refuses the file.
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });

  test('names no place to download from', () => {
    expect(text).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
  });
});

/** The js blocks of a Markdown file that bear no mark. */
function blocksOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return [...text.matchAll(/^```(?:js|javascript|mjs)\n([\s\S]*?)^```/gm)].map((match) => match[1]!);
}

/** The README's programs: its code blocks that import `thalweg/node`. */
const README_PROGRAMS = blocksOf('README.md').filter((block) => block.includes("from 'thalweg/node'"));

describe('programs to read', () => {
  test('examples are short, and each is run here', () => {
    const files = readdirSync(join(ROOT, 'examples'));
    expect(files.sort()).toEqual(['bare-loop.mjs', 'look-inside.mjs', 'mnist.mjs', 'two-inputs.mjs']);
    const lines = (file: string) => readFileSync(join(ROOT, 'examples', file), 'utf8').split('\n').length;
    for (const file of files) expect(lines(file), file).toBeLessThan(80);
  });

  test(
    'mnist.mjs learns what it finds in the cache',
    async () => {
      const { code, out, err } = await node('examples/mnist.mjs', 'cpu');
      expect(code, err).toBe(0);
      expect(out.match(/^epoch \d/gm)).toHaveLength(5);
      expect(numberIn(out, /^test loss [\d.]+, test accuracy ([\d.]+)$/m)).toBeGreaterThan(0.7);
    },
    SLOW,
  );

  test(
    'bare-loop.mjs learns without a Trainer',
    async () => {
      const { code, out, err } = await node('examples/bare-loop.mjs', 'cpu');
      expect(code, err).toBe(0);
      expect(numberIn(out, /^step 1: loss ([\d.]+)$/m)).toBeCloseTo(Math.log(10), 0);
      expect(numberIn(out, /^step 200: loss ([\d.]+)$/m)).toBeLessThan(0.8);
      expect(numberIn(out, /^(\d+) of 1000 test digits are right$/m)).toBeGreaterThan(750);
    },
    SLOW,
  );

  test(
    'look-inside.mjs shows activations, gradients and their proof',
    async () => {
      const { code, out, err } = await node('examples/look-inside.mjs', 'cpu');
      expect(code, err).toBe(0);
      expect(out).toMatch(/^12730 parameters$/m);
      expect(out).toMatch(/^output hidden \[1,16\]: norm \d/m);
      expect(out).toMatch(/^gradient hidden\.weight \[16,784\]: norm \d/m);
      const change = numberIn(out, /the loss goes (?:up|down) by (\S+);/);
      const derivative = numberIn(out, /derivative (\S+)$/m);
      expect(change / 1e-3 / derivative).toBeCloseTo(1, 1);
      expect(out).toMatch(/^the gradients are right$/m);
    },
    SLOW,
  );

  test(
    'two-inputs.mjs learns a price and a kind',
    async () => {
      const { code, out, err } = await node('examples/two-inputs.mjs', 'cpu');
      expect(code, err).toBe(0);
      expect(numberIn(out, /^epoch 5: .*, kind ([\d.]+)$/m)).toBeGreaterThan(0.7);
      expect(numberIn(out, /^epoch 5: .*, price ([\d.]+),/m)).toBeLessThan(0.6);
      expect(out.match(/^a \d at .*: taken for \d at /gm)).toHaveLength(3);
    },
    SLOW,
  );

  test('the README has two of them', () => expect(README_PROGRAMS).toHaveLength(2));

  test.each(README_PROGRAMS.map((code) => [/class \w+/.exec(code)![0], code]))(
    "the README's %s learns as it stands",
    async (_, program) => {
      const { code, out, err } = await run(program!);
      expect(code, err).toBe(0);
      expect(out).toMatch(/test accuracy 0\.[89]\d*\n$/);
    },
    SLOW,
  );

  test(
    "the guide's first program runs in the built package (the other chapters run in test/guide.test.ts)",
    async () => {
      const program = blocksOf('docs/guide/first-network.md')
        .join('\n')
        .replaceAll('digits.safetensors', `${scratch}/$&`);
      const { code, out, err } = await run(program);
      expect(code, err).toBe(0);
      expect(out).toMatch(/^epoch 4: loss 0\.\d+, test accuracy 0\.8\d*$[\s\S]*^true$/m);
    },
    SLOW,
  );
});
