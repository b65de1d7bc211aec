// Ops outside the library: those that the documentation shows, kernels of all kinds beside each other, and a model that
// trains with them.
import { beforeAll, describe, expect, it } from 'vitest';
import { Backend } from '../src/backend.ts';
import { arrayDataset } from '../src/data/dataset.ts';
import { costsOf } from '../src/graph/capabilities.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { constant, createCpuBackend, grad, losses, nn, optim, Trainer } from '../src/index.ts';
import { add, apply1, input, mul, type Op, relu, softmax, sum } from '../src/ops/index.ts';
import { testExecutor } from './gpu.ts';
import { ADAPTERS, documentedOps, expectTruth, wave } from './own-ops.ts';

const { softsign, cumsum, unitRows } = documentedOps();

const OPS: readonly (readonly [string, (x: Tensor) => Tensor])[] = [
  ['softsign', softsign],
  ['cumsum', cumsum],
  ['cumsum in reverse', (x) => cumsum(x, { reverse: true })],
  ['unitRows', unitRows],
];

const x = input('x', { shape: [5, 70], dtype: 'f32' });
const w = input('w', { shape: [70], dtype: 'f32' });
const inputs = { x: wave(350), w: wave(70, 1.3) };

/** The op within others: computed from a chain, followed by one, read twice, with gradients back to both inputs. */
function beside(fn: (x: Tensor) => Tensor): Record<string, Tensor> {
  const hidden = mul(x, w);
  const y = fn(add(hidden, x));
  const loss = sum(mul(softmax(add(y, 0.5)), relu(y)));
  const [dx, dw] = grad(loss, [x, w]) as [Tensor, Tensor];
  return { y: mul(y, 2), other: softmax(hidden), loss, dx, dw };
}

describe.each(ADAPTERS)('ops of the documentation on %s', (_, capabilities) => {
  it.each(OPS)('%s alone', async (_, fn) => {
    const dy = constant(wave(350, 0.3), { shape: [5, 70] });
    await expectTruth(capabilities, { y: fn(x), dx: grad(fn(x), [x], dy)[0]! }, { x: inputs.x });
  });

  it.each(OPS)('%s beside other groups', async (_, fn) => {
    await expectTruth(capabilities, beside(fn), inputs);
  });

  it('all in one program', async () => {
    const y = cumsum(softsign(unitRows(x)));
    const z = unitRows(cumsum(softsign(x)));
    const [dx] = grad(sum(mul(y, z)), [x]) as [Tensor];
    await expectTruth(capabilities, { y, z, dx }, { x: inputs.x });
  });
});

describe('a model with kernels of its own', () => {
  const data = arrayDataset(
    { shape: [60, 12], data: wave(720, 0.77) },
    Array.from({ length: 60 }, (_, i) => (i * 5) % 4),
    { classes: 4 },
  );
  const trained = async (backend: Backend) => {
    const layers = [new nn.Linear(12, 16), softsign, unitRows, cumsum, new nn.Linear(16, 4)];
    const trainer = new Trainer(backend, {
      model: new nn.Sequential(...layers),
      loss: losses.softmaxCrossEntropy,
      optimizer: optim.adam({ lr: 0.01 }),
      seed: 3,
    });
    await trainer.fit(data, { maxSteps: 12, batchSize: 17 });
    const weights = await Promise.all(trainer.parameters().map(({ path }) => trainer.state.read(path)));
    trainer.dispose();
    return { losses: trainer.history.steps.loss, weights };
  };
  let truth: Awaited<ReturnType<typeof trained>>;
  beforeAll(async () => {
    truth = await trained(createCpuBackend());
  });

  it.each([
    ['fused', {}],
    ['where a persistent kernel is requested', { persistent: true }],
  ] as const)('trains on the GPU as on the CPU, %s', async (_, options) => {
    const executor = await testExecutor(costsOf(true), options);
    const run = await trained(new Backend(executor, { name: 'test', software: true }));
    expect(run.losses).toHaveLength(12);
    for (const [k, loss] of truth.losses.entries()) expect(run.losses[k], `loss ${k}`).toBeCloseTo(loss, 4);
    for (const [k, values] of truth.weights.entries())
      for (const [i, value] of values.entries()) expect(run.weights[k]![i], `${k} [${i}]`).toBeCloseTo(value, 3);
  });
});

