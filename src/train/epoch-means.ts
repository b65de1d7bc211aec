// The means of an epoch's metrics over its examples, that of the loss by their weights, and the time it took.
import type { StepEvent } from './events.ts';

export class EpochMeans {
  readonly #sums = new Map<string, number>();
  #steps = 0;
  #examples = 0;
  #weight = 0;
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
    this.#weight = 0;
    this.#began = performance.now();
  }

  /** Takes time away in which nothing was trained. */
  pause(ms: number): void {
    this.#began += ms;
  }

  /** A step of `rows` examples, of which `weight` is the sum of the weights. */
  add(event: StepEvent, rows: number, weight: number): void {
    const { loss, accuracy, metrics } = event;
    const all = { loss, ...(accuracy !== undefined && { accuracy }), ...metrics };
    for (const [name, value] of Object.entries(all))
      this.#sums.set(name, (this.#sums.get(name) ?? 0) + value * (name === 'loss' ? weight : rows));
    this.#steps++;
    this.#examples += rows;
    this.#weight += weight;
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
    // Of no weight at all, the loss is 0.
    const over = (name: string) => (name === 'loss' ? this.#weight || 1 : this.#examples);
    const means = Object.fromEntries([...this.#sums].map(([name, sum]) => [name, sum / over(name)]));
    const { loss, accuracy, ...metrics } = means;
    const seconds = Math.max(performance.now() - this.#began, 1e-3) / 1000;
    const { learningRate } = this.#last!;
    return { loss: loss!, accuracy, metrics, learningRate, steps: this.#steps, examples: this.#examples, seconds };
  }
}
