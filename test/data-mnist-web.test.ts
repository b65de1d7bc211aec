// MNIST as pages load it: from a folder of their own site or from mirrors, checked, and kept in a cache. A server on 127.0.0.1
// plays the hosts, and a Map the browser's cache.
import { createHash } from 'node:crypto';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { mnist, type WebMnistOptions } from '../src/data/mnist-web.ts';
import type { WebCache } from '../src/data/web-fetch.ts';

/** Images 1 x 2 and labels, as mirrors hold them. */
const CONTENT: Record<string, Buffer> = {
  't10k-labels-idx1-ubyte.gz': gzipSync(Buffer.of(0, 0, 8, 1, 0, 0, 0, 1, 9)),
  'train-labels-idx1-ubyte.gz': gzipSync(Buffer.of(0, 0, 8, 1, 0, 0, 0, 2, 3, 4)),
  't10k-images-idx3-ubyte.gz': gzipSync(Buffer.of(0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 5, 6)),
  'train-images-idx3-ubyte.gz': gzipSync(Buffer.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4)),
};
const NAMES = Object.keys(CONTENT);
const FILES = Object.entries(CONTENT).map(([name, content]) => ({
  name,
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
}));
const TOTAL = FILES.reduce((sum, { bytes }) => sum + bytes, 0);

type Answer = (response: ServerResponse, name: string) => void;
const good: Answer = (response, name) =>
  CONTENT[name] ? response.writeHead(200).end(CONTENT[name]) : response.writeHead(404).end('no');
const ANSWERS: Record<string, Answer> = {
  good,
  plain: (response, name) =>
    CONTENT[`${name}.gz`] ? response.end(gunzipSync(CONTENT[`${name}.gz`]!)) : response.writeHead(404).end('no'),
  /** What hosts of single pages answer for anything that they do not have. */
  fallback: (response, name) =>
    name.endsWith('.gz') ? response.end('<!doctype html>') : ANSWERS['plain']!(response, name),
  missing: (response) => response.writeHead(404).end('no'),
  short: (response, name) => response.end(CONTENT[name]!.subarray(0, 9)),
  wrong: (response, name) => response.end(Buffer.alloc(CONTENT[name]!.length, 7)),
  long: (response, name) => response.end(Buffer.concat([CONTENT[name]!, CONTENT[name]!])),
  silent: () => {},
  stalled: (response, name) => response.writeHead(200).write(CONTENT[name]!.subarray(0, 9)),
  cut: (response, name) => {
    response.writeHead(200, { 'content-length': CONTENT[name]!.length });
    response.write(CONTENT[name]!.subarray(0, 9), () => response.destroy());
  },
};

/** The Cache API, as far as it is used. */
class FakeCache implements WebCache {
  readonly kept = new Map<string, Uint8Array<ArrayBuffer>>();
  full = false;
  async keys() {
    return [...this.kept.keys()].map((url) => ({ url }));
  }
  async match(url: string) {
    const bytes = this.kept.get(url);
    return bytes && new Response(bytes);
  }
  async put(url: string, response: Response) {
    if (this.full) throw new DOMException('no space', 'QuotaExceededError');
    this.kept.set(url, new Uint8Array(await response.arrayBuffer()));
  }
  async delete(url: string) {
    return this.kept.delete(url);
  }
}

let server: Server;
let asked: string[] = [];
let cache: FakeCache;
const host = () => `127.0.0.1:${(server.address() as AddressInfo).port}`;
const folder = (kind: string) => `http://${host()}/${kind}/`;
const from = (...kinds: string[]): WebMnistOptions => ({ mirrors: kinds.map(folder), files: FILES, timeoutMs: 10_000 });

