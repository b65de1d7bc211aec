// Pictures of the page for the README: built, served, trained for a while in a headless Chromium, wide and narrow, light and
// dark; and the landscape of that run. `npm run app:screenshots` writes them to docs/; another folder can be named.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright';
import { build } from 'vite';
import { launchChromium } from './chromium.ts';
import { serveSite } from './site.ts';

const LOOKS = [
  { name: 'wide-light', width: 1280, height: 1150, colorScheme: 'light', landscape: true },
  { name: 'wide-dark', width: 1280, height: 1150, colorScheme: 'dark', landscape: false },
  { name: 'narrow-light', width: 360, height: 1400, colorScheme: 'light', landscape: false },
  { name: 'narrow-dark', width: 360, height: 1400, colorScheme: 'dark', landscape: false },
] as const;

/** A 3, in fractions of the pad's sides. */
const THREE = [
  [0.3, 0.25],
  [0.42, 0.16],
  [0.6, 0.18],
  [0.67, 0.29],
  [0.6, 0.42],
  [0.45, 0.48],
  [0.62, 0.54],
  [0.7, 0.68],
  [0.62, 0.82],
  [0.44, 0.85],
  [0.3, 0.77],
] as const;

async function shoot(browser: Browser, url: string, look: (typeof LOOKS)[number], to: string): Promise<void> {
  const { width, height, colorScheme, name, landscape } = look;
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, serviceWorkers: 'block' });
  const page = await context.newPage();
  await page.goto(`${url}#preset=classic&data=digits`);
  await page.getByTestId('parameters').filter({ hasText: /\d/ }).waitFor();
  await page.getByTestId('train').click();
  const pad = page.getByTestId('draw-pad');
  await pad.scrollIntoViewIfNeeded();
  const box = (await pad.boundingBox())!;
  await page.mouse.move(box.x + THREE[0][0] * box.width, box.y + THREE[0][1] * box.height);
  await page.mouse.down();
  for (const [x, y] of THREE) await page.mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: 3 });
  await page.mouse.up();
  await page.waitForTimeout(15_000);
  await page.evaluate(() => scrollTo({ top: 0, behavior: 'instant' }));
  await page.waitForTimeout(300);
  await page.screenshot({ path: join(to, `page-${name}.png`) });
  if (landscape) await survey(page, join(to, 'page-landscape.png'));
  await context.close();
}

/** The run's path on its own landscape. */
async function survey(page: Page, path: string): Promise<void> {
  const panel = page.locator('#landscape');
  await panel.getByLabel('Directions').selectOption('path');
  await panel.getByLabel('Grid').selectOption('25');
  await panel.getByRole('button', { name: 'Survey it' }).click();
  const map = panel.locator('.landscape-map');
  await map.waitFor({ timeout: 60_000 });
  await map.screenshot({ path });
  console.log(path);
}

export default async function screenshots([to = 'docs']: readonly string[]): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'thalweg-site-'));
  await build({ logLevel: 'warn', build: { outDir: folder, emptyOutDir: true } });
  const site = await serveSite(folder);
  const browser = await launchChromium();
  try {
    for (const look of LOOKS) {
      await shoot(browser, site.url, look, to);
      console.log(`${to}/page-${look.name}.png`);
    }
  } finally {
    await browser.close();
    await site.close();
    await rm(folder, { recursive: true, force: true });
  }
}
