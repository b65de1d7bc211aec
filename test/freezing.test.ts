// Freezing: parameters that are not trained keep their bits and cost no moments and no gradients, before a trainer is made and
// between its runs; what is unfrozen begins anew; and all of it is in a checkpoint.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { explainStep } from '../src/explain/explain-step.ts';
import { gradcheck } from '../src/explain/gradcheck.ts';
import { lrFind } from '../src/explain/lr-find.ts';
import { CheckpointError, OptionError } from '../src/graph/errors.ts';
import type { PathMatch } from '../src/graph/path-match.ts';
import { type Tensor, Variable } from '../src/graph/tensor.ts';
import { topologicalOrder } from '../src/graph/walk.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import * as nn from '../src/nn/index.ts';
import { sum } from '../src/ops/index.ts';
import * as optim from '../src/optim/index.ts';
import { describeCheckpoint } from '../src/train/checkpoint.ts';
import { loadCheckpoint, saveCheckpoint } from '../src/train/files.ts';
import { orderOf, planRun } from '../src/train/run.ts';
import { readSafetensors, writeSafetensors } from '../src/train/safetensors.ts';
import { State } from '../src/train/state.ts';
import { traceStep } from '../src/train/step.ts';
import { Trainer } from '../src/train/trainer.ts';
import { blobs, Net, netTrainer, weightsOf } from './blobs.ts';
import { adamByHand } from './optim-by-hand.ts';
import { A, B, byHand, Sums, sumsData } from './sums.ts';

const data = blobs(100);
const run = { maxSteps: 10, batchSize: 16 };
const adam = () => optim.adam(0.05);
const momentsOf = (trainer: Trainer) =>
  trainer.state.entries().flatMap(({ name }) => /^optimizer\..\.(.*)/.exec(name)?.[1] ?? []);
const frozenIn = (trainer: Trainer) => trainer.parameters().flatMap(({ path, trainable }) => (trainable ? [] : [path]));
const layer = (name: string) => [`${name}.weight`, `${name}.bias`];

describe('nn.freeze', () => {
  it('makes parameters not trainable, and nn.unfreeze trainable, but never other variables', () => {
    const still = new Variable([1], { initial: () => new Float32Array(1) });
    const model = { net: new Net(), still };
    nn.freeze(model);
    expect(model.net.out.bias!.trainable).toBe(false);
    nn.unfreeze(model.net.out);
    expect([model.net.out.bias!.trainable, model.net.hidden.weight.trainable]).toEqual([true, false]);
    nn.unfreeze(model);
    expect([model.net.hidden.weight.trainable, still.trainable]).toEqual([true, false]);
  });

  it('takes a single parameter, and leaves another variable as it is', () => {
    const { out } = new Net();
    nn.freeze(out.weight);
    expect([out.weight.trainable, out.bias!.trainable]).toEqual([false, true]);
    nn.unfreeze(out.weight);
    const still = new Variable([1], { initial: () => new Float32Array(1) });
    nn.unfreeze(still);
    expect([out.weight.trainable, still.trainable]).toEqual([true, false]);
  });

  it('is refused while a trainer holds the variables', () => {
    const model = new Net();
    const trainer = netTrainer({ model });
    expect(() => nn.freeze(model.out)).toThrow('Use trainer.freeze or trainer.unfreeze');
    trainer.dispose();
    nn.freeze(model.out);
    expect(frozenIn(netTrainer({ model }))).toEqual(layer('out'));
  });

  it('leaves nothing to train only where that is said', () => {
    const model = new Net();
    nn.freeze(model);
    expect(() => netTrainer({ model })).toThrow(
      'model: all of its parameters are frozen. Leave at least one unfrozen.',
    );
  });
});

