// IndexedDB with one record in it, and the lock that lets one tab write it.
import type { SnapshotStore } from './autosave.ts';

const [DATABASE, TABLE, KEY, LOCK] = ['thalweg', 'sessions', 'last', 'thalweg-autosave'];

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function open(): Promise<IDBDatabase> {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
  return answered(request);
}

/** Runs `work` on the table; its writes are durable when this resolves. */
async function within<T>(mode: IDBTransactionMode, work: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> {
  const database = await open();
  try {
    const transaction = database.transaction(TABLE, mode);
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error);
    });
    done.catch(() => {}); // a failed request is reported itself
    const result = await answered(work(transaction.objectStore(TABLE)));
    await done;
    return result;
  } finally {
    database.close();
  }
}

/** The browser's own. */
export function browserStore(): SnapshotStore {
  let held: Promise<boolean> | undefined;
  const acquire = () =>
    new Promise<boolean>((resolve, reject) => {
      if (!navigator.locks) return resolve(true);
      navigator.locks
        .request(LOCK, { ifAvailable: true }, (lock) => {
          resolve(lock !== null);
          // Held until the tab is closed.
          return lock ? new Promise<never>(() => {}) : undefined;
        })
        .catch(reject);
    });
  return {
    read: () => within('readonly', (table) => table.get(KEY)),
    write: async (value) => void (await within('readwrite', (table) => table.put(value, KEY))),
    remove: async () => void (await within('readwrite', (table) => table.delete(KEY))),
    async acquire() {
      held ??= acquire();
      const mine = await held;
      if (!mine) held = undefined; // The other tab may have been closed by the next time.
      return mine;
    },
  };
}
