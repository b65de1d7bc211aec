// The page's worker, driven in Node: a session on the CPU and on the test GPU, with a small set of digits and storage of its own.
import { beforeAll, describe, expect, test } from 'vitest';
import { type Config, PRESET_CONFIGS } from '../app/config.ts';
import type { RunFacts, WorkerEvent } from '../app/protocol.ts';
import type { SnapshotStore } from '../app/worker/autosave.ts';
import { Session, type Surroundings } from '../app/worker/session.ts';
import { createCpuBackend, type DataPair, datasets } from '../src/index.ts';

let digits: DataPair;
beforeAll(async () => {
  digits = await datasets.digits({ train: 640, test: 200 });
});

const CLASSIC: Config = { ...PRESET_CONFIGS.classic, data: 'digits', epochs: 4 };

/** Storage in memory. */
function memory(): SnapshotStore & { value: unknown } {
  return {
    value: undefined,
    async read() {
      return structuredClone(this.value);
    },
    async write(value) {
      this.value = structuredClone(value);
    },
    async remove() {
      this.value = undefined;
    },
    acquire: async () => true,
  };
}

class Page {
  readonly events: WorkerEvent[] = [];
  readonly session: Session;
  readonly store = memory();

  constructor(more: Partial<Surroundings> = {}) {
    this.session = new Session({
      post: (event) => void this.events.push(structuredClone(event)),
      createBackend: async () => createCpuBackend(),
      store: this.store,
      data: {
        mnist: () => Promise.reject(new Error('there is no network.')),
        digits: async () => digits,
        base: 'http://127.0.0.1:9/',
        online: false,
      },
      now: () => performance.now(),
      date: () => 1_700_000_000_000,
      ...more,
    });
  }

  get run(): RunFacts {
    return this.events.filter((event) => event.type === 'progress').at(-1)!.run;
  }

  notices(code: string): string[] {
    return this.events.flatMap((e) => (e.type === 'notice' && e.notice.code === code ? [e.notice.text] : []));
  }

  async open(config: Config = CLASSIC): Promise<void> {
    await this.session.call('open', { config });
    await this.session.call('configure', { config });
  }

  async until(holds: (run: RunFacts) => boolean): Promise<void> {
    await expect.poll(() => holds(this.run), { timeout: 30_000, interval: 10 }).toBe(true);
  }

  async losses(): Promise<number[]> {
    return [...(await this.session.call('metrics', {})).curve.loss];
  }
}

describe('training', () => {
  test('goes to the end, with a look at the test images at each epoch', async () => {
    const page = new Page();
    await page.open();
    expect(page.run).toMatchObject({ state: 'idle', step: 0, totalSteps: 80, stepsPerEpoch: 20 });
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    const { curve, tests } = await page.session.call('metrics', {});
    expect([...curve.step]).toEqual(Array.from({ length: 80 }, (_, k) => k + 1));
    expect(tests.filter(({ epoch }) => epoch > 0).map(({ step }) => step)).toEqual([20, 40, 60, 80]);
    const told = page.events.flatMap((event) => (event.type === 'progress' ? [...event.curve.step] : []));
    expect(told).toEqual([...curve.step]);
    await expect(page.session.call('train', {})).rejects.toThrow('all 4 epochs are made');
  });

  test('step, pause, train and reset: the same losses, bit for bit', async () => {
    const page = new Page();
    await page.open();
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
    await page.session.call('configure', { config: CLASSIC });
    expect(page.run).toMatchObject({ state: 'idle', step: 0 });
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    expect((await page.losses()).slice(0, first.length)).toEqual(first);
    await page.session.call('configure', { config: { ...CLASSIC, seed: 2 } });
    await page.session.call('step', {});
    expect((await page.losses())[0]).not.toBe(first[0]);
  });

  test('looks at the test images on the way change nothing', async () => {
    let ms = 0;
    const hasty = new Page({ now: () => (ms += 1000) });
    await hasty.open();
    await hasty.session.call('train', {});
    await hasty.until(({ state }) => state === 'done');
    const { tests } = await hasty.session.call('metrics', {});
    expect(tests.length).toBeGreaterThan(8);
    const page = new Page();
    await page.open();
    await page.session.call('train', {});
    await page.until(({ state }) => state === 'done');
    expect(await hasty.losses()).toEqual(await page.losses());
  });
});
