// The page's worker when something goes wrong, and what it keeps: divergence, saturation, lost devices, files and sessions.
import { describe, expect, test } from 'vitest';
import { type Config, PRESET_CONFIGS } from '../app/config.ts';
import { warningNotice } from '../app/worker/notices.ts';
import type { RunSnapshot } from '../app/worker/run.ts';
import { Backend } from '../src/backend.ts';
import { GpuExecutor } from '../src/compile/executor.ts';
import { createCpuBackend } from '../src/index.ts';
import { openDevice } from './gpu-node.ts';
import { CLASSIC, memory, TestPage } from './page-worker.ts';

const MLP: Config = {
  ...PRESET_CONFIGS.mlp,
  data: 'digits',
  batch: 32,
  optimizer: 'sgd',
  schedule: 'constant',
  lr: 0.1,
};

describe('a rate that is too large', () => {
  test('overflows: the weights stay those before the bad step, and training goes on from them', async () => {
    const page = new TestPage();
    await page.open(MLP);
    for (let k = 0; k < 5; k++) await page.session.call('step', {});
    const { weights: before } = await page.session.call('inside', {});
    await page.session.call('setLearningRate', { rate: 1e30 });
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'diverged');
    await expect.poll(() => page.notices('diverged')).toHaveLength(1);
    expect(page.notices('diverged')[0]).toMatch(
      /^Diverged at step 7\. The numbers overflowed.* so they are back to step 5\./,
    );
    const { weights: after } = await page.session.call('inside', {});
    expect(after.data).toEqual(before.data);
    const at = page.run.step;
    expect(at).toBe(5);
    await page.session.call('setLearningRate', { rate: 0.1 });
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    expect(page.run.step).toBe(100);
    expect(page.run.loss).toBeLessThan(1.5);
  });

  test('saturates: a warning that says why', async () => {
    const page = new TestPage();
    await page.open({ ...CLASSIC, lr: 100, schedule: 'constant', batch: 2 });
    await page.session.call('train', {});
    await expect.poll(() => page.notices('not-learning'), { timeout: 30_000 }).toHaveLength(1);
    expect(page.notices('not-learning')[0]).toMatch(/units are saturated/);
    await page.session.call('pause', {});
  });
});

test('a warning of another kind is shown as it is', () => {
  const message = 'The loss has diverged.';
  expect(warningNotice({ type: 'warning', code: 'diverged', step: 3, message }, MLP)).toEqual({
    code: 'info',
    level: 'warning',
    text: message,
  });
});

describe('refusals leave everything as it was', () => {
  test.each<[string, Partial<Config>, RegExp]>([
    ['a batch larger than the data', { batch: 641 }, /^batch: 641 is more than the 640 training images/],
    ['a network larger than a page should hold', { hidden: [8192, 8192, 8192] }, /^network: its weights.* 1024 MiB/],
  ])('%s', async (_, more, says) => {
    const page = new TestPage();
    await page.open();
    await page.session.call('step', {});
    await expect(page.session.call('configure', { config: { ...CLASSIC, ...more } })).rejects.toThrow(says);
    await page.session.call('step', {});
    expect(page.run).toMatchObject({ state: 'paused', step: 2 });
  });

  test('calls before anything is open, and calls that there are none of', async () => {
    const page = new TestPage();
    await expect(page.session.call('train', {})).rejects.toThrow('there is no network yet');
    await expect(page.session.call('toString' as 'train', {})).rejects.toThrow('call toString is unknown');
  });
});

