// Writes a trainer's history, and bounds it: if it becomes long, every second (then every fourth …) step and epoch is kept, and always
// the first and the last.
import type { EpochEvent, History, StepEvent, WarningEvent } from './events.ts';

/** The maximum numbers of steps, epochs, and rates or warnings in a history. */
export const MOST_STEPS = 100_000;
export const MOST_EPOCHS = 10_000;
const MOST_OTHERS = 10_000;

/** Decides which entries of a long list to keep. */
class Stride {
  readonly #most: number;
  #seen = 0;
  #every = 1;
  /** Whether the last entry is kept only because it is the last. */
  #passing = false;

  constructor(most: number) {
    this.#most = most;
  }

  /** Adds an entry: one value for each of several lists of equal length. */
  push<T extends unknown[]>(lists: { readonly [K in keyof T]: T[K][] }, values: T): void {
    if (lists[0]!.length === 0) [this.#seen, this.#every, this.#passing] = [0, 1, false]; // The caller emptied it.
    if (this.#passing) for (const list of lists) list.pop();
    if (lists[0]!.length >= this.#most) {
      this.#every *= 2;
      for (const list of lists) keepEverySecond(list);
    }
    this.#passing = this.#seen++ % this.#every !== 0;
    for (const [k, list] of lists.entries()) list.push(values[k]);
  }
}

function keepEverySecond(list: unknown[]): void {
  for (let k = 0; 2 * k < list.length; k++) list[k] = list[2 * k];
  list.length = Math.ceil(list.length / 2);
}

export class Recorder {
  readonly #history: History;
  readonly #steps: Stride;
  readonly #epochs: Stride;

  constructor(history: History, mostSteps = MOST_STEPS, mostEpochs = MOST_EPOCHS) {
    this.#history = history;
    this.#steps = new Stride(mostSteps);
    this.#epochs = new Stride(mostEpochs);
  }

  step({ step, loss, accuracy, metrics }: Pick<StepEvent, 'step' | 'loss' | 'accuracy' | 'metrics'>): void {
    const { steps } = this.#history;
    const others: Record<string, number[]> = steps.metrics;
    const names = Object.keys(metrics);
    for (const name of names) others[name] ??= [];
    const lists = [steps.step, steps.loss, ...names.map((name) => others[name]!)];
    const values = [step, loss, ...names.map((name) => metrics[name]!)];
    if (accuracy === undefined) this.#steps.push(lists, values);
    else this.#steps.push([...lists, steps.accuracy], [...values, accuracy]);
  }

  epoch(event: EpochEvent): void {
    this.#epochs.push([this.#history.epochs], [event]);
  }

  warning(event: WarningEvent): void {
    keepLast(this.#history.warnings, event);
  }

  rate(step: number, learningRate: number | 'schedule'): void {
    keepLast(this.#history.rates, { step, learningRate });
  }
}

function keepLast<T>(list: T[], entry: T): void {
  list.push(entry);
  if (list.length > MOST_OTHERS) list.shift();
}
