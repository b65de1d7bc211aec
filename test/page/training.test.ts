// The page's first task, in a real browser: it loads, trains on made digits until it is right four times out of five, pauses,
// makes single steps, goes on, and begins again with the same losses, bit for bit.
import type { Page } from 'playwright';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type OpenedPage, openPage } from './harness.ts';
import { losses, numberIn, percentIn, stateIs, waitForNumber } from './reading.ts';

let opened: OpenedPage;
let page: Page;

beforeAll(async () => {
  opened = await openPage({ hash: '#preset=classic&data=digits&device=gpu' });
  page = opened.page;
});
afterAll(() => opened.close());

describe('training classic in the page', () => {
  test('it says what it runs on, and that it is software', async () => {
    expect(await page.getByTestId('adapter').innerText()).toMatch(/swiftshader.*software/i);
  });

  test('it counts the 13,002 parameters term by term before training', async () => {
    expect(await page.getByTestId('parameters').innerText()).toBe('13,002');
    for (const term of ['12,560', '272', '170']) await page.getByText(term).first().waitFor();
  });

  test('single steps come one at a time', async () => {
    for (const made of [1, 2, 3]) {
      await page.getByTestId('step').click();
      await waitForNumber(page, 'steps', (steps) => steps >= made);
      expect(await numberIn(page, 'steps')).toBe(made);
      expect(await stateIs(page)).toBe('paused');
    }
  });

  test('it trains until the accuracy on unseen digits passes 80 %', async () => {
    await page.getByTestId('train').click();
    await expect.poll(() => percentIn(page, 'test-accuracy'), { timeout: 120_000 }).toBeGreaterThan(80);
    expect(await numberIn(page, 'steps-per-second')).toBeGreaterThan(0);
    expect(await numberIn(page, 'train-loss')).toBeLessThan(1);
  });

  test('it pauses, stays where it is, and goes on', async () => {
    await page.getByTestId('pause').click();
    await expect.poll(() => stateIs(page)).toBe('paused');
    const at = await numberIn(page, 'steps');
    await page.waitForTimeout(700);
    expect(await numberIn(page, 'steps')).toBe(at);
    await page.getByTestId('step').click();
    await waitForNumber(page, 'steps', (steps) => steps > at);
    expect(await numberIn(page, 'steps')).toBe(at + 1);
    await page.getByTestId('train').click();
    await waitForNumber(page, 'steps', (steps) => steps > at + 10);
    await page.getByTestId('pause').click();
  });

  test('reset with the same seed gives the same first 20 losses, bit for bit; another seed does not', async () => {
    const first = await losses(page, 20);
    await page.getByTestId('reset').click();
    await expect.poll(() => numberIn(page, 'steps')).toBe(0);
    await page.getByTestId('train').click();
    await waitForNumber(page, 'steps', (steps) => steps >= 20);
    await page.getByTestId('pause').click();
    await expect.poll(() => stateIs(page)).toBe('paused');
    expect(await losses(page, 20)).toEqual(first);

    await page.getByTestId('seed').fill('2');
    await page.getByTestId('seed').press('Enter');
    await expect.poll(() => numberIn(page, 'steps')).toBe(0);
    await page.getByTestId('train').click();
    await waitForNumber(page, 'steps', (steps) => steps >= 20);
    await page.getByTestId('pause').click();
    expect(await losses(page, 20)).not.toEqual(first);
  });

  test('nothing was written to the console, and nothing was thrown', () => opened.expectQuiet());
});
