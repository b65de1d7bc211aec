// Seconds until a convolutional network reads 99 % of MNIST's test set: the preset `cnn`, from its first step to the end of the epoch that
// reaches it. Compilation and evaluation are apart.
import type { DataPair } from '../src/data/dataset.ts';
import { cnn } from '../src/train/presets.ts';
import { Trainer } from '../src/train/trainer.ts';
import { type Bench, ranOn, type Suite } from './cases.ts';
import type { Figure, Finding } from './findings.ts';
import { spreadOf } from './statistics.ts';

const TARGET = 0.99;

export const timeTo99Suite: Suite = {
  name: 'time-to-99',
  about: "seconds of training until 99 % of MNIST's test set, with the preset cnn; a run a round, each with a seed",
  onRequest: true,
  unfit: ({ mnist }) => (mnist ? undefined : 'it needs MNIST'),
  async *run(bench) {
    bench.tell?.('time-to-99: loading MNIST');
    yield* timeTo(TARGET, bench, await bench.mnist!());
  },
};

/** A run to a test accuracy. */
interface Reached {
  readonly seconds: number;
  readonly accuracy: number;
  readonly compileMs: number;
  readonly dispatches: number | undefined;
  readonly examples: number;
}

/** Runs of consecutive seeds, a round each: their seconds, and the seeds that end below the target. */
export async function* timeTo(target: number, bench: Bench, data: DataPair): AsyncGenerator<Finding, void, undefined> {
  const { backend, rounds, seed, signal, tell } = bench;
  const on = { suite: timeTo99Suite.name, name: `${cnn.name} to ${percent(target)}`, ...ranOn(backend) };
  const reached: Reached[] = [];
  for (let round = 0; round < rounds; round++) {
    tell?.(`${on.suite}: seed ${seed + round}, ${round + 1} of ${rounds}`);
    const run = await runTo(target, bench, data, seed + round);
    if (signal.aborted) break;
    if (run.accuracy >= target) reached.push(run);
    else yield { type: 'refused', ...on, reason: `with seed ${seed + round} it ends at ${percent(run.accuracy)}.` };
  }
  if (reached.length > 0) yield figureOf(on, reached);
}

async function runTo(
  target: number,
  { backend, signal }: Bench,
  { train, test }: DataPair,
  seed: number,
): Promise<Reached> {
  const { epochs, batchSize } = cnn.defaults;
  const trainer = new Trainer(backend, { model: cnn.model(), loss: cnn.loss, optimizer: cnn.optimizer(), seed });
  try {
    const options = { epochs, batchSize, validation: test };
    const since = performance.now();
    await trainer.warmUp(train, options);
    const compileMs = performance.now() - since;
    let [seconds, accuracy, examples] = [0, 0, 0];
    for await (const event of trainer.fit(train, { ...options, targetAccuracy: target, signal })) {
      if (event.type !== 'epoch') continue;
      seconds += event.seconds;
      examples += train.size;
      accuracy = event.validation?.accuracy ?? 0;
    }
    return { seconds, accuracy, compileMs, dispatches: trainer.dispatchesPerStep, examples };
  } finally {
    trainer.dispose();
  }
}

function figureOf(
  on: Pick<Figure, 'suite' | 'name' | 'backend' | 'adapter' | 'software'>,
  runs: readonly Reached[],
): Figure {
  const spread = spreadOf(runs.map(({ seconds }) => seconds));
  const [{ compileMs, dispatches, examples }] = runs as [Reached];
  return {
    type: 'figure',
    ...on,
    unit: 's',
    ...spread,
    ofCeiling: null,
    bound: null,
    ms: 1000 * spread.median,
    rounds: runs.length,
    clock: 'wall clock',
    compileMs,
    ...(dispatches !== undefined && { dispatches }),
    examplesPerSecond: examples / spread.median,
  };
}

function percent(fraction: number): string {
  return `${Number((100 * fraction).toFixed(2))} %`;
}
