// The page for everybody: no violation that axe-core finds, light and dark, wide and narrow; everything by keyboard.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DATA, type OpenedPage, openPage } from './harness.ts';
import { draw, numberIn, stateIs, THREE, trainFor, waitForNumber, waitForState } from './reading.ts';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let opened: OpenedPage | undefined;
afterEach(() => opened?.close());

interface Violation {
  readonly id: string;
  readonly help: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** What axe-core finds, a line each. */
async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: Violation[] }> } };
    return (await axe.run()).violations;
  });
  return found.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}\n${html}\n${failureSummary}`),
  );
}

describe('a page that has trained and been drawn on', () => {
  let shown: OpenedPage;
  beforeAll(async () => {
    shown = await openPage({ hash: `#preset=classic&${DATA}&device=gpu` });
  });
  afterAll(() => shown.close());

  test('first it trains, a 3 is drawn, and everything is unfolded', async () => {
    await trainFor(shown.page, 20);
    await draw(shown.page, THREE);
    await shown.page.evaluate(() => {
      for (const details of document.querySelectorAll('details')) details.open = true;
    });
  });

  test.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 360],
    ['dark', 360],
  ] as const)(
    '%s at %d px: axe-core finds nothing, and nothing is wider than the screen',
    async (colorScheme, width) => {
      const { page } = shown;
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 800 });
      // Charts follow the size, and colours fade, within some frames.
      await page.waitForFunction(() => document.getAnimations().every(({ playState }) => playState !== 'running'));
      await page.waitForTimeout(200);
      expect(await page.evaluate(() => [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches])).toEqual([
        width,
        colorScheme === 'dark',
      ]);
      expect(await violations(page)).toEqual([]);
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      shown.expectQuiet();
    },
  );

  test('the basics: title, description, language, one heading of the first rank', async () => {
    const { page } = shown;
    expect((await page.title()).length).toBeGreaterThan(10);
    expect(await page.locator('meta[name=description]').getAttribute('content')).toMatch(/.{40,}/);
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    expect(await page.locator('h1').count()).toBe(1);
    for (const control of await page.locator('input, select, textarea').all()) {
      const name = await control.evaluate(
        (element: HTMLInputElement) => element.labels?.[0]?.textContent ?? element.ariaLabel,
      );
      expect(name?.trim(), await control.evaluate((element) => element.outerHTML)).toBeTruthy();
    }
  });
});

test('space trains and pauses, and every control is reached by the tab key', async () => {
  opened = await openPage({ hash: `#preset=classic&${DATA}&device=gpu` });
  const { page } = opened;
  await page.locator('h1').click();
  await page.keyboard.press('Space');
  await waitForNumber(page, 'steps', (steps) => steps > 5);
  await page.keyboard.press('Space');
  await waitForState(page, 'paused');
  const wanted = new Set([
    'train',
    'step',
    'reset',
    'preset',
    'learning-rate',
    'batch-size',
    'seed',
    'draw-pad',
    'race-run',
  ]);
  for (let i = 0; i < 200 && wanted.size > 0; i++) {
    await page.keyboard.press('Tab');
    const id = await page.evaluate(() => document.activeElement?.getAttribute('data-testid'));
    if (id) wanted.delete(id);
  }
  expect([...wanted]).toEqual([]);
  await page.getByTestId('step').focus();
  const at = await numberIn(page, 'steps');
  await page.keyboard.press('Enter');
  await waitForNumber(page, 'steps', (steps) => steps > at);
  opened.expectQuiet();
});

test('a hidden tab goes on training', async () => {
  opened = await openPage({ hash: `#preset=classic&${DATA}` });
  const { page } = opened;
  await page.getByTestId('train').click();
  await waitForNumber(page, 'steps', (steps) => steps > 20);
  await page.evaluate(() => {
    Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    globalThis.requestAnimationFrame = () => 0;
    document.dispatchEvent(new Event('visibilitychange'));
  });
  const at = await numberIn(page, 'steps');
  await page.waitForTimeout(1500);
  expect(await numberIn(page, 'steps')).toBeGreaterThan(at);
  expect(await stateIs(page)).toBe('running');
});
