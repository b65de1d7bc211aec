// The page's own work is short enough that nothing ever hangs. Durations include what other processes take of the processor,
// so this file runs after all others.
import type { Page } from 'playwright';
import { afterEach, expect, test } from 'vitest';
import { DATA, type OpenedPage, openPage } from './harness.ts';
import { draw, THREE, waitForNumber } from './reading.ts';

let opened: OpenedPage | undefined;
afterEach(() => opened?.close());

test('over 20 s of training the page handles each event in 16 ms, 99 times out of 100', async () => {
  opened = await openPage({ hash: `#preset=mlp&optimizer=sgd&${DATA}&device=gpu` });
  const { page } = opened;
  await draw(page, THREE);
  await page.getByTestId('train').click();
  await waitForNumber(page, 'steps', (steps) => steps > 20);
  // Whatever else runs on this machine takes its share, so there are two more chances.
  let p99 = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3 && p99 > 16; round++) {
    const { handlers, long } = await handled(page);
    const sorted = handlers.sort((a, b) => a - b);
    p99 = sorted[Math.floor(sorted.length * 0.99)]!;
    console.log(
      `page handlers: ${sorted.length}, 99th percentile ${p99.toFixed(1)} ms, longest ${sorted.at(-1)!.toFixed(1)} ms; long tasks: ${long.length}`,
    );
    expect(sorted.length).toBeGreaterThan(50);
  }
  expect(p99).toBeLessThanOrEqual(16);
});

/** How long the page's handlers took over 20 s, and what the browser calls long tasks. */
function handled(page: Page): Promise<{ handlers: number[]; long: number[] }> {
  return page.evaluate(async () => {
    const handlers: number[] = [];
    const long: number[] = [];
    const observe = (type: string, into: number[]) => {
      const observer = new PerformanceObserver((list) =>
        into.push(...list.getEntries().map(({ duration }) => duration)),
      );
      observer.observe({ type });
      return observer;
    };
    const observers = [observe('measure', handlers), observe('longtask', long)];
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    for (const observer of observers) observer.disconnect();
    return { handlers, long };
  });
}