describe('an op that is not as it should be says so by its name', () => {
  const twice: Op<undefined> = {
    name: 'twice',
    shape: ([x]) => [x!],
    cpu: ([x], [y]) => {
      for (let i = 0; i < y!.data.length; i++) y!.data[i] = 2 * x!.data[i]!;
    },
    map: ({ load, i }) => `2.0 * ${load(0, i)}`,
    vjp: ([dy]) => [() => mul(dy, 2)],
  };
  const of = (changes: object) => (at: Tensor) => apply1({ ...twice, ...changes } as Op<undefined>, [at], undefined);
  const at = constant([1, 2]);
  const gradient = (changes: object) => () => grad(sum(of(changes)(at)), [at]);
  const onCpu = (changes: object) => createCpuBackend().value(of(changes)(at));

  it('none, where it is', async () => {
    expect(await onCpu({})).toEqual([2, 4]);
    expect(await createCpuBackend().value(gradient({})()[0]!)).toEqual([2, 2]);
  });

  it.each([
    [
      'no shape',
      () => of({ shape: undefined })(at),
      'apply: the op is an object. Give an object with a name, shape, cpu, and map or kernel.',
    ],
    [
      'no cpu',
      () => of({ cpu: undefined })(at),
      'apply: the op is an object. Give an object with a name, shape, cpu, and map or kernel.',
    ],
    [
      'a bare spec',
      () => of({ shape: () => ({ shape: [2], dtype: 'f32' }) })(at),
      "twice: its shape returned an object. Return an array: [{ shape: [2], dtype: 'f32' }].",
    ],
    [
      'a bare tensor as gradient',
      gradient({ vjp: ([dy]: [Tensor]) => mul(dy, 2) }),
      'twice: its vjp returned a Tensor. Return an array of functions, one for each input: ([dy], [x]) => [() => dy.mul(2)].',
    ],
    [
      'a tensor in place of a function',
      gradient({ vjp: ([dy]: [Tensor]) => [mul(dy, 2)] }),
      'twice: its vjp returned a Tensor. Return an array of functions, one for each input: ([dy], [x]) => [() => dy.mul(2)].',
    ],
    [
      'no gradients at all',
      gradient({ vjp: () => undefined }),
      'twice: its vjp returned undefined. Return an array of functions, one for each input: ([dy], [x]) => [() => dy.mul(2)].',
    ],
    [
      'a gradient of another shape',
      gradient({ vjp: ([dy]: [Tensor]) => [() => sum(dy)] }),
      'twice: its gradient of input 0 is []. It must be a tensor [2].',
    ],
    [
      'a gradient that is a number',
      gradient({ vjp: () => [() => 2] }),
      'twice: its gradient of input 0 is 2. It must be a tensor [2].',
    ],
  ])('%s', (_, act, message) => {
    expect(act).toThrow(message);
  });

  it('a result that is returned, folded or computed', async () => {
    const changes = { cpu: () => [Float32Array.of(2, 4)] };
    const message =
      'twice: its cpu returned an array. Write the result into outs: outs[0].data[i] = …, and return nothing.';
    await expect(onCpu(changes)).rejects.toThrow(message);
    await expect(onCpu({ ...changes, map: undefined })).rejects.toThrow(message);
  });

  it('no map and no kernel, where a GPU needs one', async () => {
    const executor = await testExecutor();
    await expect(executor.compile({ outputs: { y: of({ map: undefined })(at) } })).rejects.toThrow(
      'twice: it has neither a map nor a kernel, so it cannot run on a GPU. Give it a map, or use a CPU backend.',
    );
  });
});
