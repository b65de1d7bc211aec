// CPU against GPU: two trainers with the same weights, batches and seed, turn by turn, each timed in its own turns only. Their
// losses must coincide, and so must their gradients at the start.
import { type Backend, createCpuBackend, type DataPair, type Trainer, type TrainingRun } from '../../src/index.ts';
import type { Config } from '../config.ts';
import type { RaceLane, RaceResult, WorkerEvent } from '../protocol.ts';
import { trainerOf } from './network.ts';
import { scaledPixels } from './pixels.ts';

/** Milliseconds per turn, and the number of images for comparing gradients. */
const [TURN, IMAGES] = [500, 128];

/** One side. Its first step compiles, and is not timed. */
class Lane {
  readonly losses: number[] = [];
  readonly #name: string;
  readonly #software: boolean;
  readonly #batch: number;
  readonly #steps: number;
  readonly trainer: Trainer;
  readonly #run: TrainingRun;
  #ms = 0;
  #timed = 0;

  constructor(trainer: Trainer, config: Config, data: DataPair, steps: number) {
    const { kind, adapter } = trainer.backend;
    this.trainer = trainer;
    this.#name = adapter.name;
    this.#software = kind === 'gpu' && adapter.software;
    this.#batch = config.batch;
    this.#steps = steps;
    this.#run = trainer.fit(data.train, { maxSteps: steps, batchSize: config.batch, events: 'step' });
  }

  get done(): boolean {
    return this.losses.length >= this.#steps;
  }

  /** Steps for about `ms` milliseconds (the first time one step), then a pause in which this side has nothing in flight. */
  async turn(ms: number): Promise<void> {
    const before = this.losses.length;
    const start = performance.now();
    this.#run.resume();
    do await this.#next();
    while (!this.done && before > 0 && performance.now() - start < ms);
    this.#run.pause();
    while (this.losses.length < this.trainer.stepsMade) await this.#next();
    if (before === 0) return;
    this.#ms += performance.now() - start;
    this.#timed += this.losses.length - before;
  }

  async #next(): Promise<void> {
    const { value } = await this.#run.next();
    if (value?.type === 'step') this.losses.push(value.loss);
  }

  async dispose(): Promise<void> {
    this.trainer.dispose();
    await this.#run.return();
  }

  facts(): RaceLane {
    return {
      name: this.#name,
      software: this.#software,
      imagesPerSecond: this.#ms > 0 ? (1000 * this.#batch * this.#timed) / this.#ms : 0,
      steps: this.losses.length,
      losses: Float32Array.from(this.losses),
      done: this.done,
    };
  }
}

/** The differences of the two sides: the largest relative difference of a loss, and of a parameter's gradient. */
async function compare(cpu: Trainer, gpu: Trainer, data: DataPair): Promise<{ difference: number; path: string }> {
  const { x, y, scale } = data.train.slice(0, Math.min(IMAGES, data.train.size));
  const floats = { shape: x.shape, data: scaledPixels(x.data, scale) };
  const [{ gradients: here = {} }, { gradients: there = {} }] = [
    await cpu.inspect(floats, y),
    await gpu.inspect(floats, y),
  ];
  const worst = Object.entries(here).map(([path, { data: a }]) => {
    const b = there[path]!.data;
    let [most, apart] = [0, 0];
    for (let i = 0; i < a.length; i++) {
      most = Math.max(most, Math.abs(a[i]!));
      apart = Math.max(apart, Math.abs(a[i]! - b[i]!));
    }
    return { path, difference: most > 0 ? apart / most : apart };
  });
  return worst.reduce((a, b) => (b.difference > a.difference ? b : a));
}

/** Races to `steps` steps each, or until `signal` ends it. */
export async function race(
  gpuBackend: Backend,
  config: Config,
  data: DataPair,
  { steps, post, signal }: { steps: number; post(event: WorkerEvent): void; signal: AbortSignal },
): Promise<RaceResult> {
  const constant: Config = { ...config, schedule: 'constant' };
  const cpuBackend = createCpuBackend();
  const lanes: Lane[] = [];
  try {
    for (const backend of [cpuBackend, gpuBackend])
      lanes.push(new Lane(trainerOf(backend, constant, { submitMs: 50 }), constant, data, steps));
    const [cpu, gpu] = lanes as [Lane, Lane];
    const gradients = await compare(cpu.trainer, gpu.trainer, data);
    while (!(cpu.done && gpu.done)) {
      for (const lane of lanes) {
        signal.throwIfAborted();
        if (!lane.done) await lane.turn(TURN);
        post({ type: 'race', cpu: cpu.facts(), gpu: gpu.facts() });
      }
    }
    const [a, b] = [cpu.facts(), gpu.facts()];
    const apart = a.losses.map((loss, k) => Math.abs(loss - b.losses[k]!) / Math.max(Math.abs(loss), 1e-12));
    return {
      cpu: a,
      gpu: b,
      speedup: b.imagesPerSecond / a.imagesPerSecond,
      lossDifference: Math.max(...apart),
      gradientDifference: gradients.difference,
      gradientPath: gradients.path,
      batch: config.batch,
    };
  } finally {
    for (const lane of lanes) await lane.dispose();
    cpuBackend.dispose();
  }
}
