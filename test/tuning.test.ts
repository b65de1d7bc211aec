// Tuning from the search to its use: what is verified before it is timed, what is kept and merged, files that somebody broke, and
// when a backend leaves them alone.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Bench } from '../bench/cases.ts';
import { isFaster, type TuneFinding, tuneProduct, variantOf } from '../bench/tune.ts';
import { namesOf, stepWith } from '../bench/tuned-step.ts';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { GpuProgram } from '../src/compile/gpu-program.ts';
import { digits } from '../src/data/digits.ts';
import type { AdapterReport } from '../src/gpu/report.ts';
import { ShaderError } from '../src/graph/errors.ts';
import type { CompileOptions, Program, Recipe } from '../src/graph/executor.ts';
import { digestOf } from '../src/graph/tuning.ts';
import { matmul, presets, Trainer } from '../src/index.ts';
import { openBackend } from '../src/node/providers.ts';
import { dropTuning, keepTuning, keptTuning, tuningFile } from '../src/node/tuning.ts';
import { productNamed } from '../src/ops/gemm-candidates.ts';
import { defaultConfiguration } from '../src/ops/gemm-table.ts';
import { TEST_ADAPTER } from './gpu-node.ts';

const ENTRY = { kernel: 'registers', rows: 4, columns: 4, x: 2, y: 2 } as const;
const NAME = 'matmul NN 64x64x64';
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

