// Losses, row ops and reductions against hand-computed values, and the fused ops against the same said with simple ops:
// ties, large logits, labels that are no class, values that are not finite.
import { describe, expect, it } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import type { DType, HostArray } from '../src/graph/dtype.ts';
import { ShapeError } from '../src/graph/errors.ts';
import type { NestedNumbers } from '../src/graph/numbers.ts';
import type { Shape } from '../src/graph/shape.ts';
import { constant, input, type Tensor } from '../src/graph/tensor.ts';
import { traceWith } from '../src/graph/trace.ts';
import type { Loss } from '../src/loss/index.ts';
import * as losses from '../src/loss/index.ts';
import { accuracy, binaryAccuracy } from '../src/ops/accuracy.ts';
import { mul } from '../src/ops/binary.ts';
import { sum } from '../src/ops/broadcast.ts';
import { composedCrossEntropy, softmaxCrossEntropy } from '../src/ops/cross-entropy.ts';
import { logSumExp } from '../src/ops/log-sum-exp.ts';
import { argmax, max, mean, min, variance } from '../src/ops/reduce.ts';
import { composed, logSoftmax, softmax } from '../src/ops/softmax.ts';
import { drawSample, outputsOf, type Sample } from './sample.ts';

const BY_NAME = {
  meanSquaredError: losses.meanSquaredError,
  sumSquaredError: losses.sumSquaredError,
  meanAbsoluteError: losses.meanAbsoluteError,
  binaryCrossEntropyWithLogits: losses.binaryCrossEntropyWithLogits,
};

const noFeeds = (): undefined => undefined;

/** The values of a tensor made from constants. */
function values(x: Tensor, precision: 'float32' | 'float64' = 'float64'): number[] {
  return Array.from(interpret([x], noFeeds, precision)[0]!.data);
}

function onlyValue(x: Tensor): number {
  expect(x.shape).toEqual([]);
  return values(x)[0]!;
}

const labels = (list: NestedNumbers): Tensor => constant(list, { dtype: 'u32' });

/** y and the gradients of Σ weight · y for drawn inputs, the weights being other for each element. */
function valuesAndGradients(build: (...xs: Tensor[]) => Tensor, inputs: Sample['inputs']): number[][] {
  const sample: Sample = { name: 'drawn', inputs, fn: build };
  const { tensors, values: feeds } = drawSample('losses', sample);
  const y = outputsOf(sample, tensors)[0]!;
  const dy = constant(
    Float64Array.from({ length: y.size }, (_, i) => Math.sin(i + 1)),
    { shape: y.shape },
  );
  const wanted = tensors.filter((x) => x.dtype === 'f32');
  const gradients = grad(y, wanted, dy).filter((x) => x !== undefined);
  expect(gradients.length).toBe(wanted.length);
  const feed = (leaf: Tensor['node']): HostArray | undefined => feeds[tensors.findIndex((x) => x.node === leaf)];
  return interpret([y, ...gradients], feed).map(({ data }) => Array.from(data));
}

function expectClose(got: readonly number[][], wanted: readonly number[][]): void {
  expect(got.length).toBe(wanted.length);
  for (const [k, list] of got.entries()) {
    expect(list.length).toBe(wanted[k]!.length);
    const wrong = list.flatMap((v, i) => (Math.abs(v - wanted[k]![i]!) <= 1e-12 * (1 + Math.abs(v)) ? [] : [i]));
    expect(wrong.slice(0, 4).map((i) => ({ i, got: list[i], wanted: wanted[k]![i] }))).toEqual([]);
  }
}

