// A preset's training step for the tuner: which products it asks for, and whether it is faster with what was found for them.
import type { Backend } from '../src/backend.ts';
import { productNamed } from '../src/ops/gemm-candidates.ts';
import { presets } from '../src/train/presets.ts';
import type { Bench } from './cases.ts';
import { measure, warmUp } from './measure.ts';
import { ratioOf, type Spread } from './statistics.ts';
import { randomExamples, TrainingStep } from './training.ts';
import { isFaster, variantOf } from './tune.ts';

/** A preset with a batch size. */
export interface StepToTune {
  readonly preset: keyof typeof presets;
  readonly batch: number;
}

/** The step on a backend of this device that asks `tuned`. */
function prepare(bench: Bench, { preset, batch }: StepToTune, tuned: (work: string) => unknown): Promise<TrainingStep> {
  const { network, optimizer } = presets[preset];
  const backend: Backend = variantOf(bench.backend, tuned);
  const data = randomExamples(network, batch, bench.seed);
  const facts = { name: preset, network, optimizer: optimizer(), batch, data, seed: bench.seed, total: 2 ** 20 };
  return TrainingStep.prepare(backend, facts, bench.reference);
}

/** The names of the products that a step asks for, and of the step itself where it could run many to a dispatch. */
export async function namesOf(
  bench: Bench,
  step: StepToTune,
): Promise<{ products: string[]; steps: string | undefined }> {
  const asked = new Set<string>();
  const prepared = await prepare(bench, step, (work) => void asked.add(work));
  prepared.dispose();
  const names = [...asked];
  return {
    products: names.filter((name) => productNamed(name) !== undefined),
    steps: names.find((name) => name.startsWith('steps ')),
  };
}

/**
 * How many times as fast a step is with these entries as with those of `usual`, whether beyond doubt, and its dispatches with those
 * and with these: a product that is fast alone may keep others out of its dispatch. Undefined where the signal ended it.
 */
export async function stepWith(
  bench: Bench,
  step: StepToTune,
  entries: Readonly<Record<string, unknown>>,
  usual: Readonly<Record<string, unknown>> = {},
) {
  const steps = [await prepare(bench, step, (work) => usual[work])];
  try {
    steps.push(await prepare(bench, step, (work) => entries[work]));
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
