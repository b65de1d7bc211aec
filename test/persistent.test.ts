// Many steps in one dispatch of one workgroup: the same trajectories as with dispatches, the same guard, and taken only where
// it can be and where it wins.
import { describe, expect, it, vi } from 'vitest';
import { Backend } from '../src/backend.ts';
import { isWorthwhile } from '../src/compile/passes/loop.ts';
import { DispatchLength } from '../src/gpu/dispatch-length.ts';
import type { GpuProgram } from '../src/gpu/program.ts';
import { ADAPTER_CLASSES } from '../src/graph/adapter-classes.ts';
import { type Capabilities, costsOf } from '../src/graph/capabilities.ts';
import { ShaderError } from '../src/graph/errors.ts';
import type { Work } from '../src/graph/tuning.ts';
import { type nn as layers, losses, nn, optim, presets, type Tensor, Trainer, Variable } from '../src/index.ts';
import { add, div, mul, relu, sigmoid, sum, tanh } from '../src/ops/index.ts';
import type { TrainerOptions } from '../src/train/trainer.ts';
import { blobs, Net, weightsOf } from './blobs.ts';
import { SMALL_TILES, testExecutor } from './gpu.ts';

const DATA = blobs(203);
const START = Float32Array.from({ length: 50 }, (_, i) => i / 50);

/** Adapters as kernels see them. */
const ADAPTERS: readonly (readonly [string, Partial<Capabilities>])[] = [
  ['a software adapter', costsOf(true)],
  ['a GPU', { ...costsOf(false), ...SMALL_TILES }],
];

async function trainerOn(
  persistent: boolean | undefined,
  options: Partial<TrainerOptions> = {},
  capabilities: Partial<Capabilities> = {},
): Promise<Trainer> {
  const executor = await testExecutor(capabilities, persistent === undefined ? {} : { persistent });
  return new Trainer(new Backend(executor, { name: 'test', software: true }), {
    model: new Net(),
    loss: losses.softmaxCrossEntropy,
    optimizer: optim.sgd({ lr: 0.1 }),
    seed: 3,
    ...options,
  });
}

/** A network of sigmoids and tanhs for losses other than cross-entropy. */
class Smooth {
  readonly layers: readonly layers.Linear[] = [new nn.Linear(4, 17), new nn.Linear(17, 5), new nn.Linear(5, 3)];
  forward(x: Tensor): Tensor {
    const [a, b, c] = this.layers as [layers.Linear, layers.Linear, layers.Linear];
    return c.forward(tanh(b.forward(sigmoid(a.forward(x)))));
  }
}

class Dropped {
  readonly net = new Net(13);
  readonly dropout = new nn.Dropout(0.3);
  forward(x: Tensor): Tensor {
    return this.net.out.forward(this.dropout.forward(relu(this.net.hidden.forward(x))));
  }
}

const TASKS: readonly (readonly [string, () => Partial<TrainerOptions>])[] = [
  ['ReLU, cross-entropy and SGD', () => ({})],
  [
    'sigmoids, tanhs and squared error',
    () => ({ model: new Smooth(), loss: losses.sumSquaredError, optimizer: optim.sgd({ lr: 0.01 }) }),
  ],
  ['momentum and a cosine', () => ({ optimizer: optim.sgd({ lr: optim.cosine(0.1), momentum: 0.9 }) })],
  ['Adam', () => ({ optimizer: optim.adam({ lr: 0.01 }) })],
  ['dropout', () => ({ model: new Dropped() })],
  ['many weights, clipped', () => ({ model: new Net(400), optimizer: optim.sgd({ lr: 0.1, clipNorm: 0.3 }) })],
];

