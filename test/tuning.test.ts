// Tuning from the search to its use: what is verified before it is timed, what is kept and merged, files that somebody broke, and
// when a backend leaves them alone.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bench } from '../bench/cases.ts';
import { isFaster, type TuneFinding, tuneProduct, variantOf } from '../bench/tune.ts';
import { stepWith, worksOf } from '../bench/tuned-step.ts';
import { Backend, createCpuBackend } from '../src/backend.ts';
import type { CompiledProgram, GpuExecutor } from '../src/compile/executor.ts';
import { digits } from '../src/data/digits.ts';
import { GpuProgram } from '../src/gpu/program.ts';
import type { AdapterReport } from '../src/gpu/report.ts';
import { ShaderError } from '../src/graph/errors.ts';
import type { CompileOptions, Program, Recipe } from '../src/graph/executor.ts';
import { digestOf, type ProductWork, type Tuning, type Work, workText } from '../src/graph/tuning.ts';
import { presets, Trainer } from '../src/index.ts';
import { openBackend } from '../src/node/providers.ts';
import { dropTuning, keepTuning, keptTuning, tuningFile } from '../src/node/tuning.ts';
import { defaultConfiguration } from '../src/ops/gemm-table.ts';
import { matmul } from '../src/ops/index.ts';
import { TEST_ADAPTER } from './gpu-node.ts';

const ENTRY = { kernel: 'registers', rows: 4, columns: 4, x: 2, y: 2 } as const;
const WORK = { kind: 'product', transposeA: false, transposeB: false, M: 64, N: 64, K: 64, batch: 1 } as const;
const STEPS = { kind: 'steps', flops: 12, assigned: 3 } as const;
/** Works of every field that tells one from another, all but the first different from WORK. */
const WORKS: readonly Work[] = [
  WORK,
  { ...WORK, transposeA: true },
  { ...WORK, transposeB: true },
  { ...WORK, M: 32 },
  { ...WORK, N: 32 },
  { ...WORK, K: 32 },
  { ...WORK, batch: 2 },
  // What digits run together would take for each other.
  { ...WORK, M: 6, N: 464 },
  STEPS,
  { ...STEPS, flops: 13 },
  { ...STEPS, assigned: 4 },
];
const before = process.env['XDG_CACHE_HOME'];
const options = TEST_ADAPTER === undefined ? {} : { adapter: { name: TEST_ADAPTER } };
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'thalweg-tuning-'));
  process.env['XDG_CACHE_HOME'] = folder;
});

afterEach(() => {
  if (before === undefined) delete process.env['XDG_CACHE_HOME'];
  else process.env['XDG_CACHE_HOME'] = before;
  rmSync(folder, { recursive: true, force: true });
});

/** What a table is kept for. */
const adapter = { name: 'Some GPU', driver: 'driver 1.2', limits: {} } satisfies Partial<AdapterReport>;

function refuse(text: string): never {
  throw new Error(`a warning: ${text}`);
}

