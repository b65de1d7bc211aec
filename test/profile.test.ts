// `thalweg train --profile`: what a dispatch has to do, counted against figures by hand, and how it is told.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { randomExamples, type TimedDispatch, TrainingStep, workOf } from '../bench/training.ts';
import { Backend } from '../src/backend.ts';
import { trainableOf } from '../src/cli/fitted.ts';
import { Output } from '../src/cli/output.ts';
import type { Plan } from '../src/cli/plan.ts';
import { checkProfile, heldAgainst, profile, profileFile, profileText, traceOf } from '../src/cli/profile.ts';
import { CompiledProgram, GpuExecutor } from '../src/compile/executor.ts';
import { workOfDispatch } from '../src/explain/dispatch-work.ts';
import type { DispatchWork } from '../src/explain/explanation.ts';
import { input, resident, type Tensor } from '../src/graph/tensor.ts';
import { relu } from '../src/ops/activations.ts';
import { add, mul } from '../src/ops/binary.ts';
import { sum } from '../src/ops/broadcast.ts';
import { cast } from '../src/ops/cast.ts';
import { gatherRows } from '../src/ops/gather.ts';
import { linear, matmul } from '../src/ops/matmul.ts';
import { slice, transpose } from '../src/ops/movement.ts';
import { exp } from '../src/ops/unary.ts';
import { sgd } from '../src/optim/sgd.ts';
import * as presets from '../src/train/presets.ts';
import { openTestDevice, testExecutor } from './gpu.ts';

const never = new AbortController().signal;

describe('the work of a dispatch', () => {
  const x = (name: string, ...shape: number[]) => input(name, { shape, dtype: 'f32' });

  /** Label and work of each dispatch of a program without variables. */
  async function worksOf(outputs: Readonly<Record<string, Tensor>>, fuse = true): Promise<[string, DispatchWork][]> {
    const program = await (await testExecutor()).compile({ outputs }, { fuse });
    if (!(program instanceof CompiledProgram)) throw new Error('a program of another engine');
    const works = program.parts.map(
      ({ label, contents }) => [label, workOfDispatch(contents)] as [string, DispatchWork],
    );
    program.dispose();
    return works;
  }

  const [a, b] = [x('a', 30, 50), x('b', 50, 20)];
  const product = 2 * 30 * 50 * 20;
  const data = { shape: [1000, 8], dtype: 'u8', data: new Uint8Array(8000) } as const;
  const rows = gatherRows(resident('pictures', data), input('rows', { shape: [5], dtype: 'u32' }));
  it.each([
    ['a product, its operands once', { y: matmul(a, b) }, product, 4 * (1500 + 1000 + 600)],
    ['what is fused behind it', { y: relu(mul(matmul(a, b), 2)) }, product + 2 * 600, 4 * (1500 + 1000 + 600)],
    ['what is fused before a sum', { y: sum(exp(add(a, a))) }, 3 * 1500, 4 * (1500 + 1)],
    ['one operand that is read twice', { y: add(a, transpose(transpose(a))) }, 1500, 4 * (1500 + 1500)],
    ['the part of a table that is read', { y: exp(slice(a, [3], [5])) }, 100, 4 * (100 + 100)],
    ['rows of bytes picked by index', { y: cast(rows, 'f32') }, 40, 40 + 4 * (5 + 40)],
    ['a linear layer with its bias', { y: linear(a, x('w', 4, 50), x('c', 4)) }, 30 * 4 * 101, 4 * (1500 + 204 + 120)],
  ])('is that of %s', async (_, outputs, flops, bytes) => {
    const works = await worksOf(outputs);
    expect(works.map(([, work]) => work)).toEqual([{ flops, bytes }]);
  });

  it('is said by pass where a kernel takes several, and by op where nothing is fused', async () => {
    const many = x('many', 40009);
    const [first, second, ...more] = (await worksOf({ y: sum(exp(many)) })).map(([, work]) => work);
    expect([more, first!.flops, second!.flops]).toEqual([[], 2 * 40009, 0]);
    // What the first writes, the second reads, and one number is written.
    const parts = first!.bytes - 4 * 40009;
    expect([second!.bytes, parts > 4 && parts < 4096]).toEqual([parts + 4, true]);
    const apart = await worksOf({ y: relu(matmul(a, b)) }, false);
    expect(apart).toEqual([
      ['matmul', { flops: product, bytes: 4 * 3100 }],
      ['relu', { flops: 600, bytes: 4 * 1200 }],
    ]);
  });
});

