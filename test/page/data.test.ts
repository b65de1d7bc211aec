// Where the page's pictures come from: its own origin, else a mirror, else made here; and what it says of that.
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, inject, onTestFinished, test } from 'vitest';
import { serveSite } from '../../app/tools/site.ts';
import { MNIST_FILES } from '../../src/data/mnist-files.ts';
import { type OpenedPage, openPage } from './harness.ts';
import { numberIn, trainFor } from './reading.ts';

const FOLDER = fileURLToPath(new URL('../../../shared/mnist/', import.meta.url));
const NAMES = MNIST_FILES.map(({ name }) => name);

let opened: OpenedPage;
afterEach(() => opened.close());

/** Put before the worker's program: requests that leave the page's origin fail, as without a network or where a host refuses. */
const CUT = `
const whole = globalThis.fetch;
globalThis.fetch = (request, ...rest) => {
  const url = new URL(typeof request === 'string' || request instanceof URL ? request : request.url, location.href);
  return url.origin === location.origin ? whole(request, ...rest) : Promise.reject(new TypeError('Failed to fetch'));
};`;

test('without a network it makes digits, and says why it is not MNIST', async () => {
  opened = await openPage({ hash: '#preset=classic', bare: true, patchWorker: CUT });
  const { page } = opened;
  await page
    .getByText(/MNIST could not be loaded/)
    .first()
    .waitFor();
  await page
    .getByText(/70,000 synthetic handwritten-like digits/)
    .first()
    .waitFor();
  await trainFor(page, 30);
  opened.expectQuiet();
});

test('MNIST that is insisted on and cannot be had: a sentence, and a way on', async () => {
  const answer = openPage({ hash: '#preset=classic&data=mnist', bare: true, patchWorker: CUT });
  opened = await answer;
  const { page } = opened;
  await expect.poll(() => page.getByTestId('message').innerText()).toMatch(/MNIST|mnist/);
  await page
    .getByRole('button', { name: /try again/i })
    .first()
    .click();
  await page
    .getByText(/70,000 synthetic handwritten-like digits/)
    .first()
    .waitFor();
  await trainFor(page, 10);
});

test.skipIf(!existsSync(FOLDER))(
  'MNIST from the page’s own origin (where a copy lies beside the project)',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'thalweg-mnist-'));
    await cp(inject('siteFolder'), folder, { recursive: true });
    await mkdir(join(folder, 'data'), { recursive: true });
    await symlink(FOLDER, join(folder, 'data', 'mnist'));
    await writeFile(join(folder, 'data', 'index.json'), JSON.stringify({ mnist: NAMES }));
    const site = await serveSite(folder);
    onTestFinished(async () => {
      await site.close();
      await rm(folder, { recursive: true, force: true });
    });
    opened = await openPage({ hash: '#preset=classic', site: site.url, patchWorker: CUT });
    const { page } = opened;
    await page
      .getByText(/^MNIST/)
      .first()
      .waitFor();
    expect(await page.locator('header').innerText()).not.toMatch(/handwritten-like/);
    await trainFor(page, 30);
    expect(await numberIn(page, 'train-loss')).toBeLessThan(3);
    opened.expectQuiet();
  },
);
