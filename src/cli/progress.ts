// The progress line, in the style of Keras: redrawn in place on a terminal, occasional whole lines elsewhere. Rendering is a
// pure function; ProgressLine only decides when. The first step's time, which includes pipeline creation, is excluded from estimates.
import { printable, type TextStream } from './text-stream.ts';

/** The content of the line. */
export interface ProgressState {
  /** The epoch, counted from 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps done in this epoch. */
  readonly step: number;
  readonly steps: number;
  /** Name and value, in order: `[['loss', 0.221], ['accuracy', 0.9354]]`. */
  readonly metrics: readonly (readonly [string, number])[];
  /** Images per step, for the images per second. */
  readonly batchSize?: number;
}

/** The state with its times, for {@link renderProgress}. */
export interface TimedProgress extends ProgressState {
  /** Milliseconds per step, once known. */
  readonly msPerStep?: number;
  /** Milliseconds of this epoch so far, shown once it is done. */
  readonly elapsed: number;
}

export interface RenderOptions {
  /** The line is kept shorter than this, or it would wrap and could not be redrawn. */
  readonly columns?: number;
  readonly color?: boolean;
}

/**
 * `Epoch 2/10  281/469 ━━━━━━━━━━──── 3s 6ms/step - loss: 0.2210 - accuracy: 0.9354 - 61k img/s`: the time is the epoch's remaining time,
 * or its duration once it is done. On a narrow terminal the bar shrinks, then the last parts are dropped.
 */
export function renderProgress(state: TimedProgress, { columns = 120, color = false }: RenderOptions = {}): string {
  const { epoch, epochs, step, steps, msPerStep, elapsed } = state;
  const done = step >= steps;
  const head = `Epoch ${`${epoch}`.padStart(`${epochs}`.length)}/${epochs}  ${`${step}`.padStart(`${steps}`.length)}/${steps}`;
  const times: string[] = [];
  if (done) times.push(formatDuration(elapsed));
  else if (msPerStep !== undefined) times.push(formatDuration((steps - step) * msPerStep));
  if (msPerStep !== undefined) times.push(`${formatMs(msPerStep)}/step`);
  const tail = state.metrics.map(([name, value]) => `${name}: ${formatMetric(value)}`);
  if (msPerStep && state.batchSize) tail.push(`${formatCount((state.batchSize * 1000) / msPerStep)} img/s`);
  const timeText = times.length > 0 ? ` ${times.join(' ')}` : '';
  const room = columns - 1;
  let text = tail.map((part) => ` - ${part}`).join('');
  while (tail.length > 0 && head.length + timeText.length + text.length > room) {
    tail.pop();
    text = tail.map((part) => ` - ${part}`).join('');
  }
  const width = Math.min(14, room - head.length - timeText.length - text.length - 1);
  const bar = width >= 4 ? ` ${renderBar(steps === 0 ? 1 : step / steps, width, color)}` : '';
  // The bar fits and may hold colour codes; everything else may need truncation.
  return bar === '' ? `${head}${timeText}${text}`.slice(0, Math.max(room, 0)) : `${head}${bar}${timeText}${text}`;
}

function renderBar(fraction: number, width: number, color: boolean): string {
  const full = Math.round(Math.min(Math.max(fraction, 0), 1) * width);
  const [on, off] = ['━'.repeat(full), '─'.repeat(width - full)];
  return color ? `\u001b[34m${on}\u001b[0m\u001b[2m${off}\u001b[0m` : on + off;
}

