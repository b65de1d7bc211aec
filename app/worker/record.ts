// The record of a run: its curve step by step and its evaluations, whole (for files and restored runs) and as the part that the page has
// not received yet.
import type { Curve, TestPoint } from '../protocol.ts';
import { thinOut } from '../thin-out.ts';
import { Smooth } from './meter.ts';

/** A record as checkpoints and saved sessions hold it: plain lists. */
export interface SavedRecord {
  readonly step: readonly number[];
  readonly loss: readonly number[];
  readonly accuracy: readonly number[];
  readonly tests: readonly TestPoint[];
}

export class RunRecord {
  readonly #step: number[] = [];
  readonly #loss: number[] = [];
  readonly #accuracy: number[] = [];
  readonly tests: TestPoint[] = [];
  readonly smoothLoss = new Smooth();
  readonly smoothAccuracy = new Smooth();
  /** The last step, and the number of evaluations, sent to the page. */
  #told = 0;
  #toldTests = 0;

  constructor(saved?: SavedRecord, upTo = Number.POSITIVE_INFINITY) {
    if (!saved) return;
    for (let i = 0; i < saved.step.length && saved.step[i]! <= upTo; i++)
      this.add(saved.step[i]!, saved.loss[i]!, saved.accuracy[i]!);
    this.tests.push(...saved.tests.filter(({ step }) => step <= upTo));
  }

  get length(): number {
    return this.#step.length;
  }

  /** The last step whose loss is known. */
  get last(): number {
    return this.#step.at(-1) ?? 0;
  }

  get firstLoss(): number {
    return this.#loss[0] ?? Number.NaN;
  }

  get lastLoss(): number {
    return this.#loss.at(-1) ?? Number.NaN;
  }

  add(step: number, loss: number, accuracy: number): void {
    this.#step.push(step);
    this.#loss.push(loss);
    this.#accuracy.push(accuracy);
    this.smoothLoss.see(loss);
    this.smoothAccuracy.see(accuracy);
    thinOut(this.#step, this.#loss, this.#accuracy);
  }

  /** The part not sent to the page yet. */
  take(): { curve: Curve; tests: TestPoint[] } {
    let from = this.length;
    while (from > 0 && this.#step[from - 1]! > this.#told) from--;
    const curve = this.curve(from);
    const tests = this.tests.slice(this.#toldTests);
    this.#told = this.last;
    this.#toldTests = this.tests.length;
    return { curve, tests };
  }

  /** The curve from index `from` on. */
  curve(from = 0): Curve {
    return {
      step: Uint32Array.from(this.#step.slice(from)),
      loss: Float32Array.from(this.#loss.slice(from)),
      accuracy: Float32Array.from(this.#accuracy.slice(from)),
    };
  }

  save(): SavedRecord {
    return {
      step: [...this.#step],
      loss: [...this.#loss],
      accuracy: [...this.#accuracy],
      tests: [...this.tests],
    };
  }
}

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((number) => typeof number === 'number');

/** A record from a file; undefined if it is not one. */
export function asSavedRecord(value: unknown): SavedRecord | undefined {
  const { step, loss, accuracy, tests } = (value ?? {}) as Partial<Record<keyof SavedRecord, unknown>>;
  if (!isNumbers(step) || !isNumbers(loss) || !isNumbers(accuracy) || !Array.isArray(tests)) return undefined;
  if (loss.length !== step.length || accuracy.length !== step.length) return undefined;
  const points = tests.filter(
    (test: Partial<TestPoint> | null) => test && isNumbers([test.step, test.epoch, test.loss, test.accuracy]),
  );
  return { step, loss, accuracy, tests: points as TestPoint[] };
}
