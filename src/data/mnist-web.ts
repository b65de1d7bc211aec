// MNIST for pages: from a folder of the page's own site or from the mirrors, cached with the browser's Cache API so that it is
// fetched once. Files are checked before they are used or cached.
import { DataError, OptionError } from '../graph/errors.ts';
import { ARRAY, BOOLEAN, checkOptions, FUNCTION, MILLISECONDS, type Schema, SIGNAL } from '../graph/options.ts';
import type { DataPair, DataSet } from './dataset.ts';
import { MNIST_SCALE } from './digits.ts';
import { MAX_IDX_BYTES, type NamedIdx, parseIdx } from './idx.ts';
import { idxSets } from './idx-set.ts';
import { MNIST_FILES, MNIST_MIRRORS, type RemoteFile } from './mnist-files.ts';
import { fetchBytes, gunzip, openCache, reasonOf, sha256, type WebCache } from './web-fetch.ts';

/** Options of the browser's `datasets.mnist`. */
export interface WebMnistOptions {
  /** The URL of a folder with the four files, gzip or plain, instead of the mirrors: MNIST or another data set in its format. */
  base?: string | URL | undefined;
  /** URLs of folders with MNIST's original gzip files. Default: known mirrors. */
  mirrors?: readonly string[] | undefined;
  /** Whether examples keep the axes of images, [28, 28, 1], for convolutions, instead of [784]. Default false. */
  images?: boolean | undefined;
  /** Called during the download with the bytes of all files so far and their total. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Aborts the download; the promise then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /** The longest wait for a host's next bytes, in milliseconds. Default 15,000. */
  timeoutMs?: number | undefined;
  /** Whether files are read from and written to the browser's cache `thalweg-data`. Default true. */
  cache?: boolean | undefined;
  /** The files and their checksums, for tests and other data sets. Default: MNIST's. */
  files?: readonly RemoteFile[] | undefined;
}

const SCHEMA = {
  base: true,
  mirrors: [ARRAY, MNIST_MIRRORS],
  images: [BOOLEAN, false],
  onProgress: FUNCTION,
  signal: SIGNAL,
  timeoutMs: [MILLISECONDS, 15_000],
  cache: [BOOLEAN, true],
  files: [ARRAY, MNIST_FILES],
} satisfies Schema<WebMnistOptions>;
const NAMES = ['train-images', 'train-labels', 't10k-images', 't10k-labels'];
const ADVICE = "Serve MNIST's four files from the page's own site, or use the synthetic digits.";

/** A source of a file, and how messages describe it. */
interface Place {
  readonly url: string;
  readonly host: string;
}

/** The state of one call. */
interface Loading {
  readonly options: WebMnistOptions;
  readonly base: URL | undefined;
  readonly cache: WebCache | undefined;
  mirrors: readonly string[];
  /** The host that the last file came from; undefined if all came from the cache. */
  host: string | undefined;
}

/**
 * MNIST: x (size, 784) bytes, or (size, 28, 28, 1) with `images`; y (size) labels. Files from the mirrors are checked by checksum (on insecure pages by size), those from
 * `base` by format. @throws DataError with the reason of each host; the signal's reason.
 */
export async function mnist(options: WebMnistOptions = {}, ...extra: never[]): Promise<DataPair> {
  const checked = checkOptions('mnist', options, SCHEMA, extra);
  const { base, files, images: axes, signal, onProgress } = checked;
  signal?.throwIfAborted();
  const folder = base === undefined ? undefined : folderOf('base', base);
  const mirrors = checked.mirrors.map((mirror) => folderOf('mirrors', mirror).href);
  const cache = checked.cache ? await openCache('thalweg-data') : undefined;
  const loading: Loading = { options: checked, base: folder, cache, mirrors, host: undefined };
  const total = files.reduce((sum, file) => sum + file.bytes, 0);
  const arrays = new Map<string, NamedIdx>();
  let before = 0;
  for (const file of files) {
    const progress = (done: number) => onProgress?.(before + Math.min(done, file.bytes), total);
    const array = (await fromCache(file, loading)) ?? (await fromHosts(file, loading, progress));
    arrays.set(NAMES.find((name) => file.name.startsWith(name)) ?? file.name, array);
    progress(file.bytes);
    before += file.bytes;
  }
  const [images, labels, testImages, testLabels] = NAMES.map((name) => arrays.get(name)!) as [
    NamedIdx,
    NamedIdx,
    NamedIdx,
    NamedIdx,
  ];
  const source = loading.host === undefined ? "MNIST, from the browser's cache." : `MNIST, from ${loading.host}.`;
  const sets = [
    { images, labels },
    { images: testImages, labels: testLabels },
  ];
  const [train, test] = idxSets(sets, { name: 'mnist', classes: 10, images: axes, scale: MNIST_SCALE }) as [
    DataSet,
    DataSet,
  ];
  return { train, test, source };
}

