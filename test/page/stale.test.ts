// What the page shows belongs to the run, the network and the device that are there now, whatever was there before.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DATA, type OpenedPage, openPage } from './harness.ts';
import { download, dropFile, fill, numberIn, stateIs, trainFor, waitForState } from './reading.ts';

const HASH = `#preset=classic&${DATA}`;

let opened: OpenedPage | undefined;
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

const state = () => opened!.page.getByTestId('state').innerText();

test('another device: the header names it and loads no more', async () => {
  opened = await openPage({ hash: '#preset=classic&data=digits&device=gpu' });
  const { page } = opened;
  await opened.ready();
  await page.getByRole('button', { name: 'Train on the CPU instead' }).click();
  await expect.poll(() => page.getByTestId('adapter').innerText()).toMatch(/CPU/);
  const head = page.locator('.page-head');
  await expect.poll(() => head.innerText()).toMatch(/Computes on: [\s\S]*digits/);
  expect(await head.getByRole('progressbar').count()).toBe(0);
  opened.expectQuiet();
});

test('weights that were read survive a change of the rate, and are not called random', async () => {
  opened = await openPage({ hash: HASH });
  const { page } = opened;
  await trainFor(page, 300);
  const { name, bytes } = await download(page, /save weights/i);
  await fill(page, 'seed', '9');
  await expect.poll(state).toMatch(/random weights/);
  await dropFile(page, name, bytes);
  await expect.poll(state).toMatch(/weights from a file/);
  const loaded = await page.getByTestId('test-accuracy').innerText();
  await fill(page, 'learning-rate', '0.25');
  await expect.poll(() => new URL(page.url()).hash).toMatch(/lr=0\.25/);
  expect(await state()).toMatch(/weights from a file/);
  expect(await page.getByTestId('test-accuracy').innerText()).toBe(loaded);
  opened.expectQuiet();
});

test('a run that was brought back has its own rate, and earlier runs say which rates they had', async () => {
  opened = await openPage({ hash: `${HASH}&schedule=constant` });
  const { page } = opened;
  await trainFor(page, 60);
  await fill(page, 'learning-rate', '0.5');
  await trainFor(page, (await numberIn(page, 'steps')) + 60);
  const { name, bytes } = await download(page, /save checkpoint/i);
  await page.getByTestId('reset').click();
  await waitForState(page, 'idle');
  await expect
    .poll(() => page.locator('.runs-list').innerText())
    .toMatch(/lr 0\.5 → 1\. +Rate 0\.5 from step [\d,]+ on/);
  await fill(page, 'learning-rate', '2');
  await dropFile(page, name, bytes);
  await waitForState(page, 'paused');
  expect(await page.getByTestId('learning-rate').inputValue()).toBe('0.5');
  expect(new URL(page.url()).hash).toMatch(/lr=0\.5/);
  opened.expectQuiet();
});

test('what could not be opened can be tried again, also when the message is gone', async () => {
  opened = await openPage({
    hash: `${HASH}&device=gpu`,
    patchWorker: "Object.defineProperty(Object.getPrototypeOf(navigator), 'gpu', { get: () => undefined });",
  });
  const { page } = opened;
  await expect.poll(() => stateIs(page)).toBe('failed');
  await page.locator('.note-dismiss').first().click();
  await page.getByRole('button', { name: /Try again/ }).click();
  await opened.ready();
  await trainFor(page, 20);
  opened.expectQuiet();
});

test('where the browser gives no clipboard, that is said', async () => {
  opened = await openPage({
    hash: HASH,
    patchPage: "Object.defineProperty(Navigator.prototype, 'clipboard', { get: () => undefined });",
  });
  const { page } = opened;
  await opened.ready();
  for (const [place, name] of [
    ['#keep', 'Copy link'],
    ['#device', 'Copy device facts'],
  ] as const) {
    await page.locator(place).getByRole('button', { name }).click();
    await expect.poll(() => page.locator(place).innerText()).toMatch(/does not allow copying/);
  }
  opened.expectQuiet();
});

describe('on one page', () => {
  let shared: OpenedPage;
  beforeAll(async () => {
    shared = await openPage({ hash: `${HASH}&lr=1.5` });
  });
  afterAll(() => shared.close());

  test('a line that leaves the pad ends at its edge', async () => {
    const { page } = shared;
    const pad = page.getByTestId('draw-pad');
    await pad.scrollIntoViewIfNeeded();
    const box = (await pad.boundingBox())!;
    const ink = () =>
      page.locator('.draw-small').evaluate((canvas: HTMLCanvasElement) => {
        const { data } = canvas.getContext('2d')!.getImageData(0, 0, 28, 28);
        const rows = Array.from({ length: 28 }, (_, y) => y).filter((y) =>
          Array.from({ length: 28 }, (_, x) => data[4 * (28 * y + x) + 3]!).some((alpha) => alpha > 0),
        );
        const columns = Array.from({ length: 28 }, (_, x) => x).filter((x) =>
          Array.from({ length: 28 }, (_, y) => data[4 * (28 * y + x) + 3]!).some((alpha) => alpha > 0),
        );
        return { rows: rows.length, columns: columns.length };
      });
    // Across the pad, down along its right edge, and far out to the right.
    await page.mouse.move(box.x + 5, box.y + 5);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 5, box.y + 5, { steps: 4 });
    await page.mouse.move(box.x + box.width - 5, box.y + box.height - 5, { steps: 4 });
    await page.mouse.move(box.x + 2 * box.width, box.y + box.height - 5, { steps: 4 });
    await page.mouse.up();
    const { rows, columns } = await ink();
    expect(Math.abs(rows - columns)).toBeLessThanOrEqual(1);
    shared.expectQuiet();
  });

  test('the arrow keys take the rate all the way down', async () => {
    const { page } = shared;
    const slider = page.getByLabel('Learning rate, slider');
    for (let k = 0; k < 12; k++) {
      await slider.focus();
      await slider.press('ArrowLeft');
      await page.waitForTimeout(150);
    }
    await expect.poll(() => numberIn(page, 'learning-rate').catch(() => 9)).not.toBe(9);
    expect(Number(await page.getByTestId('learning-rate').inputValue())).toBeLessThan(0.9);
    shared.expectQuiet();
  });

  test('looks inside follow the network', async () => {
    const { page } = shared;
    const inside = page.locator('#inside');
    await inside.getByText('First-layer weights').click();
    await expect.poll(() => inside.locator('.inside-maps').first().locator('li').count()).toBe(16);
    await fill(page, 'hidden', '5');
    await expect.poll(() => inside.locator('.inside-maps').first().locator('li').count()).toBe(5);
    await inside.getByText('Most confidently wrong').click();
    await expect.poll(() => inside.innerText()).toMatch(/After step 0: the test images/);
    shared.expectQuiet();
  });
});
