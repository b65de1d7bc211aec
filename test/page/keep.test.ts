// What the page keeps: weights and checkpoints as files, which the command line reads and writes too; the address; the last
// session; runs beside each other.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect, inject, test } from 'vitest';
import { DATA, type OpenedPage, openPage } from './harness.ts';
import {
  download,
  dropFile,
  fill,
  losses,
  numberIn,
  percentIn,
  trainFor,
  waitForNumber,
  waitForState,
} from './reading.ts';

const MAIN = new URL('../../dist/src/cli/main.js', import.meta.url).pathname;
const run = promisify(execFile);
const HASH = `#preset=classic&seed=3&${DATA}`;

let folder: string;
let opened: OpenedPage;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thalweg-page-'));
});
afterEach(() => opened.close());
afterAll(() => rm(folder, { recursive: true, force: true }));

test('weights that the page saves are read by the command line, and the other way round', async () => {
  opened = await openPage({ hash: HASH });
  const { page } = opened;
  await trainFor(page, 200);
  const saved = await download(page, /save weights/i);
  expect(saved.name).toMatch(/\.safetensors$/);
  const file = join(folder, saved.name);
  await writeFile(file, saved.bytes);
  const evaluated = await run('node', [
    MAIN,
    'eval',
    file,
    '--data',
    inject('digitsFolder'),
    '--device',
    'cpu',
    '--json',
  ]);
  const { accuracy } = JSON.parse(evaluated.stdout.trim().split('\n').at(-1)!) as { accuracy: number };
  expect(accuracy).toBeGreaterThan(0.1);

  const out = join(folder, 'run');
  const arguments_ = [
    '--preset',
    'mlp',
    '--data',
    inject('digitsFolder'),
    '--device',
    'cpu',
    '--max-steps',
    '60',
    '--quiet',
    '--out',
    out,
  ];
  await run('node', [MAIN, 'train', ...arguments_]);
  await dropFile(page, 'weights.safetensors', await readFile(join(out, 'weights.safetensors')));
  await expect.poll(() => page.getByTestId('parameters').innerText(), { timeout: 20_000 }).toBe('101,770');
  opened.expectQuiet();
}, 120_000);

test('a checkpoint brings a run back, with its curve, and it goes on bit for bit', async () => {
  opened = await openPage({ hash: `${HASH}&device=gpu` });
  const { page } = opened;
  await trainFor(page, 20);
  const at = await numberIn(page, 'steps');
  const { name, bytes } = await download(page, /save checkpoint/i);
  const before = await losses(page, at);
  for (let made = at; made < at + 3; made++) {
    await page.getByTestId('step').click();
    await waitForNumber(page, 'steps', (steps) => steps > made);
  }
  const after = (await losses(page, at + 3)).slice(at);
  await page.getByTestId('reset').click();
  await expect.poll(() => numberIn(page, 'steps')).toBe(0);
  await dropFile(page, name, bytes);
  await expect.poll(() => numberIn(page, 'steps')).toBe(at);
  expect(await losses(page, at)).toEqual(before);
  for (let made = at; made < at + 3; made++) {
    await page.getByTestId('step').click();
    await waitForNumber(page, 'steps', (steps) => steps > made);
  }
  expect((await losses(page, at + 3)).slice(at)).toEqual(after);
  opened.expectQuiet();
});

test('the address holds the whole configuration', async () => {
  opened = await openPage({ hash: '#preset=mlp&data=mnist' });
  const { page } = opened;
  await fill(page, 'batch-size', '64');
  await fill(page, 'seed', '11');
  await fill(page, 'hidden', '32-8');
  await expect
    .poll(() => page.evaluate(() => location.hash))
    .toBe('#preset=mlp&hidden=32-8&batch=64&seed=11&data=mnist');
  await page.reload();
  await opened.ready();
  expect(await page.getByTestId('batch-size').inputValue()).toBe('64');
  expect(await page.getByTestId('seed').inputValue()).toBe('11');
  expect(await page.getByTestId('hidden').inputValue()).toBe('32-8');
  expect(await page.getByTestId('parameters').innerText()).toBe('25,474');
  opened.expectQuiet();
});

test('the last session is offered after a reload, and goes on where it was', async () => {
  opened = await openPage({ hash: HASH });
  const { page } = opened;
  await trainFor(page, 300);
  await page.getByText(/saved/i).first().waitFor({ timeout: 20_000 });
  const at = await numberIn(page, 'steps');
  const before = await losses(page, 20);
  await page.reload();
  await opened.ready();
  // Somebody who trains first has not lost it.
  await trainFor(page, 50);
  await page
    .getByText(/Saved in this browser/)
    .first()
    .waitFor({ timeout: 20_000 });
  await page
    .getByRole('button', { name: /resume last session/i })
    .first()
    .click();
  await expect.poll(() => numberIn(page, 'steps'), { timeout: 20_000 }).toBe(at);
  expect(await losses(page, 20)).toEqual(before);
  await trainFor(page, at + 50);
  opened.expectQuiet();
});

test('a second tab does not write over the first one', async () => {
  opened = await openPage({ hash: HASH });
  await trainFor(opened.page, 50);
  const second = await opened.another({ hash: HASH });
  await second.page.getByTestId('train').click();
  await expect.poll(() => second.page.getByTestId('message').innerText(), { timeout: 30_000 }).toMatch(/another tab/i);
  opened.expectQuiet();
});

test('without storage it trains all the same, and says once that it cannot save by itself', async () => {
  opened = await openPage({
    hash: HASH,
    patchWorker: "IDBFactory.prototype.open = () => { throw new DOMException('denied', 'SecurityError'); };",
  });
  const { page } = opened;
  await trainFor(page, 100);
  await expect.poll(() => page.getByTestId('message').innerText(), { timeout: 20_000 }).toMatch(/storage|save/i);
  opened.expectQuiet();
});

test('runs lie beside each other, with the differences of their settings', async () => {
  opened = await openPage({ hash: HASH });
  const { page } = opened;
  await trainFor(page, 60);
  await fill(page, 'seed', '4');
  await expect.poll(() => numberIn(page, 'steps')).toBe(0);
  await trainFor(page, 60);
  await page
    .getByText(/seed 4 → 3/)
    .first()
    .waitFor();
  opened.expectQuiet();
});

test('it works offline once it was loaded', async () => {
  opened = await openPage({ hash: '#preset=classic&data=digits', serviceWorkers: 'allow' });
  const { page } = opened;
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  await page.context().setOffline(true);
  await page.reload();
  await opened.ready();
  await trainFor(page, 40);
  expect(await percentIn(page, 'test-accuracy')).not.toBeLessThan(0);
  await waitForState(page, 'paused');
});