describe('the work of a step', () => {
  it.each([
    ['with 8 storage buffers', 8],
    ['with 10', 10],
  ])('of mlp by plain descent is what one counts by hand, %s', async (_, maxStorageBuffersPerShaderStage) => {
    const [B, H, P] = [64, 128, 101_770];
    const executor = await testExecutor({ maxStorageBuffersPerShaderStage });
    const backend = new Backend(executor, { name: 'an adapter', software: true });
    const { network } = presets.mlp;
    const data = randomExamples(network, 2 * B, 1);
    const facts = { name: 'mlp', network, optimizer: sgd({ lr: 0.1 }), batch: B, data, seed: 1 };
    const step = await TrainingStep.prepare(backend, facts, backend);
    const { dispatches } = await step.profile(backend, 1);
    step.dispose();
    const own = dispatches.filter(({ once }) => !once);
    expect(own.length).toBe(step.dispatches);
    const total = (key: keyof DispatchWork) => own.reduce((all, d) => all + d[key], 0);
    const floor = workOf(network, B, 0);
    // Products alone, 26.2 MFLOP; biases, losses, the guard and the update are little beside them.
    expect(floor.flops).toBe(2 * B * (2 * 784 * H + 3 * H * 10));
    expect(total('flops')).toBeGreaterThan(floor.flops);
    expect(total('flops')).toBeLessThan(1.03 * floor.flops);
    // Pictures as floats that are written and read twice; parameters read three times (the guard looks at the update) and
    // written, their gradients written and read; activations and their gradients written and read.
    const moved = B * 784 * (1 + 3 * 4) + 4 * (6 * P + 2 * 2 * B * H);
    expect(total('bytes') / moved).toBeGreaterThan(0.98);
    expect(total('bytes') / moved).toBeLessThan(1.03);
    const hidden = own.find(({ label }) => label === 'linear+relu')!;
    const wide = 784 * H + H;
    expect(hidden).toMatchObject({ flops: B * H * (2 * 784 + 2), bytes: 4 * (B * 784 + wide + B * H) });
  });
});

/** Standard output and standard error of a verb that is called as a function. */
function heard() {
  const out: string[] = [];
  const stream = { write: (text: string) => out.push(text) };
  return { output: new Output({ stdout: stream, stderr: stream, env: {}, now: () => 0 }), text: () => out.join('') };
}

