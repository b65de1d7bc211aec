// The State: where parameters lie, what they begin with, and that it can be copied and put back.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { OptionError } from '../src/graph/errors.ts';
import { Variable } from '../src/graph/tensor.ts';
import { Linear } from '../src/nn/linear.ts';
import { adagrad } from '../src/optim/adagrad.ts';
import { adam } from '../src/optim/adam.ts';
import { ALIGNMENT } from '../src/optim/arena.ts';
import { sgd } from '../src/optim/sgd.ts';
import { State, type StateOptions } from '../src/train/state.ts';
import { Net } from './blobs.ts';

const { executor } = createCpuBackend();

function stateOf(options: Partial<StateOptions> = {}): State {
  return new State(executor, { model: new Net(), optimizer: adam(), seed: 3, ...options });
}

describe('arenas', () => {
  it('hold the parameters in order, each at a multiple of 64 elements, padded with zeros', async () => {
    const state = stateOf();
    const [arena] = state.arenas;
    expect(state.arenas).toHaveLength(1);
    expect(arena!.members.map(({ path, offset }) => [path, offset])).toEqual([
      ['hidden.weight', 0],
      ['hidden.bias', 64],
      ['out.weight', 128],
      ['out.bias', 192],
    ]);
    const [flat] = await state.storage.read([arena!.variable]);
    expect(flat!.length).toBe(4 * ALIGNMENT);
    expect([...flat!.subarray(0, 32)]).toEqual([...(await state.read('hidden.weight'))]);
    expect(flat!.subarray(72, 128).every((v) => v === 0)).toBe(true);
    expect(flat!.subarray(64, 72).every((v) => v !== 0)).toBe(true);
  });

  it('have one vector of the same size for each optimizer slot', () => {
    const state = stateOf();
    expect(state.arenas[0]!.slots.map((s) => s.size)).toEqual([256, 256]);
    expect(stateOf({ optimizer: sgd({ lr: 1 }) }).arenas[0]!.slots).toEqual([]);
  });

  it('are split where one would be too large, and a parameter larger than that has its own', () => {
    const state = stateOf({ maxArenaBytes: 2 * ALIGNMENT * 4 });
    expect(state.arenas.map((a) => a.members.map((m) => m.path))).toEqual([
      ['hidden.weight', 'hidden.bias'],
      ['out.weight', 'out.bias'],
    ]);
    const large = stateOf({ model: { a: new Linear(100, 2), b: new Linear(2, 2) }, maxArenaBytes: 4 * ALIGNMENT });
    expect(large.arenas.map((a) => a.variable.size)).toEqual([256, 64, 64, 64]);
  });

  it('begin their slots with what the optimizer says', async () => {
    const state = stateOf({ optimizer: adagrad({ initialAccumulator: 0.5 }) });
    const [slot] = await state.storage.read(state.arenas[0]!.slots);
    expect(new Set(slot!)).toEqual(new Set([0.5]));
  });
});

describe('State', () => {
  it('gives values that are a function of seed and path', async () => {
    const [a, b, c] = [stateOf(), stateOf(), stateOf({ seed: 4 })];
    expect(await a.read('out.weight')).toEqual(await b.read('out.weight'));
    expect(await a.read('out.weight')).not.toEqual(await c.read('out.weight'));
    const bound = 1 / Math.sqrt(8);
    expect((await a.read('out.weight')).every((v) => Math.abs(v) <= bound)).toBe(true);
  });

  it('lists, reads and writes by path', async () => {
    const state = stateOf();
    expect(state.parameters()[0]).toEqual({
      path: 'hidden.weight',
      shape: [8, 4],
      dtype: 'f32',
      size: 32,
      trainable: true,
    });
    state.write('out.bias', Float32Array.of(1, 2, 3));
    expect([...(await state.read('out.bias'))]).toEqual([1, 2, 3]);
    expect(() => state.write('out.bias', Float32Array.of(1))).toThrow('state: got 1 values for out.bias [3]. Give 3.');
    expect(() => state.variable('out.wait')).toThrow(/no variable out\.wait\. It has hidden\.weight, hidden\.bias/);
  });

  it('goes back to a snapshot, moments and counters included', async () => {
    const state = stateOf();
    const [m] = state.arenas[0]!.slots;
    const before = await state.snapshot();
    state.write('out.bias', Float32Array.of(1, 2, 3));
    state.storage.write(m!, new Float32Array(256).fill(9));
    state.storage.write(state.step, Uint32Array.of(17));
    state.restore(before);
    const after = await state.snapshot();
    expect([...after.arrays.values()]).toEqual([...before.arrays.values()]);
    expect((await state.storage.read([m!]))[0]!.every((v) => v === 0)).toBe(true);
    expect(await state.count(state.step)).toBe(0);
  });

  it('keeps variables that are not trained apart, and refuses to train integers', () => {
    const still = new Variable([2], { initial: () => Float32Array.of(1, 2) });
    const state = stateOf({ model: { layer: new Linear(2, 2), still } });
    expect(state.others.map((v) => v.path)).toEqual(['still']);
    expect(state.arenas[0]!.members.map((v) => v.path)).toEqual(['layer.weight', 'layer.bias']);
    const whole = new Variable([2], { dtype: 'u32', trainable: true, initial: () => new Uint32Array(2) });
    expect(() => stateOf({ model: { whole } })).toThrow(
      'model: the trainable variable whole is u32. Only f32 can be trained.',
    );
    expect(() => stateOf({ model: { still } })).toThrow(
      /model: it has no trainable variables\. Give it a layer with parameters\./,
    );
  });

  it('has what is trained settled while it lives', async () => {
    const model = { hidden: new Linear(4, 8), out: new Linear(8, 3) };
    const { bias } = model.out;
    bias!.trainable = false;
    const [a, b] = [stateOf({ model }), stateOf({ model })];
    const trained = (state: State) => state.parameters().map(({ trainable }) => trainable);
    expect(trained(a)).toEqual([true, true, true, false]);
    const set = (trainable: unknown) => {
      bias!.trainable = trainable as boolean;
    };
    for (const state of [a, b]) {
      expect(() => set(true)).toThrow(OptionError);
      expect(() => set(true)).toThrow(
        'out.bias: trainable cannot be set to true while a trainer holds the variable. Use trainer.freeze or trainer.unfreeze, or set it before new Trainer.',
      );
      set(false);
      expect(trained(b)).toEqual([true, true, true, false]);
      state.dispose();
      state.dispose();
    }
    set(true);
    expect(trained(stateOf({ model }))).toEqual([true, true, true, true]);
    expect(() => set('no')).toThrow('Variable: trainable is "no". Give true or false.');
  });

  it('names what a checkpoint holds', () => {
    expect(
      stateOf()
        .entries()
        .map((e) => e.name),
    ).toEqual([
      ...['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias'],
      ...['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias'].map((path) => `optimizer.m.${path}`),
      ...['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias'].map((path) => `optimizer.v.${path}`),
    ]);
  });

  it('refuses seeds that are not whole numbers', () => {
    expect(() => stateOf({ seed: 1.5 })).toThrow(/seed: 1\.5 is not a whole number/);
  });
});
