// Threads of the CPU backend in Node: the same bits for any number, memory that grows under them, their end, and what is refused.
import { createHash } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import type { Backend } from '../src/backend.ts';
import { chunkOf } from '../src/cpu/pool.ts';
import { digits } from '../src/data/digits.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import { DeviceError } from '../src/graph/errors.ts';
import { uniforms } from '../src/graph/random.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import '../src/ops/methods.ts';
import { losses, nn, optim, Trainer } from '../src/index.ts';
import { createBackend } from '../src/node/providers.ts';
import { threadsOf } from '../src/node/threads.ts';
import { conv } from '../src/ops/conv.ts';

/** Workers as they are created. */
const workers: Worker[] = [];
const note = (worker: Worker) => workers.push(worker);
process.on('worker', note);
afterAll(() => void process.off('worker', note));

const open: Backend[] = [];
async function backendOf(threads?: number): Promise<Backend> {
  const backend = await createBackend({ device: 'cpu', threads });
  open.push(backend);
  return backend;
}
/** Workers, whose event comes after their creation. */
const started = () => setImmediate(workers);
afterEach(async () => {
  for (const backend of open.splice(0)) backend.dispose();
  await started();
  workers.length = 0;
});

const floats = (shape: readonly number[], key: string) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return { shape, dtype: 'f32' as const, data: uniforms(size, 5, key, -1, 1) };
};

/** Every kind of pass, each large enough to be shared: products by columns and by rows, convolutions, chains. */
const inputs = {
  image: floats([17, 20, 20, 6], 'image'),
  w: floats([11, 3, 3, 6], 'w'),
  b: floats([11], 'b'),
  wide: floats([70, 300], 'wide'),
  tall: floats([1001, 300], 'tall'),
  few: floats([300, 9], 'few'),
  more: floats([300, 203], 'more'),
};
type Inputs = Record<keyof typeof inputs, Tensor>;
const all = ({ image, w, b, wide, tall, few, more }: Inputs) => ({
  conv: conv(image, w, { bias: b, padding: 1, stride: [1, 2] }),
  columns: wide.matmul(more),
  rows: tall.matmul(few),
  chain: tall.mul(0.3).add(1).sigmoid().sub(tall),
});

/** A digest of the bytes of each output. */
const bits = (outputs: Record<string, { data: HostArray }>) =>
  Object.fromEntries(
    Object.entries(outputs).map(([name, { data }]) => [name, createHash('sha256').update(data).digest('hex')]),
  );

test('every pass above is shared', () => {
  expect(chunkOf(17, 2 * 17 * 20 * 10 * 11 * 54, 2)).toBeGreaterThan(0);
  expect(chunkOf(26, 2 * 70 * 203 * 300, 2)).toBeGreaterThan(0);
  expect([chunkOf(100, 1000, 2), chunkOf(1, 1e9, 2), chunkOf(100, 1e9, 1)]).toEqual([0, 0, 0]);
});

test('1, 2, 3 and 5 threads give the same bits, one op at a time', async () => {
  const wanted = bits(await (await backendOf(1)).run(all, inputs));
  expect(await started()).toHaveLength(0);
  for (const threads of [2, 3, 5]) {
    const backend = await backendOf(threads);
    for (let turn = 0; turn < 3; turn++) expect(bits(await backend.run(all, inputs))).toEqual(wanted);
  }
  expect(await started()).toHaveLength(1 + 2 + 4);
});

class Cnn {
  conv1 = new nn.Conv2d(1, 8, 5, { stride: 2 });
  conv2 = new nn.Conv2d(8, 16, 3, { padding: 1 });
  out = new nn.Linear(144 * 16, 10);
  forward(x: Tensor): Tensor {
    const image = x.reshape([-1, 28, 28, 1]);
    const y = this.conv2.forward(this.conv1.forward(image).relu()).relu();
    return this.out.forward(y.reshape([-1, 144 * 16]));
  }
}

test('a training has the same losses with 1, 2 and 3 threads', async () => {
  const { train } = await digits({ train: 256, test: 1 });
  const lossesOf = async (threads: number) => {
    const trainer = new Trainer(await backendOf(threads), {
      model: new Cnn(),
      loss: losses.softmaxCrossEntropy,
      optimizer: optim.adam({ lr: 1e-3 }),
      seed: 3,
    });
    const { steps } = await trainer.fit(train, { maxSteps: 12, batchSize: 32 });
    trainer.dispose();
    return [...steps.loss];
  };
  const wanted = await lossesOf(1);
  expect(wanted).toHaveLength(12);
  expect(wanted.at(-1)).toBeLessThan(wanted[0]!);
  expect(await lossesOf(2)).toEqual(wanted);
  expect(await lossesOf(3)).toEqual(wanted);
});

test('memory grows and is given up while threads are at work', async () => {
  const backend = await backendOf(2);
  const wanted = bits(await backend.run(all, inputs));
  const program = await backend.compile(({ x }) => ({ y: x!.mul(2).add(1) }), { x: { shape: [2e6], dtype: 'f32' } });
  expect(bits(await backend.run(all, inputs))).toEqual(wanted);
  const { y } = await program.run({ x: new Float32Array(2e6).fill(3) });
  expect(y!.data.every((v) => v === 7)).toBe(true);
  // Results outlive the memory, which other threads see no longer: they are arrays of their own.
  expect(y!.data.buffer).toBeInstanceOf(ArrayBuffer);
  program.dispose();
  expect(backend.executor.counters.bytes).toBe(0);
  expect(bits(await backend.run(all, inputs))).toEqual(wanted);
});

describe('the number', () => {
  const small = { x: new Float32Array(8).fill(1) };
  test('is that of the cores by default, up to 8', async () => {
    const pool = threadsOf()?.(() => {});
    expect(pool?.threads ?? 1).toBe(Math.min(8, availableParallelism()));
    expect(threadsOf(1)).toBeUndefined();
  });

  test('of workers is 0 until there is work for them', async () => {
    const backend = await backendOf(4);
    await backend.run(({ x }) => x.mul(2), small);
    expect(await started()).toHaveLength(0);
  });

  test.each([0, 2.5, -1, '2'])('%j is refused', async (threads) => {
    await expect(createBackend({ device: 'cpu', threads: threads as number })).rejects.toThrow(
      `createBackend: threads is ${JSON.stringify(threads)}. Give a whole number from 1.`,
    );
  });

  test('has no effect in doubles', async () => {
    const backend = await createBackend({ device: 'cpu', precision: 'float64', threads: 2 });
    expect((await backend.run(all, inputs))['chain']!.data).toBeInstanceOf(Float64Array);
    expect(await started()).toHaveLength(0);
  });
});

describe('the end', () => {
  const atWork = async () => {
    const backend = await backendOf(3);
    await backend.run(all, inputs);
    expect(await started()).toHaveLength(2);
    return { backend, ended: workers.map((worker) => new Promise((done) => worker.once('exit', done))) };
  };

  test('of a backend is that of its threads', async () => {
    const { backend, ended } = await atWork();
    backend.dispose();
    await Promise.all(ended);
    await expect(backend.run(all, inputs)).rejects.toThrow('CPU backend: it was disposed.');
  });

  test('of a thread is that of its backend', async () => {
    const { backend, ended } = await atWork();
    const lost = expect(backend.executor.lost).rejects.toBeInstanceOf(DeviceError);
    await workers[0]!.terminate();
    await lost;
    await Promise.all(ended);
    await expect(backend.run(all, inputs)).rejects.toThrow(
      'CPU backend: of its 3 threads one ended. Create a new backend.',
    );
  });
});
