// Mistakes that train: predictions squashed twice, targets that are no probabilities, a run that nothing awaits.
import { describe, expect, it, vi } from 'vitest';
import { arrayDataset, type DataSet, type Values } from '../src/data/dataset.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { binaryCrossEntropyWithLogits, meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import type { Loss } from '../src/loss/loss.ts';
import { sigmoid } from '../src/ops/activations.ts';
import { mul } from '../src/ops/binary.ts';
import { reshape } from '../src/ops/reshape.ts';
import { softmax } from '../src/ops/softmax.ts';
import { loadWeights, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { checkTargets } from '../src/train/target-range.ts';
import { blobs, collect, Net, netTrainer } from './blobs.ts';

const data = blobs(300);

describe('a prediction that is squashed twice', () => {
  class Squashed extends Net {
    readonly #squash: (x: Tensor) => Tensor;
    constructor(squash: (x: Tensor) => Tensor) {
      super();
      this.#squash = squash;
    }
    override forward(x: Tensor): Tensor {
      return this.#squash(super.forward(x));
    }
  }
  const yesOrNo = arrayDataset(data.x, { shape: [300, 3], data: Float32Array.from({ length: 900 }, (_, i) => i % 2) });
  const run = async (squash: (x: Tensor) => Tensor, loss: Loss, set = data) => {
    const trainer = netTrainer({ model: new Squashed(squash), loss });
    // 300 examples in batches of 32: the last, short one has a program of its own.
    const events = await collect(trainer.fit(set, { epochs: 2, events: 'step' }));
    expect(events.filter((e) => e.type === 'warning')).toEqual(trainer.history.warnings);
    return trainer.history.warnings;
  };

  it.each<[string, (x: Tensor) => Tensor, Loss, DataSet, string]>([
    ['a softmax', (x) => softmax(x), softmaxCrossEntropy, data, 'not logits: the model ends with softmax, but softmaxCrossEntropy takes logits'],
    ['a sigmoid', sigmoid, binaryCrossEntropyWithLogits, yesOrNo, 'not logits: the model ends with sigmoid, but binaryCrossEntropyWithLogits'],
    ['one of the other kind, reshaped', (x) => reshape(sigmoid(x), [x.shape[0]!, 3, 1].slice(0, 2)), softmaxCrossEntropy, data, 'not logits: the model ends with sigmoid'],
  ])('is told once, before the first step: %s', async (_, squash, loss, set, message) => {
    const warnings = await run(squash, loss, set);
    expect(warnings).toMatchObject([{ code: 'notLogits', step: 0 }]);
    expect(warnings[0]!.message).toContain(message);
  }); // biome-ignore format: a table

  it('is not told of logits, of losses of numbers, nor of squashes further inside', async () => {
    expect(await run((x) => x, softmaxCrossEntropy)).toEqual([]);
    expect(await run(sigmoid, meanSquaredError, yesOrNo)).toEqual([]);
    expect(await run((x) => mul(sigmoid(x), 4), softmaxCrossEntropy)).toEqual([]);
  });
});

describe('targets that are no probabilities', () => {
  const of = (values: number[][], options = {}) => arrayDataset([[0, 0, 0, 0], [1, 1, 1, 1]], values, options); // biome-ignore format: one line
  const bytes = arrayDataset([[0, 0, 0, 0], [1, 1, 1, 1]], [Uint8Array.of(85, 85, 84), Uint8Array.of(0, 0, 255)]); // biome-ignore format: one line
  it.each<[string, DataSet, Loss, string | undefined]>([
    ['-1 for no', of([[1, 0, 1], [0, -1, 0]]), binaryCrossEntropyWithLogits, 'array: the target of example 1 has -1, but binaryCrossEntropyWithLogits takes numbers from 0 to 1. Change the targets.'],
    ['1 and 2', of([[1, 2, 1], [2, 1, 1]]), binaryCrossEntropyWithLogits, 'array: the target of example 0 has 2,'],
    ['bytes as they are', arrayDataset(bytes.x, bytes.y, { targetScale: false }), binaryCrossEntropyWithLogits, 'array: the target of example 0 has 85,'],
    ['rows that add up to 3', of([[0.2, 0.2, 0.6], [1, 1, 1]]), softmaxCrossEntropy, 'array: the target of example 1 adds up to 3, but softmaxCrossEntropy takes probabilities, which add up to 1. Change the targets.'],
    ['rows of class indices', of([[0, 1, 1], [1, 1, 0]]), softmaxCrossEntropy, "array: the target of example 0 adds up to 2, but softmaxCrossEntropy takes probabilities, which add up to 1. Change the targets, or if they are class indices, make the data with { targets: 'classes' }."],
    ['rows with less than 0', of([[-0.5, 0.5, 1], [1, 0, 0]]), softmaxCrossEntropy, 'array: the target of example 0 has -0.5,'],
    ['rows that do', of([[0.2, 0.2, 0.6], [1, 0, 0]]), softmaxCrossEntropy, undefined],
    ['rows of bytes', bytes, softmaxCrossEntropy, undefined],
    ['from 0 to 1', of([[0.2, 1, 0], [1, 1, 0]]), binaryCrossEntropyWithLogits, undefined],
    ['numbers', of([[-7, 8, 9], [1, 2, 3]]), meanSquaredError, undefined],
  ])('%s', async (_, set, loss, message) => {
    const good = loss === meanSquaredError ? set : bytes;
    const calls = [
      () => netTrainer({ loss }).fit(set, { epochs: 1 }),
      () => netTrainer({ loss }).fit(good, { epochs: 1, validation: set }),
      () => netTrainer({ loss }).evaluate(set),
    ];
    for (const [k, call] of calls.entries())
      if (message === undefined) await call();
      else await expect(call(), `call ${k}`).rejects.toThrow(message);
  }); // biome-ignore format: a table
});

it('a bare axis of targets is a number an example, and a bounded sample of a large set is looked at', () => {
  const task = { loss: binaryCrossEntropyWithLogits };
  const values = (length: number) => ({ shape: [length], data: new Float32Array(length) });
  const set = (y: Values) => ({ size: y.shape[0]!, x: values(y.shape[0]!), y });
  const y = { shape: [4], data: Float32Array.of(0, 1, 2, 0) };
  expect(() => checkTargets(task, set(y))).toThrow('data: the target of example 2 has 2,');
  const large = values(2 ** 20);
  let reads = 0;
  const subarray = large.data.subarray.bind(large.data);
  large.data.subarray = (from, to) => {
    reads += to! - from!;
    return subarray(from, to);
  };
  checkTargets(task, set(large));
  expect(reads).toBe(2 ** 15);
});

describe('floats for a model that learned from bytes', () => {
  const pixels = Uint8Array.from({ length: 1200 }, (_, i) => (i * 37) % 256);
  const bytes = arrayDataset({ shape: [300, 4], data: pixels }, data.y, { scale: { mean: 0.5, std: 0.25 } });
  const floats = arrayDataset({ shape: [300, 4], data: Float32Array.from(pixels) }, data.y);
  const scaled = arrayDataset({ shape: [300, 4], data: Float32Array.from(pixels, (v) => (v / 255 - 0.5) / 0.25) }, data.y); // biome-ignore format: one line
  const warnings = async (act: (trainer: ReturnType<typeof netTrainer>) => Promise<unknown>) => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    try {
      await act(netTrainer());
      return warn.mock.calls.flat();
    } finally {
      warn.mockRestore();
    }
  };
  const message =
    ' has 37, but the model learned from bytes as (x / 255 - 0.5) / 0.25. Scale floats alike, or give a Uint8Array.';

  it('are warned of once, where they are not scaled', async () => {
    const said = await warnings(async (trainer) => {
      await trainer.fit(bytes, { maxSteps: 1 });
      for (let k = 0; k < 2; k++) {
        await trainer.evaluate(floats);
        await trainer.predict([[200, 0, 0, 0]]);
      }
    });
    expect(said).toEqual([`evaluate: x${message}`]);
    const validation = await warnings(async (trainer) => {
      await trainer.fit(bytes, { epochs: 2, validation: floats });
    });
    expect(validation).toEqual([`fit: validation: x${message}`]);
    const loaded = await warnings(async (trainer) => {
      const trained = netTrainer();
      await trained.fit(bytes, { maxSteps: 1 });
      await loadWeights(trainer, await saveWeights(trained));
      await trainer.predict([[200, 0, 0, 0]]);
    });
    expect(loaded).toEqual([`predict: x${message.replace('37', '200')}`]);
  });

  it('are not warned of where they are scaled, nor where the model learned from floats', async () => {
    const said = await warnings(async (trainer) => {
      await trainer.fit(bytes, { maxSteps: 1, validation: scaled });
      await trainer.evaluate(scaled);
      await trainer.predict(bytes);
      await trainer.fit(scaled, { maxSteps: 1 });
      await trainer.evaluate(floats);
    });
    expect(said).toEqual([]);
  });
});

describe('a run that was made and not begun', () => {
  it('is told once, on the console, by what shows its model', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    try {
      const trainer = netTrainer();
      const call = {
        evaluate: () => trainer.evaluate(data),
        predict: () => trainer.predict(data),
        saveCheckpoint: () => saveCheckpoint(trainer),
        saveWeights: () => saveWeights(trainer),
      };
      for (const [name, show] of Object.entries(call)) {
        trainer.fit(data, { epochs: 1 });
        await show();
        await show();
        expect(warn.mock.calls).toEqual([
          [`${name}: the run returned by fit has not started. Await it: await trainer.fit(…).`],
        ]);
        warn.mockClear();
      }
      const run = trainer.fit(data, { epochs: 1 });
      await run;
      for (const show of Object.values(call)) await show();
      expect(trainer.stepsMade).toBe(10);
      expect(warn).not.toHaveBeenCalled();
    } finally {
      warn.mockRestore();
    }
  });
});
