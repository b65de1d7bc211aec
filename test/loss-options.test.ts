// Options of losses: ignored rows, label smoothing, class weights, positive weights and reductions, against what PyTorch 1.13 gives in
// doubles, against finite differences, and against the loss of the rows that are left.
import { describe, expect, it } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { OptionError, ShapeError } from '../src/graph/errors.ts';
import { constant, input, type Tensor } from '../src/graph/tensor.ts';
import type { SoftmaxCrossEntropyOptions } from '../src/loss/index.ts';
import * as losses from '../src/loss/index.ts';
import '../src/ops/methods.ts';
import { defineLoss, type Loss } from '../src/loss/loss.ts';
import { weightedLoss } from '../src/loss/weighted.ts';

const valuesOf = (x: Tensor): number[] => Array.from(interpret([x], () => undefined)[0]!.data);
const onlyValue = (x: Tensor): number => valuesOf(x)[0]!;
const close = (wanted: readonly number[], digits = 10) => wanted.map((v) => expect.closeTo(v, digits));

/** Two sequences of three logits each, (2, 3, 3). */
const LOGITS = [
  [
    [1, 2, 3],
    [0.5, -1, 2],
    [0, 0, 1],
  ],
  [
    [-1, 0.3, 0.2],
    [2, 2, -2],
    [0.1, 0.7, -0.4],
  ],
];
const logits = constant(LOGITS);
const labels = (list: readonly number[][], dtype: 'i32' | 'u32' = 'i32') => constant(list, { dtype });
const ignoring = labels([
  [2, 0, -100],
  [1, -100, 2],
]);
const classWeights = [0.5, 2, 1.5];
const ignoreIndex = -100;

describe('softmaxCrossEntropy with options, as PyTorch', () => {
  // torch.nn.functional.cross_entropy(x.reshape(-1, 3), t.reshape(-1), ignore_index=-100, …) and the gradient's row of [0, 1].
  // l = -w[t] (1 - ε) log p[t] - ε / C Σ w[c] log p[c]; the mean is Σ l / Σ w[t].
  const cases: [SoftmaxCrossEntropyOptions, number, readonly number[]][] = [
    [{}, 1.1648002663675032, [-0.206177401965, 0.009778143318, 0.196399258647]],
    [{ labelSmoothing: 0.1 }, 1.1881335997008367, [-0.189510735298, 0.001444809984, 0.188065925314]],
    [{ classWeights }, 1.0248270879303458, [-0.074973600715, 0.003555688479, 0.071417912235]],
    [{ classWeights, labelSmoothing: 0.1 }, 1.048021980724463, [-0.066257079622, -0.007972908896, 0.074229988517]],
    [{ reduction: 'sum' }, 4.659201065470013, [-0.82470960786, 0.039112573271, 0.785597034589]],
    [{ reduction: 'sum', labelSmoothing: 0.1 }, 4.752534398803347, [-0.758042941193, 0.005779239937, 0.752263701256]],
    [{ reduction: 'sum', classWeights }, 5.636548983616902, [-0.41235480393, 0.019556286635, 0.392798517295]],
    [
      { reduction: 'sum', classWeights, labelSmoothing: 0.1 },
      5.764120893984547,
      [-0.364413937918, -0.043850998925, 0.408264936844],
    ],
  ];
  it.each(cases)('of sequences, some of them ignored: %j', (options, loss, gradient) => {
    const made = losses.softmaxCrossEntropy.with({ ignoreIndex, ...options });
    const y = made(logits, ignoring);
    expect(onlyValue(y)).toBeCloseTo(loss, 12);
    const dx = valuesOf(grad(y, [logits])[0]!);
    expect(dx.slice(3, 6)).toEqual(close(gradient));
    expect([...dx.slice(6, 9), ...dx.slice(12, 15)].map(Math.abs)).toEqual([0, 0, 0, 0, 0, 0]);
  });

  const probabilities = constant([
    [
      [0.2, 0.3, 0.5],
      [1, 0, 0],
      [0.1, 0.8, 0.1],
    ],
    [
      [0, 0, 1],
      [0.25, 0.25, 0.5],
      [0.6, 0.2, 0.2],
    ],
  ]);
  it.each<[SoftmaxCrossEntropyOptions, number]>([
    [{}, 1.515484850140193],
    [{ labelSmoothing: 0.1 }, 1.5113737390290822],
    [{ classWeights }, 1.8882065558778158],
    [{ classWeights, labelSmoothing: 0.1 }, 1.8896727691976156],
    [{ reduction: 'sum' }, 9.092909100841158],
    [{ reduction: 'sum', classWeights, labelSmoothing: 0.1 }, 11.338036615185693],
  ])('of probabilities, whose mean is over rows: %j', (options, loss) => {
    expect(onlyValue(losses.softmaxCrossEntropy.with(options)(logits, probabilities))).toBeCloseTo(loss, 12);
  });

  it("gives PyTorch's none as perExample, where there is one row an example", () => {
    const made = losses.softmaxCrossEntropy.with({ ignoreIndex, classWeights, labelSmoothing: 0.1 });
    const none = [0.704615513925831, 1.0407649230500082, 0, 1.5310269040002877, 0, 2.4877135530084202];
    expect(valuesOf(made.perExample!(logits.reshape([6, 3]), ignoring.reshape([6])))).toEqual(close(none));
    const mean = [0, 3].map((at) => none.slice(at, at + 3).reduce((a, b) => a + b) / 3);
    expect(valuesOf(made.perExample!(logits, ignoring))).toEqual(close(mean));
    const sum = losses.softmaxCrossEntropy.with({ ignoreIndex, classWeights, labelSmoothing: 0.1, reduction: 'sum' });
    expect(valuesOf(sum.perExample!(logits, ignoring))).toEqual(close(mean.map((v) => 3 * v)));
  });
});

