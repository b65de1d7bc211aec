// What has to be done before the first step: nothing is compiled that it does not run, and all that it runs at once.
import { expect, it, onTestFinished, vi } from 'vitest';
import { randomExamples } from '../bench/training.ts';
import { Backend } from '../src/backend.ts';
import { sgd } from '../src/optim/sgd.ts';
import * as presets from '../src/train/presets.ts';
import { Trainer } from '../src/train/trainer.ts';
import { testExecutor } from './gpu.ts';

const B = 64;
const { mlp } = presets;

/** A trainer of mlp on a device that is watched: the pipelines that were asked for, and those that passes have set. */
async function watched() {
  const executor = await testExecutor();
  const { device } = executor.runtime;
  const asked: Promise<GPUComputePipeline>[] = [];
  const set = new Set<GPUComputePipeline>();
  const create = device.createComputePipelineAsync.bind(device);
  const encoder = device.createCommandEncoder.bind(device);
  const pipelines = vi.spyOn(device, 'createComputePipelineAsync').mockImplementation((descriptor) => {
    const made = create(descriptor);
    asked.push(made);
    return made;
  });
  const encoders = vi.spyOn(device, 'createCommandEncoder').mockImplementation((descriptor) => {
    const commands = encoder(descriptor);
    const begin = commands.beginComputePass.bind(commands);
    commands.beginComputePass = (pass) => {
      const begun = begin(pass);
      const setPipeline = begun.setPipeline.bind(begun);
      begun.setPipeline = (pipeline) => {
        set.add(pipeline);
        setPipeline(pipeline);
      };
      return begun;
    };
    return commands;
  });
  const backend = new Backend(executor, { name: 'an adapter', software: true });
  const trainer = new Trainer(backend, { model: mlp.model(), loss: mlp.loss, optimizer: sgd({ lr: 0.1 }) });
  onTestFinished(() => {
    trainer.dispose();
    for (const spy of [pipelines, encoders]) spy.mockRestore();
  });
  return { trainer, asked, set, create, pipelines };
}

const data = randomExamples(mlp.network, 2 * B + 10, 1);
const validation = randomExamples(mlp.network, 300, 2);

it('compiles what the first step runs and no more, the rest of the run while it goes on', async () => {
  const { trainer, asked, set } = await watched();
  const counts: number[] = [];
  for await (const event of trainer.fit(data, { batchSize: B, epochs: 1, validation, events: 'step' })) {
    if (event.type === 'step' && event.step === 1) {
      expect(new Set(await Promise.all(asked))).toEqual(set);
      expect(set.size).toBeGreaterThanOrEqual(trainer.dispatchesPerStep!);
    }
    counts.push(asked.length);
  }
  // Steps 1 to 3, of which the last is short, and the epoch, which was judged.
  expect(counts).toHaveLength(4);
  expect(counts[3]).toBeGreaterThan(counts[0]! + 4);
  expect(new Set(await Promise.all(asked))).toEqual(set);
});

it('compiles no short batch for a run that ends before it', async () => {
  const { trainer, asked, set } = await watched();
  await trainer.fit(data, { batchSize: B, maxSteps: 2 });
  expect(asked.length).toBe(set.size);
  const before = asked.length;
  await trainer.fit(data, { batchSize: B, maxSteps: 1 });
  expect(asked.length).toBe(before);
  await trainer.fit(data, { batchSize: B, epochs: 1 });
  expect(asked.length).toBeGreaterThan(before);
});

it('asks for all pipelines before the first of them is there', async () => {
  const { trainer, asked, set, create, pipelines } = await watched();
  let open = () => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  pipelines.mockImplementation((descriptor: GPUComputePipelineDescriptor) => {
    const made = gate.then(() => create(descriptor));
    asked.push(made);
    return made;
  });
  const compiling = trainer.warmUp(data, { batchSize: B, epochs: 1, validation });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const early = asked.length;
  open();
  await compiling;
  await trainer.fit(data, { batchSize: B, epochs: 1, validation });
  expect(asked.length).toBe(early);
  expect(set.size).toBe(early);
});

it('finds out before the first step what would end the run after it', async () => {
  const { trainer } = await watched();
  const narrow = { ...validation, x: { shape: [300, 49], data: new Uint8Array(300 * 49) } };
  const made: number[] = [];
  const run = async () => {
    for await (const { step } of trainer.fit(data, { batchSize: B, epochs: 1, validation: narrow, events: 'step' }))
      made.push(step);
  };
  await expect(run()).rejects.toThrow(/784/);
  expect(made).toEqual([]);
});
