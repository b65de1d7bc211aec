// The Trainer on the CPU: that it learns, that its arithmetic is that of a hand-written loop, and how runs go and end.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/dataset.ts';
import { type Tensor, Variable } from '../src/graph/tensor.ts';
import { assign, isTraining } from '../src/graph/trace.ts';
import { meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import { asLoss } from '../src/loss/loss.ts';
import { Embedding, Flatten, Sequential } from '../src/nn/index.ts';
import { Linear } from '../src/nn/linear.ts';
import { add, mul, sub } from '../src/ops/binary.ts';
import { max, mean } from '../src/ops/reduce.ts';
import { adam } from '../src/optim/adam.ts';
import { cosine } from '../src/optim/schedules.ts';
import { sgd } from '../src/optim/sgd.ts';
import { describeCheckpoint } from '../src/train/checkpoint.ts';
import { Stopper } from '../src/train/early-stopping.ts';
import type { EpochEvent, FitEvent, StepEvent } from '../src/train/events.ts';
import { loadCheckpoint, loadWeights, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';
import { blobs, collect, Net, netTrainer, weightsOf } from './blobs.ts';

const data = blobs(300);

describe('learning', () => {
  it('three blobs to 95 %', async () => {
    const trainer = netTrainer({ optimizer: adam({ lr: cosine(0.02) }) });
    const epochs = await collect(trainer.fit(data, { epochs: 8, batchSize: 32, validation: blobs(200, 0.5, 'other') }));
    expect(epochs).toHaveLength(8);
    expect(epochs.at(-1)).toMatchObject({ type: 'epoch', epoch: 8, epochs: 8, step: 80, complete: true });
    expect(epochs.at(-1)!.validation!.accuracy).toBeGreaterThan(0.95);
    expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss / 2);
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
    const trainer = netTrainer({ model: new Line(), loss: meanSquaredError, optimizer: sgd({ lr: 0.1 }) });
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
    expect(first.loss).toBeCloseTo((2 * losses[0]! + 2 * losses[1]! + losses[2]!) / 5, 5);
    expect(first.accuracy).toBeUndefined();
  });

  it('is the same bits twice, however many steps go into a submit', async () => {
    const weights = [];
    for (const submitMs of [200, 200, 0.001]) {
      const trainer = netTrainer({ submitMs, optimizer: adam() });
      await trainer.fit(data, { maxSteps: 60, batchSize: 32 });
      weights.push(await weightsOf(trainer));
    }
    expect(weights[1]).toEqual(weights[0]);
    expect(weights[2]).toEqual(weights[0]);
    const other = netTrainer({ seed: 2, optimizer: adam() });
    await other.fit(data, { maxSteps: 60, batchSize: 32 });
    expect(await weightsOf(other)).not.toEqual(weights[0]);
  });

  it('gives every split into arenas the same weights', async () => {
    const [one, many] = [
      netTrainer({ optimizer: adam({ clipNorm: 0.1 }) }),
      netTrainer({ optimizer: adam({ clipNorm: 0.1 }), maxArenaBytes: 256 }),
    ];
    await one.fit(data, { maxSteps: 20 });
    await many.fit(data, { maxSteps: 20 });
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
    const trainer = netTrainer({ model: new Counting() });
    await trainer.fit(data, { epochs: 1, batchSize: 64, validation: data });
    expect((await trainer.state.read('seen'))[0]).toBe(300);
  });

  it('takes a plain function as a loss', async () => {
    const lines = arrayDataset([[0], [1], [2], [3]], [[1], [3], [5], [7]], { targets: 'values' });
    const square = (p: Tensor, y: Tensor) => mean(mul(sub(p, y), sub(p, y)));
    const make = (loss: TrainerOptions['loss']) => netTrainer({ model: new Linear(1, 1), loss });
    const [own, known] = [make(square), make(meanSquaredError)];
    for (const trainer of [own, known]) await trainer.fit(lines, { maxSteps: 20, batchSize: 4 });
    for (const [k, loss] of known.history.steps.loss.entries()) expect(own.history.steps.loss[k]).toBeCloseTo(loss, 5);
    expect(describeCheckpoint(await saveCheckpoint(own), 'c').loss).toBe('square');
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
    const trainer = netTrainer({ metrics: { twice: (p, t) => mul(softmaxCrossEntropy(p, t), 2) } });
    const [e] = await collect(trainer.fit(data, { epochs: 1, batchSize: 32, validation: data }));
    expect(e!.metrics['twice']).toBeCloseTo(2 * e!.loss, 5);
    const { validation } = e!;
    expect(validation!.metrics['twice']).toBeCloseTo(2 * validation!.loss, 5);
    expect(() => netTrainer({ metrics: { loss: (p) => mean(p) } })).toThrow(/cannot be named loss/);
  });
});

describe('the stream', () => {
  it('tells of epochs, or of steps too', async () => {
    const options = { epochs: 2, batchSize: 64 };
    const epochs = await collect(netTrainer().fit(data, options));
    expect(epochs.map((e) => [e.type, e.step])).toEqual([
      ['epoch', 5],
      ['epoch', 10],
    ]);
    const all: FitEvent[] = await collect(netTrainer().fit(data, { ...options, events: 'step' }));
    const order = [1, 2, 3, 4, 5, 'e', 6, 7, 8, 9, 10, 'e'];
    expect(all.map((e) => (e.type === 'epoch' ? 'e' : e.step))).toEqual(order);
    expect(all.filter((e) => e.type === 'step').map((e) => e.epoch)).toEqual([1, 1, 1, 1, 1, 2, 2, 2, 2, 2]);
  });

  it('leaves out the short batch where it is told to', async () => {
    const trainer = netTrainer();
    await trainer.fit(data, { epochs: 2, batchSize: 64, dropLast: true });
    expect(trainer.stepsMade).toBe(8);
  });

  it('ends with an event for a part of an epoch', async () => {
    const events = await collect(netTrainer().fit(data, { maxSteps: 7, batchSize: 64 }));
    expect(events.map((e) => [e.step, e.complete, e.epochs])).toEqual([
      [5, true, 2],
      [7, false, 2],
    ]);
  });

  it('stops when its loop is left, with a State that is settled', async () => {
    const trainer = netTrainer();
    for await (const e of trainer.fit(data, { batchSize: 4, events: 'step' })) if (e.step === 5) break;
    expect(trainer.history.stopped).toBe('stopped');
    expect(await trainer.state.count(trainer.state.step)).toBe(trainer.stepsMade);
    await trainer.fit(data, { maxSteps: 1 });
    expect(trainer.history.stopped).toBe('done');
  });

  it('ends on a signal', async () => {
    const trainer = netTrainer();
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
    const trainer = netTrainer();
    const control = new AbortController();
    const began = performance.now();
    setTimeout(() => control.abort(), 100);
    await trainer.fit(blobs(8), { epochs: 5_000, batchSize: 8, signal: control.signal });
    expect(trainer.history.stopped).toBe('aborted');
    expect(performance.now() - began).toBeLessThan(2000);
  }, 10_000);

  it('pauses, steps and resumes', async () => {
    const trainer = netTrainer();
    const steps: number[] = [];
    const run = trainer.fit(data, { maxSteps: 40, batchSize: 8, onStep: (e) => void steps.push(e.step) });
    const ended = run.then(({ stopped }) => stopped);
    run.pause();
    await new Promise((resolve) => setTimeout(resolve, 50));
    const held = steps.length;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(steps.length).toBe(held);
    expect(held).toBeLessThan(40);
    expect((await run.step())?.step).toBe(held + 1);
    expect((await run.step())?.step).toBe(held + 2);
    expect(trainer.stepsMade).toBe(held + 2);
    expect(run.paused).toBe(true);
    run.resume();
    expect(await ended).toBe('done');
    expect(steps).toHaveLength(40);
    await expect(run.step()).resolves.toBeUndefined();
  });

  it('ends while paused, on a signal', async () => {
    const trainer = netTrainer();
    const control = new AbortController();
    const run = trainer.fit(data, { batchSize: 8, signal: control.signal });
    run.pause();
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
    await netTrainer().fit(data, { epochs: 1, batchSize: 150, callbacks: [callback] });
    expect(calls).toEqual(['step', 'step', 'epoch', 'done']);
  });

  it('calls back objects with other members, and instances of classes', async () => {
    class Best {
      best = Number.POSITIVE_INFINITY;
      onEpoch({ loss }: { readonly loss: number }) {
        this.best = Math.min(this.best, loss);
      }
      reset() {}
    }
    const instance = new Best();
    const plain = {
      best: 0,
      onEpoch({ loss }: { readonly loss: number }) {
        this.best = loss;
      },
    };
    const trainer = netTrainer();
    await trainer.fit(data, { epochs: 1, callbacks: [instance, plain] });
    const { loss } = trainer.history.epochs[0]!;
    expect([instance.best, plain.best]).toEqual([loss, loss]);
  });

  it('keeps metrics in the history, and takes a list of numbers for what learned indices', async () => {
    const trainer = new Trainer(createCpuBackend(), {
      model: new Sequential(new Embedding(5, 3), new Flatten()),
      loss: softmaxCrossEntropy,
      optimizer: sgd(0.1),
      metrics: { largest: (z: Tensor) => max(z) },
    });
    const steps: number[] = [];
    const onStep = ({ metrics }: StepEvent) => void steps.push(metrics['largest']!);
    await trainer.fit(arrayDataset({ shape: [4, 1], data: Uint16Array.of(0, 1, 2, 4) }, [0, 1, 2, 0]), {
      epochs: 3,
      batchSize: 2,
      onStep,
    });
    expect(steps).toHaveLength(6);
    expect(trainer.history.steps.metrics).toEqual({ largest: steps });
    const { data: one } = await trainer.predict({ shape: [1, 1], data: Uint16Array.of(4) });
    expect((await trainer.predict([[4]])).data).toEqual(one);
    await expect(trainer.predict([[0.5]])).rejects.toThrow(
      'x: 0.5 is not a u32. The model takes u32: give whole numbers.',
    );
  });

  it('names the shape that was given to predict', async () => {
    const fresh = netTrainer();
    await expect(fresh.predict([[1, 2, 3]])).rejects.toThrow(/expected the last axis to be 4, got x \[1, 3\]/);
    await expect(fresh.predict([[1], [2], [3]])).rejects.toThrow(/got x \[3, 1\]/);
  });

  it('calls back at its end where the device is lost, too', async () => {
    const backend = createCpuBackend();
    const reasons: string[] = [];
    const trainer = new Trainer(backend, { model: new Net(), loss: softmaxCrossEntropy, optimizer: sgd(0.1) });
    const onEpoch = () => backend.dispose();
    const run = trainer.fit(data, { epochs: 9, onEpoch, onEnd: (reason) => void reasons.push(reason) });
    await expect(run).rejects.toThrow(/^CPU backend: it was disposed/);
    expect([reasons, trainer.history.stopped]).toEqual([['failed'], 'failed']);
  });

  it('refuses a second run beside the first', async () => {
    const trainer = netTrainer();
    for await (const _ of trainer.fit(data, { epochs: 2 })) {
      await expect(trainer.fit(data, { epochs: 1 })).rejects.toThrow(
        'fit: a run is in progress. Wait for its end, leave its loop, or call its stop().',
      );
      await expect(loadCheckpoint(trainer, new Uint8Array())).rejects.toThrow(
        /a run is in progress\. Leave its loop first\./,
      );
      break;
    }
  });
});

describe('learning rates', () => {
  it('follow the schedule over the whole run', async () => {
    const trainer = netTrainer({ optimizer: sgd({ lr: cosine(0.1) }) });
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
    const trainer = netTrainer({ model: new One(), loss, optimizer: sgd({ lr: schedule }) });
    const ones = arrayDataset([[0], [0]], [[0], [0]], { targets: 'values' });
    await trainer.fit(ones, { maxSteps: 300, batchSize: 2 });
    expect((await trainer.state.read('w'))[0]).toBe(-(300 * 301) / 2);
  });

  it('can be set while running, from the next submit on', async () => {
    const trainer = netTrainer({ submitMs: 0.001, optimizer: sgd({ lr: 0.1 }) });
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
      }).toThrow(/trainer: learningRate is .*\. Use a finite number above 0, such as 0\.001, or 'schedule'\./);
    expect(() => {
      trainer.learningRate = 'Schedule' as 'schedule';
    }).toThrow('trainer: learningRate is "Schedule". Use ');
    expect(trainer.learningRate).toBe(0.01);
  });

  it('go back to the schedule, from the next submit on', async () => {
    const schedule = (t: number) => 0.1 / (1 + t);
    const trainer = netTrainer({ submitMs: 0.001, optimizer: sgd({ lr: schedule }) });
    const rates: number[] = [];
    for await (const e of trainer.fit(data, { maxSteps: 60, batchSize: 8, events: 'step' })) {
      if (e.type !== 'step') continue;
      rates.push(e.learningRate);
      if (e.step === 10) trainer.learningRate = 0.5;
      if (e.step === 30) trainer.learningRate = 'schedule';
    }
    const [byHand, back] = trainer.history.rates;
    expect([byHand!.learningRate, back!.learningRate]).toEqual([0.5, 'schedule']);
    expect(back!.step).toBeGreaterThanOrEqual(30);
    const wanted = rates.map((_, k) => (k >= byHand!.step && k < back!.step ? 0.5 : schedule(k)));
    expect(rates).toEqual(wanted);
    expect(trainer.learningRate).toBe(schedule(60));
    expect(describeCheckpoint(await saveCheckpoint(trainer)).learningRate).toBeUndefined();
  });

  it('stay set by hand where the schedule needs a length that the run does not have', async () => {
    const trainer = netTrainer({ optimizer: sgd({ lr: cosine(0.1) }) });
    trainer.learningRate = 0.02;
    for await (const _ of trainer.fit(data)) {
      expect(() => {
        trainer.learningRate = 'schedule';
      }).toThrow(/Give `epochs` or `maxSteps` to fit/);
      break;
    }
    expect(trainer.learningRate).toBe(0.02);
    expect(trainer.history.rates).toEqual([{ step: 0, learningRate: 0.02 }]);
  });

  it('name the option where the schedule needs a length that is not known', async () => {
    const trainer = netTrainer({ optimizer: sgd({ lr: cosine(0.1) }) });
    await expect(trainer.fit(data)).rejects.toThrow(/Give `epochs` or `maxSteps` to fit/);
  });
});

