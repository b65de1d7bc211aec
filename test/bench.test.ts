// The benchmark: its statistics and its rules on made numbers, a tiny real run on the tests' adapter, and the command in a process
// of its own. Long, since what a benchmark must not do (time what is wrong, hide what it left out) is many small things.
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bench, type Case, type Group, type Prepared, type Suite, WrongResult } from '../bench/cases.ts';
import { ceilingsOf, ceilingsSuite } from '../bench/ceilings.ts';
import { comparisonOf, comparisonReport, readEarlier } from '../bench/compare.ts';
import { convCases, convSuite } from '../bench/conv.ts';
import { crossovers } from '../bench/cpu-vs-gpu.ts';
import { checkClose, randomArray, rowsToCheck, take } from '../bench/data.ts';
import { dispatchSuite } from '../bench/dispatch.ts';
import type { Figure, Finding, Speedup, Unit } from '../bench/findings.ts';
import { measure, runSeconds, type Subject, warmUp } from '../bench/measure.ts';
import { plotsOf } from '../bench/plots.ts';
import { programCase } from '../bench/program.ts';
import { crossoverText, formatFigure, suiteReport } from '../bench/report.ts';
import { runSuite } from '../bench/run.ts';
import { crossingOf, ratioOf, spreadOf } from '../bench/statistics.ts';
import { stepCase } from '../bench/step.ts';
import { suites } from '../bench/suites.ts';
import { timeTo, timeTo99Suite } from '../bench/time-to-99.ts';
import { randomExamples, workOf } from '../bench/training.ts';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { GpuExecutor } from '../src/compile/executor.ts';
import { digits } from '../src/data/digits.ts';
import { describe as nameOf } from '../src/gpu/adapter.ts';
import { DataError } from '../src/graph/errors.ts';
import type { Op } from '../src/graph/op.ts';
import { apply1 } from '../src/graph/tensor.ts';
import { mul } from '../src/ops/binary.ts';
import { matmul } from '../src/ops/matmul.ts';
import { sgd } from '../src/optim/sgd.ts';
import * as presets from '../src/train/presets.ts';
import { openTestDevice, testExecutor } from './gpu.ts';
import { parseXml } from './xml.ts';

describe('statistics', () => {
  it('gives the middle and the ends', () => {
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
    expect(spreadOf([4, 1, 2, 3])).toEqual({ median: 2.5, min: 1, max: 4 });
    expect(() => spreadOf([])).toThrow('there are no values');
  });

  it('divides round by round, so that what slows a round slows both halves', () => {
    expect(ratioOf([2, 20, 2.2], [1, 10, 1])).toEqual({ median: 2, min: 2, max: 2.2 });
    expect(() => ratioOf([1], [1, 2])).toThrow('1 rounds against 2');
  });

  it('finds where a curve crosses one for good', () => {
    const at = crossingOf([
      [16, 0.5],
      [64, 2],
      [256, 4],
    ]);
    expect(at).toMatchObject({ kind: 'from', from: [16, 0.5], to: [64, 2] });
    expect(at.kind === 'from' && at.at).toBeCloseTo(32, 9);
    expect(crossingOf([[16, 1.1]])).toEqual({ kind: 'always' });
    // Exactly as fast is not faster.
    expect(crossingOf([[16, 1]])).toEqual({ kind: 'never', best: [16, 1] });
    const later = crossingOf([
      [1, 0.5],
      [2, 0.8],
      [4, 2],
    ]);
    expect(later).toMatchObject({ kind: 'from', from: [2, 0.8] });
    // It comes back below: what counts is where it stays above.
    const twice = crossingOf([
      [1, 2],
      [2, 0.5],
      [4, 2],
    ]);
    expect(twice).toMatchObject({ kind: 'from', from: [2, 0.5] });
    const back = crossingOf([
      [1, 3],
      [2, 0.5],
    ]);
    expect(back).toEqual({ kind: 'never', best: [1, 3] });
    expect(crossingOf([[16, Number.NaN]]).kind).toBe('never');
  });
});

/** A subject that takes so many milliseconds a repetition, and remembers how it was run. */
function subject(each: number, log: string[] = [], name = ''): Subject {
  return {
    run: async (times, expected) => {
      log.push(`${name}${times}${expected > 0 ? '' : '!'}`);
      return { ms: times * each, clock: 'wall clock' };
    },
  };
}

