// A step in two parts: forward and backward, then the update, over the same memory, with room for the host in between.
import { expect, it } from 'vitest';
import type { CompiledProgram } from '../src/compile/executor.ts';
import { costsOf } from '../src/graph/capabilities.ts';
import type { Recipe } from '../src/graph/executor.ts';
import { input, type Tensor, Variable } from '../src/graph/tensor.ts';
import { grad, losses, optim } from '../src/index.ts';
import { add, mul, sub, sum } from '../src/ops/index.ts';
import { pack, packOp } from '../src/ops/pack.ts';
import { State } from '../src/train/state.ts';
import { traceStep } from '../src/train/step.ts';
import { blobs, Net } from './blobs.ts';
import { SMALL_TILES, testExecutor } from './gpu.ts';

const STEPS = 7;

/** The packed gradients of a traced step: what its arenas' new values are computed from. */
function packedOf({ assignments = [] }: Recipe): Tensor[] {
  const found = new Set<Tensor>();
  const seen = new Set<unknown>();
  const stack = assignments.map(([, t]) => t);
  while (stack.length > 0) {
    const { node } = stack.pop()!;
    if (seen.has(node)) continue;
    seen.add(node);
    if (node.op?.name === packOp.name) found.add(node.outputs[0]!);
    else stack.push(...node.inputs);
  }
  return [...found];
}

it.each([
  ['SGD', () => optim.sgd({ lr: 0.1 })],
  ['Adam, clipped', () => optim.adam({ lr: 0.01, clipNorm: 0.5 })],
  ['momentum', () => optim.sgd({ lr: 0.1, momentum: 0.9 })],
] as const)('a step cut at its packed gradients makes the bits of the whole: %s', async (_, optimizer) => {
  for (const capabilities of [costsOf(true), { ...costsOf(false), ...SMALL_TILES }]) {
    const executor = await testExecutor(capabilities, { persistent: false });
    const data = blobs(96);
    const weights: Float32Array[] = [];
    for (const cut of [false, true]) {
      const model = new Net(24);
      const state = new State(executor, { model, optimizer: optimizer(), seed: 4, metrics: 2 });
      state.storage.write(state.rates, new Float32Array(state.rates.size).fill(0.05));
      const order = { size: 96, batchSize: 32, stepsPerEpoch: 3, shuffle: true };
      const { recipe } = traceStep(state, { model, loss: losses.softmaxCrossEntropy, metrics: {} }, data, order, 32);
      const split = packedOf(recipe);
      expect(split.length).toBeGreaterThan(0);
      const program = (await executor.compile(cut ? { ...recipe, split } : recipe, {
        storages: [state.storage],
      })) as CompiledProgram;
      for (let step = 0; step < STEPS; step++) {
        if (cut) {
          // Other work on the device in between: both parts find all they need in memory.
          program.submitPart('before');
          await state.storage.read([state.step]);
          await program.submitPart('after').values();
        } else await program.submit(1).values();
      }
      const [step] = await state.storage.read([state.step]);
      expect([...step!]).toEqual([STEPS]);
      const arenas = state.arenas.map(({ variable }) => variable);
      weights.push(...((await state.storage.read(arenas)) as Float32Array[]));
      program.dispose();
      state.dispose();
    }
    expect(weights[1]).toEqual(weights[0]);
    expect(weights[0]!.some((w) => w !== 0)).toBe(true);
  }
});

it('tests what depends on the split after it: a host may change it in between', async () => {
  const executor = await testExecutor();
  const w = new Variable([64], { initial: () => new Float32Array(64) });
  const [step, status] = [0, 1].map(() => new Variable([1], { dtype: 'u32', initial: () => new Uint32Array(1) }));
  const x = new Variable([64], { initial: () => new Float32Array(64) });
  const [dw] = grad(sum(mul(w, x)), [w]);
  const packed = pack([add(dw!, 1)], [0], 64);
  const recipe: Recipe = {
    assignments: [
      [w, sub(w, packed)],
      [step!, add(step!, 1)],
    ],
    guard: { status: status!, step: step!, checked: [] },
    split: [packed],
  };
  const storage = executor.allocate([w, x, step!, status!].map((variable) => ({ variable })));
  const program = (await executor.compile(recipe, { storages: [storage] })) as CompiledProgram;
  storage.write(w, new Float32Array(64));
  // Infinite gradients are packed, and seen by the second part alone.
  storage.write(x, new Float32Array(64).fill(Number.POSITIVE_INFINITY));
  await program.submitPart('before').values();
  expect([...(await storage.read([status!]))[0]!]).toEqual([0]);
  await program.submitPart('after').values();
  const [values, tripped] = await storage.read([w, status!]);
  expect([...values!].every((v) => v === 0)).toBe(true);
  expect([...tripped!]).toEqual([1]);
  program.dispose();
  storage.dispose();
});

it('is refused where the recipe has no split', async () => {
  const executor = await testExecutor();
  const y = mul(input('x', { shape: [4], dtype: 'f32' }), 2);
  const program = (await executor.compile({ outputs: { y } })) as CompiledProgram;
  expect(() => program.submitPart('before')).toThrow('its recipe has no split');
  program.dispose();
});
