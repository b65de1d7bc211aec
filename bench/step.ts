// Whole training steps of the presets: steps and examples a second, over batch sizes, by plain gradient descent and by Adam.
import { adam } from '../src/optim/adam.ts';
import { sgd } from '../src/optim/sgd.ts';
import { densePresets } from '../src/train/dense-presets.ts';
import type { NetworkDescription } from '../src/train/network-description.ts';
import type { Bench, Case, Suite } from './cases.ts';
import { randomExamples, type StepFacts, TrainingStep, workOf } from './training.ts';

const BATCHES = [32, 64, 128, 256, 512, 1024, 2048, 4096];
const QUICK = [32, 256, 2048];
/** Rates at which random classes do no harm. */
const OPTIMIZERS = { SGD: () => sgd({ lr: 0.1 }), Adam: () => adam({ lr: 1e-3 }) } as const;

export const stepSuite: Suite = {
  name: 'step',
  about: 'training steps of the presets over batch sizes: steps/s, examples/s, dispatches',
  *groups(bench) {
    const batches = bench.quick ? QUICK : BATCHES;
    const data = randomExamples(densePresets.mlp.network, Math.max(...batches), bench.seed);
    for (const preset of Object.values(densePresets)) {
      for (const batch of batches) {
        const cases = Object.entries(OPTIMIZERS).map(([by, optimizer]) =>
          stepCase(bench, bench.backend, {
            name: `${preset.name}, ${by}, batch ${batch}`,
            network: preset.network,
            optimizer: optimizer(),
            batch,
            data,
            seed: bench.seed,
          }),
        );
        yield { cases };
      }
    }
  },
};

/** A training step on `backend`, checked against the CPU in doubles. */
export function stepCase(
  bench: Bench,
  backend: Case['backend'],
  facts: StepFacts & { readonly network: NetworkDescription },
): Case {
  const { name, network, optimizer, batch } = facts;
  return {
    name,
    backend,
    unit: 'steps/s',
    amount: 1,
    work: workOf(network, batch, optimizer.slots.length),
    kind: [network.inputs, ...network.hidden, optimizer.name].join('-'),
    largest: 4 * batch * Math.max(...network.hidden, network.outputs),
    examples: batch,
    prepare: () => TrainingStep.prepare(backend, facts, bench.reference),
  };
}