describe('files', () => {
  test('a checkpoint brings the run back, bit for bit, with its curve', async () => {
    const page = new TestPage();
    await page.open();
    for (let k = 0; k < 4; k++) await page.session.call('step', {});
    const { name, bytes } = await page.session.call('saveCheckpoint', {});
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    const whole = await page.losses();
    const other = new TestPage();
    await other.open(MLP);
    const loaded = await other.session.call('load', { name, bytes });
    expect(loaded).toMatchObject({ kind: 'checkpoint', step: 4, config: { preset: 'classic' } });
    expect([...loaded.curve.loss]).toEqual(whole.slice(0, 4));
    await other.session.call('train', {});
    await other.until(({ state }) => state === 'done');
    expect(await other.losses()).toEqual(whole);
  });

  test('weights of another network make the page that network', async () => {
    const page = new TestPage();
    await page.open({ ...MLP, hidden: [12, 7], activation: 'tanh' });
    await page.session.call('step', {});
    const { name, bytes } = await page.session.call('saveWeights', {});
    const { weights } = await page.session.call('inside', {});
    const other = new TestPage();
    await other.open();
    const loaded = await other.session.call('load', { name, bytes });
    expect(loaded).toMatchObject({ kind: 'weights', step: 0, config: { hidden: [12, 7], activation: 'tanh' } });
    expect((await other.session.call('inside', {})).weights.data).toEqual(weights.data);
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['holiday.jpg', Uint8Array.of(255, 216, 255, 224, 1, 2, 3, 4, 5, 6), /^holiday\.jpg: /],
    ['empty.safetensors', new Uint8Array(0), /^empty\.safetensors: /],
  ])('%s is refused by name, and the run stays', async (name, bytes, says) => {
    const page = new TestPage();
    await page.open();
    await page.session.call('step', {});
    await expect(page.session.call('load', { name, bytes })).rejects.toThrow(says);
    await page.session.call('step', {});
    expect(page.run.step).toBe(2);
  });
});

describe('the last session', () => {
  test('is saved at a pause, summed up, resumed and forgotten', async () => {
    const page = new TestPage();
    await page.open();
    await page.session.call('train', {});
    await page.until(({ step }) => step > 10);
    await page.session.call('pause', {});
    const { step } = page.run;
    await expect.poll(() => (page.store.value as RunSnapshot | undefined)?.step).toBe(step);
    const before = await page.losses();
    const next = new TestPage({ store: page.store });
    await next.open(MLP);
    expect(await next.session.call('savedSession', {})).toMatchObject({ step, savedAt: 1_700_000_000_000 });
    expect(await next.session.call('resumeSession', {})).toMatchObject({ step, config: CLASSIC });
    expect(await next.losses()).toEqual(before);
    await next.session.call('forgetSession', { which: 'earlier' });
    expect(await next.session.call('savedSession', {})).toBeUndefined();
    await expect(next.session.call('resumeSession', {})).rejects.toThrow('nothing to resume');
  });

  test('stays at hand when another is saved over it', async () => {
    const page = new TestPage();
    await page.open();
    for (let k = 0; k < 3; k++) await page.session.call('step', {});
    await page.session.call('train', {});
    await page.session.call('pause', {});
    const { step } = page.run;
    await expect.poll(() => (page.store.value as RunSnapshot | undefined)?.step).toBe(step);
    const next = new TestPage({ store: page.store });
    await next.open(MLP);
    await next.session.call('train', {});
    await next.until((run) => run.step > 10);
    await next.session.call('pause', {});
    const { step: over } = next.run;
    await expect.poll(() => (page.store.value as RunSnapshot | undefined)?.step).toBe(over);
    expect(await next.session.call('savedSession', {})).toMatchObject({ step, config: CLASSIC });
    expect(await next.session.call('resumeSession', {})).toMatchObject({ step, config: CLASSIC });
    await next.session.call('forgetSession', { which: 'earlier' });
    expect(await next.session.call('savedSession', {})).toBeUndefined();
    expect((page.store.value as RunSnapshot).step).toBe(over);
    await next.session.call('forgetSession', { which: 'stored' });
    expect(page.store.value).toBeUndefined();
  });

  test.each<[string, string, () => Promise<boolean>, RegExp]>([
    ['another tab', 'other-tab', async () => false, /Another tab/],
    ['storage that is denied', 'storage', () => Promise.reject(new DOMException('no', 'SecurityError')), /denied/],
    ['storage that is full', 'storage', () => Promise.reject(new DOMException('no', 'QuotaExceededError')), /full/],
  ])('%s is said once, and training goes on', async (_, code, acquire, says) => {
    const page = new TestPage({ store: { ...memory(), acquire } });
    await page.open({ ...CLASSIC, epochs: 1000 });
    for (let round = 1; round <= 2; round++) {
      await page.session.call('train', {});
      await page.until(({ step }) => step > 10 * round);
      await page.session.call('pause', {});
    }
    expect(page.notices(code)).toHaveLength(1);
    expect(page.notices(code)[0]).toMatch(says);
  });

  test('what was saved by a page that no longer fits is no session', async () => {
    const page = new TestPage();
    page.store.value = { config: { preset: 'gone' }, step: 3, bytes: new Uint8Array(4), savedAt: 1 };
    await page.open();
    expect(await page.session.call('savedSession', {})).toBeUndefined();
  });
});

