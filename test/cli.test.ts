// The program as its users meet it: the built `thalweg` in a process of its own, on a handful of examples and mostly on the CPU.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { perturbationText } from '../src/cli/gradcheck.ts';
import { MNIST_SCALE } from '../src/data/digits.ts';
import { sgd } from '../src/optim/sgd.ts';
import { describeCheckpoint } from '../src/train/checkpoint.ts';
import type { EpochEvent } from '../src/train/events.ts';
import { saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { network } from '../src/train/network.ts';
import * as presets from '../src/train/presets.ts';
import { readSafetensors, writeSafetensors } from '../src/train/safetensors.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blocksOf } from './guide.ts';
import { type IdxDtype, idxOf } from './idx.ts';
import { pngOf } from './png.ts';

const MAIN = resolve('dist/src/cli/main.js');
let folder: string;
let data: string;

interface Ended {
  code: number | null;
  out: string;
  err: string;
  /** The lines of standard output under --json. */
  events: Record<string, unknown>[];
}

interface Watch {
  /** Called with what was written to standard output so far. */
  seen(out: string, child: ReturnType<typeof spawn>): void;
}

function thalweg(args: readonly string[], watch?: Watch, env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: folder, env: { ...process.env, CI: '1', ...env } });
    let out = '';
    let err = '';
    child.stdout.on('data', (text) => {
      out += text;
      watch?.seen(out, child);
    });
    child.stderr.on('data', (text) => {
      err += text;
    });
    child.on('error', fail);
    child.on('close', (code) => {
      const lines = args.includes('--json') && out.endsWith('\n') ? out.trim().split('\n') : [];
      done({ code, out, err, events: lines.map((line) => JSON.parse(line)) });
    });
  });
}

/** A run on the small data set, on the CPU. */
const train = (...args: string[]) => ['train', '--device', 'cpu', '--data', data, '--batch-size', '16', ...args];

/** A short run on a GPU. Other software drivers than SwiftShader may take half a minute to compile what is new to them. */
const SWIFTSHADER = process.platform === 'linux' && process.arch === 'x64' ? ['--adapter', 'swiftshader'] : [];
const SHORT = 'train --preset classic --batch-size 16 --max-steps 20 --device gpu --json --quiet';
const ON_GPU = [...SHORT.split(' '), ...SWIFTSHADER];

/** IDX files: bars whose place is the class, which any network learns. */
function writeIdx(path: string, train: number, test: number, side = 28): void {
  mkdirSync(path, { recursive: true });
  for (const [name, n] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const x = Buffer.alloc(n * side * side);
    const y = Buffer.alloc(n);
    for (let i = 0; i < n; i++) {
      y[i] = i % 10;
      for (let row = 0; row < side; row++) x.fill(200 + ((i + row) % 50), ...bar(i, row, side));
    }
    writeFileSync(join(path, `${name}-images-idx3-ubyte`), Buffer.concat([idxHeader(3, n, side, side), x]));
    writeFileSync(join(path, `${name}-labels-idx1-ubyte`), Buffer.concat([idxHeader(1, n), y]));
  }
}

function bar(i: number, row: number, side: number): [number, number] {
  const from = (i * side + row) * side + ((2 * (i % 10) + 3) % (side - 3));
  return [from, from + 3];
}

function idxHeader(rank: number, ...sizes: number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * sizes.length);
  header.set([0, 0, 8, rank]);
  for (const [k, size] of sizes.entries()) header.writeUInt32BE(size, 4 + 4 * k);
  return header;
}

interface SetOptions {
  readonly side?: number;
  /** The smallest label, and how many there are. */
  readonly first?: number;
  readonly classes?: number;
  readonly prefix?: string;
  /** Of pictures and labels. */
  readonly dtypes?: readonly [IdxDtype, IdxDtype];
  /** Numbers in a label, of which the first is the class. */
  readonly width?: number;
}

/** A set in one of its other forms: square blocks whose place is the class. */
function writeSet(into: string, sizes: Readonly<Record<string, number>>, options: SetOptions = {}): void {
  const { side = 28, first = 0, classes = 10, prefix = '', dtypes = ['u8', 'u8'], width = 1 } = options;
  mkdirSync(path(into), { recursive: true });
  for (const [part, n] of Object.entries(sizes)) {
    const high = dtypes[0] === 'u8' ? 255 : 1;
    const pixel = (i: number, at: number) => ((at + (i % 3)) % classes === i % classes ? high : 0);
    const x = Array.from({ length: n * side * side }, (_, k) => pixel(Math.floor(k / side / side), k % (side * side)));
    const y = Array.from({ length: n * width }, (_, k) => (k % width === 0 ? ((k / width) % classes) + first : 77));
    const labels = width === 1 ? [n] : [n, width];
    writeFileSync(path(into, `${prefix}${part}-images-idx3-${dtypes[0]}`), idxOf(dtypes[0], [n, side, side], x));
    writeFileSync(path(into, `${prefix}${part}-labels-idx1-${dtypes[1]}`), idxOf(dtypes[1], labels, y));
  }
}

const path = (...parts: string[]) => join(folder, ...parts);
const bytes = (...parts: string[]) => readFileSync(path(...parts));