describe('measuring', () => {
  it('repeats what is quick, and not what is slow', async () => {
    expect(await warmUp(subject(0.5), { roundMs: 20 })).toEqual({ each: 0.5, times: 40 });
    expect(await warmUp(subject(300), { roundMs: 20 })).toEqual({ each: 300, times: 1 });
    expect((await warmUp({ ...subject(1e-9), most: 100 }, { roundMs: 20 })).times).toBe(100);
  });

  it('takes turns, every other round backwards', async () => {
    const log: string[] = [];
    const lines = ['a', 'b'].map((name) => ({ subject: subject(10, log, name), pace: { each: 10, times: 2 } }));
    const samples = await measure(lines, 3);
    expect(log.join(' ')).toBe('a2 b2 b2 a2 a2 b2');
    expect(samples[0]).toEqual({ ms: [10, 10, 10], clock: 'wall clock' });
  });

  it('does a round again that it slept through', async () => {
    const asked: number[] = [];
    const sleepy: Subject = {
      run: async (times, expected) => {
        asked.push(expected);
        // What takes 10 ms and was slept on for longer seems to take as long as the sleep.
        return { ms: Math.max(10, 0.9 * expected) * times, clock: 'wall clock', overslept: 0.9 * expected > 10 };
      },
    };
    const [samples] = await measure([{ subject: sleepy, pace: { each: 40, times: 1 } }], 1);
    expect([asked, samples!.ms]).toEqual([[40, 20, 10], [10]]);
  });

  it('ends where it is told to, with whole rounds only', async () => {
    const end = new AbortController();
    let runs = 0;
    const counting: Subject = {
      run: async () => {
        if (++runs === 3) end.abort();
        return { ms: 1, clock: 'wall clock' };
      },
    };
    const line = { subject: counting, pace: { each: 1, times: 1 } };
    const samples = await measure([line, line], 5, end.signal);
    expect(samples.map(({ ms }) => ms.length)).toEqual([1, 1]);
  });

  it('counts a warm-up and its rounds as the run', () => {
    expect(runSeconds(100, { rounds: 5, roundMs: 20 })).toBeCloseTo(0.6, 9);
    expect(runSeconds(0.01, { rounds: 5, roundMs: 20 })).toBeCloseTo(0.12, 9);
  });
});

const cpu = createCpuBackend();
const reference = createCpuBackend({ precision: 'float64' });
const never = new AbortController().signal;

function benchOn(backend: Backend, more: Partial<Bench> = {}): Bench {
  const ceilings = { gpu: { gflops: 10, gbps: 1 }, cpu: { gflops: 10, gbps: 1 } };
  const how = { rounds: 2, roundMs: 1, quick: true, all: false, seed: 1, signal: never };
  return { backend, cpu, reference, ceilings, ...how, ...more };
}

async function findingsOf(bench: Bench, ...groups: readonly Group[]): Promise<Finding[]> {
  const suite: Suite = { name: 'made', about: '', groups: () => groups };
  return collect(suite, bench);
}

async function collect(suite: Suite, bench: Bench): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of runSuite(suite, bench)) findings.push(finding);
  return findings;
}

/** A case that pretends to take so long, and says what was done with it. */
function madeCase(name: string, each: number, flops: number, log: string[] = [], wrong?: string): Case {
  const prepare = async (): Promise<Prepared> => {
    log.push(`prepare ${name}`);
    return {
      ...subject(each, log),
      check: async () => {
        if (wrong) throw new WrongResult(wrong);
      },
      dispose: () => log.push(`dispose ${name}`),
    };
  };
  const work = { flops, bytes: 0 };
  return { name, backend: cpu, unit: 'GFLOP/s', amount: flops / 1e9, work, kind: 'made', prepare };
}