/** A GPU backend of its own, which a test may destroy. */
async function gpu(): Promise<{ backend: Backend; destroy(): void }> {
  const opened = await openDevice();
  const adapter = { name: opened.report.name, software: opened.report.software };
  const backend = new Backend(new GpuExecutor(opened), adapter, [], opened.report);
  return { backend, destroy: () => opened.device.destroy() };
}

describe('on a GPU', () => {
  test('a lost device: said, replaced, and gone on from the last snapshot with the same losses', async () => {
    const made: Awaited<ReturnType<typeof gpu>>[] = [];
    const createBackend = async () => {
      made.push(await gpu());
      return made.at(-1)!.backend;
    };
    const page = new TestPage({ createBackend });
    await page.open({ ...CLASSIC, epochs: 10 });
    await page.session.call('train', {});
    await page.until(({ step }) => step > 10);
    await page.session.call('pause', {});
    const { step } = page.run;
    const before = await page.losses();
    await page.session.call('train', {});
    made[0]!.destroy();
    await expect.poll(() => made.length, { timeout: 30_000 }).toBe(2);
    await page.until(({ state }) => state === 'done');
    expect(page.notices('device-lost').at(-1)).toContain(`Training continues from step ${step}`);
    const losses = await page.losses();
    expect(losses).toHaveLength(200);
    expect(losses.slice(0, step)).toEqual(before);
    const restored = page.events.find((event) => event.type === 'restored');
    expect(restored?.type === 'restored' && [...restored.curve.step]).toHaveLength(step);
    for (const { backend } of made) backend.dispose();
  });

  test('a device lost for good: that is said, and the run has ended', async () => {
    const { backend, destroy } = await gpu();
    let [opened, working] = [0, true];
    const createBackend = async () => {
      if (opened++ > 0 && working) throw new Error('there is no other adapter.');
      return working ? backend : createCpuBackend();
    };
    const page = new TestPage({ createBackend });
    await page.open();
    await page.session.call('train', {});
    await page.until(({ step }) => step > 5);
    destroy();
    await page.until(({ state }) => state === 'failed');
    expect(page.notices('device-lost').at(-1)).toMatch(/lost again.*Choose the CPU/);
    working = false;
    await page.session.call('configure', { config: { ...CLASSIC, device: 'cpu' } });
    await page.session.call('step', {});
    expect(page.run.step).toBe(1);
  });

  test('weights that were read are there again after the device was lost before their first step', async () => {
    const made: Awaited<ReturnType<typeof gpu>>[] = [];
    const createBackend = async () => {
      made.push(await gpu());
      return made.at(-1)!.backend;
    };
    const page = new TestPage({ createBackend });
    await page.open();
    for (let k = 0; k < 5; k++) await page.session.call('step', {});
    const { bytes } = await page.session.call('saveWeights', {});
    const { weights } = await page.session.call('inside', {});
    await page.session.call('configure', { config: { ...CLASSIC, seed: 9 } });
    expect(page.run.fresh).toBe(true);
    await page.session.call('load', { name: 'five.safetensors', bytes });
    expect(page.run.fresh).toBe(false);
    made[0]!.destroy();
    await expect.poll(() => page.notices('device-lost').at(-1)).toMatch(/continues from step 0/);
    expect((await page.session.call('inside', {})).weights.data).toEqual(weights.data);
    expect(page.run).toMatchObject({ fresh: false, step: 0 });
    made[1]!.backend.dispose();
  });

  test('memory that is full: the tensor is named with a smaller batch, which then trains', async () => {
    const opened = await openDevice();
    const { device, report } = opened;
    // What is larger than 100,000 bytes does not fit while a batch is being compiled.
    let [full, asked] = [false, 0];
    const createBuffer = device.createBuffer.bind(device);
    const popErrorScope = device.popErrorScope.bind(device);
    device.createBuffer = (wanted) => {
      asked = wanted.size;
      return createBuffer(wanted);
    };
    device.popErrorScope = async () => {
      const refused = full && asked > 100_000;
      return (await popErrorScope()) ?? (refused ? ({ message: 'full' } as GPUError) : null);
    };
    const backend = new Backend(new GpuExecutor(opened), { name: report.name, software: true }, [], report);
    const page = new TestPage({ createBackend: async () => backend });
    await page.open({ ...CLASSIC, batch: 64 });
    full = true;
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'failed');
    full = false;
    const [said] = page.notices('out-of-memory');
    expect(said).toMatch(/\w+: no memory for \d+ bytes\. .*Try a batch of 32\.$/);
    await page.session.call('configure', { config: { ...CLASSIC, batch: 32 } });
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    backend.dispose();
  });

  test('the race: the same losses and gradients on both sides, and the run goes on after it', async () => {
    const { backend } = await gpu();
    const page = new TestPage({ createBackend: async () => backend });
    await page.open();
    await page.session.call('step', {});
    const { cpu, gpu: other, ...apart } = await page.session.call('race', { steps: 30 });
    expect([cpu.losses.length, other.losses.length]).toEqual([30, 30]);
    expect(apart.lossDifference).toBeLessThan(1e-3);
    expect(apart.gradientDifference).toBeLessThan(1e-4);
    expect(apart.gradientDifference).toBeGreaterThan(0);
    expect(cpu.imagesPerSecond).toBeGreaterThan(0);
    expect(page.run).toMatchObject({ state: 'paused', step: 1 });
    backend.dispose();
  });

  test('without a GPU the race is refused, with the reason', async () => {
    const page = new TestPage();
    await page.open();
    await expect(page.session.call('race', { steps: 30 })).rejects.toThrow('there is no GPU to race against');
  });
});

