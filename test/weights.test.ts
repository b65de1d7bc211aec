// Sample and class weights: what a weighted loss is, by hand and by finite differences; weighted training and evaluation against
// sets in which examples are repeated; and what is refused.
import { describe, expect, it } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { Backend } from '../src/backend.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { arrayDataset, rescaled } from '../src/data/dataset.ts';
import { split } from '../src/data/split.ts';
import { landscape } from '../src/explain/landscape.ts';
import { DataError, OptionError, ShapeError } from '../src/graph/errors.ts';
import { constant, type Tensor } from '../src/graph/tensor.ts';
import * as losses from '../src/loss/index.ts';
import { defineLoss, type Loss } from '../src/loss/loss.ts';
import { weightedLoss } from '../src/loss/weighted.ts';
import { Linear } from '../src/nn/linear.ts';
import { mean } from '../src/ops/reduce.ts';
import { sgd } from '../src/optim/sgd.ts';
import type { Examples } from '../src/train/batch.ts';
import { type ClassWeights, withClassWeights } from '../src/train/class-weights.ts';
import { bestConstantLoss } from '../src/train/constant-loss.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, collect, Net, netTrainer, weightsOf } from './blobs.ts';
import { testExecutor } from './gpu.ts';

const valuesOf = (x: Tensor): number[] => Array.from(interpret([x], () => undefined)[0]!.data);
const labels = (list: readonly number[]): Tensor => constant(list, { dtype: 'u32' });
const close = (list: readonly number[]) => list.map((v) => expect.closeTo(v, 12));

const rows = (...list: number[][]): Tensor => constant(list);
const [A, B] = [
  [0.5, -1.5, 2],
  [-0.25, 0.75, 1],
];
const [S, T] = [
  [0, 1, 0.25],
  [1, 0, 0.5],
];
const CASES: [string, Loss, (...ts: readonly number[]) => Tensor][] = [
  ['softmaxCrossEntropy', losses.softmaxCrossEntropy, (...ts) => labels(ts)],
  ['softmaxCrossEntropy, dense', losses.softmaxCrossEntropy, (...ts) => rows(...ts.map((k) => [S, T][k]!))],
  ...[
    losses.binaryCrossEntropyWithLogits,
    losses.meanSquaredError,
    losses.sumSquaredError,
    losses.meanAbsoluteError,
    losses.huber(0.6),
  ].map((loss): (typeof CASES)[number] => [loss.lossName, loss, (...ts) => rows(...ts.map((k) => [S, T][k]!))]),
  ['meanSquaredError, classes', losses.meanSquaredError, (...ts) => labels(ts)],
];

