// Checkpoints: going on where another process stopped, bit for bit; and refusing what does not fit, changing nothing.
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../src/graph/errors.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { Dropout } from '../src/nn/dropout.ts';
import { Linear } from '../src/nn/linear.ts';
import { relu } from '../src/ops/activations.ts';
import { adam } from '../src/optim/adam.ts';
import { cosine } from '../src/optim/schedules.ts';
import { sgd } from '../src/optim/sgd.ts';
import { describeCheckpoint } from '../src/train/checkpoint.ts';
import { loadCheckpoint, loadWeights, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { network } from '../src/train/network.ts';
import { readSafetensors, writeSafetensors } from '../src/train/safetensors.ts';
import { blobs, Net, netTrainer, weightsOf } from './blobs.ts';

class Dropping {
  hidden = new Linear(4, 16);
  drop = new Dropout(0.3);
  out = new Linear(16, 3);
  forward(x: Tensor): Tensor {
    return this.out.forward(this.drop.forward(relu(this.hidden.forward(x))));
  }
}

const dropping = () => netTrainer({ model: new Dropping(), optimizer: adam({ lr: cosine(0.01) }), seed: 5 });

describe('resuming', () => {
  // 100 examples in batches of 16: 7 steps an epoch, the last of 4 rows; step 200 lies inside an epoch.
  const data = blobs(100);
  const options = { batchSize: 16, maxSteps: 400 };

  it('400 steps equal 200, saved, loaded elsewhere, and 200 more, bit for bit', async () => {
    const whole = dropping();
    await whole.fit(data, options);

    const first = dropping();
    for await (const e of first.fit(data, { ...options, events: 'step' })) if (e.step === 200) break;
    // The loop was left at step 200; steps already under way then are part of what is saved.
    const bytes = await saveCheckpoint(first, { note: 'kept' });
    expect(first.stepsMade).toBeGreaterThanOrEqual(200);
    expect(first.stepsMade).toBeLessThan(400);

    const second = dropping();
    const saved = await loadCheckpoint(second, bytes);
    expect(saved.configuration).toEqual({ note: 'kept' });
    expect(second.stepsMade).toBe(first.stepsMade);
    const history = await second.fit(data, { ...options, resume: true });
    expect(second.stepsMade).toBe(400);
    expect(history.steps.step[0]).toBe(first.stepsMade + 1);
    expect(await weightsOf(second)).toEqual(await weightsOf(whole));
    expect(await saveCheckpoint(second)).toEqual(await saveCheckpoint(whole));
  });

  it('two runs of 200 without a schedule over the run equal one of 400', async () => {
    const make = () => netTrainer({ optimizer: sgd({ lr: 0.05, momentum: 0.9 }) });
    const [whole, parts] = [make(), make()];
    await whole.fit(data, options);
    await parts.fit(data, { ...options, maxSteps: 200 });
    const next = make();
    await loadCheckpoint(next, await saveCheckpoint(parts));
    await next.fit(data, { maxSteps: 400, resume: true });
    expect(await weightsOf(next)).toEqual(await weightsOf(whole));
  });

  it('a new run instead begins another order', async () => {
    const [a, b] = [netTrainer(), netTrainer()];
    await a.fit(data, { batchSize: 16, epochs: 2 });
    await b.fit(data, { batchSize: 16, epochs: 1 });
    await b.fit(data, { batchSize: 16, epochs: 1 });
    expect(b.stepsMade).toBe(14);
    expect(await weightsOf(b)).not.toEqual(await weightsOf(a));
    expect(b.history.epochs.map((e) => e.epoch)).toEqual([1, 1]);
  });

  it('a run that begins later sees the same rows in another order', async () => {
    const trainer = netTrainer({ optimizer: sgd({ lr: 1e-30 }) });
    for (const _ of [1, 2]) await trainer.fit(data, { batchSize: 10, epochs: 1 });
    const { loss } = trainer.history.steps;
    expect(loss.slice(10)).not.toEqual(loss.slice(0, 10));
    const sum = (list: number[]) => list.reduce((a, b) => a + b);
    expect(sum(loss.slice(10))).toBeCloseTo(sum(loss.slice(0, 10)), 4);
  });

  it('goes on with the order of a run that was not the first', async () => {
    const [whole, part] = [netTrainer(), netTrainer()];
    for (const trainer of [whole, part]) await trainer.fit(data, { maxSteps: 5, batchSize: 16 });
    await whole.fit(data, { maxSteps: 20, batchSize: 16 });
    await part.fit(data, { maxSteps: 9, batchSize: 16 });
    const next = netTrainer();
    await loadCheckpoint(next, await saveCheckpoint(part));
    await next.fit(data, { maxSteps: 20, resume: true });
    expect(next.stepsMade).toBe(25);
    expect(await weightsOf(next)).toEqual(await weightsOf(whole));
  });

  it('keeps the learning rate set by hand', async () => {
    const a = netTrainer();
    await a.fit(data, { maxSteps: 3 });
    a.learningRate = 0.0125;
    const b = netTrainer();
    await loadCheckpoint(b, await saveCheckpoint(a));
    expect(b.learningRate).toBe(0.0125);
  });

  it('refuses data of another size, and to resume what never began', async () => {
    const a = netTrainer();
    await expect(a.fit(data, { maxSteps: 3, resume: true })).rejects.toThrow(
      /resume is true, but there is no run to continue/,
    );
    await a.fit(data, { maxSteps: 3 });
    await expect(a.fit(blobs(50), { maxSteps: 6, resume: true })).rejects.toThrow(
      'fit: the number of examples is 50, but the run to resume has 100. Give the same value, or leave out resume to start a new run.',
    );
    await expect(a.fit(data, { maxSteps: 6, batchSize: 8, resume: true })).rejects.toThrow(/batchSize is 8.* has 32/);
  });
});

describe('files', () => {
  it('weights have the names and shapes that PyTorch gives them', async () => {
    const trainer = netTrainer();
    const { tensors } = readSafetensors(await saveWeights(trainer), 'w');
    expect([...tensors].map(([name, { dtype, shape }]) => [name, dtype, shape])).toEqual([
      ['hidden.weight', 'F32', [8, 4]],
      ['hidden.bias', 'F32', [8]],
      ['out.weight', 'F32', [3, 8]],
      ['out.bias', 'F32', [3]],
    ]);
    expect([...tensors.get('out.bias')!.data]).toEqual([...(await trainer.state.read('out.bias'))]);
  });

  it('weights go from a checkpoint or a file of weights into another trainer, which keeps its own steps', async () => {
    const a = netTrainer({ optimizer: adam() });
    await a.fit(blobs(30), { maxSteps: 5, batchSize: 10 });
    for (const bytes of [await saveCheckpoint(a), await saveWeights(a)]) {
      const b = netTrainer({ seed: 9 });
      await loadWeights(b, bytes);
      expect(await weightsOf(b)).toEqual(await weightsOf(a));
      expect(b.stepsMade).toBe(0);
    }
  });

  it('a checkpoint says what it is', async () => {
    const a = netTrainer({ optimizer: adam({ lr: cosine(0.01) }), seed: 2 ** 40 + 3 });
    await a.fit(blobs(30), { maxSteps: 5, batchSize: 10 });
    const { seed, step, optimizer, run, loss } = describeCheckpoint(await saveCheckpoint(a), 'c');
    expect({ seed, step, loss }).toEqual({ seed: 2 ** 40 + 3, step: 5, loss: 'softmaxCrossEntropy' });
    expect(optimizer.lr).toMatchObject({ name: 'cosine', peak: 0.01 });
    expect(run).toEqual({
      dataName: 'blobs',
      size: 30,
      batchSize: 10,
      shuffle: true,
      dropLast: false,
      start: 0,
      total: 5,
    });
  });
});

describe('what does not fit is refused, and changes nothing', () => {
  const cases: [string, RegExp, () => Promise<Uint8Array>][] = [
    [
      'another model',
      /c\.st: the tensors do not match.*"hidden.weight" has shape \[9, 4\], but the model expects \[8, 4\]/s,
      async () => saveCheckpoint(netTrainer({ model: new Net(9) })),
    ],
    [
      'weights alone',
      /c\.st: it is not a checkpoint of a run.*use loadWeights/s,
      async () => saveWeights(netTrainer()),
    ],
    [
      'another optimizer',
      /c\.st: it was trained with the optimizer adam, but this trainer has sgd/,
      async () => saveCheckpoint(netTrainer({ optimizer: adam() })),
    ],
    [
      'another seed',
      /c\.st: its seed is 2, but this trainer's is 1/,
      async () => saveCheckpoint(netTrainer({ seed: 2 })),
    ],
    ['a missing tensor', /"out.bias" is missing/, async () => changed((t) => t.delete('out.bias'))],
    [
      'an extra tensor',
      /"more" is not part of the model/,
      async () => changed((t) => t.set('more', t.get('out.bias')!)),
    ],
    [
      'damaged metadata',
      /metadata is damaged: "thalweg" is not JSON/,
      async () =>
        changed(
          () => {},
          () => '{',
        ),
    ],
    [
      'a hostile run',
      /the run has fields of wrong types/,
      async () =>
        changed(
          () => {},
          () => ({ optimizer: { name: 'sgd' }, loss: 'x', run: { size: -1 } }),
        ),
    ],
    [
      'a run that begins after the step of the State',
      /c\.st: the metadata is damaged: the run begins after 7 steps, but only 0 were made\. Use an undamaged copy\./,
      async () => {
        const run = { dataName: 'd', size: 9, batchSize: 3, shuffle: true, dropLast: false, start: 7 };
        const bytes = await changed(
          () => {},
          () => ({ optimizer: { name: 'sgd' }, loss: 'x', run }),
        );
        expect(() => describeCheckpoint(bytes, 'c.st')).toThrow(/begins after 7 steps/);
        return bytes;
      },
    ],
    [
      'another loss',
      /c\.st: it was trained with the loss "mse", but this trainer has "softmaxCrossEntropy"\. Use the same loss, or loadWeights\./,
      async () =>
        changed(
          (t) => t,
          (saved) => ({ ...saved, loss: 'mse' }),
        ),
    ],
    [
      'a data order that began later',
      /c\.st: it is inconsistent: the data order began after 9 steps, but only 0 were made/,
      async () => changed((t) => t.get('trainer.origin')!.data.set([9])),
    ],
    [
      'the order of another run',
      /the data order began after 3 steps, but the run after 0/,
      async () =>
        changed(
          (t) => {
            t.get('trainer.origin')!.data.set([3]);
            t.get('trainer.step')!.data.set([5]);
          },
          (saved) => ({
            ...saved,
            run: { dataName: 'd', size: 9, batchSize: 3, shuffle: true, dropLast: false, start: 0 },
          }),
        ),
    ],
    [
      'the order of another seed',
      /the data order is \[7, 0\], but the seed gives \[1, 0\]/,
      async () => changed((t) => t.get('trainer.order')!.data.set([7])),
    ],
    [
      'NaN among the weights',
      /c\.st: "out\.bias" holds NaN at index 2\. Use an earlier checkpoint, or loadWeights\./,
      async () => changed((t) => t.get('out.bias')!.data.set([Number.NaN], 2)),
    ],
    ['a cut file', /c\.st: /, async () => (await saveCheckpoint(netTrainer())).subarray(0, 300)],
  ];
  it.each(cases)('%s', async (_, message, make) => {
    const trainer = netTrainer();
    const before = await trainer.state.snapshot();
    const bytes = await make();
    await expect(loadCheckpoint(trainer, bytes, 'c.st')).rejects.toThrow(message);
    await expect(loadCheckpoint(trainer, bytes, 'c.st')).rejects.toThrow(CheckpointError);
    expect([...(await trainer.state.snapshot()).arrays.values()]).toEqual([...before.arrays.values()]);
  });

  it('another activation, and an infinite moment', async () => {
    const make = (activation: 'relu' | 'tanh') => {
      const description = { inputs: 4, hidden: [5], outputs: 3, activation, loss: 'cross-entropy' } as const;
      return netTrainer({ model: network(description).model, optimizer: adam() });
    };
    const [relu, tanh] = [make('relu'), make('tanh')];
    await relu.fit(blobs(30), { maxSteps: 2, batchSize: 10 });
    const bytes = await saveCheckpoint(relu);
    await expect(loadCheckpoint(tanh, bytes, 'c.st')).rejects.toThrow(
      "c.st: its network is 4-5-3, relu, cross-entropy, but this trainer's is 4-5-3, tanh, cross-entropy. Create the trainer with the same network.",
    );
    const { tensors, metadata } = readSafetensors(bytes, 'x');
    (tensors.get('optimizer.v.hidden.bias')!.data as Float32Array).set([Number.POSITIVE_INFINITY], 4);
    await expect(loadCheckpoint(make('relu'), writeSafetensors(tensors, metadata), 'c.st')).rejects.toThrow(
      'c.st: "optimizer.v.hidden.bias" holds Infinity at index 4.',
    );
    await loadCheckpoint(make('relu'), bytes);
  });

  /** A good checkpoint with something changed; `resave` gives what it keeps beside tensors, as plain data or text. */
  async function changed(
    change: (tensors: ReturnType<typeof readSafetensors>['tensors']) => void,
    resave?: (saved: object) => object | string,
  ): Promise<Uint8Array> {
    const file = readSafetensors(await saveCheckpoint(netTrainer()), 'x');
    change(file.tensors);
    const saved = resave?.(JSON.parse(file.metadata['thalweg']!)) ?? file.metadata['thalweg']!;
    const thalweg = typeof saved === 'string' ? saved : JSON.stringify(saved);
    return writeSafetensors(file.tensors, { ...file.metadata, thalweg });
  }
});