/** `850ms`, `3s`, `2m 05s`, `1h 02m`. */
export function formatDuration(ms: number): string {
  if (!Number.isFinite(ms)) return '?';
  if (ms < 999.5) return `${Math.round(ms)}ms`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${`${s % 60}`.padStart(2, '0')}s`;
  const m = Math.round(s / 60);
  return `${Math.floor(m / 60)}h ${`${m % 60}`.padStart(2, '0')}m`;
}

/** `820us`, `6.4ms`, `64ms`, `3s`: two figures are enough for a step. */
export function formatMs(ms: number): string {
  if (ms < 0.9995) return `${Math.round(ms * 1000)}us`;
  return ms < 9.95 ? `${ms.toFixed(1).replace('.0', '')}ms` : formatDuration(ms);
}

/** `0.2210`; very small and very large values with an exponent, `NaN` and infinities by name. */
export function formatMetric(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  return value !== 0 && (size < 0.001 || size >= 100_000) ? value.toExponential(3) : value.toFixed(4);
}

/** `950`, `6.1k`, `61k`, `1.2M`. */
export function formatCount(count: number): string {
  for (const [unit, letter] of [
    [1e9, 'G'],
    [1e6, 'M'],
    [1e3, 'k'],
  ] as const) {
    if (count >= 0.9995 * unit)
      return `${(count / unit).toFixed(count < 9.95 * unit ? 1 : 0).replace('.0', '')}${letter}`;
  }
  return count < 9.95 ? count.toFixed(1).replace('.0', '') : count.toFixed(0);
}

/** Milliseconds per step, measured from the first report, which includes compilation, or from a later {@link Pace.rebase}. */
export class Pace {
  #base: { step: number; time: number } | undefined;
  #msPerStep: number | undefined;

  get msPerStep(): number | undefined {
    return this.#msPerStep;
  }

  /** `step` counted over the whole run, `time` in milliseconds. */
  observe(step: number, time: number): void {
    this.#base ??= { step, time };
    if (step > this.#base.step) this.#msPerStep = (time - this.#base.time) / (step - this.#base.step);
  }

  /** Restarts from the given report, or from the next: after a pause, a validation, a save. Until then the last pace stays. */
  rebase(step?: number, time?: number): void {
    this.#base = step === undefined || time === undefined ? undefined : { step, time };
  }
}

/** Whether to colour: a terminal, and neither `NO_COLOR`, `CI` nor `TERM=dumb`. */
export function wantsColor(stream: TextStream, env: Readonly<Record<string, string | undefined>>): boolean {
  return wantsRedraw(stream, env) && !env['NO_COLOR'];
}

/** Whether lines may be redrawn in place: a real terminal, not a CI server's imitation. */
export function wantsRedraw(stream: TextStream, env: Readonly<Record<string, string | undefined>>): boolean {
  const ci = env['CI'];
  return stream.isTTY === true && env['TERM'] !== 'dumb' && (!ci || ci === 'false' || ci === '0');
}

export interface ProgressOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly quiet?: boolean;
  /** Milliseconds; for tests. */
  readonly now?: () => number;
}

const REDRAW_MS = 50;
const LINE_MS = 10_000;

/** Prints progress to a stream: at most every 50 ms in place on a terminal, else a line every 10 s and one at each epoch's end. */
export class ProgressLine {
  readonly #stream: TextStream;
  readonly #quiet: boolean;
  readonly #redraw: boolean;
  readonly #color: boolean;
  readonly #now: () => number;
  readonly #pace = new Pace();
  #shown: number;
  #epoch = 0;
  #epochStart: number;
  /** Steps of the epochs before this one. */
  #before = 0;
  #state: ProgressState | undefined;
  /** Whether an unfinished line is on the terminal. */
  #open = false;

  constructor(stream: TextStream, { env = {}, quiet = false, now = () => performance.now() }: ProgressOptions = {}) {
    this.#stream = stream;
    this.#quiet = quiet;
    this.#redraw = wantsRedraw(stream, env);
    this.#color = wantsColor(stream, env);
    this.#now = now;
    this.#shown = this.#redraw ? Number.NEGATIVE_INFINITY : now();
    this.#epochStart = now();
  }

  /** Updates the progress; prints if it is time to. */
  update(state: ProgressState): void {
    const time = this.#now();
    this.#enter(state, time);
    this.#state = state;
    this.#pace.observe(this.#before + state.step, time);
    if (time - this.#shown >= (this.#redraw ? REDRAW_MS : LINE_MS)) this.#print(time, false);
  }

  /** Ends the epoch, including its validation: prints its final line. */
  endEpoch(state: ProgressState): void {
    const time = this.#now();
    this.#enter(state, time);
    this.#state = state;
    this.#print(time, true);
    this.#before += state.step;
    this.#epochStart = time;
    // Steps of the next epoch begin now; until a pace is known, the first report sets it.
    if (this.#pace.msPerStep !== undefined) this.#pace.rebase(this.#before, time);
    else this.#pace.rebase();
  }

  /** Excludes the following time (validation, a pause): the pace restarts at the next report. */
  rest(): void {
    this.#pace.rebase();
  }

  /** Prints a line of text above the progress line. */
  log(text: string): void {
    this.hide();
    this.#stream.write(`${printable(text)}\n`);
    if (this.#redraw && this.#state !== undefined) this.#print(this.#now(), false);
  }

  /** Shows a status text in place of the line, if lines are redrawn; else nothing. */
  status(text: string): void {
    const time = this.#now();
    if (this.#quiet || !this.#redraw || time - this.#shown < REDRAW_MS) return;
    this.#shown = time;
    this.#open = true;
    this.#stream.write(`\r${printable(text).slice(0, (this.#stream.columns || 80) - 1)}\u001b[K`);
  }

  /** Ends an unfinished line, so that other text starts on a new line. */
  stop(): void {
    if (this.#open) this.#stream.write('\n');
    this.#open = false;
    this.#state = undefined;
  }

  #enter(state: ProgressState, time: number): void {
    if (state.epoch === this.#epoch) return;
    if (this.#epoch === 0) this.#epochStart = time;
    this.#epoch = state.epoch;
  }

  #print(time: number, last: boolean): void {
    if (this.#quiet || this.#state === undefined) return;
    this.#shown = time;
    const timed = { ...this.#state, msPerStep: this.#pace.msPerStep, elapsed: time - this.#epochStart };
    const columns = this.#redraw ? this.#stream.columns || 80 : 200;
    const text = renderProgress(timed, { columns, color: this.#color });
    if (!this.#redraw) this.#stream.write(`${text}\n`);
    else this.#stream.write(`\r${text}\u001b[K${last ? '\n' : ''}`);
    this.#open = this.#redraw && !last;
    if (last) this.#state = undefined;
  }

  /** Erases an unfinished line from the terminal; the next update redraws it. */
  hide(): void {
    if (this.#open) this.#stream.write('\r\u001b[K');
    this.#open = false;
  }
}
