// What a person reads off the page, and the few things they do to it, as functions of a Playwright page.
import { buffer } from 'node:stream/consumers';
import type { Page } from 'playwright';
import { expect } from 'vitest';

/** The number that stands in an element. */
export async function numberIn(page: Page, testId: string): Promise<number> {
  const text = await page.getByTestId(testId).innerText();
  return Number.parseFloat(text.replaceAll(',', ''));
}

/** A percentage as a number from 0 to 100; NaN while there is none. */
export async function percentIn(page: Page, testId: string): Promise<number> {
  const text = await page.getByTestId(testId).innerText();
  return text.includes('%') ? Number.parseFloat(text) : Number.NaN;
}

/** `idle`, `running`, `paused` and so on, as the page names it. */
export async function stateIs(page: Page): Promise<string | null> {
  return page.getByTestId('state').getAttribute('data-state');
}

export async function waitForState(page: Page, state: string, timeout = 60_000): Promise<void> {
  await expect.poll(() => stateIs(page), { timeout }).toBe(state);
}

export async function waitForNumber(page: Page, testId: string, holds: (n: number) => boolean): Promise<void> {
  await expect.poll(async () => holds(await numberIn(page, testId)), { timeout: 60_000, interval: 50 }).toBe(true);
}

/** Trains until `steps` steps are made at least, and pauses. */
export async function trainFor(page: Page, steps: number): Promise<void> {
  await page.getByTestId('train').click();
  await waitForNumber(page, 'steps', (made) => made >= steps);
  await page.getByTestId('pause').click();
  await waitForState(page, 'paused');
}

/** Sets a field as a person does. */
export async function fill(page: Page, testId: string, text: string): Promise<void> {
  const field = page.getByTestId(testId);
  await field.fill(text);
  await field.press('Enter');
}

/** The file that a button gives. */
export async function download(page: Page, button: string | RegExp): Promise<{ name: string; bytes: Buffer }> {
  const [file] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('button', { name: button }).first().click(),
  ]);
  return { name: file.suggestedFilename(), bytes: await buffer(await file.createReadStream()) };
}

/** The losses of the first `n` steps, from the metrics that the page saves as CSV: as text, so that every bit counts. */
export async function losses(page: Page, n: number): Promise<string[]> {
  const { bytes } = await download(page, /metrics/i);
  const [head, ...rows] = bytes.toString('utf8').trim().split('\n');
  const column = head!.split(',').indexOf('train_loss');
  return rows.slice(0, n).map((row) => row.split(',')[column]!);
}

/** Drops a file on the page, as from a file manager. */
export async function dropFile(page: Page, name: string, bytes: Uint8Array): Promise<void> {
  await page
    .getByTestId('file')
    .setInputFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(bytes) });
}

/** Draws a polyline on the pad, coordinates from 0 to 1, with the pointer. */
export async function draw(page: Page, points: readonly (readonly [number, number])[]): Promise<void> {
  const pad = page.getByTestId('draw-pad');
  await pad.scrollIntoViewIfNeeded();
  const box = (await pad.boundingBox())!;
  const at = ([x, y]: readonly [number, number]) => [box.x + x * box.width, box.y + y * box.height] as const;
  await page.mouse.move(...at(points[0]!));
  await page.mouse.down();
  for (const point of points.slice(1)) await page.mouse.move(...at(point), { steps: 4 });
  await page.mouse.up();
}

/** A 3 as one draws it: two bows open to the left. */
export const THREE: readonly (readonly [number, number])[] = [
  [0.3, 0.25],
  [0.38, 0.18],
  [0.5, 0.15],
  [0.62, 0.19],
  [0.67, 0.28],
  [0.63, 0.38],
  [0.54, 0.45],
  [0.45, 0.48],
  [0.56, 0.5],
  [0.66, 0.57],
  [0.7, 0.68],
  [0.65, 0.79],
  [0.53, 0.85],
  [0.4, 0.84],
  [0.3, 0.77],
];