beforeAll(() => {
  if (!existsSync(MAIN)) throw new Error(`${MAIN} is missing. Run: npm run build`);
  folder = mkdtempSync(join(tmpdir(), 'thalweg-cli-'));
  data = path('data');
  writeIdx(data, 70, 20);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('help', () => {
  it('tells version, examples and exit codes', async () => {
    expect((await thalweg(['--version'])).out).toMatch(/^\d+\.\d+\.\d+\n$/);
    const { code, out } = await thalweg(['train', '--help']);
    expect(code).toBe(0);
    expect(out).toContain('thalweg train --resume');
    expect(out).toMatch(/130 {2}interrupted/);
  });

  it.skipIf(process.platform === 'win32')('ends well when its reader is gone or the disk is full', () => {
    const shell = (command: string) =>
      spawnSync('sh', ['-c', command, process.execPath, MAIN], { cwd: folder, encoding: 'utf8' });
    for (const verb of ['', 'explain']) {
      const { status, stderr } = shell(`"$0" "$1" ${verb} --help | true`);
      expect([status, stderr]).toEqual([0, '']);
    }
    if (existsSync('/dev/full')) expect(shell('"$0" "$1" --help > /dev/full')).toMatchObject({ status: 1, stderr: '' });
  });

  it('guesses what was meant', async () => {
    const verb = await thalweg(['trian']);
    expect([verb.code, verb.err]).toEqual([2, expect.stringContaining('Did you mean train?')]);
    const flag = await thalweg(['train', '--epoch', '3']);
    expect([flag.code, flag.err]).toEqual([2, expect.stringContaining('Did you mean --epochs?')]);
  });
});

describe('train', () => {
  let whole: Ended;

  beforeAll(async () => {
    whole = await thalweg(train('--preset', 'classic', '--epochs', '40', '--out', 'whole', '--json'));
  });

  it('shows what it will train before it does', () => {
    expect(whole.err).toContain('Running on the CPU.');
    expect(whole.err).toContain('70 training and 20 test examples');
    expect(whole.err).toContain('12,560 + 272 + 170 = 13,002 parameters');
    expect(whole.err).toMatch(/Epoch 40\/40 {2}5\/5 .*test_accuracy/);
  });

  it('gives events as JSON Lines, the result last', () => {
    expect(whole.code).toBe(0);
    for (const event of whole.events)
      expect(Object.keys(event).slice(0, 4)).toEqual(['type', 'step', 'time', 'schema']);
    expect(whole.events.filter((event) => event['type'] === 'step')).toHaveLength(200);
    const { validation: last, stepsPerSecond, ...end } = whole.events.at(-1)!;
    expect(end).toEqual({
      type: 'end',
      step: 200,
      time: expect.any(Number),
      schema: 1,
      backend: 'cpu',
      adapter: 'CPU',
      software: true,
      tuning: null,
      steps: 200,
      dispatchesPerStep: 0,
      submits: expect.any(Number),
      firstStepMs: expect.any(Number),
      compileMs: expect.any(Number),
      peakGpuBytes: expect.any(Number),
      parameters: 13_002,
      confusion: expect.any(Array),
    });
    const { validation } = whole.events.filter((event) => event['type'] === 'epoch').at(-1)! as unknown as EpochEvent;
    expect(last).toEqual({ loss: validation?.loss, accuracy: validation?.accuracy });
    expect(stepsPerSecond).toBeGreaterThan(1);
  });

  it('writes everything that --out promises, and nothing else', () => {
    expect(readdirSync(path('whole')).sort()).toEqual([
      'accuracy.svg',
      'checkpoint.safetensors',
      'config.json',
      'loss.svg',
      'metrics.jsonl',
      'weights.safetensors',
    ]);
    const told = whole.out.split('\n').filter((line) => /"type":"(step|epoch|warning)"/.test(line));
    expect(bytes('whole', 'metrics.jsonl').toString().trim().split('\n')).toEqual(told);
    expect(JSON.parse(bytes('whole', 'config.json').toString())).toMatchObject({ preset: 'classic', epochs: 40, data });
    expect(bytes('whole', 'loss.svg').toString()).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
    const { tensors, metadata } = readSafetensors(bytes('whole', 'weights.safetensors'), 'weights');
    const network = JSON.stringify(presets.classic.network);
    const scale = JSON.stringify(MNIST_SCALE);
    expect(metadata).toEqual({ format: 'pt', 'thalweg.network': network, 'thalweg.scale': scale, preset: 'classic' });
    expect(tensors.get('hidden1.weight')!.shape).toEqual([16, 784]);
  });

  it('makes the same weights from the config.json of a run', async () => {
    const again = await thalweg([
      'train',
      '--config',
      'whole/config.json',
      '--device',
      'cpu',
      '--out',
      'again',
      '--quiet',
    ]);
    expect([again.code, again.err]).toEqual([0, '']);
    expect(again.out).toMatch(
      /^Test accuracy \d+\.\d\d%, loss .* on CPU\n\nConfusion matrix \(rows: actual, columns: predicted\)\n/,
    );
    expect(bytes('again', 'weights.safetensors')).toEqual(bytes('whole', 'weights.safetensors'));
  });

  it('ends well at Ctrl-C, and goes on from there as if nothing had been', async () => {
    let asked = false;
    const seen: Watch['seen'] = (out, child) => {
      if (!asked && out.includes('"step":12,')) asked = child.kill('SIGINT');
    };
    const cut = await thalweg(train('--preset', 'classic', '--epochs', '40', '--out', 'cut', '--json'), { seen });
    expect(cut.code).toBe(130);
    expect(cut.err).toMatch(/Interrupted at step \d+. A checkpoint was written. To continue:\n.* train --resume cut\n/);
    expect(cut.events.at(-1)).toMatchObject({ type: 'interrupted', resume: expect.stringContaining('--resume cut') });
    const at = Number(cut.events.at(-1)!['step']);
    expect(at).toBeLessThan(200);
    const rest = await thalweg(['train', '--resume', 'cut', '--device', 'cpu', '--json']);
    expect(rest.events.at(-1)).toMatchObject({ type: 'end', step: 200, steps: 200 - at });
    expect(bytes('cut', 'checkpoint.safetensors')).toEqual(bytes('whole', 'checkpoint.safetensors'));
    const losses = (run: string) =>
      bytes(run, 'metrics.jsonl')
        .toString()
        .match(/"type":"step","step":\d+|"loss":[^,]*/g);
    expect(losses('cut')!.length).toBe(losses('whole')!.length);
  });

  it.skipIf(process.platform === 'win32')(
    'saves and ends at SIGTERM and SIGHUP, and keeps other runs out until then',
    async () => {
      for (const name of ['SIGTERM', 'SIGHUP'] as const) {
        let others: Promise<Ended> | undefined;
        const seen: Watch['seen'] = (out, child) => {
          if (others || !out.includes('"step":12,')) return;
          others = thalweg(train('--out', name, '--overwrite'));
          others.then(() => child.kill(name));
        };
        const cut = await thalweg(train('--preset', 'classic', '--epochs', '20000', '--out', name, '--json'), { seen });
        expect([cut.code, cut.err]).toEqual([130, expect.stringContaining('A checkpoint was written. To continue:')]);
        const other = (await others)!;
        expect([other.code, other.err]).toEqual([
          1,
          expect.stringMatching(
            /error: \w+: cannot write: process \d+ on .* writes there\. Wait until it ends.*\(EBUSY\)/,
          ),
        ]);
        expect(readdirSync(path(name)).sort()).toEqual(readdirSync(path('whole')).sort());
      }
    },
  );

  it.skipIf(!existsSync('/dev/full'))('saves the run when there is no room for its events', () => {
    const args = train('--preset', 'classic', '--epochs', '20000', '--out', 'full', '--json').join(' ');
    const { status, stderr } = spawnSync('sh', ['-c', `"$0" "$1" ${args} > /dev/full`, process.execPath, MAIN], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([1, expect.stringContaining('standard output: cannot write: the disk is full.')]);
    expect(stderr).toMatch(/Standard output could not be written at step \d+\. A checkpoint was written/);
    expect(stderr).not.toMatch(/^ +at /m);
  });

  it('has the lines of every step of a checkpoint when it is killed, and leaves nothing behind', async () => {
    let killed = false;
    const seen: Watch['seen'] = (out, child) => {
      if (!killed && out.includes('"step":40,')) killed = child.kill('SIGKILL');
    };
    const flags = ['--preset', 'classic', '--epochs', '40', '--save-every', '3', '--out', 'killed'];
    await thalweg(train(...flags, '--json'), { seen });
    expect(killed).toBe(true);
    const { tensors } = readSafetensors(bytes('killed', 'checkpoint.safetensors'), 'checkpoint');
    const step = Number(tensors.get('trainer.step')!.data[0]);
    const steps = (run: string) =>
      (
        bytes(run, 'metrics.jsonl')
          .toString()
          .match(/"type":"step","step":\d+/g) ?? []
      ).map((m) => Number(m.slice(21)));
    expect(step).toBeGreaterThan(20);
    expect(steps('killed').slice(0, step)).toEqual(Array.from({ length: step }, (_, k) => k + 1));
    writeFileSync(path('killed', '.weights.safetensors.0123456789abcdef.tmp'), 'half');
    const { code, err } = await thalweg(['train', '--resume', 'killed', '--device', 'cpu']);
    expect([code, err]).toEqual([0, expect.stringContaining('Resuming ')]);
    expect(steps('killed')).toEqual(steps('whole'));
    expect(bytes('killed', 'checkpoint.safetensors')).toEqual(bytes('whole', 'checkpoint.safetensors'));
    expect(readdirSync(path('killed')).sort()).toEqual(readdirSync(path('whole')).sort());
  });

  it('finishes a run that was killed between its last checkpoint and its weights', async () => {
    cpSync(path('whole'), path('nearly'), { recursive: true });
    for (const name of ['weights.safetensors', 'loss.svg']) rmSync(path('nearly', name));
    const resume = () => thalweg(['train', '--resume', 'nearly', '--device', 'cpu']);
    const { code, out, err } = await resume();
    expect([code, err]).toEqual([0, expect.stringContaining('All steps are done; the missing output is written now.')]);
    expect(out).toMatch(/^Test accuracy .*; 0 steps in /);
    for (const name of readdirSync(path('whole'))) expect(bytes('nearly', name), name).toEqual(bytes('whole', name));
    expect((await resume()).err).toContain('is complete: 200 of 200 steps');
  });

  it('finishes a run that reached its target accuracy and was killed before its weights', async () => {
    const target = ['--target-accuracy', '50%'];
    await thalweg(train('--preset', 'classic', '--epochs', '50', ...target, '--out', 'target', '--quiet'));
    const unwritten = (folder: string) => {
      cpSync(path('target'), path(folder), { recursive: true });
      for (const name of ['weights.safetensors', 'loss.svg']) rmSync(path(folder, name));
      return ['train', '--resume', folder, '--device', 'cpu'];
    };
    for (const [folder, flags] of [
      ['reached', []],
      ['reached-again', [...target, '--epochs', '50']],
    ] as const) {
      const { code, out, err } = await thalweg([...unwritten(folder), ...flags]);
      const said = expect.stringContaining('The target accuracy was reached; the missing output is written now.');
      expect([code, err]).toEqual([0, said]);
      expect(out).toMatch(/^Test accuracy .*; 0 steps in /);
      for (const name of readdirSync(path('target'))) expect(bytes(folder, name), name).toEqual(bytes('target', name));
    }
    // A higher target or another length is more to do.
    const { step } = describeCheckpoint(bytes('target', 'checkpoint.safetensors'));
    const higher = await thalweg([...unwritten('higher'), '--target-accuracy', '1']);
    expect(higher.out).toMatch(/; [1-9]\d* steps in /);
    const longer = ['--max-steps', `${step + 2}`, '--quiet'];
    const resumed = ['train', '--resume', 'target', '--device', 'cpu'];
    for (const begin of [unwritten('longer'), resumed]) {
      expect((await thalweg([...begin, ...longer])).out).toMatch(/; 2 steps in /);
      const checkpoint = bytes(begin[2]!, 'checkpoint.safetensors');
      expect(describeCheckpoint(checkpoint).configuration).not.toHaveProperty('reachedAccuracy');
    }
  });

  it('refuses to go on with a run in another way than it began', async () => {
    const cases = [
      [['--seed', '3'], 2, '--seed: 3 contradicts --resume: the run in whole/checkpoint.safetensors has 0'],
      [['--preset', 'mlp'], 2, '--preset: mlp contradicts --resume'],
      [[], 2, '--resume: the run in whole/checkpoint.safetensors is complete: 200 of 200 steps'],
    ] as const;
    for (const [flags, code, text] of cases) {
      const ended = await thalweg(['train', '--resume', 'whole', '--device', 'cpu', ...flags]);
      expect([ended.code, ended.err]).toEqual([code, expect.stringContaining(text)]);
    }
  });

  it('counts the steps of this call, and warns of another adapter', async () => {
    await thalweg(train('--preset', 'classic', '--max-steps', '4', '--out', 'moved', '--quiet'));
    const config = JSON.parse(bytes('moved', 'config.json').toString());
    writeFileSync(path('moved', 'config.json'), JSON.stringify({ ...config, adapterName: 'Some GPU' }));
    const { code, out, err } = await thalweg(['train', '--resume', 'moved', '--max-steps', '7', '--device', 'cpu']);
    expect(code).toBe(0);
    expect(err).toContain('warning: the run was on Some GPU and continues on CPU:');
    expect(err).toContain('weights took 3 small steps downhill');
    expect(out).toMatch(/; 3 steps in /);
    const same = await thalweg(['train', '--resume', 'moved', '--max-steps', '8', '--device', 'cpu', '--quiet']);
    expect(same.err).not.toContain('continues on');
  });

  it('says that its reader went away, and nothing of going on where nothing was saved', async () => {
    const seen: Watch['seen'] = (_, child) => child.stdout!.destroy();
    const { code, err } = await thalweg(train('--epochs', '2000', '--json'), { seen });
    expect([code, err]).toEqual([
      130,
      expect.stringMatching(/Standard output was closed at step \d+, so the run ended\.\n$/),
    ]);
    expect(err).not.toMatch(/Interrupted|resume/);
  });

  it('is quiet when nobody reads its events any more', async () => {
    const seen: Watch['seen'] = (_, child) => child.stdout!.destroy();
    const { code, err } = await thalweg(train('--epochs', '2000', '--json', '--quiet'), { seen });
    expect([code, err]).toEqual([130, '']);
  });

  it('stops at the target accuracy, and exits with 4 where it was not reached', async () => {
    const reached = await thalweg(train('--epochs', '50', '--target-accuracy', '50%', '--json', '--quiet'));
    expect(reached.code).toBe(0);
    expect(reached.events.at(-1)!['steps']).toBeLessThan(250);
    const missed = await thalweg(train('--max-steps', '1', '--target-accuracy', '1', '--quiet'));
    expect([missed.code, missed.err]).toEqual([4, expect.stringContaining('below the --target-accuracy of 100.00%')]);
  });

  it('diverges with exit code 5 and keeps finite weights; a gradient check of those fails', async () => {
    const { code, err, events } = await thalweg(train('--lr', '1e30', '--out', 'diverged', '--json'));
    expect([code, err]).toEqual([
      5,
      expect.stringMatching(/loss is not finite at step \d+ .*The weights .* diverged\./),
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'error', error: 'DivergenceError', exitCode: 5 });
    const { tensors } = readSafetensors(bytes('diverged', 'weights.safetensors'), 'weights');
    for (const { data } of tensors.values()) expect(data.every(Number.isFinite)).toBe(true);
    const check = await thalweg(['gradcheck', 'diverged', '--device', 'cpu']);
    expect([check.code, check.out]).toEqual([4, expect.stringMatching(/FAILED[\s\S]*WRONG/)]);
  });

  it('trains nothing and writes nothing under --dry-run', async () => {
    const { code, err } = await thalweg(train('--dry-run', '--out', 'dry', '--max-steps', '7'));
    expect([code, err]).toEqual([0, expect.stringContaining('2 epochs, 7 steps')]);
    expect(existsSync(path('dry'))).toBe(false);
  });

  it('runs on the GPU, and the process ends by itself', { timeout: 180_000 }, async () => {
    const { code, events } = await thalweg([...ON_GPU, '--data', data, '--out', 'kept']);
    expect(code).toBe(0);
    expect(events.at(-1)).toMatchObject({ type: 'end', backend: 'gpu', steps: 20, parameters: 13_002 });
    const { dispatchesPerStep, firstStepMs, time } = events.at(-1) as Record<string, number>;
    expect(dispatchesPerStep).toBeGreaterThan(0);
    expect(firstStepMs).toBeGreaterThan(0);
    expect(firstStepMs).toBeLessThan(1000 * (time! + 30));
  });

  it('continues from the last checkpoint on another device when its own is lost', { timeout: 180_000 }, async () => {
    // The first device that trains is destroyed when its first epoch of 5 steps was saved and another is under way.
    const runtime = JSON.stringify(pathToFileURL(resolve('dist/src/gpu/runtime.js')));
    writeFileSync(
      path('lose.mjs'),
      `import { existsSync } from 'node:fs';
      import { GpuRuntime } from ${runtime};
      const { submit } = GpuRuntime.prototype;
      let lost = false;
      GpuRuntime.prototype.submit = function (...given) {
        submit.apply(this, given);
        if (lost || !existsSync('lost/checkpoint.safetensors')) return;
        lost = true;
        this.device.destroy();
      };`,
    );
    const env = { NODE_OPTIONS: `--import=${pathToFileURL(path('lose.mjs'))}` };
    const { code, err, events } = await thalweg([...ON_GPU, '--data', data, '--out', 'lost'], undefined, env);
    expect([code, err]).toEqual([
      0,
      expect.stringMatching(/warning: GPU .* Opening another; training continues from step 5,/),
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'end', step: 20 });
    for (const name of ['checkpoint.safetensors', 'weights.safetensors'])
      expect(bytes('lost', name), name).toEqual(bytes('kept', name));
    const steps = bytes('lost', 'metrics.jsonl')
      .toString()
      .match(/"type":"step","step":\d+/g);
    expect(steps).toEqual(
      bytes('kept', 'metrics.jsonl')
        .toString()
        .match(/"type":"step","step":\d+/g),
    );
  });
});

describe('bad input', () => {
  beforeAll(() => {
    mkdirSync(path('taken'));
    mkdirSync(path('folders', 'weights.safetensors'), { recursive: true });
    symlinkSync('loop', path('loop'));
    writeFileSync(path('nul.json'), '{ "data": "a\\u0000b" }');
    writeFileSync(path('huge'), 'not a header');
    truncateSync(path('huge'), 2 ** 33);
    if (process.platform !== 'win32') execFileSync('mkfifo', [path('pipe')]);
    writeFileSync(path('taken', 'checkpoint.safetensors'), 'another run');
    writeFileSync(path('a-file'), 'text');
    writeFileSync(path('config.json'), '{ "preset": "mlp", "batchsize": 3 }');
    const letters = { first: 1, classes: 26, prefix: 'emnist-letters-' };
    writeSet('several', { train: 52, test: 26 }, letters);
    writeSet('several', { train: 20, test: 10 }, { prefix: 'emnist-digits-' });
    writeSet('test-alone', { test: 10 });
    writeIdx(path('cut-off'), 40, 20);
    writeFileSync(
      path('cut-off', 'train-images-idx3-ubyte'),
      bytes('cut-off', 'train-images-idx3-ubyte').subarray(0, 999),
    );
  });

  it.each([
    [['--lr', '0'], 2, '--lr: "0" is not above 0'],
    [['--preset', 'classik'], 2, 'Did you mean "classic"?'],
    [['--batch-size', '71'], 2, '--batch-size: 71 is more than the 70 examples of data'],
    [['--data', 'nowhere'], 2, '--data: "nowhere" is neither a data set nor a folder'],
    [['--config', 'config.json'], 2, 'config.json: unknown key "batchsize". Did you mean "batchSize"?'],
    [['--save-every', '10'], 2, '--save-every: no folder to save to'],
    [['--out', 'taken'], 2, '--out: taken already holds a run'],
    [['--out', 'a-file'], 1, 'a file and not a folder'],
    [['--out', 'a-file/below'], 1, 'a-file/below: cannot create the folder'],
    [['--out', 'folders'], 1, 'folders/weights.safetensors: cannot write: it is a folder and not a file'],
    [['--data', 'loop'], 1, 'loop: cannot read: its symbolic links form a loop. Check the path (ELOOP)'],
    [['--data', 'x'.repeat(300)], 1, 'cannot read: the name is too long'],
    [['--config', 'nul.json', '--seed', '1'], 1, 'cannot read: no path can hold a NUL character'],
    [['--config', 'pipe'], 1, 'pipe: cannot read: it is a named pipe and not a regular file'],
    [['--config', 'huge'], 1, 'huge: cannot read: it has 8589934592 bytes, but at most 1048576 are expected'],
    [['--resume', 'pipe'], 1, 'pipe: cannot read: it is a named pipe and not a regular file'],
    [['--resume', 'huge'], 1, 'huge: not a safetensors file, or truncated: byte 0 announces a header'],
    [['--resume', 'nowhere'], 1, 'nowhere: cannot read: it does not exist'],
    [['--resume', 'a-file'], 1, 'a-file: not a safetensors file'],
    [
      ['--data', 'several'],
      1,
      "it holds 2 sets: 'emnist-digits', 'emnist-letters'. Choose one, as --data several/emnist-digits.",
    ],
    [['--data', 'several/emnist-leters'], 1, `it holds no set "emnist-leters". Did you mean 'emnist-letters'?`],
    [['--data', 'test-alone'], 1, 'it holds a test set but no training set'],
    [['--data', 'digits', '--classes', '12'], 2, '--classes: applies only to a folder of IDX files. Add --data DIR'],
    [['--data', 'digits', '--transpose'], 2, '--transpose: applies only to a folder of IDX files. Add --data DIR'],
    [['--classes', '1'], 2, '--classes: "1" is below 2'],
    [['--classes', '5'], 1, 'expected 0 to 4, got 5. Repair the labels, or give the number of classes with --classes.'],
    [['--data', 'cut-off'], 1, 'train-images-idx3-ubyte: the data ends at offset 999: expected 31360 bytes'],
    [['--require-gpu'], 2, '--require-gpu: contradicts --device cpu'],
    [['--device', 'gpu', '--adapter', 'no-such-card'], 3, "adapter 'no-such-card': no adapter has that name"],
  ])('train %j', async (flags, code, text) => {
    const named = flags[0] === '--config' ? ['train', '--device', 'cpu', ...flags] : train(...flags);
    const ended = await thalweg(named);
    expect([ended.code, ended.err]).toEqual([code, expect.stringContaining(text)]);
    expect(ended.out).toBe('');
    expect(bytes('taken', 'checkpoint.safetensors').toString()).toBe('another run');
  });
});

describe('eval', () => {
  const evaluate = (...args: string[]) => thalweg(['eval', ...args, '--device', 'cpu', '--json', '--quiet']);

  beforeAll(async () => {
    await thalweg(train('--epochs', '20', '--out', 'run', '--quiet'));
  });

  it('judges the folder of a run on its own test set', async () => {
    const { code, events } = await evaluate('run');
    expect(code).toBe(0);
    const { accuracy, examples, confusion } = events[0] as {
      accuracy: number;
      examples: number;
      confusion: number[][];
    };
    expect(examples).toBe(20);
    expect(confusion.flat().reduce((a, b) => a + b)).toBe(20);
    expect(confusion.reduce((sum, row, k) => sum + row[k]!, 0) / 20).toBeCloseTo(accuracy, 6);
    expect(accuracy).toBeGreaterThan(0.5);
  });

  it('takes weights that say no preset once it is named, and refuses those that do not fit', async () => {
    const { tensors } = readSafetensors(bytes('run', 'weights.safetensors'), 'weights');
    writeFileSync(path('foreign.safetensors'), writeSafetensors(tensors));
    const unnamed = await evaluate('foreign.safetensors', '--data', data);
    expect([unnamed.code, unnamed.err]).toEqual([2, expect.stringContaining('Add --preset classic,')]);
    const named = await evaluate('foreign.safetensors', '--data', data, '--preset', 'mlp');
    expect(named.events[0]).toMatchObject({ type: 'eval', preset: 'mlp', examples: 20 });
    // As PyTorch has them: behind a prefix, and in halves.
    const halves = [...tensors].map(([name, { shape, data }]) => {
      const words = Uint32Array.from(new Uint32Array(data.buffer), (word) => word & 0xffff0000);
      return [`module.${name}`, { dtype: 'BF16', shape, data: new Float32Array(words.buffer) }] as const;
    });
    writeFileSync(path('torch.safetensors'), writeSafetensors(new Map(halves)));
    const torch = await evaluate('torch.safetensors', '--data', data, '--preset', 'mlp');
    expect([torch.err, torch.code]).toEqual(['', 0]);
    expect(torch.events[0]!['loss']).toBeCloseTo(Number(named.events[0]!['loss']), 1);
    const wrong = await evaluate('foreign.safetensors', '--data', data, '--preset', 'classic');
    expect([wrong.code, wrong.err]).toEqual([1, expect.stringContaining('"hidden1.weight" is missing')]);
  });

  it('judges and proves a network that describes itself', async () => {
    const description = {
      inputs: 784,
      hidden: [5, 4],
      outputs: 10,
      activation: 'gelu',
      loss: 'cross-entropy',
    } as const;
    const { model, loss } = network(description);
    const trainer = new Trainer(createCpuBackend(), { model, loss, optimizer: sgd({ lr: 1 }) });
    // What a page keeps beside a checkpoint is its own configuration, not the command line's.
    writeFileSync(path('page.safetensors'), await saveCheckpoint(trainer, { preset: 'mlp', hidden: [5, 4], batch: 3 }));
    writeFileSync(path('own.safetensors'), await saveWeights(trainer));
    trainer.dispose();
    for (const file of ['own.safetensors', 'page.safetensors']) {
      const { code, events, err } = await evaluate(file, '--data', data);
      expect([code, err]).toEqual([0, '']);
      expect(events[0]).toMatchObject({ type: 'eval', preset: '784-5-4-10, gelu, cross-entropy', examples: 20 });
    }
    // Weights are judged and proved by the scale that they learnt with.
    const { tensors, metadata } = readSafetensors(bytes('own.safetensors'), 'own');
    const losses = [];
    for (const scale of [MNIST_SCALE, { mean: 0, std: 0.1 }]) {
      writeFileSync(
        path('own.safetensors'),
        writeSafetensors(tensors, { ...metadata, 'thalweg.scale': JSON.stringify(scale) }),
      );
      losses.push((await evaluate('own.safetensors', '--data', data)).events[0]!['loss']);
    }
    expect(losses[0]).not.toBe(losses[1]);
    const proof = await thalweg(['gradcheck', 'own.safetensors', '--device', 'cpu']);
    expect([proof.code, proof.out]).toEqual([0, expect.stringContaining('gelu, cross-entropy are right on')]);
    const wrong = await evaluate('own.safetensors', '--preset', 'mlp');
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('says 784-5-4-10, gelu, cross-entropy')]);
  });

  it('prints a confusion matrix, and exits with 4 below the target accuracy', async () => {
    const flags = ['--data', data, '--device', 'cpu', '--preset', 'classic', '--target-accuracy', '1'];
    await thalweg(train('--preset', 'classic', '--max-steps', '1', '--out', 'poor', '--quiet'));
    const { code, out } = await thalweg(['eval', 'poor', ...flags]);
    expect([code, out]).toEqual([4, expect.stringContaining('Confusion matrix (rows: actual, columns: predicted)')]);
  });
});

describe('other data than MNIST', () => {
  const on = (data: string, ...more: string[]) =>
    thalweg(['train', '--device', 'cpu', '--batch-size', '16', '--max-steps', '20', '--data', data, ...more]);
  const judge = (...args: string[]) => thalweg(['eval', ...args, '--device', 'cpu', '--json']);
  const both = { train: 60, test: 30 };

  beforeAll(() => {
    writeSet('emnist', { train: 78, test: 52 }, { first: 1, classes: 26, prefix: 'emnist-letters-' });
    writeSet('emnist', both, { classes: 47, prefix: 'emnist-balanced-' });
    writeSet('qmnist', both, { prefix: 'qmnist-', dtypes: ['u8', 'i32'], width: 8 });
    writeSet('floats', both, { side: 8, dtypes: ['f32', 'i16'], classes: 4 });
    writeSet('large', both, { side: 32, classes: 3 });
    writeSet('alone', { train: 50 }, { side: 5 });
    writeSet('only-test', { t10k: 30 }, { side: 5 });
  });

  const layers = (out: string) =>
    [...out.matchAll(/^(?:hidden|out)\S* .*\] +([\d,]+) +[\d,]+$/gm)].map(([, count]) => count);
  it.each([
    [
      'emnist/emnist-letters',
      'mlp',
      /labels begin at 1, so class 0 of 27 has no examples; with --classes 26/,
      ['100,480', '3,483'],
    ],
    [
      'emnist/emnist-balanced',
      'classic',
      /emnist-balanced, read from the folder emnist\. 60 training and 30 test/,
      ['12,560', '272', '799'],
    ],
    ['qmnist', 'classic', /qmnist: the first of a label's eight numbers is the class/, ['12,560', '272', '170']],
    ['floats', 'mlp', /mlp: 64-128-4, relu, cross-entropy: its first and last layers are fitted/, ['8,320', '516']],
    ['large', 'classic', /classic: 1024-16-16-3, sigmoid/, ['16,400', '272', '51']],
    ['alone', 'mlp', /holds no test set: 5 of its 50 examples, .* 45 training and 5 test examples/, ['3,328', '1,290']],
  ])('%s trains %s, and is evaluated', async (data, preset, said, parameters) => {
    const out = `on-${data.replace('/', '-')}`;
    const { code, out: printed, err } = await on(data, '--preset', preset, '--out', out);
    expect([code, err]).toEqual([0, expect.stringMatching(said)]);
    expect(printed).toContain('Test accuracy');
    expect(layers(err)).toEqual(parameters);
    const { events } = await judge(out);
    const end = bytes(out, 'metrics.jsonl').toString().trim().split('\n').at(-1)!;
    expect(events[0]).toMatchObject({ type: 'eval', preset, loss: JSON.parse(end).validation.loss });
    expect((await judge(`${out}/weights.safetensors`, '--data', data)).events[0]).toMatchObject({
      loss: events[0]!['loss'],
    });
  });

  it('--classes and --transpose belong to a run: kept, used by eval and --resume, refused where they differ', async () => {
    const flags = ['--classes', '26', '--transpose', '--preset', 'classic'];
    const { code, err } = await on('emnist/emnist-letters', ...flags, '--out', 'letters');
    expect([code, err]).toEqual([0, expect.stringMatching(/letters, transposed, read .*\n.* labels 1 to 26 are read as classes 0 to 25\./)]); // biome-ignore format: one line
    const named = '--data emnist/emnist-letters --classes 26 --transpose';
    expect(err).toContain(`train --preset mlp ${named}\n`);
    expect(err).toContain(`gradcheck --preset classic ${named} --perturb 'hidden1.weight[0,400]'\n`);
    const config = { classes: 26, transpose: true, data: resolve(folder, 'emnist/emnist-letters') };
    expect(JSON.parse(bytes('letters', 'config.json').toString())).toMatchObject(config);
    const own = await judge('letters');
    expect((own.events[0]!['confusion'] as number[][]).length).toBe(26);
    const same = await judge('letters', '--data', 'emnist/emnist-letters');
    expect(same.events[0]).toMatchObject({ loss: own.events[0]!['loss'] });
    // Weights alone know how many classes there are, and nothing of how pictures lie.
    const weights = ['letters/weights.safetensors', '--data', 'emnist/emnist-letters'];
    expect((await judge(...weights, '--transpose')).events[0]).toMatchObject({ loss: own.events[0]!['loss'] });
    expect((await judge(...weights)).events[0]!['loss']).not.toBe(own.events[0]!['loss']);

    const resume = (...more: string[]) => thalweg(['train', '--device', 'cpu', '--resume', 'letters', ...more]);
    const longer = await resume('--max-steps', '25', '--out', 'letters-longer');
    expect([longer.code, longer.err]).toEqual([0, expect.stringContaining('letters, transposed')]);
    const other = await resume('--max-steps', '30', '--classes', '27');
    expect([other.code, other.err]).toEqual([2, expect.stringContaining('--classes: 27 contradicts --resume: the run in letters')]); // biome-ignore format: one line
    const moved = await resume('--max-steps', '30', '--data', 'emnist/emnist-balanced');
    expect([moved.code, moved.err]).toEqual([1, expect.stringMatching(/expected 0 to 25, got 26\. The network has 26 outputs: use the data/)]); // biome-ignore format: one line
  });

  it('refuses data that weights do not fit, and evaluates on a test set alone', async () => {
    await on('alone', '--preset', 'mlp', '--out', 'small', '--quiet');
    const refused = async (data: string) => {
      const { code, err } = await judge('small', '--data', data);
      expect(code).toBe(1);
      return err;
    };
    expect(await refused('qmnist')).toContain('its images have 784 pixels, but the first layer of mlp takes 25. Use');
    expect(await refused('emnist/emnist-balanced')).toMatch(/got 10\. The network has 10 outputs: use the data/);
    const { events, err } = await judge('small', '--data', 'only-test');
    expect([events[0], err]).toEqual([expect.objectContaining({ examples: 30 }), expect.stringContaining('30 test examples.')]); // biome-ignore format: one line
    const proof = await thalweg(['gradcheck', 'small', '--device', 'cpu']);
    expect([proof.code, proof.out]).toEqual([0, expect.stringContaining('The gradients of mlp are right')]);
  });
});

describe('pictures and networks of your own', () => {
  const on = (verb: string, ...more: string[]) => thalweg([verb, ...more, '--device', 'cpu']);
  /** A picture with stripes across or down, or in one grey. */
  const picture = (kind: number, n: number, [height, width]: readonly [number, number], colour: 0 | 2) => {
    const bright = (k: number) =>
      kind === 2 ? 100 + 3 * n : ((kind === 0 ? Math.floor(k / width) : k % width) + n) % 4 < 2 ? 220 : 30;
    const samples = Array.from({ length: height * width }, (_, k) => bright(k));
    return pngOf({ width, height, colour, samples: colour === 0 ? samples : samples.flatMap((v) => [v, v, v]) });
  };
  const CLASSES = ['across', 'down', 'flat'];
  const NET = `import { nn, optim } from 'thalweg';
    export const model = ({ inputShape: [, , C], classes }) => ({
      conv: new nn.Conv2d(C, 6, 3),
      out: new nn.Linear(6, classes),
      forward(x) {
        return this.out.forward(this.conv.forward(x).relu().maxPool(2).mean([1, 2]));
      },
    });
    export const optimizer = (lr = 0.03) => optim.adam({ lr });
    export const batchSize = 9;
    export const epochs = 20;
    `;
  const SIZED = ['--size', '8x10', '--channels', '1'];

  beforeAll(async () => {
    for (const [kind, name] of CLASSES.entries()) {
      mkdirSync(path('pictures', name), { recursive: true });
      for (let n = 0; n < 10; n++)
        writeFileSync(path('pictures', name, `${n}.png`), picture(kind, n, n % 2 ? [8, 10] : [12, 15], n % 3 ? 0 : 2));
    }
    writeFileSync(path('pictures', 'flat', 'bad.png'), 'no picture');
    writeFileSync(path('net.mjs'), NET);
  });

  it('trains a module on pictures of any size, and prints what it confuses by name', async () => {
    const flags = ['--data', 'pictures', ...SIZED, '--skip-bad', '--augment', 'flip,crop=1', '--out', 'seen'];
    const { code, err, out } = await on('train', '--model', 'net.mjs', ...flags);
    expect([code, err]).toEqual([0, expect.stringContaining('1 file that cannot be read is left out')]);
    expect(err).toMatch(
      /warning: left out: pictures\/flat\/bad\.png: it is neither PNG nor JPEG: it begins with 6e 6f/,
    );
    expect(err).toContain('adam, learning rate 0.03, batches of 9 (B), 20 epochs, 60 steps');
    expect(out).toMatch(/\nConfusion matrix .*\nactual +across +down +flat +right\n/);
    expect(JSON.parse(bytes('seen', 'config.json').toString())).toMatchObject({
      model: path('net.mjs'),
      modelDigest: expect.stringMatching(/^[0-9a-f]{16}$/),
      size: [8, 10],
      channels: 1,
      skipBad: true,
      augment: 'flip,crop=1',
      inputShape: [8, 10, 1],
      outputs: 3,
      classNames: CLASSES,
    });
    const { events, code: judged } = await on('eval', 'seen', '--json', '--quiet');
    const end = bytes('seen', 'metrics.jsonl').toString().trim().split('\n').at(-1)!;
    expect([judged, events[0]]).toEqual([
      0,
      expect.objectContaining({ model: path('net.mjs'), loss: JSON.parse(end).validation.loss, classNames: CLASSES }),
    ]);
    const right = (events[0]!['confusion'] as number[][]).reduce((sum, row, k) => sum + row[k]!, 0);
    expect(right).toBe(3);
  });

  it('predicts pictures prepared as those of the run, and goes on after a bad one', async () => {
    const files = ['pictures/across/1.png', 'pictures/flat/bad.png', 'pictures/down/2.png', 'pictures/none.png'];
    const { code, events, err } = await on('predict', 'seen', ...files, '--top', '2', '--json');
    expect(code).toBe(1);
    expect(events.map(({ type, file }) => [type, file])).toEqual([
      ['prediction', files[0]],
      ['unreadable', files[1]],
      ['prediction', files[2]],
      ['unreadable', files[3]],
    ]);
    const tops = events.flatMap(({ top }) =>
      top ? [top as { name: string; class: number; probability: number }[]] : [],
    );
    expect(tops.map(([first]) => first!.name)).toEqual(['across', 'down']);
    for (const [first, second, third] of tops) {
      expect([CLASSES[first!.class], third]).toEqual([first!.name, undefined]);
      expect(first!.probability).toBeGreaterThan(second!.probability);
      expect(first!.probability + second!.probability).toBeLessThanOrEqual(1.000001);
    }
    expect(err).toMatch(
      /warning: pictures\/none\.png: cannot read: .*\n.*error: 2 files of 4 could not be read; 2 pictures pre/s,
    );
    const text = await on('predict', 'seen', files[0]!, '--quiet');
    expect([text.code, text.out]).toEqual([0, expect.stringMatching(/^pictures\/across\/1\.png: across [\d.]+%, \w+ [\d.]+%, \w+ [\d.]+%\n$/)]); // biome-ignore format: one line
  });

  it('continues a run of a module, and tells if its file has changed or moved', async () => {
    writeFileSync(path('net.mjs'), `${NET}// changed`);
    const resumed = await on('train', '--resume', 'seen', '--max-steps', '63', '--out', 'seen-longer');
    expect([resumed.code, resumed.err]).toEqual([
      0,
      expect.stringMatching(/warning: \S+net\.mjs has changed since the run in seen/),
    ]);
    expect(resumed.out).toMatch(/; 3 steps in /);
    writeFileSync(path('net.mjs'), NET);
    cpSync(path('net.mjs'), path('moved.mjs'));
    const moved = await on('eval', 'seen', '--model', 'moved.mjs', '--quiet');
    expect([moved.code, moved.err]).toEqual([0, expect.not.stringContaining('has changed')]);
    const other = await on('train', '--resume', 'seen', '--size', '9');
    expect([other.code, other.err]).toEqual([2, expect.stringContaining('--size: 9,9 contradicts --resume')]);
  });

  it('trains a convolutional preset on IDX files, and predicts them as eval does', async () => {
    const flags = ['--data', data, '--batch-size', '16', '--max-steps', '3', '--out', 'cnn', '--json', '--quiet'];
    const { code, events } = await on('train', '--preset', 'cnn', ...flags);
    expect([code, events.at(-1)]).toEqual([0, expect.objectContaining({ type: 'end', parameters: 215_194 })]);
    const predicted = await on('predict', 'cnn', `${data}/t10k-images-idx3-ubyte`, '--top', '1', '--json', '--quiet');
    const found = predicted.events as unknown as { index: number; top: { class: number }[] }[];
    const counts = Array.from({ length: 10 }, () => new Array<number>(10).fill(0));
    for (const { index, top } of found) counts[index % 10]![top[0]!.class]!++;
    expect([found.length, counts]).toEqual([20, events.at(-1)!['confusion']]);
  });

  it('takes the module of the guide', async () => {
    const [net] = blocksOf('docs/guide/command-line.md').filter(({ language }) => language === 'js');
    writeFileSync(path('guide.mjs'), net!.code);
    const flags = ['--data', 'pictures', ...SIZED, '--skip-bad', '--batch-size', '9', '--max-steps', '2'];
    const { code, err } = await on('train', '--model', 'guide.mjs', ...flags);
    expect([code, err]).toEqual([0, expect.stringContaining('adam, learning rate oneCycle from ')]);
  });

  it.each([
    [
      'a preset and pictures of another size',
      ['--preset', 'cnn', '--data', 'pictures', '--skip-bad', '--size', '9', '--channels', '1'],
      1,
      /pictures: its examples are 9 x 9 x 1, but cnn takes 28 x 28 x 1\. .* with --size 28 --channels 1\./,
    ],
    [
      'pictures of several sizes',
      ['--preset', 'cnn', '--data', 'pictures', '--channels', '1'],
      1,
      /but \S+ has 12 x 15\. Add --size 28 --channels 1\./,
    ],
    [
      'a picture that cannot be read',
      ['--data', 'pictures', ...SIZED],
      1,
      /flat\/bad\.png: .*, or add --skip-bad to leave out such files\./,
    ],
    [
      'a number of classes of pictures',
      ['--data', 'pictures', '--classes', '3'],
      2,
      /--classes: applies only to a folder of IDX files, but pictures holds pictures\..* --classes cat,dog\./,
    ],
    ['augmentation without pictures', ['--data', 'DATA', '--augment'], 2, /--augment: mlp is given rows of numbers/],
    [
      'a module that exports no model',
      ['--model', 'empty.mjs'],
      2,
      /empty\.mjs: it exports no model, but other\. Export one as default, or as model:/,
    ],
    [
      'a module with an error',
      ['--model', 'wrong.mjs'],
      2,
      /wrong\.mjs: it cannot be imported: SyntaxError: .*\. Correct the file: node --check wrong\.mjs shows the place\./,
    ],
    [
      'a class with arguments',
      ['--model', 'class.mjs', '--data', 'DATA'],
      2,
      /class\.mjs: the constructor of its model takes 1 argument, .*\(\) => new Net\(…\)\./,
    ],
    [
      'a rate for an optimizer that has one',
      ['--model', 'rate.mjs', '--data', 'DATA', '--lr', '0.1'],
      2,
      /--lr: rate\.mjs exports an optimizer with its own rate\./,
    ],
  ] as const)('refuses %s', async (_, flags, code, text) => {
    // biome-ignore format: one line each
    const modules = {
      'empty.mjs': 'export const other = 1;',
      'wrong.mjs': 'const a = 1;\nconst = 2;',
      'class.mjs': 'export default class Net { constructor(width) { this.width = width; } forward(x) { return x; } }',
      'rate.mjs': `import { optim } from 'thalweg'; export default { forward: (x) => x }; export const optimizer = optim.sgd(0.1);`,
    };
    for (const [name, code] of Object.entries(modules)) writeFileSync(path(name), code);
    const ended = await on('train', ...flags.map((flag) => (flag === 'DATA' ? data : flag)));
    expect([ended.code, ended.err]).toEqual([code, expect.stringMatching(text)]);
  });
});

describe('gradcheck', () => {
  it('proves a preset, parameter by parameter', async () => {
    const { code, out } = await thalweg(['gradcheck', '--preset', 'classic', '--device', 'cpu']);
    expect(code).toBe(0);
    expect(out.match(/ ok$/gm)).toHaveLength(6);
    expect(out).toContain('The gradients of classic are right on CPU.');
  });

  it('tells what a slightly larger weight does to the error', async () => {
    const flags = ['--preset', 'classic', '--device', 'cpu', '--json'];
    const { events } = await thalweg(['gradcheck', ...flags, '--perturb', 'out.bias[3]']);
    const { answer, change, derivative, delta } = events[0] as Record<string, number> & { answer: string };
    expect(answer).toBe(change! > 0 ? 'up' : 'down');
    expect(change! / (derivative! * delta!)).toBeCloseTo(1, 2);
    const none = await thalweg(['gradcheck', ...flags, '--perturb', 'out.bias[10]']);
    expect([none.code, none.err]).toEqual([2, expect.stringContaining('out.bias [10] has no entry [10]')]);
  });

  it('says it in words', () => {
    const found = { path: 'out.bias', index: [3], value: 0.5, delta: 0.001, loss: 2, lossAfter: 1.9998 } as const;
    const text = perturbationText({ ...found, change: -0.0002, derivative: -0.2, direction: 'down' });
    expect(text).toContain('the error goes DOWN');
    expect(text).toContain('training moves this weight up');
  });
});

describe('info', () => {
  it('tells versions, device and data cache', async () => {
    const { code, events } = await thalweg(['info', '--device', 'cpu', '--json']);
    expect(code).toBe(0);
    expect(events[0]).toMatchObject({ type: 'info', backend: 'cpu', versions: { node: process.version } });
  });
});