describe('trainer.freeze', () => {
  const matches: readonly [string, PathMatch, string[]][] = [
    ['a path', 'out.bias', ['out.bias']],
    ['the start of some', 'hidden', layer('hidden')],
    ['a RegExp', /bias$/, ['hidden.bias', 'out.bias']],
    ['a function', (_, { size }) => size === 3, ['out.bias']],
    ['an array', ['out.bias', 'hidden'], [...layer('hidden'), 'out.bias']],
  ];
  it.each(matches)('takes %s', (_, match, frozen) => {
    const trainer = netTrainer({ inputShape: [4] });
    trainer.freeze(match);
    expect(frozenIn(trainer)).toEqual(frozen);
    const counted = trainer.parameters().reduce((total, { size, trainable }) => total + (trainable ? size : 0), 0);
    expect(trainer.summary().trainable).toBe(counted);
  });

  it('refuses what matches nothing, and to freeze everything, and changes nothing then', async () => {
    const trainer = netTrainer();
    trainer.freeze('hidden');
    const before = await saveCheckpoint(trainer);
    expect(() => trainer.freeze('hid')).toThrow(
      'freeze: "hid" matches no parameter. The parameters: hidden.weight, hidden.bias, out.weight, out.bias.',
    );
    expect(() => trainer.unfreeze(/nothing/)).toThrow('unfreeze: /nothing/ matches no parameter.');
    expect(() => trainer.freeze(() => true)).toThrow('model: all of its parameters are frozen.');
    expect(() => trainer.freeze(3 as never)).toThrow(OptionError);
    expect(await saveCheckpoint(trainer)).toEqual(before);
  });

  it('refuses while a run, a batch or another call is under way, and after dispose', async () => {
    const trainer = netTrainer();
    for await (const _ of trainer.fit(data, { ...run, events: 'step' })) {
      expect(() => trainer.freeze('out')).toThrow('freeze: a run is in progress.');
      break;
    }
    const pending = trainer.evaluate(data);
    expect(() => trainer.freeze('out')).toThrow('freeze: another call of the trainer is in progress. Await it first.');
    await pending;
    trainer.freeze('out');
    trainer.dispose();
    expect(() => trainer.unfreeze('out')).toThrow('it was disposed');
  });

  it('keeps the bits of what is frozen, drops its moments, and leaves the others as they were', async () => {
    const trainer = netTrainer({ optimizer: adam() });
    await trainer.fit(data, run);
    const [before, saved, bytes] = [
      await weightsOf(trainer),
      await saveCheckpoint(trainer),
      trainer.state.storage.bytes,
    ];
    trainer.freeze('hidden');
    expect(await weightsOf(trainer)).toEqual(before);
    expect(momentsOf(trainer)).toEqual([...layer('out'), ...layer('out')]);
    expect(trainer.state.storage.bytes).toBe(bytes - 2 * 2 * 64 * 4 - (2 * 64 - 32 - 8) * 4);
    const [kept, old] = [await saveCheckpoint(trainer), saved].map((bytes) => readSafetensors(bytes).tensors);
    for (const [name, tensor] of kept!) expect(tensor, name).toEqual(old!.get(name));
    await trainer.fit(data, run);
    const after = await weightsOf(trainer);
    for (const path of layer('hidden')) expect(after[path]).toEqual(before[path]);
    for (const path of layer('out')) expect(after[path]).not.toEqual(before[path]);
  });

  it('trains as a model that was frozen before', async () => {
    const model = new Net();
    nn.freeze(model.hidden);
    const [early, late] = [netTrainer({ model, optimizer: adam() }), netTrainer({ optimizer: adam() })];
    late.freeze('hidden');
    for (const trainer of [early, late]) await trainer.fit(data, run);
    expect(await weightsOf(late)).toEqual(await weightsOf(early));
    late.unfreeze('hidden');
    early.unfreeze('hidden');
    for (const trainer of [early, late]) await trainer.fit(data, run);
    expect(await weightsOf(late)).toEqual(await weightsOf(early));
    expect((await weightsOf(late))['hidden.weight']).not.toEqual((await weightsOf(netTrainer()))['hidden.weight']);
  });

  it('does nothing where all of it is frozen, or trained, already', async () => {
    const trainer = netTrainer({ optimizer: adam() });
    await trainer.fit(data, run);
    const { storage } = trainer.state;
    trainer.unfreeze('out');
    expect(trainer.state.storage).toBe(storage);
    trainer.freeze('out');
    expect(trainer.state.storage).not.toBe(storage);
  });

  it('keeps the learning rates of runs that went once around their table', async () => {
    const trainer = netTrainer({ optimizer: optim.sgd(0.1) });
    await trainer.fit(data, { maxSteps: 300, batchSize: 50 });
    trainer.freeze('hidden');
    const before = await weightsOf(trainer);
    await trainer.fit(data, { maxSteps: 1, batchSize: 50 });
    expect((await weightsOf(trainer))['out.bias']).not.toEqual(before['out.bias']);
  });

  it('makes snapshots of before useless, which say so', async () => {
    const trainer = netTrainer();
    const snapshot = await trainer.state.snapshot();
    trainer.freeze('out');
    expect(() => trainer.state.restore(snapshot)).toThrow(
      'parameters were frozen or unfrozen since it was taken. Take a new one.',
    );
  });

  it('is seen by what looks into the network', async () => {
    const trainer = netTrainer({ optimizer: adam() });
    trainer.freeze('hidden');
    const { rows } = await gradcheck(trainer, data);
    expect([...new Set(rows.map(({ path }) => path))].sort()).toEqual(layer('out').sort());
    const { gradients } = await trainer.inspect(data.slice(0, 4).x, data.slice(0, 4).y);
    expect(Object.keys(gradients!)).toEqual(layer('out'));
    const before = await weightsOf(trainer);
    await lrFind(trainer, data, { batchSize: 20, steps: 20 });
    expect(await weightsOf(trainer)).toEqual(before);
  });
});

