// Training on the GPU: the same losses as on the CPU, the same bits twice, nothing made in the steady loop, weights that
// survive divergence, and presets whose gradients are proved on this device. Runs in Node and in a browser.
import { beforeAll, describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { arrayDataset, type DataPair } from '../src/data/dataset.ts';
import { digits } from '../src/data/digits.ts';
import { gradcheck } from '../src/explain/gradcheck.ts';
import { DivergenceError } from '../src/graph/errors.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import { Dropout } from '../src/nn/dropout.ts';
import { Linear } from '../src/nn/linear.ts';
import { relu } from '../src/ops/activations.ts';
import { adam } from '../src/optim/adam.ts';
import { sgd } from '../src/optim/sgd.ts';
import type { Examples } from '../src/train/batch.ts';
import { densePresets } from '../src/train/dense-presets.ts';
import { saveCheckpoint } from '../src/train/files.ts';
import type { Preset } from '../src/train/preset.ts';
import * as presets from '../src/train/presets.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';
import { openTestDevice, testExecutor } from './gpu.ts';
import { IN_BROWSER } from './gpu-node.ts';

const EXAMPLES = 8000;
let data: DataPair;
let gpu: Backend;

beforeAll(async () => {
  data = await digits({ train: EXAMPLES, test: 500 });
  gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
});

function trainerOf(backend: Backend, preset: Preset, options: Partial<TrainerOptions> = {}): Trainer {
  const { model, loss, optimizer } = preset;
  return new Trainer(backend, { model: model(), loss, optimizer: optimizer(), seed: 5, ...options });
}

/** The losses of the first steps of a run. */
async function lossesOf(trainer: Trainer, maxSteps: number, batchSize: number): Promise<readonly number[]> {
  const { steps } = await trainer.fit(data.train, { maxSteps, batchSize });
  return steps.loss;
}

function expectSameCurve(got: readonly number[], wanted: readonly number[], steps: number): void {
  expect(got).toHaveLength(steps);
  expect(wanted).toHaveLength(steps);
  const worst = Math.max(...got.map((loss, k) => Math.abs(loss - wanted[k]!) / wanted[k]!));
  expect(worst).toBeLessThan(1e-3);
}

describe.each(Object.values(densePresets))('$name', (preset) => {
  it('has the losses of the CPU for 100 steps, an epoch end among them', async () => {
    const batch = preset.defaults.batchSize;
    const [onGpu, onCpu] = [trainerOf(gpu, preset), trainerOf(createCpuBackend(), preset)];
    expectSameCurve(await lossesOf(onGpu, 100, batch), await lossesOf(onCpu, 100, batch), 100);
    onGpu.dispose();
  });

  it('has gradients that finite differences and the GPU confirm', async () => {
    const trainer = trainerOf(gpu, preset);
    const report = await gradcheck(trainer, data.test);
    expect(report.rows.length).toBe(trainer.parameters().length);
    for (const row of report.rows)
      expect(row, row.path).toSatisfy(() => row.backendError <= 1e-4 && row.finiteError <= 1e-6);
    expect(report.pass).toBe(true);
    trainer.dispose();
  });
});

/** A network whose dropout masks must be the CPU's. */
class Dropping {
  hidden = new Linear(784, 40);
  drop = new Dropout(0.5);
  out = new Linear(40, 10);
  forward(x: Tensor): Tensor {
    return this.out.forward(this.drop.forward(relu(this.hidden.forward(x))));
  }
}

it('drops what the CPU drops', async () => {
  const options = { model: new Dropping(), loss: softmaxCrossEntropy, optimizer: adam(), seed: 9 };
  const [onGpu, onCpu] = [new Trainer(gpu, options), new Trainer(createCpuBackend(), options)];
  expectSameCurve(await lossesOf(onGpu, 30, 32), await lossesOf(onCpu, 30, 32), 30);
  onGpu.dispose();
});

it('clips, splits arenas and fits eight storage buffers with the same losses', async () => {
  const small = new Backend(await testExecutor({ maxStorageBuffersPerShaderStage: 8 }), gpu.adapter);
  const options = { optimizer: adam({ lr: 1e-3, clipNorm: 0.5 }), maxArenaBytes: 51_000 };
  const [onGpu, onCpu] = [
    trainerOf(small, presets.classic, options),
    trainerOf(createCpuBackend(), presets.classic, { optimizer: options.optimizer }),
  ];
  expect(onGpu.state.arenas.length).toBeGreaterThan(1);
  expectSameCurve(await lossesOf(onGpu, 30, 32), await lossesOf(onCpu, 30, 32), 30);
  onGpu.dispose();
});

it('splits data that one binding cannot hold', async () => {
  const maxStorageBufferBindingSize = 784 * 3000;
  const small = new Backend(await testExecutor({ maxStorageBufferBindingSize }), gpu.adapter);
  const [split, whole] = [trainerOf(small, presets.classic), trainerOf(gpu, presets.classic)];
  expect(await lossesOf(split, 40, 32)).toEqual(await lossesOf(whole, 40, 32));
  expect((await split.evaluate(data.test)).loss).toBe((await whole.evaluate(data.test)).loss);
  split.dispose();
  whole.dispose();
});

it('has the same bits after 200 steps, twice', async () => {
  const [a, b] = [trainerOf(gpu, presets.classic), trainerOf(gpu, presets.classic)];
  for (const trainer of [a, b]) await trainer.fit(data.train, { maxSteps: 200, batchSize: 32 });
  expect(await saveCheckpoint(a)).toEqual(await saveCheckpoint(b));
  a.dispose();
  b.dispose();
});

/** Counts the calls of a method of the device, from outside the engine. */
function counted(
  device: GPUDevice,
  method: 'createBuffer' | 'createBindGroup' | 'createComputePipelineAsync' | 'createComputePipeline',
) {
  let calls = 0;
  const original = device[method].bind(device) as (...args: unknown[]) => unknown;
  const value = (...args: unknown[]) => {
    calls++;
    return original(...args);
  };
  Object.defineProperty(device, method, { configurable: true, value });
  return { calls: () => calls, restore: () => Reflect.deleteProperty(device, method) };
}

it('makes nothing in a steady loop of 1,000 steps, and hands them over in few submits', async () => {
  const trainer = trainerOf(gpu, presets.classic);
  await trainer.fit(data.train, { maxSteps: 300, batchSize: 32, dropLast: true });
  const { counters, runtime } = gpu.executor as Awaited<ReturnType<typeof testExecutor>>;
  const methods = ['createBuffer', 'createBindGroup', 'createComputePipelineAsync', 'createComputePipeline'] as const;
  const counts = methods.map((method) => counted(runtime.device, method));
  const [bytes, submits, started] = [counters.bytes, counters.submits, performance.now()];
  await trainer.fit(data.train, { maxSteps: 1000, batchSize: 32, dropLast: true });
  const elapsed = performance.now() - started;
  expect(counts.map((c) => c.calls())).toEqual([0, 0, 0, 0]);
  expect(counters.bytes).toBe(bytes);
  expect(counters.submits - submits).toBeLessThanOrEqual(10 + elapsed / 150);
  for (const count of counts) count.restore();
  trainer.dispose();
});

// SwiftShader offers 12 storage buffers a stage, of which Chromium grants 10, its only case; WebGPU promises 8.
const BUFFERS = [
  [12, 4, 4, 4, 6, 6],
  [10, 4, 4, 4, 6, 6],
  [8, 4, 4, 4, 7, 9],
] as const;
describe.each(BUFFERS.filter(([buffers]) => !IN_BROWSER || buffers === 10))(
  'with %d storage buffers a stage',
  (buffers, mlpSgd, mlpAdam, classic, clippedSgd, clippedAdam) => {
    it.for([
      ['mlp with SGD', presets.mlp, sgd({ lr: 0.1 }), mlpSgd],
      ['mlp with Adam', presets.mlp, adam(), mlpAdam],
      ['classic', presets.classic, sgd({ lr: 1 }), classic],
      // Clipping by the norm adds a sum, and the check waits for it.
      ['mlp with SGD, clipped', presets.mlp, sgd({ lr: 0.1, clipNorm: 1 }), clippedSgd],
      ['mlp with Adam, clipped', presets.mlp, adam({ clipNorm: 1 }), clippedAdam],
    ] as const)('takes few dispatches a step: %s', async ([, preset, optimizer, most], context) => {
      const { device } = await openTestDevice();
      if (device.limits.maxStorageBuffersPerShaderStage < buffers) context.skip('this device has fewer');
      const backend = new Backend(await testExecutor({ maxStorageBuffersPerShaderStage: buffers }), gpu.adapter);
      const trainer = trainerOf(backend, preset, { optimizer });
      await trainer.warmUp(data.train, { maxSteps: 10, batchSize: preset.defaults.batchSize });
      expect(trainer.dispatchesPerStep).toBeLessThanOrEqual(most);
      trainer.dispose();
    });
  },
);

describe('divergence', () => {
  it.each([1e3, 1e37])('at rate %f is explained and leaves the weights of the step before', async (lr) => {
    const trainer = trainerOf(gpu, presets.mlp, { optimizer: sgd({ lr }) });
    const stopped = trainer.fit(data.train, { maxSteps: 200, batchSize: 64 });
    await expect(stopped).rejects.toBeInstanceOf(DivergenceError);
    await expect(stopped).rejects.toThrow(/Lower the learning rate/);
    for (const { path } of trainer.parameters()) {
      expect(
        (await trainer.state.read(path)).every((v) => Number.isFinite(v)),
        path,
      ).toBe(true);
    }
    trainer.dispose();
  });
});

it('evaluates, predicts and inspects as the CPU does', async () => {
  const [onGpu, onCpu] = [trainerOf(gpu, presets.classic), trainerOf(createCpuBackend(), presets.classic)];
  const [a, b] = [
    await onGpu.evaluate(data.test, { confusion: true }),
    await onCpu.evaluate(data.test, { confusion: true }),
  ];
  expect(a.accuracy).toBe(b.accuracy);
  expect(a.loss).toBeCloseTo(b.loss, 5);
  expect(a.confusion).toEqual(b.confusion);
  const { x } = data.test.slice(0, 3);
  const [p, q] = [await onGpu.predict(x), await onCpu.predict(x)];
  for (const [i, value] of q.data.entries()) expect(p.data[i]).toBeCloseTo(value, 5);
  onGpu.dispose();
});

it('gives back every byte', async () => {
  const { counters } = gpu.executor;
  const before = counters.bytes;
  const trainer = trainerOf(gpu, presets.classic);
  await trainer.fit(data.train, { maxSteps: 20, batchSize: 32, validation: data.test });
  trainer.dispose();
  await new Promise((resolve) => setTimeout(resolve));
  // Staging buffers are the engine's, kept for the next one who reads.
  expect(counters.bytes - before).toBeLessThanOrEqual(64 * 1024);
});

it.each(['cpu', 'gpu'])('learns from what a refilled array holds now, as a set or as its parts (%s)', async (kind) => {
  const backend = kind === 'cpu' ? createCpuBackend() : gpu;
  const make = () =>
    new Trainer(backend, { model: new Linear(1, 1), loss: meanSquaredError, optimizer: sgd({ lr: 0.5 }), seed: 1 });
  const [x, y] = [{ shape: [4, 1], data: Float32Array.of(-1, 1, -1, 1) }, new Float32Array(4)];
  const parts = { size: 4, x, y: { shape: [4, 1], data: y } };
  const trainer = make();
  const learnt = async (data: Examples, by = trainer) => {
    await by.fit(data, { epochs: 30, batchSize: 4 });
    expect((await by.evaluate(data)).loss).toBeLessThan(1e-9);
    return Math.round((await by.predict({ shape: [1, 1], data: Float32Array.of(1) })).data[0]!);
  };
  y.fill(5);
  const set = arrayDataset(x, y, { targets: 'values' });
  expect([await learnt(set), await learnt(parts)]).toEqual([5, 5]);
  y.fill(-5);
  expect((await trainer.evaluate(parts)).loss).toBeCloseTo(100, 3);
  expect([await learnt(parts), await learnt(set)]).toEqual([-5, 5]);
  expect(await learnt(arrayDataset(x, y, { targets: 'values' }), make())).toBe(-5);
});