describe('rows that are ignored', () => {
  const made = losses.softmaxCrossEntropy.with({ ignoreIndex });
  const left = [0, 1, 3, 5];
  const rows = logits.reshape([6, 3]);
  const others = constant(left.map((r) => LOGITS.flat()[r]!));
  const wanted = losses.softmaxCrossEntropy(others, constant([2, 0, 1, 2], { dtype: 'u32' }));

  it('are as if they were not there, whatever index says so', () => {
    for (const [index, dtype] of [
      [-100, 'i32'],
      [-1, 'i32'],
      [255, 'u32'],
      [4294967295, 'u32'],
    ] as const) {
      const t = constant([2, 0, index, 1, index, 2], { dtype });
      const ignores = losses.softmaxCrossEntropy.with({ ignoreIndex: index });
      expect(onlyValue(ignores(rows, t))).toBeCloseTo(onlyValue(wanted), 14);
      expect(onlyValue(ignores.metrics(rows, t).accuracy!)).toBe(2 / 4);
    }
  });

  it('may be those of a class, such as padding', () => {
    const t = constant([2, 0, 0, 1, 0, 2], { dtype: 'u32' });
    const ignores = losses.softmaxCrossEntropy.with({ ignoreIndex: 0 });
    const kept = losses.softmaxCrossEntropy(
      constant([0, 3, 5].map((r) => LOGITS.flat()[r]!)),
      constant([2, 1, 2], { dtype: 'u32' }),
    );
    expect(onlyValue(ignores(rows, t))).toBeCloseTo(onlyValue(kept), 14);
    // Rows 1 and 4 have their largest logit elsewhere or at class 0, which does not count.
    expect(onlyValue(ignores.metrics(rows, t).accuracy!)).toBeCloseTo(2 / 3, 14);
  });

  it('may hold anything, NaN too', () => {
    const bad = constant(
      Float64Array.from(LOGITS.flat(2), (v, i) => (i === 7 ? Number.NaN : v)),
      { shape: [6, 3] },
    );
    expect(onlyValue(made(bad, ignoring.reshape([6])))).toBeCloseTo(onlyValue(wanted), 14);
  });

  it('make 0 where all are, of the loss, its gradient and its accuracy', () => {
    const none = constant([-100, -100, -100, -100, -100, -100], { dtype: 'i32' });
    for (const options of [{}, { labelSmoothing: 0.1 }, { classWeights }]) {
      const loss = losses.softmaxCrossEntropy.with({ ignoreIndex, ...options });
      expect(onlyValue(loss(rows, none))).toBe(0);
      expect(valuesOf(grad(loss(rows, none), [rows])[0]!).every((v) => v === 0)).toBe(true);
      expect(onlyValue(loss.metrics(rows, none).accuracy!)).toBe(0);
    }
  });

  it('leave another label that is no class NaN', () => {
    for (const bad of [-1, 3])
      expect(onlyValue(made(rows, constant([2, 0, bad, 1, -100, 2], { dtype: 'i32' })))).toBeNaN();
  });

  it('count in weighted batches neither: Σ s w l / Σ s w over rows', () => {
    const loss = losses.softmaxCrossEntropy.with({ ignoreIndex, classWeights });
    const s = [2, 0.5];
    const nll = valuesOf(losses.softmaxCrossEntropy.perExample!(others, constant([2, 0, 1, 2], { dtype: 'u32' })));
    const w = [1.5 * s[0]!, 0.5 * s[0]!, 2 * s[1]!, 1.5 * s[1]!];
    const total = w.reduce((a, b) => a + b);
    const { loss: value, weight } = weightedLoss(loss, logits, ignoring, constant(s));
    expect(onlyValue(value)).toBeCloseTo(nll.reduce((sum, l, k) => sum + l * w[k]!, 0) / total, 12);
    expect(onlyValue(weight)).toBeCloseTo(total / 3, 12);
  });
});

