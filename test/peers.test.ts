// bench/peers without the peers: its command line, its arithmetic, its truth in doubles, and Thalweg alone through all of it.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PEERS = join(ROOT, 'bench/peers');
/** A copy of the repository, as far as the benchmark needs it, in which no peer is installed. */
const bare = mkdtempSync(join(tmpdir(), 'thalweg-peers-'));

const module = (name: string) => import(/* @vite-ignore */ join(PEERS, name));

beforeAll(() => {
  const files = readdirSync(PEERS).filter((file) => /\.(mjs|json)$/.test(file));
  for (const file of files) cpSync(join(PEERS, file), join(bare, 'bench/peers', file));
  cpSync(join(ROOT, 'package.json'), join(bare, 'package.json'));
  for (const folder of ['dist', 'node_modules']) symlinkSync(join(ROOT, folder), join(bare, folder), 'junction');
});

afterAll(() => rmSync(bare, { recursive: true, force: true }));

function peers(...args: string[]): { code: number | null; out: string; err: string } {
  const run = join(bare, 'bench/peers/run.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [run, ...args], { encoding: 'utf8' });
  return { code: status, out: stdout, err: stderr };
}

describe('the command line', () => {
  test.each([
    ['an unknown option', ['--case', 'mlp-sgd-64'], '--case: there is no such option. Use --cases, --device,'],
    ['an unknown case', ['--cases', 'mlp'], '--cases: "mlp" is unknown. Use mlp-sgd-64, classic-sgd-32,'],
    ['a word', ['mlp-sgd-64'], '"mlp-sgd-64" is no option. Use --cases,'],
    ['an unknown device', ['--device', 'tpu'], '--device: "tpu" is unknown. Use gpu or cpu.'],
    ['an adapter of the CPU', ['--device', 'cpu', '--adapter', 'llvmpipe'], '--adapter: the CPU has none.'],
    ['a missing value', ['--rounds', '--json'], '--rounds: its value is missing.'],
    ['a value too many', ['--json=yes'], '--json: it takes no value.'],
    ['half a round', ['--rounds', '1.5'], '--rounds: "1.5" cannot be used. Give a whole number above 0'],
    ['no time', ['--seconds', '0'], '--seconds: "0" cannot be used.'],
    [
      'a product of nothing',
      ['--adapter', 'null', '--cases', 'matmul-512'],
      'matmul-512 says nothing on the null backend',
    ],
    ['the host of the CPU', ['--device', 'cpu', '--cases', 'host'], 'host is about the GPU backend'],
  ])('%s is refused with exit code 2', (_, args, message) => {
    const { code, out, err } = peers(...args);
    expect(err).toContain(message);
    expect(out).toBe('');
    expect(code).toBe(2);
  });

  test('--help names cases, options and exit codes', () => {
    const { code, out } = peers('--help');
    expect(code).toBe(0);
    for (const word of ['matmul-1024', '--adapter', 'npm ci --prefix bench/peers', '130']) expect(out).toContain(word);
  });

  test('an adapter that is missing: what there is, and exit code 3', () => {
    const { code, err } = peers('--adapter', 'no such adapter');
    expect(err).toMatch(/no adapter has that name\. Available: .*null/);
    expect(code).toBe(3);
  });

  test('a folder without data is refused before anything is measured', () => {
    const { code, out, err } = peers('--data', bare, '--device', 'cpu');
    expect(err).toContain('train-images-idx3-ubyte');
    expect(out).toBe('');
    expect(code).toBe(1);
  });

  test('without dist/ it says what builds it', () => {
    rmSync(join(bare, 'dist'));
    const { code, err } = peers('--device', 'cpu');
    symlinkSync(join(ROOT, 'dist'), join(bare, 'dist'), 'junction');
    expect(err).toContain('Run: npm run build');
    expect(code).toBe(1);
  });
});

describe('where no peer is installed', () => {
  test('it says how to install them, and measures Thalweg, one object a line', () => {
    const args = ['--device', 'cpu', '--cases', 'classic-sgd-32', '--rounds', '2', '--seconds', '0.1', '--json'];
    const { code, out, err } = peers(...args);
    expect(err).toContain('tfjs wasm is left out: @tensorflow/tfjs, @tensorflow/tfjs-backend-wasm is not installed');
    expect(err).toContain('jax-js wasm is left out: @jax-js/jax is not installed. Run: npm ci --prefix bench/peers');
    const [header, figure, ...more] = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(header).toMatchObject({
      type: 'run',
      suite: 'peers',
      device: 'cpu',
      adapter: 'CPU',
      data: 'digits made here',
    });
    expect(figure).toMatchObject({
      type: 'figure',
      suite: 'peers',
      name: 'classic-sgd-32',
      library: 'thalweg',
      backend: 'cpu',
    });
    expect(figure).toMatchObject({ adapter: 'CPU', software: true, unit: 'steps/s' });
    expect(figure.rounds).toHaveLength(2);
    expect(figure.median).toBeGreaterThan(10);
    expect(more).toEqual([]);
    expect(code).toBe(0);
  });

  test('on the null backend the host is measured, although nothing computes', () => {
    const { code, out, err } = peers(
      '--adapter',
      'null',
      '--cases',
      'mlp-sgd-64,host',
      '--rounds',
      '1',
      '--seconds',
      '0.1',
    );
    expect(err).toMatch(/mlp-sgd-64, round 1: thalweg gpu \d+ steps\/s/);
    expect(out).toContain('This backend computes nothing');
    expect(out).toMatch(/us\/step {2}\(one round\) {3}in submit, wall time, 100 steps of \d+ dispatches a submit/);
    expect(code).toBe(0);
  });
});

describe('where a peer cannot run a case', () => {
  /** A jax-js that fails with `Unable`. */
  beforeAll(() => {
    const folder = join(bare, 'bench/peers/node_modules/@jax-js/jax');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "version": "1.0.0" }');
    const open = "export function open() { throw new Unable('it has no max pooling'); }";
    writeFileSync(join(bare, 'bench/peers/jax-js.mjs'), `import { Unable } from './cases.mjs';\n${open}\n`);
  });

  afterAll(() => {
    rmSync(join(bare, 'bench/peers/node_modules'), { recursive: true });
    cpSync(join(PEERS, 'jax-js.mjs'), join(bare, 'bench/peers/jax-js.mjs'));
  });

  test('the reason is told, the others are measured, and nothing has failed', () => {
    const args = ['--device', 'cpu', '--cases', 'cnn-sgd-64', '--rounds', '2', '--seconds', '0.1'];
    const { code, out, err } = peers(...args);
    expect(err.match(/jax-js wasm cannot run it: it has no max pooling/g)).toHaveLength(1);
    // Thalweg's convolutions and pools against the plain loops.
    expect(out).toMatch(/loss 2\.\d+, after 20 steps 1\.\d+ in doubles; theirs differ by up to \d\.\de-[678]$/m);
    expect(out).toMatch(/^ {2}thalweg cpu +[\d.]+ steps\/s {2}\([\d.]+ to [\d.]+\)$/m);
    expect(out).toMatch(/^ {2}jax-js wasm {2}cannot run it: it has no max pooling$/m);
    expect(code).toBe(0);
  });
});

