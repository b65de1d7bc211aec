// `explain` says what was compiled: the same with a device and without one, the same every time, and what docs/compiler.md shows.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { readSettings } from '../src/cli/context.ts';
import { explain as explainVerb } from '../src/cli/explain.ts';
import { Output } from '../src/cli/output.ts';
import { CompiledProgram } from '../src/compile/executor.ts';
import { PASSES } from '../src/compile/pass-names.ts';
import { arrayDataset } from '../src/data/dataset.ts';
import { explainRecipe } from '../src/explain/explain-recipe.ts';
import { namesOf } from '../src/explain/state-names.ts';
import { ADAPTER_CLASSES, type AdapterClass } from '../src/graph/adapter-classes.ts';
import { sizeOf } from '../src/graph/shape.ts';
import { explain, explainStep, losses, nn, optim, presets } from '../src/index.ts';
import { input, matmul } from '../src/ops/index.ts';
import { orderOf, planRun } from '../src/train/run.ts';
import { State } from '../src/train/state.ts';
import { traceStep } from '../src/train/step.ts';
import { testExecutor } from './gpu.ts';

/** Runs the verb with the flags of a command line, and gives what it prints. */
async function printed(command: string): Promise<string> {
  const [program, verb, ...words] = command.split(' ');
  expect([program, verb]).toEqual(['thalweg', 'explain']);
  const flags: Record<string, unknown> = {};
  for (const [k, word] of words.entries()) {
    if (!word.startsWith('--')) continue;
    const value = words[k + 1];
    const name = word.slice(2).replace(/-([a-z])/g, (_, c: string) => c.toUpperCase());
    flags[name] = value === undefined || value.startsWith('--') ? true : value;
  }
  let out = '';
  const stdout = { write: (text: string) => (out += text) };
  const settings = await readSettings(flags);
  const output = new Output({ stdout, stderr: { write: () => {} }, json: settings.json ?? false });
  const code = await explainVerb({ settings, flags, output, signal: new AbortController().signal });
  expect(code).toBe(0);
  return out;
}

/** Why `shown` is no excerpt of `real`: a line `…` stands for one or more lines, every other line for itself; undefined where it is one. */
function whyNoExcerpt(shown: string, real: string): string | undefined {
  const lines = real.trimEnd().split('\n');
  const chunks: string[][] = [[]];
  for (const line of shown.trimEnd().split('\n')) line === '…' ? chunks.push([]) : chunks.at(-1)!.push(line);
  const isAt = (chunk: readonly string[], at: number) => chunk.every((line, k) => lines[at + k] === line);
  let end = 0;
  for (const [n, chunk] of chunks.entries()) {
    const first = n === 0 ? 0 : end + 1;
    const last = lines.length - chunk.length;
    let at = n > 0 && n === chunks.length - 1 ? Math.max(first, last) : first;
    while (n > 0 && at < last && !isAt(chunk, at)) at++;
    if (!isAt(chunk, at) || (n === chunks.length - 1 && at !== last)) return `not in the output: ${chunk.join('\n')}`;
    end = at + chunk.length;
  }
  return undefined;
}

describe('an excerpt', () => {
  const real = 'a\nb\nc\nd\n';
  it.each(['a\nb\nc\nd', 'a\n…\nd', '…\nc\nd', 'a\n…', '…\nb\n…\nd'])('%j is one', (shown) => {
    expect(whyNoExcerpt(shown, real)).toBeUndefined();
  });
  it.each(['a\nb\nc', 'b\nc\nd', 'a\nc\nd', 'a\n…\nb\nc\nd', 'a\nb\nc\nd\n…', 'a\n…\nx\n…', 'a\n…\nd\n…\nb'])(
    '%j is none',
    (shown) => {
      expect(whyNoExcerpt(shown, real)).toBeDefined();
    },
  );
});