describe('gradients against finite differences', () => {
  const all: [string, Loss, Tensor][] = [
    ...[{}, { labelSmoothing: 0.2 }, { classWeights }, { classWeights, labelSmoothing: 0.2 }].map(
      (options): [string, Loss, Tensor] => [
        JSON.stringify(options),
        losses.softmaxCrossEntropy.with({ ignoreIndex, ...options }),
        ignoring,
      ],
    ),
    ['classes, summed', losses.softmaxCrossEntropy.with({ classWeights, reduction: 'sum' }), labels([[1, 0, 2], [2, 1, 0]])], // biome-ignore format: one line
    ['posWeight', losses.binaryCrossEntropyWithLogits.with({ posWeight: [3, 0.5, 1] }), constant(LOGITS).sigmoid()],
  ];
  it.each(all)('%s', (_, loss, t) => {
    const x = Float64Array.from(LOGITS.flat(2), (v, i) => v + 0.01 * Math.sin(i));
    const of = (data: Float64Array) => constant(data, { shape: [2, 3, 3] });
    const at = of(x);
    const dx = valuesOf(grad(loss(at, t), [at])[0]!);
    const slopes = dx.map((_, i) => {
      const moved = (by: number) => onlyValue(loss(of(x.map((v, k) => (k === i ? v + by : v))), t));
      return (moved(1e-5) - moved(-1e-5)) / 2e-5;
    });
    for (const [i, slope] of slopes.entries()) expect(Math.abs(dx[i]! - slope)).toBeLessThan(1e-9);
  });
});

describe('other losses with options', () => {
  const x = constant([[0, 2, 1], [1, -1, 0.5]]); // biome-ignore format: rows
  const t = constant([[1, 0, 1], [1, 0.25, 0]]); // biome-ignore format: rows
  // torch's binary_cross_entropy_with_logits(x, t, pos_weight=…, reduction=…), mse_loss, l1_loss and huber_loss.
  const { binaryCrossEntropyWithLogits: bce, meanSquaredError, meanAbsoluteError, sumSquaredError, huber } = losses;
  it.each<[string, Loss, number]>([
    ['posWeight by output', bce.with({ posWeight: [3, 0.5, 1] }), 1.1387662105923753],
    ['posWeight by output, sum', bce.with({ posWeight: [3, 0.5, 1], reduction: 'sum' }), 6.832597263554251],
    ['posWeight 3', bce.with({ posWeight: 3 }), 1.3799848655482645],
    ['posWeight 1', bce.with({ posWeight: 1 }), 0.8306562063896155],
    ['binary, sum', bce.with({ reduction: 'sum' }), 4.983937238337693],
    ['meanSquaredError, sum', meanSquaredError.with({ reduction: 'sum' }), 6.8125],
    ['sumSquaredError, sum', sumSquaredError.with({ reduction: 'sum' }), 6.8125],
    ['sumSquaredError', sumSquaredError.with({ reduction: 'mean' }), 6.8125 / 2],
    ['meanAbsoluteError, sum', meanAbsoluteError.with({ reduction: 'sum' }), 4.75],
    ['huber, sum', huber({ reduction: 'sum' }), 2.875],
    ['huber by position, sum', huber(1, { reduction: 'sum' }), 2.875],
  ])('%s', (_, loss, wanted) => {
    expect(onlyValue(loss(x, t))).toBeCloseTo(wanted, 12);
    const each = valuesOf(loss.perExample!(x, t)).reduce((a, b) => a + b);
    expect(loss.reduction === 'sum' ? each : each / 2).toBeCloseTo(wanted, 12);
    const { loss: weighted } = weightedLoss(loss, x, t, constant([1, 1]));
    expect(onlyValue(weighted)).toBeCloseTo(wanted, 12);
  });

  it('keep their names, and are what they were without options', () => {
    for (const loss of [bce, meanSquaredError, meanAbsoluteError, sumSquaredError]) {
      expect(loss.with({}).lossName).toBe(loss.lossName);
      expect(onlyValue(loss.with({})(x, t))).toBe(onlyValue(loss(x, t)));
    }
    expect(losses.softmaxCrossEntropy.with({}).lossName).toBe('softmaxCrossEntropy');
  });
});