describe('a suite', () => {
  it('skips by name, with an estimate, what would take long, and goes on', async () => {
    const log: string[] = [];
    // 10 GFLOP/s is the ceiling: 1e9 take 100 ms there, 1e11 take 10 s.
    const slow = madeCase('slow', 5e4, 1e11, log);
    const cases = [madeCase('quick', 200, 1e9, log), slow, madeCase('late', 3000, 1e9, log)];
    const findings = await findingsOf(benchOn(cpu), ...cases.map((one) => ({ cases: [one] })));
    expect(findings.map(({ type, ...f }) => [type, 'name' in f && f.name])).toEqual([
      ['figure', 'quick'],
      ['skipped', 'slow'],
      ['skipped', 'late'],
    ]);
    expect(log).not.toContain('prepare slow');
    expect(log.filter((line) => line.endsWith('late'))).toEqual(['prepare late', 'dispose late']);
    // Half of the ceiling, as the quick one: 20 s a run, of which there are three.
    expect(findings[1]).toMatchObject({
      estimate: 60,
      reason: 'it would take about 60 s, more than 2 s; --all runs it',
    });
    expect(findings[2]).toMatchObject({ estimate: 9 });
    const all = await findingsOf(benchOn(cpu, { all: true }), { cases: [slow] });
    expect(all[0]).toMatchObject({ type: 'figure', median: 2, ofCeiling: 0.2, bound: 'arithmetic' });
  });

  it('never times a wrong result', async () => {
    const log: string[] = [];
    const cases = [madeCase('wrong', 1, 1e6, log, 'it is off'), madeCase('right', 1, 1e6)];
    const findings = await findingsOf(benchOn(cpu), { cases });
    expect(findings.map(({ type }) => type)).toEqual(['refused', 'figure']);
    expect(findings[0]).toMatchObject({ name: 'wrong', reason: 'it is off', adapter: 'CPU' });
    expect(log).toEqual(['prepare wrong', 'dispose wrong']);
  });

  it('says why it cannot run at all', async () => {
    const findings = await collect(dispatchSuite, benchOn(cpu));
    expect(findings).toEqual([
      expect.objectContaining({ type: 'skipped', reason: 'the CPU backend has no dispatches' }),
    ]);
  });

  it.each([
    { what: 'a stride', N: 5, side: 7, C: 3, O: 8, kernel: 3, stride: 2, padding: 1 },
    { what: 'a 1x1 window', N: 4, side: 5, C: 4, O: 6, kernel: 1 },
    { what: 'a depthwise window', N: 4, side: 5, C: 8, O: 8, kernel: 3, padding: 1, groups: 8 },
  ])('checks the three passes of a convolution with $what before it times them', async ({ what, ...layer }) => {
    const bench = benchOn(cpu);
    const findings = await findingsOf(bench, { cases: convCases(bench, { name: what, ...layer }) });
    expect(findings.map((f) => [f.type, 'name' in f && f.name.split(',')[0]])).toEqual(
      ['forward', 'input gradient', 'filter gradient'].map((pass) => ['figure', `${what} ${pass}`]),
    );
    const [{ flops }] = findings as [Figure];
    const { N, side, C, O, kernel, stride = 1, padding = 0, groups = 1 } = layer as { N: number } & typeof layer;
    const out = Math.floor((side + 2 * padding - kernel) / stride) + 1;
    expect(flops).toBe((2 * N * out ** 2 * O * kernel ** 2 * C) / groups);
  });

  it('tells the share of the fastest product', () => {
    const at = (name: string, rate: number) => figure(name, [rate, rate, rate]);
    const figures = [at('product 512', 50), at('product 1024', 80), at('cnn 3x3 forward', 20)];
    const shares = convSuite.conclude!(figures);
    expect(shares).toEqual([
      expect.objectContaining({ type: 'share', name: 'cnn 3x3 forward', of: 'product 1024', gflops: 80, share: 0.25 }),
    ]);
    expect(suiteReport('conv', [...figures, ...shares])).toMatch(
      /Shares of the fastest product, product 1024 at 80\.0 GFLOP\/s\n(.*\n)*cnn 3x3 forward +25%$/,
    );
    expect(convSuite.conclude!(figures.slice(2))).toEqual([]);
  });

  it('times runs to a test accuracy, and names the seeds that miss it', async () => {
    const data = await digits({ train: 300, test: 40, images: true });
    const runs = async (target: number) => {
      const findings: Finding[] = [];
      for await (const finding of timeTo(target, benchOn(cpu, { rounds: 1 }), data)) findings.push(finding);
      return findings;
    };
    expect(await runs(0.02)).toEqual([
      expect.objectContaining({ type: 'figure', name: 'cnn to 2 %', unit: 's', rounds: 1, median: expect.any(Number) }),
    ]);
    expect(await runs(0.999)).toEqual([
      expect.objectContaining({
        type: 'refused',
        reason: expect.stringMatching(/^with seed 1 it ends at [\d.]+ %\.$/),
      }),
    ]);
    expect(await collect(timeTo99Suite, benchOn(cpu))).toMatchObject([{ type: 'skipped', reason: 'it needs MNIST' }]);
  });

  it('tells what it has when it is ended', async () => {
    const end = new AbortController();
    const conclude = () => {
      end.abort();
      return [];
    };
    const group = (name: string): Group => ({ cases: [madeCase(name, 1, 1e6)], conclude });
    const findings = await findingsOf(benchOn(cpu, { signal: end.signal }), group('one'), group('two'));
    expect(findings.map((f) => 'name' in f && f.name)).toEqual(['one']);
  });
});