describe('stopping early', () => {
  it('ends when nothing gets better, with the best State where asked', async () => {
    // A rate of 0 after the first epoch would never improve; a rate this high gets worse.
    const trainer = netTrainer({ optimizer: sgd({ lr: (t) => (t < 10 ? 0.1 : 1e-12) }) });
    const test = blobs(100, 0.5, 'other');
    const losses: number[] = [];
    for await (const e of trainer.fit(data, {
      epochs: 20,
      batchSize: 30,
      validation: test,
      earlyStopping: { patience: 2, minDelta: 1e-4, restoreBest: true },
    }))
      losses.push(e.validation!.loss);
    expect(trainer.history.stopped).toBe('earlyStopping');
    expect(losses).toHaveLength(3);
    expect((await trainer.evaluate(test)).loss).toBe(losses[0]);
    expect(trainer.stepsMade).toBe(10);
  });

  it('ends with the State of the best epoch, though it was the last whole one and part of another followed', async () => {
    const trainer = netTrainer({ optimizer: adam({ lr: 0.02 }) });
    const run = trainer.fit(data, { maxSteps: 25, batchSize: 30, earlyStopping: { restoreBest: true } });
    const seen: Record<string, number[]>[] = [];
    for await (const e of run) if (e.complete) seen.push(await weightsOf(trainer));
    const losses = trainer.history.epochs.map((e) => e.loss);
    expect(losses[1]).toBeLessThan(losses[0]!);
    expect(trainer.history.epochs.map((e) => e.step)).toEqual([10, 20, 25]);
    expect(await weightsOf(trainer)).toEqual(seen[1]);
    expect(trainer.stepsMade).toBe(20);
  });

  it('ends with the State of the best epoch, whatever ends it', async () => {
    const earlyStopping = { patience: 50, restoreBest: true };
    const rates = { overflow: 3e38, diverged: 100 };
    const endings = {
      overflow: /is not finite at step/,
      diverged:
        /loss has diverged by step 24: its mean over 20 steps is 4\.798e\+5; the first loss is 1\.151\. Lower the learning rate \(now 100\) or clip gradients; if the loss is right, pass divergence: 'warn'\./,
      callback: /^enough$/,
      left: undefined,
    };
    for (const [ending, message] of Object.entries(endings)) {
      const bad = rates[ending as keyof typeof rates];
      const trainer = netTrainer({ optimizer: sgd({ lr: (t) => (t < 20 ? 0.1 : (bad ?? 0.1)) }) });
      let best = await weightsOf(trainer);
      const onStep = ({ step }: { step: number }) => {
        if (step === 25 && ending === 'callback') throw new Error('enough');
      };
      const run = async () => {
        const options = { epochs: 30, batchSize: 30, events: 'step', earlyStopping, onStep } as const;
        for await (const e of trainer.fit(data, options)) {
          if (e.type === 'epoch' && e.step === 20) best = await weightsOf(trainer);
          if (e.step === 25 && ending === 'left') break;
        }
      };
      if (message) await expect(run()).rejects.toThrow(message);
      else await run();
      expect(await weightsOf(trainer)).toEqual(best);
      expect(trainer.stepsMade).toBe(20);
      expect(trainer.history.epochs[1]!.loss).toBeLessThan(trainer.history.epochs[0]!.loss);
      await trainer.fit(data, { maxSteps: 1 }); // and goes on from there
      expect(trainer.stepsMade).toBe(21);
    }
  });

  it('takes any number for better than NaN', async () => {
    const trainer = netTrainer({ optimizer: sgd({ lr: 1e-9 }) });
    const stopper = new Stopper({ patience: 2, restoreBest: true });
    const epoch = (loss: number, step: number) => stopper.see({ loss, step } as EpochEvent, trainer.state);
    expect([await epoch(Number.NaN, 1), await epoch(1e30, 2), await epoch(Number.NaN, 3)]).toEqual([
      false,
      false,
      false,
    ]);
    expect(stopper.restore(trainer.state, 3)).toBe(true);
    expect(await epoch(Number.NaN, 4)).toBe(true);
    const nothing = new Stopper({ patience: 1, restoreBest: true });
    expect(await nothing.see({ loss: Number.NaN, step: 1 } as EpochEvent, trainer.state)).toBe(true);
    expect(nothing.restore(trainer.state, 2)).toBe(false);
  });

  it('ends at a target accuracy', async () => {
    const trainer = netTrainer({ optimizer: adam({ lr: 0.02 }) });
    await trainer.fit(data, { epochs: 50, targetAccuracy: 0.9 });
    expect(trainer.history.stopped).toBe('targetAccuracy');
    expect(trainer.history.epochs.length).toBeLessThan(20);
  });

  it.each([
    [{ patience: 0 }, /patience is 0/],
    [{ minDelta: -1 }, /minDelta is -1/],
    [{ monitor: 'f1' }, /^earlyStopping: there is no metric f1\. Use loss, accuracy\./],
  ])('refuses %j', async (earlyStopping, message) => {
    await expect(netTrainer().fit(data, { epochs: 1, earlyStopping })).rejects.toThrow(message);
  });
});

