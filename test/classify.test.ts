// Probabilities and classes of a trainer's predictions.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { OptionError } from '../src/graph/errors.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import {
  binaryCrossEntropyWithLogits,
  huber,
  meanSquaredError,
  softmaxCrossEntropy,
  sumSquaredError,
} from '../src/loss/index.ts';
import { defineLoss, type Loss } from '../src/loss/loss.ts';
import { sigmoid } from '../src/ops/activations.ts';
import { mul } from '../src/ops/binary.ts';
import { reshape } from '../src/ops/reshape.ts';
import { sgd } from '../src/optim/sgd.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, Net, netTrainer } from './blobs.ts';

const data = blobs(70);
/** A model that gives its inputs. */
class Same extends Net {
  override forward(x: Tensor): Tensor {
    return x;
  }
}
const same = (loss: Loss) => netTrainer({ model: new Same(), loss });

describe('predictProbabilities', () => {
  it('is softmax over the last axis, stable, in f32', async () => {
    const {
      shape,
      dtype,
      data: p,
    } = await same(softmaxCrossEntropy).predictProbabilities([
      [0, 0, 0, 0],
      [1e30, -1e30, 0, 1e30],
      [-1000, -1001, -1002, -1003],
    ]);
    expect([shape, dtype, p.constructor]).toEqual([[3, 4], 'f32', Float32Array]);
    const rest = [0, 1, 2, 3].map((k) => Math.fround(Math.exp(-k) / (1 + Math.exp(-1) + Math.exp(-2) + Math.exp(-3))));
    expect([...p]).toEqual([0.25, 0.25, 0.25, 0.25, 0.5, 0, 0, 0.5, ...rest]);
  });

  it('is sigmoid of each output, stable', async () => {
    const { shape, data: p } = await same(binaryCrossEntropyWithLogits).predictProbabilities([[0, 1e4, -1e4, -1]]);
    expect([shape, [...p]]).toEqual([
      [1, 4],
      [0.5, 1, 0, Math.fround(1 / (1 + Math.E))],
    ]);
  });

  it('takes what predict takes, any number of rows, after training', async () => {
    const trainer = netTrainer();
    await trainer.fit(data, { maxSteps: 5, batchSize: 35 });
    const { shape, data: p } = await trainer.predictProbabilities(data);
    const { data: x } = await trainer.predict(data);
    expect(shape).toEqual([70, 3]);
    for (let r = 0; r < 210; r += 3) {
      const e = [0, 1, 2].map((k) => Math.exp(x[r + k]! - x[r]!));
      for (const k of [0, 1, 2]) expect(p[r + k]).toBeCloseTo(e[k]! / (e[0]! + e[1]! + e[2]!), 7);
    }
    expect((await trainer.predictProbabilities([[1, 2, 3, 4]])).shape).toEqual([1, 3]);
    await expect(trainer.predictProbabilities([1, 2])).rejects.toThrow(
      /^x: it has the shape \[2\] of a single example\. Give a list of examples, such as \[x\]\./,
    );
  });

  it('is what a loss of one’s own says, in doubles on a backend of doubles', async () => {
    const loss = defineLoss('mine', meanSquaredError, { classes: 'binary', probabilities: (x) => sigmoid(mul(x, 2)) });
    const x = [[0, 0.5, -0.5, 1]];
    const { data: p } = await same(loss).predictProbabilities(x);
    expect([...p]).toEqual([0, 1, -1, 2].map((v) => Math.fround(1 / (1 + Math.exp(-v)))));
    const options = { model: new Same(), loss, optimizer: sgd(0.1) };
    const exact = new Trainer(createCpuBackend({ precision: 'float64' }), options);
    expect([...(await exact.predictProbabilities(x)).data]).toEqual([0, 1, -1, 2].map((v) => 1 / (1 + Math.exp(-v))));
    expect([...(await exact.predictClasses(x)).data]).toEqual([0, 1, 0, 1]);
    const none = same(defineLoss('mine', meanSquaredError, { probabilities: () => 1 as never }));
    await expect(none.predictProbabilities(x)).rejects.toThrow('mine: its probabilities returned 1. Return a Tensor.');
  });

  it.each([meanSquaredError, huber()])('refuses a loss that has none', async (loss) => {
    await expect(same(loss).predictProbabilities(data)).rejects.toThrow(
      new OptionError(
        `predictProbabilities: the loss ${loss.lossName} does not define probabilities. Use predict, a loss that does (softmaxCrossEntropy or binaryCrossEntropyWithLogits), or give defineLoss { probabilities: (prediction) => Tensor }.`,
      ),
    );
  });
});

describe('predictClasses', () => {
  it('are the largest along the last axis, the first among equals, as accuracy has it', async () => {
    const trainer = netTrainer();
    await trainer.fit(data, { maxSteps: 5, batchSize: 35 });
    const { shape, dtype, data: classes } = await trainer.predictClasses(data);
    expect([shape, dtype, classes.constructor]).toEqual([[70], 'u32', Uint32Array]);
    const right = [...classes].filter((label, r) => label === data.y.data[r]).length;
    expect((await trainer.evaluate(data)).accuracy).toBe(right / 70);
    const ties = await same(sumSquaredError).predictClasses([
      [1, 3, 3, 2],
      [Number.NaN, 9, 9, 9],
      [0, 0, 0, 0],
    ]);
    expect([...ties.data]).toEqual([1, 0, 0]);
  });

  it('of rows in several axes are (N, T)', async () => {
    class Two extends Net {
      override forward(x: Tensor): Tensor {
        return reshape(x, [x.shape[0]!, 2, 2]);
      }
    }
    const trainer = netTrainer({ model: new Two() });
    const { shape, data: classes } = await trainer.predictClasses([
      [1, 2, 4, 3],
      [0, 9, 8, 9],
    ]);
    expect([shape, [...classes]]).toEqual([
      [2, 2],
      [1, 0, 1, 1],
    ]);
  });

  it('of yes or no are 0 and 1, of the outputs’ shape', async () => {
    const {
      shape,
      dtype,
      data: classes,
    } = await same(binaryCrossEntropyWithLogits).predictClasses([[-1, 0, 1e-30, 7]]);
    expect([shape, dtype, [...classes]]).toEqual([[1, 4], 'u32', [0, 0, 1, 1]]);
  });

  it.each([sumSquaredError, softmaxCrossEntropy])('refuses one output an example: %#', async (loss) => {
    await expect(same(loss).predictClasses([[1], [2]])).rejects.toThrow(
      `predictClasses: predictions [2, 1] have one output per example, so ${loss.lossName} has no class to choose. Use predict; for two classes train with binaryCrossEntropyWithLogits.`,
    );
  });

  it('refuses a loss that scores no classes', async () => {
    await expect(same(huber()).predictClasses(data)).rejects.toThrow(
      new OptionError(
        'predictClasses: the loss huber scores no classes. Use predict, a loss that does (softmaxCrossEntropy or binaryCrossEntropyWithLogits), or give defineLoss { classes: true }.',
      ),
    );
  });
});