describe('checks', () => {
  it('takes places of any axis', () => {
    const data = Float32Array.from({ length: 24 }, (_, k) => k);
    const x = { shape: [2, 3, 4], dtype: 'f32', data } as const;
    expect([...take(x, 0, [1]).data]).toEqual([...data.subarray(12)]);
    expect([...take(x, 1, [2, 0]).data]).toEqual([8, 9, 10, 11, 0, 1, 2, 3, 20, 21, 22, 23, 12, 13, 14, 15]);
    expect(take(x, 2, [3])).toEqual({ shape: [2, 3, 1], dtype: 'f32', data: Float32Array.of(3, 7, 11, 15, 19, 23) });
  });

  it('sees one wrong number among many, and NaN', () => {
    const want = randomArray({ shape: [1000] }, 1, 'want').data;
    expect(() => checkClose('sum', want.slice(), want)).not.toThrow();
    for (const wrong of [0, Number.NaN, want[7]! * 1.001 + 1e-3]) {
      const got = want.slice();
      got[7] = wrong;
      expect(() => checkClose('sum', got, want)).toThrow(
        /^sum: it differs from the CPU reference: \[7\] is .*Nothing was/,
      );
    }
    expect(() => checkClose('sum', [1], [1, 2])).toThrow(WrongResult);
    expect(() => checkClose('zeros', [0, 0], [0, 0])).not.toThrow();
  });

  it('draws numbers that are no zeros, also in large arrays', () => {
    const { data } = randomArray({ shape: [2 ** 20 + 77] }, 1, 'large');
    expect(data.filter((x) => x === 0).length).toBeLessThan(3);
    expect(data.subarray(2 ** 20)).toEqual(data.subarray(0, 77));
    expect(randomArray({ shape: [9] }, 2, 'large').data).not.toEqual(data.slice(0, 9));
  });

  it('looks at all rows of a small result, and at 64 and the ends of a large one', () => {
    expect(rowsToCheck(512, 1, 'x')).toHaveLength(512);
    const rows = rowsToCheck(5000, 1, 'x');
    expect([rows.length > 60, rows.length <= 66, rows[0], rows.at(-1)]).toEqual([true, true, 0, 4999]);
    const x = { shape: [2, 3], dtype: 'f32', data: Float32Array.of(1, 2, 3, 4, 5, 6) } as const;
    expect(take(x, 0, [1])).toEqual({ shape: [1, 3], dtype: 'f32', data: Float32Array.of(4, 5, 6) });
    expect(take(x, 1, [2, 0])).toEqual({ shape: [2, 2], dtype: 'f32', data: Float32Array.of(3, 1, 6, 4) });
  });

  it('counts the arithmetic of a step', () => {
    // 784-128-10 at batch 64: forward and gradients of weights of both layers, of inputs of the second alone.
    expect(workOf(presets.mlp.network, 64, 0).flops).toBe(2 * 64 * (2 * 784 * 128 + 3 * 128 * 10));
  });
});

/** x + x for the CPU, and twice that on the GPU. */
const wrongOp: Op<void> = {
  name: 'wrong',
  shape: ([x]) => [{ shape: x!.shape, dtype: x!.dtype }],
  cpu: ([x], [y]) => {
    for (let i = 0; i < y!.data.length; i++) y!.data[i] = 2 * x!.data[i]!;
  },
  map: (scope) => `(4.0 * ${scope.load(0, scope.i)})`,
  elementwise: true,
};

