// Validation split off the training data: which examples it has, that it is made once, and what a resume sees.

import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/array.ts';
import type { Values } from '../src/data/dataset.ts';
import { split } from '../src/data/split.ts';
import { meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import { Linear } from '../src/nn/linear.ts';
import { adam } from '../src/optim/adam.ts';
import type { Examples } from '../src/train/batch.ts';
import { loadCheckpoint, saveCheckpoint } from '../src/train/files.ts';
import { Trainer } from '../src/train/trainer.ts';
import { splitOff } from '../src/train/validation-split.ts';
import { blobs, collect, Net, netTrainer, weightsOf } from './blobs.ts';

const data = blobs(300);
const adamTrainer = (seed = 1) => netTrainer({ optimizer: adam(), seed });

describe('validationSplit', () => {
  it.each([0.1, 30])('of %d is a stratified split by the trainer’s seed', async (part) => {
    const parts = split(data, part, { seed: 1, stratify: true });
    const [by, hand] = [adamTrainer(), adamTrainer()];
    const options = { epochs: 2, batchSize: 32 };
    const events = await collect(by.fit(data, { ...options, validationSplit: part }));
    const wanted = await collect(hand.fit(parts.train, { ...options, validation: parts.validation }));
    expect(events.map(({ loss, validation }) => [loss, validation?.loss, validation?.accuracy])).toEqual(
      wanted.map(({ loss, validation }) => [loss, validation?.loss, validation?.accuracy]),
    );
    expect(events[1]!.validation!.accuracy).toBeDefined();
    expect(await weightsOf(by)).toEqual(await weightsOf(hand));
    expect(by.run).toMatchObject({ dataName: 'blobs (training part)', size: 270 });
  });

  it('is made once for a set, a part and a seed, and again where one of them is another', () => {
    const part = (set: Examples, validationSplit: number, seed: number) =>
      (splitOff(set, { validationSplit }, seed).given.x as Values).data;
    const first = part(data, 0.1, 1);
    expect(part(data, 30, 1)).toBe(first);
    const others = [part(data, 0.2, 1), part(data, 0.1, 2), part(blobs(300), 0.1, 1)];
    expect(new Set([first, ...others]).size).toBe(4);
    expect(part(data, 0.1, 1)).toBe(first);
    // Plain examples are known by their content: refilled, they are others.
    const x = { shape: [300, 4], data: Float32Array.from(data.x.data) };
    const plain = () => ({ size: 300, x, y: { shape: [300], data: Int32Array.from(data.y.data) } });
    const y = plain().y;
    const once = part({ ...plain(), y }, 0.1, 1);
    expect(part({ ...plain(), y }, 0.1, 1)).toBe(once);
    expect(once).toEqual(first);
    x.data[0] = 17;
    expect(part({ ...plain(), y }, 0.1, 1)).not.toBe(once);
  });

  it('keeps bytes, their scale, and numbers to regress on', async () => {
    const bytes = arrayDataset({ shape: [20, 4], data: Uint8Array.from({ length: 80 }, (_, i) => i) }, Uint8Array.from({ length: 20 }, (_, i) => i % 2), { scale: { mean: 0.5, std: 2 }, classes: 3 }); // biome-ignore format: one line
    const trainer = netTrainer();
    await trainer.fit(bytes, { maxSteps: 2, validationSplit: 0.3 });
    expect(trainer.scale).toEqual({ mean: 0.5, std: 2 });
    const { given, asked } = splitOff(bytes, { validationSplit: 0.3 }, 1);
    expect([given.classes, given.size, asked.validation!.size, asked.validation!.name]).toEqual([3, 14, 6, 'array (validation part)']); // biome-ignore format: one line
    const labels = (asked.validation!.y as Values).data;
    expect([...labels].sort()).toEqual([0, 0, 0, 1, 1, 1]);
    const doubles = { size: 10, x: { shape: [10, 4], data: new Float64Array(40).fill(0.1) }, y: { shape: [10, 1], data: Float64Array.from({ length: 10 }, (_, i) => i) } }; // biome-ignore format: one line
    const parts = splitOff(doubles, { validationSplit: 4 }, 0);
    const targets = [parts.given, parts.asked.validation!].flatMap(({ y }) => [...(y as Values).data]);
    expect(targets.sort()).toEqual([...doubles.y.data]);
    const line = netTrainer({ model: new Linear(4, 1), loss: meanSquaredError });
    const [e] = await collect(line.fit(doubles, { epochs: 1, validationSplit: 4 }));
    expect([e!.loss, line.run]).toEqual([expect.any(Number), expect.objectContaining({ dataName: 'data (training part)', size: 6 })]); // biome-ignore format: one line
  });

  it('is the same set for the next run and for a resume', async () => {
    const backend = createCpuBackend();
    const make = () =>
      new Trainer(backend, { model: new Net(), loss: softmaxCrossEntropy, optimizer: adam(), seed: 1 });
    const options = { epochs: 4, batchSize: 32, validationSplit: 0.1 };
    const whole = make();
    const all = await collect(whole.fit(data, options));
    const half = make();
    for await (const e of half.fit(data, options)) if (e.epoch === 2) break;
    const later = make();
    await loadCheckpoint(later, await saveCheckpoint(half));
    const rest = await collect(later.fit(blobs(300), { ...options, resume: true }));
    const judged = (events: typeof all) => events.map(({ step, loss, accuracy }) => [step, loss, accuracy]);
    expect(judged([...half.history.epochs, ...rest])).toEqual(judged(all));
    expect(await weightsOf(later)).toEqual(await weightsOf(whole));
    await later.warmUp(data, options);
    const { bytes } = backend.executor.counters;
    await later.fit(data, options);
    await later.fit(data, { ...options, epochs: 1 });
    expect(backend.executor.counters.bytes).toBe(bytes);
  });

  it('is refused beside a validation set, and where it leaves nothing', async () => {
    const trainer = netTrainer();
    const cases: [object, RegExp][] = [
      [{ validationSplit: 0.1, validation: data }, /^fit: both validation and validationSplit are given\. Give one of/],
      [{ validationSplit: 0 }, /^fit: validationSplit is 0\. Give a fraction between 0 and 1, or a whole number of/],
      [{ validationSplit: 1.5 }, /^fit: validationSplit is 1\.5\. /],
      [{ validationSplit: '10%' }, /^fit: validationSplit is "10%"\. /],
      [{ validationSplit: 300 }, /^fit: validationSplit: 300 of the 300 examples of blobs leaves nothing to train or/],
      [
        { validationSplit: 0.1, batchSize: 271, dropLast: true },
        /^fit: batchSize is 271 and dropLast is true, but blobs \(training part\) has 270 examples/,
      ],
      [{ validationSplit: 0.1, epoch: 1 }, /^fit: there is no option epoch\. Did you mean epochs\?/],
    ];
    for (const [options, message] of cases)
      for (const call of [() => trainer.fit(data, options), () => trainer.warmUp(data, options)])
        await expect(call()).rejects.toThrow(message);
    await trainer.fit(data, { maxSteps: 2, validationSplit: 0.1 });
    await expect(trainer.fit(data, { maxSteps: 4, resume: true })).rejects.toThrow(
      'fit: the number of examples is 300, but the run to resume has 270.',
    );
  });
});
