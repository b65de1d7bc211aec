// Normalization layers against their formulas in plain loops of doubles; their running statistics, by PyTorch's rules; what they refuse.
import { describe, expect, it } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { costsOf } from '../src/graph/capabilities.ts';
import { OptionError, ShapeError } from '../src/graph/errors.ts';
import { normals } from '../src/graph/random.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import type { Tensor, Variable } from '../src/graph/tensor.ts';
import * as nn from '../src/nn/index.ts';
import { input, sum } from '../src/ops/index.ts';
import { testExecutor } from './gpu.ts';

const exact = createCpuBackend({ precision: 'float64' });
const values = (shape: Shape, name = 'x') => Float64Array.from(normals(sizeOf(shape), 3, name, 1, 2));
const leaf = (shape: Shape) => input('x', { shape, dtype: 'f32' });

interface Layer {
  forward(x: Tensor): Tensor;
  readonly weight?: Variable | undefined;
  readonly bias?: Variable | undefined;
}

/** A layer with memory of its own, and a weight and bias that are not at their first values. */
function placed(layer: Layer) {
  const storage = exact.allocate({ layer, some: nn.parameter([1], nn.init.zeros) });
  for (const [name, variable] of [
    ['weight', layer.weight],
    ['bias', layer.bias],
  ] as const)
    if (variable) storage.write(variable, values(variable.shape, name));
  const run = async (shape: Shape, data: Float64Array, training: boolean) => {
    const step = ({ x }: { x: Tensor }) => layer.forward(x);
    const program = await exact.compile(step, { x: { shape, dtype: 'f32' } }, { storages: [storage], training });
    const { y } = await program.run({ x: data });
    program.dispose();
    return [...y!.data];
  };
  const read = async (...variables: (Variable | undefined)[]) =>
    (await storage.read(variables.map((v) => v!))).map((array) => [...array]);
  return {
    run,
    read,
    weight: layer.weight && values(layer.weight.shape, 'weight'),
    bias: layer.bias && values(layer.bias.shape, 'bias'),
  };
}

/** y of elements whose group and channel are functions of their index. */
function byHand(
  x: ArrayLike<number>,
  eps: number,
  groupOf: (i: number) => number,
  channelOf: (i: number) => number,
  { weight, bias }: { readonly weight?: Float64Array | undefined; readonly bias?: Float64Array | undefined },
  centred = true,
): number[] {
  const members = new Map<number, number[]>();
  for (let i = 0; i < x.length; i++) members.set(groupOf(i), [...(members.get(groupOf(i)) ?? []), x[i]!]);
  const moments = new Map([...members].map(([group, list]) => [group, momentsOf(list, centred)]));
  return Array.from(x, (v, i) => {
    const { mean, variance } = moments.get(groupOf(i))!;
    return ((v - mean) / Math.sqrt(variance + eps)) * (weight?.[channelOf(i)] ?? 1) + (bias?.[channelOf(i)] ?? 0);
  });
}

function momentsOf(list: readonly number[], centred = true): { mean: number; variance: number } {
  const mean = centred ? list.reduce((a, b) => a + b, 0) / list.length : 0;
  return { mean, variance: list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length };
}

function expectNear(got: readonly number[], wanted: readonly number[], digits = 12): void {
  expect(got).toHaveLength(wanted.length);
  for (const [i, value] of wanted.entries()) expect(got[i], `[${i}]`).toBeCloseTo(value, digits);
}