describe('fused against composed, values and gradients', () => {
  const shapes: [Shape, number][] = [
    [[1], 0],
    [[5, 10], 1],
    [[7, 3], 0],
    [[2, 5, 3], 1],
    [[2, 257], 1],
  ];
  it.each(shapes)('softmax %j along %d', (shape, axis) => {
    expectClose(
      valuesAndGradients((x) => softmax(x!, { axis }), [{ shape }]),
      valuesAndGradients((x) => composed.softmax(x!, axis), [{ shape }]),
    );
  });
  it.each(shapes)('logSoftmax %j along %d', (shape, axis) => {
    expectClose(
      valuesAndGradients((x) => logSoftmax(x!, { axis }), [{ shape }]),
      valuesAndGradients((x) => composed.logSoftmax(x!, axis), [{ shape }]),
    );
  });
  it.each(shapes)('logSumExp %j along %d', (shape, axis) => {
    const fused = valuesAndGradients((x) => logSumExp(x!, { axis, keepDims: true }), [{ shape }]);
    expectClose(
      fused,
      valuesAndGradients((x) => composed.logSumExp(x!, axis), [{ shape }]),
    );
  });

  const logits: Shape[] = [
    [1, 1],
    [5, 10],
    [2, 3, 7],
    [3, 257],
  ];
  it.each(logits)('softmaxCrossEntropy of [%d, %d, …], classes', (...shape) => {
    const target = { shape: shape.slice(0, -1), dtype: 'u32' as DType, range: [0, shape.at(-1)!] as const };
    const inputs = [{ shape }, target];
    const wanted = valuesAndGradients((x, t) => composedCrossEntropy(x!, t!), inputs);
    expectClose(
      valuesAndGradients((x, t) => softmaxCrossEntropy(x!, t!, { residual: true }), inputs),
      wanted,
    );
    expectClose(
      valuesAndGradients((x, t) => softmaxCrossEntropy(x!, t!, { residual: false }), inputs),
      wanted,
    );
  });
  it.each(logits)('softmaxCrossEntropy of [%d, %d, …], dense, targets that do not sum to 1', (...shape) => {
    const inputs = [{ shape }, { shape, range: [0, 1] as const }];
    const wanted = valuesAndGradients((x, t) => composedCrossEntropy(x!, t!), inputs);
    expectClose(
      valuesAndGradients((x, t) => softmaxCrossEntropy(x!, t!, { residual: true }), inputs),
      wanted,
    );
    expectClose(
      valuesAndGradients((x, t) => softmaxCrossEntropy(x!, t!, { residual: false }), inputs),
      wanted,
    );
  });
});

describe('softmaxCrossEntropy', () => {
  it('keeps what backward needs in training only', () => {
    const x = constant([[1, 2]]);
    const outs = (training: boolean): number =>
      traceWith({ training }, () => softmaxCrossEntropy(x, labels([0]))).node.outs.length;
    expect(outs(true)).toBe(2);
    expect(outs(false)).toBe(1);
  });

  it('is -log softmax at the label, averaged', () => {
    const loss = losses.softmaxCrossEntropy(
      constant([
        [1, 2, 3],
        [0, 0, 0],
      ]),
      labels([2, 1]),
    );
    expect(onlyValue(loss)).toBeCloseTo((Math.log(1 + Math.exp(-1) + Math.exp(-2)) + Math.log(3)) / 2, 12);
  });

  it.each([1e4, -1e4])('is exact for logits of %d, in floats', (big) => {
    const row = (label: number): number =>
      values(softmaxCrossEntropy(constant([[big, big + 1]]), labels([label])), 'float32')[0]!;
    expect(row(1)).toBeCloseTo(Math.log1p(Math.exp(-1)), 6);
    expect(row(0)).toBeCloseTo(1 + Math.log1p(Math.exp(-1)), 6);
    const far = values(softmaxCrossEntropy(constant([[big, -big]]), labels([1])), 'float32')[0]!;
    expect(far).toBe(big > 0 ? 2e4 : 0);
  });

  it.each([2, 3, 4294967295])('gives NaN for label %d of 2 classes, in that row only', (label) => {
    const x = constant([
      [1, 2],
      [3, 4],
    ]);
    const rows = values(softmaxCrossEntropy(x, labels([label, 1])));
    expect(rows[0]).toBeNaN();
    expect(rows[1]).toBeCloseTo(Math.log1p(Math.exp(-1)), 12);
    expect(onlyValue(losses.softmaxCrossEntropy(x, labels([0, label])))).toBeNaN();
    const [dx] = grad(losses.softmaxCrossEntropy(x, labels([label, 1])), [x]);
    expect(values(dx!).map(Number.isFinite)).toEqual([false, false, true, true]);
  });

  it('squared errors give NaN for a label that is no class', () => {
    const x = constant([
      [1, 2],
      [3, 4],
    ]);
    for (const loss of [losses.meanSquaredError, losses.sumSquaredError]) {
      expect(onlyValue(loss(x, labels([1, 2])))).toBeNaN();
      expect(onlyValue(loss(x, labels([1, 0])))).not.toBeNaN();
    }
  });

  it.each([Number.NaN, Infinity])('gives NaN for a logit that is %d, wherever the label is', (bad) => {
    const x = constant(Float64Array.of(1, bad, 3, 1, 2, 3), { shape: [2, 3] });
    for (const label of [0, 1, 2]) {
      const [first, second] = values(softmaxCrossEntropy(x, labels([label, label])));
      expect(first).toBeNaN();
      expect(second).toBeGreaterThan(0);
    }
    const dense = softmaxCrossEntropy(
      x,
      constant([
        [1, 0, 0],
        [1, 0, 0],
      ]),
    );
    expect(values(dense)[0]).toBeNaN();
  });

  it('takes a logit of -infinity as probability 0', () => {
    const x = constant(Float64Array.of(1, -Infinity, 2), { shape: [1, 3] });
    expect(values(softmaxCrossEntropy(x, labels([0])))[0]).toBeCloseTo(Math.log1p(Math.exp(1)), 12);
    expect(values(softmaxCrossEntropy(x, labels([1])))[0]).toBe(Infinity);
  });

  it('says what targets fit', () => {
    const x = input('x', { shape: [64, 10], dtype: 'f32' });
    const wrong = input('t', { shape: [64, 1], dtype: 'u32' });
    expect(() => losses.softmaxCrossEntropy(x, wrong)).toThrow(
      new ShapeError(
        'softmaxCrossEntropy: targets u32 [64, 1] do not fit logits [64, 10]. Give class indices, u32 [64], or a probability for each class, f32 [64, 10].',
      ),
    );
    expect(() => losses.softmaxCrossEntropy(x, input('t', { shape: [63], dtype: 'i32' }))).toThrow(
      /targets i32 \[63\] do not fit/,
    );
    expect(() => losses.softmaxCrossEntropy(constant(1), constant(1))).toThrow(/logits are a scalar/);
  });
});

