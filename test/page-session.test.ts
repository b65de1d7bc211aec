// The page's worker, driven in Node: training, pausing, single steps, beginning again.
import { describe, expect, test } from 'vitest';
import { CLASSIC, TestPage } from './page-worker.ts';

describe('training', () => {
  test('goes to the end, with a look at the test images at each epoch', async () => {
    const page = new TestPage();
    await page.open();
    expect(page.run).toMatchObject({ state: 'idle', step: 0, totalSteps: 80, stepsPerEpoch: 20 });
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    const { curve, tests } = await page.session.call('metrics', {});
    expect([...curve.step]).toEqual(Array.from({ length: 80 }, (_, k) => k + 1));
    expect(tests.filter(({ epoch }) => epoch > 0).map(({ step }) => step)).toEqual([20, 40, 60, 80]);
    const told = page.events.flatMap((event) => (event.type === 'progress' ? [...event.curve.step] : []));
    expect(told).toEqual([...curve.step]);
    await expect(page.session.call('train', {})).rejects.toThrow('all 4 epochs are complete');
  });

  test('step, pause, train and reset: the same losses, bit for bit', async () => {
    const page = new TestPage();
    const config = { ...CLASSIC, epochs: 60 };
    await page.open(config);
    for (let k = 1; k <= 3; k++) {
      await page.session.call('step', {});
      expect(page.run).toMatchObject({ state: 'paused', step: k });
    }
    await page.session.call('train', {});
    await page.until(({ step }) => step > 5);
    await page.session.call('pause', {});
    expect(page.run.state).toBe('paused');
    const first = await page.losses();
    expect(first.length).toBe(page.run.step);
    await page.session.call('configure', { config });
    expect(page.run).toMatchObject({ state: 'idle', step: 0 });
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    expect((await page.losses()).slice(0, first.length)).toEqual(first);
    await page.session.call('configure', { config: { ...config, seed: 2 } });
    await page.session.call('step', {});
    expect((await page.losses())[0]).not.toBe(first[0]);
  });

  test('what was asked for last holds, however fast it was asked', async () => {
    const page = new TestPage();
    await page.open({ ...CLASSIC, epochs: 1000 });
    const { session } = page;
    await session.call('train', {});
    await page.until(({ step }) => step > 5);
    const survey = { n: 3, directions: 'random', extent: 1, images: 200 } as const;
    await Promise.all([session.call('pause', {}), session.call('landscape', survey)]);
    expect(page.run.state).toBe('paused');
    await session.call('train', {});
    await Promise.all([session.call('pause', {}), session.call('train', {})]);
    const { step, state } = page.run;
    expect(state).toBe('running');
    await page.until((run) => run.step > step + 5);
    await Promise.all([session.call('landscape', survey), session.call('pause', {})]);
    expect(page.run.state).toBe('paused');
    await session.call('train', {});
    await session.call('landscape', survey);
    expect(page.run.state).toBe('running');
    await session.call('pause', {});
  });

  test('looks at the test images on the way change nothing', async () => {
    let ms = 0;
    const hasty = new TestPage({ now: () => (ms += 1000) });
    await hasty.open();
    await hasty.session.call('train', {});
    await hasty.until(({ state }) => state === 'done');
    const { tests } = await hasty.session.call('metrics', {});
    expect(tests.length).toBeGreaterThan(8);
    const page = new TestPage();
    await page.open();
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    expect(await hasty.losses()).toEqual(await page.losses());
  });
});
