// What is drawn: digits as MNIST would have them, whatever their size and place on the pad, the pen, and lines of equal loss.
import { describe, expect, test } from 'vitest';
import { normalise, type Stroke } from '../app/draw/normalise.ts';
import { Pen } from '../app/draw/pen.ts';
import { contour, levelsOf } from '../app/teach/contours.ts';
import { MOST_POINTS, WHOLE_POINTS } from '../app/thin-out.ts';
import { RunRecord } from '../app/worker/record.ts';

const line = (...points: [number, number][]): Stroke => points.map(([x, y]) => ({ x, y }));

/** The rows and columns with ink, and the centre of mass. */
function measure(pixels: Float32Array) {
  const inked = [...pixels.keys()].filter((i) => pixels[i]! > 0);
  const [columns, rows] = [inked.map((i) => i % 28), inked.map((i) => Math.floor(i / 28))];
  const mass = inked.reduce((sum, i) => sum + pixels[i]!, 0);
  const mean = (at: number[]) => at.reduce((sum, v, k) => sum + pixels[inked[k]!]! * (v + 0.5), 0) / mass;
  return {
    width: Math.max(...columns) - Math.min(...columns) + 1,
    height: Math.max(...rows) - Math.min(...rows) + 1,
    x: mean(columns),
    y: mean(rows),
  };
}

describe('normalise', () => {
  test('an empty pad is no picture', () => {
    expect(normalise([])).toBeUndefined();
  });

  test.each<[string, readonly Stroke[]]>([
    ['a tall line', [line([0.5, 0.1], [0.5, 0.9])]],
    ['a small one in a corner', [line([0.9, 0.85], [0.9, 0.98])]],
    ['a seven', [line([0.2, 0.2], [0.8, 0.2], [0.4, 0.9])]],
    ['a wide bar', [line([0.05, 0.5], [0.95, 0.5])]],
    ['two strokes', [line([0.3, 0.2], [0.3, 0.6], [0.7, 0.6]), line([0.6, 0.3], [0.6, 0.9])]],
  ])('%s fills a box of 20 pixels, with its centre of mass in the middle', (_, strokes) => {
    const { width, height, x, y } = measure(normalise(strokes)!);
    expect(Math.max(width, height)).toBeGreaterThanOrEqual(19);
    expect(Math.max(width, height)).toBeLessThanOrEqual(21);
    expect(Math.abs(x - 14)).toBeLessThanOrEqual(0.75);
    expect(Math.abs(y - 14)).toBeLessThanOrEqual(0.75);
  });

  test('proportions stay', () => {
    const { width, height } = measure(normalise([line([0.3, 0.1], [0.5, 0.1], [0.5, 0.9], [0.3, 0.9], [0.3, 0.1])])!);
    expect(width / height).toBeLessThan(0.45);
  });

  test('the same drawing elsewhere on the pad, or half as large, is nearly the same picture', () => {
    const shape = (s: number, dx: number, dy: number) =>
      normalise([line([0.2, 0.2], [0.8, 0.2], [0.4, 0.9]).map((p) => ({ x: s * p.x + dx, y: s * p.y + dy }))])!;
    const apart = (a: Float32Array, b: Float32Array) => a.reduce((sum, v, i) => sum + Math.abs(v - b[i]!), 0) / 255;
    const whole = shape(1, 0, 0);
    expect(apart(whole, shape(1, 0.1, 0.05))).toBeLessThan(1);
    expect(apart(whole, shape(0.5, 0.3, 0.3)) / whole.reduce((a, b) => a + b / 255, 0)).toBeLessThan(0.6);
  });

  test('a line of 20,000 points is the same picture as one of few, as soon as it is drawn', () => {
    const turn = (k: number) => [0.5 + 0.4 * Math.cos(k / 40), 0.5 + 0.4 * Math.sin(k / 40)] as [number, number];
    const once = Array.from({ length: 252 }, (_, k) => turn(k));
    const often = Array.from({ length: 20_000 }, (_, k) => turn(k % 252));
    const start = process.cpuUsage();
    const picture = normalise([line(...often)]);
    expect(process.cpuUsage(start).user / 1000, 'milliseconds of a processor').toBeLessThan(500);
    expect(picture).toEqual(normalise([line(...once, turn(0))]));
  });

  test('a dot is a picture, too', () => {
    const pixels = normalise([line([0.1, 0.1])])!;
    expect(pixels).toHaveLength(784);
    expect(Math.max(...pixels)).toBe(255);
    expect(pixels.every((v) => Number.isInteger(v) && v >= 0 && v <= 255)).toBe(true);
  });
});

