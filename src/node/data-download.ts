// All-or-nothing downloads: mirror after mirror, two tries each, held in memory until the checksum matches.
import { createHash } from 'node:crypto';
import type { RemoteFile } from '../data/mnist-files.ts';
import { DataError, OptionError } from '../graph/errors.ts';

export interface DownloadOptions {
  /** Folders' URLs, tried in this order. */
  mirrors: readonly string[];
  /** The longest wait for the next bytes, in milliseconds. */
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Called with the bytes of this file so far. */
  onProgress?: ((bytes: number) => void) | undefined;
}

const TRIES = 2;
const PAUSE_MS = 250;

/** A failure for which retrying the same mirror is pointless. */
class Refusal extends Error {}

/**
 * Fetches one file from the first mirror that has it intact. Also returns the mirror. @throws DataError with the failure of each mirror, or
 * the signal's reason.
 */
export async function download(
  file: RemoteFile,
  { mirrors, timeoutMs, signal, onProgress }: DownloadOptions,
): Promise<{ bytes: Uint8Array; mirror: string }> {
  if (!(timeoutMs > 0)) throw new OptionError(`timeoutMs: ${timeoutMs} is not a duration. Give milliseconds above 0.`);
  const failures: string[] = [];
  for (const mirror of mirrors) {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      signal?.throwIfAborted();
      try {
        const bytes = await fetchOnce(new URL(file.name, mirror.endsWith('/') ? mirror : `${mirror}/`), file, {
          timeoutMs,
          signal,
          onProgress,
        });
        return { bytes, mirror };
      } catch (error) {
        signal?.throwIfAborted();
        onProgress?.(0);
        const last = error instanceof Refusal || attempt === TRIES;
        if (last) failures.push(`${hostOf(mirror)}: ${reasonOf(error)}`);
        if (last) break;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    }
  }
  throw new DataError(`${file.name}: it could not be downloaded (${failures.join('; ')})`);
}

async function fetchOnce(
  url: URL,
  file: RemoteFile,
  { timeoutMs, signal, onProgress }: Omit<DownloadOptions, 'mirrors'>,
): Promise<Uint8Array> {
  const silence = new AbortController();
  const stop = () => silence.abort(new Refusal(`no answer for ${timeoutMs / 1000} s`));
  let timer = setTimeout(stop, timeoutMs);
  const abort = () => silence.abort(signal?.reason);
  signal?.addEventListener('abort', abort);
  try {
    const response = await fetch(url, { signal: silence.signal, headers: { 'accept-encoding': 'identity' } });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      const text = `HTTP ${response.status} ${response.statusText}`.trim();
      throw response.status < 500 ? new Refusal(text) : new Error(text);
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
      clearTimeout(timer);
      timer = setTimeout(stop, timeoutMs);
      chunks.push(chunk);
      size += chunk.length;
      if (size > file.bytes) throw new Refusal(`expected ${file.bytes} bytes, got more`);
      onProgress?.(size);
    }
    return verified(Buffer.concat(chunks), file);
  } catch (error) {
    throw silence.signal.aborted ? silence.signal.reason : error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/** Returns the bytes if they are the file's, else throws the reason. */
export function verified(bytes: Uint8Array, file: RemoteFile): Uint8Array {
  if (bytes.length !== file.bytes) throw new Error(`truncated: expected ${file.bytes} bytes, got ${bytes.length}`);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== file.sha256)
    throw new Error(`wrong checksum: expected ${file.sha256.slice(0, 12)}…, got ${sha256.slice(0, 12)}…`);
  return bytes;
}

function hostOf(mirror: string): string {
  return URL.canParse(mirror) ? new URL(mirror).host : mirror;
}

/** fetch hides the reason, such as ECONNREFUSED, in the cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (!(cause instanceof Error)) return error.message;
  const code = (cause as NodeJS.ErrnoException).code;
  return cause.message || code || error.message;
}