describe.each(ADAPTERS)('a persistent kernel on %s', (_, capabilities) => {
  it.each(capabilities.lanes === 1 ? TASKS : TASKS.slice(0, 2))('trains as dispatches do: %s', async (_, task) => {
    const runs = [];
    for (const persistent of [true, false]) {
      const trainer = await trainerOn(persistent, task(), capabilities);
      // 203 examples: each epoch ends with a batch of 11, which is a program of its own.
      await trainer.fit(DATA, { epochs: 4, batchSize: 32 });
      runs.push({
        dispatches: trainer.dispatchesPerStep,
        losses: [...trainer.history.steps.loss!],
        weights: await weightsOf(trainer),
      });
      trainer.dispose();
    }
    const [one, many] = runs as [(typeof runs)[0], (typeof runs)[0]];
    expect(one.dispatches).toBe(1);
    expect(many.dispatches).toBeGreaterThan(1);
    expect(one.losses).toHaveLength(28);
    for (const [k, loss] of one.losses.entries()) expect(loss, `loss ${k}`).toBeCloseTo(many.losses[k]!, 4);
    for (const [path, values] of Object.entries(one.weights))
      for (const [i, w] of values.entries()) expect(w, `${path} [${i}]`).toBeCloseTo(many.weights[path]![i]!, 4);
    expect(one.losses.at(-1)).toBeLessThan(one.losses[0]!);
  });

  /** x grows by a factor each step; a count of all steps, and one that stops with x. */
  async function growing(persistent: boolean, cuts: readonly number[]) {
    const executor = await testExecutor(capabilities, { persistent });
    const x = new Variable([50], { dtype: 'f32', initial: () => START });
    const counter = () => new Variable([1], { dtype: 'u32', initial: () => Uint32Array.of(0) });
    const [step, status, recorded] = [counter(), counter(), counter()];
    const all = [x, step, status, recorded];
    const storage = executor.allocate(all.map((variable) => ({ variable })));
    const begin = () => {
      for (const v of all) storage.write(v, v === x ? START : Uint32Array.of(0));
    };
    const recipe = {
      assignments: [
        [x, mul(x, add(div(sum(x), 1e30), 8))],
        [step, add(step, 1)],
      ] as const,
      records: [[recorded, add(recorded, 1)]] as const,
      guard: { status, step, checked: [] },
    };
    const program = (await executor.compile(recipe, { storages: [storage] })) as GpuProgram;
    expect(program.persistent).toBe(persistent);
    begin();
    // It learns how long steps take, and makes dispatches longer.
    for (let k = 0; k < 5; k++) await program.submit(64).values();
    begin();
    const encode = vi.spyOn(program, 'encodeInto');
    for (const steps of cuts) await program.submit(steps).values();
    expect(encode).toHaveBeenCalledTimes(cuts.length);
    const values = (await storage.read(all)).map((a) => [...a]);
    encode.mockRestore();
    let lengths = 0;
    const pass = { setPipeline() {}, setBindGroup() {}, dispatchWorkgroups: () => lengths++ };
    program.encodeInto(pass as unknown as GPUComputePassEncoder, 16);
    program.dispose();
    storage.dispose();
    return { x: values[0]!, counts: values.slice(1).map(([n]) => n), lengths };
  }

  it('makes the same bits however its steps are cut into submits and dispatches', async () => {
    const [one, whole, cut] = [
      await growing(true, Array<number>(33).fill(1)),
      await growing(true, [33]),
      await growing(true, [2, 3, 1, 27]),
    ];
    expect(whole.lengths, 'dispatches for 16 steps').toBeLessThan(16);
    expect(whole.counts).toEqual([33, 0, 33]);
    expect(whole.x).toEqual(one.x);
    expect(cut.x).toEqual(one.x);
  });

  it('stops in the middle of a dispatch at the step that is not finite, and goes on counting', async () => {
    // 50 · 8 ** 43 is beyond f32.
    const [one, many] = [await growing(true, [64]), await growing(false, [64])];
    expect(one.x.every(Number.isFinite)).toBe(true);
    expect(one.counts).toEqual(many.counts);
    expect(one.counts[2], 'what is recorded all the same').toBe(64);
    expect(one.counts[1], 'the status is the step').toBe(one.counts[0]! + 1);
    expect(one.counts[0]).toBeLessThan(64);
    for (const [i, v] of one.x.entries()) expect(v / many.x[i]! || 1, `x [${i}]`).toBeCloseTo(1, 4);
  });

  it('tells of divergence as dispatches do', async () => {
    const optimizer = optim.sgd({ lr: (step) => (step < 37 ? 0.1 : 1e38) });
    const trainer = await trainerOn(true, { optimizer }, capabilities);
    await expect(trainer.fit(DATA, { epochs: 20, batchSize: 16 })).rejects.toThrow(/not finite at step 3[89] /);
    for (const values of Object.values(await weightsOf(trainer))) expect(values.every(Number.isFinite)).toBe(true);
    trainer.dispose();
  });
});

