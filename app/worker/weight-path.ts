// The history of a run's weights: a few dozen copies, evenly spaced however long the run, for its path on the loss landscape.
import type { Trainer } from '../../src/index.ts';

/** A copy of all parameters, by path. */
export interface WeightSnapshot {
  readonly step: number;
  readonly weights: ReadonlyMap<string, Float32Array>;
}

const MOST = 60;
const MOST_BYTES = 64 * 2 ** 20;

export class WeightPath {
  readonly #trainer: Trainer;
  #snapshots: WeightSnapshot[] = [];
  /** Steps between copies: doubled whenever there are too many. */
  #every = 16;
  #next = 0;
  readonly #most: number;

  constructor(trainer: Trainer) {
    this.#trainer = trainer;
    const bytes = 4 * trainer.parameters().reduce((total, { size }) => total + size, 0);
    this.#most = Math.min(MOST, Math.floor(MOST_BYTES / bytes));
  }

  get snapshots(): readonly WeightSnapshot[] {
    return this.#snapshots;
  }

  /** Copies the weights if a copy is due. */
  async see(step: number): Promise<void> {
    if (step < this.#next || this.#most < 2) return;
    this.#next = step + this.#every;
    this.#snapshots.push(await this.take(step));
    if (this.#snapshots.length <= this.#most) return;
    this.#snapshots = this.#snapshots.filter((_, k) => k % 2 === 0);
    this.#every *= 2;
  }

  /** The current weights. */
  async take(step: number): Promise<WeightSnapshot> {
    const { state } = this.#trainer;
    const trainable = state.variables.filter(({ variable }) => variable.trainable);
    const values = await state.storage.read(trainable.map(({ variable }) => variable));
    return { step, weights: new Map(trainable.map(({ path }, k) => [path, Float32Array.from(values[k]!)])) };
  }
}
