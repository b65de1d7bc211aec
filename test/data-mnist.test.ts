// MNIST from the mirrors: whole and right into the cache, or not at all. A server on 127.0.0.1 plays the mirrors.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MNIST_FILES, MNIST_MIRRORS } from '../src/data/mnist-files.ts';
import { mnist, mnistIfQuick } from '../src/node/mnist.ts';

const MNIST_FOLDER = '../shared/mnist';

/** Images 1 x 2 and labels, as the mirrors hold them. */
const CONTENT: Record<string, Buffer> = {
  't10k-labels-idx1-ubyte.gz': gzipSync(Buffer.of(0, 0, 8, 1, 0, 0, 0, 1, 9)),
  'train-labels-idx1-ubyte.gz': gzipSync(Buffer.of(0, 0, 8, 1, 0, 0, 0, 2, 3, 4)),
  't10k-images-idx3-ubyte.gz': gzipSync(Buffer.of(0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 5, 6)),
  'train-images-idx3-ubyte.gz': gzipSync(Buffer.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4)),
};
const FILES = Object.entries(CONTENT).map(([name, content]) => ({
  name,
  bytes: content.length,
  sha256: createHash('sha256').update(content).digest('hex'),
}));
const TOTAL = FILES.reduce((sum, { bytes }) => sum + bytes, 0);

type Answer = (response: ServerResponse, content: Buffer, count: number) => void;
const ANSWERS: Record<string, Answer> = {
  good: (response, content) => response.writeHead(200, { 'content-length': content.length }).end(content),
  missing: (response) => response.writeHead(404).end('no'),
  broken: (response) => response.writeHead(503).end('no'),
  cut: (response, content) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, 9), () => response.destroy());
  },
  short: (response, content) => response.writeHead(200).end(content.subarray(0, 9)),
  wrong: (response, content) => response.writeHead(200).end(Buffer.alloc(content.length, 7)),
  long: (response, content) => response.writeHead(200).end(Buffer.concat([content, content])),
  silent: () => {},
  stalled: (response, content) => response.writeHead(200).write(content.subarray(0, 9)),
  flaky: (response, content, count) => ANSWERS[count === 1 ? 'broken' : 'good']!(response, content, count),
};

