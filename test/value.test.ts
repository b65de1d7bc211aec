// `backend.value`: numbers of a tensor at once, on both engines, and how tensors show in messages and in Node's console.
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { constant, datasets, full, nn, optim, resident, Trainer, Variable } from '../src/index.ts';
import { meanSquaredError } from '../src/loss/index.ts';
import { input } from '../src/ops/index.ts';
import { testExecutor } from './gpu.ts';

const backends = [createCpuBackend(), new Backend(await testExecutor(), { name: 'test', software: true })];
const x = constant([
  [1, 2, 3],
  [4, 5, 6],
]);

describe.each(backends)('the value on the $kind', (backend) => {
  it('of a scalar is a number, else lists', async () => {
    expect(await backend.value(x.sum())).toBe(21);
    expect(await backend.value(x.mul(2))).toEqual([
      [2, 4, 6],
      [8, 10, 12],
    ]);
    expect(await backend.value(constant([[[1], [2]]]).neg())).toEqual([[[-1], [-2]]]);
  });

  it('is a typed array where that is requested', async () => {
    expect(await backend.value(x.argmax(1), { as: 'typed' })).toEqual(Uint32Array.of(2, 2));
    expect(await backend.value(x.sum(0), { as: 'typed' })).toEqual(Float32Array.of(5, 7, 9));
  });

  it('of what needs no computing is known too', async () => {
    expect(await backend.value(x)).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(await backend.value(full([2, 2], 3))).toEqual([
      [3, 3],
      [3, 3],
    ]);
    expect(await backend.value(constant(2))).toBe(2);
  });

  it('of bytes, which kernels only gather and cast, is known too', async () => {
    const model = { v: new Variable([2], { dtype: 'u8', initial: () => Uint8Array.of(3, 4) }) };
    const memory = backend.allocate(model);
    const bytes = constant([1, 2], { dtype: 'u8' });
    const data = resident('bytes', { shape: [2], dtype: 'u8', data: Uint8Array.of(5, 6) });
    expect(await backend.value([bytes, full([2], 7, 'u8'), model.v, data, bytes.cast('f32')])).toEqual([
      [1, 2],
      [7, 7],
      [3, 4],
      [5, 6],
      [1, 2],
    ]);
    const array = await backend.value(bytes, { as: 'typed' });
    expect(array).toEqual(Uint8Array.of(1, 2));
    array[0] = 9;
    expect(await backend.value(bytes)).toEqual([1, 2]);
    memory.dispose();
  });

  it('of several comes in one run, by place or by name', async () => {
    expect(await backend.value([x.sum(), x.max(0), x.sum()])).toEqual([21, [4, 5, 6], 21]);
    const { total, row } = await backend.value({ total: x.sum(), row: x.min(0) }, { as: 'typed' });
    expect([total, row]).toEqual([Float32Array.of(21), Float32Array.of(1, 2, 3)]);
    expect(await backend.value([])).toEqual([]);
    // Names that look like numbers keep their own.
    expect(await backend.value({ 10: constant(10), 2: constant(2) })).toEqual({ 10: 10, 2: 2 });
  });

  it('of variables is what their memory holds', async () => {
    const model = new nn.Linear(2, 1, { initialWeight: nn.init.ones });
    const message = `value: ${model.weight}, a variable without memory on this backend. Allocate it: backend.allocate(model), or new Trainer(backend, …).`;
    await expect(backend.value(model.weight)).rejects.toThrow(message);
    const memory = backend.allocate(model);
    expect(await backend.value(model.weight.mul(2).sum())).toBe(4);
    memory.write(model.weight, Float32Array.of(2, 3));
    expect(await backend.value(model.weight)).toEqual([[2, 3]]);

    const other = backend.allocate(model);
    await expect(backend.value(model.weight.sum())).rejects.toThrow('that several storages hold');
    expect(await backend.value(model.weight.sum(), { storages: [memory] })).toBe(5);
    memory.dispose();
    expect(await backend.value(model.weight.sum())).toBe(2);
    other.dispose();
    await expect(backend.value(model.weight)).rejects.toThrow(message);
  });

  it('of a variable that a trainer moves is its newest', async () => {
    const model = new nn.Linear(2, 1, { bias: false, initialWeight: nn.init.zeros });
    const trainer = new Trainer(backend, { model, loss: meanSquaredError, optimizer: optim.sgd(0.5) });
    await trainer.trainOnBatch([[1, 0]], [[1]]);
    expect(await backend.value(model.weight)).toEqual([[1, 0]]);
    expect(`${model.weight}`).toBe('Variable(f32 [1, 2] weight)');
    trainer.dispose();
    expect(`${model.weight}`).toBe('Variable(f32 [1, 2])');
  });

  it('is refused where inputs have none, by the name of what reads them', async () => {
    const t = input('t', { shape: [2], dtype: 'f32' });
    await expect(backend.value([x.sum(), t.exp()])).rejects.toThrow(
      'value: Tensor(exp f32 [2]) reads Tensor(input f32 [2] t), an input without values. Give them: backend.run(({ t }) => …, { t: array }).',
    );
    await expect(backend.value(t)).rejects.toThrow(/^value: Tensor\(input f32 \[2\] t\), an input/);
    await expect(backend.value(3 as never)).rejects.toThrow('value: the tensor is 3. Give an object.');
    await expect(backend.value({ y: 3 } as never)).rejects.toThrow('value: y is 3, not a tensor.');
  });
});