describe('on an adapter', () => {
  let gpu: Backend;

  beforeAll(async () => {
    const { report } = await openTestDevice();
    gpu = new Backend(await testExecutor(), { name: nameOf(report), software: report.software }, [], report);
  });

  const small = (bench: Bench, fn: Parameters<typeof programCase>[1]['fn'], name = 'NN 8x8x8') =>
    programCase(bench, {
      name,
      kind: 'small',
      unit: 'GFLOP/s',
      amount: 1024e-9,
      work: { flops: 1024, bytes: 768 },
      inputs: { a: { shape: [8, 8], rows: 0 }, b: { shape: [8, 8] } },
      fn,
    });

  it('measures a product, and says all that a reader must know', async () => {
    const bench = benchOn(gpu);
    const findings = await findingsOf(bench, { cases: [small(bench, ({ a, b }) => matmul(a!, b!))] });
    expect(findings).toHaveLength(1);
    const [figure] = findings as [Figure];
    expect(figure).toEqual({
      type: 'figure',
      suite: 'made',
      name: 'NN 8x8x8',
      backend: 'gpu',
      adapter: gpu.adapter.name,
      software: gpu.adapter.software,
      unit: 'GFLOP/s',
      median: expect.any(Number),
      min: expect.any(Number),
      max: expect.any(Number),
      ofCeiling: expect.any(Number),
      bound: 'memory',
      ms: expect.any(Number),
      rounds: 2,
      clock: 'timestamp queries',
      flops: 1024,
      bytes: 768,
      compileMs: expect.any(Number),
      dispatches: 1,
    });
    expect(figure.min).toBeLessThanOrEqual(figure.median);
    expect(figure.median).toBeGreaterThan(0);
    expect(figure.ofCeiling).toBeCloseTo(768 / 1e6 / figure.ms, 9);
  });

  it('does not time a kernel that was made wrong', async () => {
    const bench = benchOn(gpu);
    const cases = [small(bench, ({ a }) => apply1(wrongOp, [a!], undefined), 'wrong')];
    const findings = await findingsOf(bench, { cases });
    expect(findings.map(({ type }) => type)).toEqual(['refused']);
    expect(findings[0]).toMatchObject({
      name: 'wrong',
      reason: expect.stringContaining('differs from the CPU reference'),
    });
    const right = await findingsOf(benchOn(cpu), {
      cases: [small(benchOn(cpu), ({ a }) => apply1(wrongOp, [a!], undefined))],
    });
    expect(right[0]!.type).toBe('figure');
  });

  it('refuses a training step whose gradients are wrong', async () => {
    const { network } = presets.classic;
    const data = randomExamples(network, 8, 1);
    const facts = { name: 'classic', network, optimizer: sgd({ lr: 0.1 }), batch: 8, data, seed: 1 };
    const [good] = await findingsOf(benchOn(gpu), { cases: [stepCase(benchOn(gpu), gpu, facts)] });
    expect(good).toMatchObject({ type: 'figure', unit: 'steps/s', dispatches: expect.any(Number) });
    // The first trace is the one that would be timed, the second the reference's.
    let traces = 0;
    const right = sgd({ lr: 0.1 });
    const wrong: typeof right = {
      ...right,
      update: (p, dp, slots, context) => right.update(p, traces++ === 0 ? mul(dp, 1.1) : dp, slots, context),
    };
    const [bad] = await findingsOf(benchOn(gpu), {
      cases: [stepCase(benchOn(gpu), gpu, { ...facts, optimizer: wrong })],
    });
    expect([traces, bad]).toEqual([2, expect.objectContaining({ type: 'refused' })]);
    expect(bad).toMatchObject({ reason: expect.stringContaining('what the first step did to hidden1.weight') });
  });

  it('says which limit a case passes, and goes on', async () => {
    const executor = await testExecutor({ maxStorageBufferBindingSize: 128 });
    const tight = new Backend(executor, gpu.adapter);
    const bench = benchOn(tight);
    const findings = await findingsOf(bench, {
      cases: [small(bench, ({ a, b }) => matmul(a!, b!)), madeCase('next', 1, 1e6)],
    });
    expect(findings.map(({ type }) => type)).toEqual(['skipped', 'figure']);
    expect(findings[0]).toMatchObject({
      reason: "it binds 256 bytes at once, and this adapter's maxStorageBufferBindingSize is 128",
    });
  });

  it("takes the host's clock where there are no timestamp queries", async () => {
    const opened = await openTestDevice();
    const features = opened.report.features.filter((feature) => feature !== 'timestamp-query');
    const executor = new GpuExecutor({ ...opened, report: { ...opened.report, features }, close() {} });
    const bench = benchOn(new Backend(executor, gpu.adapter));
    const [figure] = await findingsOf(bench, { cases: [small(bench, ({ a, b }) => matmul(a!, b!))] });
    expect(figure).toMatchObject({ type: 'figure', clock: 'wall clock' });
  });

  it('measures ceilings that its own arithmetic confirms', async () => {
    const findings = await collect(ceilingsSuite, benchOn(gpu, { ceilings: {} }));
    expect(findings.filter(({ type }) => type !== 'figure')).toEqual([]);
    const { gpu: ceiling, cpu: own } = ceilingsOf(findings);
    for (const value of [ceiling!.gflops, ceiling!.gbps, own!.gflops, own!.gbps]) expect(value).toBeGreaterThan(0.01);
    // The best round of the best variant.
    const best = Math.max(
      ...findings.map((f) => (f.type === 'figure' && f.backend === 'gpu' && f.unit === 'GB/s' ? f.max : 0)),
    );
    expect(ceiling!.gbps).toBe(best);
  });

  it('measures dispatches', async () => {
    const findings = await collect(dispatchSuite, benchOn(gpu));
    expect(findings.map((f) => f.type === 'figure' && `${f.unit} ${f.name.split(':')[0]}`)).toEqual([
      'us host',
      'us host',
      'us to submit a copy, wait and read 256 bytes',
      'us device',
      'us device',
      'us device',
      'steps/s steps of 4-8-3 at batch 16, by dispatches',
      'steps/s steps of 4-8-3 at batch 16, many in a dispatch',
    ]);
    expect(findings.slice(-2)).toMatchObject([{ dispatches: 3 }, { dispatches: 1 }]);
  });
});