beforeAll(async () => {
  server = createServer((request, response) => {
    const [, kind, name] = request.url!.split('/');
    asked.push(`${kind}/${name}`);
    ANSWERS[kind!]!(response, name!);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  asked = [];
  cache = new FakeCache();
  vi.stubGlobal('caches', { open: async (name: string) => (name === 'thalweg-data' ? cache : undefined) });
});
afterEach(() => vi.unstubAllGlobals());

const numbers = ({ train, test }: Awaited<ReturnType<typeof mnist>>) => [
  ...[...train.x.data, ...train.y.data],
  ...[...test.x.data, ...test.y.data],
];
const RIGHT = [1, 2, 3, 4, 3, 4, 5, 6, 9];

describe('mnist for pages', () => {
  it('comes from a mirror, tells how far it is, and is kept', async () => {
    const progress: number[][] = [];
    const data = await mnist({ ...from('good'), onProgress: (...call) => progress.push(call) });
    expect(numbers(data)).toEqual(RIGHT);
    expect([data.train.name, data.train.classes, data.source]).toEqual(['mnist', 10, `MNIST, from ${host()}.`]);
    expect(progress.at(-1)).toEqual([TOTAL, TOTAL]);
    expect(progress.map(([done]) => done)).toEqual(progress.map(([done]) => done).sort((a, b) => a! - b!));
    expect([...cache.kept.keys()]).toEqual(NAMES.map((name) => `${folder('good')}${name}`));
    asked = [];
    const again = await mnist({ mirrors: [], files: FILES });
    expect([numbers(again), asked, again.source]).toEqual([RIGHT, [], "MNIST, from the browser's cache."]);
    const images = await mnist({ mirrors: [], files: FILES, images: true });
    expect([images.train.x.shape, again.train.x.shape, numbers(images)]).toEqual([[2, 1, 2, 1], [2, 2], RIGHT]); // biome-ignore format: one line
  });

  it.each(['good', 'plain', 'fallback'])('comes from a folder of the page, %s files', async (kind) => {
    const options = { base: folder(kind).replace(/\/$/, ''), files: FILES };
    expect(numbers(await mnist(options))).toEqual(RIGHT);
    asked = [];
    expect(numbers(await mnist(options))).toEqual(RIGHT);
    expect(asked).toEqual([]);
  });

  it('takes another set from a folder, and keeps the two apart', async () => {
    const files = FILES.map((file) => ({ ...file, sha256: '0', bytes: file.bytes + 1 }));
    expect(numbers(await mnist({ base: folder('good'), files }))).toEqual(RIGHT);
    await expect(mnist({ mirrors: [], files })).rejects.toThrow(/is not in the cache, and no host was given/);
    expect(cache.kept.size).toBe(4);
  });

  it.each([
    ['missing', 'HTTP 404 Not Found'],
    ['short', 'truncated: expected 29 bytes, got 9'],
    ['wrong', /wrong checksum: expected [0-9a-f]{12}…, got [0-9a-f]{12}…/],
    ['long', 'expected 29 bytes, got more'],
    ['cut', /the connection broke after \d+ bytes/],
  ])('says that a host is %s, and goes on to the next', async (kind, reason) => {
    const failed = mnist(from(kind));
    await expect(failed).rejects.toThrow(reason);
    await expect(failed).rejects.toMatchObject({ name: 'DataError', message: expect.stringContaining(`(${host()}: `) });
    await expect(failed).rejects.toThrow(/^mnist: t10k-labels-idx1-ubyte\.gz: .* or use the synthetic digits\.$/);
    expect(cache.kept.size).toBe(0);
    asked = [];
    expect(numbers(await mnist(from(kind, 'good')))).toEqual(RIGHT);
    expect(asked.slice(0, 3)).toEqual([`${kind}/${NAMES[0]}`, `good/${NAMES[0]}`, `good/${NAMES[1]}`]);
  });

  it.each(['silent', 'stalled'])('waits no longer than it is told for a %s host', async (kind) => {
    await expect(mnist({ ...from(kind), timeoutMs: 60 })).rejects.toThrow('no answer for 0.06 s');
  });

  it('says that a host may forbid it where the browser does not tell', async () => {
    const options = { mirrors: ['http://127.0.0.1:1/'], files: FILES };
    await expect(mnist(options)).rejects.toThrow('127.0.0.1:1: the host does not allow it or cannot be reached');
  });

  it('removes a damaged file from the cache and gets it again', async () => {
    await mnist(from('good'));
    const url = `${folder('good')}${NAMES[2]}`;
    cache.kept.set(url, cache.kept.get(url)!.slice(0, 20));
    asked = [];
    expect(numbers(await mnist(from('good')))).toEqual(RIGHT);
    expect([asked, cache.kept.get(url)!.length]).toEqual([[`good/${NAMES[2]}`], CONTENT[NAMES[2]!]!.length]);
    cache.kept.set(url, cache.kept.get(url)!.slice(0, 20));
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('Failed to fetch')));
    await expect(mnist(from('good'))).rejects.toThrow(`${host()}: the host does not allow it or cannot be reached`);
    expect(cache.kept.has(url)).toBe(false);
    vi.unstubAllGlobals();
    vi.stubGlobal('caches', { open: async () => cache });
    const own = { base: folder('good'), files: FILES };
    cache.kept.set(url, Uint8Array.of(0x1f, 0x8b, 0, 0));
    expect(numbers(await mnist(own))).toEqual(RIGHT);
    expect(cache.kept.get(url)!.length).toBe(CONTENT[NAMES[2]!]!.length);
  });

  it('works without a cache: none, denied, full, or not wanted', async () => {
    cache.full = true;
    expect(numbers(await mnist(from('good')))).toEqual(RIGHT);
    cache.full = false;
    expect(numbers(await mnist({ ...from('good'), cache: false }))).toEqual(RIGHT);
    expect(cache.kept.size).toBe(0);
    vi.stubGlobal('caches', { open: () => Promise.reject(new DOMException('denied', 'SecurityError')) });
    expect(numbers(await mnist(from('good')))).toEqual(RIGHT);
    vi.stubGlobal('caches', undefined);
    vi.stubGlobal('crypto', {}); // An insecure page has neither.
    expect(numbers(await mnist(from('good')))).toEqual(RIGHT);
  });

  it('stops when its signal says so', async () => {
    const reason = new Error('enough');
    await expect(mnist({ ...from('good'), signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 50);
    await expect(mnist({ ...from('silent', 'good'), signal: stop.signal })).rejects.toBe(reason);
    expect(asked).not.toContain(`good/${NAMES[0]}`);
  });

  it('refuses options that cannot be', async () => {
    await expect(mnist({ timeoutMs: 0 })).rejects.toThrow('mnist: timeoutMs is 0. Give milliseconds above 0.');
    await expect(mnist({ base: 'data' })).rejects.toThrow('base: "data" is not a URL. Give the URL of a folder.');
    await expect(mnist({ mirrors: ['here'] })).rejects.toThrow(
      'mirrors: "here" is not a URL. Give the URL of a folder.',
    );
  });
});
