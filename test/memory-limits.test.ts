// More memory than a device gives: an error before anything is allocated, whose batch does fit.
import { describe, expect, it } from 'vitest';
import { Backend } from '../src/backend.ts';
import { checkBuffers } from '../src/compile/memory-limits.ts';
import { CpuExecutor } from '../src/cpu/executor.ts';
import { newMemory } from '../src/gpu/memory.ts';
import { DeviceError } from '../src/graph/errors.ts';
import { compiledFor, MemoryError } from '../src/graph/memory-error.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import { sgd } from '../src/optim/sgd.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, Net } from './blobs.ts';
import { testExecutor } from './gpu.ts';

const data = blobs(4096);

function trainerOn(backend: Backend): Trainer {
  const model = new Net(64);
  return new Trainer(backend, { model, loss: softmaxCrossEntropy, optimizer: sgd({ lr: 0.1 }), seed: 1 });
}

/** The error of a step with batches of 4096, and the batch that its message says would fit. */
async function refused(trainer: Trainer): Promise<{ error: Error; fits: number }> {
  const error = await trainer.fit(data, { batchSize: 4096, maxSteps: 1 }).then(
    () => new Error('nothing was refused'),
    (error: Error) => error,
  );
  return { error, fits: Number(/about (\d+)/.exec(error.message)?.[1]) };
}

const backends = [
  [
    'a GPU that binds 100 kB at once',
    async () =>
      new Backend(await testExecutor({ maxStorageBufferBindingSize: 100_000 }), { name: 'test', software: true }),
    /^.*: it binds \d+ bytes of .*, but this adapter binds at most 100000\. The program's values take \d\.\d MB in all\. The largest batch that fits is about \d+: lower batchSize\.$/,
  ],
  [
    'a CPU with 400 kB',
    async () => new Backend(new CpuExecutor({ maxBytes: 400_000 }), { name: 'CPU', software: true }),
    /^train \[4096\]: its values take \d\.\d MB beside the 0\.0 MB in use, but the CPU backend has at most 0\.4 MB\. The largest batch that fits is about \d+: lower batchSize\.$/,
  ],
] as const;

describe.each(backends)('%s', (_, open, message) => {
  it('refuses a batch before it allocates anything, and takes the one it names', async () => {
    const backend = await open();
    const trainer = trainerOn(backend);
    const { bytes } = backend.executor.counters;
    const resident = backend.kind === 'gpu' ? 4096 * (4 * 4 + 1) : 0; // the data set, which does not depend on the batch
    const { error, fits } = await refused(trainer);
    expect(error).toBeInstanceOf(DeviceError);
    expect(error.message).toMatch(message);
    expect(backend.executor.counters).toMatchObject({ bytes, peakBytes: bytes + resident });
    expect(fits).toBeGreaterThan(100);
    await trainer.fit(data, { batchSize: fits, maxSteps: 1 });
    await expect(trainerOn(await open()).fit(data, { batchSize: Math.ceil(1.3 * fits), maxSteps: 1 })).rejects.toThrow(
      'The largest batch that fits',
    );
  });

  it('evaluates in batches that fit, unless it is told their size', async () => {
    const trainer = trainerOn(await open());
    const found = await trainer.evaluate(data);
    expect(found.size).toBe(4096);
    const small = await trainer.evaluate(data, { batchSize: 128 });
    expect(found.loss).toBeCloseTo(small.loss, 5);
    await expect(trainer.evaluate(data, { batchSize: 4096 })).rejects.toThrow('The largest batch that fits');
  });
});

it('a buffer larger than the largest is refused with the sum of all', () => {
  const owned = [newMemory('hidden', 3_000_000), newMemory('out', 500_000)];
  expect(() => checkBuffers('train [8]', owned, 3_000_000)).not.toThrow();
  expect(() => checkBuffers('train [8]', owned, 2_000_000)).toThrow(
    "train [8]: hidden takes 3000000 bytes, more than this adapter's largest buffer (2000000). The program's values take 3.5 MB in all. Use a smaller batch or model.",
  );
});

it.each([
  [8, 0.6, 'It is too large. The largest batch that fits is about 4: lower batchSize.'],
  [1, 0.6, 'It is too large. Use a smaller model.'],
  [8, 0, 'It is too large. Use a smaller model.'],
])('a batch of %d of which %d fits', async (rows, share, message) => {
  await expect(
    compiledFor(rows, Promise.reject(new MemoryError('It is too large.', (n) => n * share))),
  ).rejects.toThrow(message);
});