function figure(name: string, [min, median, max]: readonly [number, number, number], unit: Unit = 'GFLOP/s'): Figure {
  const on = { backend: 'gpu', adapter: 'Some GPU', software: false } as const;
  const facts = { ofCeiling: 0.5, bound: 'arithmetic', ms: 1, rounds: 3, clock: 'wall clock', compileMs: 1 } as const;
  return { type: 'figure', suite: 'matmul', name, ...on, unit, min, median, max, ...facts };
}

const fileOf = (figures: readonly Figure[], header: object = {}, end: object = { type: 'end', schema: 1 }) =>
  [{ type: 'bench', schema: 1, ...header }, ...figures, end].map((o) => `${JSON.stringify(o)}\n`).join('');

describe('a comparison', () => {
  it('tells what changed beyond the spread, either way round', () => {
    const before = [
      figure('quicker', [9, 10, 11]),
      figure('slower', [9, 10, 11]),
      figure('within', [9, 10, 11]),
      figure('latency', [9, 10, 11], 'us'),
      figure('gone', [1, 1, 1]),
    ];
    const now = [
      figure('quicker', [19, 20, 21]),
      figure('slower', [7, 8, 8.9]),
      figure('within', [10.5, 12, 13]),
      figure('latency', [4, 5, 6], 'us'),
      figure('new', [1, 1, 1]),
    ];
    const comparison = comparisonOf(readEarlier(fileOf(before), 'before.jsonl'), now);
    expect(comparison.changes.map(({ name, verdict, speedup }) => [name, verdict, speedup])).toEqual([
      ['quicker', 'faster', 2],
      ['latency', 'faster', 2],
      ['slower', 'slower', 0.8],
      ['within', 'same', 1.2],
    ]);
    expect([comparison.onlyBefore, comparison.onlyNow]).toEqual([1, 1]);
    const text = comparisonReport(comparison, 'text');
    expect(text).toContain('3 of 4 figures changed beyond the spread');
    expect(text).not.toMatch(/within|compares adapters/);
  });

  it('does not call another adapter a change of version', () => {
    const before = [{ ...figure('a', [1, 1, 1]), adapter: 'Another' }];
    const text = comparisonReport(comparisonOf(readEarlier(fileOf(before), 'f'), [figure('a', [2, 2, 2])]), 'markdown');
    expect(text).toContain('The earlier run was on Another, this one is on Some GPU: this compares adapters');
  });

  const good = fileOf([figure('a', [1, 1, 1])]);
  it.each([
    ['an empty file', '', 'it is empty'],
    ['no JSON', 'GIF89a', 'line 1 is not a JSON object. Give a file that thalweg bench --save made'],
    ['a list', '[]', 'line 1 is not a JSON object'],
    ['the events of a training run', '{"type":"start","schema":1}\n', 'does not begin as a benchmark does'],
    ['a line that ends too soon', good.slice(0, good.lastIndexOf('{') - 30), 'it is cut: line 2 ends amid an object'],
    ['no end', good.slice(0, good.lastIndexOf('{')), 'it is cut: its end is missing. Make it again with thalweg bench'],
    ['another version', fileOf([], { schema: 9, versions: { thalweg: '7.0.0' } }), 'version 9 (made by thalweg 7.0.0)'],
    ['a figure without its median', fileOf([{ ...figure('a', [1, 1, 1]), median: 'NaN' } as never]), '"a" is damaged'],
    ['a figure of an unknown unit', fileOf([figure('a', [1, 1, 1], 'furlong' as Unit)]), '"a" is damaged'],
  ])('refuses %s', (_, text, message) => {
    expect(() => readEarlier(text, 'old.jsonl')).toThrow(DataError);
    expect(() => readEarlier(text, 'old.jsonl')).toThrow(message);
  });

  it('takes a run that was interrupted', () => {
    expect(readEarlier(fileOf([figure('a', [1, 1, 1])], {}, { type: 'interrupted' }), 'f').figures).toHaveLength(1);
  });
});