it('takes the events of an epoch as the example in the README does', async () => {
  const trainer = netTrainer();
  const lines: string[] = [];
  for await (const e of trainer.fit(data, { epochs: 1, validation: data })) {
    const event: EpochEvent = e;
    lines.push(`${e.epoch} ${e.step} ${e.loss} ${event.validation!.accuracy}`);
  }
  expect(lines).toHaveLength(1);
});

describe('what people have', () => {
  it('predicts lists, bare arrays and data sets as it does values', async () => {
    const trainer = netTrainer();
    await trainer.fit(data, { maxSteps: 2 });
    const rows = [
      [1, 2, 3, 4],
      [0.5, 0, -1, 2],
    ];
    const { data: wanted } = await trainer.predict({ shape: [2, 4], data: Float32Array.from(rows.flat()) });
    for (const batch of [rows, rows.map((row) => Float32Array.from(row)), Float64Array.from(rows.flat())])
      expect((await trainer.predict(batch)).data).toEqual(wanted);
    expect((await trainer.predict(data)).data).toEqual((await trainer.predict(data.x)).data);
    expect((await trainer.inspect(rows)).prediction.data).toEqual(wanted);
  });

  it('takes callbacks one by one, and files as an ArrayBuffer', async () => {
    const seen: number[] = [];
    const trainer = netTrainer();
    await trainer.fit(data, { maxSteps: 2, callbacks: { onStep: ({ step }) => void seen.push(step) } });
    expect(seen).toEqual([1, 2]);
    const bytes = await saveWeights(trainer);
    const another = netTrainer({ seed: 9 });
    await loadWeights(another, bytes.buffer);
    expect((await another.predict(data.x)).data).toEqual((await trainer.predict(data.x)).data);
    const checkpoint = await saveCheckpoint(trainer);
    await loadCheckpoint(trainer, checkpoint.buffer);
    expect(trainer.stepsMade).toBe(2);
  });
});
