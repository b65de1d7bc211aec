// The browser's means of downloading files: fetch with a timeout between bytes, gzip, SHA-256 and a cache, with readable errors.

/** The part of the Cache API used here; its types are not available everywhere. */
export interface WebCache {
  keys(): Promise<readonly { readonly url: string }[]>;
  match(url: string): Promise<Response | undefined>;
  put(url: string, response: Response): Promise<void>;
  delete(url: string): Promise<boolean>;
}

/** The page's cache; undefined if there is none (an insecure page, Node) or it is denied. */
export async function openCache(name: string): Promise<WebCache | undefined> {
  const { caches } = globalThis as { caches?: { open(name: string): Promise<WebCache> } };
  try {
    return await caches?.open(name);
  } catch {
    return undefined;
  }
}

/** The checksum in hexadecimal; undefined on an insecure page, which has no `crypto.subtle`. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  const sum = await globalThis.crypto?.subtle?.digest('SHA-256', bytes);
  return sum && Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export async function gunzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'));
  try {
    return new Uint8Array(await new Response(plain as ReadableStream).arrayBuffer());
  } catch (error) {
    throw new Error('the gzip data is damaged', { cause: error });
  }
}

export interface FetchOptions {
  readonly signal: AbortSignal | undefined;
  /** The longest wait for the next bytes, in milliseconds. */
  readonly timeoutMs: number;
  /** The maximum size of the body, in bytes. */
  readonly most: number;
  onBytes(done: number): void;
}

/** The body of a URL. @throws Error with the reason, or the signal's reason */
export async function fetchBytes(
  url: string,
  { signal, timeoutMs, most, onBytes }: FetchOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  signal?.throwIfAborted();
  const silence = new AbortController();
  const stop = () => silence.abort(new Error(`no answer for ${timeoutMs / 1000} s`));
  let timer = setTimeout(stop, timeoutMs);
  const abort = () => silence.abort(signal?.reason);
  signal?.addEventListener('abort', abort);
  let size = 0;
  let answered = false;
  try {
    const response = await fetch(url, { signal: silence.signal });
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status} ${response.statusText}`.trim());
    answered = true;
    const reader = response.body.getReader();
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return new Uint8Array(await new Blob(chunks).arrayBuffer());
      clearTimeout(timer);
      timer = setTimeout(stop, timeoutMs);
      chunks.push(value as Uint8Array<ArrayBuffer>);
      size += value.length;
      if (size > most) throw new Error(`expected ${most} bytes, got more`);
      onBytes(size);
    }
  } catch (error) {
    if (silence.signal.aborted) throw silence.signal.reason;
    throw answered && error instanceof TypeError ? new Error(`the connection broke after ${size} bytes`) : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    silence.abort(); // Bytes still in transit are of no use.
  }
}

/** Why a fetch failed, in words: browsers hide from pages whether a host forbids the request or is unreachable. */
export function reasonOf(error: unknown): string {
  if (error instanceof TypeError) return 'the host does not allow it or cannot be reached';
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