/** Speed-ups at batch sizes, for one width. */
function line(width: number, ratios: readonly (readonly [number, number])[], spread = 1.01): Speedup[] {
  const on = {
    type: 'speedup',
    suite: 'cpu-vs-gpu',
    backend: 'gpu',
    adapter: 'SwiftShader, software',
    software: true,
  } as const;
  return ratios.map(([batch, r]) => ({ ...on, batch, width, median: r, min: r / spread, max: r * spread }));
}

describe('reports', () => {
  const crossing = line(64, [[16, 0.5], [64, 2]]); // biome-ignore format: points
  const slow = line(16, [[16, 0.25], [64, 0.5]]); // biome-ignore format: points
  const fast = line(256, [[16, 2], [64, 3]]); // biome-ignore format: points

  it('names the crossover, or says that there is none', () => {
    const texts = crossovers([...crossing, ...slow, ...fast], 'batch').map((c) => crossoverText(c as never));
    expect(texts).toEqual([
      'width 64: crossover; the software GPU is faster from a batch of about 32 on (0.500x at 16, 2.00x at 64).',
      'width 16: no crossover; the CPU backend is not slower at any of the batch sizes 16 to 64; the software GPU reaches 0.500x at 64.',
      'width 256: no crossover; the software GPU is faster at all of the batch sizes 16 to 64.',
    ]);
    const unsure = crossovers(line(64, [[16, 0.9], [64, 1.1]], 1.3), 'batch'); // biome-ignore format: points
    expect(crossoverText(unsure[0] as never)).toMatch(/crossover; .*at 64\)\. The rounds do not all agree\.$/);
    const back = crossovers(line(64, [[16, 2], [64, 0.5]]), 'batch'); // biome-ignore format: points
    expect(crossoverText(back[0] as never)).toContain('no crossover that lasts over batch sizes 16 to 64');
  });

  it('names every adapter and everything left out', () => {
    const on = { backend: 'gpu', adapter: 'SwiftShader, software', software: true } as const;
    const skipped = { type: 'skipped', suite: 'matmul', name: 'NN 4096', ...on, reason: 'it would take long' } as const;
    const findings = [{ ...figure('NN 64', [1, 2, 3]), ...on }, skipped];
    const text = suiteReport('matmul', findings);
    expect(text).toMatch(/^matmul, on SwiftShader, software\n/);
    expect(text).toMatch(/NN 64 +software GPU +2\.00 +1\.00 +3\.00 +GFLOP\/s +50% +arithmetic/);
    expect(text).toContain('skipped: NN 4096 on software GPU: it would take long.');
    const markdown = suiteReport('matmul', findings, 'markdown');
    expect(markdown).toMatch(
      /^### matmul, on SwiftShader, software\n\n\| case \| on \| median \|.*\n\| --- \| --- \| ---: \|/,
    );
    expect([0.01234, 1.234, 99.96, 123.4, 12345].map(formatFigure)).toEqual(['0.0123', '1.23', '100', '123', '12,345']);
  });

  it('draws the speed-up with its crossover, and the roofline', () => {
    const work = { flops: 2e6, bytes: 1e4 };
    const figures = [
      { ...figure('NN <64>', [1, 2, 3]), ...work },
      { ...figure('dx', [1, 2, 3]), suite: 'step', ...work },
    ];
    const findings = [...crossing, ...slow, ...crossovers([...crossing, ...slow], 'batch'), ...figures];
    const plots = plotsOf(findings, { gpu: { gflops: 10, gbps: 5 } });
    expect(Object.keys(plots)).toEqual(['speedup-batch.svg', 'speedup-width.svg', 'roofline-gpu.svg']);
    for (const svg of Object.values(plots)) {
      expect(svg).not.toMatch(/NaN|Infinity|undefined/);
      parseXml(svg);
    }
    const batch = parseXml(plots['speedup-batch.svg']!);
    expect(batch.filter((e) => e.name === 'circle' && e.attributes['class'] === 'tw-orange')).toHaveLength(1);
    expect(batch.map((e) => e.text)).toEqual(expect.arrayContaining(['32', 'W 16', 'W 64', '1x']));
    expect(batch.find((e) => e.name === 'desc')!.text).toContain('SwiftShader, software');
    expect(parseXml(plots['roofline-gpu.svg']!).filter((e) => e.attributes['class'] === 'tw-dot').length).toBe(4);
    expect(plotsOf([], {})).toEqual({});
  });
});

