// Random numbers: Philox against the published vectors, the keyed permutation for awkward n, and the two ops on them.
import { describe, expect, it, test } from 'vitest';
import { interpret } from '../src/cpu/interpreter.ts';
import { hashText, normals, permute, philox, seedKey, shuffleKey, uniforms } from '../src/graph/random.ts';
import { constant, type Tensor } from '../src/graph/tensor.ts';
import { traceWith } from '../src/graph/trace.ts';
import { type BatchIndicesOptions, batchIndices, dropout } from '../src/ops/random.ts';

const valuesOf = (x: Tensor) => Array.from(interpret([x], () => undefined, 'float32')[0]!.data);
const u32s = (...values: number[]) => constant(Uint32Array.from(values));

// Random123's kat_vectors: counter, key, words.
it.each([
  [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  [[-1, -1, -1, -1], [-1, -1], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
  [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
] as const)('philox of counter %j and key %j', ([c0, c1, c2, c3], [k0, k1], wanted) => {
  const out = new Uint32Array(4);
  philox(out, 0, c0 >>> 0, c1 >>> 0, c2 >>> 0, c3 >>> 0, k0 >>> 0, k1 >>> 0);
  expect(Array.from(out, (word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(wanted);
});

describe('draws', () => {
  test('are a function of seed and path', () => {
    expect(uniforms(5, 7, 'a')).toEqual(uniforms(5, 7, 'a'));
    expect(uniforms(5, 7, 'a')).not.toEqual(uniforms(5, 8, 'a'));
    expect(uniforms(5, 7, 'a')).not.toEqual(uniforms(5, 7, 'b'));
    expect(uniforms(5, 2 ** 40, 'a')).not.toEqual(uniforms(5, 0, 'a'));
    expect(Array.from(uniforms(9, 7, 'a'))).toEqual(Array.from(uniforms(20, 7, 'a').slice(0, 9)));
  });

  test('uniforms fill their range evenly', () => {
    const draws = uniforms(20_000, 1, 'u', -3, 5);
    expect(
      chiSquare(
        Array.from(draws, (x) => Math.floor((x + 3) * 2)),
        16,
      ),
    ).toBeLessThan(45);
  });

  test('normals have the moments of a normal distribution', () => {
    const n = 20_001;
    const z = Array.from(normals(n, 1, 'z', 2, 3), (x) => (x - 2) / 3);
    const moment = (k: number) => z.reduce((total, x) => total + x ** k, 0) / n;
    expect(Math.abs(moment(1))).toBeLessThan(0.03);
    expect(Math.abs(moment(2) - 1)).toBeLessThan(0.05);
    expect(Math.abs(moment(3))).toBeLessThan(0.1);
    expect(Math.abs(moment(4) - 3)).toBeLessThan(0.3);
  });

  test('a seed that is not a whole number is refused', () => {
    expect(() => seedKey(-1)).toThrow('seed: -1 is not a whole number from 0 to 2^53 - 1. Give one, like 42.');
    expect(() => seedKey(0.5)).toThrow('seed: 0.5');
    expect(seedKey(2 ** 32 + 5)).toEqual([5, 1]);
  });

  test('hashes of similar paths differ in about half of their bits', () => {
    const bits = (word: number) => word.toString(2).split('1').length - 1;
    const differing = Array.from({ length: 100 }, (_, k) =>
      bits((hashText(`layer.${k}`) ^ hashText(`layer.${k + 1}`)) >>> 0),
    );
    const mean = differing.reduce((a, b) => a + b) / 100;
    expect(mean).toBeGreaterThan(14);
    expect(mean).toBeLessThan(18);
  });
});

/** Σ (count - expected)² / expected over `bins`; about bins - 1 for even draws. */
function chiSquare(draws: readonly number[], bins: number): number {
  const counts = new Array<number>(bins).fill(0);
  for (const bin of draws) counts[bin]!++;
  const expected = draws.length / bins;
  return counts.reduce((total, count) => total + (count - expected) ** 2 / expected, 0);
}

const order = (n: number, epoch: number, seed = 42) => {
  const key = shuffleKey(seedKey(seed), epoch);
  return Array.from({ length: n }, (_, i) => permute(i, n, key));
};

describe('permute', () => {
  it.each([1, 2, 3, 4, 5, 16, 17, 255, 60000, 65537])('0 .. %d - 1, each once', (n) => {
    const seen = new Uint8Array(n);
    for (const at of order(n, 3)) seen[at]!++;
    expect(seen.every((count) => count === 1)).toBe(true);
  });

  test('looks shuffled: where a row goes does not tell where it was', () => {
    const n = 60000;
    const shuffled = order(n, 0);
    // 8 by 8 cells of (from, to), and of (to, next to).
    const cell = (x: number) => Math.floor((x * 8) / n);
    expect(
      chiSquare(
        shuffled.map((to, from) => cell(from) * 8 + cell(to)),
        64,
      ),
    ).toBeLessThan(110);
    expect(
      chiSquare(
        shuffled.slice(1).map((to, i) => cell(shuffled[i]!) * 8 + cell(to)),
        64,
      ),
    ).toBeLessThan(110);
    const fixed = shuffled.filter((to, from) => to === from).length;
    expect(fixed).toBeLessThan(8);
  });

  test('reaches every order of few rows', () => {
    const seen = new Set(Array.from({ length: 400 }, (_, epoch) => order(3, epoch).join()));
    expect(seen.size).toBe(6);
  });

  test('epochs and seeds differ', () => {
    const same = (a: number[], b: number[]) => a.filter((to, i) => to === b[i]).length;
    expect(same(order(60000, 0), order(60000, 1))).toBeLessThan(8);
    expect(same(order(60000, 0, 1), order(60000, 0, 2))).toBeLessThan(8);
    expect(order(60000, 5)).toEqual(order(60000, 5));
  });
});

describe('batchIndices', () => {
  const seed = u32s(42, 0);
  const rows = (step: number, options: Partial<BatchIndicesOptions>, origin = 0) => {
    const full = { size: 10, batch: 4, stride: 4, stepsPerEpoch: 3, shuffle: true, ...options };
    return valuesOf(batchIndices(u32s(step), u32s(origin), seed, full));
  };
  const epoch = (first: number, options: Partial<BatchIndicesOptions> = {}) => [
    ...rows(first, options),
    ...rows(first + 1, options),
    ...rows(first + 2, { ...options, batch: 2 }),
  ];

  test('an epoch with a short last batch visits every row once', () => {
    const sorted = epoch(0).sort((a, b) => a - b);
    expect(sorted).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(epoch(3)).not.toEqual(epoch(0));
    expect(epoch(3).sort((a, b) => a - b)).toEqual(sorted);
  });
  test('without shuffling rows come in order, from the offset', () => {
    expect(epoch(0, { shuffle: false, offset: 100 })).toEqual([100, 101, 102, 103, 104, 105, 106, 107, 108, 109]);
  });
  test('steps count from the origin, which may wrap', () => {
    expect(rows(7, {}, 7)).toEqual(rows(0, {}));
    expect(rows(1, {}, 0xffffffff)).toEqual(rows(2, {}));
  });
  test('batches that do not fit are refused', () => {
    expect(() => rows(0, { stepsPerEpoch: 4 })).toThrow(
      'batchIndices: 4 steps of 4 (this one of 4) do not fit 10 rows. Use 3 steps at most.',
    );
    expect(() => rows(0, { batch: 0 })).toThrow('batchIndices: batch is 0. Give a whole number from 1.');
  });
});

describe('dropout', () => {
  const x = constant(new Float64Array(4000).fill(1));
  const trace = (step: number, training = true) => ({ training, step: u32s(step), seed: u32s(42, 0) });
  const masked = (step: number, stream = 'a', p = 0.25) =>
    valuesOf(traceWith(trace(step), () => dropout(x, { p, stream })));

  test('drops with probability p and scales what is left', () => {
    const mask = masked(0);
    expect(new Set(mask)).toEqual(new Set([0, Math.fround(4 / 3)]));
    const dropped = mask.filter((v) => v === 0).length;
    expect(Math.abs(dropped - 1000)).toBeLessThan(100);
  });
  test('another step, stream or use gives another mask; the same gives the same', () => {
    expect(masked(0)).toEqual(masked(0));
    expect(masked(0)).not.toEqual(masked(1));
    expect(masked(0)).not.toEqual(masked(0, 'b'));
    const [first, second] = traceWith(trace(0), () => [
      dropout(x, { p: 0.25, stream: 'a' }),
      dropout(x, { p: 0.25, stream: 'a' }),
    ]);
    expect(valuesOf(first!)).toEqual(masked(0));
    expect(valuesOf(second!)).not.toEqual(masked(0));
  });
  test('does nothing outside training, nor with p 0', () => {
    expect(dropout(x, { p: 0.5 })).toBe(x);
    expect(traceWith(trace(0, false), () => dropout(x, { p: 0.5 }))).toBe(x);
    expect(traceWith(trace(0), () => dropout(x, { p: 0 }))).toBe(x);
  });
  it.each([-0.1, 1, Number.NaN])('p %d is refused', (p) => {
    expect(() => dropout(x, { p })).toThrow(`dropout: p is ${p}. Give a probability from 0 to below 1, like 0.5.`);
  });
});