describe('softmax and its kin on values that are not finite', () => {
  const x = (...row: number[]): Tensor => constant(Float64Array.from(row), { shape: [1, row.length] });
  it('softmax', () => {
    expect(values(softmax(x(1, Number.NaN, 2)))).toEqual([Number.NaN, Number.NaN, Number.NaN]);
    expect(values(softmax(x(1, Infinity, 2))).every(Number.isNaN)).toBe(true);
    expect(values(softmax(x(-Infinity, -Infinity)))).toEqual([Number.NaN, Number.NaN]);
    expect(values(softmax(x(0, -Infinity, 0)))).toEqual([0.5, 0, 0.5]);
  });
  it('logSumExp', () => {
    expect(values(logSumExp(x(1, Infinity)))).toEqual([Infinity]);
    expect(values(logSumExp(x(-Infinity, -Infinity)))).toEqual([-Infinity]);
    expect(values(logSumExp(x(1, Number.NaN)))).toEqual([Number.NaN]);
    expect(values(logSumExp(x(1e4, 1e4)), 'float32')[0]).toBeCloseTo(1e4 + Math.LN2, 2);
  });
});

describe('reductions', () => {
  const x = constant([
    [3, 1, 3],
    [2, 2, 2],
  ]);
  it('share the gradient of an extremum equally among ties', () => {
    expect(values(grad(max(x, { axis: 1 }), [x])[0]!)).toEqual([0.5, 0, 0.5, 1 / 3, 1 / 3, 1 / 3]);
    expect(values(grad(max(x), [x])[0]!)).toEqual([0.5, 0, 0.5, 0, 0, 0]);
    expect(values(grad(min(x, { axis: 0 }), [x])[0]!)).toEqual([0, 1, 0, 1, 0, 1]);
  });
  it('take the mean over any axes', () => {
    expect(values(mean(x, { axis: 0 }))).toEqual([2.5, 1.5, 2.5]);
    expect(values(mean(x, { axis: [0, 1], keepDims: true }))).toEqual([13 / 6]);
    expect(mean(x, { axis: [0, 1], keepDims: true }).shape).toEqual([1, 1]);
    expect(values(grad(mean(x), [x])[0]!)).toEqual(new Array(6).fill(1 / 6));
  });
  it('let NaN through a maximum and a minimum', () => {
    const bad = constant(Float64Array.of(1, Number.NaN, 2));
    expect(onlyValue(max(bad))).toBeNaN();
    expect(onlyValue(min(bad))).toBeNaN();
  });
  it('give argmax the first among equals, NaN as the largest', () => {
    const y = argmax(x);
    expect([y.dtype, values(y)]).toEqual(['u32', [0, 0]]);
    expect(values(argmax(x, { axis: 0, keepDims: true }))).toEqual([0, 1, 0]);
    expect(onlyValue(argmax(constant(Float64Array.of(1, Number.NaN, Infinity, Number.NaN))))).toBe(1);
  });
  it('divide a variance by N - correction', () => {
    expect(onlyValue(variance(constant([1, 2, 3, 6])))).toBeCloseTo(14 / 3, 12);
    expect(onlyValue(variance(constant([1, 2, 3, 6]), { correction: 0 }))).toBeCloseTo(3.5, 12);
    expect(values(variance(x, { axis: 1 }))).toEqual([expect.closeTo(4 / 3, 12), 0]);
    expect(() => variance(x, { axis: [] })).toThrow(
      /variance: 1 elements of \[2, 3\] over axes \[\] .* correction: 0\.$/,
    );
  });
  it('refuse whole numbers and axes outside the rank', () => {
    expect(() => sum(labels([1, 2]))).toThrow(new ShapeError("sum: x is u32. It must be f32: cast(x, 'f32')."));
    expect(() => max(x, { axis: 2 })).toThrow(/max: axis 2 is out of range for a tensor of rank 2/);
    expect(() => argmax(x, { axis: -3 })).toThrow(/argmax: axis -3/);
    expect(() => softmax(constant(1))).toThrow(/softmax: axis -1 is out of range for a tensor of rank 0/);
  });
});