describe('the command', () => {
  const MAIN = resolve('dist/src/cli/main.js');
  const folder = mkdtempSync(join(tmpdir(), 'thalweg-bench-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** `seen` is told what standard output says so far. */
  function bench(args: readonly string[], seen: (out: string, stop: () => void) => void = () => {}) {
    return new Promise<{ code: number | null; out: string; err: string }>((done, fail) => {
      const child = spawn(process.execPath, [MAIN, 'bench', ...args], {
        cwd: folder,
        env: { ...process.env, CI: '1' },
      });
      let [out, err] = ['', ''];
      child.stdout.on('data', (text) => {
        out += text;
        seen(out, () => child.kill('SIGINT'));
      });
      child.stderr.on('data', (text) => {
        err += text;
      });
      child.on('error', fail);
      child.on('close', (code) => done({ code, out, err }));
    });
  }

  const objects = (out: string): Record<string, unknown>[] =>
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  it('names the suites there are where one is unknown', async () => {
    const { code, err } = await bench(['matmull']);
    expect([code, err]).toEqual([2, expect.stringContaining('bench: "matmull" is unknown. Did you mean "matmul"?')]);
    for (const { name } of suites) expect(err).toContain(name);
    const help = await bench(['--help']);
    expect(help.out.replace(/\s+/g, ' ')).toContain(
      `of ${suites.map(({ name }) => name).join(', ')}; default: all but plan and time-to-99`,
    );
  });

  it.each([
    [['--rounds', '0'], 2, '--rounds: "0" is below 1'],
    [['--json', '--markdown'], 2, '--markdown: contradicts --json'],
    [['--device', 'cpu', '--require-gpu'], 2, '--require-gpu: contradicts --device cpu'],
    [['--compare', 'missing.jsonl'], 1, 'missing.jsonl: cannot read: it does not exist'],
    [['--save', 'empty.jsonl/x'], 1, 'empty.jsonl: it is a file and not a folder'],
    [['--compare', 'empty.jsonl'], 1, 'empty.jsonl: it is empty'],
  ] as const)('refuses %j before it measures', async (flags, code, text) => {
    writeFileSync(join(folder, 'empty.jsonl'), '');
    const ended = await bench(flags);
    expect([ended.code, ended.err]).toEqual([code, expect.stringContaining(text)]);
    expect(ended.out).not.toMatch(/ceilings|figure/);
  });

  it('saves a run that a later one is compared with', async () => {
    const saved = await bench(['dispatch', '--device', 'cpu', '--quick', '--json', '--save', 'run.jsonl']);
    expect([saved.code, readFileSync(join(folder, 'run.jsonl'), 'utf8')]).toEqual([0, saved.out]);
    const [header, ...rest] = objects(saved.out);
    expect(header).toMatchObject({
      type: 'bench',
      schema: 1,
      backend: 'cpu',
      adapter: 'CPU',
      rounds: 3,
      suites: ['dispatch'],
    });
    expect(rest.map(({ type }) => type)).toEqual([...Array(4).fill('figure'), 'skipped', 'end']);
    for (const object of rest) expect(object['type'] === 'end' || object['adapter']).toBeTruthy();
    const again = await bench(['dispatch', '--device', 'cpu', '--quick', '--compare', 'run.jsonl', '--markdown']);
    expect(again.code).toBe(0);
    expect(again.out).toMatch(/### ceilings, on CPU\n\n\| case/);
    expect(again.out).toMatch(/### Against run.jsonl[\s\S]* of 4 figures changed beyond the spread/);
  });

  it('runs what is on request only by name, and then measures no ceilings', async () => {
    const { code, out } = await bench(['plan', '--device', 'cpu', '--quick', '--json']);
    expect([code, objects(out).map(({ type }) => type)]).toEqual([0, ['bench', 'skipped', 'end']]);
    const all = await bench(['--device', 'cpu', '--quick', '--json'], (text, stop) => text.includes('\n') && stop());
    expect(objects(all.out)[0]!['suites']).toEqual(
      suites.filter(({ onRequest }) => !onRequest).map(({ name }) => name),
    );
  });

  it('prints and writes what it has at Ctrl-C', async () => {
    let stopped = false;
    const flags = ['matmul', '--device', 'cpu', '--rounds', '40', '--json', '--save', 'cut.jsonl'];
    const { code, out, err } = await bench(flags, (text, stop) => {
      if (!stopped && text.includes('"suite":"matmul"')) stop();
      stopped ||= text.includes('"suite":"matmul"');
    });
    expect(code).toBe(130);
    expect(err).toContain('Interrupted: the results so far are above.');
    const found = objects(out);
    expect(found.at(-1)).toMatchObject({ type: 'interrupted' });
    expect(found.some((o) => o['type'] === 'figure' && o['suite'] === 'matmul')).toBe(true);
    expect(readEarlier(readFileSync(join(folder, 'cut.jsonl'), 'utf8'), 'cut.jsonl').figures.length).toBeGreaterThan(2);
  });
});
