// Convolutions beyond the proofs of their samples: sizes as PyTorch's, messages, layers and their files, second derivatives.
import { describe, expect, it } from 'vitest';
import * as thalweg from '../src/index.ts';
import { constant, grad, losses, nn, optim, type Tensor, Trainer } from '../src/index.ts';
import * as ops from '../src/ops/index.ts';
import { loadWeights, readSafetensors, saveCheckpoint, saveWeights } from '../src/train/index.ts';

const backend = thalweg.createCpuBackend({ precision: 'float64' });
const zeros = (...shape: readonly number[]) =>
  constant(new Float32Array(shape.reduce((a, b) => a * b, 1)), { shape: [...shape] });
const counting = (...shape: readonly number[]) =>
  constant(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => ((i * 7) % 11) - 5),
    { shape: [...shape] },
  );
const numbersOf = async (x: Tensor) => [...(await backend.run(() => ({ x })))['x']!.data];

describe('sizes', () => {
  const cases: [string, Tensor, readonly number[]][] = [
    ['a number', ops.conv(zeros(2, 7, 5, 3), zeros(4, 3, 3, 3), { padding: 1, stride: 2 }), [2, 4, 3, 4]],
    ['pairs', ops.conv(zeros(2, 7, 5, 3), zeros(4, 3, 1, 3), { padding: [2, 0], dilation: [2, 1] }), [2, 7, 5, 4]],
    ['four sides', ops.conv(zeros(1, 3, 3, 1), zeros(1, 2, 2, 1), { padding: [1, 0, 0, 2] }), [1, 3, 4, 1]],
    ['same, an even kernel', ops.conv(zeros(1, 5, 6, 1), zeros(2, 4, 2, 1), { padding: 'same' }), [1, 5, 6, 2]],
    ['valid', ops.conv(zeros(1, 5, 5, 1), zeros(2, 5, 5, 1), { padding: 'valid' }), [1, 1, 1, 2]],
    ['a sequence', ops.conv(zeros(2, 9, 4), zeros(6, 3, 2), { groups: 2, stride: 2 }), [2, 4, 6]],
    ['transposed', ops.convTranspose(zeros(1, 4, 4, 2), zeros(2, 3, 3, 5), { stride: 2, padding: 1 }), [1, 7, 7, 5]],
    [
      'transposed, with outputPadding',
      ops.convTranspose(zeros(1, 4, 4, 2), zeros(2, 3, 3, 5), { stride: 2, padding: 1, outputPadding: 1 }),
      [1, 8, 8, 5],
    ],
    ['transposed, a sequence', ops.convTranspose(zeros(1, 4, 4), zeros(4, 2, 3), { groups: 2 }), [1, 5, 6]],
  ];
  it.each(cases)('%s', (_, y, shape) => expect(y.shape).toEqual(shape));

  it("'same' puts the odd zero at the end", async () => {
    const y = ops.conv(constant([[[1], [2], [3]]]), constant([[[1], [10]]]), { padding: 'same' });
    expect(await numbersOf(y)).toEqual([21, 32, 3]);
  });
});

describe('padding modes', () => {
  it.each([
    ['reflect', [21, 12, 23, 34, 43]],
    ['replicate', [11, 12, 23, 34, 44]],
    ['circular', [41, 12, 23, 34, 41]],
  ] as const)('%s: a window of 2 over 1 2 3 4', async (paddingMode, wanted) => {
    const initial = { initialWeight: () => Float32Array.of(10, 1), initialBias: nn.init.zeros };
    const model = new nn.Conv1d(1, 1, 2, { padding: 1, paddingMode, ...initial });
    const trainer = new Trainer(backend, { model, loss: losses.meanSquaredError, optimizer: optim.sgd(0.1) });
    const y = await trainer.predict({ shape: [1, 4, 1], data: Float32Array.of(1, 2, 3, 4) });
    expect([...y.data]).toEqual(wanted);
  });
});

