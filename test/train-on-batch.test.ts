// One training step on a batch as it comes: the bits of a run over the same batches, its guards, and what it takes and refuses.
import { describe, expect, it, vi } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/dataset.ts';
import { DataError, DivergenceError, OptionError, ShapeError } from '../src/graph/errors.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import { Dropout } from '../src/nn/dropout.ts';
import { Linear } from '../src/nn/linear.ts';
import { relu } from '../src/ops/activations.ts';
import { mul } from '../src/ops/binary.ts';
import { mean } from '../src/ops/reduce.ts';
import { adam } from '../src/optim/adam.ts';
import { cosine } from '../src/optim/schedules.ts';
import { sgd } from '../src/optim/sgd.ts';
import type { StepEvent } from '../src/train/events.ts';
import { loadCheckpoint, saveCheckpoint } from '../src/train/files.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';
import { blobs, collect, Net, netTrainer, weightsOf } from './blobs.ts';
import { testExecutor } from './gpu.ts';

const data = blobs(300);
const B = 32;

class Dropping {
  hidden = new Linear(4, 40);
  drop = new Dropout(0.5);
  out = new Linear(40, 3);
  forward(x: Tensor): Tensor {
    return this.out.forward(this.drop.forward(relu(this.hidden.forward(x))));
  }
}

const scheduled = () => adam({ lr: (t) => 0.02 / (1 + t), clipNorm: 0.5 });
const bytes = arrayDataset(
  { shape: [96, 4], data: Uint8Array.from({ length: 384 }, (_, i) => (i * 37) % 256) },
  Uint8Array.from({ length: 96 }, (_, i) => (i * 5) % 3),
  { scale: { mean: 0.1, std: 0.3 } },
);
const lines = arrayDataset(
  { shape: [90, 4], data: Float32Array.from({ length: 360 }, (_, i) => Math.sin(i)) },
  { shape: [90, 2], data: Float32Array.from({ length: 180 }, (_, i) => Math.cos(i)) },
);
const tasks: [string, typeof data, () => Partial<TrainerOptions>][] = [
  ['classes, a short batch, Adam, clipped', data, () => ({ optimizer: scheduled() })],
  ['dropout, a metric', data, () => ({ model: new Dropping(), metrics: { twice: (p) => mul(mean(p), 2) } })],
  ['bytes by their scale', bytes, () => ({ optimizer: sgd({ lr: 0.1, momentum: 0.9 }) })],
  ['numbers to regress on', lines, () => ({ model: new Net(8, 2), loss: meanSquaredError })],
];

describe.each([
  ['the CPU', async () => createCpuBackend()],
  ['the GPU', async () => new Backend(await testExecutor(), { name: 'the test device', software: true })],
  [
    'the GPU, a step in one kernel',
    async () => new Backend(await testExecutor({}, { persistent: true }), { name: 'the test device', software: true }),
  ],
] as const)('on %s', (_, open) => {
  it.each(tasks)('has the bits of a run without shuffle: %s', async (_, set, options) => {
    const backend = await open();
    const make = () =>
      new Trainer(backend, {
        model: new Net(),
        loss: softmaxCrossEntropy,
        optimizer: sgd(0.1),
        seed: 3,
        ...options(),
      });
    const [whole, stream] = [make(), make()];
    const fit = whole.fit(set, { epochs: 2, batchSize: B, shuffle: false, events: 'step' });
    const steps = (await collect(fit)).filter((e): e is StepEvent => e.type === 'step');
    const events = [];
    for (let epoch = 0; epoch < 2; epoch++) {
      for (let from = 0; from < set.size; from += B) {
        const { x, y } = set.slice(from, Math.min(from + B, set.size));
        events.push(await stream.trainOnBatch(x, y));
      }
    }
    expect(events).toEqual(steps.map(({ epoch: _, ...event }) => event));
    expect(await weightsOf(stream)).toEqual(await weightsOf(whole));
    expect(stream.history.steps).toEqual(whole.history.steps);
    expect(stream.stepsMade).toBe(steps.length);
    expect(stream.scale).toEqual(whole.scale);
    whole.dispose();
    stream.dispose();
  });
});