describe('the classic network', () => {
  it('has the CPU backend’s trajectory', async () => {
    const data = await (await import('../src/data/digits.ts')).digits({ train: 320, test: 10 });
    const { createCpuBackend } = await import('../src/backend.ts');
    const runs = [];
    const executor = await testExecutor({}, { persistent: true });
    for (const backend of [new Backend(executor, { name: 'test', software: true }), createCpuBackend()]) {
      const { model, loss, optimizer } = presets.classic;
      const trainer = new Trainer(backend, { model: model(), loss, optimizer: optimizer({ lr: 1 }), seed: 5 });
      await trainer.fit(data.train, { maxSteps: 30, batchSize: 32 });
      runs.push({ dispatches: trainer.dispatchesPerStep, losses: [...trainer.history.steps.loss!] });
      trainer.dispose();
    }
    expect(runs.map(({ dispatches }) => dispatches)).toEqual([1, 0]);
    for (const [k, loss] of runs[0]!.losses.entries()) expect(loss, `loss ${k}`).toBeCloseTo(runs[1]!.losses[k]!, 4);
  });
});

describe('a persistent kernel is not taken', () => {
  const dispatchesOf = async (options: Parameters<typeof trainerOn>, batchSize = 16) => {
    const trainer = await trainerOn(...options);
    // Which kernel it is, and not how it learns.
    await trainer.fit(DATA, { maxSteps: 2, batchSize, divergence: 'off' });
    const { dispatchesPerStep } = trainer;
    trainer.dispose();
    return dispatchesPerStep;
  };

  it('where it is not wanted, or nothing is fused', async () => {
    expect(await dispatchesOf([false])).toBeGreaterThan(1);
    const unfused = await testExecutor({}, { persistent: true, fuse: false });
    const trainer = new Trainer(new Backend(unfused, { name: 'test', software: true }), {
      model: new Net(),
      loss: losses.softmaxCrossEntropy,
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    await trainer.fit(DATA, { maxSteps: 2, batchSize: 16 });
    expect(trainer.dispatchesPerStep).toBeGreaterThan(10);
    trainer.dispose();
  });

  it('by a network that is too large, whoever wants it', async () => {
    const wide = () => ({ model: new Net(12_000) });
    expect(await dispatchesOf([true, wide()], 2)).toBeGreaterThan(1);
    expect(await dispatchesOf([true, { model: new Net(1200) }], 2)).toBe(1);
  });

  it('where it would bind more buffers than the adapter has', async () => {
    // What a step hands on lies in few buffers, as within a dispatch of its own.
    expect(await dispatchesOf([true, {}, { maxStorageBuffersPerShaderStage: 9 }])).toBe(1);
    expect(await dispatchesOf([true, {}, { maxStorageBuffersPerShaderStage: 7 }])).toBeGreaterThan(1);
  });

  it('on SwiftShader, and by steps with more work than dispatches cost', async () => {
    expect(await dispatchesOf([undefined])).toBeGreaterThan(1);
    const lavapipe = { name: 'llvmpipe (LLVM 19.1.7, 256 bits)', ...costsOf(true) };
    expect(await dispatchesOf([undefined, {}, lavapipe])).toBe(1);
    expect(await dispatchesOf([undefined, { model: new Net(1200) }, lavapipe], 64)).toBeGreaterThan(1);
  });

  it('but where it was tuned', async () => {
    const asked: Work[] = [];
    const tuned = (wins: boolean) => (work: Work) => {
      asked.push(work);
      return work.kind === 'steps' ? wins : undefined;
    };
    expect(await dispatchesOf([undefined, {}, { tuned: tuned(true) }])).toBe(1);
    expect(await dispatchesOf([false, {}, { tuned: tuned(true) }])).toBeGreaterThan(1);
    const lavapipe = { name: 'llvmpipe (LLVM 19.1.7, 256 bits)', ...costsOf(true) };
    expect(await dispatchesOf([undefined, {}, { ...lavapipe, tuned: tuned(false) }])).toBeGreaterThan(1);
    const steps = asked.filter(({ kind }) => kind === 'steps');
    expect(steps[0]).toEqual({ kind: 'steps', flops: expect.any(Number), assigned: expect.any(Number) });
    expect(steps).toEqual(steps.map(() => steps[0]));
  });

  it('for work beyond the bounds', async () => {
    const gpu = ADAPTER_CLASSES.gpu;
    expect(isWorthwhile({ flops: 1e4, assigned: 1000 }, gpu, undefined)).toBe(true);
    expect(isWorthwhile({ flops: 1e6, assigned: 1000 }, gpu, undefined)).toBe(false);
    expect(isWorthwhile({ flops: 1e6, assigned: 1000 }, gpu, true)).toBe(true);
    expect(isWorthwhile({ flops: 1e8, assigned: 1000 }, gpu, true)).toBe(false);
    expect(isWorthwhile({ flops: 1e5, assigned: 1e5 }, gpu, true)).toBe(false);
    expect(isWorthwhile({ flops: 1, assigned: 1 }, gpu, false)).toBe(false);
  });
});

describe('the length of a dispatch', () => {
  const steps = (indices: readonly number[]) => indices.map((k) => 2 ** k);
  /** After submits that took `ms` a step each, one after another. */
  const learnt = (ms: number, submits = 8) => {
    const length = new DispatchLength();
    for (let k = 0; k < submits; k++) {
      const submit = length.submit(4096, k * 4096 * ms);
      length.split(4096);
      length.complete(submit, (k + 1) * 4096 * ms);
    }
    return length;
  };

  it('is a step until it is known how long one takes', () => {
    expect(steps(new DispatchLength().split(5))).toEqual([1, 1, 1, 1, 1]);
  });

  it.each([
    [0.01, 1000, [512, 256, 128, 64, 32, 8]],
    [0.01, 3000, [1024, 1024, 512, 256, 128, 32, 16, 8]],
    [1, 40, [16, 16, 8]],
    [10, 5, [2, 2, 1]],
    [40, 3, [1, 1, 1]],
  ] as const)('stays below 50 ms where a step takes %d ms', (ms, count, wanted) => {
    const lengths = steps(learnt(ms).split(count));
    expect(lengths).toEqual(wanted);
    expect(lengths.reduce((a, b) => a + b)).toBe(count);
    expect(Math.max(...lengths) * ms).toBeLessThanOrEqual(50);
  });

  it('grows fourfold at most, whatever a clock says', () => {
    const longest = [1, 2, 3, 4].map((submits) => Math.max(...steps(learnt(0, submits).split(4096))));
    expect(longest).toEqual([4, 16, 64, 256]);
  });

  it('does not count a submit the time of those before it', () => {
    const length = learnt(1);
    const [first, second] = [length.submit(100, 100_000), length.submit(100, 100_001)];
    length.complete(second, 100_200); // and the first with it, of which nobody heard
    length.complete(first, 100_300);
    expect(steps(length.split(16))).toEqual([16]);
    // Nor what the device did for the one before, which landed when this was under way.
    const [third, fourth] = [length.submit(100, 150_000), length.submit(100, 150_001)];
    length.complete(third, 150_100);
    length.complete(fourth, 150_200);
    expect(steps(length.split(16))).toEqual([16]);
    // Time in which nothing was under way is not theirs.
    length.complete(length.submit(100, 200_000), 200_100);
    expect(steps(length.split(16))).toEqual([16]);
  });

  it('forgets submits that nobody waits for', () => {
    const length = new DispatchLength();
    const submits = Array.from({ length: 1000 }, (_, k) => length.submit(1, k));
    length.complete(submits[0]!, 1000);
    expect(steps(length.split(2)), 'too long ago').toEqual([1, 1]);
    length.complete(submits[999]!, 1064);
    expect(steps(length.split(2)), '64 steps in 128 ms').toEqual([2]);
  });
});

it('makes nothing in the loop', async () => {
  const trainer = await trainerOn(true);
  await trainer.fit(DATA, { epochs: 10, batchSize: 16 });
  const { executor } = trainer.backend;
  const before = { ...executor.counters };
  await trainer.fit(DATA, { epochs: 40, batchSize: 16 });
  expect(executor.counters.bindGroups).toBe(before.bindGroups);
  expect(executor.counters.bytes).toBe(before.bytes);
  trainer.dispose();
});

it('gives way to dispatches where a driver refuses so large a kernel that nobody asked for', async () => {
  const lavapipe = { name: 'llvmpipe (LLVM 19.1.7, 256 bits)', ...costsOf(true) };
  for (const persistent of [undefined, true]) {
    const executor = await testExecutor(lavapipe, persistent === undefined ? {} : { persistent });
    const { pipeline } = executor.runtime;
    executor.runtime.pipeline = (shader) =>
      shader.label.startsWith('steps:')
        ? Promise.reject(new ShaderError(`${shader.label}: too large`))
        : pipeline.call(executor.runtime, shader);
    const options = { model: new Net(), loss: losses.softmaxCrossEntropy, optimizer: optim.sgd({ lr: 0.1 }) };
    const trainer = new Trainer(new Backend(executor, { name: 'test', software: true }), options);
    const trained = trainer.fit(DATA, { maxSteps: 2, batchSize: 16 });
    if (persistent) await expect(trained).rejects.toThrow('too large');
    else {
      await trained;
      expect(trainer.dispatchesPerStep).toBeGreaterThan(1);
    }
    trainer.dispose();
  }
});
