// A line log, such as metrics.jsonl, that never ends in a partial line.
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { fileError } from './file-error.ts';
import { writeAtomic } from './files.ts';

/** How {@link appendLines} treats an existing file. */
export interface AppendOptions {
  /** Continue after its last whole line. Default: start empty. */
  readonly keep?: boolean | undefined;
  /** Milliseconds that lines may wait in memory before the next {@link LineWriter.write} flushes them. Default 1000. */
  readonly flushMs?: number | undefined;
}

/**
 * Opens a line log. A partial line at its end, left by a crash, is cut off.
 * @throws FileError
 */
export async function appendLines(
  path: string,
  { keep = false, flushMs = 1000 }: AppendOptions = {},
): Promise<LineWriter> {
  if (!keep) await writeAtomic(path, '');
  return new LineWriter(path, flushMs);
}

/** A growing file of whole lines; created by {@link appendLines}. Synchronous, so that it also works while a process exits. */
export class LineWriter {
  readonly #path: string;
  readonly #flushMs: number;
  #file: number | undefined;
  /** Bytes of whole lines in the file. */
  #length: number;
  #waiting = '';
  #flushed = Date.now();

  constructor(path: string, flushMs: number) {
    this.#path = path;
    this.#flushMs = flushMs;
    try {
      this.#file = openSync(path, 'a+');
      this.#length = wholeLines(this.#file);
      ftruncateSync(this.#file, this.#length);
    } catch (error) {
      if (this.#file !== undefined) closeSync(this.#file);
      throw fileError('append', path, error);
    }
  }

  /** Adds one line, without its line feed. Throws FileError if the disk refuses; the file then ends after a whole line. */
  write(line: string): void {
    this.#waiting += `${line}\n`;
    if (this.#waiting.length >= 65536 || Date.now() - this.#flushed >= this.#flushMs) this.flush();
  }

  /** Writes the waiting lines in one call. */
  flush(): void {
    this.#flushed = Date.now();
    if (this.#waiting === '' || this.#file === undefined) return;
    const bytes = Buffer.from(this.#waiting);
    this.#waiting = '';
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
      this.#length += bytes.length;
    } catch (error) {
      // Part of it may have been written before the disk was full.
      try {
        ftruncateSync(this.#file, this.#length);
      } catch {}
      throw fileError('append', this.#path, error);
    }
  }

  /** Flushes, and returns once the lines are on disk. */
  sync(): void {
    this.flush();
    try {
      if (this.#file !== undefined) fsyncSync(this.#file);
    } catch (error) {
      throw fileError('append', this.#path, error);
    }
  }

  /** {@link sync}, then closes. A second call does nothing. */
  close(): void {
    const file = this.#file;
    if (file === undefined) return;
    try {
      this.sync();
    } finally {
      this.#file = undefined;
      closeSync(file);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** The number of bytes up to and including the last line feed. */
function wholeLines(file: number): number {
  const size = fstatSync(file).size;
  return size === 0 ? 0 : readFileSync(file).lastIndexOf(0x0a) + 1;
}
