// The two streams of the command line. Standard output carries results: text, or with --json only JSON Lines.
// Standard error carries progress, logs and warnings. So `thalweg ... --json | jq` and `> result.txt` just work.
import { codeOf, fileError } from '../node/file-error.ts';
import { ProgressLine } from './progress.ts';
import { printable, type TextStream } from './text-stream.ts';

/** The version of the JSON Lines, raised when a field changes its meaning or goes away. */
export const SCHEMA = 1;

/** The values an event may carry besides `type`, `step`, `time` and `schema`. */
export type EventFields = Readonly<Record<string, unknown>> & {
  readonly [K in 'type' | 'step' | 'time' | 'schema']?: never;
};

export interface OutputOptions {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** The environment; `NO_COLOR`, `CI` and `TERM` are read. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The clock in milliseconds, for tests. */
  readonly now?: () => number;
  /** Called when standard output is closed (`| head`) or full. */
  readonly onClosed?: (why: 'closed' | 'full') => void;
}

/**
 * One event as a line of JSON, without its line feed. `time` is in seconds since the run began. JSON has no NaN or infinity: they become
 * the strings "NaN", "Infinity" and "-Infinity", which most languages' number parsers take.
 */
export function eventLine(type: string, step: number, time: number, fields: EventFields = {}): string {
  const event = { type, step, time: Math.round(time * 1000) / 1000, schema: SCHEMA, ...fields };
  const line = JSON.stringify(event, (_key, value: unknown) => {
    if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
    return value instanceof Float32Array || value instanceof Float64Array ? [...value] : value;
  });
  return printable(line);
}

export class Output {
  readonly json: boolean;
  readonly quiet: boolean;
  /** The progress line on standard error; all other output goes above it. */
  readonly progress: ProgressLine;
  readonly #stdout: TextStream;
  readonly #now: () => number;
  readonly #start: number;
  #closed = false;
  #full = false;

  constructor({
    stdout,
    stderr,
    json = false,
    quiet = false,
    env,
    now = () => performance.now(),
    onClosed,
  }: OutputOptions) {
    this.json = json;
    this.quiet = quiet;
    this.progress = new ProgressLine(stderr, { env, quiet, now });
    this.#stdout = stdout;
    this.#now = now;
    this.#start = now();
    stdout.on?.('error', (error) => {
      if (this.#closed) return;
      this.#closed = true;
      const why = codeOf(error) === 'EPIPE' ? 'closed' : 'full';
      this.#full = why === 'full';
      if (this.#full) this.error(fileError('write', 'standard output', error).message);
      onClosed?.(why);
    });
    stderr.on?.('error', () => {}); // nowhere left to report it
  }

  /** Seconds since construction: the `time` of events. */
  get time(): number {
    return (this.#now() - this.#start) / 1000;
  }

  /** Whether standard output failed, because it was full or its device faulty. */
  get full(): boolean {
    return this.#full;
  }

  /** An event under --json; otherwise nothing. Returns the line, which is also what metrics.jsonl gets. */
  event(type: string, step: number, fields?: EventFields): string {
    const line = eventLine(type, step, this.time, fields);
    if (this.json) this.#toStdout(line);
    return line;
  }

  /** A result as text, on standard output; nothing with --json, whose events say the same. */
  result(text: string): void {
    if (!this.json) this.#toStdout(printable(text));
  }

  /** Progress, on standard error; nothing with --quiet. */
  log(text: string): void {
    if (!this.quiet) this.progress.log(text);
  }

  /** A warning, on standard error, even with --quiet. */
  warn(text: string): void {
    this.progress.log(`warning: ${text}`);
  }

  /** The reason for a failure, on standard error. */
  error(text: string): void {
    this.progress.stop();
    this.progress.log(`error: ${text}`);
  }

  #toStdout(text: string): void {
    if (this.#closed) return;
    this.progress.hide(); // both streams may be the same terminal
    this.#stdout.write(`${text}\n`);
  }
}
