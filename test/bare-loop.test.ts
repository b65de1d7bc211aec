// The bare loop: optim.state and optim.apply make the trajectory of a Trainer, on the CPU bit for bit, with any optimizer;
// several states in one program; and what is refused.
import { describe, expect, it } from 'vitest';
import { valueAndGrad } from '../src/autodiff/grad.ts';
import { createCpuBackend } from '../src/backend.ts';
import { OptionError } from '../src/graph/errors.ts';
import { constant, type Tensor, Variable } from '../src/graph/tensor.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import * as nn from '../src/nn/index.ts';
import { mul } from '../src/ops/binary.ts';
import { sum } from '../src/ops/index.ts';
import * as optim from '../src/optim/index.ts';
import { blobs, Net, netTrainer, weightsOf } from './blobs.ts';

const data = blobs(80);
const BATCH = 16;
const STEPS = 12;
const groups = [
  { match: /bias/, lr: optim.linear(0.1) },
  { match: 'hidden', lrScale: 0.5 },
];

const cases: readonly [string, optim.Optimizer, number?][] = [
  ['sgd', optim.sgd(0.1)],
  ['sgd with momentum, clipped', optim.sgd(0.1, { momentum: 0.9, nesterov: true, clipNorm: 0.1 })],
  ['adam on a cosine', optim.adam(optim.cosine(0.05))],
  ['adamW in groups', optim.adamW(0.01, { groups, clipValue: 0.01 })],
  ['rmsProp, centered', optim.rmsProp({ centered: true, momentum: 0.5 })],
  ['adagrad', optim.adagrad({ initialAccumulator: 0.1, lrDecay: 0.1 })],
  ['adam in several arenas', optim.adam(0.05, { groups: [{ match: 'out', beta1: 0.5 }] }), 256],
];

/** The weights after STEPS steps of a bare loop. */
async function bareLoop(model: Net, optimizer: optim.Optimizer, maxArenaBytes?: number) {
  const backend = createCpuBackend();
  const training = optim.state(optimizer, model, { steps: STEPS, maxArenaBytes });
  const memory = backend.allocate(training, { seed: 1 });
  const gradientsOf = valueAndGrad(model, (x: Tensor, y: Tensor) => softmaxCrossEntropy(model.forward(x), y));
  const program = await backend.compile(
    ({ x, y }) => {
      const { value, gradients } = gradientsOf(x, y);
      optim.apply(training, gradients);
      return value;
    },
    { x: { shape: [BATCH, 4], dtype: 'f32' }, y: { shape: [BATCH], dtype: 'u32' } },
    { training: true, storages: [memory] },
  );
  for (let k = 0; k < STEPS; k++) {
    const at = (k * BATCH) % 80;
    await program.run({
      x: data.x.data.slice(at * 4, (at + BATCH) * 4),
      y: Uint32Array.from(data.y.data.slice(at, at + BATCH)),
    });
  }
  const variables = [model.hidden.weight, model.hidden.bias!, model.out.weight, model.out.bias!];
  const [step, ...weights] = await memory.read([training.step, ...variables]);
  return { step: step![0], weights: weights.map((w) => [...w]) };
}

describe('a bare loop makes the bits of a Trainer', () => {
  it.each(cases)('%s', async (_, optimizer, maxArenaBytes) => {
    const trainer = netTrainer({ optimizer, maxArenaBytes });
    const started = await weightsOf(trainer);
    await trainer.fit(data, { maxSteps: STEPS, batchSize: BATCH, shuffle: false });
    const { step, weights } = await bareLoop(new Net(), optimizer, maxArenaBytes);
    expect(step).toBe(STEPS);
    expect(weights).toEqual(Object.values(await weightsOf(trainer)));
    expect(weights).not.toEqual(Object.values(started));
  });

  it('with a frozen layer, which keeps its bits', async () => {
    const [model, same] = [new Net(), new Net()];
    for (const { hidden } of [model, same]) nn.freeze(hidden);
    const trainer = netTrainer({ model, optimizer: optim.adam(0.05) });
    const before = await weightsOf(trainer);
    await trainer.fit(data, { maxSteps: STEPS, batchSize: BATCH, shuffle: false });
    const { weights } = await bareLoop(same, optim.adam(0.05));
    expect(weights).toEqual(Object.values(await weightsOf(trainer)));
    expect(weights[0]).toEqual(before['hidden.weight']);
  });
});

