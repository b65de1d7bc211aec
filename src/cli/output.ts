// The two streams of the command line. Standard output carries results: text for people, or JSON Lines under --json and then
// nothing else. Standard error carries progress, logs and warnings. So `thalweg ... --json | jq` and `> result.txt` just work.
import { codeOf, fileError } from '../node/file-error.ts';
import { ProgressLine } from './progress.ts';
import { printable, type TextStream } from './text-stream.ts';

/** The version of the JSON Lines, raised when a field changes its meaning or goes away. */
export const SCHEMA = 1;

/** What an event may carry beside `type`, `step`, `time` and `schema`. */
export type EventFields = Readonly<Record<string, unknown>> & {
  readonly [K in 'type' | 'step' | 'time' | 'schema']?: never;
};

export interface OutputOptions {
  readonly stdout: TextStream;
  readonly stderr: TextStream;
  readonly json?: boolean;
  readonly quiet?: boolean;
  /** `NO_COLOR`, `CI` and `TERM` are read. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
  /** The reader of standard output went away (`| head`), or there is no room for more. */
  readonly onClosed?: (why: 'closed' | 'full') => void;
}

/**
 * One event as a line of JSON, without its line feed. `time` is in seconds since the run began. JSON has no NaN and no
 * infinity: they are the strings "NaN", "Infinity" and "-Infinity", which most languages' number parsers take.
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
  /** The progress line on standard error; everything else that is printed goes above it. */
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
    stderr.on?.('error', () => {}); // nowhere left to say it
  }

  /** Seconds since this was made: the `time` of events. */
  get time(): number {
    return (this.#now() - this.#start) / 1000;
  }

  /** Whether standard output could not take what was printed, for want of room or a fault of the device. */
  get full(): boolean {
    return this.#full;
  }

  /** An event under --json; otherwise nothing. Returns the line, which is also what metrics.jsonl gets. */
  event(type: string, step: number, fields?: EventFields): string {
    const line = eventLine(type, step, this.time, fields);
    if (this.json) this.#toStdout(line);
    return line;
  }

  /** A result for people, on standard output; nothing under --json, whose events say the same. */
  result(text: string): void {
    if (!this.json) this.#toStdout(printable(text));
  }

  /** What is going on, on standard error; nothing under --quiet. */
  log(text: string): void {
    if (!this.quiet) this.progress.log(text);
  }

  /** What should be known, on standard error, also under --quiet. */
  warn(text: string): void {
    this.progress.log(`warning: ${text}`);
  }

  /** Why it ended, on standard error. */
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
