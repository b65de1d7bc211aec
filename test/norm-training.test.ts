// Batch norm in training: what a trainer, a frozen layer, a checkpoint and a file of weights do with running statistics; the guard; and
// what it costs in dispatches.
import { describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { arrayDataset, type DataSet } from '../src/data/dataset.ts';
import { explainStep } from '../src/explain/explain-step.ts';
import { gradcheck } from '../src/explain/gradcheck.ts';
import { costsOf } from '../src/graph/capabilities.ts';
import { DivergenceError, OptionError, ShapeError } from '../src/graph/errors.ts';
import { constant, type Tensor } from '../src/graph/tensor.ts';
import { traceWith } from '../src/graph/trace.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import * as nn from '../src/nn/index.ts';
import { add, relu } from '../src/ops/index.ts';
import * as optim from '../src/optim/index.ts';
import { loadCheckpoint, loadWeights, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { readSafetensors, type TensorToStore, writeSafetensors } from '../src/train/safetensors.ts';
import type { TrainerOptions } from '../src/train/trainer.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, netTrainer, weightsOf } from './blobs.ts';
import { SMALL_TILES, testExecutor } from './gpu.ts';

const DATA = blobs(203);
const RUN = { maxSteps: 9, batchSize: 32 };

/** A batch norm between two layers, with a residual sum. */
class Normed {
  readonly hidden = new nn.Linear(4, 8);
  readonly norm: nn.BatchNorm1d;
  readonly out = new nn.Linear(8, 3);
  constructor(options: nn.BatchNormOptions = {}) {
    this.norm = new nn.BatchNorm1d(8, options);
  }
  forward(x: Tensor): Tensor {
    const h = this.hidden.forward(x);
    return this.out.forward(relu(add(this.norm.forward(h), h)));
  }
}

const trainerOf = (options: Partial<TrainerOptions> & { readonly model?: Normed } = {}) =>
  netTrainer({ model: new Normed(), optimizer: optim.adam(0.02), ...options });

const STATISTICS = ['norm.runningMean', 'norm.runningVar', 'norm.numBatchesTracked'] as const;
const statisticsOf = async (trainer: Trainer) =>
  Promise.all(STATISTICS.map(async (path) => [...(await trainer.state.read(path))]));

describe('a trainer', () => {
  it('moves running statistics at each step, counts them as no parameters, and evaluates with them', async () => {
    const trainer = trainerOf({ inputShape: [4] });
    const { parameters, trainable, rows } = trainer.summary();
    expect([parameters, trainable]).toEqual([40 + 16 + 27, 40 + 16 + 27]);
    expect(rows.find(({ path }) => path === 'norm')).toMatchObject({ layer: 'BatchNorm1d', count: 16 });
    expect(await statisticsOf(trainer)).toEqual([Array(8).fill(0), Array(8).fill(1), [0]]);
    await trainer.fit(DATA, { ...RUN, epochs: 5, maxSteps: 35 });
    const moved = await statisticsOf(trainer);
    expect(moved[2]).toEqual([35]);
    expect(moved[0]!.every((mean) => mean !== 0)).toBe(true);
    const { accuracy } = await trainer.evaluate(DATA);
    expect(accuracy).toBeGreaterThan(0.9);
    // One example at a time, or all together: evaluation has no batch statistics.
    const alone = await trainer.evaluate(DATA, { batchSize: 1 });
    expect(alone.loss).toBeCloseTo((await trainer.evaluate(DATA, { batchSize: 203 })).loss, 5);
    expect(await statisticsOf(trainer)).toEqual(moved);
  });

  it('has the same bits twice, and after a resume', async () => {
    const [whole, again, half] = [trainerOf(), trainerOf(), trainerOf()];
    await whole.fit(DATA, RUN);
    await again.fit(DATA, RUN);
    expect(await weightsOf(again)).toEqual(await weightsOf(whole));
    for await (const _ of half.fit(DATA, { ...RUN, events: 'step' })) if (half.history.steps.step.length === 4) break;
    const resumed = trainerOf();
    await loadCheckpoint(resumed, await saveCheckpoint(half));
    expect(await statisticsOf(resumed)).toEqual(await statisticsOf(half));
    await resumed.fit(DATA, { ...RUN, resume: true });
    expect(await weightsOf(resumed)).toEqual(await weightsOf(whole));
  });

  it('says what to do about a last batch of one', async () => {
    const one = blobs(33);
    const failing = trainerOf().fit(one, { epochs: 1, batchSize: 32 });
    await expect(failing).rejects.toThrow(ShapeError);
    await expect(trainerOf().fit(one, { epochs: 1, batchSize: 32 })).rejects.toThrow(
      'BatchNorm1d norm: x [1, 8] has one value for each channel, which has no variance. Use batches of more than one example: a larger batchSize, or dropLast: true if only the last batch is short.',
    );
    await trainerOf().fit(one, { epochs: 1, batchSize: 32, dropLast: true });
  });

  it('leaves running statistics as they were at a step that is not finite', async () => {
    const trainer = trainerOf({ optimizer: optim.sgd(0.1) });
    await trainer.fit(DATA, RUN);
    const before = await statisticsOf(trainer);
    // Finite data whose squares are not.
    const x = Float32Array.from({ length: 203 * 4 }, (_, i) => (i % 7 === 0 ? 3e38 : 1));
    const bad = arrayDataset({ shape: [203, 4], data: x }, new Uint8Array(203), { name: 'bad', classes: 3 });
    await expect(trainer.fit(bad, { maxSteps: 1, batchSize: 203 })).rejects.toThrow(DivergenceError);
    expect(await statisticsOf(trainer)).toEqual(before);
  });

  it('proves its gradients', async () => {
    expect((await gradcheck(trainerOf(), DATA, { rows: 16 })).pass).toBe(true);
  });
});

describe('frozen', () => {
  it.each([
    ['by nn.freeze', {}, (model: Normed) => nn.freeze(model.norm)],
    ['without parameters, by nn.freeze', { affine: false }, (model: Normed) => nn.freeze(model.norm)],
  ] as const)('%s, a layer uses running statistics and leaves them', async (_, options, freeze) => {
    const model = new Normed(options);
    freeze(model);
    const trainer = trainerOf({ model });
    const before = await statisticsOf(trainer);
    await trainer.fit(DATA, RUN);
    expect(await statisticsOf(trainer)).toEqual(before);
    // With means of 0 and variances of 1 it is the identity, so it trains as without it.
    const plain = trainerOf({ model: Object.assign(new Normed(options), { norm: new Same() }) });
    await plain.fit(DATA, RUN);
    const [losses, wanted] = [trainer, plain].map(({ history }) => [...history.steps.loss!]);
    for (const [k, loss] of losses!.entries()) expect(loss).toBeCloseTo(wanted![k]!, 3);
  });

  it('by trainer.freeze and until trainer.unfreeze', async () => {
    const trainer = trainerOf();
    await trainer.fit(DATA, RUN);
    trainer.freeze('norm');
    const before = await statisticsOf(trainer);
    await trainer.fit(DATA, RUN);
    expect(await statisticsOf(trainer)).toEqual(before);
    trainer.unfreeze('norm.bias');
    await trainer.fit(DATA, RUN);
    expect((await statisticsOf(trainer))[2]).toEqual([before[2]![0]! + 9]);
  });

  it('in part, a layer is not frozen', async () => {
    const model = new Normed();
    nn.freeze(model.norm.weight!);
    const trainer = trainerOf({ model });
    await trainer.fit(DATA, RUN);
    expect((await statisticsOf(trainer))[2]).toEqual([9]);
  });

  it('without parameters, a layer is frozen and unfrozen before a trainer holds it', async () => {
    const model = new Normed({ affine: false });
    nn.freeze(model.norm);
    nn.unfreeze(model.norm);
    const trainer = trainerOf({ model });
    expect(() => nn.freeze(model.norm)).toThrow(OptionError);
    expect(() => nn.freeze(model.norm)).toThrow(
      'BatchNorm1d norm: it cannot be frozen while a trainer holds it. Do it before new Trainer.',
    );
    await trainer.fit(DATA, RUN);
    expect((await statisticsOf(trainer))[2]).toEqual([9]);
  });
});

class Same {
  readonly runningMean = new nn.BatchNorm1d(8).runningMean;
  forward(x: Tensor): Tensor {
    return x;
  }
}

describe('a file of weights', () => {
  const NAMES = ['bias', 'num_batches_tracked', 'running_mean', 'running_var', 'weight'];

  it("has PyTorch's names, and the counter as I64", async () => {
    const trainer = trainerOf();
    await trainer.fit(DATA, RUN);
    const { tensors } = readSafetensors(await saveWeights(trainer));
    expect([...tensors.keys()].filter((name) => name.startsWith('norm.')).sort()).toEqual(
      NAMES.map((n) => `norm.${n}`),
    );
    expect(tensors.get('norm.num_batches_tracked')).toEqual({ dtype: 'I64', shape: [], data: BigInt64Array.of(9n) });
    const other = trainerOf({ seed: 2 });
    const { renamed } = await loadWeights(other, await saveWeights(trainer));
    expect(renamed['norm.running_var']).toBe('norm.runningVar');
    expect(await weightsOf(other)).toEqual(await weightsOf(trainer));
  });

  it('of PyTorch is loaded into a Sequential, under a prefix or none, and in part', async () => {
    const make = (seed: number) =>
      netTrainer({ model: new nn.Sequential(new nn.Linear(4, 8), new nn.BatchNorm1d(8), new nn.Linear(8, 3)), seed });
    const trainer = make(1);
    await trainer.fit(DATA, RUN);
    const { tensors } = readSafetensors(await saveWeights(trainer));
    const renamed = (rename: (name: string) => string) =>
      writeSafetensors(new Map([...tensors].map(([name, tensor]): [string, TensorToStore] => [rename(name), tensor])));
    for (const prefix of ['', 'module.']) {
      const other = make(2);
      await loadWeights(
        other,
        renamed((name) => prefix + name.slice('layers.'.length)),
      );
      expect(await weightsOf(other)).toEqual(await weightsOf(trainer));
    }
    const part = renamed((name) => (name.endsWith('running_mean') ? name : `other.${name}`));
    const other = make(3);
    await loadWeights(other, part, { strict: false });
    expect(await other.state.read('layers.1.runningMean')).toEqual(await trainer.state.read('layers.1.runningMean'));
    await expect(loadWeights(make(3), part)).rejects.toThrow('"layers.1.running_var" is missing');
  });

  it('of a model with a Sequential in it is loaded under a prefix', async () => {
    const make = (seed: number) => {
      const net = new nn.Sequential(new nn.Linear(4, 8), new nn.BatchNorm1d(8));
      const head = new nn.Linear(8, 3);
      return netTrainer({ model: { net, head, forward: (x: Tensor) => head.forward(net.forward(x)) }, seed });
    };
    const [trainer, other] = [make(1), make(2)];
    const { tensors } = readSafetensors(await saveWeights(trainer));
    const wrapped = [...tensors].map(([name, tensor]): [string, TensorToStore] => [`module.${name}`, tensor]);
    await loadWeights(other, writeSafetensors(new Map(wrapped)));
    expect(await weightsOf(other)).toEqual(await weightsOf(trainer));
  });

  it('a checkpoint is one too', async () => {
    const [trainer, other] = [trainerOf(), trainerOf({ seed: 2 })];
    await trainer.fit(DATA, RUN);
    await loadWeights(other, await saveCheckpoint(trainer));
    expect(await weightsOf(other)).toEqual(await weightsOf(trainer));
  });
});

describe('Dropout2d', () => {
  const mask = (layer: nn.Layer, at: number) => {
    const [step, seed] = [[at], [7, 0]].map((list) => constant(list, { dtype: 'u32' })) as [Tensor, Tensor];
    const x = constant(new Float32Array(4 * 3 * 2 * 16).fill(1), [4, 3, 2, 16]);
    return traceWith({ model: { layer }, training: true, step, seed }, () => layer.forward(x));
  };

  it('drops channels of examples, by step, and scales the others', async () => {
    const layer = new nn.Dropout2d(0.25);
    const backend = createCpuBackend();
    const [y, later] = (await backend.value([mask(layer, 1), mask(layer, 2)], { as: 'typed' })) as [
      Float32Array,
      Float32Array,
    ];
    const kept = new Set<number>();
    for (let n = 0; n < 4; n++)
      for (let c = 0; c < 16; c++) {
        const channel = Array.from({ length: 6 }, (_, place) => y[(n * 6 + place) * 16 + c]!);
        expect(new Set(channel).size).toBe(1);
        expect([0, Math.fround(1 / 0.75)]).toContain(channel[0]);
        if (channel[0] !== 0) kept.add(n * 16 + c);
      }
    expect(kept.size).toBeGreaterThan(36);
    expect(kept.size).toBeLessThan(60);
    expect([...later]).not.toEqual([...y]);
    const x = constant([1, 2], [1, 1, 1, 2]);
    expect(layer.forward(x)).toBe(x);
  });
});

/** Adapters as kernels see them. */
const ADAPTERS = [
  ['a software adapter', costsOf(true), true],
  ['a GPU', { ...costsOf(false), ...SMALL_TILES }, false],
] as const;

describe.each(ADAPTERS)('on %s', (_, capabilities, persistent) => {
  it(`trains as on the CPU, persistent: ${persistent}`, async () => {
    const executor = await testExecutor(capabilities, { persistent });
    const whole = blobs(192); // no short batch, which would be a second program
    const [gpu, cpu] = [new Backend(executor, { name: 'test', software: true }), createCpuBackend()].map(
      (backend) =>
        new Trainer(backend, { model: new Normed(), loss: softmaxCrossEntropy, optimizer: optim.sgd(0.1), seed: 1 }),
    ) as [Trainer, Trainer];
    for (const trainer of [gpu, cpu]) await trainer.fit(whole, { ...RUN, maxSteps: 12 });
    for (const [k, loss] of gpu.history.steps.loss!.entries()) expect(loss).toBeCloseTo(cpu.history.steps.loss![k]!, 4);
    const [got, wanted] = [await statisticsOf(gpu), await statisticsOf(cpu)];
    for (const [k, list] of wanted.entries()) for (const [i, v] of list.entries()) expect(got[k]![i]).toBeCloseTo(v, 3);
    if (persistent) expect(gpu.dispatchesPerStep).toBe(1);
    gpu.dispose();
  });
});

describe('dispatches', () => {
  const rows = (size: number): DataSet =>
    arrayDataset({ shape: [size, 4], data: new Float32Array(size * 4) }, new Uint8Array(size), {
      name: 'rows',
      classes: 3,
    });
  /** The kernels of each dispatch of a training step. */
  const dispatchesOf = (model: { forward(x: Tensor): Tensor }, as: 'software' | 'gpu', size: number) =>
    explainStep({
      ...{ model, loss: softmaxCrossEntropy, optimizer: optim.sgd(0.1), data: rows(size), batchSize: size },
      ...{ as, persistent: false },
    }).dispatches.map(({ kernels }) => kernels.map(({ name }) => name));

  it.each(['software', 'gpu'] as const)('normalization, residual and activation are one, the sums one: %s', (as) => {
    const dispatches = dispatchesOf(new Normed(), as, 64);
    expect(dispatches.slice(0, 6)).toEqual([
      ['linear'],
      ['moments'],
      ['relu'], // of normalize, add and relu
      ['linear > softmaxCrossEntropy+mul > matmul'],
      ['sumAndDot'], // of what relu lets through
      ['add'], // of normalizeGrad and the residual's gradient
    ]);
    // All weight gradients, with new statistics and the guard's tests of them; then the update.
    expect(dispatches.slice(6).map((names) => new Set(names))).toEqual([
      new Set(['linearGrad', 'mean', 'accuracy', 'copy']),
      new Set(['assign']),
      new Set(),
    ]);
  });

  it.each(['software', 'gpu'] as const)('many rows take their sums in parts, and no more: %s', (as) => {
    const kernels = dispatchesOf(new Normed(), as, 65_536).flat();
    expect(kernels.filter((name) => /moments|sumAndDot/.test(name))).toEqual([
      'moments parts',
      'moments whole',
      expect.stringMatching(/^sumAndDot.* parts$/),
      expect.stringMatching(/^sumAndDot.* whole$/),
    ]);
  });
});
