// What a Trainer says of a model on the CPU: evaluation, proofs of gradients, divergence, and runs that do not learn.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { arrayDataset, rescaled } from '../src/data/dataset.ts';
import { gradcheck } from '../src/explain/gradcheck.ts';
import { perturb } from '../src/explain/perturb.ts';
import { DivergenceError } from '../src/graph/errors.ts';
import { normals } from '../src/graph/random.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { meanSquaredError, softmaxCrossEntropy, sumSquaredError } from '../src/loss/index.ts';
import { asLoss } from '../src/loss/loss.ts';
import { Linear } from '../src/nn/linear.ts';
import { sigmoid } from '../src/ops/activations.ts';
import { add, mul } from '../src/ops/binary.ts';
import { sum } from '../src/ops/broadcast.ts';
import { cast } from '../src/ops/cast.ts';
import { unary } from '../src/ops/elementwise.ts';
import { sgd } from '../src/optim/sgd.ts';
import { bestConstantLoss } from '../src/train/constant-loss.ts';
import { densePresets } from '../src/train/dense-presets.ts';
import { LossWatch } from '../src/train/divergence.ts';
import { evaluationBatch } from '../src/train/evaluation.ts';
import type { WarningEvent } from '../src/train/events.ts';
import { loadWeights, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { isCheckStep } from '../src/train/not-learning.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, collect, Net, netTrainer, weightsOf } from './blobs.ts';

const data = blobs(300);

describe('judging', () => {
  it.each([64, 300, 7])('evaluates in batches of %d as predictions do by hand', async (batchSize) => {
    const trainer = netTrainer();
    await trainer.fit(data, { maxSteps: 20 });
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
    const trainer = netTrainer();
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

  const SCALES = [
    ['one for all', { mean: 0.25, std: 0.5 }],
    ['one for each channel', { mean: [0.25, 0.5, 0, 0.125], std: [0.5, 0.25, 1, 2] }],
    ['a list of means', { mean: [0.25, 0.5, 0, 0.125], std: 0.5 }],
  ] as const;

  it.each(SCALES)('predicts any number of rows, bytes scaled as the training data were: %s', async (_, scale) => {
    const bytes = arrayDataset(
      { shape: [30, 4], data: Uint8Array.from({ length: 120 }, (_, i) => (i * 37) % 256) },
      Uint8Array.from({ length: 30 }, (_, i) => i % 3),
      { classes: 3, scale },
    );
    const trainer = netTrainer();
    await trainer.fit(bytes, { maxSteps: 3, batchSize: 30 });
    const at = (v: number | readonly number[], k: number) => [v].flat()[typeof v === 'number' ? 0 : k % 4]!;
    const floats = Float32Array.from(bytes.x.data, (v, k) => (v / 255 - at(scale.mean, k)) / at(scale.std, k));
    const [a, b] = [await trainer.predict(bytes.x), await trainer.predict({ shape: [30, 4], data: floats })];
    expect(a.shape).toEqual([30, 3]);
    for (const [k, v] of a.data.entries()) expect(b.data[k]).toBeCloseTo(v, 5);
    const many = { shape: [1203, 4], data: new Float32Array(1203 * 4).map((_, i) => Math.sin(i)) };
    const one = { shape: [1, 4], data: many.data.slice(1202 * 4) };
    const last = [...(await trainer.predict(one)).data];
    expect([...(await trainer.predict(many)).data.slice(1202 * 3)]).toEqual(last);
  });

  it.each([
    ['(x / 255 - 0.25) / 0.5', '{ mean: 0.25, std: 0.5 }', SCALES[0][1]],
    ['(x / 255 - [0.25, 0.5, 0, 0.125]) / 0.5', '{ mean: [0.25, 0.5, 0, 0.125], std: 0.5 }', SCALES[2][1]],
  ])(
    'reads bytes as the model learnt to, however it came by its weights, and never by a guess: %s',
    async (learnt, wanted, scale) => {
      const pixels = { shape: [30, 4], data: Uint8Array.from({ length: 120 }, (_, i) => (i * 37) % 256) };
      const labels = Uint8Array.from({ length: 30 }, (_, i) => i % 3);
      const bytes = arrayDataset(pixels, labels, { scale });
      const first = netTrainer();
      await first.fit(bytes, { maxSteps: 3, batchSize: 30 });
      const want = await first.predict(pixels);
      expect(await first.predict(bytes.x)).toEqual(want);
      for (const file of [await saveWeights(first), await saveCheckpoint(first)]) {
        const next = netTrainer({ seed: 9 });
        expect((await next.predict(bytes.slice(0, 2).x)).shape).toEqual([2, 3]);
        await expect(next.predict(pixels)).rejects.toThrow(
          'x: the scale of its bytes is not known: the data has none, and the model was neither trained on bytes nor loaded from a file with a scale. Give floats, or a data set, whose x has its scale.',
        );
        const plain = { size: 30, x: pixels, y: { shape: [30], data: labels }, classes: 3 };
        await expect(next.evaluate(plain)).rejects.toThrow(/^data: the scale of its bytes is not known/);
        await loadWeights(next, file);
        expect(next.scale).toEqual(scale);
        expect(await next.predict(pixels)).toEqual(want);
        expect((await next.inspect(pixels)).prediction).toEqual(want);
        expect(await next.evaluate(plain)).toEqual(await first.evaluate(bytes));
        const other = arrayDataset(pixels, labels);
        await expect(next.evaluate(other)).rejects.toThrow(
          `array: its bytes have the scale (x / 255 - 0) / 1, but the model was trained with ${learnt}. Make the data with scale: ${wanted}.`,
        );
        expect(await next.evaluate(rescaled(other, next.scale))).toEqual(await first.evaluate(bytes));
        await next.fit(plain, { maxSteps: 1, batchSize: 30 });
        expect(next.scale).toEqual(scale);
      }
      // Weights from elsewhere do not say.
      const foreign = netTrainer();
      await foreign.fit(bytes, { maxSteps: 1, batchSize: 30 });
      await loadWeights(foreign, await saveWeights(netTrainer()));
      expect(foreign.scale).toBeUndefined();
      const damaged = await saveWeights(first, { 'thalweg.scale': '{"mean":0,"std":0}' });
      await expect(loadWeights(foreign, damaged, 'w.st')).rejects.toThrow(
        'w.st: the metadata is damaged: "thalweg.scale" is not a mean and std. Use an undamaged copy.',
      );
    },
  );

  it.each([
    [undefined, [0, 0.2]],
    [false, [0, 51]],
    [{ mean: 0.2, std: 0.5 }, [-0.4, 0]],
  ] as const)('learns bytes as it reads them, with scale %j', async (scale, [a, b]) => {
    const bytes = { shape: [2, 1], data: Uint8Array.of(0, 51) };
    const data = arrayDataset(bytes, bytes, { ...(scale !== undefined && { scale }) });
    const make = () => {
      const linear = new Linear(1, 1);
      const model = { linear, forward: (x: Tensor) => linear.forward(cast(x, 'f32')) }; // u32 where scale is false
      return netTrainer({ model, loss: meanSquaredError });
    };
    const [trainer, byHand] = [make(), make()];
    const floats = { shape: [2, 1], data: Float32Array.of(a, b) };
    const before = (await trainer.evaluate(data)).loss;
    expect(before).toBeCloseTo((await byHand.evaluate({ size: 2, x: floats, y: floats })).loss, 4);
    expect((await trainer.inspect(data.x, data.y)).loss).toBeCloseTo(before, 4);
    expect((await trainer.predict(data.x)).data[1]).toBeCloseTo((await byHand.predict(floats)).data[1]!, 4);
    expect((await gradcheck(trainer, data)).pass).toBe(true);
  });

  it('predicts with few programs, whatever the number of rows, and the same as alone', async () => {
    const trainer = netTrainer();
    const compiled: string[] = [];
    const { executor } = trainer.backend;
    const compile = executor.compile.bind(executor);
    executor.compile = (recipe, options) => {
      compiled.push(options?.label ?? '');
      return compile(recipe, options);
    };
    const x = { shape: [80, 4], data: data.x.data.slice(0, 320) };
    const all = await trainer.predict(x);
    for (const rows of [1, 2, 3, 5, 8, 9, 31, 64, 65, 79]) {
      const some = await trainer.predict({ shape: [rows, 4], data: x.data.slice(0, rows * 4) });
      expect([some.shape, [...some.data]]).toEqual([[rows, 3], [...all.data.slice(0, rows * 3)]]);
    }
    expect(compiled.length).toBe(4);
    await expect(trainer.predict({ shape: [0, 4], data: new Float32Array(0) })).rejects.toThrow();
  });

  it('predicts what has no row for each example', async () => {
    const model = {
      layer: new Linear(4, 3),
      forward: (x: Tensor): Tensor => sum(model.layer.forward(x), { axis: [0] }),
    };
    const trainer = netTrainer({ model });
    const x = { shape: [5, 4], data: data.x.data.slice(0, 20) };
    const whole = (await trainer.inspect(x)).prediction;
    expect(await trainer.predict(x)).toEqual(whole);
  });

  it('shows what is inside', async () => {
    const trainer = netTrainer();
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
    expect(netTrainer({ inputShape: [4] }).summary().parameters).toBe(67);
    const trainer = netTrainer();
    expect(() => trainer.summary()).toThrow(/Give inputShape to the Trainer/);
    expect(() => netTrainer({ inputShape: [5] })).toThrow(/Linear hidden: expected the last axis to be 4/);
  });
});

describe('proving gradients', () => {
  it('passes for right ones', async () => {
    const trainer = netTrainer();
    const report = await gradcheck(trainer, data);
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
    const report = await gradcheck(netTrainer({ model: new Wrong() }), data);
    expect(report.pass).toBe(false);
    expect(report.rows.map((r) => r.pass)).toEqual([false, false, true, true]);
  });

  it.each(['classic', 'mlp'] as const)('passes for the preset %s', async (name) => {
    const preset = densePresets[name];
    const trainer = new Trainer(createCpuBackend(), {
      model: preset.model(),
      loss: preset.loss,
      optimizer: preset.optimizer(),
      inputShape: preset.inputShape,
    });
    expect(trainer.summary().rows.map((r) => r.count)).toEqual(name === 'classic' ? [12560, 272, 170] : [100480, 1290]);
    const pixels = Uint8Array.from({ length: 4 * 784 }, (_, i) => (i * i) % 251);
    const digits = arrayDataset({ shape: [4, 28, 28], data: pixels }, Uint8Array.of(3, 1, 4, 1), { classes: 10 });
    const report = await gradcheck(trainer, digits, { rows: 4, entries: 8 });
    expect(report.rows.filter((r) => !r.pass)).toEqual([]);
  });

  it('says what a slight increase of one weight does', async () => {
    const trainer = netTrainer();
    const up = await perturb(trainer, 'out.weight', [1, 2], data);
    expect(up.change).toBeCloseTo(up.derivative * up.delta, 6);
    expect(up.direction).toBe(up.change > 0 ? 'up' : 'down');
    expect(up.value).toBe((await trainer.state.read('out.weight'))[10]);
    await expect(perturb(trainer, 'out.weight', [3, 0], data)).rejects.toThrow(
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
    const trainer = make();
    const error = await trainer.fit(data, { epochs: 50, batchSize: 30 }).then(
      () => undefined,
      (e: unknown) => e as DivergenceError,
    );
    expect(error).toBeInstanceOf(DivergenceError);
    expect(trainer.history.stopped).toBe('diverged');
    const weights = await weightsOf(trainer);
    expect(Object.values(weights).flat().every(Number.isFinite)).toBe(true);
    expect(error!.message).toMatch(/Lower the learning rate \(now 50\) or clip gradients\.$/);
    if (/has diverged/.test(error!.message)) return;
    const before = make();
    await before.fit(data, { maxSteps: error!.step, batchSize: 30 }).catch(() => {});
    expect(await weightsOf(before)).toEqual(weights);
  });

  it('of a rate that overflows at once names the updated weights, and can go on with a lower one', async () => {
    const trainer = netTrainer({ optimizer: sgd({ lr: 3e38 }) });
    const before = await weightsOf(trainer);
    const run = trainer.fit(blobs(300, 50), { epochs: 1, batchSize: 300 });
    await expect(run).rejects.toThrow(
      /^\S+ after the update is not finite at step 1, although the loss is\. Lower the learning rate \(now 3e\+38\) or clip gradients\.$/,
    );
    expect(await weightsOf(trainer)).toEqual(before);
    expect(trainer.stepsMade).toBe(0);
    expect(await run.catch((error: DivergenceError) => error.step)).toBe(0);
    trainer.learningRate = 0.01;
    await trainer.fit(data, { maxSteps: 10 });
    expect(trainer.stepsMade).toBe(10);
  });

  it('from the data says so', async () => {
    const x = Float32Array.from(data.x.data);
    x[17] = Number.NaN;
    const bad = { ...data, x: { ...data.x, data: x } };
    await expect(netTrainer().fit(bad, { epochs: 1, batchSize: 300 })).rejects.toThrow(
      'loss is not finite at step 1 (first in the input: x of example 4 has NaN). Remove NaN and infinity from the data.',
    );
  });

  it('is replayed with the rate that the step had, though later ones have taken its place', async () => {
    const lr = (t: number) => (t === 5 ? 3e38 : 1e-6);
    const trainer = netTrainer({ submitMs: 1e6, optimizer: sgd({ lr }) });
    await expect(trainer.fit(blobs(2000, 50), { maxSteps: 500, batchSize: 4 })).rejects.toThrow(
      /after the update is not finite at step 6, although the loss is\. Lower the learning rate \(now 3e\+38\)/,
    );
    expect(trainer.history.steps.step).toEqual([1, 2, 3, 4, 5]);
  });

  it('is seen in a loss whose gradients are finite', async () => {
    const loss = Object.assign((p: Tensor, t: Tensor) => add(softmaxCrossEntropy(p, t), Number.POSITIVE_INFINITY), {
      lossName: 'endless',
      metrics: () => ({}),
    });
    await expect(netTrainer({ loss }).fit(data, { epochs: 1 })).rejects.toThrow(
      /^loss is not finite at step 1 \(first in the loss: a constant is Infinity\)/,
    );
  });

  it('names a gradient that is not finite behind a loss that is', async () => {
    const cliff = unary('cliff', { ...sigmoidRow, vjp: (dy) => mul(dy, Number.POSITIVE_INFINITY) });
    class Cliff extends Net {
      override forward(x: Tensor): Tensor {
        return this.out.forward(cliff(this.hidden.forward(x)));
      }
    }
    await expect(netTrainer({ model: new Cliff() }).fit(data, { epochs: 1 })).rejects.toThrow(
      /^hidden\.bias's gradient is not finite at step 1, although the loss is: a constant is Infinity\./,
    );
  });

  it('is also a loss that runs away: its last steps far above a constant and the beginning', () => {
    const see = (watch: LossWatch, losses: readonly number[]) => {
      for (const [k, loss] of losses.entries()) {
        watch.see(loss);
        if (watch.diverged()) return k + 1;
      }
      return watch.diverged(true) ? 'at the end' : undefined;
    };
    const [calm, wild] = [Array(50).fill(1), Array(50).fill(30)];
    const watch = new LossWatch(100, 2);
    expect(see(watch, [...calm, ...wild])).toBe(64); // 14 of 20 at 30
    expect(watch.message(64, 0.5)).toBe(
      "loss has diverged by step 64: its mean over 20 steps is 21.30; the loss of the best constant prediction is 2.000. Lower the learning rate (now 0.5) or clip gradients; if the loss is right, pass divergence: 'warn'.",
    );
    // The mean of a tenth of an epoch.
    expect(see(new LossWatch(400, 2), [...calm, ...wild])).toBe(50 + 27);
    // It began worse than a constant; a constant is not known; rare targets are far out; a rounding error does not stay.
    expect(see(new LossWatch(100, 2), [30, ...calm, ...wild])).toBeUndefined();
    expect(see(new LossWatch(100, undefined), [...calm, ...wild, 1e30])).toBeUndefined();
    expect(see(new LossWatch(100, 2), [...calm, 1e4, 1, 1e4, ...calm])).toBeUndefined();
    expect(see(new LossWatch(100, 2), [...calm, 1e34, ...calm, ...calm])).toBeUndefined();
    // Fewer steps than count while it goes on.
    expect(see(new LossWatch(1, 2), [1, 30, 900, 27000])).toBe('at the end');
    expect(see(new LossWatch(1, 2), [1])).toBeUndefined();
  });

  const lines = (size: number, of: (k: number) => number) => {
    const x = Float32Array.from({ length: size }, (_, k) => Math.sin(k));
    return arrayDataset(
      { shape: [size, 1], data: x },
      Float32Array.from(x, (_, k) => of(k)),
      { targets: 'values' },
    );
  };
  const regression = (lr: number) =>
    netTrainer({ model: new Linear(1, 1), loss: meanSquaredError, optimizer: sgd({ lr }) });

  it('is no loss of ordered rows, of rare targets far out, nor of a network that begins far off', async () => {
    const noise = normals(2000, 3, 'noise');
    const runs = [
      [lines(2000, (k) => (k < 1000 ? 0.03 : 1) * noise[k]!), { shuffle: false }],
      [lines(1000, (k) => (k % 100 === 50 ? 100 : 0)), { batchSize: 1 }],
      [lines(200, (k) => (k > 197 ? 100 : 0)), { batchSize: 1, shuffle: false }],
      [lines(100, (k) => 1000 + 0.1 * noise[k]!), { batchSize: 100 }],
    ] as const;
    for (const [set, options] of runs) {
      const trainer = regression(1e-3);
      await trainer.fit(set, { epochs: 3, ...options });
      expect([trainer.history.stopped, trainer.history.warnings]).toEqual(['done', []]);
    }
  });

  it.each(['stop', 'warn', 'off', undefined] as const)(
    'of a short run that explodes, with divergence %j',
    async (divergence) => {
      const trainer = regression(10);
      const run = trainer.fit(data1(), { epochs: 10, ...(divergence && { divergence }) });
      if (divergence === 'stop' || divergence === undefined) {
        await expect(run).rejects.toThrow(/^loss has diverged by step 10: its mean over 10 steps/);
        await expect(run).rejects.toThrow(DivergenceError);
      } else await run;
      const { stopped, warnings, epochs } = trainer.history;
      expect([stopped, warnings.map(({ code }) => code)]).toEqual(
        { warn: ['done', ['diverged']], off: ['done', []], stop: ['diverged', []] }[divergence ?? 'stop'],
      );
      expect(epochs.at(-1)!.loss).toBeGreaterThan(1e6);
      // A value that is not finite ends it in any case.
      await expect(trainer.fit(data1(), { epochs: 100, ...(divergence && { divergence }) })).rejects.toThrow(
        DivergenceError,
      );
    },
  );

  const data1 = () => lines(32, (k) => Math.sin(k));
});

describe('not learning', () => {
  it('is told where units are saturated', async () => {
    class Saturated extends Net {
      override forward(x: Tensor): Tensor {
        return this.out.forward(sigmoid(mul(add(this.hidden.forward(x), 100), 10)));
      }
    }
    const trainer = netTrainer({ model: new Saturated(), optimizer: sgd({ lr: 1e-4 }) });
    const events = await collect(trainer.fit(data, { maxSteps: 210, batchSize: 30, events: 'step' }));
    const warning = events.find((e) => e.type === 'warning');
    expect(warning).toMatchObject({ code: 'notLearning', step: 200 });
    expect(warning?.type === 'warning' && warning.message).toMatch(/8 of 8 units/);
    expect(trainer.history.warnings).toHaveLength(1);
  });

  it('is looked for after 200 steps, and ever more rarely, since a look waits for the device', () => {
    const looks = Array.from({ length: 7000 }, (_, steps) => steps).filter(isCheckStep);
    expect(looks).toEqual([200, 400, 800, 1600, 3200, 6400]);
  });

  it('is told whenever it comes, once', async () => {
    class Sigmoids extends Net {
      override forward(x: Tensor): Tensor {
        return this.out.forward(sigmoid(this.hidden.forward(x)));
      }
    }
    const trainer = netTrainer({ model: new Sigmoids(), submitMs: 1 });
    await trainer.fit(data, { maxSteps: 450, batchSize: 30 });
    expect(trainer.history.warnings).toEqual([]);
    trainer.learningRate = 1e-9;
    const onStep = ({ step }: { step: number }) => {
      if (step === 450 + 250) trainer.state.write('hidden.bias', new Float32Array(8).fill(1000));
    };
    await trainer.fit(data, { maxSteps: 1000, batchSize: 30, onStep });
    expect(trainer.history.warnings.map(({ code }) => code)).toEqual(['notLearning']);
    const [{ message, step }] = trainer.history.warnings as [WarningEvent];
    expect(step).toBeGreaterThan(450 + 250);
    expect(message).toMatch(/^not learning: after [4-9]\d\d steps .* 8 of 8 units after hidden/);
  });

  it('is not told of a network that learns, nor of one that is only slow', async () => {
    for (const lr of [0.1, 1e-7]) {
      const trainer = netTrainer({ optimizer: sgd({ lr }) });
      await trainer.fit(data, { maxSteps: 210, batchSize: 30 });
      expect(trainer.history.warnings).toEqual([]);
    }
  });

  it('is measured against the best constant prediction', () => {
    const halves = arrayDataset(new Float32Array(8), Uint8Array.of(0, 0, 1, 1, 0, 1, 0, 1), { classes: 2 });
    expect(bestConstantLoss({ loss: softmaxCrossEntropy }, halves)).toBeCloseTo(Math.LN2, 6);
    expect(bestConstantLoss({ loss: sumSquaredError }, halves)).toBeCloseTo(0.5, 6);
    const values = arrayDataset(new Float32Array(4), [[1], [1], [3], [3]], { targets: 'values' });
    expect(bestConstantLoss({ loss: meanSquaredError }, values)).toBeCloseTo(1, 6);
    // Rows of all the data count, and few of them where they are long; bytes as they are read.
    const ordered = { shape: [50_000, 1], data: Float32Array.from({ length: 50_000 }, (_, k) => (k < 25_000 ? 0 : 2)) };
    expect(bestConstantLoss({ loss: meanSquaredError }, { size: 50_000, x: ordered, y: ordered })).toBeCloseTo(1, 2);
    const pictures = { shape: [9, 12_288], data: Uint8Array.from({ length: 9 * 12_288 }, (_, k) => (k % 2) * 255) };
    const raw = { size: 9, x: pictures, y: pictures, scale: { mean: 0, std: 2 } };
    expect(bestConstantLoss({ loss: meanSquaredError }, raw)).toBeCloseTo(0, 6);
    expect(
      bestConstantLoss({ loss: asLoss((p: Tensor, t: Tensor) => meanSquaredError(p, add(t, 1))) }, raw),
    ).toBeCloseTo(1, 6);
    const long = { shape: [2, 60_000], data: new Float32Array(120_000) };
    expect(bestConstantLoss({ loss: meanSquaredError }, { size: 2, x: long, y: long })).toBeUndefined();
  });
});