describe('against their formulas', () => {
  const cases: readonly (readonly [string, Layer, Shape, (i: number) => number, (i: number) => number])[] = [
    ['BatchNorm1d of features', new nn.BatchNorm1d(3, { eps: 0.1 }), [5, 3], (i) => i % 3, (i) => i % 3],
    ['BatchNorm1d of sequences', new nn.BatchNorm1d(3), [2, 5, 3], (i) => i % 3, (i) => i % 3],
    [
      'BatchNorm2d without statistics',
      new nn.BatchNorm2d(2, { trackRunningStats: false }),
      [3, 2, 5, 2],
      (i) => i % 2,
      (i) => i % 2,
    ],
    ['InstanceNorm1d', new nn.InstanceNorm1d(3), [2, 5, 3], (i) => Math.floor(i / 15) * 3 + (i % 3), (i) => i % 3],
    [
      'InstanceNorm2d, affine',
      new nn.InstanceNorm2d(2, { affine: true }),
      [3, 2, 5, 2],
      (i) => Math.floor(i / 20) * 2 + (i % 2),
      (i) => i % 2,
    ],
    [
      'GroupNorm',
      new nn.GroupNorm(2, 6, { eps: 1e-3 }),
      [2, 3, 2, 6],
      (i) => Math.floor(i / 36) * 2 + Math.floor((i % 6) / 3),
      (i) => i % 6,
    ],
    [
      'GroupNorm of one group, of features',
      new nn.GroupNorm(1, 6, { affine: false }),
      [3, 6],
      (i) => Math.floor(i / 6),
      (i) => i % 6,
    ],
    ['LayerNorm', new nn.LayerNorm(6), [3, 2, 6], (i) => Math.floor(i / 6), (i) => i % 6],
    [
      'LayerNorm of two axes, without bias',
      new nn.LayerNorm([2, 6], { bias: false }),
      [3, 2, 6],
      (i) => Math.floor(i / 12),
      (i) => i % 12,
    ],
    [
      'LayerNorm without weight',
      new nn.LayerNorm([6], { elementwiseAffine: false, eps: 0.5 }),
      [3, 6],
      (i) => Math.floor(i / 6),
      (i) => i % 6,
    ],
    ['RMSNorm', new nn.RMSNorm(6, { eps: 1e-3 }), [3, 2, 6], (i) => Math.floor(i / 6), (i) => i % 6],
    [
      'RMSNorm of two axes, without weight',
      new nn.RMSNorm([2, 6], { elementwiseAffine: false }),
      [3, 2, 6],
      (i) => Math.floor(i / 12),
      (i) => i % 12,
    ],
  ];
  it.each(cases)('%s', async (name, layer, shape, groupOf, channelOf) => {
    const { run, weight, bias } = placed(layer);
    const x = values(shape);
    const { eps } = layer as unknown as { readonly eps: number };
    const wanted = byHand(x, eps, groupOf, channelOf, { weight, bias }, !name.startsWith('RMS'));
    expectNear(await run(shape, x, true), wanted);
  });

  it('have no bias where they have none', () => {
    expect(new nn.LayerNorm(4, { bias: false }).bias).toBeUndefined();
    expect(new nn.LayerNorm(4, { elementwiseAffine: false }).bias).toBeUndefined();
    expect(Object.keys(new nn.RMSNorm(4))).not.toContain('bias');
    const plain = new nn.InstanceNorm2d(4);
    expect([plain.weight, plain.bias, plain.runningMean, plain.numBatchesTracked]).toEqual(Array(4).fill(undefined));
  });
});