describe('messages', () => {
  const x = zeros(2, 5, 4, 3);
  const w = zeros(6, 3, 3, 3);
  const cases: [string, () => unknown, string][] = [
    [
      'a kernel larger than the padded image',
      () => ops.conv(x, zeros(6, 3, 7, 3), { padding: [0, 1] }),
      'conv: the kernel of 3 x 7 is larger than the padded image, 5 x 6. Use a smaller kernel or more padding.',
    ],
    [
      'dilation that leaves nothing',
      () => ops.conv(x, w, { dilation: 3 }),
      'conv: the kernel of 7 x 7 with dilation 3 x 3 is larger than the padded image, 5 x 4. Use a smaller kernel or more padding.',
    ],
    [
      'other channels',
      () => ops.conv(x, zeros(6, 3, 3, 4)),
      "conv: x [2, 5, 4, 3] has 3 channels, but w [6, 3, 3, 4] takes 4. The last axis of w must be x's channels / groups.",
    ],
    [
      'groups that do not divide',
      () => ops.conv(x, zeros(6, 3, 3, 1), { groups: 2 }),
      'conv: 3 input channels of x [2, 5, 4, 3] cannot be divided into 2 groups. Use groups that divide the input and the output channels.',
    ],
    [
      'same with a stride',
      () => ops.conv(x, w, { padding: 'same', stride: 2 }),
      "conv: padding 'same' with stride 2 x 2 would not keep the size. Give the padding as a number, such as 1.",
    ],
    [
      'another rank',
      () => ops.conv(zeros(2, 60), w),
      'conv: x is [2, 60] and w is [6, 3, 3, 3]. Give images [N, H, W, C] with filters [O, KH, KW, C / groups], or sequences [N, L, C] with [O, K, C / groups].',
    ],
    [
      'a bias of another size',
      () => ops.conv(x, w, { bias: zeros(3) }),
      'conv: the bias [3] must be [6], one for each output channel.',
    ],
    [
      'outputPadding beyond the stride',
      () => ops.convTranspose(x, zeros(3, 2, 2, 4), { outputPadding: 1 }),
      'convTranspose: outputPadding 1 is not below the stride 1 or the dilation 1. Use a smaller one: it only chooses among the sizes that the stride leaves open.',
    ],
    [
      'channels first',
      () => new nn.Conv2d(3, 4, 3).forward(zeros(2, 3, 32, 32)),
      'Conv2d: expected [N, H, W, C] with 3 channels, got x [2, 3, 32, 32]. Channels come last: x.transpose([0, 2, 3, 1]).',
    ],
    [
      'rows of pixels',
      () => new nn.Conv2d(1, 4, 3).forward(zeros(2, 784)),
      'Conv2d: expected [N, H, W, C] with 1 channel, got x [2, 784]. Reshape it: x.reshape([2, 28, 28, 1]); of datasets.mnist() and datasets.digits(), { images: true } gives images.',
    ],
    [
      'images without channels',
      () => new nn.Conv2d(1, 4, 3).forward(zeros(2, 28, 28)),
      'Conv2d: expected [N, H, W, C] with 1 channel, got x [2, 28, 28]. Add the axis of channels: x.reshape([2, 28, 28, 1]).',
    ],
    [
      'groups of a layer',
      () => new nn.Conv2d(3, 4, 3, { groups: 2 }),
      'Conv2d: inChannels 3 cannot be divided into 2 groups. Use groups that divide both.',
    ],
    [
      'no kernel',
      () => new nn.Conv2d(3, 4, 0),
      'Conv2d: kernelSize is 0. Give a whole number from 1, or a pair of them for height and width: [3, 5].',
    ],
  ];
  it.each(cases)('%s', (_, run, message) => expect(run).toThrow(expect.objectContaining({ message })));
});

it('has second derivatives: of a sum of squares of gradients, by finite differences', async () => {
  const at = (t: number) => {
    const x = ops.add(counting(1, 4, 4, 2), t);
    const w = counting(4, 3, 2, 1);
    const y = ops.square(ops.conv(x, w, { groups: 2, padding: 1, stride: [1, 2] }));
    const [dx, dw] = grad(ops.sum(y), [x, w]) as [Tensor, Tensor];
    const loss = ops.add(ops.sum(ops.square(dx)), ops.sum(ops.square(dw)));
    return { loss, slope: ops.sum(grad(loss, [x])[0]!) };
  };
  const [[up], [down], [slope]] = await Promise.all([
    numbersOf(at(1e-4).loss),
    numbersOf(at(-1e-4).loss),
    numbersOf(at(0).slope),
  ]);
  const wanted = (up! - down!) / 2e-4;
  expect(Math.abs(slope! - wanted) / Math.abs(wanted)).toBeLessThan(1e-6);
});

describe('files', () => {
  class Model {
    conv = new nn.Conv2d(2, 3, [2, 1]);
    up = new nn.ConvTranspose2d(3, 4, 2, { bias: false });
    forward(x: Tensor) {
      return this.up.forward(this.conv.forward(x)).flatten();
    }
  }
  const trainerOf = (seed: number) =>
    new Trainer(thalweg.createCpuBackend(), {
      model: new Model(),
      loss: losses.meanSquaredError,
      optimizer: optim.adam(0.01),
      seed,
    });

  it("have PyTorch's order of axes, and load to the same values", async () => {
    const trainer = trainerOf(1);
    const bytes = await saveWeights(trainer);
    const { tensors } = readSafetensors(bytes, 'file');
    expect(tensors.get('conv.weight')!.shape).toEqual([3, 2, 2, 1]);
    expect(tensors.get('up.weight')!.shape).toEqual([3, 4, 2, 2]);
    const own = (await trainer.snapshotWeights()).get('conv.weight')!;
    const inFile = tensors.get('conv.weight')!.data;
    const [O, KH, C] = [2, 1, 1];
    // (O, KH, KW, C) in memory is (O, C, KH, KW) in the file.
    expect(inFile[O * 4 + C * 2 + KH]).toBe(own[O * 4 + KH * 2 + C]);
    const other = trainerOf(2);
    await loadWeights(other, bytes);
    expect(await other.snapshotWeights()).toEqual(await trainer.snapshotWeights());
  });

  it('of checkpoints too, which continue bit for bit', async () => {
    const x = { shape: [8, 3, 3, 2], data: Float32Array.from({ length: 144 }, (_, i) => Math.sin(i)) };
    const data = thalweg.datasets.array(x, { shape: [8, 48], data: new Float32Array(384) });
    const [a, b] = [trainerOf(1), trainerOf(1)];
    await a.fit(data, { maxSteps: 3, batchSize: 4 });
    await thalweg.loadCheckpoint(b, await saveCheckpoint(a));
    const next = { maxSteps: 6, batchSize: 4, resume: true };
    await a.fit(data, next);
    await b.fit(data, next);
    expect(await b.snapshotWeights()).toEqual(await a.snapshotWeights());
  });
});