describe('what cannot be used', () => {
  const { softmaxCrossEntropy: ce } = losses;
  const refused: [string, () => unknown, string][] = [
    ['a fraction', () => ce.with({ ignoreIndex: 0.5 }), 'softmaxCrossEntropy: ignoreIndex is 0.5. Give a whole number from -2147483648 to 4294967295, such as -100.'], // biome-ignore format: one line
    ['too much smoothing', () => ce.with({ labelSmoothing: 1.5 }), 'softmaxCrossEntropy: labelSmoothing is 1.5. Give a number from 0 to 1, such as 0.1.'], // biome-ignore format: one line
    ['a negative weight', () => ce.with({ classWeights: [1, -1] }), 'softmaxCrossEntropy: classWeights is an array. Give a finite number >= 0 for each class.'], // biome-ignore format: one line
    ["PyTorch's name", () => ce.with({ weight: [1] } as never), 'softmaxCrossEntropy: there is no option weight. Did you mean classWeights?'], // biome-ignore format: one line
    ['reduction none', () => ce.with({ reduction: 'none' as never }), `softmaxCrossEntropy: reduction is "none". Use 'mean' or 'sum'; for the loss of each example, PyTorch's 'none', call the loss's perExample(prediction, target).`], // biome-ignore format: one line
    ['reduction none of huber', () => losses.huber({ reduction: 'none' as never }), `huber: reduction is "none". Use 'mean' or 'sum'; for the loss of each example, PyTorch's 'none', call the loss's perExample(prediction, target).`], // biome-ignore format: one line
  ];
  it.each(refused)('%s', (_, make, message) => expect(make).toThrow(new OptionError(message)));

  it('says which weights and targets do not fit', () => {
    const t = input('t', { shape: [4, 5], dtype: 'i32' });
    const x = input('x', { shape: [4, 5, 3], dtype: 'f32' });
    expect(() => ce.with({ classWeights: [1, 2] })(x, t)).toThrow(
      new ShapeError(
        'softmaxCrossEntropy: classWeights has 2 weights, but predictions [4, 5, 3] have 3 classes. Give 3.',
      ),
    );
    expect(() => ce.with({ ignoreIndex })(x, x)).toThrow(
      new ShapeError('softmaxCrossEntropy: ignoreIndex is -100, but targets f32 [4, 5, 3] are probabilities. Give class indices, or leave ignoreIndex out.'), // biome-ignore format: one line
    );
    expect(() => losses.binaryCrossEntropyWithLogits.with({ posWeight: [1, 2] })(x, x)).toThrow(
      new ShapeError('binaryCrossEntropyWithLogits: posWeight has 2 weights, but predictions are [4, 5, 3]. Give one for each element of the last axis.'), // biome-ignore format: one line
    );
    expect(() => ce(x, input('t', { shape: [4], dtype: 'i32' }))).toThrow(/targets i32 \[4\] do not fit logits/);
  });

  it('a loss of your own states the same facts', () => {
    const own = defineLoss('own', (x, t) => ce(x, t), { classes: true, ignoreIndex: 2 });
    const t = constant([2, 0, 2, 1, 0, 2], { dtype: 'u32' });
    expect(onlyValue(own.metrics(logits.reshape([6, 3]), t).accuracy!)).toBeCloseTo(2 / 3, 14);
  });
});