describe('figures', () => {
  const about = { name: 'mlp-sgd-64', unit: 'steps/s', adapter: 'made up', software: true };
  const line = (library: string, backend: string, round: number, value: number) => ({ library, backend, round, value });
  const measurements = [
    [line('thalweg', 'gpu', 0, 200), line('tfjs', 'gpu', 0, 20), line('jax-js', 'gpu', 0, 100)],
    [line('tfjs', 'gpu', 1, 25), line('jax-js', 'gpu', 1, 80), line('thalweg', 'gpu', 1, 300)],
    [line('jax-js', 'gpu', 2, 110), line('thalweg', 'gpu', 2, 220)],
  ].flat();

  test('are medians of rounds, with the lowest and the highest', async () => {
    const { summarize } = await module('figures.mjs');
    const [own, tfjs] = summarize(about, measurements);
    expect(own).toEqual({
      ...{ type: 'figure', suite: 'peers', ...about, library: 'thalweg', backend: 'gpu' },
      ...{ median: 220, min: 200, max: 300, rounds: [200, 300, 220] },
    });
    expect(tfjs).toMatchObject({ library: 'tfjs', median: 22.5, rounds: [20, 25] });
  });

  test('ratios are taken within rounds, and the better peer is marked', async () => {
    const { summarize } = await module('figures.mjs');
    const ratios = summarize(about, measurements).filter(({ type }: { type: string }) => type === 'ratio');
    expect(ratios).toHaveLength(2);
    // In round 2 tfjs has no value.
    expect(ratios[0]).toMatchObject({ to: 'tfjs', better: false, median: 11, min: 10, max: 12, rounds: [10, 12] });
    expect(ratios[1]).toMatchObject({ to: 'jax-js', better: true, median: 2, min: 2, max: 3.75, rounds: [2, 3.75, 2] });
    expect(ratios[1].unit).toBe('thalweg / jax-js');
  });

  test('as lines for people', async () => {
    const { summarize, linesOf } = await module('figures.mjs');
    expect(linesOf(summarize(about, measurements))).toEqual([
      '  thalweg gpu        220 steps/s  (200 to 300)',
      '  tfjs gpu          22.5 steps/s  (20.0 to 25.0)   thalweg / tfjs gpu = 11.0 (10.0 to 12.0)',
      '  jax-js gpu         100 steps/s  (80.0 to 110)   thalweg / jax-js gpu = 2.00 (2.00 to 3.75)',
      '  to the better peer, jax-js gpu: 2.00 (2.00 to 3.75)',
    ]);
    expect(summarize(about, [])).toEqual([]);
    expect(linesOf([])).toEqual([]);
  });

  test('a contender that could not run the case is an object and a line', async () => {
    const { linesOf, unableOf } = await module('figures.mjs');
    const objects = unableOf(about, [{ library: 'tfjs', backend: 'wasm', reason: 'it has no max pooling' }]);
    const { name } = about;
    const reason = 'it has no max pooling';
    expect(objects).toEqual([{ type: 'unable', suite: 'peers', name, library: 'tfjs', backend: 'wasm', reason }]);
    expect(linesOf(objects)).toEqual(['  tfjs wasm    cannot run it: it has no max pooling']);
  });

  test('without Thalweg there is no ratio', async () => {
    const { summarize } = await module('figures.mjs');
    const peersAlone = measurements.filter(({ library }) => library !== 'thalweg');
    expect(summarize(about, peersAlone).map(({ type }: { type: string }) => type)).toEqual(['figure', 'figure']);
  });
});