describe('accuracy', () => {
  it('is the fraction of rows right, the first among equals being the answer', () => {
    const x = constant([
      [1, 5, 2],
      [4, 4, 0],
      [4, 4, 0],
      [0, 0, 1],
    ]);
    expect(onlyValue(accuracy(x, labels([1, 0, 1, 2])))).toBe(0.75);
    expect(onlyValue(accuracy(x, labels([1, 0, 0, 9])))).toBe(0.75);
  });
  it('says what labels fit', () => {
    expect(() => accuracy(constant([[1, 2]]), constant([1]))).toThrow(
      new ShapeError(
        'accuracy: targets f32 [1] do not fit logits [1, 2]. Give class indices, u32 [1], or a probability for each class, f32 [1, 2].',
      ),
    );
    expect(() => accuracy(constant([[1, 2]]), labels([[1, 2]]))).toThrow(/^accuracy: targets u32 \[1, 2\] do not fit/);
    expect(() => accuracy(labels([[1, 2]]), labels([1]))).toThrow(/^accuracy: logits are u32 \[1, 2\]/);
  });
  it('of dense targets takes the largest of each row for the label', () => {
    const x = constant([
      [1, 5, 2],
      [4, 4, 0],
      [0, 1, 2],
      [3, 0, 1],
    ]);
    const t = constant([
      [0, 1, 0],
      [0.4, 0.4, 0.2],
      [0.6, 0.3, 0.1],
      [0.5, 0.5, 0],
    ]);
    expect(onlyValue(accuracy(x, t))).toBe(0.75);
  });
  it('of yes or no counts elements, yes being above 0 and above one half', () => {
    const x = constant([
      [0.1, -3, 0],
      [2, -0.5, 1],
    ]);
    const t = constant([
      [1, 0, 0.5],
      [0.5, 0.6, 1],
    ]);
    expect(onlyValue(binaryAccuracy(x, t))).toBeCloseTo(4 / 6, 12);
    expect(() => binaryAccuracy(x, labels([1, 0]))).toThrow(
      new ShapeError(
        'binaryAccuracy: logits f32 [2, 3] and targets u32 [2] differ. Give both as f32 of the same shape.',
      ),
    );
  });
});

