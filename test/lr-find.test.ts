// The learning-rate range test: what it finds, what it refuses, and that nothing of the trainer changes by it.
import { describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { digits } from '../src/data/digits.ts';
import { type LrFindOptions, lrFind, valley } from '../src/explain/lr-find.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import { adam } from '../src/optim/adam.ts';
import { densePresets } from '../src/train/dense-presets.ts';
import { saveCheckpoint } from '../src/train/files.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, Net, netTrainer } from './blobs.ts';
import { testExecutor } from './gpu.ts';

const data = blobs(100);

const presetTrainer = (name: keyof typeof densePresets) => {
  const { loss, model, optimizer } = densePresets[name];
  return new Trainer(createCpuBackend(), { model: model(), loss, optimizer: optimizer({ lr: 1e-3 }), seed: 1 });
};

describe.each(['cpu', 'gpu'])('lrFind on the %s', (kind) => {
  const make = async () => {
    const backend =
      kind === 'cpu' ? createCpuBackend() : new Backend(await testExecutor(), { name: 'test', software: true });
    const optimizer = adam({ lr: 0.01 });
    return new Trainer(backend, { model: new Net(), loss: softmaxCrossEntropy, optimizer, seed: 1 });
  };

  it('leaves the trainer as it was, bit for bit, and its memory', async () => {
    const [trainer, other] = [await make(), await make()];
    for (const each of [trainer, other]) await each.fit(data, { epochs: 2, batchSize: 16 });
    const before = await saveCheckpoint(trainer);
    const history = structuredClone(trainer.history);
    await lrFind(trainer, data, { batchSize: 16, steps: 20 });
    const { counters } = trainer.backend.executor;
    const { bytes } = counters;
    for (let k = 0; k < 5; k++) await lrFind(trainer, data, { batchSize: 16, steps: 20 });
    const { rates, losses, smoothed, stopped } = await lrFind(trainer, data, { batchSize: 16, steps: 20 });
    expect(counters.bytes).toBeLessThanOrEqual(bytes + 3 * 2 ** 12); // read-back buffers that are kept
    expect([rates.length, losses.length, smoothed.length]).toEqual(new Array(3).fill(rates.length));
    expect(stopped === 'diverged' || rates.length === 20).toBe(true);
    expect(await saveCheckpoint(trainer)).toEqual(before);
    expect(trainer.history).toEqual(history);
    expect(trainer.learningRate).toBe(0.01);
    // The next run is that of a trainer that never looked.
    for (const each of [trainer, other]) await each.fit(data, { epochs: 1, batchSize: 16 });
    expect(trainer.history.steps).toEqual(other.history.steps);
    for (const each of [trainer, other]) each.dispose();
  });

  it('begins where the trainer is, with its data order, and grows by one factor', async () => {
    const trainer = await make();
    await trainer.fit(data, { epochs: 3, batchSize: 16 });
    const { rates, losses } = await lrFind(trainer, data, { batchSize: 16, steps: 5, from: 1e-12, to: 1e-10 });
    expect(rates[0]).toBeCloseTo(1e-12, 20);
    expect(rates[4]! / 1e-10).toBeCloseTo(1, 9);
    expect(rates[3]! / rates[2]!).toBeCloseTo(rates[1]! / rates[0]!, 9);
    trainer.learningRate = 1e-12;
    await trainer.fit(data, { maxSteps: 5, batchSize: 16, dropLast: true });
    for (const [k, loss] of trainer.history.steps.loss.slice(-5).entries()) expect(losses[k]).toBeCloseTo(loss, 5);
    trainer.dispose();
  });

  it('stops at a rate that overflows', async () => {
    const trainer = await make();
    const found = await lrFind(trainer, data, { batchSize: 16, from: 1e20, to: 1e38, steps: 60 });
    expect(found.stopped).toBe('diverged');
    expect(found.losses.length).toBeLessThan(60);
    expect(found.losses.every(Number.isFinite)).toBe(true);
    expect(found.suggestion).toBeUndefined();
    trainer.dispose();
  });
});

describe('lrFind', () => {
  it('finds a rate at which mlp learns digits', async () => {
    const { train } = await digits({ train: 2000, test: 1 });
    const trainer = presetTrainer('mlp');
    const { suggestion, stopped, smoothed, rates } = await lrFind(trainer, train, { batchSize: 64 });
    expect(stopped).toBe('diverged');
    expect(smoothed.at(-1)).toBeGreaterThan(4 * Math.min(...smoothed));
    expect(rates.length).toBeLessThan(100);
    expect(suggestion).toBeGreaterThan(1e-4);
    expect(suggestion).toBeLessThan(3e-2);
    trainer.dispose();
  });

  const made = digits({ train: 12_000, test: 1000 });
  it.each(['classic', 'mlp'] as const)(
    'suggests a rate by which an epoch of %s learns as the preset does',
    async (name) => {
      const { train, test } = await made;
      const { model, loss, optimizer, defaults } = densePresets[name];
      const { batchSize } = defaults;
      const create = (options: { lr?: number } = {}) =>
        new Trainer(createCpuBackend(), { model: model(), loss, optimizer: optimizer(options), seed: 1 });
      const learnt = async (trainer: Trainer) => {
        await trainer.fit(train, { epochs: 1, batchSize });
        return (await trainer.evaluate(test)).accuracy!;
      };
      const own = create();
      const found = await lrFind(own, train, { batchSize });
      expect(found.rates.length > 100).toBe(name === 'classic');
      const by = await learnt(create({ lr: found.suggestion! }));
      expect(by).toBeGreaterThan(0.9 * (await learnt(own)));
    },
  );

  it('says so where it found none', async () => {
    const { train } = await made;
    const trainer = presetTrainer('classic');
    const { suggestion, note } = await lrFind(trainer, train, { steps: 100 });
    expect(suggestion).toBeUndefined();
    expect(note).toMatch(
      /^lrFind: no rate stands out: the lowest loss in 100 steps is 1\.\d{3}; the loss of the best constant prediction is 0\.[89]\d*\. Give more steps, such as \{ steps: 1000 \}, or other rates\.$/,
    );
    trainer.dispose();
  });

  it('goes to the end where a network only saturates', async () => {
    const { train } = await digits({ train: 640, test: 1 });
    const trainer = presetTrainer('classic');
    const found = await lrFind(trainer, train, { to: 1000, steps: 300 });
    expect([found.stopped, found.rates.length]).toEqual(['done', 300]);
    trainer.dispose();
  });

  it('may look while a run is paused', async () => {
    const [alone, looked] = [netTrainer(), netTrainer()];
    await alone.fit(data, { maxSteps: 9, batchSize: 16 });
    const run = looked.fit(data, { maxSteps: 9, batchSize: 16 });
    await run.step();
    await lrFind(looked, data, { batchSize: 16, steps: 30 });
    run.resume();
    await run;
    expect(looked.history.steps).toEqual(alone.history.steps);
    for (const each of [alone, looked]) each.dispose();
  });

  it('gives what it has when its signal says stop', async () => {
    const trainer = netTrainer();
    expect(await lrFind(trainer, data, { signal: AbortSignal.abort() })).toMatchObject({
      rates: [],
      stopped: 'aborted',
    });
    const stop = new AbortController();
    const long = lrFind(trainer, data, { steps: 1e6, from: 1e-9, to: 1e-8, signal: stop.signal });
    setTimeout(() => stop.abort(), 60);
    const { stopped, rates, losses } = await long;
    expect([stopped, rates.length]).toEqual(['aborted', losses.length]);
    expect(rates.length).toBeLessThan(1e6);
    trainer.dispose();
  });

  it('takes all of a smaller set as its batch', async () => {
    const of = (batchSize: number) => lrFind(netTrainer(), data, { steps: 3, batchSize });
    const [larger, all, fewer] = [await of(101), await of(100), await of(99)];
    expect(larger.losses).toEqual(all.losses);
    expect(fewer.losses).not.toEqual(all.losses);
  });

  it.each([
    [{ batchSize: 0 }, /lrFind: batchSize is 0/],
    [{ from: 0 }, /lrFind: from is 0\. Give a rate above 0/],
    [{ from: 2, to: 1 }, /lrFind: to is 1\. Give a rate above from \(2\)\./],
    [{ to: Number.POSITIVE_INFINITY }, /lrFind: to is Infinity/],
    [{ steps: 1 }, /lrFind: steps is 1\. Give a whole number from 2/],
    [{ step: 3 }, /lrFind: there is no option step\. Did you mean steps\?/],
  ] as [LrFindOptions, RegExp][])('refuses %j', async (options, message) => {
    const trainer = netTrainer();
    await expect(lrFind(trainer, data, options)).rejects.toThrow(message);
    trainer.dispose();
  });
});

describe('valley', () => {
  const rates = Array.from({ length: 100 }, (_, k) => 10 ** (-7 + k / 12));

  it('is half-way down the longest fall', () => {
    // Flat, a fall from step 40 to 70, then up.
    const losses = rates.map((_, k) => (k < 40 ? 2 : k < 70 ? 2 - (k - 40) / 20 : k / 20));
    const at = rates.indexOf(valley(rates, losses, 100)!);
    expect(at).toBeGreaterThan(50);
    expect(at).toBeLessThan(60);
  });

  it('says nothing of losses that hardly fall', () => {
    expect(
      valley(
        rates,
        rates.map((_, k) => 1 + k),
        100,
      ),
    ).toBeUndefined();
    expect(valley(rates.slice(0, 3), [3, 2, 1], 100)).toBeUndefined();
    expect(valley([], [], 100)).toBeUndefined();
  });
});
