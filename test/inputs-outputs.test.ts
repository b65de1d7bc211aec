// Models of several inputs and outputs: data sets, losses and metrics by name, and everything that a trainer does with them.
import { describe, expect, expectTypeOf, it } from 'vitest';
import { Backend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/array.ts';
import { type DataSet, rescaled, type Values } from '../src/data/dataset.ts';
import { split } from '../src/data/split.ts';
import { explainStep } from '../src/explain/explain-step.ts';
import { gradcheck } from '../src/explain/gradcheck.ts';
import { landscape } from '../src/explain/landscape.ts';
import { lrFind } from '../src/explain/lr-find.ts';
import { perturb } from '../src/explain/perturb.ts';
import { DataError, OptionError } from '../src/graph/errors.ts';
import type { NdArray } from '../src/graph/op.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import { Embedding } from '../src/nn/embedding.ts';
import { Linear } from '../src/nn/linear.ts';
import { summary } from '../src/nn/summary.ts';
import { accuracy } from '../src/ops/accuracy.ts';
import { add, mul, sub } from '../src/ops/binary.ts';
import { mean } from '../src/ops/reduce.ts';
import { abs } from '../src/ops/unary.ts';
import { sgd } from '../src/optim/sgd.ts';
import type { Examples } from '../src/train/batch.ts';
import { describeCheckpoint } from '../src/train/checkpoint.ts';
import { loadCheckpoint, loadWeights, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { type AnyTrainer, Trainer } from '../src/train/trainer.ts';
import { collect } from './blobs.ts';
import { testExecutor } from './gpu.ts';
import { headsTrainer, houses, LOSSES, type Outputs, TwoHeads } from './two-heads.ts';

const data = houses(90);
const weightsOf = async (trainer: AnyTrainer) => Buffer.from(await saveWeights(trainer));

describe('a data set of several tensors', () => {
  it('keeps each with its own type, scale and classes', () => {
    expect(data.x.pixels).toMatchObject({ shape: [90, 6], scale: { mean: 0.5, std: 0.25 } });
    expect(data.x.pixels.data).toBeInstanceOf(Uint8Array);
    expect(data.x.stats).not.toHaveProperty('scale');
    expect(data.y.price.shape).toEqual([90, 1]);
    expect(data.classes).toEqual({ price: undefined, kind: 3 });
    expectTypeOf(arrayDataset([[1], [2]], [0, 1])).toEqualTypeOf<DataSet>();
    expectTypeOf(data.x.pixels.data).toEqualTypeOf<DataSet['x']['data']>();
  });

  it('slices, splits and stratifies all of them alike', () => {
    const part = data.slice(10, 14);
    expect([...part.x.stats.data]).toEqual([...data.x.stats.data.subarray(30, 42)]);
    expect(part.x.pixels.scale).toEqual({ mean: 0.5, std: 0.25 });
    expect([...part.slice(1, 2).y.price.data]).toEqual([data.y.price.data[11]]);
    const { train, validation } = split(data, 30, { stratify: true, seed: 4 });
    expect([train.size, validation.size, train.classes]).toEqual([60, 30, data.classes]);
    const count = (labels: ArrayLike<number>, kind: number) => Array.from(labels).filter((k) => k === kind).length;
    for (const kind of [0, 1, 2])
      expect(Math.abs(count(validation.y.kind.data, kind) - count(data.y.kind.data, kind) / 3)).toBeLessThanOrEqual(1);
    for (let i = 0; i < 30; i++) {
      const at = data.y.price.data.indexOf(validation.y.price.data[i]!);
      expect(validation.x.stats.data[3 * i]).toBe(data.x.stats.data[3 * at]);
    }
  });

  it('takes tensors in order, a single one beside several, and other scales', () => {
    const a = { shape: [4, 1], data: Float32Array.of(1, 2, 3, 4) };
    const b = { shape: [4, 2], data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
    const listed = arrayDataset([a, b], Float32Array.of(1, 2, 3, 4));
    expect(listed.x).toEqual([a, { ...b, scale: { mean: 0, std: 1 } }]);
    expect(listed.classes).toBeUndefined();
    const tagged = arrayDataset([a, b], [a, a], {
      targets: ['classes', 'values'],
      classes: [5],
      scale: [undefined, false],
    });
    expect([tagged.classes, tagged.y[0]!.data, tagged.y[1]]).toEqual([
      { 0: 5, 1: undefined },
      Uint32Array.of(1, 2, 3, 4),
      a,
    ]);
    expect(tagged.x).toEqual([a, { ...b, scale: false }]);
    const one = arrayDataset(b, { left: [0, 1, 1, 0], right: [[1], [2], [3], [4]] }, { scale: false });
    expect(one.x).toEqual({ ...b, scale: false });
    expect(one.classes).toEqual({ left: 2, right: undefined });
    expect(rescaled(data, { 'x.pixels': { mean: 0, std: 2 } }).x.pixels.scale).toEqual({ mean: 0, std: 2 });
  });

  const x = { a: [[1], [2]], b: Float32Array.of(1, 2, 3, 4) };
  const y = { p: [0.5, 1.5], q: [0, 1] };
  const bytes = { a: { shape: [2, 1], data: Uint8Array.of(1, 2) } };
  it.each<[string, () => unknown, typeof DataError | typeof OptionError, string]>([
    ['rows that differ', () => arrayDataset({ a: [[1]], b: [[1], [2]] }, y), DataError, 'array: x.a has 1 examples, but the first tensor of y has 2.'],
    ['targets that differ', () => arrayDataset(x, { p: [1, 2], q: [0] }), DataError, 'array: y.q has 1 examples, but the first tensor of y has 2.'],
    ['what is not finite', () => arrayDataset({ a: [[1], [Number.NaN]] }, y), DataError, 'array x.a: NaN in example 1, element 0,'],
    ['a label out of range', () => arrayDataset(x, y, { targets: { q: 'classes' }, classes: { q: 2 } }) && arrayDataset(x, { q: [0, 5] }, { classes: { q: 2 } }), DataError, 'array q y: label of example 1: expected 0 to 1, got 5.'],
    ['an option of no tensor', () => arrayDataset(x, y, { targets: { kinds: 'classes', q: 'classes' } }), OptionError, 'array: targets names kinds, but the tensors are p, q.'],
    ['more options than tensors', () => arrayDataset(x, [bytes.a, bytes.a], { targets: ['values', 'values', 'classes'] }), OptionError, 'array: targets names 2, but the tensors are 0, 1.'],
    ['a scale of no tensor', () => arrayDataset({ pixels: bytes.a }, y, { scale: { pixel: false } }), OptionError, 'array: scale names pixel, but the tensors are pixels. Did you mean pixels?'],
    ['a scale of other channels', () => arrayDataset({ pixels: bytes.a }, y, { scale: { pixels: { mean: 0, std: [1, 2, 3, 4, 5] } } }), OptionError, 'array.x.pixels: the std of its scale is a list of 5, but'],
    ['a scale of floats', () => arrayDataset(x, y, { scale: { a: { mean: 0, std: 1 } } }), OptionError, 'scale: a holds'],
    ['a scale where there are no bytes', () => arrayDataset(x, y, { scale: { mean: 0, std: 1 } }), OptionError, 'scale: array holds'],
    ['one number of classes for several', () => arrayDataset(x, y, { classes: 3 }), OptionError, 'array: classes is 3, but y has p, q. Give it by name: { p: 3 }.'],
    ['an unknown option', () => arrayDataset(x, y, { class: 3 } as never), OptionError, 'array: there is no option class. Did you mean classes?'],
    ['an argument too many', () => arrayDataset(x, y, {}, 3 as never), OptionError, 'array: 3 is one argument too many.'],
    ['to stratify by two', () => split(arrayDataset(x, { p: [0, 1], q: [0, 1] }), 1, { stratify: true }), OptionError, 'split: stratify needs one class index per example, but the targets of array are p, q.'],
    ['to stratify by numbers', () => split(arrayDataset(x, { p: [0.5, 1] }), 1, { stratify: true }), OptionError, 'the targets of array are numbers.'],
  ])('refuses %s', (_, make, kind, message) => {
    expect(make).toThrow(kind);
    expect(make).toThrow(message);
  }); // biome-ignore format: a table
});

describe('training', () => {
  it('proves its gradients: finite differences in doubles, and the backend', async () => {
    const trainer = headsTrainer({ lossWeights: { price: 0.5 } });
    const report = await gradcheck(trainer, data, { rows: 12 });
    expect(report.pass).toBe(true);
    expect(report.rows.map(({ path }) => path)).toEqual(trainer.parameters().map(({ path }) => path));
    for (const row of report.rows) expect(row.finiteError, row.path).toBeLessThanOrEqual(1e-6);
    const { change, derivative, delta } = await perturb(trainer, 'kind.weight', [1, 2], data);
    expect(change / delta / derivative).toBeCloseTo(1, 2);
  });

  it('reports the weighted sum, and each loss and accuracy by name', async () => {
    const trainer = headsTrainer({ lossWeights: { price: 0.25, kind: 2 } });
    const events = await collect(
      trainer.fit(data, { epochs: 2, batchSize: 20, validation: houses(30), events: 'step' }),
    );
    const steps = events.filter((e) => e.type === 'step');
    const epochs = events.filter((e) => e.type === 'epoch');
    for (const { loss, accuracy, metrics } of [...steps, ...epochs, ...epochs.map((e) => e.validation!)]) {
      expect(Object.keys(metrics)).toEqual(expect.arrayContaining(['price.loss', 'kind.loss', 'kind.accuracy']));
      expect(loss).toBeCloseTo(0.25 * metrics['price.loss']! + 2 * metrics['kind.loss']!, 5);
      expect(accuracy).toBe(metrics['kind.accuracy']);
    }
    expect(epochs[1]!.loss).toBeLessThan(epochs[0]!.loss);
    // 90 examples in batches of 20: the last of 10 counts half as much.
    const first = steps.slice(0, 5).map(({ metrics }, k) => metrics['kind.loss']! * (k < 4 ? 20 : 10));
    expect(epochs[0]!.metrics['kind.loss']).toBeCloseTo(first.reduce((a, b) => a + b) / 90, 6);
    expect(trainer.history.steps.accuracy).toHaveLength(10);
  });

  it.each([undefined, Array.from({ length: 90 }, (_, i) => (i % 4) / 2)])(
    'evaluates as by hand, weighted by %j',
    async (weights) => {
      const set = houses(90, weights);
      const trainer = headsTrainer({ lossWeights: { price: 3 } });
      await trainer.fit(set, { maxSteps: 5 });
      const got = await trainer.evaluate(set, { batchSize: 40, confusion: true });
      const { price, kind } = await trainer.predict(set);
      const [w, of] = [weights ?? Array<number>(90).fill(1), (list: number[]) => list.reduce((a, b) => a + b)];
      const squares = w.map((each, i) => each * (price.data[i]! - set.y.price.data[i]!) ** 2);
      const rows = w.map((_, i) => [...kind.data.subarray(3 * i, 3 * i + 3)]);
      const entropies = rows.map((row, i) => w[i]! * (Math.log(of(row.map(Math.exp))) - row[set.y.kind.data[i]!]!));
      const right = rows.filter((row, i) => row.indexOf(Math.max(...row)) === set.y.kind.data[i]).length;
      expect(got.metrics['price.loss']).toBeCloseTo(of(squares) / of(w), 5);
      expect(got.metrics['kind.loss']).toBeCloseTo(of(entropies) / of(w), 5);
      expect(got.loss).toBe(3 * got.metrics['price.loss']! + got.metrics['kind.loss']!);
      expect([got.accuracy, got.metrics['kind.accuracy']]).toEqual([right / 90, right / 90]);
      expect(got.confusion!.flat().reduce((a, b) => a + b)).toBe(90);
      expect(of([0, 1, 2].map((k) => got.confusion![k]![k]!))).toBe(right);
    },
  );

  it('is one loss where it is a function of all predictions and targets', async () => {
    const sum = (p: Outputs, t: Outputs) =>
      add(mul(meanSquaredError(p.price, t.price), 0.5), softmaxCrossEntropy(p.kind, t.kind));
    const [own, named] = [headsTrainer({ loss: sum }), headsTrainer({ lossWeights: { price: 0.5 } })];
    for (const trainer of [own, named]) await trainer.fit(data, { epochs: 1 });
    expect(await weightsOf(own)).toEqual(await weightsOf(named));
    const { loss, accuracy: none, metrics } = await own.evaluate(data);
    expect(loss).toBeCloseTo((await named.evaluate(data)).loss, 5);
    expect([none, metrics]).toEqual([undefined, {}]);
  });

  it('takes metrics of one output and of all, and stops early by them', async () => {
    const error = (p: Tensor, t: Tensor) => mean(abs(sub(p, t)));
    const metrics = {
      price: { error },
      kind: { accuracy: (p: Tensor, t: Tensor) => mul(accuracy(p, t), 0) },
      both: (p: Outputs, t: Outputs) => add(error(p.price, t.price), accuracy(p.kind, t.kind)),
    };
    const trainer = headsTrainer({ metrics });
    const options = { patience: 2, monitor: 'kind.accuracy' };
    await trainer.fit(data, { epochs: 9, earlyStopping: options });
    const { epochs, stopped } = trainer.history;
    expect([epochs.length, stopped]).toEqual([3, 'earlyStopping']); // which is 0 from the first epoch on
    expect(Object.keys(epochs[0]!.metrics)).toEqual([
      'price.loss',
      'kind.loss',
      'kind.accuracy',
      'price.error',
      'both',
    ]);
    expect(epochs[0]!.accuracy).toBe(0);
    const better = headsTrainer({ metrics });
    await better.fit(data, { epochs: 4, earlyStopping: { monitor: 'price.error', mode: 'min', patience: 1 } });
    expect(better.history.epochs).toHaveLength(4);
    await better.fit(data, { epochs: 2, earlyStopping: { monitor: 'price.error', mode: 'max', patience: 1 } });
    expect(better.history.epochs).toHaveLength(6);
  });

  it('resumes bit for bit, with the scales of its bytes', async () => {
    const [whole, half] = [headsTrainer(), headsTrainer()];
    await whole.fit(data, { maxSteps: 12, batchSize: 16 });
    await half.fit(data, { maxSteps: 5, batchSize: 16 });
    const bytes = await saveCheckpoint(half);
    expect(describeCheckpoint(bytes)).toMatchObject({
      loss: 'price: meanSquaredError, kind: softmaxCrossEntropy',
      scales: { 'x.pixels': { mean: 0.5, std: 0.25 } },
    });
    const next = headsTrainer();
    await loadCheckpoint(next, bytes);
    await next.fit(data, { maxSteps: 12, resume: true });
    expect(await weightsOf(next)).toEqual(await weightsOf(whole));
    const other = headsTrainer();
    await loadWeights(other, await saveWeights(whole));
    expect([other.scales, other.scale]).toEqual([{ 'x.pixels': { mean: 0.5, std: 0.25 } }, undefined]);
    const raw = { pixels: { shape: [90, 6], data: data.x.pixels.data }, stats: data.x.stats };
    expect(await other.predict(raw)).toEqual(await whole.predict(data));
    const elsewhere = rescaled(data, { 'x.pixels': { mean: 0, std: 1 } });
    await expect(other.evaluate(elsewhere)).rejects.toThrow(
      'houses x.pixels: its bytes have the scale (x / 255 - 0) / 1',
    );
    expect(await other.evaluate(rescaled(elsewhere, other.scales))).toEqual(await whole.evaluate(data));
    const weighted = headsTrainer({ lossWeights: { kind: 0.5 } });
    await expect(loadCheckpoint(weighted, bytes)).rejects.toThrow(
      'this trainer has "price: meanSquaredError, kind: 0.5 softmaxCrossEntropy"',
    );
  });

  it('trains on batches as they come, as it does in a run', async () => {
    const [run, batches] = [headsTrainer(), headsTrainer()];
    await run.fit(data, { epochs: 1, batchSize: 30, shuffle: false });
    for (const from of [0, 30, 60]) {
      const { x, y } = data.slice(from, from + 30);
      const kind = [...y.kind.data];
      const { metrics } = await batches.trainOnBatch(x, { price: y.price, kind });
      expect(metrics['kind.loss']).toBeGreaterThan(0);
    }
    expect(await weightsOf(batches)).toEqual(await weightsOf(run));
    expect(run.history.steps.loss).toEqual(batches.history.steps.loss);
  });

  it('splits its validation off by the one target of classes, and finds that again', async () => {
    const trainer = headsTrainer();
    await trainer.fit(data, { epochs: 1, validationSplit: 0.2 });
    expect(trainer.run).toMatchObject({ size: 72, dataName: 'houses (training part)' });
    expect(trainer.history.epochs[0]!.validation).toMatchObject({ size: 18 });
    await trainer.fit(data, { epochs: 2, validationSplit: 0.2, resume: true });
    expect(trainer.history.epochs).toHaveLength(2);
  });

  it('names a bad value by its tensor', async () => {
    const stats = { ...data.x.stats, data: Float32Array.from(data.x.stats.data) };
    stats.data[3 * 7] = Number.NaN;
    const bad: Examples = { size: 90, x: { pixels: data.x.pixels, stats }, y: data.y, classes: data.classes };
    await expect(headsTrainer().fit(bad, { epochs: 1 })).rejects.toThrow(
      'first in the input stats: x.stats of example 7 has NaN',
    );
  });
});

describe('looking at it', () => {
  it('predicts in the structure of its outputs, however many rows', async () => {
    const trainer = headsTrainer();
    await trainer.fit(data, { maxSteps: 3 });
    const all = await trainer.predict(data);
    expectTypeOf(all).toEqualTypeOf<{ readonly price: NdArray; readonly kind: NdArray }>();
    expect([all.price.shape, all.kind.shape]).toEqual([
      [90, 1],
      [90, 3],
    ]);
    const large = houses(1100);
    const many = await trainer.predict(large.x);
    const last = await trainer.predict(large.slice(1098, 1100).x);
    expect([...many.kind.data.subarray(3 * 1098)]).toEqual([...last.kind.data]);
    const classes = await trainer.predictClasses(data);
    expect(Object.keys(classes)).toEqual(['kind']);
    const one = [...all.kind.data.subarray(0, 3)];
    expect(classes.kind!.data[0]).toBe(one.indexOf(Math.max(...one)));
    const probabilities = await trainer.predictProbabilities(data);
    expect(Object.keys(probabilities)).toEqual(['kind']);
    const [a, b, c] = probabilities.kind!.data;
    expect(a! + b! + c!).toBeCloseTo(1, 6);
    // A bare array and lists, by the shapes of examples that it knows.
    const bare = await trainer
      .predict({ pixels: data.x.pixels, stats: [[...data.x.stats.data.subarray(0, 3)]] })
      .catch((e) => e);
    expect(bare.message).toBe('x.stats: it has 1 rows, but x.pixels has 90. Give the same number of rows of each.');
    const floats = await trainer.predict({ pixels: Float32Array.from({ length: 6 }, () => 0.5), stats: [[1, 2, 3]] });
    expect(floats.price.shape).toEqual([1, 1]);
  });

  it('inspects, sums up, and looks around in the plane and for a rate', async () => {
    const trainer = headsTrainer({ inputShape: { pixels: [6], stats: [3] } });
    expect(trainer.summary()).toMatchObject({
      inputShape: { pixels: [1, 6], stats: [1, 3] },
      outputShape: { price: [1, 1], kind: [1, 3] },
      parameters: 79,
    });
    expect(summary(new TwoHeads(), { pixels: [2, 6], stats: [2, 3] }).outputShape).toEqual({
      price: [2, 1],
      kind: [2, 3],
    });
    const tokens = {
      words: new Embedding(5, 2),
      forward: (x: { ids: Tensor; bias: Tensor }) => add(tokens.words.forward(x.ids), x.bias),
    };
    expect(summary(tokens, { ids: [2, 3], bias: [2] }, { ids: 'u32' }).outputShape).toEqual([2, 3, 2]);
    expect(() => summary(tokens, { ids: [2, 3], bias: [2] })).toThrow(/words: the indices are f32/);
    expect(() => summary(tokens, { ids: [2, 3], bias: [2] }, { id: 'u32' })).toThrow(
      'summary: a dtype is given for id, but the inputs are ids, bias. Name existing inputs, or give one dtype.',
    );
    const { x, y } = data.slice(0, 8);
    const look = await trainer.inspect(x, y);
    expect(Object.keys(look.outputs)).toEqual(['pixels', 'stats', 'price', 'kind']);
    expect(look.prediction.kind.data).toEqual(look.outputs['kind']!.data);
    expect(look.loss).toBeCloseTo((await trainer.evaluate(data.slice(0, 8))).loss, 6);
    const weights = Array.from({ length: 90 }, (_, i) => 1 + (i % 2));
    for (const set of [data, houses(90, weights)]) {
      const plane = await landscape(trainer, set, { n: 3 });
      expect(plane.losses.data[4]).toBeCloseTo((await trainer.evaluate(set)).loss, 5);
    }
    const found = await lrFind(trainer, data, { steps: 40 });
    expect(found.losses).toHaveLength(found.rates.length);
    expect(found.losses[0]).toBeGreaterThan(0);
    const { dispatches } = explainStep({
      model: new TwoHeads(),
      loss: LOSSES,
      optimizer: sgd({ lr: 0.1 }),
      data,
      as: 'gpu',
    });
    expect(dispatches.length).toBeGreaterThan(2);
  });

  it('takes and gives tensors in order', async () => {
    class Pair {
      left = new Linear(3, 2);
      right = new Linear(2, 1);
      forward([a, b]: readonly [Tensor, Tensor]): [Tensor, Tensor] {
        return [this.left.forward(a), this.right.forward(b)];
      }
    }
    const [a, b] = [data.x.stats, { shape: [90, 2], data: data.x.stats.data.slice(0, 180) }];
    const set = arrayDataset(
      [a, b],
      [data.y.kind, data.y.price].map(({ shape, data }) => ({ shape, data })),
      { classes: { 0: 3 } },
    );
    const backend = headsTrainer().backend;
    const trainer = new Trainer(backend, { model: new Pair(), loss: [softmaxCrossEntropy, meanSquaredError], lossWeights: [1, 0.1], optimizer: sgd({ lr: 0.1 }) }); // biome-ignore format: one line
    await expect(trainer.fit(set, { epochs: 1 })).rejects.toThrow(
      'model: its output 0 is [32, 2], but the data has 3 classes.',
    );
    const wide = Object.assign(new Pair(), { left: new Linear(3, 3) });
    const fits = new Trainer(backend, { model: wide, loss: [softmaxCrossEntropy, meanSquaredError], lossWeights: [1, 0.1], optimizer: sgd({ lr: 0.1 }) }); // biome-ignore format: one line
    await fits.fit(set, { epochs: 1 });
    const { loss, metrics } = await fits.evaluate(set);
    expect(loss).toBeCloseTo(metrics['0.loss']! + 0.1 * metrics['1.loss']!, 6);
    const [left, right] = await fits.predict([a, b] as readonly Values[]);
    expect([left.shape, right.shape]).toEqual([
      [90, 3],
      [90, 1],
    ]);
  });
});

describe('what cannot be used is refused by name', () => {
  const train = (options: object, set: Examples = data) => headsTrainer(options as never).fit(set, { epochs: 1 });
  const twice = { ...data, classes: { price: 2, kind: 3 }, y: { price: { shape: [90], data: new Uint8Array(90) }, kind: data.y.kind } }; // biome-ignore format: one line
  const short = {
    a: new Linear(6, 1),
    forward: (x: { pixels: Tensor }) => ({ s: short.a.forward(x.pixels), c: x.pixels }),
  };
  const renamed = { ...data, classes: undefined, y: { price: data.y.price, kinds: data.y.kind } };
  it.each<[string, () => unknown, string]>([
    ['losses of other names than the outputs', () => train({ loss: { price: meanSquaredError, kinds: softmaxCrossEntropy } }), 'trainer: the losses are for price, kinds, but the model returns price, kind. Did you mean kind instead of kinds?'],
    ['a loss too few', () => train({ loss: { price: meanSquaredError } }), 'trainer: the losses are for price, but the model returns price, kind. Add a loss for kind.'],
    ['a loss too many', () => train({ loss: { price: meanSquaredError, kind: softmaxCrossEntropy, other: meanSquaredError } }), 'trainer: the losses are for price, kind, other, but the model returns price, kind. Leave out other.'],
    ['a loss of another name', () => train({ loss: { price: meanSquaredError, age: softmaxCrossEntropy } }), 'trainer: the losses are for price, age, but the model returns price, kind. Leave out age. Add a loss for kind.'],
    ['short names, one loss too few', () => train({ model: short, loss: { s: meanSquaredError } }), 'trainer: the losses are for s, but the model returns s, c. Add a loss for c.'],
    ['short names that are not near', () => train({ model: short, loss: { s: meanSquaredError, z: meanSquaredError } }), 'trainer: the losses are for s, z, but the model returns s, c. Leave out z. Add a loss for c.'],
    ['short names, targets too many', () => train({ model: short, loss: { s: meanSquaredError, c: meanSquaredError } }, { ...data, classes: undefined, y: { s: data.y.price, c: data.y.price, z: data.y.price } }), 'data: y has s, c, z, but the losses are for s, c. Leave out z.'],
    ['targets too few', () => train({}, { ...data, classes: undefined, y: { price: data.y.price } }), 'data: y has price, but the losses are for price, kind. Add targets for kind.'],
    ['targets of other names', () => train({}, renamed), 'data: y has price, kinds, but the losses are for price, kind. Did you mean kind instead of kinds?'],
    ['inputs that forward does not read', () => train({}, { ...data, x: { pictures: data.x.pixels, stats: data.x.stats } }), "Linear pixels: x is undefined, not a tensor. The model's forward gets one argument, { pictures, stats }."],
    ['an input read before it is there', () => train({ model: { ...short, forward: (x: { mask: Tensor }) => x.mask.mul(2) } }), "Cannot read properties of undefined (reading 'mul'). The model's forward gets one argument, { pixels, stats }."],
    ['inputs that forward takes one by one', () => train({ model: { ...short, forward: (a: Tensor) => short.a.forward(a) } }), "Linear a: x is an object, not a tensor. The model's forward gets one argument, { pixels, stats }."],
    ['inputs in order that forward takes one by one', () => train({ model: { ...short, forward: (a: Tensor) => short.a.forward(a) } }, { ...data, x: [data.x.pixels, data.x.stats] }), "Linear a: x is an array, not a tensor. The model's forward gets one argument, [a, b]."],
    ['one input that forward takes by name', () => train({}, { ...data, x: data.x.stats }), "Linear pixels: x is undefined, not a tensor. The model's forward gets one argument, a tensor."],
    ['one loss for several outputs', () => train({ loss: softmaxCrossEntropy }), 'softmaxCrossEntropy: it takes one prediction and one target, but the model returns price, kind and the targets are price, kind. Give a loss for each, such as loss: { price: softmaxCrossEntropy }'],
    ['losses by name for one output', () => train({ model: { a: new Linear(6, 1), forward: (x: { pixels: Tensor }) => x.pixels } }), 'trainer: the losses are for price, kind, but the model returns one tensor. Give one, without brackets or names.'],
    ['a list of one loss for one output', () => train({ model: { a: new Linear(6, 1), forward: (x: { pixels: Tensor }) => x.pixels }, loss: [meanSquaredError] }), 'trainer: the losses are for 0, but the model returns one tensor. Give one, without brackets or names.'],
    ['a loss that is none', () => train({ loss: { price: 3, kind: softmaxCrossEntropy } }), 'trainer: the loss price is 3. Give one of losses'],
    ['weights of no output', () => train({ lossWeights: { prise: 1 } }), 'trainer: lossWeights names prise, but the losses are for price, kind. Did you mean price?'],
    ['a weight that is none', () => train({ lossWeights: { price: -1 } }), 'trainer: the loss weight of price is -1. Give a finite number >= 0.'],
    ['weights of one loss', () => train({ loss: () => 3, lossWeights: { price: 1 } }), 'trainer: lossWeights are given, but there is only one loss.'],
    ['a metric of no output', () => train({ metrics: { kinds: { f1: accuracy } } }), 'trainer: the metric f1 is for the output kinds, but the outputs are price, kind. Did you mean kind?'],
    ['a metric that is none', () => train({ metrics: { kind: { f1: { a: 1 } } } }), 'trainer: the metric kind.f1 is an object.'],
    ['a metric named loss', () => train({ metrics: { kind: { loss: accuracy } } }), 'trainer: a metric cannot be named loss.'],
    ['to monitor what is not there', () => headsTrainer().fit(data, { epochs: 1, earlyStopping: { monitor: 'kind.acuracy' } }), 'earlyStopping: there is no metric kind.acuracy. Did you mean kind.accuracy?'],
    ['to monitor without a direction', () => headsTrainer({ metrics: { kind: { f1: accuracy } } }).fit(data, { epochs: 1, earlyStopping: { monitor: 'kind.f1' } }), "whether a lower or a higher kind.f1 is better. Give mode: 'min' or 'max'."],
    ['class weights', () => headsTrainer().fit(data, { epochs: 1, classWeights: 'balanced' }), 'fit: classWeights need a single target, but houses has several, price, kind.'],
    ['weighted examples with a function of all', () => train({ loss: (p: Outputs) => mean(p.price) }, houses(90, Array(90).fill(2))), 'the examples have weights, but a function of several outputs has no loss per example. Give a loss for each output, or leave the weights out.'],
    ['a confusion matrix of two', () => headsTrainer({ loss: { price: softmaxCrossEntropy, kind: softmaxCrossEntropy } }).evaluate(twice, { confusion: true }), 'evaluate: a confusion matrix needs a single output with classes, but price, kind have classes.'],
    ['classes without a name', () => train({}, { ...data, classes: 3 }), 'houses: classes is 3, but y has several targets, price, kind. Give it by name: { price: 3 }.'],
    ['classes of no target', () => train({}, { ...data, classes: { kin: 3 } }), 'houses: classes names kin, but y has price, kind.'],
    ['rows that differ', () => train({}, { ...data, x: { ...data.x, stats: { shape: [1, 3], data: new Float32Array(3) } } }), 'houses: x.stats [1, 3] does not have 90 rows.'],
    ['a bare array', () => train({}, { ...data, x: { ...data.x, stats: new Float32Array(270) as never } }), 'houses.x.stats: got a bare array.'],
    ['a bad shape of inputs', () => headsTrainer({ inputShape: { pixels: 6, stats: [3] } as never }), 'trainer: inputShape is an object.'],
    ['classes of regressions', () => headsTrainer({ loss: (p: Outputs) => mean(p.price) }).predictClasses(data), 'predictClasses: the loss loss scores no classes.'],
    ['inputs of other names', async () => headsTrainer({ inputShape: { pixels: [6], stats: [3] } }).predict({ pixel: data.x.pixels, stats: data.x.stats }), "x: got pixel, stats, but the model's inputs are pixels, stats. Did you mean pixels instead of pixel?"],
    ['one input for several', async () => headsTrainer({ inputShape: { pixels: [6], stats: [3] } }).predict([[1]]), "x: got one tensor, but the model's inputs are pixels, stats. Give them by name: { pixels, stats }."],
    ['bytes of no known scale', () => headsTrainer().predict({ pixels: { shape: [90, 6], data: data.x.pixels.data }, stats: data.x.stats }), 'x.pixels: the scale of its bytes is not known'],
  ])('%s', async (_, make, message) => {
    await expect((async () => make())()).rejects.toThrow(message);
  }); // biome-ignore format: a table
});

it('leaves a model its optional inputs', async () => {
  class Masked extends TwoHeads {
    override forward(x: Parameters<TwoHeads['forward']>[0] & { readonly mask?: Tensor }): Outputs {
      expect('mask' in x).toBe(false);
      const { mask, ...all } = x;
      return super.forward(x.mask === undefined && mask === undefined ? { ...all, pixels: x.pixels } : x);
    }
  }
  const [masked, plain] = [headsTrainer({ model: new Masked() }), headsTrainer()];
  for (const trainer of [masked, plain]) await trainer.fit(data, { maxSteps: 2 });
  expect(masked.history.steps.loss).toEqual(plain.history.steps.loss);
});

describe('on a GPU', () => {
  it('has the losses of the CPU, step by step, and the bits of a run that was resumed', async () => {
    const gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
    const [onGpu, onCpu] = [
      headsTrainer({ lossWeights: { price: 0.5 } }, gpu),
      headsTrainer({ lossWeights: { price: 0.5 } }),
    ];
    const options = { maxSteps: 8, batchSize: 16, events: 'step' } as const;
    const [got, want] = [await collect(onGpu.fit(data, options)), await collect(onCpu.fit(data, options))];
    const losses = (events: typeof got) =>
      events.flatMap((e) => (e.type === 'step' ? [e.loss, ...Object.values(e.metrics)] : []));
    for (const [k, loss] of losses(want).entries())
      expect(Math.abs(losses(got)[k]! - loss)).toBeLessThanOrEqual(1e-4 * Math.max(Math.abs(loss), 1e-3));
    const [judged, exact] = [await onGpu.evaluate(data), await onCpu.evaluate(data)];
    expect(Math.abs(judged.loss - exact.loss)).toBeLessThanOrEqual(1e-4 * exact.loss);
    expect((await gradcheck(onGpu, data)).pass).toBe(true);
    const next = headsTrainer({ lossWeights: { price: 0.5 } }, gpu);
    const half = headsTrainer({ lossWeights: { price: 0.5 } }, gpu);
    await half.fit(data, { maxSteps: 3, batchSize: 16 });
    await loadCheckpoint(next, await saveCheckpoint(half));
    await next.fit(data, { maxSteps: 8, resume: true });
    expect(await weightsOf(next)).toEqual(await weightsOf(onGpu));
    for (const trainer of [onGpu, half, next]) trainer.dispose();
  });
});