const one = (value: number) => nn.parameter([1], () => Float32Array.of(value));

describe('optim.state and optim.apply', () => {
  const backend = createCpuBackend();

  it('move several models in one program, each by its own optimizer, and lists of variables', async () => {
    const [a, b, c] = [one(1), one(2), one(3)];
    const states = [optim.state(optim.sgd(0.5), [a, b]), optim.state(optim.sgd(0.25), { c })];
    const memories = states.map((state) => backend.allocate(state));
    const program = await backend.compile(
      () => {
        const first = valueAndGrad([a, b], () => sum(mul(a, b)))();
        const second = valueAndGrad({ c }, () => sum(mul(c, a)))();
        optim.apply(states[0]!, first.gradients);
        optim.apply(states[1]!, second.gradients);
        return { first: first.value, second: second.value };
      },
      {},
      { training: true, storages: memories },
    );
    const outs = await program.run();
    expect([outs['first']!.data[0], outs['second']!.data[0]]).toEqual([2, 3]);
    const [[x, y], [z]] = [await memories[0]!.read([a, b]), await memories[1]!.read([c])];
    expect([x![0], y![0], z![0]]).toEqual([1 - 0.5 * 2, 2 - 0.5 * 1, 3 - 0.25 * 1]);
  });

  it('keep the last rate of a schedule after its steps, and take one that is written', async () => {
    const a = one(0);
    const training = optim.state(
      optim.sgd((step) => [0.5, 0.25][step]!),
      [a],
      { steps: 2 },
    );
    const memory = backend.allocate(training);
    const step = async () => {
      const program = await backend.compile(
        () => optim.apply(training, { 0: constant([-1]) }) as never,
        {},
        { training: true, storages: [memory] },
      );
      await program.run();
      return (await memory.read([a]))[0]![0];
    };
    expect([await step(), await step(), await step()]).toEqual([0.5, 0.75, 1]);
    memory.write(training.rates, Float32Array.of(8, 8));
    expect(await step()).toBe(9);
  });

  it('lay parameters out side by side, one update for all', () => {
    const { arenas } = optim.state(optim.adam(), new Net());
    expect(arenas.map(({ members }) => members.length)).toEqual([4]);
  });

  const apply = (gradients: object, training = optim.state(optim.sgd(0.1), { a: one(1) })) =>
    backend.compile(() => optim.apply(training, gradients as never) as never, {}, { training: true });
  const still = { v: new Variable([1], { initial: () => new Float32Array(1) }) };
  const refused: readonly [string, () => unknown, string][] = [
    ['a schedule without steps', () => optim.state(optim.sgd(optim.cosine(1)), new Net()), 'Give { steps }.'],
    ['nothing to train', () => optim.state(optim.sgd(), still), 'optim.state: no variable of the model is trainable.'],
    ['what is no optimizer', () => optim.state({} as never, new Net()), 'optim.state: the optimizer is an object.'],
    ['what is no state', () => optim.apply({} as never, {}), 'optim.apply: the state is an object.'],
    ['a missing gradient', () => apply({}), 'optim.apply: no gradient of a.'],
    [
      'one too many',
      () => apply({ a: constant([1]), b: constant([1]) }),
      'optim.apply: "b" is not a trained parameter',
    ],
    ['another shape', () => apply({ a: constant([1, 2]) }), 'the gradient of a is [2], but the parameter is [1].'],
    [
      'not training',
      () => optim.apply(optim.state(optim.sgd(), { a: one(1) }), { a: constant([1]) }),
      'Compile it with { training: true }',
    ],
  ];
  it.each(refused)('refuse %s', (_, call, message) => {
    expect(call).toThrow(OptionError);
    expect(call).toThrow(message);
  });
});
