// The page offline: all files of this build are cached at the first load and served from the cache. It ignores data and other origins:
// the engine's worker caches those itself.

declare const FILES: readonly string[];
declare const VERSION: string;

/** The global of a service worker, which the DOM's types lack. */
interface Scope extends EventTarget {
  readonly registration: { readonly scope: string };
  readonly clients: { claim(): Promise<void> };
  skipWaiting(): Promise<void>;
}
interface Extendable extends Event {
  readonly request: Request;
  waitUntil(work: Promise<unknown>): void;
  respondWith(response: Promise<Response>): void;
}

const scope = globalThis as unknown as Scope;
// Other copies of the page on this origin have caches of their own.
const PREFIX = `thalweg-page ${scope.registration.scope} `;
const CACHE = PREFIX + VERSION;
const addressOf = (file: string) => new URL(file, scope.registration.scope).href;
const PAGE = () => addressOf('index.html');

async function install(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((file) => new Request(addressOf(file), { cache: 'reload' })));
  await scope.skipWaiting();
}

async function activate(): Promise<void> {
  const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
  await scope.clients.claim();
}

/** A file cached by this build; other caches of the origin, of older builds and other pages, are not used. */
async function kept(request: Request | string): Promise<Response | undefined> {
  return (await caches.open(CACHE)).match(request);
}

/** The newest page if there is a network, since it names the files; otherwise the cached one. */
async function page(request: Request): Promise<Response> {
  try {
    const response = await fetch(request);
    // The cache replaces only failures of the server: redirections must be followed, and a missing page is not this page.
    return response.status >= 500 ? ((await kept(PAGE())) ?? response) : response;
  } catch (error) {
    const found = await kept(PAGE());
    if (found) return found;
    throw error;
  }
}

async function file(request: Request): Promise<Response> {
  return (await kept(request)) ?? fetch(request);
}

scope.addEventListener('install', (event) => (event as Extendable).waitUntil(install()));
scope.addEventListener('activate', (event) => (event as Extendable).waitUntil(activate()));
scope.addEventListener('fetch', (event) => {
  const { request } = event as Extendable;
  const { href } = new URL(request.url);
  if (request.method !== 'GET') return;
  if (request.mode === 'navigate') (event as Extendable).respondWith(page(request));
  else if (FILES.some((name) => addressOf(name) === href)) (event as Extendable).respondWith(file(request));
});
