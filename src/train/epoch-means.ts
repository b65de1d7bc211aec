// The means of an epoch's metrics over its examples, those of loss and accuracy by what these count, and the time it took.
import type { BatchCounts } from './batch-weights.ts';
import type { StepEvent } from './events.ts';

export class EpochMeans {
  readonly #sums = new Map<string, number>();
  #steps = 0;
  #examples = 0;
  #weight = 0;
  #counted = 0;
  readonly #summed: boolean;
  #began = 0;
  #last: StepEvent | undefined;

  /** `summed`: the loss is a sum, so that the epoch's is too. */
  constructor(summed: boolean) {
    this.#summed = summed;
  }

  /** Steps so far. */
  get steps(): number {
    return this.#steps;
  }

  start(): void {
    this.#sums.clear();
    this.#steps = 0;
    this.#examples = 0;
    this.#weight = 0;
    this.#counted = 0;
    this.#began = performance.now();
  }

  /** Takes time away in which nothing was trained. */
  pause(ms: number): void {
    this.#began += ms;
  }

  /** A step, and what its batch counts. */
  add(event: StepEvent, counts: BatchCounts): void {
    const { loss, accuracy, metrics } = event;
    const all = { loss, ...(accuracy !== undefined && { accuracy }), ...metrics };
    const { examples, rows } = counts;
    const weight = this.#summed ? 1 : counts.weight;
    const countOf = (name: string) => (name === 'loss' ? weight : name === 'accuracy' ? rows : examples);
    for (const [name, value] of Object.entries(all))
      this.#sums.set(name, (this.#sums.get(name) ?? 0) + value * countOf(name));
    this.#steps++;
    this.#examples += examples;
    this.#weight += weight;
    this.#counted += rows;
    this.#last = event;
  }

  finish(): {
    loss: number;
    accuracy: number | undefined;
    metrics: Record<string, number>;
    rates: Pick<StepEvent, 'learningRate' | 'learningRates'>;
    steps: number;
    examples: number;
    seconds: number;
  } {
    // Of nothing that counts, loss and accuracy are 0.
    const over = (name: string) => {
      if (name === 'loss') return this.#summed ? 1 : this.#weight || 1;
      return name === 'accuracy' ? this.#counted || 1 : this.#examples;
    };
    const means = Object.fromEntries([...this.#sums].map(([name, sum]) => [name, sum / over(name)]));
    const { loss, accuracy, ...metrics } = means;
    const seconds = Math.max(performance.now() - this.#began, 1e-3) / 1000;
    const { learningRate, learningRates } = this.#last!;
    const rates = { learningRate, ...(learningRates && { learningRates }) };
    return { loss: loss!, accuracy, metrics, rates, steps: this.#steps, examples: this.#examples, seconds };
  }
}
