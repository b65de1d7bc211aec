// The Trainer on the CPU: that it learns, that its arithmetic is that of a hand-written loop, and how runs begin, stop and fail.
import { describe, expect, it } from 'vitest';
import { type Backend, createCpuBackend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/dataset.ts';
import { DeviceError, DivergenceError, OptionError } from '../src/graph/errors.ts';
import { type Tensor, Variable } from '../src/graph/tensor.ts';
import { assign, isTraining } from '../src/graph/trace.ts';
import { meanSquaredError, softmaxCrossEntropy, sumSquaredError } from '../src/loss/index.ts';
import { asLoss } from '../src/loss/loss.ts';
import { Linear } from '../src/nn/linear.ts';
import { sigmoid } from '../src/ops/activations.ts';
import { add, mul, sub } from '../src/ops/binary.ts';
import { unary } from '../src/ops/elementwise.ts';
import { mean } from '../src/ops/reduce.ts';
import { sign } from '../src/ops/unary.ts';
import { adam } from '../src/optim/adam.ts';
import { cosine } from '../src/optim/schedules.ts';
import { sgd } from '../src/optim/sgd.ts';
import type { Values } from '../src/train/batch.ts';
import { describeCheckpoint } from '../src/train/checkpoint.ts';
import { LossWatch } from '../src/train/divergence.ts';
import { evaluationBatch } from '../src/train/evaluation.ts';
import type { EpochEvent, FitEvent, StepEvent } from '../src/train/events.ts';
import { bestConstantLoss } from '../src/train/not-learning.ts';
import { presets } from '../src/train/presets.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';
import { blobs, collect, Net, netTrainer, weightsOf } from './blobs.ts';

const data = blobs(300);

describe('learning', () => {
  it('three blobs to 95 %', async () => {
    const trainer = await netTrainer({ optimizer: adam({ lr: cosine(0.02) }) });
    const epochs = await collect(trainer.fit(data, { epochs: 8, batchSize: 32, validation: blobs(200, 0.5, 'other') }));
    expect(epochs).toHaveLength(8);
    expect(epochs.at(-1)).toMatchObject({ type: 'epoch', epoch: 8, epochs: 8, step: 80, complete: true });
    expect(epochs.at(-1)!.accuracy).toBeGreaterThan(0.95);
    expect(epochs.at(-1)!.trainLoss).toBeLessThan(epochs[0]!.trainLoss / 2);
  });

  it('a linear regression as the same steps by hand, the short last batch included', async () => {
    class Line {
      layer = new Linear(2, 1);
      forward(x: Tensor): Tensor {
        return this.layer.forward(x);
      }
    }
    const x = [
      [1, 2],
      [3, -1],
      [0, 1],
      [2, 2],
      [-1, 1],
    ];
    const y = [[1], [2], [0.5], [3], [-2]];
    const lines = arrayDataset(x, y, { targets: 'values' });
    const trainer = await netTrainer({ model: new Line(), loss: meanSquaredError, optimizer: sgd({ lr: 0.1 }) });
    const [w, b] = [[...(await trainer.state.read('layer.weight'))], [...(await trainer.state.read('layer.bias'))]];
    const steps = (await collect(
      trainer.fit(lines, { epochs: 2, batchSize: 2, shuffle: false, events: 'step' }),
    )) as StepEvent[];
    const losses: number[] = [];
    for (const rows of [[0, 1], [2, 3], [4], [0, 1], [2, 3], [4]]) {
      const off = rows.map((r) => x[r]![0]! * w[0]! + x[r]![1]! * w[1]! + b[0]! - y[r]![0]!);
      losses.push(off.reduce((sum, d) => sum + d * d, 0) / rows.length);
      const gradient = (k: (r: number) => number) =>
        rows.reduce((sum, r, i) => sum + (2 * off[i]! * k(r)) / rows.length, 0);
      const [g0, g1, gb] = [gradient((r) => x[r]![0]!), gradient((r) => x[r]![1]!), gradient(() => 1)];
      w[0]! -= 0.1 * g0;
      w[1]! -= 0.1 * g1;
      b[0]! -= 0.1 * gb;
    }
    const got = steps.filter((e) => e.type === 'step').map((e) => e.loss);
    expect(got).toHaveLength(6);
    for (const [k, loss] of losses.entries()) expect(got[k]).toBeCloseTo(loss, 4);
    const after = await weightsOf(trainer);
    for (const k of [0, 1]) expect(after['layer.weight']![k]).toBeCloseTo(w[k]!, 5);
    expect(after['layer.bias']![0]).toBeCloseTo(b[0]!, 5);
    const first = trainer.history.epochs[0]!;
    expect(first.trainLoss).toBeCloseTo((2 * losses[0]! + 2 * losses[1]! + losses[2]!) / 5, 5);
    expect(first.trainAccuracy).toBeUndefined();
  });

  it('is the same bits twice, however many steps go into a submit', async () => {
    const weights = [];
    for (const submitMs of [200, 200, 0.001]) {
      const trainer = await netTrainer({ submitMs, optimizer: adam() });
      await trainer.train(data, { maxSteps: 60, batchSize: 32 });
      weights.push(await weightsOf(trainer));
    }
    expect(weights[1]).toEqual(weights[0]);
    expect(weights[2]).toEqual(weights[0]);
    const other = await netTrainer({ seed: 2, optimizer: adam() });
    await other.train(data, { maxSteps: 60, batchSize: 32 });
    expect(await weightsOf(other)).not.toEqual(weights[0]);
  });

  it('gives every split into arenas the same weights', async () => {
    const [one, many] = [
      await netTrainer({ optimizer: adam({ clipNorm: 0.1 }) }),
      await netTrainer({ optimizer: adam({ clipNorm: 0.1 }), maxArenaBytes: 256 }),
    ];
    await one.train(data, { maxSteps: 20 });
    await many.train(data, { maxSteps: 20 });
    expect(many.state.arenas).toHaveLength(4);
    const [a, b] = [await weightsOf(one), await weightsOf(many)];
    for (const path of Object.keys(a)) for (const [k, v] of a[path]!.entries()) expect(b[path]![k]).toBeCloseTo(v, 5);
  });

  it('moves variables that a layer assigns, only while training', async () => {
    class Counting extends Net {
      seen = new Variable([1], { initial: () => new Float32Array(1) });
      override forward(x: Tensor): Tensor {
        if (isTraining()) assign(this.seen, add(this.seen, x.shape[0]!));
        return super.forward(x);
      }
    }
    const trainer = await netTrainer({ model: new Counting() });
    await trainer.train(data, { epochs: 1, batchSize: 64, validation: data });
    expect((await trainer.state.read('seen'))[0]).toBe(300);
  });

  it('takes a plain function as a loss', async () => {
    const lines = arrayDataset([[0], [1], [2], [3]], [[1], [3], [5], [7]], { targets: 'values' });
    const square = (p: Tensor, y: Tensor) => mean(mul(sub(p, y), sub(p, y)));
    const make = (loss: TrainerOptions['loss']) => netTrainer({ model: new Linear(1, 1), loss });
    const [own, known] = [await make(square), await make(meanSquaredError)];
    for (const trainer of [own, known]) await trainer.train(lines, { maxSteps: 20, batchSize: 4 });
    for (const [k, loss] of known.history.steps.loss.entries()) expect(own.history.steps.loss[k]).toBeCloseTo(loss, 5);
    expect(describeCheckpoint(await own.save(), 'c').loss).toBe('square');
    expect(await own.evaluate(lines)).toMatchObject({ metrics: {}, size: 4 });
    expect(
      asLoss(
        (
          () => (p: Tensor) =>
            mean(p)
        )(),
      ).lossName,
    ).toBe('loss');
    expect(asLoss(softmaxCrossEntropy)).toBe(softmaxCrossEntropy);
  });

  it('reports metrics of the user’s own', async () => {
    const trainer = await netTrainer({ metrics: { twice: (p, t) => mul(softmaxCrossEntropy(p, t), 2) } });
    const [e] = await collect(trainer.fit(data, { epochs: 1, batchSize: 32, validation: data }));
    expect(e!.trainMetrics['twice']).toBeCloseTo(2 * e!.trainLoss, 5);
    expect(e!.metrics!['twice']).toBeCloseTo(2 * e!.loss!, 5);
    await expect(netTrainer({ metrics: { loss: (p) => mean(p) } })).rejects.toThrow(/cannot be named loss/);
  });
});

describe('the stream', () => {
  it('tells of epochs, or of steps too', async () => {
    const options = { epochs: 2, batchSize: 64 };
    const epochs = await collect((await netTrainer()).fit(data, options));
    expect(epochs.map((e) => [e.type, e.step])).toEqual([
      ['epoch', 5],
      ['epoch', 10],
    ]);
    const all: FitEvent[] = await collect((await netTrainer()).fit(data, { ...options, events: 'step' }));
    const order = [1, 2, 3, 4, 5, 'e', 6, 7, 8, 9, 10, 'e'];
    expect(all.map((e) => (e.type === 'epoch' ? 'e' : e.step))).toEqual(order);
    expect(all.filter((e) => e.type === 'step').map((e) => e.epoch)).toEqual([1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
  });

  it('leaves out the short batch where it is told to', async () => {
    const trainer = await netTrainer();
    await trainer.train(data, { epochs: 2, batchSize: 64, dropLast: true });
    expect(trainer.stepsMade).toBe(8);
  });

  it('ends with an event for a part of an epoch', async () => {
    const events = await collect((await netTrainer()).fit(data, { maxSteps: 7, batchSize: 64 }));
    expect(events.map((e) => [e.step, e.complete, e.epochs])).toEqual([
      [5, true, 2],
      [7, false, 2],
    ]);
  });

  it('stops when its loop is left, with a State that is settled', async () => {
    const trainer = await netTrainer();
    for await (const e of trainer.fit(data, { batchSize: 4, events: 'step' })) if (e.step === 5) break;
    expect(trainer.history.stopped).toBe('stopped');
    expect(await trainer.state.count(trainer.state.step)).toBe(trainer.stepsMade);
    await trainer.train(data, { maxSteps: 1 });
    expect(trainer.history.stopped).toBe('done');
  });

  it('ends on a signal', async () => {
    const trainer = await netTrainer();
    const control = new AbortController();
    const seen: FitEvent[] = [];
    for await (const e of trainer.fit(data, { batchSize: 4, events: 'step', signal: control.signal })) {
      seen.push(e);
      if (e.step === 3) control.abort();
    }
    expect(trainer.history.stopped).toBe('aborted');
    expect(trainer.stepsMade).toBe(seen.filter((e) => e.type === 'step').length);
    expect(await collect(trainer.fit(data, { signal: control.signal }))).toEqual([]);
  });

  it('lets timers have their turn, however small the steps', async () => {
    const trainer = await netTrainer();
    const control = new AbortController();
    const began = performance.now();
    setTimeout(() => control.abort(), 100);
    await trainer.train(blobs(8), { epochs: 5_000, batchSize: 8, signal: control.signal });
    expect(trainer.history.stopped).toBe('aborted');
    expect(performance.now() - began).toBeLessThan(2000);
  }, 10_000);

  it('pauses, steps and resumes', async () => {
    const trainer = await netTrainer();
    const steps: number[] = [];
    const run = trainer.train(data, { maxSteps: 40, batchSize: 8, onStep: (e) => void steps.push(e.step) });
    trainer.pause();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const held = steps.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(steps.length).toBe(held);
    expect(held).toBeLessThan(40);
    expect((await trainer.step())?.step).toBe(held + 1);
    expect((await trainer.step())?.step).toBe(held + 2);
    expect(trainer.stepsMade).toBe(held + 2);
    expect(trainer.paused).toBe(true);
    trainer.resume();
    await run;
    expect(steps).toHaveLength(40);
    await expect(trainer.step()).rejects.toThrow('step: no run is under way. Begin one with fit.');
  });

  it('ends while paused, on a signal', async () => {
    const trainer = await netTrainer();
    const control = new AbortController();
    const run = trainer.train(data, { batchSize: 8, signal: control.signal });
    trainer.pause();
    setTimeout(() => control.abort(), 30);
    expect((await run).stopped).toBe('aborted');
  });

  it('calls plain objects back', async () => {
    const calls: string[] = [];
    const callback = {
      onStep: () => void calls.push('step'),
      onEpoch: async () => void calls.push('epoch'),
      onEnd: (reason: string) => void calls.push(reason),
    };
    await (await netTrainer()).train(data, { epochs: 1, batchSize: 150, callbacks: [callback] });
    expect(calls).toEqual(['step', 'step', 'epoch', 'done']);
  });

  it('refuses a second run beside the first', async () => {
    const trainer = await netTrainer();
    for await (const _ of trainer.fit(data, { epochs: 2 })) {
      await expect(trainer.train(data, { epochs: 1 })).rejects.toThrow(/a run is under way/);
      await expect(trainer.load(new Uint8Array())).rejects.toThrow(/a run is under way/);
      break;
    }
  });
});

describe('learning rates', () => {
  it('follow the schedule over the whole run', async () => {
    const trainer = await netTrainer({ optimizer: sgd({ lr: cosine(0.1) }) });
    const steps = (await collect(trainer.fit(data, { epochs: 2, batchSize: 64, events: 'step' }))).filter(
      (e): e is StepEvent => e.type === 'step',
    );
    for (const { step, learningRate } of steps)
      expect(learningRate).toBeCloseTo(0.05 * (1 + Math.cos((Math.PI * (step - 1)) / 10)), 10);
  });

  it('reach the device step by step', async () => {
    // One weight with gradient 1: it falls by exactly the rate of each step.
    class One {
      w = new Variable([1], { trainable: true, initial: () => new Float32Array(1) });
      forward(x: Tensor): Tensor {
        return add(mul(x, 0), this.w);
      }
    }
    const schedule = (t: number) => 1 + t;
    const loss = Object.assign((p: Tensor) => mean(p), { lossName: 'mean', metrics: () => ({}) });
    const trainer = await netTrainer({ model: new One(), loss, optimizer: sgd({ lr: schedule }) });
    const ones = arrayDataset([[0], [0]], [[0], [0]], { targets: 'values' });
    await trainer.train(ones, { maxSteps: 300, batchSize: 2 });
    expect((await trainer.state.read('w'))[0]).toBe(-(300 * 301) / 2);
  });

  it('can be set while running, from the next submit on', async () => {
    const trainer = await netTrainer({ submitMs: 0.001, optimizer: sgd({ lr: 0.1 }) });
    const rates: number[] = [];
    for await (const e of trainer.fit(data, { maxSteps: 60, batchSize: 8, events: 'step' })) {
      if (e.type !== 'step') continue;
      rates.push(e.learningRate);
      if (e.step === 20) trainer.learningRate = 0.01;
    }
    const change = rates.indexOf(0.01);
    expect(change).toBeGreaterThanOrEqual(20);
    expect(change).toBe(trainer.history.rates[0]!.step);
    expect(rates.slice(0, change).every((r) => r === 0.1)).toBe(true);
    expect(rates.slice(change).every((r) => r === 0.01)).toBe(true);
    expect(trainer.learningRate).toBe(0.01);
    for (const bad of [0, -1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => {
        trainer.learningRate = bad;
      }).toThrow(/trainer: learningRate is/);
  });

  it('name the option where the schedule needs a length that is not known', async () => {
    const trainer = await netTrainer({ optimizer: sgd({ lr: cosine(0.1) }) });
    await expect(trainer.train(data)).rejects.toThrow(/Give `epochs` or `maxSteps` to fit/);
  });
});

describe('stopping early', () => {
  it('ends when nothing gets better, with the best State where asked', async () => {
    // A rate of 0 after the first epoch would never improve; a rate this high gets worse.
    const trainer = await netTrainer({ optimizer: sgd({ lr: (t) => (t < 10 ? 0.1 : 1e-12) }) });
    const test = blobs(100, 0.5, 'other');
    const losses: number[] = [];
    for await (const e of trainer.fit(data, {
      epochs: 20,
      batchSize: 30,
      validation: test,
      earlyStopping: { patience: 2, minDelta: 1e-4, restoreBest: true },
    }))
      losses.push(e.loss!);
    expect(trainer.history.stopped).toBe('earlyStopping');
    expect(losses).toHaveLength(3);
    expect((await trainer.evaluate(test)).loss).toBe(losses[0]);
    expect(trainer.stepsMade).toBe(10);
  });

  it('ends with the State of the best epoch, though it was the last whole one and part of another followed', async () => {
    const trainer = await netTrainer({ optimizer: adam({ lr: 0.02 }) });
    const run = trainer.fit(data, { maxSteps: 25, batchSize: 30, earlyStopping: { restoreBest: true } });
    const seen: Record<string, number[]>[] = [];
    for await (const e of run) if (e.complete) seen.push(await weightsOf(trainer));
    const losses = trainer.history.epochs.map((e) => e.trainLoss);
    expect(losses[1]).toBeLessThan(losses[0]!);
    expect(trainer.history.epochs.map((e) => e.step)).toEqual([10, 20, 25]);
    expect(await weightsOf(trainer)).toEqual(seen[1]);
    expect(trainer.stepsMade).toBe(20);
  });

  it('ends at a target accuracy', async () => {
    const trainer = await netTrainer({ optimizer: adam({ lr: 0.02 }) });
    await trainer.train(data, { epochs: 50, targetAccuracy: 0.9 });
    expect(trainer.history.stopped).toBe('targetAccuracy');
    expect(trainer.history.epochs.length).toBeLessThan(20);
  });

  it.each([
    [{ patience: 0 }, /patience is 0/],
    [{ minDelta: -1 }, /minDelta is -1/],
    [{ monitor: 'f1' as 'loss' }, /monitor is f1/],
  ])('refuses %j', async (earlyStopping, message) => {
    await expect((await netTrainer()).train(data, { epochs: 1, earlyStopping })).rejects.toThrow(message);
  });
});

describe('judging', () => {
  it.each([64, 300, 7])('evaluates in batches of %d as predictions do by hand', async (batchSize) => {
    const trainer = await netTrainer();
    await trainer.train(data, { maxSteps: 20 });
    const { data: logits } = await trainer.predict(data.x);
    let [loss, right] = [0, 0];
    const confusion = Array.from({ length: 3 }, () => [0, 0, 0]);
    for (let r = 0; r < 300; r++) {
      const row = [...logits.subarray(r * 3, r * 3 + 3)];
      const label = data.y.data[r]!;
      loss += Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0)) - row[label]!;
      const taken = row.indexOf(Math.max(...row));
      if (taken === label) right++;
      confusion[label]![taken]!++;
    }
    const got = await trainer.evaluate(data, { batchSize, confusion: true });
    expect(got.loss).toBeCloseTo(loss / 300, 5);
    expect(got.accuracy).toBeCloseTo(right / 300, 6);
    expect(got.confusion).toEqual(confusion);
    expect(await trainer.evaluate(data, { batchSize, confusion: true })).toEqual(got);
  });

  it('evaluates one set several times at once, and while a run is under way', async () => {
    const trainer = await netTrainer();
    const want = await trainer.evaluate(data, { batchSize: 7 });
    const both = [1, 2, 3].map(() => trainer.evaluate(data, { batchSize: 7 }));
    expect(await Promise.all(both)).toEqual([want, want, want]);
    for await (const e of trainer.fit(data, { epochs: 2 })) {
      if (e.epoch > 1) break;
      expect((await trainer.evaluate(data)).size).toBe(300);
      expect((await trainer.predict(data.x)).shape).toEqual([300, 3]);
    }
  });

  it.each([
    [1, 1],
    [10_000, 1000],
    [60_000, 1000],
    [9_999, 909],
    [10_007, 500],
  ])('takes %d examples %d at a time', (size, batch) => {
    expect(evaluationBatch(size)).toBe(batch);
  });

  it('predicts any number of rows, bytes scaled as the training data were', async () => {
    const bytes = arrayDataset(
      { shape: [30, 4], data: Uint8Array.from({ length: 120 }, (_, i) => (i * 37) % 256) },
      Uint8Array.from({ length: 30 }, (_, i) => i % 3),
      { classes: 3, scale: { mean: 0.25, std: 0.5 } },
    );
    const trainer = await netTrainer();
    await trainer.train(bytes, { maxSteps: 3, batchSize: 30 });
    const floats = Float32Array.from(bytes.x.data, (v) => (v / 255 - 0.25) / 0.5);
    const [a, b] = [await trainer.predict(bytes.x), await trainer.predict({ shape: [30, 4], data: floats })];
    expect(a.shape).toEqual([30, 3]);
    for (const [k, v] of a.data.entries()) expect(b.data[k]).toBeCloseTo(v, 5);
    const many = { shape: [1203, 4], data: new Float32Array(1203 * 4).map((_, i) => Math.sin(i)) };
    const one = { shape: [1, 4], data: many.data.slice(1202 * 4) };
    const last = [...(await trainer.predict(one)).data];
    expect([...(await trainer.predict(many)).data.slice(1202 * 3)]).toEqual(last);
  });

  it('shows what is inside', async () => {
    const trainer = await netTrainer();
    const x = { shape: [5, 4], data: data.x.data.slice(0, 20) };
    const look = await trainer.inspect(x, { shape: [5], data: data.y.data.slice(0, 5) });
    expect(Object.keys(look.outputs)).toEqual(['hidden', 'out']);
    expect(look.outputs['out']!.data).toEqual(look.prediction.data);
    expect(look.outputs['hidden']!.shape).toEqual([5, 8]);
    expect(Object.keys(look.gradients!)).toEqual(['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']);
    // Softmax's gradient with respect to the last bias sums to 0.
    const db = look.gradients!['out.bias']!.data;
    expect(db[0]! + db[1]! + db[2]!).toBeCloseTo(0, 6);
    expect(Math.abs(look.gradients!['out.bias']!.data[0]!)).toBeGreaterThan(1e-4);
    expect((await trainer.inspect(x)).gradients).toBeUndefined();
  });

  it('sums up its layers once the shape of an example is known', async () => {
    expect((await netTrainer({ inputShape: [4] })).summary().parameters).toBe(67);
    const trainer = await netTrainer();
    expect(() => trainer.summary()).toThrow(/Give inputShape to Trainer\.create/);
    await expect(netTrainer({ inputShape: [5] })).rejects.toThrow(/Linear hidden: expected the last axis to be 4/);
  });
});

describe('proving gradients', () => {
  it('passes for right ones', async () => {
    const trainer = await netTrainer();
    const report = await trainer.gradcheck(data);
    expect(report.rows.map((r) => r.path)).toEqual(['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']);
    expect(report.rows.filter((r) => !r.pass)).toEqual([]);
    expect(report.pass).toBe(true);
    expect(report.rows.every((r) => r.entries > 0 && r.norm > 0 && r.backendError < 1e-5 && r.backendError > 0)).toBe(
      true,
    );
  });

  it('fails for a wrong derivative, in the parameters behind it only', async () => {
    const wrong = unary('wrongSigmoid', { ...sigmoidRow, vjp: (dy, _x, y) => mul(dy, y) });
    class Wrong extends Net {
      override forward(x: Tensor): Tensor {
        return this.out.forward(wrong(this.hidden.forward(x)));
      }
    }
    const report = await (await netTrainer({ model: new Wrong() })).gradcheck(data);
    expect(report.pass).toBe(false);
    expect(report.rows.map((r) => r.pass)).toEqual([false, false, true, true]);
  });

  it.each(['classic', 'mlp'] as const)('passes for the preset %s', async (name) => {
    const preset = presets[name];
    const trainer = await Trainer.create(createCpuBackend(), {
      model: preset.model(),
      loss: preset.loss,
      optimizer: preset.optimizer(),
      inputShape: preset.inputShape,
    });
    expect(trainer.summary().rows.map((r) => r.count)).toEqual(name === 'classic' ? [12560, 272, 170] : [100480, 1290]);
    const pixels = Uint8Array.from({ length: 4 * 784 }, (_, i) => (i * i) % 251);
    const digits = arrayDataset({ shape: [4, 28, 28], data: pixels }, Uint8Array.of(3, 1, 4, 1), { classes: 10 });
    const report = await trainer.gradcheck(digits, { rows: 4, entries: 8 });
    expect(report.rows.filter((r) => !r.pass)).toEqual([]);
  });

  it('says what a slight increase of one weight does', async () => {
    const trainer = await netTrainer();
    const up = await trainer.perturb('out.weight', [1, 2], data);
    expect(up.change).toBeCloseTo(up.derivative * up.delta, 6);
    expect(up.direction).toBe(up.change > 0 ? 'up' : 'down');
    expect(up.value).toBe((await trainer.state.read('out.weight'))[10]);
    await expect(trainer.perturb('out.weight', [3, 0], data)).rejects.toThrow(
      'perturb: out.weight [3, 8] has no entry [3, 0]. Give 2 indices, each from 0 and below its size.',
    );
  });
});

const sigmoidRow = {
  cpu: (x: ArrayLike<number>, y: { [i: number]: number; length: number }) => {
    for (let i = 0; i < y.length; i++) y[i] = 1 / (1 + Math.exp(-x[i]!));
  },
  wgsl: (x: string) => `(1.0 / (1.0 + exp(-${x})))`,
};

describe('divergence', () => {
  it('stops at the bad step, names what went wrong, and leaves the weights as they were before', async () => {
    const make = () => netTrainer({ loss: sumSquaredError, optimizer: sgd({ lr: 50 }) });
    const trainer = await make();
    const error = await trainer.train(data, { epochs: 50, batchSize: 30 }).then(
      () => undefined,
      (e: unknown) => e as DivergenceError,
    );
    expect(error).toBeInstanceOf(DivergenceError);
    expect(trainer.history.stopped).toBe('diverged');
    const weights = await weightsOf(trainer);
    expect(Object.values(weights).flat().every(Number.isFinite)).toBe(true);
    expect(error!.message).toMatch(/Lower the learning rate \(now 50\) or clip gradients\.$/);
    if (/run away/.test(error!.message)) return;
    const before = await make();
    await before.train(data, { maxSteps: error!.step, batchSize: 30 }).catch(() => {});
    expect(await weightsOf(before)).toEqual(weights);
  });

  it('of a rate that overflows at once names the updated weights, and can go on with a lower one', async () => {
    const trainer = await netTrainer({ optimizer: sgd({ lr: 3e38 }) });
    const before = await weightsOf(trainer);
    const run = trainer.train(blobs(300, 50), { epochs: 1, batchSize: 300 });
    await expect(run).rejects.toThrow(
      /^\S+ after the update is not finite at step 1, the loss still is\. Lower the learning rate \(now 3e\+38\) or clip gradients\.$/,
    );
    expect(await weightsOf(trainer)).toEqual(before);
    expect(trainer.stepsMade).toBe(0);
    expect(await run.catch((error: DivergenceError) => error.step)).toBe(0);
    trainer.learningRate = 0.01;
    await trainer.train(data, { maxSteps: 10 });
    expect(trainer.stepsMade).toBe(10);
  });

  it('from the data says so', async () => {
    const x = Float32Array.from(data.x.data);
    x[17] = Number.NaN;
    const bad = { ...data, x: { ...data.x, data: x } };
    await expect((await netTrainer()).train(bad, { epochs: 1, batchSize: 300 })).rejects.toThrow(
      'loss is not finite at step 1 (first in the input). Look for NaN or infinity in the data.',
    );
  });

  it('is replayed with the rate that the step had, though later ones have taken its place', async () => {
    const lr = (t: number) => (t === 5 ? 3e38 : 1e-6);
    const trainer = await netTrainer({ submitMs: 1e6, optimizer: sgd({ lr }) });
    await expect(trainer.train(blobs(2000, 50), { maxSteps: 500, batchSize: 4 })).rejects.toThrow(
      /after the update is not finite at step 6, the loss still is\. Lower the learning rate \(now 3e\+38\)/,
    );
    expect(trainer.history.steps.step).toEqual([1, 2, 3, 4, 5]);
  });

  it('is seen in a loss whose gradients are finite', async () => {
    const loss = Object.assign((p: Tensor, t: Tensor) => add(softmaxCrossEntropy(p, t), Number.POSITIVE_INFINITY), {
      lossName: 'endless',
      metrics: () => ({}),
    });
    await expect((await netTrainer({ loss })).train(data, { epochs: 1 })).rejects.toThrow(
      /^loss is not finite at step 1 \(first in the loss\)/,
    );
  });

  it('names a gradient that is not finite behind a loss that is', async () => {
    const cliff = unary('cliff', { ...sigmoidRow, vjp: (dy) => mul(dy, Number.POSITIVE_INFINITY) });
    class Cliff extends Net {
      override forward(x: Tensor): Tensor {
        return this.out.forward(cliff(this.hidden.forward(x)));
      }
    }
    await expect((await netTrainer({ model: new Cliff() })).train(data, { epochs: 1 })).rejects.toThrow(
      /^hidden\.(bias|weight)'s gradient is not finite at step 1, the loss still is\./,
    );
  });

  it('is also a loss that runs away', () => {
    const watch = new LossWatch();
    let ranAway = -1;
    for (let step = 0; step < 200 && ranAway < 0; step++) if (watch.see(step < 50 ? 1 : 8)) ranAway = step;
    expect(ranAway).toBeGreaterThan(50);
    expect(ranAway).toBeLessThan(70);
    const { message, step } = watch.error(ranAway, 0.5);
    expect(message).toMatch(/^loss has run away by step \d+: 3\.\d+ on average, 1\.000 at first\./);
    expect(message).toContain(`by step ${ranAway + 1}:`);
    expect(step).toBe(ranAway);
    const calm = new LossWatch(2.3);
    for (let step = 0; step < 200; step++) expect(calm.see(step < 50 ? 0.01 : 0.5)).toBe(false);
  });
});

describe('not learning', () => {
  it('is told where units are saturated', async () => {
    class Saturated extends Net {
      override forward(x: Tensor): Tensor {
        return this.out.forward(sigmoid(mul(add(this.hidden.forward(x), 100), 10)));
      }
    }
    const trainer = await netTrainer({ model: new Saturated(), optimizer: sgd({ lr: 1e-4 }) });
    const events = await collect(trainer.fit(data, { maxSteps: 210, batchSize: 30, events: 'step' }));
    const warning = events.find((e) => e.type === 'warning');
    expect(warning).toMatchObject({ code: 'notLearning', step: 200 });
    expect(warning?.type === 'warning' && warning.message).toMatch(/8 of 8 units/);
    expect(trainer.history.warnings).toHaveLength(1);
  });

  it('is not told of a network that learns, nor of one that is only slow', async () => {
    for (const lr of [0.1, 1e-7]) {
      const trainer = await netTrainer({ optimizer: sgd({ lr }) });
      await trainer.train(data, { maxSteps: 210, batchSize: 30 });
      expect(trainer.history.warnings).toEqual([]);
    }
  });

  it('is measured against the best constant prediction', () => {
    const halves = arrayDataset(new Float32Array(8), Uint8Array.of(0, 0, 1, 1, 0, 1, 0, 1), { classes: 2 });
    expect(bestConstantLoss(softmaxCrossEntropy, halves)).toBeCloseTo(Math.LN2, 6);
    expect(bestConstantLoss(sumSquaredError, halves)).toBeCloseTo(0.5, 6);
    const values = arrayDataset(new Float32Array(4), [[1], [1], [3], [3]], { targets: 'values' });
    expect(bestConstantLoss(meanSquaredError, values)).toBeCloseTo(1, 6);
  });
});

describe('what cannot be used is refused by name', () => {
  const fits: [string, RegExp, Parameters<Trainer['train']>[1]][] = [
    [
      'a batch larger than the data',
      /fit: batchSize is 301, and blobs has 300 examples\. Use at most 300\./,
      { batchSize: 301 },
    ],
    ['a batch of 0', /fit: batchSize is 0/, { batchSize: 0 }],
    ['half an epoch', /fit: epochs is 0\.5/, { epochs: 0.5 }],
    ['no steps', /fit: maxSteps is 0/, { maxSteps: 0 }],
  ];
  it.each(fits)('%s', async (_, message, options) => {
    await expect((await netTrainer()).train(data, options)).rejects.toThrow(message);
  });

  const wrong: [string, RegExp, unknown][] = [
    ['epoch for epochs', /^fit: there is no option epoch\. Did you mean epochs\?$/, { epoch: 1 }],
    ['batchsize', /^fit: there is no option batchsize\. Did you mean batchSize\?$/, { batchsize: 8 }],
    ['an option unlike any', /^fit: there is no option colour\. Its options are epochs, maxSteps, /, { colour: 1 }],
    ['a number for options', /^fit: its options are 3\. Give an object of epochs, /, 3],
    ['events of no kind', /^fit: events is "steps"\. Use 'epoch' or 'step'\.$/, { events: 'steps' }],
    [
      'earlyStopping: true',
      /^earlyStopping: its options are true\. Give an object of patience, /,
      { maxSteps: 1, earlyStopping: true },
    ],
    [
      'patiense',
      /^earlyStopping: there is no option patiense\. Did you mean patience\?$/,
      { maxSteps: 1, earlyStopping: { patiense: 1 } },
    ],
  ];
  it.each(wrong)('%s in fit', async (_, message, options) => {
    const trainer = await netTrainer();
    await expect(trainer.train(data, options as never)).rejects.toThrow(message);
    await expect(trainer.train(data, options as never)).rejects.toThrow(OptionError);
    expect((await trainer.train(data, { maxSteps: 1 })).stopped).toBe('done');
  });

  const tasks: [string, RegExp, object][] = [
    ['optimiser', /^trainer: there is no option optimiser\. Did you mean optimizer\?$/, { optimiser: sgd() }],
    ['no optimizer', /^trainer: the optimizer is undefined\. Give what one of optim gives/, { optimizer: undefined }],
    ['an optimizer not called', /^trainer: the optimizer is the function adam\. /, { optimizer: adam }],
    ['no loss', /^trainer: the loss is undefined\. Give one of losses/, { loss: undefined }],
    ['a loss by name', /^trainer: the loss is "mse"\. Give one of losses/, { loss: 'mse' }],
    ['no model', /^trainer: the model is an object\. Give an object with a forward/, { model: {} }],
    ['a metric by name', /^trainer: the metric f1 is "f1"\. Give a function/, { metrics: { f1: 'f1' } }],
  ];
  it.each(tasks)('%s in Trainer.create', async (_, message, options) => {
    await expect(netTrainer(options)).rejects.toThrow(message);
    await expect(netTrainer(options)).rejects.toThrow(OptionError);
  });

  it('a backend that was not awaited', async () => {
    const backend = Promise.resolve(createCpuBackend());
    await expect(Trainer.create(backend as never, {} as never)).rejects.toThrow(
      'trainer: the backend is a promise (await it). Give what `await createBackend()` gave.',
    );
  });

  it('a forward, a loss or a metric that returns no Tensor', async () => {
    class Named extends Net {
      override forward(x: Tensor): Tensor {
        return { logits: super.forward(x) } as never;
      }
    }
    const named = await netTrainer({ model: new Named() });
    const message = 'model: its forward returned an object. Return the Tensor of predictions.';
    await expect(named.train(data, { epochs: 1 })).rejects.toThrow(message);
    await expect(named.predict(data.x)).rejects.toThrow(message);
    const wordless = await netTrainer({ loss: () => undefined as never });
    await expect(wordless.train(data, { epochs: 1 })).rejects.toThrow('loss: its function returned undefined.');
    const metric = await netTrainer({ metrics: { f1: () => 3 as never } });
    await expect(metric.train(data, { epochs: 1 })).rejects.toThrow('f1: its function returned 3.');
  });

  it('values and data sets that are neither', async () => {
    const trainer = await netTrainer();
    const predict = (x: unknown) => trainer.predict(x as Values);
    await expect(predict([[1, 2, 3, 4]])).rejects.toThrow(
      /^x: it is an array of arrays\. Give \{ shape: \[rows, …\], data \}/,
    );
    await expect(predict(new Float32Array(4))).rejects.toThrow('x: it is a bare array.');
    await expect(predict({ shape: [1, 4], data: [1, 2, 3, 4] })).rejects.toThrow('x: it is of an array.');
    await expect(predict(undefined)).rejects.toThrow(OptionError);
    const pair = { train: data, test: data } as never;
    for (const call of [() => trainer.train(pair), () => trainer.evaluate(pair)])
      await expect(call()).rejects.toThrow('data: a pair is no data set. Give one of its two sets: data.train');
    await expect(trainer.train(undefined as never)).rejects.toThrow('data: undefined is no data set.');
    for (const [what, call] of [
      ['evaluate', () => trainer.evaluate(data, { batchsize: 3 } as never)],
      ['gradcheck', () => trainer.gradcheck(data, { entrys: 3 } as never)],
      ['perturb', () => trainer.perturb('out.bias', [0], data, { dleta: 3 } as never)],
    ] as const)
      await expect(call()).rejects.toThrow(new RegExp(`^${what}: there is no option .* Did you mean `));
  });

  it('data that is empty or does not fit', async () => {
    const trainer = await netTrainer();
    const empty = {
      size: 0,
      x: { shape: [0, 4], data: new Float32Array() },
      y: { shape: [0], data: new Uint8Array() },
    };
    await expect(trainer.train(empty, { epochs: 1 })).rejects.toThrow('data: it is empty. Give at least one example.');
    await expect(trainer.train({ ...data, y: { shape: [3], data: new Uint8Array(3) } }, { epochs: 1 })).rejects.toThrow(
      'blobs: y [3] does not have 300 rows. Give one per example.',
    );
    await expect((await netTrainer({ model: new Net(8, 5) })).train(data, { epochs: 1 })).rejects.toThrow(
      /its output is \[32, 5\], and the data has 3 classes\. Make the last layer 3 wide, or, to regress on numbers, make the data with \{ targets: 'values' \}\.$/,
    );
    const flat = arrayDataset(
      new Float32Array(30),
      Uint8Array.from({ length: 6 }, () => 0),
      { classes: 3 },
    );
    await expect(trainer.train(flat, { epochs: 1, batchSize: 6 })).rejects.toThrow(
      /Linear hidden: expected the last axis to be 4/,
    );
  });

  it('a parameter that gets no gradient, naming what blocked it', async () => {
    class Blocked extends Net {
      override forward(x: Tensor): Tensor {
        return this.out.forward(sign(this.hidden.forward(x)));
      }
    }
    await expect((await netTrainer({ model: new Blocked() })).train(data, { epochs: 1 })).rejects.toThrow(
      /hidden\.weight gets no gradient from the loss: no gradient flows through sign/,
    );
    class Unused extends Net {
      spare = new Linear(2, 2);
    }
    await expect((await netTrainer({ model: new Unused() })).train(data, { epochs: 1 })).rejects.toThrow(
      /spare\.weight gets no gradient from the loss: .*does not depend on/,
    );
  });
});

describe('dispose', () => {
  const gone = 'trainer: it was disposed. Make a new one with Trainer.create.';
  const held = ({ state }: Trainer) => state.storage.has(state.step);

  it('refuses everything after it, and may be called twice', async () => {
    const trainer = await netTrainer();
    await trainer.train(data, { maxSteps: 2 });
    const bytes = await trainer.save();
    trainer.dispose();
    expect(held(trainer)).toBe(false);
    trainer.dispose();
    const calls: (() => Promise<unknown>)[] = [
      () => trainer.evaluate(data),
      () => trainer.train(data, { epochs: 1 }),
      () => trainer.compile(data),
      () => trainer.predict(data.x),
      () => trainer.inspect(data.x),
      () => trainer.gradcheck(),
      () => trainer.perturb('out.bias', [0]),
      () => trainer.save(),
      () => trainer.saveWeights(),
      () => trainer.load(bytes),
      () => trainer.loadWeights(bytes),
      () => trainer.step(),
      () => trainer.state.read('out.bias'),
      () => trainer.state.snapshot(),
    ];
    for (const call of calls) {
      await expect(call()).rejects.toThrow(DeviceError);
      await expect(call()).rejects.toThrow(gone);
    }
    expect(() => trainer.state.write('out.bias', new Float32Array(3))).toThrow(gone);
    const symbol = (Symbol as { dispose?: symbol }).dispose;
    if (symbol) expect(typeof (trainer as unknown as Record<symbol, unknown>)[symbol]).toBe('function');
  });

  it.each(['epoch', 'step'] as const)(
    'within a loop over %ss ends it with an error, or without where it is left',
    async (events) => {
      const trainer = await netTrainer({ submitMs: 1 });
      const seen: FitEvent[] = [];
      const run = async (leave: boolean, trainer: Trainer) => {
        for await (const e of trainer.fit(data, { epochs: 50, batchSize: 8, events: events as 'step' })) {
          seen.push(e);
          trainer.dispose();
          if (leave) break;
        }
      };
      await expect(run(false, trainer)).rejects.toThrow(gone);
      expect(seen).toHaveLength(1);
      expect(held(trainer)).toBe(false);
      const other = await netTrainer();
      await run(true, other);
      expect(held(other)).toBe(false);
    },
  );

  it('within a callback, and while paused', async () => {
    const inside = await netTrainer();
    await expect(inside.train(data, { epochs: 9, onStep: () => inside.dispose() })).rejects.toThrow(gone);
    expect(inside.history.steps.step).toEqual([1]);
    expect(held(inside)).toBe(false);
    const paused = await netTrainer();
    const run = paused.train(data, { epochs: 1000 });
    paused.pause();
    setTimeout(() => paused.dispose(), 20);
    await expect(run).rejects.toThrow(gone);
  });

  it('of a stream that nobody goes on with waits for its submits only', async () => {
    const { backend, log } = slowBackend();
    const trainer = await Trainer.create(backend, slowTask());
    const stream = trainer.fit(data, { maxSteps: 30, batchSize: 8, events: 'step' });
    // The first submit has one step, and its time is awaited; then several are under way.
    for (let k = 0; k < 3; k++) await stream.next();
    log.length = 0;
    trainer.dispose();
    expect(held(trainer)).toBe(true);
    while (held(trainer)) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log[0]).toBe('done');
    expect(log.indexOf('program disposed')).toBe(log.lastIndexOf('done') + 1);
    await expect(stream.next()).rejects.toThrow(gone);
  });

  it('while evaluations are pending rejects them, and releases when their submits are done', async () => {
    const { backend, log } = slowBackend();
    const trainer = await Trainer.create(backend, slowTask());
    await trainer.evaluate(data, { batchSize: 8 });
    log.length = 0;
    const pending = [1, 2].map(() => trainer.evaluate(data, { batchSize: 8 }));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log).toEqual(['submitted']);
    trainer.dispose();
    expect(held(trainer)).toBe(true);
    for (const { status, reason } of (await Promise.allSettled(pending)) as PromiseRejectedResult[])
      expect([status, String(reason)]).toEqual(['rejected', `DeviceError: ${gone}`]);
    expect(held(trainer)).toBe(false);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(log.slice(0, 2)).toEqual(['submitted', 'done']);
    expect(new Set(log.slice(2))).toEqual(new Set(['program disposed']));
  });

  const slowTask = () => ({ model: new Net(), loss: softmaxCrossEntropy, optimizer: sgd() });

  /** The CPU, whose submits are done one after another in 10 ms a step, as a GPU's are; what happens to its programs is noted. */
  function slowBackend(): { backend: Backend; log: string[] } {
    const backend = createCpuBackend();
    const log: string[] = [];
    let queue: Promise<unknown> = Promise.resolve();
    const { executor } = backend;
    const compile = executor.compile.bind(executor);
    executor.compile = async (recipe, options) => {
      const program = await compile(recipe, options);
      const submit = program.submit.bind(program);
      const dispose = program.dispose.bind(program);
      program.submit = (steps, read) => {
        log.push('submitted');
        const { values } = submit(steps, read);
        queue = queue
          .then(() => new Promise((resolve) => setTimeout(resolve, 10 * steps)))
          .then(() => log.push('done'));
        const done = queue;
        return { steps, values: () => done.then(values) };
      };
      program.dispose = () => {
        log.push('program disposed');
        dispose();
      };
      return program;
    };
    return { backend, log };
  }
});

it('takes the events of an epoch as the example in the README does', async () => {
  const trainer = await netTrainer();
  const lines: string[] = [];
  for await (const e of trainer.fit(data, { epochs: 1, validation: data })) {
    const event: EpochEvent = e;
    lines.push(`${e.epoch} ${e.step} ${e.trainLoss} ${event.accuracy}`);
  }
  expect(lines).toHaveLength(1);
});
