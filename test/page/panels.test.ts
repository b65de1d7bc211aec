// What the page does beside training, in a real browser: a digit is drawn and read, the network is looked into, the CPU races
// the GPU, the lessons descend.
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DATA, type OpenedPage, openPage } from './harness.ts';
import { draw, fill, percentIn, THREE, trainFor } from './reading.ts';

let opened: OpenedPage;
let page: Page;

beforeAll(async () => {
  opened = await openPage({ hash: `#preset=mlp&hidden=32&batch=32&${DATA}&device=gpu` });
  page = opened.page;
});
afterAll(() => opened.close());

describe('drawing', () => {
  test('first the network learns for 700 steps', () => trainFor(page, 700));

  test('a 3 drawn by pointer events is read as a 3, with ten bars and their numbers', async () => {
    await draw(page, THREE);
    await expect.poll(() => page.getByTestId('draw-result').innerText(), { timeout: 20_000 }).toMatch(/^3\b.*%/s);
    const bars = page.getByRole('list', { name: /digit/i }).first().getByRole('listitem');
    expect(await bars.count()).toBe(10);
    const shares = (await bars.allInnerTexts()).map((text) => Number.parseFloat(/([\d.]+)\s*%/.exec(text)![1]!));
    expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(100, -1);
    expect(shares.indexOf(Math.max(...shares))).toBe(3);
  });

  test('clear takes it away', async () => {
    await page.getByRole('button', { name: /clear/i }).click();
    await expect.poll(() => page.getByTestId('draw-result').innerText()).not.toMatch(/\d+.*%/s);
  });

  test('it can be drawn by keyboard', async () => {
    await page.getByTestId('draw-pad').focus();
    await page.keyboard.press('Space');
    for (let i = 0; i < 12; i++) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Space');
    await expect.poll(() => page.getByTestId('draw-result').innerText(), { timeout: 20_000 }).toMatch(/^\d\b.*%/s);
  });
});

describe('the race', () => {
  test('CPU and GPU losses lie on each other within 1e-3, and so do the gradients', async () => {
    await page.getByTestId('race-run').click();
    await expect.poll(() => page.getByTestId('race-result').innerText(), { timeout: 120_000 }).toMatch(/images/i);
    const text = await page.getByTestId('race-result').innerText();
    expect(text).toMatch(/software/i);
    expect(text).toMatch(/swiftshader/i);
    const worst = [...text.matchAll(/\d(?:\.\d+)?e[-−]\d+/gi)].map(([number]) => Number(number.replace('−', '-')));
    expect(worst.length).toBeGreaterThanOrEqual(2);
    expect(Math.max(...worst)).toBeLessThan(1e-3);
  }, 180_000);
});

describe('the learning rate', () => {
  test('acts while the run goes on, and is refused in place where it is nonsense', async () => {
    await fill(page, 'learning-rate', '-1');
    await page
      .getByText(/number above 0|greater than 0|at least/i)
      .first()
      .waitFor();
    await fill(page, 'learning-rate', '0.001');
    await expect.poll(() => page.evaluate(() => location.hash)).toContain('lr=0.001');
    expect(await percentIn(page, 'test-accuracy')).toBeGreaterThan(50);
  });
});

test('nothing was written to the console, and nothing was thrown', () => opened.expectQuiet());
