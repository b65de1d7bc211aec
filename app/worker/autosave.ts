// The last session, saved in IndexedDB by the worker itself. One tab at a time holds the write lock; denied or full storage is reported
// once, and training continues. An earlier session stays available in memory after this one overwrites it.
import { readConfig } from '../config.ts';
import type { Notice, SavedSession } from '../protocol.ts';
import { asSavedRecord } from './record.ts';
import type { RunSnapshot } from './run.ts';

/** The store of one snapshot; tests bring their own. */
export interface SnapshotStore {
  read(): Promise<unknown>;
  write(value: unknown): Promise<void>;
  remove(): Promise<void>;
  /** Whether this tab may write: once true, true for as long as the tab lives. */
  acquire(): Promise<boolean>;
}

interface Saved extends RunSnapshot {
  readonly savedAt: number;
}

export class Autosave {
  readonly #store: SnapshotStore;
  readonly #say: (notice: Notice) => void;
  readonly #said = new Set<string>();
  #writing: Promise<void> | undefined;
  #next: Saved | undefined;
  /** The content of the store before this session's first write, which replaced it. */
  #earlier: { readonly saved: Saved | undefined } | undefined;

  constructor(store: SnapshotStore, say: (notice: Notice) => void) {
    this.#store = store;
    this.#say = say;
  }

  /** Writes a snapshot, or the newest of those requested during a write. Returns whether it was written. */
  async save(snapshot: RunSnapshot, savedAt: number): Promise<boolean> {
    this.#next = { ...snapshot, savedAt };
    if (this.#writing) return false;
    let written = false;
    this.#writing = (async () => {
      while (this.#next) {
        const value = this.#next;
        this.#next = undefined;
        written = await this.#write(value);
      }
    })();
    await this.#writing;
    this.#writing = undefined;
    return written;
  }

  async #write(value: Saved): Promise<boolean> {
    try {
      if (!(await this.#store.acquire())) {
        this.#once(
          'other-tab',
          'Another tab is already training here and saves its session. This one is not saved automatically: save its weights by hand.',
        );
        return false;
      }
      this.#earlier ??= { saved: await this.read() };
      await this.#store.write(value);
      return true;
    } catch (error) {
      this.#once(
        'storage',
        `The session cannot be saved in this browser: ${reasonOf(error)} Training continues; save the weights by hand.`,
      );
      return false;
    }
  }

  #once(code: 'other-tab' | 'storage', text: string): void {
    if (this.#said.has(code)) return;
    this.#said.add(code);
    this.#say({ code, level: 'warning', text });
  }

  /** The earlier session's save, if it can be read. */
  async read(): Promise<Saved | undefined> {
    if (this.#earlier) return this.#earlier.saved;
    try {
      return asSaved(await this.#store.read());
    } catch {
      return undefined;
    }
  }

  async summary(): Promise<SavedSession | undefined> {
    const saved = await this.read();
    if (!saved) return undefined;
    const { savedAt, config, step, record } = saved;
    return { savedAt, config, step, testAccuracy: record.tests.at(-1)?.accuracy };
  }

  /** Forgets the earlier session, or all that is stored. */
  async forget(which: 'earlier' | 'stored'): Promise<void> {
    if (which === 'earlier' && this.#earlier) {
      this.#earlier = { saved: undefined };
      return;
    }
    if (!(await this.#store.acquire())) return; // It belongs to another tab.
    this.#next = undefined;
    await this.#writing;
    await this.#store.remove();
  }
}

/** A saved session of this or an older page; undefined if it is no longer valid. */
function asSaved(value: unknown): Saved | undefined {
  const { config, step, bytes, record, elapsedMs, savedAt } = (value ?? {}) as Partial<Record<keyof Saved, unknown>>;
  const points = asSavedRecord(record);
  if (typeof step !== 'number' || typeof savedAt !== 'number' || !(bytes instanceof Uint8Array) || !points)
    return undefined;
  return { config: readConfig(config), step, bytes, record: points, elapsedMs: Number(elapsedMs) || 0, savedAt };
}

function reasonOf(error: unknown): string {
  const { name, message } = error as Partial<Error>;
  if (name === 'QuotaExceededError') return 'its storage is full.';
  if (name === 'SecurityError') return 'storage is denied to this page.';
  return /[.!]$/.test(message ?? '') ? message! : `${message || name || error}.`;
}