describe('what is kept', () => {
  it('is there again, merged with what was there', async () => {
    expect(keptTuning(adapter, refuse)).toBeUndefined();
    const file = await keepTuning(adapter, { [NAME]: ENTRY });
    expect(file).toBe(join(folder, 'thalweg', 'tuning', 'some-gpu-driver-1.2.json'));
    await keepTuning(adapter, { 'matmul TN 1x2x3': { ...ENTRY, splitK: 2 } });
    const entries = { [NAME]: ENTRY, 'matmul TN 1x2x3': { ...ENTRY, splitK: 2 } };
    expect(keptTuning(adapter, refuse)).toEqual({ entries, source: file });
    await keepTuning(adapter, { [NAME]: undefined });
    expect(Object.keys(keptTuning(adapter, refuse)!.entries)).toEqual(['matmul TN 1x2x3']);
    expect(keptTuning({ ...adapter, driver: 'driver 1.3' }, refuse)).toBeUndefined();
    expect([await dropTuning(adapter), await dropTuning(adapter)]).toEqual([true, false]);
    expect(keptTuning(adapter, refuse)).toBeUndefined();
  });

  const table = { format: 1, adapter: 'Some GPU', driver: 'driver 1.2', entries: { [NAME]: ENTRY } };
  it.each([
    ['half a file', JSON.stringify(table).slice(0, 60), 'it is not valid JSON'],
    ['no table', '[1]', 'its format is undefined, and this version reads 1'],
    ['null', 'null', 'it holds no table'],
    ['another version', JSON.stringify({ ...table, format: 9 }), 'its format is 9, and this version reads 1'],
    [
      'another adapter',
      JSON.stringify({ ...table, adapter: 'B' }),
      'it is of the adapter "B" with driver "driver 1.2"',
    ],
    ['no entries', JSON.stringify({ ...table, entries: [] }), 'it has no object of entries'],
    [
      'a number changed by hand',
      JSON.stringify({ ...table, entries: { [NAME]: { ...ENTRY, rows: -2 } } }),
      `its entry "${NAME}" is {"kernel":"registers","rows":-2,"columns":4,"x":2,"y":2}, which is no kernel for this adapter`,
    ],
  ])('is told of in one line and not used: %s', async (_, text, fault) => {
    const file = write(text);
    const warnings: string[] = [];
    expect(keptTuning(adapter, (warning) => warnings.push(warning))).toBeUndefined();
    expect(warnings).toEqual([
      `${file}: ${fault}, so the default kernels are used. Run thalweg tune --reset, or repair the file, and tune again.`,
    ]);
    await keepTuning(adapter, { [NAME]: ENTRY });
    expect(keptTuning(adapter, refuse)?.entries).toEqual({ [NAME]: ENTRY });
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
    program.dispose();
    const { tuning } = backend;
    backend.dispose();
    return tuning;
  };
  const report = async () => {
    const backend = await openBackend(options, refuse);
    backend.dispose();
    return backend.report!;
  };

  it('uses what is kept for its adapter, and says what it used', async () => {
    const file = await keepTuning(await report(), { [NAME]: ENTRY, 'matmul NN 1x1x1': ENTRY });
    const tuning = await use(await openBackend(options, refuse));
    const entries = { [NAME]: ENTRY, 'matmul NN 1x1x1': ENTRY };
    expect(tuning).toEqual({ source: file, entries, used: [NAME] });
    expect(digestOf(tuning!)).toMatch(/^[0-9a-f]{8}$/);
    expect(await use(await openBackend({ ...options, deterministic: true }, refuse))).toBeUndefined();
    const other = { ...options, tuning: { entries: { 'matmul NN 2x2x2': ENTRY } } };
    const given = await use(await openBackend(other, refuse));
    expect(given).toEqual({ ...other.tuning, used: [] });
    expect(await use(await openBackend({ ...other, deterministic: true }, refuse))).toBeUndefined();
    expect(digestOf(given!)).not.toBe(digestOf(tuning!));
  });

  it('does without a file that cannot be used, and warns once', async () => {
    const file = write('{', await report());
    const warnings: string[] = [];
    const backend = await openBackend(options, (text) => warnings.push(text));
    expect(await use(backend)).toBeUndefined();
    expect(warnings).toEqual([expect.stringContaining(`${file}: it is not valid JSON`)]);
    // Nobody is told of a file that nobody wants to use.
    (await openBackend({ ...options, deterministic: true }, refuse)).dispose();
  });

  it('refuses tables and options that it cannot use', async () => {
    const tuning = { entries: { [NAME]: { ...ENTRY, x: 999 } } };
    await expect(openBackend({ ...options, tuning }, refuse)).rejects.toThrow(
      /^createBackend: tuning: its entry "matmul NN 64x64x64" is .*"x":999.*Make another by thalweg tune.$/,
    );
    await expect(openBackend({ deterministic: 1 as unknown as boolean }, refuse)).rejects.toThrow(
      'createBackend: deterministic is 1. Use true or false.',
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

  const USUAL = defaultConfiguration(productNamed(NAME)!, { name: 'SwiftShader', software: true });
  const WRONG = { ...ENTRY, columns: 8 };
  const BROKEN = { ...ENTRY, rows: 8 };
  /** Programs of WRONG are off by one element, those of BROKEN do not compile, and those of `slow` do everything ten times. */
  const tampered =
    (slow: object | undefined): typeof variantOf =>
    (on, tuned) => {
      const wanted = JSON.stringify(tuned(NAME));
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
    for await (const finding of tuneProduct(bench, NAME, seams)) findings.push(finding);
    return findings;
  };

  it('discards what is wrong or fails, by name, and times the others', async () => {
    const [wrong, broken, tuned, ...more] = await found([WRONG, BROKEN, ENTRY], USUAL);
    expect(wrong).toMatchObject({ type: 'discarded', name: NAME, configuration: WRONG });
    expect(wrong).toHaveProperty('reason', expect.stringMatching(/differs from the CPU reference: \[77\]/));
    expect(broken).toMatchObject({ type: 'discarded', configuration: BROKEN });
    expect(tuned).toMatchObject({ type: 'tuned', best: ENTRY, candidates: 3 });
    expect(more).toEqual([]);
  });

  it('keeps what is faster beyond doubt, and nothing else', async () => {
    expect(await found([ENTRY], USUAL)).toEqual([expect.objectContaining({ type: 'tuned', entry: ENTRY })]);
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
    for await (const finding of tuneProduct(ending, NAME)) findings.push(finding);
    expect(findings).toEqual([]);
  });

  it('knows the products of a training step, and measures the step with others', async () => {
    const step = { preset: 'classic', batch: 32 } as const;
    const { products: names, steps } = await namesOf(bench, step);
    expect(names).toContain('matmul NT 32x16x784');
    expect(names).toContain('matmul TN 16x784x32');
    const entries = { 'matmul NT 32x16x784': { ...ENTRY, splitK: 2 } };
    const { ratio, dispatches } = (await stepWith(bench, step, entries))!;
    expect(ratio.median).toBeGreaterThan(0);
    expect(dispatches[1]).toBe(dispatches[0]! + 1);
    // Beside the products: whether many steps in one dispatch are faster.
    expect(steps).toMatch(/^steps of \d+ operations, \d+ assigned$/);
    // A run on other data, in another form, asks for the same names.
    const asked = new Set<string>();
    const { model, loss, optimizer } = presets.classic;
    const trainer = await Trainer.create(
      variantOf(bench.backend, (work) => void asked.add(work)),
      {
        model: model(),
        loss,
        optimizer: optimizer(),
      },
    );
    const { train } = await digits({ train: 100, test: 10 });
    await trainer.compile(train, { epochs: 3, batchSize: 32 });
    expect(asked).toContain(steps);
    expect([...asked]).toEqual(expect.arrayContaining(names));
    trainer.dispose();
    const persistent = (await stepWith(bench, step, { [steps!]: true }, { [steps!]: false }))!;
    expect(persistent.dispatches).toEqual([dispatches[0], 1]);
  });
});

it('the file holds the adapter and nothing of the machine', async () => {
  const file = await keepTuning(adapter, { [NAME]: ENTRY });
  expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual({
    format: 1,
    adapter: 'Some GPU',
    driver: 'driver 1.2',
    entries: { [NAME]: ENTRY },
  });
});
