// The digits made here: the same bits for a seed, classes in balance, MNIST's box and centre, nothing shared between sets.
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { DataPair } from '../src/data/dataset.ts';
import { digits } from '../src/data/digits.ts';

const PIXELS = 784;
const hash = (bytes: ArrayBufferView) =>
  createHash('sha256')
    .update(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    .digest('hex')
    .slice(0, 16);

/** First and last row or column with ink, and the centre of mass, per axis. */
function extent(image: Uint8Array): { low: number[]; high: number[]; centre: number[] } {
  const low = [28, 28];
  const high = [-1, -1];
  const sum = [0, 0];
  let mass = 0;
  for (const [i, ink] of image.entries()) {
    if (ink === 0) continue;
    mass += ink;
    for (const [axis, at] of [Math.floor(i / 28), i % 28].entries()) {
      low[axis] = Math.min(low[axis]!, at);
      high[axis] = Math.max(high[axis]!, at);
      sum[axis]! += ink * at;
    }
  }
  return { low, high, centre: sum.map((s) => s / mass) };
}

describe('digits', () => {
  let pair: DataPair;
  const image = (i: number) => pair.train.x.data.subarray(i * PIXELS, (i + 1) * PIXELS) as Uint8Array;
  beforeAll(async () => {
    pair = await digits({ train: 5000, test: 1000, seed: 7 });
  });

  it('has the shapes, types and numbers of MNIST', () => {
    const { train, test, source } = pair;
    expect([train.size, train.x.shape, train.y.shape]).toEqual([5000, [5000, PIXELS], [5000]]);
    expect([test.size, train.classes, train.name]).toEqual([1000, 10, 'digits']);
    expect(train.scale).toEqual({ mean: 0.1307, std: 0.3081 });
    expect(source).toBe('6,000 synthetic handwritten-like digits (seed 7).');
    let sum = 0;
    let squares = 0;
    for (const byte of train.x.data) {
      sum += byte / 255;
      squares += (byte / 255) ** 2;
    }
    const mean = sum / train.x.data.length;
    expect(mean).toBeCloseTo(0.1307, 2);
    expect(Math.sqrt(squares / train.x.data.length - mean ** 2)).toBeCloseTo(0.3081, 1.5);
  });

  it('keeps the axes of images when told, with the same bytes', async () => {
    const { train, test } = await digits({ train: 30, test: 10, seed: 7, images: true });
    expect([train.x.shape, test.x.shape, train.scale]).toEqual([[30, 28, 28, 1], [10, 28, 28, 1], pair.train.scale]); // biome-ignore format: one line
    expect(train.x.data).toEqual(pair.train.x.data.subarray(0, 30 * PIXELS));
  });

  it('pins the bits of a seed', () => {
    expect([hash(pair.train.x.data), hash(pair.train.y.data), hash(pair.test.x.data)]).toEqual(PINNED);
  });

  it('makes example i of a seed whatever the counts, and others of another seed', async () => {
    const few = await digits({ train: 20, test: 10, seed: 7 });
    expect(few.train.x.data).toEqual(pair.train.x.data.subarray(0, 20 * PIXELS));
    expect(few.test.x.data).toEqual(pair.test.x.data.subarray(0, 10 * PIXELS));
    for (const seed of [8, 7 + 2 ** 32])
      expect(hash((await digits({ train: 20, test: 10, seed })).train.x.data)).not.toBe(hash(few.train.x.data));
  });

  it('draws every image once: none twice, none in both sets', () => {
    const seen = new Set<string>();
    for (const { x, size } of [pair.train, pair.test])
      for (let i = 0; i < size; i++) seen.add(hash(x.data.subarray(i * PIXELS, (i + 1) * PIXELS)));
    expect(seen.size).toBe(6000);
  });

  it('draws all classes about equally often', () => {
    for (const { y, size } of [pair.train, pair.test]) {
      const counts = new Array<number>(10).fill(0);
      for (const label of y.data) counts[label]!++;
      for (const count of counts) expect(Math.abs(count - size / 10)).toBeLessThan(4 * Math.sqrt(size * 0.09));
    }
  });

  it('fits each image into the 20x20 box with its centre of mass at the centre', () => {
    let filled = 0;
    let cornered = 0;
    for (let i = 0; i < pair.train.size; i++) {
      const { low, high, centre } = extent(image(i));
      const sides = low.map((from, axis) => high[axis]! - from + 1);
      expect(Math.max(...sides)).toBeLessThanOrEqual(20);
      if (Math.max(...sides) >= 19) filled++;
      for (const [axis, c] of centre.entries()) {
        if (Math.abs(c - 14) <= 0.51) continue;
        expect(low[axis] === 0 || high[axis] === 27).toBe(true); // no room to move it further
        cornered++;
      }
    }
    expect(filled / pair.train.size).toBeGreaterThan(0.99);
    expect(cornered / pair.train.size).toBeLessThan(0.01);
  });

  it('inks strokes: full in the middle, soft at the edge, as much as MNIST', () => {
    let full = 0;
    let soft = 0;
    for (const byte of pair.train.x.data) {
      if (byte > 250) full++;
      else if (byte > 0) soft++;
    }
    expect(full / pair.train.x.data.length).toBeCloseTo(0.073, 1.5);
    expect(soft / pair.train.x.data.length).toBeCloseTo(0.12, 1.5);
  });

  it('reports progress, lets others run, and stops when told', async () => {
    const calls: number[][] = [];
    let turns = 0;
    const timer = setInterval(() => turns++, 1);
    await digits({ train: 4500, test: 500, onProgress: (...call) => calls.push(call) });
    clearInterval(timer);
    expect(calls).toEqual([[2000, 5000], [4000, 5000], [4500, 5000], [5000, 5000]]); // biome-ignore format: pairs
    expect(turns).toBeGreaterThan(1);
    const abort = new AbortController();
    const stopped = digits({ train: 50_000, signal: abort.signal, onProgress: () => abort.abort(new Error('enough')) });
    await expect(stopped).rejects.toThrow('enough');
  });

  it.each([{ train: 0 }, { test: 0 }, { train: 1.5 }, { train: 2e6 }, { seed: -1 }])('refuses %j', async (options) => {
    await expect(digits(options)).rejects.toThrow(/^digits: (train|test|seed) is .*\. Give a whole number from /);
  });
});

/** Training images, training labels and test images of seed 7: changing the generator changes what models were trained on. */
const PINNED = ['faae82d48dab90ad', '91b60d73e0d8dcd9', '42c5a19d86023a5b'];
