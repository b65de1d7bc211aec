// A session of the page's worker for tests in Node: on any backend, with a small set of digits, storage in memory, and all that
// it tells kept.
import { expect } from 'vitest';
import { type Config, PRESET_CONFIGS } from '../app/config.ts';
import type { RunFacts, WorkerEvent } from '../app/protocol.ts';
import type { SnapshotStore } from '../app/worker/autosave.ts';
import { Session, type Surroundings } from '../app/worker/session.ts';
import { createCpuBackend, type DataPair, datasets } from '../src/index.ts';

let digits: Promise<DataPair> | undefined;
/** 640 to train on, 200 to test. */
export function fewDigits(): Promise<DataPair> {
  digits ??= datasets.digits({ train: 640, test: 200 });
  return digits;
}

export const CLASSIC: Config = { ...PRESET_CONFIGS.classic, data: 'digits', epochs: 4 };

/** Storage in memory. */
export function memory(): SnapshotStore & { value: unknown } {
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

export class TestPage {
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
        digits: fewDigits,
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