describe('the truth in doubles', () => {
  test('a loss or a product that is off is refused, NaN too', async () => {
    const { lossObjection, productError, productObjection } = await module('reference.mjs');
    const { matricesOf } = await module('problem.mjs');
    expect(lossObjection([2.00002, 1.00002], [2, 1])).toBeUndefined();
    expect(lossObjection([2.0001, 1], [2, 1])).toContain(
      'its loss before any step is 2.0001, that of the same training',
    );
    expect(lossObjection([2, 1.0001], [2, 1])).toContain('its loss after 20 steps is 1.0001');
    expect(lossObjection([2, Number.NaN], [2, 1])).toBeDefined();
    const N = 48;
    const { a, b } = matricesOf(N);
    const y = Float32Array.from({ length: N * N }, (_, i) => {
      let sum = 0;
      for (let k = 0; k < N; k++) sum += a[Math.floor(i / N) * N + k] * b[k * N + (i % N)];
      return sum;
    });
    expect(productObjection(productError(y, { a, b }, N))).toBeUndefined();
    const half = y.map((v) => Math.round(v * 1024) / 1024);
    expect(productObjection(productError(half, { a, b }, N))).toContain('its product is wrong');
    expect(productObjection(productError(y.fill(Number.NaN), { a, b }, N))).toContain('its product is wrong');
  });
});

test.each([
  ['classic-sgd-32', 32, 0.9],
  ['cnn-sgd-64', 4, 0.09],
])('%s on other weights, or with another rate, is seen to do other work', async (name, B, lr) => {
  const { lossesInDoubles, lossObjection } = await module('reference.mjs');
  const { batchesOf, examplesOf, weightsOf } = await module('problem.mjs');
  const { CASES } = await module('cases.mjs');
  const kase = { ...CASES[name], B };
  const batches = batchesOf(await examplesOf(B), B);
  const weights = weightsOf(kase);
  const truth = lossesInDoubles(kase, batches, weights);
  const reversed = weights.map((layer: { w: Float32Array }) => ({ ...layer, w: layer.w.slice().reverse() }));
  expect(lossObjection(lossesInDoubles(kase, batches, reversed), truth)).toContain('before any step');
  const slower = { ...kase, optimizer: { name: 'sgd', lr } };
  expect(lossObjection(lossesInDoubles(slower, batches, weights), truth)).toContain('after 20 steps');
});

test('for images with their channels first, the weights of each output are permuted', async () => {
  const { channelsFirst } = await module('problem.mjs');
  const w = Float32Array.from({ length: 12 }, (_, k) => k); // (2, 3 places, 2 channels)
  const layer = { w, b: new Float32Array(2), inputs: 6, outputs: 2, channels: 2 };
  expect([...channelsFirst(layer).w]).toEqual([0, 2, 4, 1, 3, 5, 6, 8, 10, 7, 9, 11]);
  expect(channelsFirst({ ...layer, channels: 1 })).toEqual({ ...layer, channels: 1 });
});

describe('the package of the peers', () => {
  test('has exact versions, and a lock file that names no place to download from', async () => {
    const { default: manifest } = await import('../bench/peers/package.json');
    for (const version of Object.values(manifest.dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    const lock = readFileSync(join(PEERS, 'package-lock.json'), 'utf8');
    expect(lock).not.toMatch(/"resolved"|https?:\/\/[^"]*\.tgz/);
    expect(JSON.parse(lock).packages[''].dependencies).toEqual(manifest.dependencies);
  });
});
