// What the GPU engine does with memory that is not its own and with calls that fail, and what is left of it after its end.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { Backend } from '../src/backend.ts';
import { GpuExecutor } from '../src/compile/executor.ts';
import { DeviceError } from '../src/graph/errors.ts';
import { input, Variable } from '../src/graph/tensor.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import { add } from '../src/ops/binary.ts';
import { square } from '../src/ops/unary.ts';
import { sgd } from '../src/optim/sgd.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, Net } from './blobs.ts';
import { testExecutor } from './gpu.ts';
import { openDevice } from './gpu-node.ts';

let gpu: GpuExecutor;
beforeAll(async () => {
  gpu = await testExecutor();
});

const squares = (size: number) => ({ outputs: { y: square(input('x', { shape: [size], dtype: 'f32' })) } });

describe('memory of others', () => {
  const Resizable = ArrayBuffer as new (length: number, options: { maxByteLength: number }) => ArrayBuffer;
  const shared = new Float32Array(new SharedArrayBuffer(16), 4, 3);
  const resizable = new Float32Array(new Resizable(16, { maxByteLength: 32 }), 4, 3);
  it.each([
    ['shared', shared],
    ['resizable', resizable],
  ])('that is %s reaches Dawn as a copy', async (_, x) => {
    x.set([1, 2, 3]);
    const { queue } = gpu.runtime.device;
    const writeBuffer = queue.writeBuffer.bind(queue);
    const spy = vi.spyOn(queue, 'writeBuffer').mockImplementation((buffer, offset, data, ...rest) => {
      const { buffer: bytes } = data as Uint8Array;
      // Not handed on: it would end the process.
      if (!(bytes instanceof ArrayBuffer) || (bytes as { resizable?: boolean }).resizable)
        throw new Error('not a copy');
      writeBuffer(buffer, offset, data, ...rest);
    });
    try {
      const program = await gpu.compile(squares(3));
      expect([...(await program.run({ x })).y!.data]).toEqual([1, 4, 9]);
      expect(spy).toHaveBeenCalled();
      program.dispose();
    } finally {
      spy.mockRestore();
    }
  });
});

describe('a call that fails', () => {
  const v = new Variable([4], { initial: () => new Float32Array(4) });
  const fault = () => {
    throw new Error('injected');
  };
  const failing: [string, () => { mockRestore(): void }, RegExp][] = [
    [
      'createBuffer',
      () => vi.spyOn(gpu.runtime.device, 'createBuffer').mockImplementation(fault),
      /variable: a buffer of 16 bytes failed: injected\. Use a smaller batch or model\./,
    ],
    [
      'writeBuffer',
      () => vi.spyOn(gpu.runtime.device.queue, 'writeBuffer').mockImplementation(fault),
      /variable: writing 16 bytes failed: injected\. Create a new backend/,
    ],
    [
      'submit',
      () => vi.spyOn(gpu.runtime.device.queue, 'submit').mockImplementation(fault),
      /read variables: a submit failed: injected\. Create a new backend/,
    ],
    [
      'getMappedRange',
      () => vi.spyOn(GPUBuffer.prototype, 'getMappedRange').mockImplementation(fault),
      /reading back failed: injected\. Create a new backend/,
    ],
    [
      'mapAsync',
      () => vi.spyOn(GPUBuffer.prototype, 'mapAsync').mockRejectedValue(new Error('injected')),
      /reading back failed: injected\. Create a new backend/,
    ],
  ];
  it.each(failing)('%s: is our error, keeps no memory and leaves no error scope', async (_, inject, message) => {
    const before = gpu.counters.bytes;
    const use = async () => {
      const storage = gpu.allocate([{ variable: v }]);
      try {
        storage.write(v, Float32Array.of(1, 2, 3, 4));
        return await storage.read([v]);
      } finally {
        storage.dispose();
      }
    };
    const spy = inject();
    const failure = use();
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toBeInstanceOf(DeviceError);
    spy.mockRestore();
    expect(gpu.counters.bytes).toBeLessThanOrEqual(before);
    await expect(gpu.runtime.device.popErrorScope()).rejects.toThrow();
    expect([...(await use())[0]!]).toEqual([1, 2, 3, 4]);
  });
});

describe('pipelines', () => {
  it('are compiled once for a program that comes again soon, and forgotten after 64 others', async () => {
    const made = async (size: number) => {
      const before = gpu.counters.pipelines;
      (await gpu.compile(squares(size), { fuse: false })).dispose();
      return gpu.counters.pipelines - before;
    };
    expect(await made(1000)).toBe(1);
    expect(await made(1000)).toBe(0);
    const used = await gpu.compile(squares(2000));
    for (let k = 1; k <= 64; k++) await made(1000 + k);
    expect(await made(1000)).toBe(1);
    expect(await made(2000)).toBe(0); // A program that is alive uses it.
    used.dispose();
  });
});

describe('the end', () => {
  it('frees device, runtime and pipelines', async () => {
    const refs = await useAndDispose();
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    for (let k = 0; k < 20 && refs.some((ref) => ref.deref()); k++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      gc();
    }
    expect(refs.map((ref) => ref.deref() !== undefined)).toEqual([false, false, false]);
  });

  it('is told to a paused run', async () => {
    const opened = await openDevice();
    const backend = new Backend(new GpuExecutor(opened), { name: 'the test device', software: true });
    const task = { model: new Net(), loss: softmaxCrossEntropy, optimizer: sgd() };
    const trainer = new Trainer(backend, task);
    const run = trainer.fit(blobs(32), { epochs: 1 });
    run.pause();
    run.catch(() => {});
    const compiled = setInterval(() => {
      if (trainer.dispatchesPerStep === undefined) return;
      clearInterval(compiled);
      setTimeout(() => opened.device.destroy(), 20);
    });
    await expect(run).rejects.toThrow(/it was disposed\. Create a new backend and load the last checkpoint\./);
    expect(run.paused).toBe(false);
    await expect(trainer.evaluate(blobs(32))).rejects.toThrow(DeviceError);
    backend.dispose();
  });

  async function useAndDispose(): Promise<WeakRef<object>[]> {
    const engine = new GpuExecutor(await openDevice());
    const program = await engine.compile({ outputs: { y: add(input('x', { shape: [2], dtype: 'f32' }), 1) } });
    await program.run({ x: Float32Array.of(1, 2) });
    engine.dispose();
    return [engine.runtime, engine.runtime.device, program].map((object) => new WeakRef(object));
  }
});
