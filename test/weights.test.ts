// Sample and class weights: what a weighted loss is, by hand and by finite differences; weighted training and evaluation against
// sets in which examples are repeated; and what is refused.
import { describe, expect, it } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { OptionError, ShapeError } from '../src/graph/errors.ts';
import { constant, type Tensor } from '../src/graph/tensor.ts';
import * as losses from '../src/loss/index.ts';
import { defineLoss, type Loss } from '../src/loss/loss.ts';
import { weightedLoss } from '../src/loss/weighted.ts';
import { mean } from '../src/ops/reduce.ts';

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
        'mine: the examples have weights, and the loss of each is not known. Give defineLoss { perExample: (prediction, target) => the loss of each example, f32 [batch] }, or leave the weights out.',
      ),
    );
    const whole = defineLoss('mine', square, { perExample: (p) => mean(p) });
    expect(() => weightedLoss(whole, x, t, w)).toThrow(
      new ShapeError('mine: its perExample returned f32 [] for 2 examples. Return f32 [2].'),
    );
    const none = defineLoss('mine', square, { perExample: () => 3 as never });
    expect(() => weightedLoss(none, x, t, w)).toThrow(
      'mine: its perExample returned 3 for 2 examples. Return f32 [2].',
    );
  });
});
