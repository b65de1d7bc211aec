// How the page's charts and files treat a run's numbers: smoothing that goes on where it was, thinning that keeps the peaks,
// lines on one axis, metrics as CSV with every digit.
import { describe, expect, test } from 'vitest';
import { align, lineOf, smooth, thin } from '../app/charts/curves.ts';
import * as store from '../app/page/store.ts';
import { csvOf } from '../app/panels/keep-files.ts';
import { bytesText, duration, lossText, percent, rateText } from '../app/ui/format.ts';

describe('smooth', () => {
  test('a constant stays what it is from the first value on', () => {
    for (const value of smooth(new Array<number>(50).fill(2.5))) expect(value).toBeCloseTo(2.5, 12);
  });

  test('another run of more steps has a mean of its own', () => {
    store.curve.loss.push(1, 1);
    expect([...smooth(store.curve.loss)]).toEqual([1, 1]);
    store.clearCurve();
    store.curve.loss.push(5, 5, 5);
    for (const value of smooth(store.curve.loss)) expect(value).toBeCloseTo(5, 12);
  });

  test('values added later give what all at once give', () => {
    const all = Array.from({ length: 200 }, (_, i) => Math.sin(i) + i / 50);
    const grown: number[] = [];
    for (const value of all) {
      grown.push(value);
      smooth(grown);
    }
    expect(smooth(grown)).toEqual(smooth([...all]));
  });

  test('a curve that was emptied begins anew', () => {
    const values = [5, 5, 5];
    smooth(values);
    values.length = 0;
    smooth(values);
    values.push(1);
    expect(smooth(values)[0]).toBeCloseTo(1, 12);
  });

  test('a value that is not finite leaves the mean as it was', () => {
    const mean = smooth([1, 1, Number.NaN, Number.POSITIVE_INFINITY, 1]);
    expect(mean.map((value) => value.toFixed(6))).toEqual(new Array(5).fill('1.000000'));
  });
});

describe('thin', () => {
  test('few points are all drawn', () => expect(thin([3, 1, 2], 10)).toEqual([0, 1, 2]));

  test('of many, at most so many are drawn, in order, with the peaks and the last one', () => {
    const values = Array.from({ length: 5000 }, (_, i) => Math.sin(i / 300));
    values[1234] = 50;
    values[4321] = -50;
    const chosen = thin(values, 400);
    expect(chosen.length).toBeLessThanOrEqual(401);
    expect(chosen).toEqual([...new Set(chosen)].sort((a, b) => a - b));
    expect(chosen).toEqual(expect.arrayContaining([1234, 4321, 4999]));
  });
});

test('align lays lines on one ascending axis, with null where a line has no point', () => {
  const first = lineOf([10, 20, 30, 40], [1, 2, 3, 4], [0, 2]);
  expect(align([first, { x: [20, 30], y: [7, 8] }])).toEqual([
    [10, 20, 30],
    [1, null, 3],
    [null, 7, 8],
  ]);
});

test('metrics as CSV: one row a step, tests in their rows, every digit', () => {
  const curve = {
    step: Uint32Array.of(1, 2),
    loss: Float32Array.of(0.1, 1 / 3),
    accuracy: Float32Array.of(0.5, 1),
  };
  const rows = csvOf(curve, [{ step: 2, epoch: 1, loss: 0.25, accuracy: 0.75 }]).split('\n');
  expect(rows[0]).toBe('step,train_loss,train_accuracy,test_loss,test_accuracy');
  expect(rows[1]).toBe(`1,${Math.fround(0.1)},0.5,,`);
  expect(rows[2]).toBe(`2,${Math.fround(1 / 3)},1,0.25,0.75`);
  // Of long runs some steps are known only; looks at the test images are all there.
  const later = csvOf(curve, [{ step: 1.5, epoch: 1, loss: 0.25, accuracy: 0.75 }]).split('\n');
  expect(later.slice(1, 4).map((row) => row.split(',')[0])).toEqual(['1', '1.5', '2']);
  expect(later[2]).toBe('1.5,,,0.25,0.75');
});

test.each([
  [percent(0.9124), '91.2 %'],
  [percent(undefined), '–'],
  [lossText(0.123456), '0.1235'],
  [lossText(1e30), '1.00e+30'],
  [lossText(Number.NaN), 'not finite'],
  [rateText(3.14), '3.1'],
  [rateText(1234.5), '1235'],
  [duration(850), '850 ms'],
  [duration(125_000), '2 min 05 s'],
  [duration(59_990), '1 min 00 s'],
  [duration(4_800_000), '1 h 20 min'],
  [bytesText(52_008), '52 KB'],
])('a figure reads %s', (text, wanted) => expect(text).toBe(wanted));