describe('running statistics', () => {
  const shape = [2, 3, 2, 2];
  const [first, second] = [values(shape, 'first'), values(shape, 'second')];
  const ofChannel = (x: Float64Array, c: number, from = 0, to = x.length) =>
    momentsOf([...x.subarray(from, to)].filter((_, i) => i % 2 === c));
  /** The variance that divides by count - 1. */
  const unbiased = (variance: number, count = 12) => (variance * count) / (count - 1);

  it('move by momentum, the variance unbiased', async () => {
    const norm = new nn.BatchNorm2d(2, { momentum: 0.3 });
    const { run, read } = placed(norm);
    expect(await read(norm.runningMean, norm.runningVar, norm.numBatchesTracked)).toEqual([[0, 0], [1, 1], [0]]);
    await run(shape, first, true);
    await run(shape, second, true);
    const [mean, variance, count] = await read(norm.runningMean, norm.runningVar, norm.numBatchesTracked);
    for (const c of [0, 1]) {
      const [a, b] = [ofChannel(first, c), ofChannel(second, c)];
      expect(mean![c]).toBeCloseTo(0.7 * (0.3 * a.mean) + 0.3 * b.mean, 12);
      expect(variance![c]).toBeCloseTo(0.7 * (0.7 + 0.3 * unbiased(a.variance)) + 0.3 * unbiased(b.variance), 12);
    }
    expect(count).toEqual([2]);
  });

  it('are PyTorch 1.13 numbers', async () => {
    // bn = torch.nn.BatchNorm1d(2); bn(torch.tensor([[1., 2.], [3., 8.], [8., -1.]])); bn.running_mean, bn.running_var
    const norm = new nn.BatchNorm1d(2);
    const { run, read } = placed(norm);
    await run([3, 2], Float64Array.of(1, 2, 3, 8, 8, -1), true);
    const [mean, variance] = await read(norm.runningMean, norm.runningVar);
    expectNear(mean!, [0.4, 0.3]);
    expectNear(variance!, [2.2, 3]);
  });

  it('are the mean of all batches with momentum null', async () => {
    const norm = new nn.BatchNorm2d(2, { momentum: null });
    const { run, read } = placed(norm);
    await run(shape, first, true);
    await run(shape, second, true);
    const [mean, variance] = await read(norm.runningMean, norm.runningVar);
    for (const c of [0, 1]) {
      const [a, b] = [ofChannel(first, c), ofChannel(second, c)];
      expect(mean![c]).toBeCloseTo((a.mean + b.mean) / 2, 12);
      expect(variance![c]).toBeCloseTo((unbiased(a.variance) + unbiased(b.variance)) / 2, 12);
    }
  });

  it("of an instance norm are those of the examples' means", async () => {
    const norm = new nn.InstanceNorm2d(2, { trackRunningStats: true });
    const { run, read } = placed(norm);
    await run(shape, first, true);
    const [mean, variance] = await read(norm.runningMean, norm.runningVar);
    for (const c of [0, 1]) {
      const [a, b] = [ofChannel(first, c, 0, 12), ofChannel(first, c, 12)];
      expect(mean![c]).toBeCloseTo((0.1 * (a.mean + b.mean)) / 2, 12);
      expect(variance![c]).toBeCloseTo(0.9 + (0.1 * (unbiased(a.variance, 6) + unbiased(b.variance, 6))) / 2, 12);
    }
  });

  it('are what is used outside training, and do not move there', async () => {
    const norm = new nn.BatchNorm2d(2);
    const { run, read, weight, bias } = placed(norm);
    await run(shape, first, true);
    const before = await read(norm.runningMean, norm.runningVar, norm.numBatchesTracked);
    const [mean, variance] = before;
    const got = await run(shape, second, false);
    const wanted = Array.from(second, (v, i) => {
      const c = i % 2;
      return ((v - mean![c]!) / Math.sqrt(variance![c]! + 1e-5)) * weight![c]! + bias![c]!;
    });
    expectNear(got, wanted);
    expect(await read(norm.runningMean, norm.runningVar, norm.numBatchesTracked)).toEqual(before);
  });

  it('move twice where the layer is used twice in a step', async () => {
    const norm = new nn.BatchNorm1d(2, { momentum: 0.5 });
    const { run, read } = placed({ forward: (x) => norm.forward(norm.forward(x).mul(3)), ...{ norm } } as Layer);
    await run([12, 2], first, true);
    const [mean, variance, count] = await read(norm.runningMean, norm.runningVar, norm.numBatchesTracked);
    for (const c of [0, 1]) {
      const a = ofChannel(first, c);
      const again = (9 * a.variance) / (a.variance + 1e-5);
      expect(mean![c]).toBeCloseTo(0.5 * 0.5 * a.mean, 12);
      expect(variance![c]).toBeCloseTo(0.5 * (0.5 + 0.5 * unbiased(a.variance)) + 0.5 * unbiased(again), 12);
    }
    expect(count).toEqual([2]);
  });
});

describe('a mean far from 0', () => {
  it.each([
    ['the CPU in floats', async () => createCpuBackend()],
    [
      'a software adapter',
      async () => new Backend(await testExecutor(costsOf(true)), { name: 'test', software: true }),
    ],
    ['a GPU', async () => new Backend(await testExecutor(costsOf(false)), { name: 'test', software: true })],
  ] as const)('costs no digits of the variance on %s', async (_, open) => {
    const backend = await open();
    const norm = new nn.BatchNorm1d(3, { momentum: 1 });
    const storage = backend.allocate({ norm });
    // Deviations of 1e-2 from 1e4, whose neighbours in f32 are 1e-3 apart: the data as it is rounded counts.
    const x = Float32Array.from({ length: 5000 * 3 }, (_, i) => 1e4 + 1.4e-2 * Math.sin(i * 1.7));
    const program = await backend.compile(
      ({ x }) => norm.forward(x),
      { x: { shape: [5000, 3], dtype: 'f32' } },
      { storages: [storage], training: true },
    );
    const { y } = await program.run({ x });
    const [mean, variance] = await storage.read([norm.runningMean!, norm.runningVar!]);
    for (const c of [0, 1, 2]) {
      const column = [...x].filter((_, i) => i % 3 === c);
      const wanted = momentsOf(column);
      expect(variance![c]! / ((wanted.variance * 5000) / 4999)).toBeCloseTo(1, 5);
      expect(Math.abs(mean![c]! - wanted.mean)).toBeLessThan(5e-4); // half a unit in the last place
      // y is as exact as the mean can be.
      const off = column.map((v, n) => y!.data[n * 3 + c]! - (v - wanted.mean) / Math.sqrt(wanted.variance + 1e-5));
      expect(Math.max(...off.map(Math.abs))).toBeLessThan(5e-4 / Math.sqrt(wanted.variance + 1e-5) + 1e-3);
    }
  });
});