const batch = (from = 0, to = from + B) => data.slice(from, to);
const once = (trainer: Trainer, from = 0) => trainer.trainOnBatch(batch(from).x, batch(from).y);

describe('a step on a batch', () => {
  it('takes lists, bare arrays and data sets as it does values', async () => {
    const { x, y } = batch(0, 6);
    const rows = Array.from({ length: 6 }, (_, r) => [...x.data.subarray(4 * r, 4 * r + 4)]);
    const labels = [...y.data];
    const weights = [];
    for (const [xs, ys] of [
      [x, y],
      [batch(0, 6), labels],
      [rows, Int32Array.from(labels)],
      [rows.map((row) => Float32Array.from(row)), BigInt64Array.from(labels, BigInt)],
      [Float64Array.from(rows.flat()), { shape: [6], data: Uint32Array.from(labels) }],
    ] as const) {
      const trainer = netTrainer({ inputShape: [4] });
      expect(await trainer.trainOnBatch(xs, ys)).toMatchObject({ type: 'step', step: 1, accuracy: expect.any(Number) });
      weights.push(await weightsOf(trainer));
    }
    for (const other of weights) expect(other).toEqual(weights[0]);
  });

  it('takes rows and floats as numbers', async () => {
    const x = [[1, 2, 3, 4], [0, 1, 0, 1]]; // biome-ignore format: rows
    const weights = [];
    for (const y of [[[3], [0]], Float32Array.of(3, 0), { shape: [2, 1], data: Float32Array.of(3, 0) }]) {
      const trainer = netTrainer({ model: new Net(8, 1), loss: meanSquaredError });
      expect(await trainer.trainOnBatch(x, y)).not.toHaveProperty('accuracy');
      weights.push(await weightsOf(trainer));
    }
    for (const other of weights) expect(other).toEqual(weights[0]);
  });

  it('reads the values of each call, and keeps few programs', async () => {
    const trainer = netTrainer();
    const { executor } = trainer.backend;
    const x = { shape: [4, 4], data: Float32Array.from(batch(0, 4).x.data) };
    const losses = [];
    for (let k = 0; k < 3; k++) {
      losses.push((await trainer.trainOnBatch(x, batch(0, 4).y)).loss);
      x.data.set(batch(8 * k + 8, 8 * k + 12).x.data);
    }
    expect(new Set(losses).size).toBe(3);
    const compile = vi.spyOn(executor, 'compile');
    const sweep = async () => {
      for (let rows = 1; rows <= 15; rows++) await trainer.trainOnBatch(batch(0, rows).x, batch(0, rows).y);
    };
    await sweep();
    const bytes = executor.counters.bytes;
    await sweep();
    expect([compile.mock.calls.length, executor.counters.bytes]).toEqual([29, bytes]); // Of 15, 12 are kept; that of 4 rows was there.
    for (let k = 0; k < 300; k++) await once(trainer, k % 100);
    expect(compile).toHaveBeenCalledTimes(30);
    expect(trainer.history.steps.step).toHaveLength(trainer.stepsMade);
  });

  it('follows the schedule from the trainer’s first step on, or the rate set by hand', async () => {
    const trainer = netTrainer({ optimizer: sgd({ lr: (t) => 1 / (10 + t) }) });
    await trainer.fit(data, { maxSteps: 3 });
    expect(trainer.learningRate).toBe(1 / 13);
    expect((await once(trainer)).learningRate).toBe(1 / 13);
    trainer.learningRate = 0.01;
    expect((await once(trainer)).learningRate).toBe(0.01);
    trainer.learningRate = 'schedule';
    const other = netTrainer({ optimizer: sgd({ lr: (t) => 1 / (10 + t) }) });
    await loadCheckpoint(other, await saveCheckpoint(trainer));
    for (const each of [trainer, other]) expect([each.learningRate, (await once(each)).learningRate]).toEqual([1 / 15, 1 / 15]); // biome-ignore format: one line
    expect(await weightsOf(other)).toEqual(await weightsOf(trainer));
    const endless = netTrainer({ optimizer: sgd({ lr: cosine(0.1) }) });
    await expect(once(endless)).rejects.toThrow('Give `epochs` or `maxSteps` to fit, or `total` to the schedule.');
    const ending = netTrainer({ optimizer: sgd({ lr: cosine(0.1, { total: 2 }) }) });
    const rates = [];
    for (let k = 0; k < 3; k++) rates.push((await once(ending)).learningRate);
    expect(rates).toEqual([0.1, expect.closeTo(0.05, 12), 0]);
  });

  it('ends the run before it: a resume is refused, also from a checkpoint, and a new run begins its own order', async () => {
    const trainer = netTrainer({ optimizer: adam() });
    await trainer.fit(data, { maxSteps: 12 });
    const before = await saveCheckpoint(trainer);
    await once(trainer);
    expect(trainer.run).toBeUndefined();
    const resume = { maxSteps: 20, resume: true };
    for (const call of [() => trainer.fit(data, resume), () => trainer.warmUp(data, resume)])
      await expect(call()).rejects.toThrow(
        'fit: resume is true, but trainOnBatch made steps since the run, which shifted its data order. Leave out resume, or load an earlier checkpoint.',
      );
    const other = netTrainer({ optimizer: adam() });
    await loadCheckpoint(other, await saveCheckpoint(trainer));
    await expect(other.fit(data, resume)).rejects.toThrow(/^fit: resume is true, but there is no run to continue/);
    for (const each of [trainer, other]) await each.fit(data, { maxSteps: 15 });
    expect(await weightsOf(other)).toEqual(await weightsOf(trainer));
    await loadCheckpoint(trainer, before);
    await trainer.fit(data, resume);
    const whole = netTrainer({ optimizer: adam() });
    await whole.fit(data, { maxSteps: 20 });
    expect(await weightsOf(trainer)).toEqual(await weightsOf(whole));
  });

  it('that is not finite changes nothing and says where', async () => {
    const trainer = netTrainer({ optimizer: adam() });
    await once(trainer);
    const before = await saveCheckpoint(trainer);
    const { x, y } = batch();
    const bad = { shape: x.shape, data: Float32Array.from(x.data) };
    bad.data[5] = Number.NaN;
    const failing = trainer.trainOnBatch(bad, y);
    await expect(failing).rejects.toThrow(DivergenceError);
    await expect(failing).rejects.toThrow(
      'loss is not finite at step 2 (first in the input: x of example 1 has NaN). Remove NaN and infinity from the data.',
    );
    expect(await saveCheckpoint(trainer)).toEqual(before);
    expect([trainer.stepsMade, trainer.history.steps.step]).toEqual([1, [1]]);
    const other = netTrainer({ optimizer: adam() });
    await once(other);
    for (const each of [trainer, other]) await once(each, 40);
    expect(await weightsOf(trainer)).toEqual(await weightsOf(other));
    const wild = netTrainer({ optimizer: sgd({ lr: 3e38 }) });
    await once(wild);
    await expect(once(wild)).rejects.toThrow(
      /^loss is not finite at step 2 \(first in .*Lower the learning rate \(now 3e\+38\)/,
    );
    expect(wild.stepsMade).toBe(1);
  });

  it('is refused beside a run or another, and refuses a run', async () => {
    const trainer = netTrainer();
    for await (const _ of trainer.fit(data, { epochs: 2 })) {
      await expect(once(trainer)).rejects.toThrow('trainOnBatch: a run is in progress. Leave its loop first.');
      break;
    }
    const first = once(trainer);
    await expect(once(trainer)).rejects.toThrow('trainOnBatch: trainOnBatch is in progress. Await it first.');
    await expect(trainer.fit(data)).rejects.toThrow('fit: trainOnBatch is in progress. Await it first.');
    await expect(loadCheckpoint(trainer, new Uint8Array())).rejects.toThrow(
      'loadCheckpoint: trainOnBatch is in progress. Await it first.',
    );
    expect((await first).step).toBe(trainer.stepsMade);
    const last = once(trainer);
    trainer.dispose();
    await expect(last).rejects.toThrow('trainer: it was disposed.');
    await expect(once(trainer)).rejects.toThrow('trainer: it was disposed.');
  });

  it('says how to give class indices at each place', async () => {
    const trainer = netTrainer({ model: new Linear(1, 4) });
    const x = { shape: [2, 3, 1], data: new Float32Array(6) };
    const labels = [[0, 1, 1], [1, 1, 0]]; // biome-ignore format: rows
    const misfit = /^softmaxCrossEntropy: targets f32 \[2, 3\] do not fit logits \[2, 3, 4\]\..*, f32 \[2, 3, 4\]\./;
    const y = { shape: [2, 3], data: Uint32Array.from(labels.flat()) };
    const error = await trainer.trainOnBatch(x, labels).catch((error: Error) => error);
    expect(error).toBeInstanceOf(ShapeError);
    expect(String((error as Error).message)).toMatch(misfit);
    expect(error).toMatchObject({ message: expect.stringMatching(/ y was read as numbers: give class indices as \{ shape: \[2, 3\], data: Uint32Array\.from\(…\) \}, or an Int32Array\.$/) }); // biome-ignore format: one line
    await expect(trainer.trainOnBatch(x, [[0, 0.5, 0], [1, 0, 1]])).rejects.toThrow(/f32 \[2, 3, 4\]\.$/); // biome-ignore format: rows
    await trainer.trainOnBatch(x, y);
    await trainer.trainOnBatch(x, Int32Array.from(y.data));
    expect(trainer.stepsMade).toBe(2);
  });

  it('refuses what does not fit', async () => {
    const trainer = netTrainer({ inputShape: [4] });
    const { x, y } = batch(0, 2);
    const of = (xs: unknown, ys: unknown) => trainer.trainOnBatch(xs as never, ys as never);
    const cases: [() => Promise<unknown>, new (message: string) => Error, string | RegExp][] = [
      [() => of(x, [0, 1, 2]), DataError, 'trainOnBatch: x has 2 examples, but y has shape [3]. Give one target for each example.'],
      [() => of(x, [0, 0.5]), DataError, 'y: 0.5 of example 1 is not a class index. Give whole numbers from 0; for regression, give rows, [[0.5], …], or in a Float32Array.'],
      [() => of(x, [0, -1]), DataError, /^y: -1 of example 1 is not a class index/],
      [() => of(x, [Uint8Array.of(0, 1), Uint8Array.of(1, 1)]), DataError, /^y: all its bytes are 0 or 1, .* Give floats, Float32Array\.from\(data\); or \{ shape, data, scale: false \} to keep them\.$/],
      [() => of(batch(0, 3), undefined), OptionError, 'trainOnBatch: y is missing. Give x and y: of a data set trainOnBatch(data.x, data.y).'],
      [() => of(undefined, y), OptionError, /^x: got undefined\. Give \{ shape/],
      [() => of([[1, 2, 3]], [0]), ShapeError, "x: examples have shape [3], but the model expects [4]. Give [N, 4]."],
      [() => of({ shape: [0, 4], data: new Float32Array(0) }, { shape: [0], data: new Uint8Array(0) }), ShapeError, /0/],
    ]; // biome-ignore format: a case a line
    for (const [call, type, message] of cases) {
      await expect(call()).rejects.toThrow(message);
      await expect(call()).rejects.toThrow(type);
    }
    await of(x, y);
    await expect(of(x, [0, 3])).rejects.toThrow(/^model: its output is \[2, 3\], but the data has 4 classes\./);
    const unscaled = { shape: [2, 4], data: new Uint8Array(8) };
    await of(unscaled, y);
    expect(trainer.scale).toEqual({ mean: 0, std: 1 });
    await expect(of(bytes.slice(0, 2).x, y)).rejects.toThrow(
      /^x: its bytes have the scale \(x \/ 255 - 0\.1\) \/ 0\.3/,
    );
    expect(trainer.stepsMade).toBe(2);
  });
});
