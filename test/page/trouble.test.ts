// When it goes wrong in the page: runs that overflow or learn nothing, a device that is lost, the five ways to have no GPU,
// files and addresses that are nonsense. Each gets a sentence in place, and nothing is lost.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { DATA, type OpenedPage, openPage } from './harness.ts';
import { dropFile, fill, numberIn, stateIs, trainFor, waitForNumber, waitForState } from './reading.ts';

let opened: OpenedPage | undefined;
afterEach(async () => {
  await opened?.close();
  opened = undefined;
});

const message = () => opened!.page.getByTestId('message').innerText();

describe('a rate that is too large', () => {
  test('mlp with SGD overflows: the page says so, and goes on from the weights before the bad step', async () => {
    opened = await openPage({
      hash: `#preset=mlp&hidden=32&optimizer=sgd&schedule=constant&lr=0.1&batch=32&${DATA}&device=gpu`,
    });
    const { page } = opened;
    await trainFor(page, 20);
    await fill(page, 'learning-rate', '1e30');
    await page.getByTestId('train').click();
    await waitForState(page, 'diverged');
    expect(await message()).toMatch(/finite|overflow/i);
    const at = await numberIn(page, 'steps');
    await fill(page, 'learning-rate', '0.1');
    await page.getByTestId('train').click();
    await waitForNumber(page, 'steps', (steps) => steps > at + 20);
    expect(await stateIs(page)).toBe('running');
    expect(await numberIn(page, 'train-loss')).toBeLessThan(2.3);
    opened.expectQuiet();
  });

  test('classic at rate 100 saturates: not learning, and why', async () => {
    opened = await openPage({ hash: `#preset=classic&lr=100&schedule=constant&${DATA}` });
    await opened.page.getByTestId('train').click();
    await expect.poll(message, { timeout: 60_000 }).toMatch(/not learning|learns nothing|saturat/i);
    opened.expectQuiet();
  });
});

/** Put before the worker's own text: keeps the devices that are opened within reach. */
const KEEP_DEVICES = `
const request = GPUAdapter.prototype.requestDevice;
globalThis.devices = [];
GPUAdapter.prototype.requestDevice = async function (...args) {
  const device = await request.apply(this, args);
  globalThis.devices.push(device);
  return device;
};`;

test('a device lost in mid-run: it says why, opens another, and goes on from the last snapshot', async () => {
  opened = await openPage({ hash: `#preset=classic&${DATA}&device=gpu`, patchWorker: KEEP_DEVICES });
  const { page } = opened;
  await page.getByTestId('train').click();
  await waitForNumber(page, 'steps', (steps) => steps > 20);
  // A snapshot was taken.
  await page.getByText(/saved/i).first().waitFor();
  const [worker] = page.workers();
  await worker!.evaluate(() => (globalThis as unknown as { devices: GPUDevice[] }).devices.at(-1)!.destroy());
  await expect.poll(message, { timeout: 30_000 }).toMatch(/lost|device/i);
  const after = await numberIn(page, 'steps');
  expect(after).toBeGreaterThan(0);
  await waitForNumber(page, 'steps', (steps) => steps > after + 20);
  expect(await stateIs(page)).toBe('running');
  opened.expectQuiet();
});

/** How each cause is faked in the worker, and what the page then says. */
const CAUSES: readonly (readonly [name: string, patch: string, says: RegExp])[] = [
  [
    'the page is not a secure context',
    "Object.defineProperty(globalThis, 'isSecureContext', { value: false });",
    /secure context|https/i,
  ],
  [
    'the browser has no WebGPU',
    "Object.defineProperty(Object.getPrototypeOf(navigator), 'gpu', { get: () => undefined });",
    /navigator\.gpu|no WebGPU/i,
  ],
  ['there is no adapter', 'GPU.prototype.requestAdapter = async () => null;', /adapter|hardware acceleration/i],
  [
    'the device is refused',
    `GPUAdapter.prototype.requestDevice = async () => { throw new TypeError('maxBufferSize 1 is too much'); };
    for (const name of ['vendor', 'architecture', 'device', 'description', 'isFallbackAdapter'])
      Object.defineProperty(GPUAdapterInfo.prototype, name, { get: () => name !== 'isFallbackAdapter' && 'GeForce' });`,
    /refused/i,
  ],
];

describe.each(CAUSES)('where %s', (_, patch, says) => {
  test('the page says so, and trains on the CPU', async () => {
    opened = await openPage({ hash: `#preset=classic&${DATA}`, patchWorker: patch });
    const { page } = opened;
    await page.getByText(says).first().waitFor({ timeout: 30_000 });
    expect(await page.getByTestId('adapter').innerText()).toMatch(/CPU/);
    await trainFor(page, 200);
    expect(await numberIn(page, 'train-loss')).toBeLessThan(2);
    opened.expectQuiet();
  });
});

