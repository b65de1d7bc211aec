// How long a training step takes to trace and plan, with Dawn's share told apart. It is work of the host alone, so the adapter
// to measure it on is Dawn's null backend: `thalweg bench plan --adapter null`.
import { Backend } from '../src/backend.ts';
import { GpuExecutor } from '../src/compile/executor.ts';
import type { Timing } from '../src/gpu/profiler.ts';
import { GpuRuntime } from '../src/gpu/runtime.ts';
import { ShaderError } from '../src/graph/errors.ts';
import { uniforms } from '../src/graph/random.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import { ReLU } from '../src/nn/activations.ts';
import { Linear } from '../src/nn/linear.ts';
import { Sequential } from '../src/nn/sequential.ts';
import { adam } from '../src/optim/adam.ts';
import type { Examples } from '../src/train/batch.ts';
import { Trainer, type TrainerOptions } from '../src/train/trainer.ts';
import { type Bench, type Group, type Prepared, ranOn, type Suite } from './cases.ts';
import { randomArray } from './data.ts';
import { DawnTime } from './dawn-time.ts';
import type { Finding } from './findings.ts';
import { gpuOf } from './kernel.ts';
import { spreadOf } from './statistics.ts';
import { Transformer, type TransformerSizes } from './transformer.ts';

/** A training step to plan. */
export interface PlanFacts {
  readonly name: string;
  readonly model: () => TrainerOptions['model'];
  readonly data: Examples;
  readonly batchSize: number;
}

const SIZES = { vocabulary: 65, length: 64, width: 64, heads: 4 };
const CHAIN_WIDTH = 16;
const CLASSES = 10;

export const planSuite: Suite = {
  name: 'plan',
  about: 'milliseconds to trace and plan a training step, and in Dawn, of deep networks; dispatches',
  onRequest: true,
  unfit: ({ backend }) => (backend.kind === 'cpu' ? 'the CPU backend has nothing to plan' : undefined),
  *groups(bench) {
    for (const layers of bench.quick ? [2, 6] : [2, 6, 12, 24]) yield planGroup(bench, transformer(layers, bench.seed));
    for (const layers of bench.quick ? [25] : [25, 100, 200]) yield planGroup(bench, chain(layers, bench.seed));
  },
};

function transformer(layers: number, seed: number): PlanFacts {
  const model = () => new Transformer({ ...SIZES, layers });
  return { name: `transformer, ${layers} layers, batch 8`, model, data: randomText(SIZES, 64, seed), batchSize: 8 };
}

/** Random tokens, and after each the next one. */
export function randomText(
  { vocabulary: V, length: T }: Pick<TransformerSizes, 'vocabulary' | 'length'>,
  size: number,
  seed: number,
): Examples {
  const text = Uint32Array.from(uniforms(size * T + 1, seed, 'text', 0, V), Math.floor);
  const shape = [size, T];
  return {
    name: 'random text',
    size,
    x: { shape, data: text.slice(0, -1) },
    y: { shape, data: text.slice(1) },
  };
}

function chain(layers: number, seed: number): PlanFacts {
  const hidden = () => [new Linear(CHAIN_WIDTH, CHAIN_WIDTH), new ReLU()];
  const model = () =>
    new Sequential(...Array.from({ length: layers }, hidden).flat(), new Linear(CHAIN_WIDTH, CLASSES));
  const size = 256;
  const x = randomArray({ shape: [size, CHAIN_WIDTH] }, seed, 'x');
  const y = Uint8Array.from(uniforms(size, seed, 'y', 0, CLASSES), Math.floor);
  const data = { name: 'random numbers', size, x, y: { shape: [size], data: y }, classes: CLASSES };
  return { name: `Sequential, ${layers} x (Linear, ReLU), batch 32`, model, data, batchSize: 32 };
}

/** Its figures: the milliseconds to trace and plan, with the dispatches, and those in Dawn. */
export function planGroup(bench: Bench, facts: PlanFacts): Group {
  const name = `${facts.name}: trace and plan`;
  const subject = new Planning(bench, facts);
  const { backend } = bench;
  return {
    cases: [{ name, kind: name, backend, unit: 'ms', amount: 1, prepare: async () => subject }],
    conclude: ([measured]) => (measured ? [inDawn(bench, facts, subject, measured.samples.ms.length)] : []),
  };
}

/** Compiles a fresh trainer a run, and times the host's share. */
class Planning implements Prepared {
  readonly most = 1;
  /** Milliseconds in Dawn, a number a run. */
  readonly dawnMs: number[] = [];
  dispatches: number | undefined;
  readonly #bench: Bench;
  readonly #facts: PlanFacts;

  constructor(bench: Bench, facts: PlanFacts) {
    this.#bench = bench;
    this.#facts = facts;
  }

  async run(): Promise<Timing> {
    const { backend, seed } = this.#bench;
    const { model, data, batchSize } = this.#facts;
    const { opened } = gpuOf(backend).runtime;
    const { onuncapturederror } = opened.device;
    // A new runtime has compiled nothing yet.
    const dawn = new DawnTime(opened.device, `round ${this.dawnMs.length}`);
    const runtime = new GpuRuntime({ ...opened, device: dawn.device });
    const own = new Backend(new GpuExecutor(runtime), backend.adapter);
    const options = { model: model(), loss: softmaxCrossEntropy, optimizer: adam({ lr: 1e-3 }), seed };
    const trainer = new Trainer(own, options);
    try {
      const [since, dawnSince] = [performance.now(), dawn.ms];
      await trainer.warmUp(data, { batchSize, epochs: 1 });
      const [ms, dawnMs] = [performance.now() - since, dawn.ms - dawnSince];
      this.dawnMs.push(dawnMs);
      this.dispatches = trainer.dispatchesPerStep;
      return { ms: ms - dawnMs, clock: 'wall clock' };
    } catch (error) {
      throw error instanceof ShaderError ? new ShaderError(shortened(error.message)) : error;
    } finally {
      trainer.dispose();
      await runtime.settle();
      opened.device.onuncapturederror = onuncapturederror;
    }
  }

  /** Nothing was computed. */
  async check(): Promise<void> {}

  dispose(): void {}
}

/** A kernel of a hundred ops is named after all of them. */
function shortened(message: string): string {
  return message
    .split('\n')
    .map((line) => (line.length > 200 ? `${line.slice(0, 80)} ... ${line.slice(-120)}` : line))
    .slice(0, 5)
    .join('\n');
}

function inDawn({ backend }: Bench, facts: PlanFacts, { dawnMs }: Planning, rounds: number): Finding {
  const spread = spreadOf(dawnMs.slice(-rounds));
  return {
    type: 'figure',
    suite: planSuite.name,
    name: `${facts.name}: in Dawn`,
    ...ranOn(backend),
    unit: 'ms',
    ...spread,
    ofCeiling: null,
    bound: null,
    ms: spread.median,
    rounds,
    clock: 'wall clock',
    compileMs: 0,
  };
}