function folderOf(option: string, given: string | URL): URL {
  const here = (globalThis as { location?: { href?: string } }).location?.href;
  try {
    const url = new URL(given, here);
    if (!url.pathname.endsWith('/')) url.pathname += '/';
    return url;
  } catch {
    throw new OptionError(`${option}: ${JSON.stringify(String(given))} is not a URL. Give the URL of a folder.`);
  }
}

/** The cached file; a damaged one is removed. */
async function fromCache(file: RemoteFile, { base, cache, mirrors }: Loading): Promise<NamedIdx | undefined> {
  if (!cache) return undefined;
  const wanted = base && placesOf(file, base, mirrors).map(({ url }) => url);
  const urls = (await cache.keys())
    .map(({ url }) => url)
    .filter((url) => (wanted ? wanted.includes(url) : url.endsWith(`/${file.name}`)));
  for (const url of urls) {
    try {
      const kept = await cache.match(url);
      if (kept) return await checked(new Uint8Array(await kept.arrayBuffer()), file, base !== undefined);
    } catch {
      // Without a base, a file that another folder cached under this name is not ours to remove.
      if (base || mirrors.some((mirror) => url.startsWith(mirror))) await cache.delete(url).catch(() => {});
    }
  }
  return undefined;
}

/** The file from the first source that has it intact; cached. */
async function fromHosts(file: RemoteFile, loading: Loading, onBytes: (done: number) => void): Promise<NamedIdx> {
  const { base, cache, mirrors, options } = loading;
  const { signal, timeoutMs } = options;
  const failures = new Map<string, string>();
  for (const { url, host } of placesOf(file, base, mirrors)) {
    try {
      const most = base ? MAX_IDX_BYTES : file.bytes;
      const bytes = await fetchBytes(url, { signal, timeoutMs: timeoutMs!, most, onBytes });
      const array = await checked(bytes, file, base !== undefined);
      await cache?.put(url, new Response(bytes)).catch(() => {}); // Full or denied: the page works without.
      loading.host = host;
      loading.mirrors = [...mirrors].sort((a, b) => Number(url.startsWith(b)) - Number(url.startsWith(a)));
      return array;
    } catch (error) {
      signal?.throwIfAborted();
      onBytes(0);
      failures.set(host, reasonOf(error));
    }
  }
  const what = [...failures].map(([host, reason]) => `${host}: ${reason}`).join('; ');
  const why = what === '' ? 'it is not in the cache, and no host was given' : `it could not be loaded (${what})`;
  throw new DataError(`mnist: ${file.name}: ${why}. ${ADVICE}`);
}

/** The sources of a file: the folder, as gzip or plain, or each mirror. */
function placesOf(file: RemoteFile, base: URL | undefined, mirrors: readonly string[]): Place[] {
  const folders = base ? [base.href] : mirrors;
  const names = base ? [file.name, file.name.replace(/\.gz$/, '')] : [file.name];
  return folders.flatMap((folder) =>
    names.map((name) => ({ url: new URL(name, folder).href, host: new URL(folder).host })),
  );
}

/** The array in a file's bytes. A folder may hold any data set, a mirror only MNIST. @throws Error with the reason */
async function checked(bytes: Uint8Array<ArrayBuffer>, file: RemoteFile, anySet: boolean): Promise<NamedIdx> {
  if (!anySet) {
    if (bytes.length !== file.bytes) throw new Error(`truncated: expected ${file.bytes} bytes, got ${bytes.length}`);
    const sum = await sha256(bytes);
    if (sum !== undefined && sum !== file.sha256)
      throw new Error(`wrong checksum: expected ${file.sha256.slice(0, 12)}…, got ${sum.slice(0, 12)}…`);
  }
  const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? await gunzip(bytes) : bytes;
  return { file: file.name, ...parseIdx(plain, file.name) };
}
