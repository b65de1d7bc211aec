// The page's worker when things come at once or fail half-way: nothing of a run is lost that can be kept, and nothing of one run
// is told as another's.
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { RunSnapshot } from '../app/worker/run.ts';
import { Backend } from '../src/backend.ts';
import { GpuExecutor } from '../src/compile/executor.ts';
import { createCpuBackend, Trainer } from '../src/index.ts';
import { State } from '../src/train/state.ts';
import { openDevice } from './gpu-node.ts';
import { CLASSIC, TestPage } from './page-worker.ts';

const LONG = { ...CLASSIC, epochs: 1000 };

/** A page on GPU devices that can be destroyed; `next` says what the coming ones are. */
async function onDevices(store?: TestPage['store']) {
  const opened: Awaited<ReturnType<typeof openDevice>>[] = [];
  const state = { next: 'gpu' as 'gpu' | 'none' | 'cpu' };
  const createBackend = async (): Promise<Backend> => {
    if (state.next === 'none') throw new Error('there is no other adapter.');
    if (state.next === 'cpu') return createCpuBackend();
    const made = await openDevice();
    opened.push(made);
    const { report } = made;
    return new Backend(new GpuExecutor(made), { name: report.name, software: report.software }, [], report);
  };
  const page = new TestPage({ createBackend, ...(store && { store }) });
  await page.open(LONG);
  return { page, state, lose: () => opened.at(-1)!.device.destroy(), end: () => opened.at(-1)!.device.destroy() };
}

/** Trains for a few steps and pauses, so that there is a snapshot. */
async function trainTo(page: TestPage, steps: number): Promise<number> {
  await page.session.call('train', {});
  await page.until(({ step }) => step > steps);
  await page.session.call('pause', {});
  await expect.poll(() => (page.store.value as RunSnapshot | undefined)?.step).toBe(page.run.step);
  return page.run.step;
}

describe('a device that is lost', () => {
  test('before the first step after a resumed session: the run goes on from that session', async () => {
    const first = new TestPage();
    await first.open(LONG);
    const step = await trainTo(first, 20);
    const { page, lose, end } = await onDevices(first.store);
    await page.session.call('resumeSession', {});
    lose();
    await expect.poll(() => page.notices('device-lost').at(-1)).toMatch(`continues from step ${step}`);
    expect(page.run.step).toBe(step);
    end();
  });

  test('for good: another device goes on from the last snapshot, and a reset begins again', async () => {
    const { page, state, lose } = await onDevices();
    const step = await trainTo(page, 20);
    state.next = 'none';
    lose();
    await page.until((run) => run.state === 'failed');
    expect(page.notices('device-lost').at(-1)).toMatch(`Choose the CPU as the device to continue from step ${step}`);
    state.next = 'cpu';
    const made = await page.session.call('configure', { config: { ...LONG, device: 'cpu' } });
    expect([made.step, made.curve.step.length]).toEqual([step, step]);
    await page.session.call('step', {});
    expect(page.run).toMatchObject({ state: 'paused', step: step + 1 });
  });

  test('for good: the same settings open a device anew', async () => {
    const { page, state, lose } = await onDevices();
    state.next = 'none';
    lose();
    await page.until((run) => run.state === 'failed');
    state.next = 'cpu';
    await page.session.call('configure', { config: LONG });
    await page.session.call('step', {});
    expect(page.run.step).toBe(1);
  });

  test('the rate that was set by hand after the snapshot holds', async () => {
    const { page, lose, end } = await onDevices();
    const step = await trainTo(page, 10);
    await page.session.call('setLearningRate', { rate: 0.125 });
    lose();
    await expect.poll(() => page.notices('device-lost').at(-1)).toMatch(`continues from step ${step}`);
    await page.session.call('step', {});
    expect(page.run.learningRate).toBe(0.125);
    end();
  });
});

describe('calls at once', () => {
  test('a reset while a pause is under way: the old run says nothing more', async () => {
    const page = new TestPage();
    await page.open(LONG);
    await page.session.call('train', {});
    await page.until(({ step }) => step > 5);
    await Promise.all([page.session.call('pause', {}), page.session.call('configure', { config: LONG })]);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(page.run).toMatchObject({ state: 'idle', step: 0, fresh: true });
    expect(page.notices('failed')).toEqual([]);
  });

  test('a checkpoint that is being saved when a reset comes is saved', async () => {
    const page = new TestPage();
    await page.open(LONG);
    await page.session.call('train', {});
    await page.until(({ step }) => step > 5);
    const [{ bytes }] = await Promise.all([
      page.session.call('saveCheckpoint', {}),
      page.session.call('configure', { config: LONG }),
    ]);
    expect(await page.session.call('load', { name: 'c.safetensors', bytes })).toMatchObject({ kind: 'checkpoint' });
    expect(page.run.step).toBeGreaterThan(5);
  });
});

describe('what fails half-way', () => {
  afterEach(() => void vi.restoreAllMocks());

  test('a run of which no copy can be made trains all the same, and says so once', async () => {
    vi.spyOn(State.prototype, 'entries').mockImplementation(() => {
      throw new RangeError('Array buffer allocation failed');
    });
    let ms = 0;
    const page = new TestPage({ now: () => (ms += 1000) });
    await page.open();
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    expect(page.notices('storage')).toEqual([expect.stringMatching(/no room for a copy of it: Array buffer/)]);
    await page.session.call('configure', { config: CLASSIC });
    await page.session.call('rangeTest', {});
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
  });

  test('a run that was made on other data is refused by name, and the present one stays', async () => {
    const page = new TestPage();
    await page.open(LONG);
    const step = await trainTo(page, 5);
    const { bytes } = await page.session.call('saveCheckpoint', {});
    const run = vi.spyOn(Trainer.prototype, 'run', 'get').mockReturnValue({ dataName: 'mnist' } as never);
    const refused = page.session.call('load', { name: 'c.safetensors', bytes });
    await expect(refused).rejects.toThrow(/trained on mnist, but the data here are digits/);
    run.mockRestore();
    await page.session.call('step', {});
    expect(page.run.step).toBe(step + 1);
  });

  test('settings that are refused leave the device as it was', async () => {
    const { page, state, end } = await onDevices();
    const { device: before } = await page.session.call('configure', { config: LONG });
    state.next = 'cpu';
    const wanted = { ...LONG, device: 'cpu', batch: 60_000 } as const;
    await expect(page.session.call('configure', { config: wanted })).rejects.toThrow(/60000/);
    const { device } = await page.session.call('configure', { config: LONG });
    expect(device.name).toBe(before.name);
    await page.session.call('step', {});
    end();
  });

  test('an earlier session that another tab is saving is not forgotten', async () => {
    const first = new TestPage();
    await first.open(LONG);
    const step = await trainTo(first, 10);
    const second = new TestPage({
      store: { ...first.store, read: () => first.store.read(), acquire: async () => false },
    });
    await second.open();
    expect(await second.session.call('savedSession', {})).toMatchObject({ step });
    await second.session.call('forgetSession', { which: 'earlier' });
    expect((first.store.value as RunSnapshot).step).toBe(step);
  });
});