test('a software adapter is passed over with a word, and taken where it is chosen', async () => {
  opened = await openPage({ hash: '#preset=classic&data=mnist' });
  const { page } = opened;
  const adapter = () => page.getByTestId('adapter').innerText();
  await page
    .getByText(/only a software adapter.*on the CPU, which is faster/)
    .first()
    .waitFor();
  expect(await adapter()).toMatch(/CPU/);
  await page.getByRole('button', { name: 'Train on the software adapter' }).click();
  await page
    .getByText(/its speeds are not a GPU’s/)
    .first()
    .waitFor();
  expect(await adapter()).toMatch(/SwiftShader.*software/i);
  opened.expectQuiet();
});

describe('nonsense in the address', () => {
  test('each entry gets a sentence, the rest is taken', async () => {
    opened = await openPage({ hash: '#preset=classic&lr=-3&batch=x&seed=9&nothing=1&data=mnist' });
    expect(await message()).toMatch(/lr: "-3"/);
    expect(await opened.page.getByTestId('seed').inputValue()).toBe('9');
    expect(await opened.page.getByTestId('batch-size').inputValue()).toBe('32');
    opened.expectQuiet();
  });

  test('a layer beyond the adapter: the limit is named, with its value', async () => {
    const limit =
      "Object.defineProperty(GPUSupportedLimits.prototype, 'maxStorageBufferBindingSize', { get: () => 64 * 2 ** 20 });";
    opened = await openPage({ hash: `#preset=classic&${DATA}&device=gpu`, patchWorker: limit });
    await fill(opened.page, 'hidden', '4096-8192');
    await expect
      .poll(message)
      .toMatch(/hidden2: 4096 x 8192 weights are 128 MiB, and maxStorageBufferBindingSize .* 64 MiB/);
    opened.expectQuiet();
    await opened.close();
    opened = await openPage({
      hash: `#preset=classic&seed=5&hidden=4096-8192&${DATA}&device=gpu`,
      patchWorker: limit,
    });
    await expect.poll(message).toMatch(/The address: hidden2: 4096 x 8192 .* The preset classic is used instead/);
    await trainFor(opened.page, 5);
    expect(await opened.page.getByTestId('seed').inputValue()).toBe('5');
    expect(new URL(opened.page.url()).hash).not.toContain('hidden');
    opened.expectQuiet();
  });
});

describe('what a page refuses leaves it as it was', () => {
  let shared: OpenedPage;
  beforeAll(async () => {
    shared = await openPage({ hash: `#preset=classic&${DATA}` });
  });
  afterAll(() => shared.close());
  const said = () => shared.page.getByTestId('message').innerText();

  test('a file that is none: the run stays', async () => {
    const { page } = shared;
    await trainFor(page, 50);
    const at = await numberIn(page, 'steps');
    await dropFile(page, 'holiday.jpg', Uint8Array.of(255, 216, 255, 224, 1, 2, 3, 4, 5, 6, 7, 8));
    await expect.poll(said).toMatch(/holiday\.jpg/);
    await dropFile(page, 'empty.safetensors', new Uint8Array(0));
    await expect.poll(said).toMatch(/empty\.safetensors/);
    expect(await numberIn(page, 'steps')).toBe(at);
    expect(await stateIs(page)).toBe('paused');
    shared.expectQuiet();
  });

  test('a network or a batch: refused by name, the one before stays', async () => {
    const { page } = shared;
    await fill(page, 'batch-size', '6001');
    await page
      .getByText(/6,?000/)
      .first()
      .waitFor();
    const hidden = page.getByTestId('hidden');
    await hidden.fill('16-0');
    await hidden.press('Enter');
    await page
      .getByText(/hidden: "16-0"/)
      .first()
      .waitFor();
    await hidden.fill('8192-8192-8192-8192-8192-8192');
    await hidden.press('Enter');
    await expect.poll(said, { timeout: 20_000 }).toMatch(/should not use more than 1024 MiB/);
    expect(await page.getByTestId('parameters').innerText()).toBe('13,002');
    shared.expectQuiet();
  });

  test('two settings changed before the first is taken: both hold', async () => {
    const { page } = shared;
    await page.evaluate(() => {
      for (const [id, text] of [
        ['batch-size', '16'],
        ['seed', '77'],
        ['learning-rate', '0.5'],
      ]) {
        const field = document.querySelector<HTMLInputElement>(`[data-testid="${id}"]`)!;
        field.value = text!;
        field.dispatchEvent(new Event('change', { bubbles: true }));
      }
    });
    await expect.poll(() => new URL(page.url()).hash).toMatch(/lr=0\.5/);
    expect(new URL(page.url()).hash).toMatch(/batch=16/);
    expect(new URL(page.url()).hash).toMatch(/seed=77/);
    shared.expectQuiet();
  });
});
