// Many steps in one dispatch of one workgroup: the same trajectories as with dispatches, the same guard, and taken only where
// it can be and where it wins.
import { describe, expect, it } from 'vitest';
import { Backend } from '../src/backend.ts';
import { DispatchLength, suitsOneWorkgroup } from '../src/compile/persistent.ts';
import type { Capabilities } from '../src/graph/op.ts';
import {
  add,
  div,
  type nn as layers,
  losses,
  mul,
  nn,
  optim,
  presets,
  relu,
  sigmoid,
  sum,
  type Tensor,
  Trainer,
  tanh,
  Variable,
} from '../src/index.ts';
import type { TrainerOptions } from '../src/train/trainer.ts';
import { blobs, Net, weightsOf } from './blobs.ts';
import { testExecutor } from './gpu.ts';

const DATA = blobs(203);
const START = Float32Array.from({ length: 50 }, (_, i) => i / 50);

/** Adapters as kernels see them. */
const ADAPTERS: readonly (readonly [string, Partial<Capabilities>])[] = [
  ['a software adapter', { software: true }],
  ['a GPU', { software: false }],
];

async function trainerOn(
  persistent: boolean | undefined,
  options: Partial<TrainerOptions> = {},
  capabilities: Partial<Capabilities> = {},
): Promise<Trainer> {
  const executor = await testExecutor(capabilities, persistent === undefined ? {} : { persistent });
  return Trainer.create(new Backend(executor, { name: 'test', software: true }), {
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
];

describe.each(ADAPTERS)('a persistent kernel on %s', (_, capabilities) => {
  it.each(capabilities.software ? TASKS : TASKS.slice(0, 2))('trains as dispatches do: %s', async (_, task) => {
    const runs = [];
    for (const persistent of [true, false]) {
      const trainer = await trainerOn(persistent, task(), capabilities);
      // 203 examples: each epoch ends with a batch of 11, which is a program of its own.
      await trainer.train(DATA, { epochs: 4, batchSize: 32 });
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

  it('makes the same bits however its steps are cut into submits and dispatches', async () => {
    const executor = await testExecutor(capabilities, { persistent: true });
    const x = new Variable([50], { dtype: 'f32', initial: () => START });
    const counter = () => new Variable([1], { dtype: 'u32', initial: () => Uint32Array.of(0) });
    const [step, status] = [counter(), counter()];
    const recipe = {
      assignments: [
        [x, add(mul(x, 0.97), div(sum(x), 100))],
        [step, add(step, 1)],
      ] as const,
      guard: { status, step, checked: [] },
    };
    const values = [];
    for (const cuts of [Array<number>(41).fill(1), [41], [2, 3, 1, 35]]) {
      const storage = executor.allocate([x, step, status].map((variable) => ({ variable })));
      for (const v of [x, step, status]) storage.write(v, v === x ? START : Uint32Array.of(0));
      const program = await executor.compile(recipe, { storages: [storage] });
      expect(program.dispatches).toBe(1);
      for (const steps of cuts) await program.submit(steps).values();
      values.push((await storage.read([x, step])).map((a) => [...a]));
      program.dispose();
      storage.dispose();
    }
    expect(values[0]![1]).toEqual([41]);
    expect(values[1]).toEqual(values[0]);
    expect(values[2]).toEqual(values[0]);
  });

  it('leaves the weights as they were when a step in the middle of a dispatch is not finite', async () => {
    const trainer = await trainerOn(
      true,
      { optimizer: optim.sgd({ lr: (step) => (step < 37 ? 0.1 : 1e38) }) },
      capabilities,
    );
    await expect(trainer.train(DATA, { epochs: 20, batchSize: 16 })).rejects.toThrow(/not finite at step 3[89] /);
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
      const trainer = await Trainer.create(backend, { model: model(), loss, optimizer: optimizer({ lr: 1 }), seed: 5 });
      await trainer.train(data.train, { maxSteps: 30, batchSize: 32 });
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
    await trainer.train(DATA, { maxSteps: 2, batchSize });
    const { dispatchesPerStep } = trainer;
    trainer.dispose();
    return dispatchesPerStep;
  };

  it('where it is not wanted, or nothing is fused', async () => {
    expect(await dispatchesOf([false])).toBeGreaterThan(1);
    const unfused = await testExecutor({}, { persistent: true, fuse: false });
    const trainer = await Trainer.create(new Backend(unfused, { name: 'test', software: true }), {
      model: new Net(),
      loss: losses.softmaxCrossEntropy,
      optimizer: optim.sgd({ lr: 0.1 }),
    });
    await trainer.train(DATA, { maxSteps: 2, batchSize: 16 });
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
    const lavapipe = { name: 'llvmpipe (LLVM 19.1.7, 256 bits)', software: true };
    expect(await dispatchesOf([undefined, {}, lavapipe])).toBe(1);
    expect(await dispatchesOf([undefined, { model: new Net(1200) }, lavapipe], 64)).toBeGreaterThan(1);
  });

  it('but where it was tuned', async () => {
    const asked: string[] = [];
    const tuned = (wins: boolean) => (work: string) => {
      asked.push(work);
      return work.startsWith('steps ') ? wins : undefined;
    };
    expect(await dispatchesOf([undefined, {}, { tuned: tuned(true) }])).toBe(1);
    expect(await dispatchesOf([false, {}, { tuned: tuned(true) }])).toBeGreaterThan(1);
    const lavapipe = { name: 'llvmpipe (LLVM 19.1.7, 256 bits)', software: true };
    expect(await dispatchesOf([undefined, {}, { ...lavapipe, tuned: tuned(false) }])).toBeGreaterThan(1);
    expect(asked).toContainEqual(expect.stringMatching(/^steps of \d+ operations, \d+ assigned$/));
  });

  it('for work beyond the bounds', async () => {
    const { gpu } = { gpu: { name: 'a GPU', software: false } as Capabilities };
    expect(suitsOneWorkgroup({ flops: 1e5, assigned: 1000 }, gpu, undefined)).toBe(true);
    expect(suitsOneWorkgroup({ flops: 1e6, assigned: 1000 }, gpu, undefined)).toBe(false);
    expect(suitsOneWorkgroup({ flops: 1e6, assigned: 1000 }, gpu, true)).toBe(true);
    expect(suitsOneWorkgroup({ flops: 1e8, assigned: 1000 }, gpu, true)).toBe(false);
    expect(suitsOneWorkgroup({ flops: 1e5, assigned: 1e5 }, gpu, true)).toBe(false);
    expect(suitsOneWorkgroup({ flops: 1, assigned: 1 }, gpu, false)).toBe(false);
  });
});

describe('the length of a dispatch', () => {
  const steps = (indices: readonly number[]) => indices.map((k) => 2 ** k);

  it('is a step until it is known how long one takes', () => {
    expect(steps(new DispatchLength().split(5))).toEqual([1, 1, 1, 1, 1]);
  });

  it.each([
    [0.01, 1000, [512, 256, 128, 64, 32, 8]],
    [0.01, 3000, [1024, 1024, 512, 256, 128, 32, 16, 8]],
    [1, 40, [16, 16, 8]],
    [10, 5, [2, 2, 1]],
    [40, 3, [1, 1, 1]],
    [0, 1500, [1024, 256, 128, 64, 16, 8, 4]],
  ] as const)('stays below 50 ms where a step takes %d ms', (ms, count, wanted) => {
    const length = new DispatchLength();
    length.learn(4, 4 * ms);
    expect(steps(length.split(count))).toEqual(wanted);
    expect(steps(length.split(count)).reduce((a, b) => a + b)).toBe(count);
    if (ms < 50) expect(Math.max(...steps(length.split(count))) * ms).toBeLessThanOrEqual(50);
  });

  it('follows the device while it trains', async () => {
    const trainer = await trainerOn(true);
    await trainer.train(DATA, { epochs: 10, batchSize: 16 });
    const { executor } = trainer.backend;
    const before = { ...executor.counters };
    await trainer.train(DATA, { epochs: 40, batchSize: 16 });
    expect(executor.counters.bindGroups, 'bind groups made in the loop').toBe(before.bindGroups);
    expect(executor.counters.buffers, 'buffers made in the loop').toBeLessThanOrEqual(before.buffers + 3);
    trainer.dispose();
  });
});