describe('refused', () => {
  it.each([
    [
      () => new nn.BatchNorm1d(3).forward(leaf([4, 5])),
      'BatchNorm1d: expected x [N, C] or [N, L, C] with 3 channels in the last axis, got [4, 5]. Reshape x, or create the layer as new nn.BatchNorm1d(5).',
    ],
    [
      () => new nn.BatchNorm2d(3).forward(leaf([4, 5, 3])),
      'BatchNorm2d: expected x [N, H, W, C] with 3 channels in the last axis, got [4, 5, 3]. ',
    ],
    [
      () => new nn.InstanceNorm1d(3).forward(leaf([4, 3])),
      'InstanceNorm1d: expected x [N, L, C] with 3 channels in the last axis, got [4, 3]. ',
    ],
    [
      () => new nn.InstanceNorm2d(3).forward(leaf([2, 1, 1, 3])),
      'InstanceNorm2d: x [2, 1, 1, 3] has one value for each channel, which has no variance. Normalize before the sizes shrink to 1, or use LayerNorm.',
    ],
    [
      () => new nn.BatchNorm1d(3, { trackRunningStats: false }).forward(leaf([1, 3])),
      'BatchNorm1d: x [1, 3] has one value for each channel, which has no variance. Use batches of more than one example: a larger batchSize, or dropLast: true if only the last batch is short.',
    ],
    [
      () => new nn.GroupNorm(3, 3).forward(leaf([2, 3])),
      'GroupNorm: x [2, 3] has one value in each of 3 groups, which has no variance. Use fewer groups.',
    ],
    [
      () => new nn.GroupNorm(1, 3).forward(leaf([2, 4])),
      'GroupNorm: expected x [N, ..., C] with 3 channels in the last axis, got [2, 4]. ',
    ],
    [() => new nn.GroupNorm(4, 6), 'GroupNorm: 6 channels do not make 4 groups of equal size. Give a divisor of 6.'],
    [() => new nn.BatchNorm2d(0), 'BatchNorm2d: numFeatures is 0. '],
    [() => new nn.LayerNorm([]), 'LayerNorm: normalizedShape is []. Give at least one size.'],
    [() => new nn.RMSNorm(8).forward(leaf([2, 9])), 'RMSNorm: expected the last axes to be [8], got x [2, 9]. '],
    [
      () => new nn.RMSNorm(8).forward(input('x', { shape: [8], dtype: 'u32' })),
      "RMSNorm: x is u32. It must be f32: cast(x, 'f32').",
    ],
    [() => new nn.Dropout2d().forward(leaf([2, 9])), 'Dropout2d: x is [2, 9]. Give images [N, H, W, C]'],
  ] as const)('%#', (make, message) => {
    expect(make).toThrow(ShapeError);
    expect(make).toThrow(message);
  });

  it('an extra argument', () => {
    const forward = (...args: unknown[]) => new nn.BatchNorm1d(3).forward(...(args as [Tensor]));
    expect(() => forward(leaf([4, 3]), 1)).toThrow(OptionError);
    expect(() => forward()).toThrow('BatchNorm1d: x is undefined, not a tensor.');
  });

  it('a momentum that is no share', () => {
    expect(() => new nn.BatchNorm1d(3, { momentum: 1.5 })).toThrow(OptionError);
    expect(() => new nn.BatchNorm1d(3, { momentum: 1.5 })).toThrow(
      'BatchNorm1d: momentum is 1.5. Give a number from 0 to 1, or null for the mean over all batches.',
    );
  });
});

it('gradients of a batch norm whose gradient is differentiated again agree with differences', async () => {
  const norm = new nn.BatchNorm1d(2, { trackRunningStats: false });
  const { weight, bias } = norm;
  const shape = [6, 2];
  const x = values(shape);
  const storage = exact.allocate({ norm });
  storage.write(weight!, Float64Array.of(1.5, -0.5));
  const penalty = (x: Tensor) => {
    const [dx] = grad(sum(norm.forward(x).sigmoid()), [x]);
    return sum(dx!.square());
  };
  const program = await exact.compile(
    ({ x }) => {
      const value = penalty(x);
      const [dx, dw, db] = grad(value, [x, weight!, bias!]);
      return { value, dx: dx!, dw: dw!, db: db! };
    },
    { x: { shape, dtype: 'f32' } },
    { storages: [storage], training: true },
  );
  const at = async (data: Float64Array) => program.run({ x: data });
  const { dx } = await at(x);
  for (const i of [0, 3, 7]) {
    const moved = (by: number) => Float64Array.from(x, (v, k) => v + (k === i ? by : 0));
    const [up, down] = [await at(moved(1e-5)), await at(moved(-1e-5))];
    expect(dx!.data[i]).toBeCloseTo((up['value']!.data[0]! - down['value']!.data[0]!) / 2e-5, 7);
  }
});
