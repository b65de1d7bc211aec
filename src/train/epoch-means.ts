// The means of an epoch's metrics over its examples, and the time it took.
import type { StepEvent } from './events.ts';

export class EpochMeans {
  readonly #sums = new Map<string, number>();
  #steps = 0;
  #examples = 0;
  #began = 0;
  #last: StepEvent | undefined;

  /** Steps so far. */
  get steps(): number {
    return this.#steps;
  }

  start(): void {
    this.#sums.clear();
    this.#steps = 0;
    this.#examples = 0;
    this.#began = performance.now();
  }

  /** Takes time away in which nothing was trained. */
  pause(ms: number): void {
    this.#began += ms;
  }

  add(event: StepEvent, rows: number): void {
    const { loss, accuracy, metrics } = event;
    const all = { loss, ...(accuracy !== undefined && { accuracy }), ...metrics };
    for (const [name, value] of Object.entries(all)) this.#sums.set(name, (this.#sums.get(name) ?? 0) + value * rows);
    this.#steps++;
    this.#examples += rows;
    this.#last = event;
  }

  finish(): {
    loss: number;
    accuracy: number | undefined;
    metrics: Record<string, number>;
    learningRate: number;
    steps: number;
    examples: number;
    seconds: number;
  } {
    const means = Object.fromEntries([...this.#sums].map(([name, sum]) => [name, sum / this.#examples]));
    const { loss, accuracy, ...metrics } = means;
    const seconds = Math.max(performance.now() - this.#began, 1e-3) / 1000;
    const { learningRate } = this.#last!;
    return { loss: loss!, accuracy, metrics, learningRate, steps: this.#steps, examples: this.#examples, seconds };
  }
}
