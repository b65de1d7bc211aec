// The means of an epoch's metrics over its examples (of losses and their accuracies, weighted by counts), and the time it took.
import type { BatchCounts } from './batch-weights.ts';
import type { StepEvent } from './events.ts';
import { metricOf, outputsOf, type Reported, reported, summedLosses, type Task } from './task.ts';

export class EpochMeans {
  readonly #task: Task;
  /** Losses that are sums: their epoch values are sums, too. */
  readonly #summed: ReadonlySet<string>;
  readonly #sums = new Map<string, { total: number; count: number }>();
  #steps = 0;
  #examples = 0;
  #began = 0;
  #last: StepEvent | undefined;

  constructor(task: Task) {
    this.#task = task;
    const sums = outputsOf(task).filter(({ loss }) => loss.reduction === 'sum');
    this.#summed = new Set(sums.map((output) => metricOf(output, 'loss')));
  }

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

  /** Excludes time in which nothing was trained. */
  pause(ms: number): void {
    this.#began += ms;
  }

  /** Adds a step with its batch's counts. */
  add(event: StepEvent, counts: BatchCounts): void {
    const { loss, accuracy, metrics } = event;
    const all = { loss, ...(accuracy !== undefined && { accuracy }), ...metrics };
    for (const [name, value] of Object.entries(all)) {
      const count = this.#summed.has(name) ? 1 : (counts.metrics.get(name) ?? counts.examples);
      const sum = this.#sums.get(name) ?? { total: 0, count: 0 };
      this.#sums.set(name, { total: sum.total + value * count, count: sum.count + count });
    }
    this.#steps++;
    this.#examples += counts.examples;
    this.#last = event;
  }

  finish(): Reported & {
    rates: Pick<StepEvent, 'learningRate' | 'learningRates'>;
    steps: number;
    examples: number;
    seconds: number;
  } {
    // If nothing counts, loss and accuracy are 0.
    const over = (name: string, count: number) => (this.#summed.has(name) ? 1 : count || 1);
    const means = Object.fromEntries(
      [...this.#sums].map(([name, { total, count }]) => [name, total / over(name, count)]),
    );
    const { heads } = this.#task;
    if (heads && !Object.hasOwn(this.#task.metrics, 'accuracy')) delete means['accuracy']; // reported() adds the accuracy of the only output that has one
    const seconds = Math.max(performance.now() - this.#began, 1e-3) / 1000;
    const { learningRate, learningRates } = this.#last!;
    const rates = { learningRate, ...(learningRates && { learningRates }) };
    const all = reported(this.#task, summedLosses(this.#task, means));
    return { ...all, rates, steps: this.#steps, examples: this.#examples, seconds };
  }
}