describe('a frozen prefix', () => {
  const model = () =>
    new nn.Sequential(new nn.Linear(4, 8), new nn.ReLU(), new nn.Linear(8, 8), new nn.ReLU(), new nn.Linear(8, 3));
  const frozenModel = (...layers: number[]) => {
    const made = model();
    for (const k of layers) nn.freeze(made.layers[k]!);
    return made;
  };

  /** How many ops of each name a step has. */
  const opsOf = (frozen: nn.Sequential): Record<string, number> => {
    const state = new State(createCpuBackend().executor, { model: frozen, optimizer: adam(), seed: 0 });
    const order = orderOf(planRun(data, { batchSize: 16 }, 0, undefined));
    const { recipe } = traceStep(state, { model: frozen, loss: softmaxCrossEntropy, metrics: {} }, data, order, 16);
    const roots = [...recipe.assignments!, ...recipe.records!].map(([, value]) => value);
    const names = topologicalOrder(roots).flatMap(({ op }) => op?.name ?? []);
    return Object.fromEntries([...new Set(names)].map((name) => [name, names.filter((n) => n === name).length]));
  };
  const dispatchesOf = (frozen: nn.Sequential) => {
    const facts = { model: frozen, loss: softmaxCrossEntropy, optimizer: adam(), data, batchSize: 16 };
    return explainStep({ ...facts, as: 'gpu', fuse: false }).counts.dispatches;
  };

  it.each([
    ['nothing', [], { linear: 3, linearGrad: 3, matmul: 2, lessEqual: 2 }, 64],
    ['the first layer', [0], { linear: 3, linearGrad: 2, matmul: 1, lessEqual: 1 }, 60],
    ['two layers', [0, 2], { linear: 3, linearGrad: 1 }, 56],
    [
      'a layer in the middle, through which gradients flow',
      [2],
      { linear: 3, linearGrad: 2, matmul: 2, lessEqual: 2 },
      63,
    ],
  ])('has no op in the backward pass: %s', (_, frozen, wanted, dispatches) => {
    const ops = opsOf(frozenModel(...frozen));
    const products = ['linear', 'linearGrad', 'matmul', 'lessEqual'].filter((name) => ops[name]);
    expect(Object.fromEntries(products.map((name) => [name, ops[name]]))).toEqual(wanted);
    expect(dispatchesOf(frozenModel(...frozen))).toBe(dispatches);
  });
});

describe('what is unfrozen', () => {
  it('begins with fresh moments, whose bias corrections count from there', async () => {
    const backend = createCpuBackend({ precision: 'float64' });
    const model = new Sums();
    nn.freeze({ b: model.b });
    const trainer = new Trainer(backend, { model, loss: (y: Tensor) => sum(y), optimizer: optim.adam(0.125) });
    const options = { batchSize: 1, shuffle: false, divergence: 'off' } as const;
    await trainer.fit(sumsData, { ...options, maxSteps: 2 });
    expect(await weightsOf(trainer)).toMatchObject({ b: B.map(Math.fround) });
    trainer.unfreeze('b');
    expect(trainer.state.arenas.map(({ since, members }) => [since, members.map(({ path }) => path)])).toEqual([
      [0, ['a']],
      [2, ['b']],
    ]);
    await trainer.fit(sumsData, { ...options, resume: true, maxSteps: 5 });
    expect(trainer.stepsMade).toBe(5);
    const element = adamByHand(0.125, 0.9, 0.999, 1e-8, 0, 0);
    const weights = await weightsOf(trainer);
    for (const [k, wanted] of byHand(A, 1, element).entries()) expect(weights['a']![k]).toBeCloseTo(wanted, 7);
    for (const [k, wanted] of byHand(B, 2, element, 2).entries()) expect(weights['b']![k]).toBeCloseTo(wanted, 7);
  });

  it('moves by its group, each with slots as they begin', async () => {
    const groups = [{ match: 'out', initialAccumulator: 0.5, lr: 0.25 }];
    const trainer = netTrainer({ optimizer: optim.adagrad({ lr: 0.1, initialAccumulator: 0.125, groups }) });
    trainer.freeze(['out', 'hidden.bias']);
    await trainer.fit(data, run);
    trainer.unfreeze(/bias/);
    const arenas = trainer.state.arenas.map(({ group, since, members }) => [group, since, members.map((m) => m.path)]);
    expect(arenas).toEqual([
      [undefined, 0, ['hidden.weight']],
      [undefined, 10, ['hidden.bias']],
      [0, 10, ['out.bias']],
    ]);
    const [bias, out] = await trainer.state.storage.read([1, 2].map((k) => trainer.state.arenas[k]!.slots[0]!));
    expect([bias!.every((v) => v === 0.125), out!.every((v) => v === 0.5)]).toEqual([true, true]);
  });
});

