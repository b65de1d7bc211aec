// A preset's training step for the tuner: which products it asks for, and whether it is faster with what was found for them.
import type { Backend } from '../src/backend.ts';
import { entryFor, type ProductWork, sameWork, type TuningEntry, type Work } from '../src/graph/tuning.ts';
import { densePresets } from '../src/train/dense-presets.ts';
import type { Bench } from './cases.ts';
import { measure, warmUp } from './measure.ts';
import { ratioOf, type Spread } from './statistics.ts';
import { randomExamples, TrainingStep } from './training.ts';
import { isFaster, variantOf } from './tune.ts';

/** A preset with a batch size. */
export interface StepToTune {
  readonly preset: keyof typeof densePresets;
  readonly batch: number;
}

/** The step on a backend of this device that asks `tuned`. */
function prepare(bench: Bench, { preset, batch }: StepToTune, tuned: (work: Work) => unknown): Promise<TrainingStep> {
  const { network, optimizer } = densePresets[preset];
  const backend: Backend = variantOf(bench.backend, tuned);
  const data = randomExamples(network, batch, bench.seed);
  const facts = { name: preset, network, optimizer: optimizer(), batch, data, seed: bench.seed, total: 2 ** 20 };
  return TrainingStep.prepare(backend, facts, bench.reference);
}

/** The products that a step asks for, and the work of the step itself where it could run many to a dispatch. */
export async function worksOf(
  bench: Bench,
  step: StepToTune,
): Promise<{ products: ProductWork[]; steps: Work | undefined }> {
  const asked: Work[] = [];
  const prepared = await prepare(bench, step, (work) => {
    if (!asked.some((before) => sameWork(before, work))) asked.push(work);
    return undefined;
  });
  prepared.dispose();
  return {
    products: asked.filter((work) => work.kind === 'product'),
    steps: asked.find((work) => work.kind === 'steps'),
  };
}

/**
 * How many times as fast a step is with these entries as with those of `usual`, whether beyond doubt, and its dispatches with those
 * and with these: a product that is fast alone may keep others out of its dispatch. Undefined where the signal ended it.
 */
export async function stepWith(
  bench: Bench,
  step: StepToTune,
  entries: readonly TuningEntry[],
  usual: readonly TuningEntry[] = [],
) {
  const steps = [await prepare(bench, step, (work) => entryFor(usual, work)?.use)];
  try {
    steps.push(await prepare(bench, step, (work) => entryFor(entries, work)?.use));
    const ready = [];
    for (const subject of steps) {
      await subject.check();
      ready.push({ subject, pace: await warmUp(subject, bench) });
    }
    const [before, after] = await measure(ready, bench.rounds, bench.signal);
    if (bench.signal.aborted) return undefined;
    const ratio: Spread = ratioOf(before!.ms, after!.ms);
    return { ratio, faster: isFaster(before!.ms, after!.ms), dispatches: steps.map(({ dispatches }) => dispatches) };
  } finally {
    for (const subject of steps) subject.dispose();
  }
}
