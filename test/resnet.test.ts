// Residual networks: the parameters and shapes of He et al. and torchvision, and files of torchvision's weights, which load as they are.
import { beforeAll, describe, expect, it } from 'vitest';
import { sizeOf } from '../src/graph/shape.ts';
import {
  createCpuBackend,
  loadWeights,
  losses,
  nn,
  optim,
  readSafetensors,
  saveWeights,
  type TensorToStore,
  Trainer,
  writeSafetensors,
} from '../src/index.ts';

/** Names and shapes of torchvision's resnet18 ([2, 2, 2, 2]) or resnet34 ([3, 4, 6, 3]), in its order. */
function torchShapes(blocks: readonly number[], classes = 1000): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const norm = (name: string, C: number) => {
    for (const key of ['weight', 'bias', 'running_mean', 'running_var']) shapes.set(`${name}.${key}`, [C]);
    shapes.set(`${name}.num_batches_tracked`, []);
  };
  const conv = (name: string, O: number, C: number, K: number) => shapes.set(`${name}.weight`, [O, C, K, K]);
  conv('conv1', 64, 3, 7);
  norm('bn1', 64);
  for (const [k, count] of blocks.entries()) {
    const O = 64 * 2 ** k;
    for (let n = 0; n < count; n++) {
      const at = `layer${k + 1}.${n}`;
      const C = n === 0 && k > 0 ? O / 2 : O;
      conv(`${at}.conv1`, O, C, 3);
      norm(`${at}.bn1`, O);
      conv(`${at}.conv2`, O, O, 3);
      norm(`${at}.bn2`, O);
      if (C === O) continue;
      conv(`${at}.downsample.0`, O, C, 1);
      norm(`${at}.downsample.1`, O);
    }
  }
  shapes.set('fc.weight', [classes, 64 * 2 ** (blocks.length - 1)]);
  return shapes.set('fc.bias', [classes]);
}

/** A state with these shapes as safetensors, tensor k filled with k + position / size. */
function stateOf(shapes: ReadonlyMap<string, readonly number[]>): Uint8Array {
  const tensors = [...shapes].map(([name, shape], k): [string, TensorToStore] => {
    const size = sizeOf(shape);
    if (name.endsWith('num_batches_tracked')) return [name, { dtype: 'I64', shape, data: BigInt64Array.of(BigInt(k)) }];
    return [name, { shape, data: Float32Array.from({ length: size }, (_, i) => k + i / size) }];
  });
  return writeSafetensors(new Map(tensors));
}

const trainerOf = (model: nn.ResNet) =>
  new Trainer(createCpuBackend(), { model, loss: losses.softmaxCrossEntropy, optimizer: optim.sgd({ lr: 0.1 }) });

describe('parameters and shapes', () => {
  it.each([
    ['resnet18', nn.resnet18(), [2, 224, 224, 3], 11_689_512, [2, 1000]],
    ['resnet18 for CIFAR-100', nn.resnet18({ classes: 100, stem: 'cifar' }), [2, 32, 32, 3], 11_220_132, [2, 100]],
    ['resnet20', nn.resnet20(), [2, 32, 32, 3], 272_474, [2, 10]],
    ['resnet20 in grey', nn.resnet20({ channels: 1 }), [2, 28, 28, 1], 272_474 - 2 * 9 * 16, [2, 10]],
    ['resnet34', new nn.ResNet({ blocks: [3, 4, 6, 3] }), [2, 224, 224, 3], 21_797_672, [2, 1000]],
  ])('%s', (_, model, shape, parameters, outputShape) => {
    expect(nn.summary(model, shape)).toMatchObject({ parameters, outputShape });
  });

  it('halve the image from stage to stage', () => {
    const { rows } = nn.summary(nn.resnet18(), [1, 224, 224, 3]);
    const shapeOf = (path: string) => rows.find((row) => row.path === path)?.outputShape;
    expect(shapeOf('conv1')).toEqual([1, 112, 112, 64]);
    expect(shapeOf('layer1.1.bn2')).toEqual([1, 56, 56, 64]);
    expect(shapeOf('layer2.0.downsample.0')).toEqual([1, 28, 28, 128]);
    expect(shapeOf('layer4.1.bn2')).toEqual([1, 7, 7, 512]);
  });

  it('begin as torchvision begins: N(0, 2 / (out · kernel elements)), ones, zeros', () => {
    const { conv1, bn1 } = nn.resnet20();
    const values = conv1.weight.initial!(conv1.weight, 1, 'conv1.weight') as Float32Array;
    const variance = values.reduce((sum, v) => sum + v * v, 0) / values.length;
    expect(variance * 16 * 9).toBeGreaterThan(1.6);
    expect(variance * 16 * 9).toBeLessThan(2.4);
    expect(bn1.weight!.initial).toBe(nn.init.ones);
    expect(bn1.bias!.initial).toBe(nn.init.zeros);
  });
});

