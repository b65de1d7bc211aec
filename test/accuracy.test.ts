// Accuracy of every kind of target, as a trainer reports it: class indices, one-hot rows, yes or no, several labels an example,
// and a metric of the user's in its place.
import { describe, expect, it } from 'vitest';
import { Backend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/dataset.ts';
import { normals } from '../src/graph/random.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import {
  binaryCrossEntropyWithLogits,
  meanAbsoluteError,
  meanSquaredError,
  softmaxCrossEntropy,
} from '../src/loss/index.ts';
import { Linear } from '../src/nn/linear.ts';
import { less, sub } from '../src/ops/binary.ts';
import { mean } from '../src/ops/reduce.ts';
import { reshape } from '../src/ops/reshape.ts';
import { abs, square } from '../src/ops/unary.ts';
import { sgd } from '../src/optim/sgd.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, collect, Net, netTrainer } from './blobs.ts';
import { testExecutor } from './gpu.ts';

const data = blobs(300);
const oneHot = Float32Array.from({ length: 900 }, (_, i) => (data.y.data[Math.floor(i / 3)] === i % 3 ? 1 : 0));
const rows = arrayDataset(data.x, { shape: [300, 3], data: oneHot });
/** Labels of which an example has none to five. */
const LABELS = 5;
const noise = normals(300 * LABELS, 3, 'labels');
const several = arrayDataset(data.x, {
  shape: [300, LABELS],
  data: noise.map((v, i) => (v + data.x.data[(i / LABELS) | 0]! > 0 ? 1 : 0)),
});
const task = () => ({ model: new Net(), loss: softmaxCrossEntropy, optimizer: sgd(0.1), seed: 1 });
const multiLabel = () => netTrainer({ model: new Net(8, LABELS), loss: binaryCrossEntropyWithLogits });

