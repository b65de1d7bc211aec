// The service worker without a browser: it answers from the cache of its own build and from no other of the origin.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';

const SCOPE = 'https://example.org/page/';
const [PAGE, FILE] = [`${SCOPE}index.html`, `${SCOPE}assets/main.js`];
const listeners = new Map<string, (event: unknown) => void>();
const stores = new Map<string, Map<string, string>>();
let online = true;

const urlOf = (request: string | { url: string }) => (typeof request === 'string' ? request : request.url);
function answerOf(store: ReadonlyMap<string, string>, request: string | { url: string }): Response | undefined {
  const text = store.get(urlOf(request));
  return text === undefined ? undefined : new Response(text);
}
const caches = {
  async open(name: string) {
    const store = stores.get(name) ?? new Map<string, string>();
    stores.set(name, store);
    return {
      addAll: async (requests: Request[]) => {
        for (const { url } of requests) store.set(url, 'kept');
      },
      match: async (request: string | Request) => answerOf(store, request),
    };
  },
  match: async (request: string | Request) =>
    [...stores.values()].map((store) => answerOf(store, request)).find((found) => found),
  keys: async () => [...stores.keys()],
  delete: async (name: string) => stores.delete(name),
};

/** What the service worker answers a request by; undefined where it leaves it to the browser. */
async function fetched(url: string, mode = 'cors'): Promise<string | undefined> {
  let answer: Promise<Response> | undefined;
  const respondWith = (response: Promise<Response>) => {
    answer = response;
  };
  listeners.get('fetch')!({ request: { url, mode, method: 'GET' }, respondWith });
  return (await answer)?.text();
}

async function sent(event: string): Promise<void> {
  let work: Promise<unknown> | undefined;
  const waitUntil = (given: Promise<unknown>) => {
    work = given;
  };
  listeners.get(event)!({ waitUntil });
  await work;
}

beforeAll(async () => {
  const globals = {
    FILES: ['index.html', 'assets/main.js'],
    VERSION: '2',
    registration: { scope: SCOPE },
    clients: { claim: async () => {} },
    skipWaiting: async () => {},
    caches,
    addEventListener: (name: string, listener: (event: unknown) => void) => listeners.set(name, listener),
    fetch: async () => {
      if (!online) throw new TypeError('offline');
      return new Response('network');
    },
  };
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value);
  // Another program of the origin has its own idea of these addresses, and so has an older build.
  stores.set('another program', new Map([PAGE, FILE].map((url) => [url, 'foreign'])));
  stores.set(`thalweg-page ${SCOPE} 1`, new Map([[FILE, 'old']]));
  await import('../app/service-worker.ts');
});
afterAll(() => vi.unstubAllGlobals());

test('it answers from its own cache alone', async () => {
  expect(await fetched(FILE)).toBe('network');
  online = false;
  await expect(fetched(PAGE, 'navigate')).rejects.toThrow('offline');
  await sent('install');
  expect([await fetched(FILE), await fetched(PAGE, 'navigate')]).toEqual(['kept', 'kept']);
  online = true;
  expect([await fetched(FILE), await fetched(PAGE, 'navigate')]).toEqual(['kept', 'network']);
  expect(await fetched(`${SCOPE}data/other.bin`)).toBeUndefined();
  await sent('activate');
  expect([...stores.keys()]).toEqual(['another program', `thalweg-page ${SCOPE} 2`]);
});