describe('a profile', () => {
  const net = trainableOf(presets.classic);
  const plan: Plan = { net, seed: 1, optimizer: 'sgd', batchSize: 8, data: { kind: 'digits' } };
  const data = randomExamples(presets.classic.network, 16, 1);
  const folder = mkdtempSync(join(tmpdir(), 'thalweg-profile-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['timestamp queries', 'wall clock'] as const)('times every dispatch of a step by %s', async (clock) => {
    const opened = await openTestDevice();
    const features = opened.report.features.filter((f) => f !== 'timestamp-query' || clock === 'timestamp queries');
    const executor = new GpuExecutor({ ...opened, report: { ...opened.report, features }, close() {} });
    const backend = new Backend(executor, { name: 'an adapter, software', software: true });
    const file = join(folder, `${clock}.json`);
    const { output, text } = heard();
    await profile(backend, plan, data, { output, file, total: 3, signal: never });
    const { traceEvents, otherData } = JSON.parse(readFileSync(file, 'utf8'));
    const [about, ...events] = traceEvents;
    expect([about.ph, about.args.name]).toEqual(['M', 'classic, sgd, batch 8 on an adapter, software']);
    expect([otherData.clock, otherData.ceiling.gflops > 0, otherData.ceiling.gbps > 0]).toEqual([clock, true, true]);
    for (const { ph, ts, dur, args } of events)
      expect([ph, ts >= 0, dur >= 0, args.bytes > 0, args.flops >= 0]).toEqual(['X', true, true, true, true]);
    const step = events.filter((e: { cat: string }) => e.cat === 'gpu');
    expect([step.length >= 3, step.length < events.length]).toEqual([true, true]);
    expect(text()).toContain(`, on an adapter, software: ${step.length} dispatches; medians of 9 steps;`);
    expect(text()).toMatch(/Once per submit, before its first step:\n\n[\s\S]*assign/);
    expect(text()).toMatch(/Ceilings measured here: [\d.,]+ GFLOP\/s of multiply-adds, [\d.,]+ GB\/s of copies/);
    expect(text().includes('submitted alone and timed by the wall clock')).toBe(clock === 'wall clock');
  });

  const dispatches: TimedDispatch[] = [
    { label: 'first', once: true, microseconds: 10, flops: 0, bytes: 1e3 },
    { label: 'quick', once: false, microseconds: 25, flops: 1e3, bytes: 1e5 },
    { label: 'slow', once: false, microseconds: 75, flops: 3e5, bytes: 2048 },
  ];

  it('holds each dispatch against its own roof, and the step against all of them', () => {
    const held = heldAgainst({ clock: 'wall clock', dispatches }, { gflops: 10, gbps: 8 });
    // At the ceiling: 12.5 us of memory, 30 us of arithmetic.
    expect(held.dispatches.map((d) => [d.bound, d.ofCeiling, d.gflops])).toEqual([
      ['memory', 0.0125, 0],
      ['memory', 0.5, 0.04],
      ['arithmetic', 0.4, 4],
    ]);
    const { flops, bytes, microseconds, ofCeiling, gflops } = held.whole;
    expect([flops, bytes, microseconds]).toEqual([301_000, 102_048, 100]);
    expect([ofCeiling, gflops]).toEqual([expect.closeTo(0.425, 9), expect.closeTo(3.01, 9)]);
  });

  it('puts the slowest first, its share beside it, and apart what comes once a submit', () => {
    const held = heldAgainst({ clock: 'timestamp queries', dispatches }, { gflops: 10, gbps: 8 });
    const text = profileText(held, 'mlp', 'Some GPU').replace(/ +/g, ' ');
    expect(text).toContain('One step of mlp, on Some GPU: 2 dispatches; ');
    expect(text).toMatch(
      /slow 75\.0 75\.0% 0\.300 2\.0 KiB 4\.00 40% arithmetic\nquick 25\.0 25\.0% 0\.00100 97\.7 KiB 0\.0400 50% memory\n─+\nthe step 100 100\.0% 0\.301 99\.7 KiB 3\.01 42%\n\nOnce/,
    );
    expect(text).toMatch(/before its first step:\n\n.*\n─+\nfirst 10\.0 0 1000 B 0 1\.3% memory$/);
    const trace = JSON.parse(traceOf(held, 'mlp'));
    expect(trace.traceEvents.map((e: { ts?: number }) => e.ts)).toEqual([undefined, 0, 10, 35]);
    expect(trace.traceEvents[3].args).toMatchObject({ flops: 3e5, bytes: 2048, ofCeiling: 0.4, bound: 'arithmetic' });
  });

  it('says so where there is no ceiling', () => {
    const text = profileText(heldAgainst({ clock: 'wall clock', dispatches }, undefined), 'mlp', 'Some GPU');
    expect(text).toContain('The ceilings of this adapter could not be measured.');
    expect(text).not.toMatch(/NaN|null|undefined|memory/);
  });

  it('goes where it is told to, else beside the run, and is refused where there are no dispatches', () => {
    expect(['x.json', true, undefined].map((flag) => profileFile(flag, 'runs/a'))).toEqual([
      'x.json',
      join('runs/a', 'profile.json'),
      undefined,
    ]);
    expect(profileFile(true, undefined)).toBe('profile.json');
    expect(() => checkProfile({ kind: 'cpu' }, 'cpu')).toThrow('--profile: contradicts --device cpu');
    expect(() => checkProfile({ kind: 'cpu' }, undefined)).toThrow('--profile: no GPU was found');
    expect(() => checkProfile({ kind: 'gpu' }, undefined)).not.toThrow();
  });
});
