// What every browser has for getting files: fetch with a limit on silence, gzip, SHA-256, and a cache, with words for what
// goes wrong.

/** What is used of the Cache API; its types are not everywhere. */
export interface WebCache {
  keys(): Promise<readonly { readonly url: string }[]>;
  match(url: string): Promise<Response | undefined>;
  put(url: string, response: Response): Promise<void>;
  delete(url: string): Promise<boolean>;
}

/** A cache of the page's own; undefined where there is none (an insecure page, Node) or it is denied. */
export async function openCache(name: string): Promise<WebCache | undefined> {
  const { caches } = globalThis as { caches?: { open(name: string): Promise<WebCache> } };
  try {
    return await caches?.open(name);
  } catch {
    return undefined;
  }
}

/** The sum in hexadecimal digits; undefined where the page is not secure, which has no `crypto.subtle`. */
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
  /** Longest silence, for the first bytes and between any two. */
  readonly timeoutMs: number;
  /** Bytes after which nobody reads on. */
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
    silence.abort(); // What is still on its way is of no use.
  }
}

/** Why a fetch failed, in words: browsers hide from pages whether a host forbids it or is not there. */
export function reasonOf(error: unknown): string {
  if (error instanceof TypeError) return 'the host does not allow it or cannot be reached';
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}