describe('docs/compiler.md', () => {
  const text = readFileSync(new URL('../docs/compiler.md', import.meta.url), 'utf8');
  const blocks = [...text.matchAll(/^```text (thalweg explain .*)\n([\s\S]*?)^```$/gm)].map(
    ([, command, shown]) => [command!, shown!] as const,
  );
  it('has a block for every pass', () => {
    const passes = blocks.map(([command]) => /--pass ([a-z-]+)/.exec(command)?.[1]);
    expect(passes.filter((pass) => pass !== undefined)).toEqual([...PASSES]);
  });
  it.each(blocks)('shows what `%s` prints', async (command, shown) => {
    expect(whyNoExcerpt(shown, await printed(command))).toBeUndefined();
  });
});

/** 16 points in two classes, and what learns them. */
const data = arrayDataset(
  Array.from({ length: 16 }, (_, i) => [i, i % 3, 1]),
  Array.from({ length: 16 }, (_, i) => i % 2),
  { name: 'points' },
);
const task = () => ({
  model: new nn.Sequential(new nn.Linear(3, 5), new nn.ReLU(), new nn.Linear(5, 2)),
  loss: losses.softmaxCrossEntropy,
  optimizer: optim.adam(),
});

describe('explainStep', () => {
  const cases = Object.keys(ADAPTER_CLASSES).flatMap((as) =>
    (['classic', 'mlp', 'cnn'] as const).map((name) => [name, as as AdapterClass] as const),
  );
  it.each(cases)('%s for %s: dispatches bind what they access, within the limit', (name, as) => {
    const { dispatches, buffers, maxBindings, counts } = stepOf(name, as);
    const steps = dispatches.filter(({ once }) => !once);
    expect(steps).toHaveLength(counts.dispatches);
    for (const { bindings, accesses, wgsl } of steps) {
      expect(bindings.length).toBeLessThanOrEqual(maxBindings);
      expect(new Set(bindings.map(({ buffer }) => buffer))).toEqual(new Set(accesses.map(({ buffer }) => buffer)));
      expect(wgsl.match(/@binding\(/g)).toHaveLength(bindings.length);
    }
    for (const { values, bytes } of buffers)
      for (const { offset, bytes: size } of values) expect(offset + size).toBeLessThanOrEqual(bytes);
  });

  it('says the same each time, and survives JSON', () => {
    const [a, b] = [stepOf('mlp', 'gpu'), stepOf('mlp', 'gpu')];
    expect(JSON.stringify(a)).toBe(JSON.stringify(b));
    expect(JSON.parse(JSON.stringify(a))).toEqual({ ...a });
  });

  it('shows a persistent kernel as one dispatch of many steps', () => {
    const explanation = explainStep({ ...task(), data, batchSize: 4, as: 'gpu', persistent: true });
    expect(explanation).toMatchObject({ persistent: true, counts: { dispatches: 1 } });
    expect(explanation.text('loop')).toContain('one dispatch runs many steps');
    expect(explanation.text()).toContain('persistent kernel');
  });

  it('gives every op a dispatch of its own where nothing is fused', () => {
    const { counts } = explainStep({ ...task(), data, batchSize: 4, as: 'gpu', fuse: false });
    expect(counts.dispatches).toBeGreaterThan(20);
    expect(counts.prefetched).toBe(0);
  });

  it('refuses the CPU and unknown classes', () => {
    expect(() => explainStep({ ...task(), data, as: createCpuBackend() })).toThrow(
      'is the CPU, which has no dispatches',
    );
    expect(() => explainStep({ ...task(), data, as: 'fast' as AdapterClass })).toThrow(
      'as is fast. Use webgpu-default, software, gpu',
    );
  });
});

function stepOf(name: keyof typeof presets, as: AdapterClass) {
  const { model, loss, optimizer, inputShape, classes } = presets[name];
  const size = 300;
  const blank = {
    name: 'data',
    size,
    x: { shape: [size, ...inputShape], data: new Uint8Array(size * sizeOf(inputShape)) },
    y: { shape: [size], data: new Uint8Array(size) },
    classes,
  };
  return explainStep({ model: model(), loss, optimizer: optimizer(), data: blank, batchSize: 32, as });
}

describe('explain', () => {
  it('says of a program what explainStep says without its device', async () => {
    const executor = await testExecutor({}, { persistent: false });
    const { model, loss, optimizer } = task();
    const state = new State(executor, { model, optimizer, seed: 1 });
    const run = planRun(data, { batchSize: 4 }, 0, undefined);
    const { recipe } = traceStep(state, { model, loss, metrics: {} }, data, orderOf(run), 4);
    const program = await executor.compile(recipe, { storages: [state.storage], label: 'step' });
    if (!(program instanceof CompiledProgram)) throw new Error('a program of a GPU');
    const explanation = explainRecipe(program.label, program.recipe, program.target, namesOf(state));
    const backend = new Backend(executor, { name: 'test', software: true });
    const without = explainStep({ ...task(), data, batchSize: 4, as: backend, persistent: false });
    expect(explanation.text()).toBe(without.text());
    expect(explanation.passes).toEqual(without.passes);
    expect(explanation.dispatches).toEqual(without.dispatches);
    program.dispose();
    state.dispose();
  });

  it('names variables by their paths in the model that is given', async () => {
    const backend = new Backend(await testExecutor(), { name: 'test', software: true });
    const model = { hidden: new nn.Linear(2, 3) };
    const memory = backend.allocate(model);
    const inputs = { x: { shape: [4, 2], dtype: 'f32' } } as const;
    const program = await backend.compile(({ x }) => model.hidden.forward(x), inputs, { storages: [memory] });
    expect(explain(program, { model }).text('simplify')).toContain('hidden.weight');
    expect(explain(program).text('simplify')).not.toContain('hidden.weight');
    program.dispose();
    memory.dispose();
  });

  it('refuses programs of the CPU', async () => {
    const x = input('x', { shape: [2, 2], dtype: 'f32' });
    const program = await createCpuBackend().executor.compile({ outputs: { y: matmul(x, x) } });
    expect(() => explain(program)).toThrow(/^explain: program is not a program of a GPU backend/);
  });
});

describe('thalweg explain', () => {
  const fails = (flags: string) => expect(printed(`thalweg explain ${flags}`)).rejects;
  it('prints the summary, one dispatch, and WGSL', async () => {
    expect(await printed('thalweg explain --as gpu')).toMatch(/^A step of mlp, adam, batch 128, compiled for GPU/);
    const dispatch = await printed('thalweg explain --as gpu --kernel 1');
    expect(dispatch).toMatch(/^d1 {2}/);
    expect(dispatch).toContain('@compute');
    const wgsl = await printed('thalweg explain --as gpu --wgsl');
    expect(wgsl.match(/@compute/g)!.length).toBeGreaterThan(3);
  });

  it('prints a line of JSON for each part', async () => {
    const events = (await printed('thalweg explain --as software --batch-size 16 --json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(new Set(events.map(({ type }) => type))).toEqual(new Set(['explain', 'buffer', 'dispatch']));
    expect(events[0]).toMatchObject({ schema: 1, adapter: 'SwiftShader', title: 'A step of mlp, adam, batch 16' });
    const [, pass] = (await printed('thalweg explain --as gpu --pass group --json')).trim().split('\n');
    expect(JSON.parse(pass!)).toMatchObject({ type: 'pass', name: 'group', lines: expect.any(Array) });
  });

  it('refuses what there is none of', async () => {
    await fails('--as gpu --pass grup').toThrow('Did you mean "group"? Use simplify, prefetch,');
    await fails('--as gpu --kernel 99').toThrow('--kernel: there is no dispatch "99". Use d0, d1');
    await fails('--as swift').toThrow('--as: "swift" is unknown');
    await fails('--as gpu --device gpu').toThrow('--as: opens no device, so it contradicts --device');
    await fails('--as gpu --pass group --wgsl').toThrow('--pass: contradicts --wgsl');
    await fails('--device cpu').toThrow('--device: cpu has no dispatches to explain');
    await fails('--as gpu --batch-size 70000').toThrow('explainStep: batchSize is 70000');
  });
});
