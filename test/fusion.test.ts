// What is fused is what its parts are: kernels side by side, chains of rows, work done a step ahead and the guard within other
// kernels, against the same programs with every op in a dispatch of its own.
import { describe, expect, it } from 'vitest';
import { Backend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/dataset.ts';
import { type Capabilities, costsOf } from '../src/graph/capabilities.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { grad, type Loss, losses, nn, optim, Trainer } from '../src/index.ts';
import {
  accuracy,
  greater,
  input,
  linear,
  matmul,
  max,
  mean,
  mul,
  relu,
  sigmoid,
  softmaxCrossEntropy,
  sum,
  where,
} from '../src/ops/index.ts';
import type { Optimizer } from '../src/optim/optimizer.ts';
import { SMALL_TILES, testExecutor } from './gpu.ts';

const GPU: Partial<Capabilities> = { ...costsOf(false), ...SMALL_TILES };

/** Adapters as kernels see them: a CPU that plays the GPU, a GPU, and one that binds as few buffers as WebGPU promises. */
const ADAPTERS: readonly (readonly [string, Partial<Capabilities>])[] = [
  ['a software adapter', costsOf(true)],
  ['a GPU', GPU],
  ['8 storage buffers', { ...GPU, maxStorageBuffersPerShaderStage: 8 }],
  ['8 storage buffers, software', { ...costsOf(true), maxStorageBuffersPerShaderStage: 8 }],
];

/** A training with every op in a dispatch of its own, by name. */
const unfused = new Map<string, Promise<Trained>>();

interface Trained {
  readonly losses: readonly number[];
  readonly weights: readonly ArrayLike<number>[];
  readonly dispatches: number | undefined;
}

function wave(n: number, pitch: number): Float32Array {
  return Float32Array.from({ length: n }, (_, i) => Math.sin(i * pitch) * 2);
}

function expectNear(got: ArrayLike<number>, wanted: ArrayLike<number>, what: string): void {
  for (let i = 0; i < wanted.length; i++) {
    const off = Math.abs(got[i]! - wanted[i]!) / (1 + Math.abs(wanted[i]!));
    expect(off, `${what} [${i}]: ${got[i]} and ${wanted[i]}`).toBeLessThan(2e-5);
  }
}

describe.each(ADAPTERS)('on %s', (_, capabilities) => {
  const programs = async (outputs: Record<string, Tensor>) => {
    const executor = await testExecutor(capabilities);
    return [await executor.compile({ outputs }), await executor.compile({ outputs }, { fuse: false })] as const;
  };
  const compare = async (outputs: Record<string, Tensor>, inputs: Record<string, Float32Array | Uint32Array>) => {
    const [fused, plain] = await programs(outputs);
    const [a, b] = [await fused.run(inputs), await plain.run(inputs)];
    for (const name of Object.keys(outputs)) expectNear(a[name]!.data, b[name]!.data, name);
    const counts = [fused.dispatches, plain.dispatches] as const;
    fused.dispose();
    plain.dispose();
    return counts;
  };

  it('kernels that do not wait for each other share a dispatch', async () => {
    const x = input('x', { shape: [67, 33], dtype: 'f32' });
    const w = input('w', { shape: [33, 41], dtype: 'f32' });
    const labels = input('labels', { shape: [67], dtype: 'u32' });
    const outputs = {
      total: sum(x),
      rows: mean(x, { axis: 1 }),
      columns: max(x, { axis: 0 }),
      product: relu(matmul(x, w)),
      turned: matmul(w, x, { transposeA: true, transposeB: true }),
      right: accuracy(x, labels),
    };
    const inputs = {
      x: wave(67 * 33, 1.3),
      w: wave(33 * 41, 0.7),
      labels: Uint32Array.from({ length: 67 }, (_, i) => i % 33),
    };
    const [fused, plain] = await compare(outputs, inputs);
    expect(fused).toBeLessThanOrEqual(4);
    expect(plain).toBeGreaterThanOrEqual(7);
  });

  it.each([1, 5, 64, 130])('a narrow head and the way back through it are one dispatch, with %i rows', async (B) => {
    const h = input('h', { shape: [B, 24], dtype: 'f32' });
    const w = input('w', { shape: [10, 24], dtype: 'f32' });
    const b = input('b', { shape: [10], dtype: 'f32' });
    const labels = input('labels', { shape: [B], dtype: 'u32' });
    const each = softmaxCrossEntropy(linear(sigmoid(h), w, b), labels, { residual: true });
    const [dh] = grad(sum(each), [h]);
    const inputs = {
      h: wave(B * 24, 0.9),
      w: wave(240, 0.31),
      b: wave(10, 2),
      labels: Uint32Array.from({ length: B }, (_, i) => (i * 7) % 10),
    };
    const [fused, plain] = await compare({ each, dh: dh! }, inputs);
    expect(plain).toBeGreaterThanOrEqual(5);
    expect(fused).toBeLessThanOrEqual(2); // sigmoid(h), which several read, and the chain.
  });

  it('what is read across rows starts a dispatch of its own', async () => {
    const x = input('x', { shape: [16, 12], dtype: 'f32' });
    const w = input('w', { shape: [16, 12], dtype: 'f32' });
    const y = linear(x, w, input('b', { shape: [16], dtype: 'f32' }));
    // Row r of the first is row r of y; every row of the second takes all of y.
    const outputs = {
      y,
      along: matmul(y, w),
      across: matmul(x, y, { transposeA: true }),
      turned: matmul(w, y, { transposeA: true }),
      self: matmul(y, y),
    };
    await compare(outputs, { x: wave(192, 0.4), w: wave(192, 1.9), b: wave(16, 1) });
  });

  it.each(['layers.0.weight', 'layers.0.bias', 'layers.2.weight', 'layers.2.bias'])(
    'the guard sees one bad value among the new ones of %s',
    async (path) => {
      const executor = await testExecutor(capabilities);
      const plain = optim.sgd({ lr: 0.1 });
      // Elements above 100 overflow; nothing else does.
      const optimizer: Optimizer = {
        ...plain,
        update: (p, g, slots, at) => ({
          p: where(greater(p, 100), mul(mul(p, 1e30), 1e30), plain.update(p, g, slots, at).p),
          slots: [],
        }),
      };
      const trainer = new Trainer(new Backend(executor, { name: 'test', software: true }), {
        model: wide(),
        loss: losses.softmaxCrossEntropy,
        optimizer,
      });
      const values = (await trainer.state.read(path)).slice();
      values[values.length - 1] = 101;
      trainer.state.write(path, values);
      const data = arrayDataset({ shape: [40, 20], data: wave(800, 0.77) }, new Uint8Array(40), { classes: 7 });
      await expect(trainer.fit(data, { maxSteps: 3, batchSize: 20 })).rejects.toThrow(
        `${path} after the update is not finite at step 1,`,
      );
      expect([...(await trainer.state.read(path))]).toEqual([...values]);
      trainer.dispose();
    },
  );

  const wide = () => new nn.Sequential(new nn.Linear(20, 37), new nn.ReLU(), new nn.Linear(37, 7));
  const large = () => new nn.Sequential(new nn.Linear(20, 99), new nn.Tanh(), new nn.Linear(99, 7));
  const narrow = () =>
    new nn.Sequential(new nn.Linear(20, 12), new nn.Sigmoid(), new nn.Linear(12, 7), new nn.Sigmoid());
  const dropping = () =>
    new nn.Sequential(new nn.Linear(20, 16), new nn.ReLU(), new nn.Dropout(0.3), new nn.Linear(16, 7));
  it.each<[string, () => { forward(x: Tensor): Tensor }, Loss, () => Optimizer]>([
    ['a wide layer, SGD', wide, losses.softmaxCrossEntropy, () => optim.sgd({ lr: 0.2 })],
    ['a wide layer, Adam', wide, losses.softmaxCrossEntropy, () => optim.adam({ lr: 0.01 })],
    ['narrow layers, squared errors', narrow, losses.sumSquaredError, () => optim.sgd({ lr: 0.5, momentum: 0.9 })],
    ['many weights, clipped', large, losses.softmaxCrossEntropy, () => optim.sgd({ lr: 0.2, clipNorm: 0.3 })],
    ['dropout, clipped', dropping, losses.softmaxCrossEntropy, () => optim.adamW({ lr: 0.01, clipNorm: 0.3 })],
  ])('trains as unfused ops do, short batches among them: %s', async (name, model, loss, optimizer) => {
    const y = Uint8Array.from({ length: 90 }, (_, i) => (i * 5) % 7);
    const data = arrayDataset({ shape: [90, 20], data: wave(1800, 0.77) }, y, { classes: 7 });
    const run = async (fuse: boolean): Promise<Trained> => {
      // What ops compute one by one is the same for all adapters: it is trained once. Parity holds the other kernels.
      const executor = await testExecutor(fuse ? capabilities : costsOf(true), { fuse });
      const trainer = new Trainer(new Backend(executor, { name: 'test', software: true }), {
        model: model(),
        loss,
        optimizer: optimizer(),
        seed: 3,
      });
      await trainer.fit(data, { maxSteps: 24, batchSize: 17 });
      const weights = await Promise.all(trainer.parameters().map(({ path }) => trainer.state.read(path)));
      const result = { losses: [...trainer.history.steps.loss], weights, dispatches: trainer.dispatchesPerStep };
      trainer.dispose();
      return result;
    };
    const trained = unfused.get(name) ?? run(false);
    unfused.set(name, trained);
    const [fused, plain] = [await run(true), await trained];
    expect(fused.losses.length).toBe(24);
    expectNear(fused.losses, plain.losses, 'loss');
    for (const [k, values] of plain.weights.entries()) expectNear(fused.weights[k]!, values, `parameter ${k}`);
    expect(fused.dispatches! * 2).toBeLessThan(plain.dispatches!);
  });
});
