// `thalweg tune` as its users meet it: the built program on the tests' adapter, with a cache of its own.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TEST_ADAPTER } from './gpu-node.ts';

const MAIN = resolve('dist/src/cli/main.js');
const ON = TEST_ADAPTER === undefined ? [] : ['--adapter', TEST_ADAPTER];
const NAME = 'matmul NT 16x16x784';
const WORK = { kind: 'product', transposeA: false, transposeB: true, M: 16, N: 16, K: 784, batch: 1 };
const ENTRY = { kernel: 'registers', rows: 4, columns: 4, x: 4, y: 4 };
let folder: string;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  readonly events: Record<string, unknown>[];
}

function thalweg(args: readonly string[], onText?: (text: string, stop: () => void) => void): Promise<Ended> {
  return new Promise((done, fail) => {
    const env = { ...process.env, CI: '1', XDG_CACHE_HOME: folder, THALWEG_DATA: join(folder, 'data') };
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, env });
    let [out, err] = ['', ''];
    const stop = () => child.kill('SIGINT');
    child.stdout.on('data', (text) => {
      out += text;
      onText?.(out, stop);
    });
    child.stderr.on('data', (text) => {
      err += text;
    });
    child.on('error', fail);
    child.on('close', (code) => {
      const lines = args.includes('--json') ? out.trim().split('\n').filter(Boolean) : [];
      done({ code, out, err, events: lines.map((line) => JSON.parse(line)) });
    });
  });
}

const files = () =>
  readdirSync(join(folder, 'thalweg', 'tuning')).map((name) => join(folder, 'thalweg', 'tuning', name));
/** Changes the one file there is. */
function edit(change: (table: object) => unknown): string {
  const [file] = files();
  writeFileSync(file!, JSON.stringify(change(JSON.parse(readFileSync(file!, 'utf8')))));
  return file!;
}

beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing. Run: npm run build`);
  folder = mkdtempSync(join(tmpdir(), 'thalweg-cli-tune-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.sequential('tune', () => {
  it('refuses what makes no sense', async () => {
    const refusals = await Promise.all(
      [
        ['--product', '3,4'],
        ['--product', '3,0,4'],
        ['--show', '--reset'],
        ['--deterministic'],
        ['--device', 'cpu'],
      ].map((args) => thalweg(['tune', ...args])),
    );
    expect(refusals.map(({ code }) => code)).toEqual([2, 2, 2, 2, 3]);
    expect(refusals[0]!.err).toContain('--product: "3,4" is not three sizes. Give M,N,K, such as 512,512,512.');
    expect(refusals[4]!.err).toContain('It has no kernels to choose from. Use --device gpu.');
  });

  it('says for each product what it found, on which adapter, and keeps it', async () => {
    const { code, events, err } = await thalweg(['tune', ...ON, '--product', '8,4,4', '--rounds', '2', '--json']);
    expect(code).toBe(0);
    expect(err).toContain('Running on the GPU: ');
    const [first, ...rest] = events;
    expect(first).toMatchObject({ type: 'tune', backend: 'gpu', software: expect.any(Boolean), steps: [] });
    const tuned = rest.filter(({ type }) => type === 'tuned');
    expect(tuned.map(({ name }) => name)).toEqual(['matmul NN 8x4x4', 'matmul NT 8x4x4', 'matmul TN 8x4x4']);
    expect(tuned[1]!['work']).toEqual({ ...WORK, M: 8, N: 4, K: 4 });
    for (const { usual, candidates, gflops } of tuned) {
      expect(usual).toHaveProperty('kernel');
      expect(candidates).toBeGreaterThan(0);
      expect(gflops).toHaveLength(2);
    }
    const [file] = files();
    expect(events.at(-1)).toMatchObject({ type: 'end', file, measured: 3 });
    expect(JSON.parse(readFileSync(file!, 'utf8'))).toMatchObject({ version: 2, adapter: expect.any(String) });
  });

  it('shows what is kept, info and the manifest of a run too, unless it is to be deterministic', async () => {
    const file = edit((table) => ({ ...table, entries: [{ work: WORK, use: ENTRY }] }));
    const shown = await thalweg(['tune', ...ON, '--show']);
    expect(shown.out).toBe(`${file}\n  ${NAME}  registers 4x4, 4x4 threads\n`);
    const info = await thalweg(['info', ...ON]);
    expect(info.out).toMatch(/tuning +1 choice, [0-9a-f]{8}, from /);
    const train = (...more: string[]) =>
      thalweg([
        ...['train', ...ON, '--preset', 'classic', '--data', 'digits', '--max-steps', '1', '--batch-size', '16'],
        ...['--overwrite', '--out', 'run', '--json', ...more],
      ]);
    const config = () => JSON.parse(readFileSync(join(folder, 'run', 'config.json'), 'utf8'));
    const tuned = await train();
    const tuning = { file, digest: expect.stringMatching(/^[0-9a-f]{8}$/), used: [NAME] };
    expect([tuned.code, config().tuning, tuned.events.at(-1)]).toEqual([
      0,
      tuning,
      expect.objectContaining({ type: 'end', tuning }),
    ]);
    const plain = await train('--deterministic');
    expect([plain.code, config().tuning, plain.events.at(-1)!['tuning']]).toEqual([0, null, null]);
    const resumed = await thalweg(['train', ...ON, '--resume', 'run', '--max-steps', '2']);
    expect(resumed.err).toMatch(
      /the run used the default kernels and continues with tuned kernels \([0-9a-f]{8}\): results may/,
    );
  });

  it('keeps at Ctrl-C what it has verified', async () => {
    const cut = await thalweg(['tune', ...ON, '--product', '8,8,4', '--rounds', '2', '--json'], (out, stop) => {
      if (out.includes('"name":"matmul NN 8x8x4"')) stop();
    });
    expect([cut.code, cut.events.at(-1)]).toEqual([130, expect.objectContaining({ type: 'interrupted', others: 1 })]);
    expect(cut.err).toContain('the kernels verified so far are kept.');
    const { entries } = JSON.parse(readFileSync(files()[0]!, 'utf8'));
    expect(entries).toContainEqual({ work: WORK, use: ENTRY });
  });

  it('tells of a file of another version, and removes it when asked', async () => {
    const file = edit((table) => ({ ...table, version: undefined, format: 1, entries: { [NAME]: ENTRY } }));
    const info = await thalweg(['info', ...ON]);
    expect(info.err).toContain(
      `${file}: its version is 1, but this release reads version 2, so the default kernels are used. ` +
        'Run thalweg tune to replace it, or thalweg tune --reset to remove it.',
    );
    expect(info.out).toContain('none: the default kernels');
    expect((await thalweg(['tune', ...ON, '--reset'])).out).toContain(`Removed ${file}`);
    expect((await thalweg(['tune', ...ON, '--show'])).out).toContain('Nothing is tuned for this adapter');
  });
});
