// Mistakes that train: predictions squashed twice, targets that are no probabilities, a run that nothing awaits.
import { describe, expect, it } from 'vitest';
import { arrayDataset, type DataSet } from '../src/data/dataset.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { binaryCrossEntropyWithLogits, meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import type { Loss } from '../src/loss/loss.ts';
import { sigmoid } from '../src/ops/activations.ts';
import { mul } from '../src/ops/binary.ts';
import { reshape } from '../src/ops/reshape.ts';
import { softmax } from '../src/ops/softmax.ts';
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
    ['a softmax', (x) => softmax(x), softmaxCrossEntropy, data, 'not logits: the model ends with softmax, and softmaxCrossEntropy takes logits'],
    ['a sigmoid', sigmoid, binaryCrossEntropyWithLogits, yesOrNo, 'not logits: the model ends with sigmoid, and binaryCrossEntropyWithLogits'],
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