/** Writes the file of an adapter by hand. */
function write(text: string, { name, driver }: Pick<AdapterReport, 'name' | 'driver'> = adapter): string {
  const file = tuningFile({ name, driver });
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

describe('a work', () => {
  it('has a text for people', () => {
    expect(workText({ ...WORK, transposeB: true, N: 128, K: 784 })).toBe('matmul NT 64x128x784');
    expect(workText({ ...WORK, transposeA: true, batch: 6 })).toBe('matmul TN 64x64x64 x6');
    expect(workText(STEPS)).toBe('steps of 12 operations, 3 assigned');
  });

  it('is told from others by every field, and has one digest with its entry', () => {
    const digests = WORKS.map((work) => digestOf({ entries: [{ work, use: ENTRY }] }));
    expect(new Set(digests).size).toBe(WORKS.length);
    const entries = WORKS.map((work, k) => ({ work, use: k }));
    expect(digestOf({ entries: [...entries].reverse() })).toBe(digestOf({ entries }));
    expect(digestOf({ entries: [{ work: WORK, use: { ...ENTRY, x: 4 } }] })).not.toBe(digests[0]);
    const { batch, K, N, M, ...layout } = WORK;
    expect(digestOf({ entries: [{ work: { batch, K, N, M, ...layout }, use: ENTRY }] })).toBe(digests[0]);
  });
});

describe('what is kept', () => {
  const OTHER = { ...WORK, transposeA: true, M: 1, N: 2, K: 3 };
  it('is there again, merged with what was there', async () => {
    expect(keptTuning(adapter, refuse)).toBeUndefined();
    const file = await keepTuning(adapter, [{ work: WORK, use: ENTRY }]);
    expect(file).toBe(join(folder, 'thalweg', 'tuning', 'some-gpu-driver-1.2.json'));
    const added = { work: OTHER, use: { ...ENTRY, splitK: 2 } };
    await keepTuning(adapter, [added, { work: STEPS, use: true }]);
    const entries = [{ work: WORK, use: ENTRY }, added, { work: STEPS, use: true }];
    expect(keptTuning(adapter, refuse)).toEqual({ version: 2, entries, source: file });
    const changed = { work: { ...WORK }, use: { ...ENTRY, x: 4 } };
    await keepTuning(adapter, [changed, { work: { ...STEPS }, use: undefined }]);
    expect(keptTuning(adapter, refuse)!.entries).toEqual([changed, added]);
    await keepTuning(adapter, [{ work: WORK, use: undefined }]);
    expect(keptTuning(adapter, refuse)!.entries).toEqual([added]);
    expect(keptTuning({ ...adapter, driver: 'driver 1.3' }, refuse)).toBeUndefined();
    expect([await dropTuning(adapter), await dropTuning(adapter)]).toEqual([true, false]);
    expect(keptTuning(adapter, refuse)).toBeUndefined();
  });

  const entries: readonly unknown[] = [{ work: WORK, use: ENTRY }];
  const table = { version: 2, adapter: 'Some GPU', driver: 'driver 1.2', entries };
  const { version, ...unversioned } = table;
  it.each([
    ['half a file', JSON.stringify(table).slice(0, 60), 'it is not valid JSON'],
    ['null', 'null', 'it is not a tuning'],
    [
      'version 1',
      JSON.stringify({ ...unversioned, format: 1, entries: { 'matmul NN 64x64x64': ENTRY } }),
      'its version is 1, but this release reads version 2',
    ],
    ['no version', JSON.stringify(unversioned), 'it has no version, but this release reads version 2'],
    ['a newer version', JSON.stringify({ ...table, version: 9 }), 'its version is 9, but this release reads version 2'],
    [
      'another adapter',
      JSON.stringify({ ...table, adapter: 'B' }),
      'it is for the adapter "B" with driver "driver 1.2"',
    ],
    ['no entries', JSON.stringify({ ...table, entries: {} }), 'it has no list of entries'],
    [
      'a number changed by hand',
      JSON.stringify({ ...table, entries: [{ work: WORK, use: { ...ENTRY, rows: -2 } }] }),
      'its entry "matmul NN 64x64x64" is {"kernel":"registers","rows":-2,"columns":4,"x":2,"y":2}, which is not a valid kernel for this adapter',
    ],
    [
      'true for a product',
      JSON.stringify({ ...table, entries: [{ work: WORK, use: true }] }),
      'its entry "matmul NN 64x64x64" is true, which is not a valid kernel for this adapter',
    ],
    [
      'a kernel for steps',
      JSON.stringify({ ...table, entries: [...entries, { work: STEPS, use: 1 }] }),
      'its entry "steps of 12 operations, 3 assigned" is 1, not true or false',
    ],
    [
      'a size that is text',
      JSON.stringify({ ...table, entries: [...entries, { work: { ...STEPS, flops: '12' }, use: true }] }),
      'the work of its entry 1 is {"kind":"steps","flops":"12","assigned":3}, which is neither a product nor steps',
    ],
    [
      'an entry that is no entry',
      JSON.stringify({ ...table, entries: [null] }),
      'the work of its entry 0 is undefined, which is neither a product nor steps',
    ],
    [
      'a work twice',
      JSON.stringify({ ...table, entries: [...entries, ...entries] }),
      'it has two entries of "matmul NN 64x64x64"',
    ],
  ])('is told of in one line and not used: %s', async (_, text, fault) => {
    const file = write(text);
    const warnings: string[] = [];
    expect(keptTuning(adapter, (warning) => warnings.push(warning))).toBeUndefined();
    expect(warnings).toEqual([
      `${file}: ${fault}, so the default kernels are used. Run thalweg tune to replace it, or thalweg tune --reset to remove it.`,
    ]);
    await keepTuning(adapter, [{ work: WORK, use: ENTRY }]);
    expect(keptTuning(adapter, refuse)?.entries).toEqual([{ work: WORK, use: ENTRY }]);
  });

  it('is told of where it cannot be read', () => {
    const file = tuningFile(adapter);
    mkdirSync(file, { recursive: true });
    const warnings: string[] = [];
    expect(keptTuning(adapter, (warning) => warnings.push(warning))).toBeUndefined();
    expect(warnings).toEqual([expect.stringMatching(`^${file}: cannot read: .* default kernels are used.$`)]);
  });
});

describe('a backend', () => {
  const use = async (backend: Backend) => {
    const shape = [64, 64];
    const program = await backend.compile(({ a }) => matmul(a, a), { a: { shape, dtype: 'f32' } });
    const codes = (program as CompiledProgram).compiled.steps.plan.map(({ code }) => code);
    program.dispose();
    const { tuning } = backend;
    backend.dispose();
    return { tuning, codes };
  };
  const report = async () => {
    const backend = await openBackend(options, refuse);
    backend.dispose();
    return backend.report!;
  };

  it('uses what is kept for its adapter, and says what it used', async () => {
    const entries = [{ ...WORK, M: 1 }, WORK].map((work) => ({ work, use: ENTRY }));
    const file = await keepTuning(await report(), entries);
    const { tuning, codes } = await use(await openBackend(options, refuse));
    expect(tuning).toEqual({ version: 2, source: file, entries, used: [WORK] });
    expect(digestOf(tuning!)).toMatch(/^[0-9a-f]{8}$/);
    const usual = await use(await openBackend({ ...options, deterministic: true }, refuse));
    expect(usual.tuning).toBeUndefined();
    expect(usual.codes).not.toEqual(codes);
    const other: Tuning = { version: 2, entries: [{ work: WORK, use: { ...ENTRY, x: 4 } }] };
    const given = await use(await openBackend({ ...options, tuning: other }, refuse));
    expect(given.tuning).toEqual({ ...other, used: [WORK] });
    expect(digestOf(given.tuning!)).not.toBe(digestOf(tuning!));
    expect(await use(await openBackend({ ...options, tuning: other, deterministic: true }, refuse))).toEqual(usual);
  });

  it('never uses the entry of another product', async () => {
    const usual = await use(await openBackend({ ...options, deterministic: true }, refuse));
    const entries = WORKS.slice(1).map((work) => ({ work, use: work.kind === 'steps' ? true : ENTRY }));
    const { tuning, codes } = await use(await openBackend({ ...options, tuning: { version: 2, entries } }, refuse));
    expect(tuning!.used).toEqual([]);
    expect(codes).toEqual(usual.codes);
  });

  it('does without a file that cannot be used, and warns once', async () => {
    const { name, driver } = await report();
    const first = { format: 1, adapter: name, driver, entries: { 'matmul NN 64x64x64': ENTRY } };
    for (const [text, fault] of [
      ['{', 'it is not valid JSON'],
      [JSON.stringify(first), 'its version is 1, but this release reads version 2'],
    ] as const) {
      const file = write(text, { name, driver });
      const warnings: string[] = [];
      const backend = await openBackend(options, (text) => warnings.push(text));
      expect((await use(backend)).tuning).toBeUndefined();
      expect(warnings).toEqual([expect.stringContaining(`${file}: ${fault}, so the default kernels are used.`)]);
    }
    // Nobody is told of a file that nobody wants to use.
    (await openBackend({ ...options, deterministic: true }, refuse)).dispose();
  });

  it('refuses tables and options that it cannot use', async () => {
    const tuning: Tuning = { version: 2, entries: [{ work: WORK, use: { ...ENTRY, x: 999 } }] };
    await expect(openBackend({ ...options, tuning }, refuse)).rejects.toThrow(
      /^createBackend: tuning: its entry "matmul NN 64x64x64" is .*"x":999.*Run thalweg tune to write a new one.$/,
    );
    const old = { format: 1, entries: { 'matmul NN 64x64x64': ENTRY } } as unknown as Tuning;
    await expect(openBackend({ ...options, tuning: old }, refuse)).rejects.toThrow(
      'createBackend: tuning: its version is 1, but this release reads version 2. Run thalweg tune to write a new one.',
    );
    const none = { entries: tuning.entries } as unknown as Tuning;
    await expect(openBackend({ ...options, tuning: none }, refuse)).rejects.toThrow(
      'createBackend: tuning: it has no version, but this release reads version 2. Run thalweg tune to write a new one.',
    );
    await expect(openBackend({ deterministic: 1 as unknown as boolean }, refuse)).rejects.toThrow(
      'createBackend: deterministic is 1. Give true or false.',
    );
  });
});

describe('the tuner', () => {
  let backend: Backend;
  let bench: Bench;
  beforeAll(async () => {
    backend = await openBackend({ ...options, deterministic: true }, refuse);
    const reference = createCpuBackend({ precision: 'float64' });
    const { signal } = new AbortController();
    const rounds = { rounds: 3, roundMs: 2 };
    bench = { backend, cpu: reference, reference, ceilings: {}, ...rounds, quick: true, all: true, seed: 1, signal };
  });
  afterAll(() => backend.dispose());

  const usual = () => defaultConfiguration(WORK, (backend.executor as GpuExecutor).capabilities);
  const WRONG = { ...ENTRY, columns: 8 };
  const BROKEN = { ...ENTRY, rows: 8 };
  /** Programs of WRONG are off by one element, those of BROKEN do not compile, and those of `slow` do everything ten times. */
  const tampered =
    (slow: object | undefined): typeof variantOf =>
    (on, tuned) => {
      const wanted = JSON.stringify(tuned(WORK));
      const variant = variantOf(on, tuned);
      const { executor } = variant;
      const compile = async (recipe: Recipe, how?: CompileOptions): Promise<Program> => {
        if (wanted === JSON.stringify(BROKEN)) throw new ShaderError('matmul: it does not compile.');
        const program = await executor.compile(recipe, how);
        const run: Program['run'] = async (inputs) => {
          const outputs = await GpuProgram.prototype.run.call(program, inputs);
          outputs['y']!.data[77]! += 1;
          return outputs;
        };
        if (wanted === JSON.stringify(WRONG)) Object.assign(program, { run });
        const encodeInto: GpuProgram['encodeInto'] = (pass, times) =>
          GpuProgram.prototype.encodeInto.call(program, pass, 10 * times);
        if (wanted === JSON.stringify(slow)) Object.assign(program, { encodeInto });
        return program;
      };
      return new Backend(Object.assign(Object.create(executor), { compile }), variant.adapter);
    };

  const found = async (candidates: readonly object[], slow?: object) => {
    const findings: TuneFinding[] = [];
    const seams = { candidates: () => candidates as never, variant: tampered(slow) };
    for await (const finding of tuneProduct(bench, WORK, seams)) findings.push(finding);
    return findings;
  };

  it('discards what is wrong or fails, and times the others', async () => {
    const [wrong, broken, tuned, ...more] = await found([WRONG, BROKEN, ENTRY], usual());
    expect(wrong).toMatchObject({ type: 'discarded', work: WORK, configuration: WRONG });
    expect(wrong).toHaveProperty('reason', expect.stringMatching(/differs from the CPU reference: \[77\]/));
    expect(broken).toMatchObject({ type: 'discarded', configuration: BROKEN });
    expect(tuned).toMatchObject({ type: 'tuned', best: ENTRY, candidates: 3 });
    expect(more).toEqual([]);
  });

  it('keeps what is faster beyond doubt, and nothing else', async () => {
    expect(await found([ENTRY], usual())).toEqual([expect.objectContaining({ type: 'tuned', entry: ENTRY })]);
    expect(await found([ENTRY], ENTRY)).toEqual([expect.objectContaining({ type: 'tuned', entry: undefined })]);
  });

  it.each([
    [[9, 9, 9, 9], true],
    [[9, 9, 9, 30], true], // something else had the processor in one
    [[9, 9, 30, 30], false],
    [[9.9, 9.9, 9.9, 9.9], false], // no gain to speak of
    [[10, 10, 10, 10], false],
  ] as const)('takes %j ms against four times 10 for faster: %s', (ms, wanted) => {
    expect(isFaster([10, 10, 10, 10], ms)).toBe(wanted);
  });

  it('ends where it is told to', async () => {
    const controller = new AbortController();
    const ending = { ...bench, signal: controller.signal, tell: () => controller.abort() };
    const findings: TuneFinding[] = [];
    for await (const finding of tuneProduct(ending, WORK)) findings.push(finding);
    expect(findings).toEqual([]);
  });

  it('knows the products of a training step, and measures the step with others', async () => {
    const step = { preset: 'classic', batch: 32 } as const;
    const { products, steps } = await worksOf(bench, step);
    const hidden: ProductWork = { ...WORK, transposeB: true, M: 32, N: 16, K: 784 };
    expect(products).toContainEqual(hidden);
    expect(products).toContainEqual({ ...WORK, transposeA: true, M: 16, N: 784, K: 32 });
    const entries = [{ work: hidden, use: { ...ENTRY, splitK: 2 } }];
    const { ratio, dispatches } = (await stepWith(bench, step, entries))!;
    expect(ratio.median).toBeGreaterThan(0);
    expect(dispatches[1]).toBe(dispatches[0]! + 1);
    // Beside the products: whether many steps in one dispatch are faster.
    expect(steps).toEqual({ kind: 'steps', flops: expect.any(Number), assigned: expect.any(Number) });
    // A run on other data, in another form, asks for the same works.
    const asked: Work[] = [];
    const { model, loss, optimizer } = presets.classic;
    const trainer = new Trainer(
      variantOf(bench.backend, (work) => void asked.push(work)),
      {
        model: model(),
        loss,
        optimizer: optimizer(),
      },
    );
    const { train } = await digits({ train: 100, test: 10 });
    await trainer.warmUp(train, { epochs: 3, batchSize: 32 });
    expect(asked).toEqual(expect.arrayContaining([steps, ...products]));
    trainer.dispose();
    const persistent = (await stepWith(bench, step, [{ work: steps!, use: true }], [{ work: steps!, use: false }]))!;
    expect(persistent.dispatches).toEqual([dispatches[0], 1]);
  });
});

it('the file holds the adapter and nothing of the machine', async () => {
  const file = await keepTuning(adapter, [{ work: WORK, use: ENTRY }]);
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
    version: 2,
    adapter: 'Some GPU',
    driver: 'driver 1.2',
    entries: [{ work: WORK, use: ENTRY }],
  });
});
