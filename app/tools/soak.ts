// Trains in the page for a long time, to check that its memory stays flat: `npm run app:soak -- --minutes 10`. A drawn digit is
// predicted throughout. Prints a row every 30 s, and the growth over the last half; exits with 1 if memory grows.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Page } from 'playwright';
import { build } from 'vite';
import { launchChromium } from './chromium.ts';
import { KEEP_WORKER, memoryOf, type Sample } from './memory.ts';
import { serveSite } from './site.ts';

interface Row extends Sample {
  readonly minute: number;
  readonly steps: number;
}

const COLUMNS = ['pageHeap', 'workerHeap', 'gpuBuffers', 'gpuProcess'] as const satisfies readonly (keyof Sample)[];

/** Growth per minute that counts as none, as a fraction of the total and in bytes: collections are not exact. */
const FLAT = { part: 0.005, bytes: 50_000 };

/** Growth per minute or step: the median over all pairs of rows (Theil-Sen), robust to single samples during a collection. */
function slope(rows: readonly Row[], column: keyof Sample, over: 'minute' | 'steps'): number {
  const slopes = rows.flatMap((a, k) => rows.slice(k + 1).map((b) => (b[column] - a[column]) / (b[over] - a[over])));
  return slopes.sort((a, b) => a - b)[Math.floor(slopes.length / 2)] ?? Number.NaN;
}

/** Whether the memory is flat; prints a line for each kind. Bytes per step distinguish a run's record from leaks. */
function judge(rows: readonly Row[]): boolean {
  const half = rows.slice(Math.floor(rows.length / 2));
  let flat = true;
  for (const column of COLUMNS) {
    const growth = slope(half, column, 'minute');
    if (Number.isNaN(growth)) continue;
    const grows = growth > Math.max(FLAT.bytes, FLAT.part * half[0]![column]);
    flat &&= !grows;
    const figures = `${(growth / 1000).toFixed(1).padStart(9)} kB a minute, ${slope(half, column, 'steps').toFixed(1).padStart(6)} bytes a step`;
    console.log(`${column.padEnd(10)} ${figures}: ${grows ? 'grows' : 'flat'}`);
  }
  return flat;
}

function print(first: string, steps: number, sample: Sample): void {
  const cells = COLUMNS.map((name) => (sample[name] / 1e6).toFixed(2).padStart(14));
  console.log(`${first.padStart(6)} ${String(steps).padStart(10)} ${cells.join('')}`);
}

async function begin(page: Page, url: string): Promise<void> {
  await page.addInitScript(KEEP_WORKER);
  // The maximum number of epochs: the run must not end before the soak.
  await page.goto(`${url}#preset=classic&epochs=1000&data=digits`);
  await page.getByTestId('parameters').filter({ hasText: /\d/ }).waitFor({ timeout: 60_000 });
  const pad = page.getByTestId('draw-pad');
  await pad.scrollIntoViewIfNeeded();
  const { x, y, width, height } = (await pad.boundingBox())!;
  await page.mouse.move(x + width / 2, y + height / 5);
  await page.mouse.down();
  await page.mouse.move(x + width / 2, y + (height * 4) / 5, { steps: 10 });
  await page.mouse.up();
  await page.getByTestId('train').click();
}

/** Steps made; restarts a run that has ended, since an idle page proves nothing. */
async function keepRunning(page: Page): Promise<number> {
  const steps = Number.parseFloat((await page.getByTestId('steps').innerText()).replaceAll(',', ''));
  if ((await page.getByTestId('state').getAttribute('data-state')) !== 'running') {
    console.log(`not running at step ${steps}: restarted`);
    await page.getByTestId('reset').click();
    await page.getByTestId('train').click();
  }
  return steps;
}

async function watch(page: Page, sample: () => Promise<Sample>, minutes: number, every: number): Promise<Row[]> {
  const rows: Row[] = [];
  const started = performance.now();
  console.log(`minute      steps ${COLUMNS.map((name) => `${name} MB`.padStart(14)).join('')}`);
  for (let at = every; at <= minutes * 60 + 1e-9; at += every) {
    await page.waitForTimeout(Math.max(0, started + at * 1000 - performance.now()));
    const steps = await keepRunning(page);
    const row: Row = { minute: (performance.now() - started) / 60_000, steps, ...(await sample()) };
    rows.push(row);
    print(row.minute.toFixed(1), steps, row);
  }
  return rows;
}

export default async function soak(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { minutes: { type: 'string' }, every: { type: 'string' } } });
  const [minutes, every] = [Number(values.minutes ?? 10), Number(values.every ?? 30)];
  if (!(every > 0) || !(minutes * 60 >= 4 * every))
    throw new Error('soak: give at least four samples (--minutes, --every).');
  const folder = await mkdtemp(join(tmpdir(), 'thalweg-site-'));
  await build({ logLevel: 'warn', build: { outDir: folder, emptyOutDir: true } });
  const site = await serveSite(folder);
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ serviceWorkers: 'block' });
    page.on('pageerror', (error) => console.error(`thrown in the page: ${error.message}`));
    await begin(page, site.url);
    const sample = await memoryOf(browser, page);
    const rows = await watch(page, sample, minutes, every);
    // A run's memory is released with it, except for the curve in the list of runs.
    await page.getByTestId('reset').click();
    await page.waitForTimeout(3000);
    print('reset', 0, await sample());
    if (!judge(rows)) process.exitCode = 1;
  } finally {
    await browser.close();
    await site.close();
    await rm(folder, { recursive: true, force: true });
  }
}