describe.each(CASES)('%s', (_, loss, targets) => {
  const x = rows(A!, B!);
  const weighted = (...w: number[]) => weightedLoss(loss, x, targets(0, 1), constant(w)).loss;

  it('with weights 1 and 3 is that of the second example three times, and so is its gradient', () => {
    const many = rows(A!, B!, B!, B!);
    const wanted = loss(many, targets(0, 1, 1, 1));
    expect(valuesOf(weighted(1, 3))).toEqual(close(valuesOf(wanted)));
    const [dx, each] = [valuesOf(grad(weighted(1, 3), [x])[0]!), valuesOf(grad(wanted, [many])[0]!)];
    expect(dx).toEqual(close([...each.slice(0, 3), ...each.slice(3, 6).map((v) => 3 * v)]));
    expect(valuesOf(weighted(0.5, 1.5))).toEqual(close(valuesOf(wanted)));
  });

  it('with weights 1 is the loss, with weights 0 it is 0 without a gradient', () => {
    expect(valuesOf(weighted(1, 1))).toEqual(close(valuesOf(loss(x, targets(0, 1)))));
    expect(valuesOf(weighted(0, 0))).toEqual([0]);
    expect(valuesOf(grad(weighted(0, 0), [x])[0]!).map(Math.abs)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  it('has the gradient of finite differences', () => {
    const dx = valuesOf(grad(weighted(0.3, 2), [x])[0]!);
    for (const [i, got] of dx.entries()) {
      const at = (h: number) => {
        const moved = Float64Array.from([...A!, ...B!], (v, k) => v + (k === i ? h : 0));
        return valuesOf(weightedLoss(loss, constant(moved, [2, 3]), targets(0, 1), constant([0.3, 2])).loss)[0]!;
      };
      expect(got).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 8);
    }
  });
});

describe('a weighted loss', () => {
  it('of more axes is the mean over those of an example', () => {
    const x = constant([
      [A!, B!],
      [B!, B!],
    ]);
    const t = constant(
      [
        [0, 1],
        [2, 0],
      ],
      { dtype: 'u32' },
    );
    const one = (row: number[], label: number) => valuesOf(losses.softmaxCrossEntropy(rows(row), labels([label])))[0]!;
    const [first, second] = [(one(A!, 0) + one(B!, 1)) / 2, (one(B!, 2) + one(B!, 0)) / 2];
    const { loss, weight } = weightedLoss(losses.softmaxCrossEntropy, x, t, constant([1, 4]));
    expect([...valuesOf(loss), ...valuesOf(weight)]).toEqual(close([(first + 4 * second) / 5, 5]));
  });

  it('needs the loss of each example', () => {
    const [x, t, w] = [rows(A!, B!), rows(S!, T!), constant([1, 2])];
    const square = (p: Tensor, y: Tensor) => losses.meanSquaredError(p, y);
    expect(() => weightedLoss(defineLoss('mine', square), x, t, w)).toThrow(
      new OptionError(
        'mine: the examples have weights, but the loss of each example is not known. Give defineLoss { perExample: (prediction, target) => the loss of each example, f32 [batch] }, or leave the weights out.',
      ),
    );
    const whole = defineLoss('mine', square, { perExample: (p) => mean(p) });
    expect(() => weightedLoss(whole, x, t, w)).toThrow(
      new ShapeError('mine: perExample returned f32 [] for 2 examples. Return f32 [2].'),
    );
    const none = defineLoss('mine', square, { perExample: () => 3 as never });
    expect(() => weightedLoss(none, x, t, w)).toThrow('mine: perExample returned 3 for 2 examples. Return f32 [2].');
  });
});

const size = 60;
const plain = blobs(size);
/** Whole numbers from 0 to 3. */
const counts = Uint8Array.from({ length: size }, (_, i) => (i * i + (i >> 2)) % 4);
const weighted = arrayDataset(plain.x, plain.y.data, { classes: 3, sampleWeights: counts });
/** The rows of a set, each as often as its count says. */
function repeated(): Examples {
  const rows = [...counts].flatMap((n, i) => Array<number>(n).fill(i));
  const x = rows.flatMap((i) => [...plain.x.data.subarray(4 * i, 4 * i + 4)]);
  return arrayDataset(
    Float32Array.from(x),
    Uint8Array.from(rows, (i) => plain.y.data[i]!),
    { classes: 3 },
  );
}
const near = (a: Record<string, number[]>, b: Record<string, number[]>, digits = 6) => {
  for (const path of Object.keys(a))
    for (const [k, v] of a[path]!.entries()) expect(b[path]![k]).toBeCloseTo(v, digits);
};

describe('a data set with weights', () => {
  it('has them as f32 in a copy of its own, kept in its parts', () => {
    const given = [1, 0.5, 0, 2];
    const data = arrayDataset([[1], [2], [3], [4]], [0, 1, 0, 1], { sampleWeights: given });
    given.fill(9);
    expect(data.sampleWeights).toEqual({ shape: [4], data: Float32Array.of(1, 0.5, 0, 2) });
    expect([...data.slice(1, 3).sampleWeights!.data]).toEqual([0.5, 0]);
    expect(rescaled(data, { mean: 0, std: 2 }).sampleWeights).toBe(data.sampleWeights);
    const { train, validation } = split(data, 1, { seed: 3 });
    for (const part of [train, validation])
      for (const [k, x] of part.x.data.entries()) expect(part.sampleWeights!.data[k]).toBe([1, 0.5, 0, 2][x - 1]);
    expect(plain).not.toHaveProperty('sampleWeights');
    expect(plain.slice(0, 2)).not.toHaveProperty('sampleWeights');
  });

  it.each([
    ['too few', [1, 2], 'array sampleWeights: their shape is [2] for 3 examples. Give one for each, [3].'],
    [
      'columns',
      [
        [1, 2],
        [1, 1],
        [2, 0],
      ],
      'array sampleWeights: their shape is [3, 2] for 3 examples. Give one for each, [3].',
    ],
    ['a negative one', [1, -1, 2], 'array sampleWeights: the weight of example 1 is -1. Give finite f32 numbers >= 0.'],
    ['NaN', [1, 1, Number.NaN], 'array sampleWeights: the weight of example 2 is NaN. Give finite f32 numbers >= 0.'],
    [
      'one past f32',
      [1e39, 1, 1],
      'array sampleWeights: the weight of example 0 is 1e+39. Give finite f32 numbers >= 0.',
    ],
    ['nothing but 0', [0, 0, 0], 'array sampleWeights: all are 0, so no example counts. Give at least one above 0.'],
  ])('refuses %s', async (_, sampleWeights, message) => {
    const make = () => arrayDataset([1, 2, 3], [0, 1, 0], { sampleWeights });
    expect(make).toThrow(new DataError(message));
    const flat = Float32Array.from((sampleWeights as number[]).flat());
    const shape = Array.isArray(sampleWeights[0]) ? [3, 2] : [flat.length];
    const set = { ...plain.slice(0, 3), name: 'mine', sampleWeights: { shape, data: flat } };
    await expect(netTrainer().evaluate(set)).rejects.toThrow(/^mine sampleWeights: (their|the weight|all)/);
  });
});

describe('training with weights', () => {
  it('moves by the same steps as with each example as often as its weight says', async () => {
    const [byWeight, byCopies] = [netTrainer(), netTrainer()];
    const copies = repeated();
    await byWeight.fit(weighted, { epochs: 5, batchSize: size });
    await byCopies.fit(copies, { epochs: 5, batchSize: copies.size });
    near(await weightsOf(byWeight), await weightsOf(byCopies));
    for (const [k, loss] of byCopies.history.steps.loss.entries())
      expect(byWeight.history.steps.loss[k]).toBeCloseTo(loss, 6);
    expect((await byWeight.evaluate(weighted)).loss).toBeCloseTo((await byWeight.evaluate(copies)).loss, 6);
    // Accuracy counts examples.
    expect((await byWeight.evaluate(weighted)).accuracy).toBe((await byWeight.evaluate(plain)).accuracy);
  });

  it('has the hand sum as its loss, however batches are cut, shuffled or not', async () => {
    const trainer = netTrainer({ optimizer: sgd(1e-9), submitMs: 0.001 });
    const { data: logits } = await trainer.predict(plain);
    const each = Array.from({ length: size }, (_, r) => {
      const row = [...logits.subarray(3 * r, 3 * r + 3)];
      return Math.log(row.reduce((sum, v) => sum + Math.exp(v), 0)) - row[plain.y.data[r]!]!;
    });
    const total = counts.reduce((sum, w) => sum + w, 0);
    const want = each.reduce((sum, l, i) => sum + l * counts[i]!, 0) / total;
    for (const batchSize of [60, 7, 32, 1])
      expect((await trainer.evaluate(weighted, { batchSize })).loss).toBeCloseTo(want, 6);
    for (const [batchSize, shuffle] of [
      [60, true],
      [7, true],
      [7, false],
      [1, true],
    ] as const) {
      const [e] = await collect(trainer.fit(weighted, { epochs: 1, batchSize, shuffle, validation: weighted }));
      expect(e!.validation!.loss).toBeCloseTo(want, 6);
      expect(e!.loss).toBeCloseTo(want, 6);
    }
    // A run that is resumed goes on in its order.
    const options = { epochs: 1, batchSize: 1, events: 'step' } as const;
    const stop = trainer.stepsMade + 20;
    for await (const e of trainer.fit(weighted, options)) if (e.step >= stop) break;
    const rest = await collect(trainer.fit(weighted, { ...options, resume: true }));
    const weights = rest.flatMap((e) =>
      e.type !== 'step' ? [] : [counts[each.findIndex((l) => Math.abs(l - e.loss) < 1e-5)] ?? 0],
    );
    const sum = rest.reduce((total, e, k) => (e.type === 'step' ? total + e.loss * weights[k]! : total), 0);
    expect(weights.length).toBeLessThanOrEqual(40);
    expect(weights.some((w) => w > 1)).toBe(true);
    expect(rest.at(-1)).toMatchObject({ loss: expect.closeTo(sum / weights.reduce((a, b) => a + b), 5) });
    const { losses: grid } = await landscape(trainer, weighted, { n: 1 });
    expect(grid.data[0]).toBeCloseTo(want, 6);
  });

  it('leaves the weights where a batch counts nothing', async () => {
    const none = Float32Array.from({ length: size }, (_, i) => (i < 10 ? 0 : 1));
    const set = { ...plain, sampleWeights: { shape: [size], data: none } };
    const trainer = netTrainer();
    const before = await weightsOf(trainer);
    const [step, epoch] = await collect(
      trainer.fit(set, { maxSteps: 1, batchSize: 10, shuffle: false, events: 'step' }),
    );
    expect([step, epoch]).toMatchObject([{ loss: 0 }, { loss: 0 }]);
    expect(await weightsOf(trainer)).toEqual(before);
    await trainer.fit(set, { maxSteps: 10, batchSize: 10, shuffle: false });
    expect(trainer.history.stopped).toBe('done');
    expect(await weightsOf(trainer)).not.toEqual(before);
  });

  it('sees other weights, of a caller’s array that was refilled too', async () => {
    const data = Float32Array.from(counts);
    const set = { ...plain, sampleWeights: { shape: [size], data } };
    const trainer = netTrainer();
    const [first, unweighted] = [await trainer.evaluate(set), await trainer.evaluate(plain)];
    expect(first.loss).not.toBeCloseTo(unweighted.loss, 4);
    data.fill(2);
    expect((await trainer.evaluate(set)).loss).toBeCloseTo(unweighted.loss, 6);
    const bytes = { ...plain, sampleWeights: { shape: [size], data: counts } };
    expect((await trainer.evaluate(bytes)).loss).toBe(first.loss);
  });

  it('needs a loss that says what each example’s is', async () => {
    const square = (p: Tensor, t: Tensor) => losses.meanSquaredError(p, t);
    const make = (loss: Loss) => netTrainer({ model: new Net(), loss });
    const options = { epochs: 1 };
    for (const run of [
      make(defineLoss('square', square)).fit(weighted, options),
      make(defineLoss('square', square)).evaluate(weighted),
    ])
      await expect(run).rejects.toThrow(
        /^square: the examples have weights, but the loss of each example is not known\. Give/,
      );
    const perExample = losses.meanSquaredError.perExample!;
    const own = make(defineLoss('square', square, { perExample }));
    const known = make(losses.meanSquaredError);
    for (const trainer of [own, known]) await trainer.fit(weighted, options);
    expect(await weightsOf(own)).toEqual(await weightsOf(known));
  });

  it('on the GPU is that on the CPU', async () => {
    const gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
    const lines = arrayDataset(
      plain.x,
      { shape: [size, 1], data: Float32Array.from({ length: size }, (_, i) => Math.sin(i)) },
      { sampleWeights: Float32Array.from(counts, (w) => w / 3) },
    );
    const runs: [Loss, Examples, () => Net | Linear][] = [
      [losses.softmaxCrossEntropy, weighted, () => new Net()],
      [losses.sumSquaredError, weighted, () => new Net()],
      [losses.meanSquaredError, lines, () => new Linear(4, 1)],
      [losses.huber(0.5), lines, () => new Linear(4, 1)],
    ];
    for (const [loss, data, model] of runs) {
      const found = [];
      for (const backend of [gpu, netTrainer().backend]) {
        const trainer = new Trainer(backend, { model: model(), loss, optimizer: sgd(0.05), seed: 1 });
        await trainer.fit(data, { epochs: 2, batchSize: 7 });
        found.push([
          ...trainer.history.steps.loss,
          (await trainer.evaluate(data)).loss,
          trainer.history.epochs[1]!.loss,
        ]);
        trainer.dispose();
      }
      const [onGpu, onCpu] = found;
      for (const [k, v] of onCpu!.entries())
        expect(Math.abs(onGpu![k]! - v)).toBeLessThanOrEqual(1e-6 * Math.abs(v) + 1e-12);
    }
  });
});

describe('the best constant prediction', () => {
  it('is that of the set with each example as often as its weight says', () => {
    const copies = repeated();
    const values = (y: number[][], sampleWeights?: number[]) =>
      arrayDataset(new Float32Array(y.length), y, { targets: 'values', ...(sampleWeights && { sampleWeights }) });
    const [few, many] = [values([[1], [2], [9]], [1, 3, 1]), values([[1], [2], [2], [2], [9]])];
    for (const loss of [losses.meanSquaredError, losses.meanAbsoluteError, losses.huber(), losses.sumSquaredError])
      expect(bestConstantLoss({ loss }, few)).toBeCloseTo(bestConstantLoss({ loss }, many)!, 12);
    expect(bestConstantLoss({ loss: losses.meanAbsoluteError }, few)).toBeCloseTo((1 + 0 + 7) / 5, 12);
    for (const loss of [losses.softmaxCrossEntropy, losses.meanSquaredError]) {
      const [got, want, without] = [weighted, copies, plain].map((data) => bestConstantLoss({ loss }, data)!);
      expect(got).toBeCloseTo(want!, 12);
      expect(got).not.toBeCloseTo(without!, 6);
    }
    // The same labels with other weights.
    expect(
      bestConstantLoss({ loss: losses.softmaxCrossEntropy }, { ...weighted, sampleWeights: undefined }),
    ).toBeCloseTo(bestConstantLoss({ loss: losses.softmaxCrossEntropy }, plain)!, 12);
    expect(bestConstantLoss({ loss: defineLoss('none', losses.meanSquaredError) }, few)).toBeUndefined();
  });
});

/** 48 of class 0, 12 of class 1, none of class 2. */
const labelsOfSkewed = Uint8Array.from({ length: size }, (_, i) => Number(i % 5 === 4));
const skewed = arrayDataset(plain.x, labelsOfSkewed, { classes: 3 });
const withWeights = (weights: readonly number[], given?: Uint8Array) => ({
  ...skewed,
  sampleWeights: {
    shape: [size],
    data: Float32Array.from(labelsOfSkewed, (label, i) => weights[label]! * (given ? given[i]! : 1)),
  },
});

describe('class weights', () => {
  it('balanced are those of the rare class repeated until both are as many', async () => {
    const [balanced, oversampled] = [netTrainer(), netTrainer()];
    const rows = [...labelsOfSkewed].flatMap((label, i) => Array<number>(label === 1 ? 4 : 1).fill(i));
    const x = Float32Array.from(rows.flatMap((i) => [...plain.x.data.subarray(4 * i, 4 * i + 4)]));
    const copies = arrayDataset(
      x,
      Uint8Array.from(rows, (i) => labelsOfSkewed[i]!),
      { classes: 3 },
    );
    await balanced.fit(skewed, { epochs: 5, batchSize: size, classWeights: 'balanced' });
    await oversampled.fit(copies, { epochs: 5, batchSize: 96 });
    near(await weightsOf(balanced), await weightsOf(oversampled));
    expect(balanced.history.steps.loss[0]).toBeCloseTo(oversampled.history.steps.loss[0]!, 6);
    const { sampleWeights } = withClassWeights(skewed, 'balanced');
    expect([...sampleWeights!.data.subarray(3, 5)]).toEqual([60 / (2 * 48), 60 / (2 * 12)]);
  });

  it.each<[string, ClassWeights, number[]]>([
    ['a list', [1, 4, 0.5], [1, 4, 0.5]],
    ['a record', { 1: 3 }, [1, 3, 1]],
  ])('as %s are weights of the examples, times their own, in training alone', async (_, classWeights, byClass) => {
    const own = { ...skewed, sampleWeights: { shape: [size], data: counts } };
    for (const [data, wanted] of [
      [skewed, withWeights(byClass)],
      [own, withWeights(byClass, counts)],
    ] as const) {
      const [got, want] = [netTrainer(), netTrainer()];
      await got.fit(data, { epochs: 2, batchSize: 7, classWeights, validation: data });
      await want.fit(wanted, { epochs: 2, batchSize: 7, validation: data });
      expect(await weightsOf(got)).toEqual(await weightsOf(want));
      const [a, b] = [got, want].map(({ history }) => history.epochs.map((e) => [e.loss, e.validation!.loss]));
      expect(a).toEqual(b);
    }
  });

  it('are found again in the next run and in one that is resumed, with their programs', async () => {
    const trainer = netTrainer();
    const compiled: string[] = [];
    const { executor } = trainer.backend;
    const compile = executor.compile.bind(executor);
    executor.compile = (recipe, options) => {
      compiled.push(options?.label ?? '');
      return compile(recipe, options);
    };
    const caller = { ...skewed, y: { shape: [size], data: labelsOfSkewed } };
    const options = { batchSize: 30, classWeights: 'balanced' } as const;
    for (const maxSteps of [2, 2, 4]) await trainer.fit(caller, { ...options, maxSteps, resume: maxSteps === 4 });
    expect(compiled).toEqual(['train [30]']);
    await trainer.fit(caller, { ...options, maxSteps: 2, classWeights: { 1: 2 } });
    await trainer.fit(caller, { batchSize: 30, maxSteps: 2 });
    expect(compiled).toHaveLength(3);
  });

  it.each<[string, unknown, RegExp]>([
    ['too few', [1, 2], /^fit: classWeights has 2 weights, but array has 3 classes\. Give 3\.$/],
    [
      'a class past the last',
      { 3: 1 },
      /^fit: classWeights names the class 3, but array has 3 classes\. Use 0 to 2\.$/,
    ],
    ['a name', { cat: 1 }, /^fit: classWeights names the class cat, but array has 3 classes\. Use 0 to 2\./],
    ['an index that is none', { '01': 1 }, /names the class 01, but array has 3 classes\. Use 0 to 2\./],
    ['a negative one', { 1: -1 }, /^fit: the weight of class 1 is -1\. Give a finite number >= 0\.$/],
    ['one past f32', [1, 1e39, 1], /^fit: the weight of class 1 is 1e\+39\. Give/],
    ['nothing but 0', [0, 0, 1], /^array classWeights: all are 0, so no example counts\. Give at least one above 0\.$/],
    [
      'a Map',
      new Map([[0, 1]]),
      /^fit: classWeights is a Map\. Give 'balanced', a weight for each class, or weights by class/,
    ],
    ['a word', 'even', /^fit: classWeights is "even"\. Give 'balanced', a weight/],
  ])('refuses %s', async (_, classWeights, message) => {
    const trainer = netTrainer();
    const run = trainer.fit(skewed, { epochs: 1, classWeights: classWeights as ClassWeights });
    await expect(run).rejects.toThrow(message);
    await expect(trainer.warmUp(skewed, { epochs: 1, classWeights: classWeights as never })).rejects.toThrow(message);
  });

  it('refuses targets that are no labels', async () => {
    const dense = arrayDataset(plain.x, { shape: [size, 3], data: new Float32Array(3 * size) }, { name: 'dense' });
    await expect(netTrainer().fit(dense, { epochs: 1, classWeights: 'balanced' })).rejects.toThrow(
      new OptionError(
        'fit: classWeights need class indices, but the targets of dense are numbers. Use data with class labels, or sampleWeights.',
      ),
    );
  });
});
