// Run by gpu-training.test.ts in a process of its own: goes on with a saved run on the GPU and writes the weights it ends with.
// node test/resume-child.mjs CHECKPOINT OUT ADAPTER EXAMPLES STEPS
import { readFileSync, writeFileSync } from 'node:fs';
import { createBackend, datasets, loadCheckpoint, presets, saveWeights, Trainer } from '../dist/src/node/index.js';

const [, , checkpoint, out, adapter, examples, steps] = process.argv;
const backend = await createBackend(adapter === '' ? { device: 'gpu' } : { adapter: { name: adapter } });
const { train } = await datasets.digits({ train: Number(examples), test: 10 });
const { classic } = presets;
const trainer = new Trainer(backend, {
  model: classic.model(),
  loss: classic.loss,
  optimizer: classic.optimizer(),
  seed: 5,
});
await loadCheckpoint(trainer, readFileSync(checkpoint), checkpoint);
await trainer.fit(train, { maxSteps: Number(steps), batchSize: 32, resume: true });
writeFileSync(out, await saveWeights(trainer));
trainer.dispose();
backend.dispose();