describe('checkpoints', () => {
  const make = (...frozen: string[]) => {
    const trainer = netTrainer({ optimizer: optim.adam(0.05, { groups: [{ match: /bias/, lrScale: 0.5 }] }) });
    if (frozen.length > 0) trainer.freeze(frozen);
    return trainer;
  };
  /** A trainer whose hidden layer is frozen, and whose bias was for four steps. */
  const trained = async (steps: number) => {
    const trainer = make('hidden.weight', 'out.bias');
    await trainer.fit(data, { ...run, maxSteps: 4 });
    trainer.unfreeze('out.bias');
    await trainer.fit(data, { ...run, resume: true, maxSteps: steps });
    return trainer;
  };

  it('have what is frozen, and are resumed bit for bit, whatever the trainer had frozen', async () => {
    const [whole, half] = [await trained(10), await trained(7)];
    const checkpoint = await saveCheckpoint(half);
    expect(describeCheckpoint(checkpoint)).toMatchObject({ frozen: ['hidden.weight'], unfrozen: { 'out.bias': 4 } });
    for (const other of [make(), make('out'), make('hidden.weight')]) {
      await loadCheckpoint(other, checkpoint);
      expect(frozenIn(other)).toEqual(['hidden.weight']);
      await other.fit(data, { ...run, resume: true });
      expect(await weightsOf(other)).toEqual(await weightsOf(whole));
    }
    expect((await weightsOf(whole))['hidden.weight']).toEqual((await weightsOf(make()))['hidden.weight']);
  });

  it('of trainers with nothing frozen say nothing of it, and unfreeze', async () => {
    const checkpoint = await saveCheckpoint(make());
    expect(describeCheckpoint(checkpoint)).not.toHaveProperty('frozen');
    const other = make('hidden');
    await loadCheckpoint(other, checkpoint);
    expect(frozenIn(other)).toEqual([]);
  });

  it('are refused while a call is under way, where variables would lie elsewhere', async () => {
    const trainer = make('out');
    const pending = trainer.evaluate(data);
    await expect(loadCheckpoint(trainer, await saveCheckpoint(make()))).rejects.toThrow(
      'loadCheckpoint: another call of the trainer is in progress.',
    );
    await pending;
    expect(frozenIn(trainer)).toEqual(layer('out'));
  });

  const faults: readonly [string, object, string][] = [
    [
      'paths that the model does not have',
      { frozen: ['x'] },
      '"x" is listed as frozen or unfrozen, but is not a parameter of the model',
    ],
    [
      'all paths',
      { frozen: [...layer('hidden'), ...layer('out')] },
      'all parameters of the model frozen. Use an undamaged copy.',
    ],
    ['what is no list', { frozen: 'hidden' }, 'the frozen parameters are not a list of paths'],
    [
      'a step that was not made',
      { unfrozen: { 'out.bias': 99 } },
      'unfrozen parameters are not paths with the steps at which they were unfrozen. Use an undamaged copy.',
    ],
    ['other moments than are there', { frozen: ['out.bias'] }, '"optimizer.m.out.bias" is not part of the model'],
  ];
  it.each(faults)('are refused with %s', async (_, freezing, message) => {
    const trainer = make();
    await trainer.fit(data, run);
    const before = await saveCheckpoint(trainer);
    const { tensors, metadata } = readSafetensors(before);
    const thalweg = JSON.stringify({ ...JSON.parse(metadata['thalweg']!), ...freezing });
    const file = writeSafetensors(new Map(tensors) as never, { ...metadata, thalweg });
    await expect(loadCheckpoint(trainer, file)).rejects.toThrow(CheckpointError);
    await expect(loadCheckpoint(trainer, file)).rejects.toThrow(message);
    expect(await saveCheckpoint(trainer)).toEqual(before);
  });
});
