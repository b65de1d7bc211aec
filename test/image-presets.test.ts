// The presets that see: their sizes, their recipes, and their first steps on the CPU and on the GPU.
import { beforeAll, describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { digits } from '../src/data/digits.ts';
import {
  type DataSet,
  datasets,
  gradcheck,
  networkOf,
  nn,
  optim,
  presets,
  saveWeights,
  Trainer,
} from '../src/index.ts';
import type { Preset } from '../src/train/preset.ts';
import { testExecutor } from './gpu.ts';

const { cnn, resnet20 } = presets;

function trainerOf(backend: Backend, { model, loss, optimizer, inputShape }: Preset): Trainer {
  return new Trainer(backend, { model: model(), loss, optimizer: optimizer(), seed: 5, inputShape });
}

async function lossesOf(trainer: Trainer, data: DataSet, maxSteps: number, batchSize: number): Promise<number[]> {
  const { steps } = await trainer.fit(data, { maxSteps, batchSize });
  return [...steps.loss];
}

describe('cnn', () => {
  let data: DataSet;
  beforeAll(async () => {
    data = (await digits({ train: 256, test: 1, images: true })).train;
  });

  it('has 215,194 parameters in the layers it says', () => {
    const { rows, parameters, flops, outputShape } = trainerOf(createCpuBackend(), cnn).summary();
    expect(parameters).toBe(215_194);
    expect(outputShape).toEqual([1, 10]);
    expect(
      rows.map(({ path, outputShape, count, flops }) => [path, outputShape?.slice(1).join(' '), count, flops]),
    ).toEqual([
      ['conv1', '24 24 24', 624, 2 * 24 * 24 * 24 * 25],
      ['conv2', '10 10 32', 6_944, 2 * 10 * 10 * 32 * 9 * 24],
      ['hidden', '256', 205_056, 2 * 800 * 256 + 256],
      ['out', '10', 2_570, 2 * 256 * 10 + 10],
    ]);
    // Two poolings of windows of 4, and three ReLUs.
    const between = 4 * (12 * 12 * 24 + 5 * 5 * 32) + 12 * 12 * 24 + 5 * 5 * 32 + 256;
    expect(flops).toBe(rows.reduce((sum, row) => sum + row.flops, 0) + between);
  });

  it('is trained by Adam with betas 0.7 and 0.9 and one cycle to 0.01, for an epoch', () => {
    const optimizer = cnn.optimizer();
    expect(optimizer).toMatchObject({ name: 'adam', options: { beta1: 0.7, beta2: 0.9 } });
    expect(optim.rateDescription(optimizer.lr)).toMatchObject({ name: 'oneCycle', peak: 0.01 });
    expect(cnn.optimizer(0.1).lr).toBe(0.1);
    expect(cnn.defaults).toEqual({ epochs: 1, batchSize: 256, lr: 0.01 });
  });

  it('takes the same first steps as ever on the CPU, and on the GPU', async () => {
    const batch = 32;
    const onCpu = await lossesOf(trainerOf(createCpuBackend(), cnn), data, 4, batch);
    const gpu = new Backend(await testExecutor(), { name: 'test', software: true });
    const onGpu = await lossesOf(trainerOf(gpu, cnn), data, 4, batch);
    const pinned = [2.2926242, 2.317564, 2.5483272, 2.1396308];
    for (const [k, loss] of pinned.entries()) {
      expect(onCpu[k]! / loss - 1).toBeCloseTo(0, 4);
      expect(onGpu[k]! / onCpu[k]! - 1).toBeCloseTo(0, 3);
    }
  });

  it('has gradients that finite differences confirm', async () => {
    const report = await gradcheck(trainerOf(createCpuBackend(), cnn), data, { rows: 2, entries: 2 });
    expect(report.pass).toBe(true);
    expect(report.rows).toHaveLength(8);
  });

  it('has no description of dense layers in its files', async () => {
    expect(networkOf(await saveWeights(trainerOf(createCpuBackend(), cnn)))).toBeUndefined();
  });
});

describe('resnet20', () => {
  it('is ResNet-20 with the recipe that suits it', () => {
    const trainer = trainerOf(createCpuBackend(), resnet20);
    expect(trainer.summary()).toMatchObject({ parameters: 272_474, outputShape: [1, 10] });
    // 41.2 million multiply-adds, and what norms, sums and ReLUs add.
    expect(trainer.summary().flops).toBeGreaterThan(82e6);
    expect(trainer.summary().flops).toBeLessThan(85e6);
    const optimizer = resnet20.optimizer();
    expect(optimizer).toMatchObject({ name: 'sgd', options: { momentum: 0.9, nesterov: true, weightDecay: 5e-4 } });
    expect(optim.rateDescription(optimizer.lr)).toMatchObject({ name: 'oneCycle', peak: 0.2 });
    expect(resnet20.defaults).toEqual({ epochs: 10, batchSize: 128, lr: 0.2 });
  });

  it('takes the same first steps as ever on augmented pictures', async () => {
    const x = {
      shape: [16, 32, 32, 3],
      data: Uint8Array.from({ length: 16 * 3072 }, (_, i) => (i * i * 7 + (i >> 5)) % 256),
    };
    const y = Uint8Array.from({ length: 16 }, (_, i) => i % 10);
    const data = datasets.array(x, y, { classes: 10 }).augment(resnet20.augmentation);
    const losses = await lossesOf(trainerOf(createCpuBackend(), resnet20), data, 2, 8);
    for (const [k, loss] of [2.7519658, 7.0770693].entries()) expect(losses[k]! / loss - 1).toBeCloseTo(0, 4);
  });
});

it('summary counts the operations of layers used twice, and restores their forward', () => {
  class Twice {
    layer = new nn.Linear(4, 4);
    forward = (x: Parameters<nn.Layer['forward']>[0]) => this.layer.forward(this.layer.forward(x).relu());
  }
  const model = new Twice();
  const before = Object.getOwnPropertyDescriptor(model, 'forward');
  const { rows, flops } = nn.summary(model, [3, 4]);
  expect(rows.map((row) => [row.path, row.flops])).toEqual([['layer', 2 * (2 * 16 + 4)]]);
  expect(flops).toBe(2 * (2 * 16 + 4) + 4);
  expect(Object.getOwnPropertyDescriptor(model, 'forward')).toEqual(before);
  expect(Object.hasOwn(model.layer, 'forward')).toBe(false);
});