describe('the pen', () => {
  test('draws by keyboard: space puts it down and lifts it, arrows move it', () => {
    const pen = new Pen(() => undefined);
    const press = (key: string) => pen.key({ key, shiftKey: false });
    expect(press('Enter')).toBe(false);
    for (const key of [' ', 'ArrowDown', 'ArrowDown', ' ', 'ArrowRight', ' ', 'ArrowUp', ' '])
      expect(press(key)).toBe(true);
    expect(pen.strokes.map((stroke) => stroke.length)).toEqual([3, 2]);
    pen.undo();
    expect(pen.strokes).toHaveLength(1);
    pen.clear();
    expect(pen.all).toEqual([]);
  });

  test('undo takes back the stroke under way, and then the one before; a new stroke ends the one before', () => {
    const pen = new Pen(() => undefined);
    for (const x of [0.1, 0.2]) pen.press({ x, y: 0.5 });
    expect(pen.all).toHaveLength(2);
    pen.undo();
    expect(pen.all).toEqual([[{ x: 0.1, y: 0.5 }]]);
    pen.undo();
    expect(pen.all).toEqual([]);
  });

  test('stays on the pad', () => {
    const pen = new Pen(() => undefined);
    for (let k = 0; k < 50; k++) pen.key({ key: 'ArrowLeft', shiftKey: true });
    expect(pen.cursor!.x).toBe(0);
  });
});

describe('contours', () => {
  const n = 21;
  const values = Float32Array.from({ length: n * n }, (_, i) => Math.hypot((i % n) - 10, Math.floor(i / n) - 10));

  test('of a cone are circles', () => {
    const places = contour({ values, n }, 6).flat();
    expect(places.length).toBeGreaterThan(40);
    for (const [x, y] of places) expect(Math.hypot(x - 10, y - 10)).toBeCloseTo(6, 0);
  });

  test('leave out what is not finite, and levels do, too', () => {
    const holed = values.map((v, i) => (i % 7 === 0 ? Number.NaN : v));
    for (const place of contour({ values: holed, n }, 6).flat()) expect(place.every(Number.isFinite)).toBe(true);
    expect(levelsOf({ values: holed, n }, 5).every(Number.isFinite)).toBe(true);
  });
});

test('a curve of any length stays within bounds, whole at its end, in order, and is told once', () => {
  const record = new RunRecord();
  const told: number[] = [];
  for (let step = 1; step <= 200_000; step++) {
    record.add(step, 1 / step, 0.5);
    if (step % 777 === 0) told.push(...record.take().curve.step);
  }
  told.push(...record.take().curve.step);
  expect(told).toEqual(Array.from({ length: 200_000 }, (_, k) => k + 1));
  const { step, loss } = record.curve();
  expect(step.length).toBeLessThanOrEqual(MOST_POINTS);
  expect(step[0]).toBe(1);
  expect([...step.slice(-WHOLE_POINTS)]).toEqual(Array.from({ length: WHOLE_POINTS }, (_, k) => 190_001 + k));
  expect(step.every((s, k) => (k === 0 || s > step[k - 1]!) && loss[k] === Math.fround(1 / s))).toBe(true);
});