describe('losses by hand', () => {
  const prediction = constant([
    [0, 2, 1],
    [1, -1, 0.5],
  ]);
  const target = constant([
    [1, 0, 1],
    [1, 1, 0],
  ]);
  const log1pExp = (v: number): number => Math.log1p(Math.exp(v));
  const cases: [string, Loss, number][] = [
    ['meanSquaredError', losses.meanSquaredError, (1 + 4 + 0 + 0 + 4 + 0.25) / 6],
    ['sumSquaredError', losses.sumSquaredError, (1 + 4 + 0 + 0 + 4 + 0.25) / 2],
    ['meanAbsoluteError', losses.meanAbsoluteError, (1 + 2 + 0 + 0 + 2 + 0.5) / 6],
    ['huber', losses.huber(), (0.5 + 1.5 + 0 + 0 + 1.5 + 0.125) / 6],
    ['huber of delta 0.5', losses.huber({ delta: 0.5 }), (0.5 * 0.75 + 0.5 * 1.75 + 0 + 0 + 0.5 * 1.75 + 0.125) / 6],
    [
      'binaryCrossEntropyWithLogits',
      losses.binaryCrossEntropyWithLogits,
      (log1pExp(0) + log1pExp(2) + log1pExp(-1) + log1pExp(-1) + log1pExp(1) + log1pExp(0.5)) / 6,
    ],
  ];
  it.each(cases)('%s', (name, loss, wanted) => {
    expect(onlyValue(loss(prediction, target))).toBeCloseTo(wanted, 12);
    expect(name.startsWith(loss.lossName)).toBe(true);
    const { accuracy } = loss.metrics(prediction, target);
    expect(accuracy && onlyValue(accuracy)).toBe(loss.classes === 'binary' ? 2 / 6 : undefined);
  });

  it.each([losses.meanSquaredError, losses.sumSquaredError])(
    '$lossName takes class indices as one-hot rows',
    (loss) => {
      const classes = labels([2, 0]);
      const oneHot = constant([
        [0, 0, 1],
        [1, 0, 0],
      ]);
      expect(onlyValue(loss(prediction, classes))).toBe(onlyValue(loss(prediction, oneHot)));
      expect(onlyValue(loss.metrics(prediction, classes).accuracy!)).toBe(0.5);
    },
  );

  it('report accuracy where targets are classes', () => {
    expect(onlyValue(losses.softmaxCrossEntropy.metrics(prediction, labels([1, 1])).accuracy!)).toBe(0.5);
    expect(onlyValue(losses.softmaxCrossEntropy.metrics(prediction, target).accuracy!)).toBe(0.5);
    expect(losses.softmaxCrossEntropy.metrics(prediction, constant([1, 2]))).toEqual({});
  });

  it('binaryCrossEntropyWithLogits neither overflows nor loses small losses, and has its gradient at 0', () => {
    const x = constant([0, 0, 1e4, -1e4, 30, -30]);
    const t = constant([0, 1, 1, 1, 1, 0]);
    const rows = Array.from(
      { length: 6 },
      (_, k) =>
        values(
          losses.binaryCrossEntropyWithLogits(
            constant([[0, 0, 1e4, -1e4, 30, -30][k]!]),
            constant([[0, 1, 1, 1, 1, 0][k]!]),
          ),
          'float32',
        )[0]!,
    );
    expect(rows.slice(0, 4)).toEqual([Math.fround(Math.LN2), Math.fround(Math.LN2), 0, 1e4]);
    for (const small of rows.slice(4)) expect(small / Math.exp(-30)).toBeCloseTo(1, 5);
    const dx = values(mul(grad(losses.binaryCrossEntropyWithLogits(x, t), [x])[0]!, 6));
    expect(dx.slice(0, 4)).toEqual([0.5, -0.5, 0, -1].map((v) => expect.closeTo(v, 12)));
  });

  it('huber is smooth where its halves meet', () => {
    const x = constant([1, -1, 0.5, 3]);
    const dx = grad(losses.huber()(x, constant([0, 0, 0, 0])), [x])[0]!;
    expect(values(mul(dx, 4))).toEqual([1, -1, 0.5, 1].map((v) => expect.closeTo(v, 12)));
    expect(() => losses.huber({ delta: 0 })).toThrow('huber: delta is 0. Give a finite number above 0.');
  });

  it.each([
    ['meanAbsoluteError', [64, 1], [64], 'f32', 'Reshape the targets: target.reshape([64, 1]).'],
    ['meanSquaredError', [64, 10], [64], 'f32', 'Targets must be f32 [64, 10].'],
    ['sumSquaredError', [64, 10], [63], 'u32', 'Targets must be f32 [64, 10]. Or give class indices, u32 [64].'],
    ['binaryCrossEntropyWithLogits', [8], [8], 'i32', "Cast the targets: cast(target, 'f32')."],
  ] as const)('%s refuses predictions %j against targets %j %s', (name, shape, targetShape, dtype, advice) => {
    const x = input('x', { shape, dtype: 'f32' });
    const t = input('t', { shape: targetShape, dtype });
    expect(() => BY_NAME[name](x, t)).toThrow(
      new ShapeError(
        `${name}: predictions f32 [${shape.join(', ')}] and targets ${dtype} [${targetShape.join(', ')}] differ. ${advice}`,
      ),
    );
  });
});