describe('looking', () => {
  test('the landscape has the present loss in its middle and the path ends there', async () => {
    const page = new TestPage();
    await page.open();
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    const { losses, path, pathSteps, images } = await page.session.call('landscape', {
      n: 5,
      directions: 'random',
      extent: 1,
      images: 200,
    });
    expect(images).toBe(200);
    expect(losses.data[12]).toBeCloseTo(page.run.validation!.loss, 4);
    expect(pathSteps.at(-1)).toBe(80);
    expect([...path.data.slice(-2)].map((v) => Math.abs(v) < 1e-6)).toEqual([true, true]);
    expect(pathSteps.length).toBeGreaterThan(3);
    const way = await page.session.call('landscape', { n: 3, directions: 'path', extent: 1, images: 200 });
    expect(way.losses.data[4]).toBeCloseTo(page.run.validation!.loss, 4);
    const reach = (axis: number) => Math.max(...way.path.data.filter((_, i) => i % 2 === axis).map(Math.abs));
    expect([reach(0), reach(1)]).toEqual([expect.closeTo(1, 3), expect.closeTo(1, 3)]);
  });

  test('a survey, a race and a range test end where they are cancelled, and by a reset; the run goes on', async () => {
    const { backend } = await gpu();
    const page = new TestPage({ createBackend: async () => backend });
    await page.open();
    await page.session.call('step', {});
    const long = [
      () => page.session.call('landscape', { n: 999, directions: 'random', extent: 1, images: 200 }),
      () => page.session.call('race', { steps: 10_000 }),
      () => page.session.call('rangeTest', {}),
    ];
    for (const begin of long) {
      const ended = expect(begin()).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
      await new Promise((resolve) => setTimeout(resolve, 50));
      await page.session.call('cancel', {});
      await ended;
      await page.session.call('step', {});
    }
    expect(page.run.step).toBe(4);
    const lanes = page.events.flatMap((event) => (event.type === 'race' ? [event.gpu?.steps ?? 0] : []));
    expect(Math.max(0, ...lanes)).toBeLessThan(10_000);
    const ended = expect(long[0]!()).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await page.session.call('configure', { config: CLASSIC });
    await ended;
    expect(page.run).toMatchObject({ state: 'idle', step: 0 });
    backend.dispose();
  });

  test('the confusion matrix counts every test image, and its cells have the images behind them', async () => {
    const page = new TestPage();
    await page.open();
    await page.session.call('step', {});
    const { counts, size } = await page.session.call('confusion', {});
    expect(size).toBe(200);
    expect(counts.flat().reduce((a, b) => a + b)).toBe(200);
    const [label, taken] = [3, counts[3]!.indexOf(Math.max(...counts[3]!))];
    const behind = await page.session.call('examples', { label, taken, count: 500 });
    expect(behind).toHaveLength(counts[label]![taken]!);
    const worst = await page.session.call('examples', { count: 5 });
    const losses = worst.map(({ loss }) => loss);
    expect(losses).toEqual([...losses].sort((a, b) => b - a));
  });

  test('a drawn digit goes through all layers', async () => {
    const page = new TestPage();
    await page.open();
    const pixels = Float32Array.from({ length: 784 }, (_, i) => (i % 28 > 12 && i % 28 < 16 ? 255 : 0));
    const { layers, gradients } = await page.session.call('inside', { pixels });
    expect(layers.map(({ name, activations }) => [name, activations.length])).toEqual([
      ['hidden1', 16],
      ['hidden2', 16],
      ['out', 10],
    ]);
    expect(layers[0]!.activations.every((a) => a > 0 && a < 1)).toBe(true);
    expect(gradients.map(({ path }) => path)).toContain('out.bias');
    const { probabilities, digit } = await page.session.call('predict', { pixels });
    expect(probabilities.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(probabilities[digit]).toBe(Math.max(...probabilities));
  });

  test('the range test puts everything back', async () => {
    const page = new TestPage();
    await page.open(MLP);
    await page.session.call('step', {});
    const { rates, smoothed } = await page.session.call('rangeTest', {});
    expect(rates.length).toBe(smoothed.length);
    expect(rates.length).toBeGreaterThan(20);
    await page.session.call('step', {});
    const plain = new TestPage();
    await plain.open(MLP);
    for (let k = 0; k < 2; k++) await plain.session.call('step', {});
    expect(await page.losses()).toEqual(await plain.losses());
  });
});

describe('the lessons', () => {
  test('on the curve a step takes w to (1 - rate) w', async () => {
    const page = new TestPage();
    const params = { on: 'curve', optimizer: 'sgd', steps: 6, start: [4] } as const;
    const { positions, losses } = await page.session.call('descend', { ...params, lr: 0.25 });
    expect([...positions.data]).toEqual(Array.from({ length: 7 }, (_, k) => Math.fround(4 * 0.75 ** k)));
    expect(losses[0]).toBe(8);
    const wild = await page.session.call('descend', { ...params, lr: 1000, steps: 40 });
    expect(wild.divergedAt).toBe(2);
  });

  test('in the valley plain descent stays in the local minimum that momentum passes', async () => {
    const page = new TestPage();
    const params = { on: 'valley', lr: 0.1, steps: 150, start: [-2.4, 2] } as const;
    const [plain, momentum] = await Promise.all([
      page.session.call('descend', { ...params, optimizer: 'sgd' }),
      page.session.call('descend', { ...params, optimizer: 'momentum' }),
    ]);
    expect(plain.positions.data.at(-2)).toBeLessThan(-1);
    expect(momentum.positions.data.at(-2)).toBeGreaterThan(0.5);
    expect(momentum.losses.at(-1)).toBeLessThan(plain.losses.at(-1)!);
  });
});
