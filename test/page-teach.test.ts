// What the lessons say and when they ask: the regimes of a learning rate, and work that is overtaken by newer.
import { describe, expect, test } from 'vitest';
import { newest } from '../app/teach/newest.ts';
import { regimeOf } from '../app/teach/regime.ts';

/** The way on w²/2 from 4, as the optimizer goes it. */
function way(rate: number, steps: number) {
  const w = Float32Array.from({ length: steps + 1 }, (_, k) => 4 * (1 - rate) ** k);
  return { optimizer: 'sgd', positions: { shape: [steps + 1, 1], data: w }, losses: w.map((v) => (v * v) / 2) };
}

describe('the regime of a rate', () => {
  test.each([
    [0.001, 'Too small'],
    [0.05, 'Slow'],
    [0.3, 'Good'],
    [1, 'Good'],
    [1.8, 'Overshoots'],
    [2, 'On the edge'],
    [2.1, 'Diverges'],
    [4, 'Diverges'],
  ])('%f: %s', (rate, says) => expect(regimeOf(rate, way(rate, 5))).toMatch(new RegExp(`^${says}`)));

  test('it has the numbers of the way that was gone', () => {
    expect(regimeOf(0.25, way(0.25, 2))).toBe(
      'Good: it goes straight down. After 2 steps w is 2.25 and the loss 2.53.',
    );
    expect(regimeOf(1.5, way(1.5, 1))).toContain('After 1 step w is −2 and the loss 2.');
  });
});

describe('the newest of what waits', () => {
  test('is done when the piece under way is done; what was overtaken is not', async () => {
    const done: number[] = [];
    const ends: (() => void)[] = [];
    const ask = newest<number>(async (wanted) => {
      await new Promise<void>((resolve) => ends.push(resolve));
      done.push(wanted);
    });
    for (const wanted of [1, 2, 3]) ask(wanted);
    expect(ends).toHaveLength(1);
    ends[0]!();
    await expect.poll(() => ends.length).toBe(2);
    ends[1]!();
    await expect.poll(() => done).toEqual([1, 3]);
    ask(4);
    expect(ends).toHaveLength(3);
  });
});
