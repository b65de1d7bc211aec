// The suite `plan`: its transformer learns, its clock tells Dawn's time from the host's, and its figures say all that a reader needs.
import { expect, it } from 'vitest';
import { type Bench, ranOn } from '../bench/cases.ts';
import { DawnTime } from '../bench/dawn-time.ts';
import type { Finding } from '../bench/findings.ts';
import { planGroup, planSuite, randomText } from '../bench/plan.ts';
import { runSuite } from '../bench/run.ts';
import { Transformer } from '../bench/transformer.ts';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { GpuExecutor } from '../src/compile/executor.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import { dawnProvider } from '../src/node/dawn.ts';
import { adam } from '../src/optim/adam.ts';
import { Trainer } from '../src/train/trainer.ts';

const TINY = { layers: 1, vocabulary: 5, length: 6, width: 8, heads: 2 };
const cpu = createCpuBackend();

function benchOn(backend: Backend): Bench {
  const how = { rounds: 2, roundMs: 1, quick: true, all: false, seed: 1, signal: new AbortController().signal };
  return { backend, cpu, reference: cpu, ceilings: {}, ...how };
}

async function collect(bench: Bench, groups = planSuite.groups): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of runSuite({ ...planSuite, groups }, bench)) findings.push(finding);
  return findings;
}

it('trains its transformer', async () => {
  const model = new Transformer(TINY);
  const trainer = new Trainer(cpu, { model, loss: softmaxCrossEntropy, optimizer: adam({ lr: 0.01 }) });
  const losses: number[] = [];
  const options = { batchSize: 8, maxSteps: 60, events: 'step' } as const; // one batch of eight texts
  for await (const event of trainer.fit(randomText(TINY, 8, 1), options))
    if (event.type === 'step') losses.push(event.loss);
  expect(losses[0]).toBeLessThan(2 * Math.log(TINY.vocabulary));
  expect(losses.at(-1)).toBeLessThan(0.6 * losses[0]!);
  trainer.dispose();
});

it('keeps later tokens from earlier predictions', async () => {
  const model = new Transformer(TINY);
  const trainer = new Trainer(cpu, { model, loss: softmaxCrossEntropy, optimizer: adam({ lr: 0.01 }) });
  const logits = async (...tokens: number[]) =>
    (await trainer.predict({ shape: [1, 6], data: Uint32Array.from(tokens) })).data;
  const [a, b] = [await logits(0, 1, 2, 3, 4, 0), await logits(0, 1, 2, 3, 1, 0)];
  expect(a.slice(0, 20)).toEqual(b.slice(0, 20));
  expect(a.slice(20)).not.toEqual(b.slice(20));
  trainer.dispose();
});

it("tells Dawn's time from the host's", async () => {
  const spin = (ms: number) => {
    const since = performance.now();
    while (performance.now() - since < ms);
  };
  const device = {
    queue: {},
    createBuffer: () => spin(20),
    createComputePipelineAsync: () => new Promise((resolve) => setTimeout(resolve, 100)),
  } as unknown as GPUDevice;
  const dawn = new DawnTime(device, 'salt');
  const descriptor = {} as never;
  dawn.device.createBuffer(descriptor);
  expect(dawn.ms).toBeGreaterThanOrEqual(20);
  // The host works beside the promise: no time of Dawn's.
  const before = dawn.ms;
  const settled = dawn.device.createComputePipelineAsync(descriptor);
  spin(300);
  await settled;
  expect(dawn.ms - before).toBeLessThan(100);
  // The host waits, for two at once.
  const since = dawn.ms;
  await Promise.all([1, 2].map(() => dawn.device.createComputePipelineAsync(descriptor)));
  expect(dawn.ms - since).toBeGreaterThan(60);
});

it('has nothing to plan on the CPU', async () => {
  expect(await collect(benchOn(cpu))).toMatchObject([
    { type: 'skipped', reason: 'the CPU backend has nothing to plan' },
  ]);
});

it('gives the time to plan with the dispatches, and the time in Dawn', async () => {
  const { opened } = await dawnProvider().open({ name: 'null' });
  const executor = new GpuExecutor(opened!);
  const backend = new Backend(executor, { name: 'Null backend', software: true });
  const bench = benchOn(backend);
  const facts = { name: 'tiny', model: () => new Transformer(TINY), data: randomText(TINY, 8, 1), batchSize: 8 };
  const figure = { type: 'figure', suite: 'plan', ...ranOn(backend), unit: 'ms', rounds: 2, ofCeiling: null };
  expect(await collect(bench, () => [planGroup(bench, facts)])).toMatchObject([
    { ...figure, name: 'tiny: trace and plan', median: expect.any(Number), dispatches: expect.any(Number) },
    { ...figure, name: 'tiny: in Dawn', median: expect.any(Number) },
  ]);
  await executor.runtime.settle();
  executor.dispose();
});