describe("torchvision's resnet18", () => {
  const shapes = torchShapes([2, 2, 2, 2]);
  let trainer: Trainer;
  beforeAll(() => {
    trainer = trainerOf(nn.resnet18());
  });

  it('loads as it is, all 122 tensors, and is saved as it was', async () => {
    const file = stateOf(shapes);
    expect(shapes.size).toBe(122);
    expect(await loadWeights(trainer, file)).toMatchObject({ missing: [], unexpected: [] });
    const [wanted, got] = [readSafetensors(file).tensors, readSafetensors(await saveWeights(trainer)).tensors];
    expect([...got.keys()].sort()).toEqual([...shapes.keys()].sort());
    for (const [name, { dtype, shape, data }] of got) {
      const was = wanted.get(name)!;
      expect({ dtype, shape }, name).toEqual({ dtype: was.dtype, shape: was.shape });
      expect(
        data.every((v, i) => v === was.data[i]),
        name,
      ).toBe(true); // toEqual takes minutes for so many
    }
  });

  it('refuses the state of resnet34 with names and counts', async () => {
    await expect(loadWeights(trainer, stateOf(torchShapes([3, 4, 6, 3])), 'resnet34.st')).rejects.toThrow(
      [
        'resnet34.st: the tensors do not match the model (122 of its 122 fit):',
        '  "layer1.2.bn1.num_batches_tracked" is not part of the model',
        '  "layer1.2.bn2.num_batches_tracked" is not part of the model',
        '  "layer2.2.bn1.num_batches_tracked" is not part of the model',
        '  "layer2.2.bn2.num_batches_tracked" is not part of the model',
        '  "layer2.3.bn1.num_batches_tracked" is not part of the model',
        '  "layer2.3.bn2.num_batches_tracked" is not part of the model',
        '  and 90 more are not part of the model',
        'Use the file with the preset or model it was saved from, or loadWeights(trainer, bytes, { strict: false }).',
      ].join('\n'),
    );
  });

  it('refuses one with other classes', async () => {
    await expect(loadWeights(trainer, stateOf(torchShapes([2, 2, 2, 2], 10)), 'ten.st')).rejects.toThrow(
      'ten.st: the tensors do not match the model (120 of its 122 fit):\n  "fc.weight" has shape [10, 512], but the model expects [1000, 512]',
    );
  });

  it('names what a smaller state lacks as files do', async () => {
    const without = new Map([...shapes].filter(([name]) => !name.startsWith('bn1.')));
    await expect(loadWeights(trainer, stateOf(without), 'w.st')).rejects.toThrow(
      '(117 of its 122 fit):\n  "bn1.weight" is missing (F32 [64])\n  "bn1.bias" is missing (F32 [64])\n  "bn1.running_mean" is missing (F32 [64])',
    );
  });
});

it.each([
  [
    () => new nn.ResNet({ blocks: [] }),
    'ResNet: blocks is an array. Give the blocks of each stage, such as [2, 2, 2, 2].',
  ],
  [() => new nn.ResNet({} as never), 'ResNet: blocks is missing. Give the blocks of each stage, such as [2, 2, 2, 2].'],
  [() => nn.resnet18({ stem: 'small' as never }), "resnet18: stem is \"small\". Use 'imagenet' or 'cifar'."],
  [
    () => nn.summary(nn.resnet20(), [1, 3, 32, 32]),
    'Conv2d conv1: expected [N, H, W, C] with 3 channels, got x [1, 3, 32, 32]. Channels come last: x.transpose([0, 2, 3, 1]).',
  ],
])('refuses %s', (make, message) => {
  expect(make).toThrow(message);
});
