// Sequences of class indices, some of them ignored, through training, evaluation and what looks into a network, on the CPU and the GPU;
// and an embedding fed with whole numbers of every type.
import { beforeAll, describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { arrayDataset, type DataSet } from '../src/data/dataset.ts';
import { gradcheck } from '../src/explain/gradcheck.ts';
import { landscape } from '../src/explain/landscape.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { meanSquaredError, type SoftmaxCrossEntropyOptions, softmaxCrossEntropy } from '../src/loss/index.ts';
import * as nn from '../src/nn/index.ts';
import { tanh } from '../src/ops/activations.ts';
import { cast } from '../src/ops/cast.ts';
import { adam } from '../src/optim/adam.ts';
import { sgd } from '../src/optim/sgd.ts';
import { bestConstantLoss } from '../src/train/constant-loss.ts';
import { loadCheckpoint, loadWeights, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';
import { testExecutor } from './gpu.ts';

const [N, T, V, C] = [26, 5, 11, 4];
const ignoreIndex = -100;
const TOKENS = Array.from({ length: N * T }, (_, k) => (k * 7 + (k >> 2)) % V);
/** A token's tag; a third of the places has none, and all places of example 3. */
const TAGS = TOKENS.map((token, k) => (k % 3 === 1 || Math.floor(k / T) === 3 ? ignoreIndex : token % C));

class Tagger {
  readonly words = new nn.Embedding(V, 6);
  readonly out = new nn.Linear(6, C);
  forward(x: Tensor): Tensor {
    return this.out.forward(tanh(this.words.forward(x)));
  }
}

type Whole = typeof Uint8Array | typeof Uint16Array | typeof Uint32Array | typeof Int32Array;

function tagged(Kind: Whole = Uint16Array, options: object = {}): DataSet {
  const x = { shape: [N, T], data: Kind.from(TOKENS) };
  const y = { shape: [N, T], data: Int32Array.from(TAGS) };
  return arrayDataset(x, y, { name: 'tags', targets: 'classes', ignoreIndex, scale: false, ...options });
}

let gpu: Backend;
beforeAll(async () => {
  gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
});
const cpu = createCpuBackend();
const backends: [string, () => Backend][] = [
  ['the CPU', () => cpu],
  ['the GPU', () => gpu],
];

const made: [string, SoftmaxCrossEntropyOptions][] = [
  ['ignoreIndex', { ignoreIndex }],
  ['label smoothing', { ignoreIndex, labelSmoothing: 0.1 }],
  ['class weights', { ignoreIndex, classWeights: [1, 2, 0.5, 3] }],
  ['all of them', { ignoreIndex, labelSmoothing: 0.1, classWeights: [1, 2, 0.5, 3] }],
  ['a sum', { ignoreIndex, classWeights: [1, 2, 0.5, 3], reduction: 'sum' }],
];

function trainerOn(backend: Backend, options: SoftmaxCrossEntropyOptions, more: Partial<TrainerOptions> = {}) {
  const loss = softmaxCrossEntropy.with(options);
  return new Trainer(backend, { model: new Tagger(), loss, optimizer: adam({ lr: 0.02 }), seed: 5, ...more });
}

describe.each(made)('a tagger with %s', (_, options) => {
  it.each(backends)(
    'has the gradients of finite differences on %s, with weighted examples too',
    async (_name, backend) => {
      const trainer = trainerOn(backend(), options);
      const report = await gradcheck(trainer, tagged(), { rows: N });
      expect(report.rows.map(({ path }) => path)).toEqual(['words.weight', 'out.weight', 'out.bias']);
      for (const row of report.rows) {
        expect(row.finiteError).toBeLessThan(1e-6);
        expect(row.backendError).toBeLessThan(1e-4);
      }
      expect(report.pass).toBe(true);
      trainer.dispose();
    },
  );

  it('learns on the GPU as on the CPU, whatever the indices are stored as', async () => {
    const lossesOf = async (backend: Backend, data: DataSet) => {
      const trainer = trainerOn(backend, options);
      await trainer.fit(data, { epochs: 8, batchSize: 8 });
      const losses = [...trainer.history.steps.loss];
      const { loss, accuracy } = await trainer.evaluate(data);
      trainer.dispose();
      return [...losses, loss, accuracy!];
    };
    const on = { cpu: await lossesOf(cpu, tagged()), gpu: await lossesOf(gpu, tagged()) };
    expect(on.cpu.at(-2)!).toBeLessThan(0.8 * on.cpu[0]! * (options.reduction === 'sum' ? N / 8 : 1));
    for (const [k, loss] of on.gpu.entries()) expect(Math.abs(loss / on.cpu[k]! - 1)).toBeLessThan(1e-4);
    for (const Kind of [Uint8Array, Uint32Array, Int32Array]) {
      expect(await lossesOf(cpu, tagged(Kind))).toEqual(on.cpu);
      expect(await lossesOf(gpu, tagged(Kind))).toEqual(on.gpu);
    }
  });
});

describe.each(backends)('judging on %s', (_, backend) => {
  const weights = Array.from({ length: N }, (_, k) => (k % 4) / 2);
  const classWeights = [1, 2, 0.5, 3];

  /** Σ s w l / Σ s w over all places, the share that is right, and which class was taken for which, from a prediction. */
  function byHand(logits: ArrayLike<number>, s: readonly number[], w: readonly number[]) {
    let [total, whole, right, counted] = [0, 0, 0, 0];
    const confusion = Array.from({ length: C }, () => new Array<number>(C).fill(0));
    for (const [k, tag] of TAGS.entries()) {
      if (tag === ignoreIndex) continue;
      const row = Array.from({ length: C }, (_, c) => logits[k * C + c]!);
      const nll = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[tag]!;
      const weight = s[Math.floor(k / T)]! * w[tag]!;
      total += weight * nll;
      whole += weight;
      counted++;
      const taken = row.indexOf(Math.max(...row));
      if (taken === tag) right++;
      confusion[tag]![taken]!++;
    }
    return { loss: total / whole, total, accuracy: right / counted, confusion };
  }

  it.each<[string, SoftmaxCrossEntropyOptions, number[] | undefined]>([
    ['plain', { ignoreIndex }, undefined],
    ['class weights', { ignoreIndex, classWeights }, undefined],
    ['sample weights', { ignoreIndex }, weights],
    ['both', { ignoreIndex, classWeights }, weights],
    ['a sum', { ignoreIndex, classWeights, reduction: 'sum' as const }, weights],
  ])('is a mean over the places that count, however the set is batched: %s', async (_name, options, sampleWeights) => {
    const data = tagged(Uint16Array, { sampleWeights });
    const trainer = trainerOn(backend(), options, { optimizer: sgd({ lr: 1e-30 }) });
    const logits = (await trainer.predict(data)).data;
    const hand = byHand(logits, sampleWeights ?? new Array(N).fill(1), options.classWeights ?? [1, 1, 1, 1]);
    const wanted = options.reduction === 'sum' ? hand.total : hand.loss;
    for (const batchSize of [N, 7, 1]) {
      const { loss, accuracy, confusion } = await trainer.evaluate(data, { batchSize, confusion: true });
      expect(loss).toBeCloseTo(wanted, 4);
      expect(accuracy).toBe(hand.accuracy);
      expect(confusion).toEqual(hand.confusion);
    }
    // A rate that changes nothing: the epoch's means are those of the set, whatever its batches.
    const history = await trainer.fit(data, { epochs: 1, batchSize: 7 });
    expect(history.epochs[0]!.loss).toBeCloseTo(wanted, 4);
    expect(history.epochs[0]!.accuracy).toBeCloseTo(hand.accuracy, 6);
    const plane = await landscape(trainer, data, { n: 1, images: N });
    expect(plane.losses.data[0]).toBeCloseTo(wanted, 4);
    trainer.dispose();
  });

  it('gives a set without anything that counts the loss 0 and no accuracy', async () => {
    const trainer = trainerOn(backend(), { ignoreIndex });
    const { loss, accuracy } = await trainer.evaluate(tagged().slice(3, 4));
    expect([loss, accuracy]).toEqual([0, undefined]);
    trainer.dispose();
  });

  it('makes steps on batches of its own, sequences too', async () => {
    const make = () => trainerOn(backend(), { ignoreIndex });
    const [x, y] = [{ shape: [2, T], data: Uint16Array.from(TOKENS.slice(0, 2 * T)) }, TAGS.slice(0, 2 * T)];
    const events = [];
    for (const targets of [{ shape: [2, T], data: Int32Array.from(y) }, Int32Array.from(y)]) {
      const trainer = make();
      events.push(await trainer.trainOnBatch(x, targets));
      await expect(
        trainer.trainOnBatch(
          x,
          Int32Array.from(y, (v) => (v < 0 ? -7 : v)),
        ),
      ).rejects.toThrow(/^y: -7 of example 0 is not a class index\. Give whole numbers from 0; /);
      trainer.dispose();
    }
    expect(events[0]).toEqual(events[1]);
    expect(events[0]!.loss).toBeGreaterThan(0);
  });
});

describe('sequences of labels', () => {
  it('has the best constant prediction of the places that count', () => {
    const counts = [0, 1, 2, 3].map((c) => TAGS.filter((tag) => tag === c).length);
    const whole = counts.reduce((a, b) => a + b);
    const entropy = -counts.reduce((sum, n) => sum + (n / whole) * Math.log(n / whole), 0);
    expect(bestConstantLoss({ loss: softmaxCrossEntropy.with({ ignoreIndex }) }, tagged())).toBeCloseTo(entropy, 6);
    const sum = softmaxCrossEntropy.with({ ignoreIndex, reduction: 'sum' });
    expect(bestConstantLoss({ loss: sum }, tagged(), 13)).toBeCloseTo((entropy * whole) / 2, 3);
  });

  it('refuses labels that the loss does not ignore, and class weights of examples', async () => {
    await expect(trainerOn(cpu, {}).evaluate(tagged())).rejects.toThrow(
      'tags: the label of example 0 is -100, but the data has 4 classes. Give labels from 0 to 3, or a loss that ignores it: losses.softmaxCrossEntropy.with({ ignoreIndex: -100 }).',
    );
    await expect(
      trainerOn(cpu, { ignoreIndex }).fit(tagged(), { epochs: 1, classWeights: [1, 2, 0.5, 3] }),
    ).rejects.toThrow(
      `fit: classWeights need one label per example, but tags has several, y [${N}, ${T}]. Give them to the loss: losses.softmaxCrossEntropy.with({ classWeights: [1, 2, 0.5, 3] }).`,
    );
    await expect(
      trainerOn(cpu, { ignoreIndex }).fit(tagged(), { epochs: 1, classWeights: 'balanced' }),
    ).rejects.toThrow(/with\(\{ classWeights: \[[\d., ]+\] \}\)\.$/);
  });

  it('lets class weights of single labels pass over those that are ignored', async () => {
    const [x, labels] = [{ shape: [6, 1], data: Uint8Array.of(1, 2, 3, 4, 5, 6) }, [0, 1, -1, 1, -1, 1]];
    const data = arrayDataset(x, labels, { targets: 'classes', ignoreIndex: -1 });
    const run = async (given: object, options: SoftmaxCrossEntropyOptions) => {
      const loss = softmaxCrossEntropy.with({ ignoreIndex: -1, ...options });
      const trainer = new Trainer(cpu, { model: new nn.Linear(1, 2), loss, optimizer: sgd(0.1), seed: 1 });
      return (await trainer.fit(data, { epochs: 2, batchSize: 4, ...given })).steps.loss;
    };
    const balanced = await run({ classWeights: 'balanced' }, {});
    for (const [k, loss] of (await run({}, { classWeights: [2, 2 / 3] })).entries())
      expect(balanced[k]).toBeCloseTo(loss, 6);
  });

  it('tells an embedding that is fed with scaled bytes to leave them as they are', async () => {
    await expect(trainerOn(cpu, { ignoreIndex }).evaluate(tagged(Uint8Array, { scale: undefined }))).rejects.toThrow(
      /^Embedding words: the indices are f32 \[26, 5\]\. They must be integers: for bytes in a data set pass \{ scale: false \}/,
    );
  });
});

describe.each(backends)('numbers to regress on, on %s', (_, backend) => {
  it.each([Uint8Array, Uint16Array, Uint32Array, Int32Array])('reach the loss as f32, %o', async (Kind) => {
    const x = { shape: [3, 2], data: Float32Array.of(1, 2, 3, 4, 5, 6) };
    const numbers = [0, 1, 250, 3, 4, 5];
    const loss = async (y: DataSet) => {
      const trainer = new Trainer(backend(), { model: new nn.Linear(2, 2), loss: meanSquaredError, optimizer: sgd(1) });
      const value = [(await trainer.evaluate(y)).loss, (await trainer.inspect(y.x, y.y)).loss!];
      trainer.dispose();
      return value;
    };
    const floats = await loss(arrayDataset(x, { shape: [3, 2], data: Float32Array.from(numbers) }));
    const set = arrayDataset(x, { shape: [3, 2], data: Kind.from(numbers) }, { targetScale: Kind === Uint8Array ? false : undefined }); // biome-ignore format: one line
    expect(await loss(set)).toEqual(floats);
    expect(await loss(set.slice(0, 3))).toEqual(floats);
  });
});

describe('what a model is given of x', () => {
  it.each([
    ['u8', Uint8Array, undefined, 'f32'],
    ['u8, not scaled', Uint8Array, false, 'u32'],
    ['u16', Uint16Array, undefined, 'u32'],
    ['u32', Uint32Array, undefined, 'u32'],
    ['i32', Int32Array, undefined, 'i32'],
    ['f32', Float32Array, undefined, 'f32'],
    ['f64', Float64Array, undefined, 'f32'],
  ] as const)('%s: from a data set, in predict and in trainOnBatch', async (_, Kind, scale, dtype) => {
    const seen: string[] = [];
    const linear = new nn.Linear(2, 1);
    const forward = (x: Tensor) => {
      seen.push(x.dtype);
      return linear.forward(cast(x, 'f32'));
    };
    const task = { model: { linear, forward }, loss: meanSquaredError, optimizer: sgd(1e-6) };
    const x = { shape: [2, 2], data: Kind.of(1, 2, 3, 4) };
    const data = arrayDataset(
      x,
      { shape: [2, 1], data: Float32Array.of(1, 2) },
      { ...(scale !== undefined && { scale }) },
    );
    const trainer = new Trainer(cpu, task);
    await trainer.fit(data, { epochs: 1, batchSize: 2 });
    await trainer.evaluate(data);
    const predicted = (await trainer.predict(data)).data;
    expect((await trainer.predict(x.data)).data).toEqual(predicted);
    await trainer.trainOnBatch(data.x, [[1], [2]]);
    expect(seen.length).toBeGreaterThan(3);
    expect(new Set(seen)).toEqual(new Set([dtype]));
    trainer.dispose();
  });

  it('is what its summary is traced with', async () => {
    const before = trainerOn(cpu, { ignoreIndex }, { inputShape: [T], inputDtype: 'u32' });
    expect(before.summary()).toMatchObject({ inputShape: [1, T], outputShape: [1, T, C] });
    expect(() => trainerOn(cpu, { ignoreIndex }, { inputShape: [T] })).toThrow(/words: the indices are f32/);
    for (const Kind of [Uint8Array, Uint16Array, Uint32Array, Int32Array]) {
      const trainer = trainerOn(cpu, { ignoreIndex });
      await trainer.fit(tagged(Kind), { maxSteps: 1 });
      expect(trainer.summary().outputShape).toEqual([1, T, C]);
    }
    const batches = trainerOn(cpu, { ignoreIndex });
    const { x, y } = tagged();
    await batches.trainOnBatch(x, y);
    expect(batches.summary().outputShape).toEqual([1, T, C]);
  });

  it('keeps with the weights that bytes are not scaled', async () => {
    const trainer = trainerOn(cpu, { ignoreIndex });
    await trainer.fit(tagged(Uint8Array), { epochs: 1, batchSize: 8 });
    expect(trainer.scale).toBe(false);
    const scaled = { shape: [1, T], data: new Uint8Array(T), scale: { mean: 0, std: 1 } };
    await expect(trainer.predict(scaled)).rejects.toThrow(
      'x: its bytes have the scale (x / 255 - 0) / 1, but the model was trained with false. Make the data with scale: false.',
    );
    const before = (await trainer.predict(tagged(Uint8Array))).data;
    const files = [await saveWeights(trainer), await saveCheckpoint(trainer)];
    trainer.dispose();
    for (const [k, file] of files.entries()) {
      const other = trainerOn(cpu, { ignoreIndex });
      await (k === 0 ? loadWeights(other, file) : loadCheckpoint(other, file));
      expect(other.scale).toBe(false);
      expect((await other.predict({ shape: [N, T], data: Uint8Array.from(TOKENS) })).data).toEqual(before);
      other.dispose();
    }
  });
});