describe('accuracy', () => {
  it('of one-hot rows is that of class indices, step by step', async () => {
    const [dense, indices] = [netTrainer(), netTrainer()];
    const options = { epochs: 2, batchSize: 64 };
    await dense.fit(rows, { ...options, validation: rows });
    await indices.fit(data, { ...options, validation: data });
    expect(dense.history.steps.accuracy).toHaveLength(10);
    expect(dense.history.steps.accuracy).toEqual(indices.history.steps.accuracy);
    const accuracies = (trainer: Trainer) => trainer.history.epochs.map((e) => [e.accuracy, e.validation?.accuracy]);
    expect(accuracies(dense)).toEqual(accuracies(indices));
    expect((await dense.evaluate(rows)).accuracy).toBe((await indices.evaluate(data)).accuracy);
  });

  it.each([300, 64, 7])(
    'of several labels is the share of all of them, counted, in batches of %d',
    async (batchSize) => {
      const trainer = multiLabel();
      await trainer.fit(several, { maxSteps: 20 });
      const { data: logits } = await trainer.predict(several);
      const right = Float32Array.from(several.y.data).reduce((n, t, i) => n + Number(logits[i]! > 0 === t > 0.5), 0);
      expect(right % LABELS).not.toBe(0); // else examples could as well be counted
      expect((await trainer.evaluate(several, { batchSize })).accuracy).toBe(right / (300 * LABELS));
    },
  );

  it('of rows in several axes is the share of rows, counted', async () => {
    class Steps extends Net {
      override forward(x: Tensor): Tensor {
        return reshape(super.forward(x), [x.shape[0]!, 3, 3]);
      }
    }
    const labels = Uint32Array.from({ length: 900 }, (_, i) => (i * 5 + (i >> 2)) % 3);
    const set = { size: 300, x: data.x, y: { shape: [300, 3], data: labels } };
    const trainer = netTrainer({ model: new Steps(8, 9) });
    await trainer.fit(set, { maxSteps: 20 });
    const { data: logits } = await trainer.predict(data);
    const taken = (row: number) => {
      const three = [...logits.subarray(3 * row, 3 * row + 3)];
      return three.indexOf(Math.max(...three));
    };
    const right = labels.reduce((n, label, row) => n + Number(taken(row) === label), 0);
    expect(right % 3).not.toBe(0);
    expect((await trainer.evaluate(set, { batchSize: 7 })).accuracy).toBe(right / 900);
  });

  it('of yes or no ends a run at a target, and is monitored', async () => {
    const trainer = multiLabel();
    await trainer.fit(several, { epochs: 50, targetAccuracy: 0.5, validation: several });
    expect(trainer.history.stopped).toBe('targetAccuracy');
    const rising = multiLabel();
    const earlyStopping = { monitor: 'accuracy', patience: 1, restoreBest: true } as const;
    const epochs = await collect(rising.fit(several, { epochs: 200, validation: several, earlyStopping }));
    expect(rising.history.stopped).toBe('earlyStopping');
    const best = Math.max(...epochs.map((e) => e.validation!.accuracy!));
    expect((await rising.evaluate(several)).accuracy).toBe(best);
  });

  it('is the user’s metric of that name, instead of the loss’s or where it has none', async () => {
    const near = (p: Tensor, t: Tensor) => mean(less(abs(sub(p, t)), 0.5));
    const own = (p: Tensor, t: Tensor) => mean(square(sub(p, t)));
    const lines = arrayDataset([[0], [1], [2], [3]], [[1], [3], [5], [7]], { targets: 'values' });
    const line = { model: new Linear(1, 1), loss: own };
    const trainer = netTrainer({ ...line, metrics: { accuracy: near, error: meanAbsoluteError } });
    await trainer.fit(lines, { epochs: 500, batchSize: 4, targetAccuracy: 1 });
    expect(trainer.history.stopped).toBe('targetAccuracy');
    const { accuracy, metrics } = await trainer.evaluate(lines, { batchSize: 3 });
    expect([accuracy, Object.keys(metrics)]).toEqual([1, ['error']]);
    const instead = netTrainer({ metrics: { accuracy: (p, t) => meanSquaredError(p, t) } });
    const [event] = await collect(instead.fit(data, { maxSteps: 1, batchSize: 300, events: 'step' }));
    const want = (await netTrainer({ loss: meanSquaredError }).evaluate(data)).loss;
    expect(event).toMatchObject({ type: 'step', accuracy: expect.closeTo(want, 5), metrics: {} });
    expect((await netTrainer({ metrics: { accuracy: meanSquaredError } }).evaluate(data)).accuracy).toBeCloseTo(
      want,
      5,
    );
  });

  it('is missed by name where there is none', async () => {
    const lines = arrayDataset([[0], [1]], [[1], [3]], { targets: 'values' });
    const make = () => netTrainer({ model: new Linear(1, 1), loss: meanSquaredError });
    await expect(make().fit(lines, { epochs: 1, targetAccuracy: 0.9 })).rejects.toThrow(
      'fit: targetAccuracy is given, but there is no accuracy. Use a classification loss, or give the trainer metrics: { accuracy }.',
    );
    await expect(make().fit(lines, { epochs: 1, earlyStopping: { monitor: 'accuracy' } })).rejects.toThrow(
      "earlyStopping: there is no accuracy to monitor. Use monitor: 'loss', or give the trainer metrics: { accuracy }.",
    );
    expect((await make().evaluate(lines)).accuracy).toBeUndefined();
  });

  it('is counted on the GPU as on the CPU', async () => {
    const gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
    const options = { model: new Net(8, LABELS), loss: binaryCrossEntropyWithLogits, optimizer: sgd(0.1), seed: 1 };
    const trainer = new Trainer(gpu, options);
    await trainer.fit(several, { maxSteps: 20 });
    const { data: taken } = await trainer.predictClasses(several);
    const right = [...taken].filter((label, i) => label === several.y.data[i]).length;
    expect((await trainer.evaluate(several, { batchSize: 7 })).accuracy).toBe(right / (300 * LABELS));
    trainer.dispose();
    const [dense, indices] = [new Trainer(gpu, task()), new Trainer(gpu, task())];
    await dense.fit(rows, { maxSteps: 5, batchSize: 64 });
    await indices.fit(data, { maxSteps: 5, batchSize: 64 });
    expect(dense.history.steps.accuracy).toEqual(indices.history.steps.accuracy);
    expect((await dense.evaluate(rows)).accuracy).toBe((await indices.evaluate(data)).accuracy);
    for (const each of [dense, indices]) each.dispose();
  });
});
