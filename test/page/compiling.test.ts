// Compilation that takes seconds, as on software adapters: the page counts kernels in its status line, tells those who listen once, and
// goes on to train.
import { expect, test } from 'vitest';
import { DATA, openPage } from './harness.ts';
import { waitForNumber } from './reading.ts';

/** Pipelines one after another, half a second each. */
const SLOW = `{
  const make = GPUDevice.prototype.createComputePipelineAsync;
  let last = Promise.resolve();
  GPUDevice.prototype.createComputePipelineAsync = function (descriptor) {
    last = last.then(() => new Promise((resolve) => setTimeout(resolve, 500)));
    return last.then(() => make.call(this, descriptor));
  };
}`;

test('slow compilation is counted in the status line, and gone when it is done', async () => {
  const opened = await openPage({ hash: `#preset=classic&${DATA}&device=gpu`, patchWorker: SLOW });
  const { page } = opened;
  await page.evaluate(() => {
    const said: string[] = [];
    Object.assign(globalThis, { said });
    const note = () => {
      for (const status of document.querySelectorAll('.train-state [role=status]'))
        if (status.textContent !== said.at(-1)) said.push(status.textContent ?? '');
    };
    new MutationObserver(note).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await page.getByTestId('train').click();
  const state = page.getByTestId('state');
  await expect
    .poll(() => state.innerText(), { timeout: 60_000, interval: 20 })
    .toMatch(/^Compiling kernels: [1-9]\d* of about \d+\.$/);
  await waitForNumber(page, 'steps', (steps) => steps > 0);
  await expect.poll(() => state.innerText(), { timeout: 60_000 }).toBe('Training.');
  const said = await page.evaluate(() => (globalThis as unknown as { said: string[] }).said);
  expect(said.filter(Boolean).length).toBeGreaterThan(0);
  expect(new Set(said.filter(Boolean))).toEqual(new Set(['Compiling kernels. This takes a while.']));
  opened.expectQuiet();
  await opened.close();
});