describe('downloads', () => {
  let server: Server;
  let root: string;
  let cache: string;
  let asked: string[];
  const mirror = (kind: string) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${kind}/`;
  const options = (...kinds: string[]) => ({ mirrors: kinds.map(mirror), files: FILES, cache, timeoutMs: 10_000 });
  const cached = async () => (existsSync(join(cache, 'mnist')) ? (await readdir(join(cache, 'mnist'))).sort() : []);

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'thalweg-mnist-'));
    server = createServer((request, response) => {
      const [, kind, name] = request.url!.split('/');
      asked.push(`${kind}/${name}`);
      ANSWERS[kind!]!(response, CONTENT[name!]!, asked.filter((other) => other === `${kind}/${name}`).length);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(root, { recursive: true });
  });
  beforeEach(async () => {
    asked = [];
    cache = await mkdtemp(join(root, 'cache-'));
  });

  it('fills the cache, reports progress, and asks no mirror the next time', async () => {
    const progress: number[][] = [];
    const { train, test, source } = await mnist({ ...options('good'), onProgress: (...call) => progress.push(call) });
    expect([train.size, test.size, train.name]).toEqual([2, 1, 'mnist']);
    expect([...train.x.data, ...train.y.data, ...test.y.data]).toEqual([1, 2, 3, 4, 3, 4, 9]);
    expect(source).toMatch(/^MNIST, downloaded from 127\.0\.0\.1:\d+ into .*mnist\.$/);
    expect(progress.at(-1)).toEqual([TOTAL, TOTAL]);
    expect(await cached()).toEqual(Object.keys(CONTENT).sort());
    const again = await mnist(options('good'));
    expect(again.source).toMatch(/^MNIST, from the cache/);
    const images = await mnist({ ...options('good'), images: true });
    expect([images.train.x.shape, again.train.x.shape]).toEqual([[2, 1, 2, 1], [2, 2]]); // biome-ignore format: one line
    expect(images.train.x.data).toEqual(train.x.data);
    expect(asked.length).toBe(4);
  });

  it.each([
    ['missing', 1, /HTTP 404/],
    ['broken', 2, /HTTP 503/],
    ['cut', 2, /terminated|closed|aborted/],
    ['short', 2, /truncated: expected \d+ bytes, got 9/],
    ['wrong', 2, /wrong checksum: expected [0-9a-f]{12}…, got/],
    ['long', 1, /expected \d+ bytes, got more/],
    ['silent', 1, /no answer for 0\.5 s/],
    ['stalled', 1, /no answer for 0\.5 s/],
  ])('%s: fails after %i tries with the cache unharmed, and the next mirror serves', async (kind, tries, message) => {
    const timeoutMs = ['silent', 'stalled'].includes(kind) ? 500 : 10_000;
    const failed = mnist({ ...options(kind), timeoutMs });
    await expect(failed).rejects.toThrow(message);
    await expect(failed).rejects.toThrow(
      /^mnist: t10k-labels-idx1-ubyte\.gz: it could not be downloaded \(127\.0\.0\.1/,
    );
    await expect(failed).rejects.toThrow(/--data digits.*--data DIR/);
    expect(asked.length).toBe(tries);
    expect(await cached()).toEqual([]);
    expect((await mnist({ ...options(kind, 'good'), timeoutMs })).train.size).toBe(2);
    expect(asked.filter((path) => path.startsWith(kind)).length).toBe(2 * tries); // a mirror that failed is not asked first again
  });

  it('names a refused connection and a mirror that is no URL', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const mirrors = [`http://127.0.0.1:${port}/`, 'nowhere'];
    await expect(mnist({ ...options(), mirrors })).rejects.toThrow(/ECONNREFUSED.*; nowhere: Invalid URL/);
    await expect(mnist({ ...options(), mirrors: [] })).rejects.toThrow(/mirrors: the list is empty/);
  });

  it('tries a flaky mirror a second time', async () => {
    expect((await mnist(options('flaky'))).test.size).toBe(1);
    expect(asked.length).toBe(8);
  });

  it('keeps what an interrupted download left, and fetches the rest; a damaged file is fetched anew', async () => {
    await mkdir(join(cache, 'mnist'));
    await writeFile(join(cache, 'mnist', 'train-labels-idx1-ubyte.gz'), CONTENT['train-labels-idx1-ubyte.gz']!);
    await writeFile(join(cache, 'mnist', 't10k-labels-idx1-ubyte.gz'), 'half');
    await mnist(options('good'));
    expect(asked).toEqual(['t10k-labels', 't10k-images', 'train-images'].map((name) => expect.stringContaining(name)));
  });

  it('serves several at once from one empty cache', async () => {
    const all = await Promise.all([1, 2, 3].map(() => mnist(options('good'))));
    expect(all.map(({ train }) => train.size)).toEqual([2, 2, 2]);
    expect(await cached()).toEqual(Object.keys(CONTENT).sort());
  });

  it('stops when told, in the middle of a file', async () => {
    const abort = new AbortController();
    const stopped = mnist({ ...options('stalled'), signal: abort.signal, timeoutMs: 5000 });
    setTimeout(() => abort.abort(new Error('enough')), 50);
    await expect(stopped).rejects.toThrow('enough');
    expect(await cached()).toEqual([]);
  });

  it('says so when the cache is damaged or cannot be written', async () => {
    await mnist(options('good'));
    await writeFile(
      join(cache, 'mnist', 'train-images-idx3-ubyte.gz'),
      CONTENT['train-images-idx3-ubyte.gz']!.subarray(0, 20),
    );
    await expect(mnist(options('good'))).rejects.toThrow(
      /train-images-idx3-ubyte\.gz: the gzip data ends.*Delete it from the cache/,
    );
    await writeFile(join(cache, 'file'), '');
    await expect(mnist({ ...options('good'), cache: join(cache, 'file') })).rejects.toThrow(/file/);
    expect(asked.length).toBe(4);
    if (process.getuid?.() === 0) return; // root may write anywhere
    const locked = await mkdtemp(join(root, 'locked-'));
    await chmod(locked, 0o500);
    await expect(mnist({ ...options('good'), cache: locked })).rejects.toThrow(/permission denied/);
  });

  it('mnistIfQuick gives data when cached or reachable, else the reason', async () => {
    const refused = await mnistIfQuick(options('missing'));
    expect(refused.reason).toMatch(/^MNIST is not cached, and t10k-labels.* \(127\.0\.0\.1:\d+: HTTP 404/);
    const slow = await mnistIfQuick({ ...options('silent', 'stalled'), quickMs: 200 });
    expect(slow.reason).toMatch(/^MNIST is not cached, and|no mirror answered within 0\.2 s/);
    expect((await mnistIfQuick(options('good'))).data?.train.size).toBe(2);
    asked = [];
    expect((await mnistIfQuick(options('missing'))).data?.source).toMatch(/cache/);
    expect(asked).toEqual([]);
  });

  it('knows the mirrors and files of MNIST', () => {
    expect(MNIST_MIRRORS.every((url) => url.startsWith('https://') && url.endsWith('/mnist/'))).toBe(true);
    expect(MNIST_FILES.map(({ sha256 }) => sha256.length)).toEqual([64, 64, 64, 64]);
  });
});

describe.skipIf(!existsSync(MNIST_FOLDER))(`real MNIST in ${MNIST_FOLDER} (skipped where it is missing)`, () => {
  it('has 60,000 and 10,000 images of 784 pixels in 10 classes', async () => {
    const { train, test } = await mnist({ folder: MNIST_FOLDER });
    expect([train.x.shape, test.x.shape]).toEqual([[60_000, 784], [10_000, 784]]); // biome-ignore format: pairs
    expect([...train.y.data.subarray(0, 5)]).toEqual([5, 0, 4, 1, 9]);
    expect([...test.y.data.subarray(0, 5)]).toEqual([7, 2, 1, 0, 4]);
    let sum = 0;
    for (const byte of train.x.data) sum += byte;
    expect(sum / 255 / train.x.data.length).toBeCloseTo((train.scale as { mean: number }).mean, 4);
  });
});