it('leaves no memory behind on a GPU', async () => {
  const executor = await testExecutor();
  const backend = new Backend(executor, { name: 'test', software: true });
  const counted = async () => {
    await backend.value(x.exp().sum());
    return executor.counters.bytes;
  };
  const bytes = await counted();
  expect(await counted()).toBe(bytes);
});

describe('a tensor shows', () => {
  const third = [0.1, 1 / 3, -0, 1e-45, 3.4028234663852886e38, 16777217, Number.NaN, Number.NEGATIVE_INFINITY];
  const computed = ', its values: await backend.value(x)';
  it.each([
    [x.exp(), 'Tensor(exp f32 [2, 3])', computed],
    [x, 'Tensor(constant f32 [2, 3])', ' [[1, 2, 3], [4, 5, 6]]'],
    [constant(2), 'Tensor(constant f32 [])', ' 2'],
    [constant([[[1], [2]]]), 'Tensor(constant f32 [1, 2, 1])', ' [[[1], [2]]]'],
    [
      constant(third),
      'Tensor(constant f32 [8])',
      ' [0.1, 0.33333334, -0, 1e-45, 3.4028235e+38, 16777216, NaN, -Infinity]',
    ],
    [constant(Int32Array.of(-123456789)), 'Tensor(constant i32 [1])', ' [-123456789]'],
    [full([9, 9], 0), 'Tensor(constant f32 [9, 9])', ' all 0'],
    [constant(new Uint32Array(16)), 'Tensor(constant u32 [16])', ` [${Array(16).fill(0).join(', ')}]`],
    [constant(new Uint32Array(18), [2, 9]), 'Tensor(constant u32 [2, 9])', ' 0, 0, 0, 0, 0, 0, …'],
    [input('t', { shape: [2], dtype: 'u8' }), 'Tensor(input u8 [2] t)', ''],
    [new Variable([3], { initial: nn.init.zeros }), 'Variable(f32 [3])', computed],
  ])('%s', (tensor, text, values) => {
    expect(`${tensor}`).toBe(text);
    expect(inspect({ tensor }, { breakLength: Infinity })).toBe(`{ tensor: ${text}${values} }`);
    expect(JSON.stringify({ tensor })).toBe(JSON.stringify({ tensor: `${text}${values}` }));
  });
});

it('a trainer and a run show in a line', async () => {
  const model = new nn.Linear(2, 1);
  const trainer = new Trainer(backends[0]!, { model, loss: meanSquaredError, optimizer: optim.sgd(0.5) });
  const shown = (value: unknown) => inspect(value);
  const run = trainer.fit(datasets.array([[1, 0], [0, 1]], [[1], [0]]), { maxSteps: 3, batchSize: 2 }); // biome-ignore format: one line
  const what = ': await it, or read its events in a for await loop';
  expect(shown(run)).toBe(`TrainingRun(not started)${what}`);
  expect(shown(trainer)).toBe('Trainer(Linear, meanSquaredError, 3 parameters, 0 steps)');
  await run.step();
  expect(shown(run)).toBe(`TrainingRun(paused)${what}`);
  run.resume();
  await run;
  expect(shown(run)).toBe(`TrainingRun(over)${what}`);
  expect(shown(trainer)).toBe('Trainer(Linear, meanSquaredError, 3 parameters, 3 steps)');
  trainer.dispose();
  expect(shown(trainer)).toBe('Trainer(Linear, meanSquaredError, 3 parameters, 3 steps)');
});
