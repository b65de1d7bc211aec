// Numbers and the integer dtypes they meet: what a dtype holds is exact, and what it does not hold is refused, never rounded or wrapped.
import { describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { constant, full, nn, resident, ShapeError, type Tensor, Variable } from '../src/index.ts';
import { maximum, pad, sub, where } from '../src/ops/index.ts';
import { testExecutor } from './gpu.ts';

const backends = [createCpuBackend(), new Backend(await testExecutor(), { name: 'test', software: true })];
const [cpu] = backends as [Backend];
const i32 = constant(Int32Array.of(3, 4));
const u32 = constant(Uint32Array.of(3, 4));
const bytes = constant(Uint8Array.of(3, 4));

describe('a number that the dtype of the other tensor does not hold', () => {
  it.each<[string, () => unknown]>([
    ["mul: 0.5 is not an i32. Cast the tensor first: x.cast('f32').mul(0.5).", () => i32.mul(0.5)],
    ["add: 0.5 is not an i32. Cast the tensor first: x.cast('f32').add(0.5).", () => i32.add(0.5)],
    ["equal: 3.7 is not an i32. Cast the tensor first: x.cast('f32').equal(3.7).", () => i32.equal(3.7)],
    ["maximum: 3.5 is not an i32. Cast the tensor first: x.cast('f32').maximum(3.5).", () => i32.maximum(3.5)],
    ["minimum: NaN is not an i32. Cast the tensor first: x.cast('f32').minimum(NaN).", () => i32.minimum(Number.NaN)],
    [
      "less: Infinity is not an i32. Cast the tensor first: x.cast('f32').less(Infinity).",
      () => i32.less(Number.POSITIVE_INFINITY),
    ],
    ["add: 2147483648 is not an i32. Cast the tensor first: x.cast('f32').add(2147483648).", () => i32.add(2147483648)],
    ["greater: -1 is not a u32. Cast the tensor first: x.cast('i32').greater(-1).", () => u32.greater(-1)],
    ["mul: -1 is not a u32. Cast the tensor first: x.cast('i32').mul(-1).", () => u32.mul(-1)],
    ["remainder: 2.5 is not a u32. Cast the tensor first: x.cast('f32').remainder(2.5).", () => u32.remainder(2.5)],
    ["mul: 0.5 is not a u8. Cast the tensor first: x.cast('f32').mul(0.5).", () => bytes.mul(0.5)],
    ["add: 256 is not a u8. Cast the tensor first: x.cast('i32').add(256).", () => bytes.add(256)],
    ["sub: 0.5 is not an i32. Cast the tensor first: sub(0.5, x.cast('f32')).", () => sub(0.5, i32)],
    [
      "where: 0.5 is not an i32. Cast the tensor first: where(condition, x.cast('f32'), 0.5).",
      () => where(i32, i32, 0.5),
    ],
    ["where: -1 is not a u32. Cast the tensor first: where(condition, -1, x.cast('i32')).", () => where(i32, -1, u32)],
    ["pad: 0.5 is not an i32. Cast the tensor first: x.cast('f32').", () => pad(i32, [1], [0], 0.5)],
    ["pad: -1 is not a u32. Cast the tensor first: x.cast('f32').", () => pad(u32, [1], [0], -1)],
  ])('%s', (message, fn) => {
    expect(fn).toThrow(new ShapeError(message));
  });
});

describe('values that the dtype given with them does not hold', () => {
  const advice = 'Leave out the dtype for f32, or round the numbers.';
  it.each<[string, () => unknown]>([
    [`constant: 1.5 is not an i32. ${advice}`, () => constant([1.5], { dtype: 'i32' })],
    [`constant: -2 is not a u32. ${advice}`, () => constant([[1], [-2]], { dtype: 'u32' })],
    [`constant: 256 is not a u8. ${advice}`, () => constant([255, 256], { dtype: 'u8' })],
    [`constant: NaN is not an i32. ${advice}`, () => constant(Number.NaN, { dtype: 'i32' })],
    [`constant: 0.5 is not a u32. ${advice}`, () => constant(Float32Array.of(0, 0.5), { dtype: 'u32' })],
    [`constant: -1 is not a u32. ${advice}`, () => constant(Int32Array.of(-1), { dtype: 'u32' })],
    ['full: 0.5 is not a u16. Leave out the dtype for f32, or round the number.', () => full([2], 0.5, 'u16')],
    [
      'data x: 1.5 is not a u8. Give a typed array of its dtype.',
      () => resident('x', { shape: [1], dtype: 'u8', data: Float32Array.of(1.5) }),
    ],
  ])('%s', (message, fn) => {
    expect(fn).toThrow(new ShapeError(message));
  });
});

describe.each(backends)('on the $kind', (backend) => {
  it('whole numbers in range are exact, negative ones too', async () => {
    const ys: Tensor[] = [
      i32.mul(-2),
      i32.add(-5),
      sub(-1, i32),
      maximum(i32, -(2 ** 31)),
      where(i32.greater(3), i32, -7),
      u32.sub(3),
      u32.add(2 ** 32 - 8),
      u32.remainder(4),
      pad(i32, [1], [0], -9),
    ];
    expect(await backend.value(ys)).toEqual([
      [-6, -8],
      [-2, -1],
      [-4, -5],
      [3, 4],
      [-7, 4],
      [0, 1],
      [2 ** 32 - 5, 2 ** 32 - 4],
      [3, 0],
      [-9, 3, 4],
    ]);
    expect(await backend.value([i32.equal(-0), i32.less(4), i32.greaterEqual(-3)])).toEqual([
      [0, 0],
      [1, 0],
      [1, 1],
    ]);
    expect(await backend.value(constant([-0, 2 ** 31 - 1], { dtype: 'i32' }))).toEqual([0, 2 ** 31 - 1]);
  });

  it('f32 takes every number', async () => {
    const x = constant([1]);
    expect(await backend.value([x.mul(0.5), x.mul(1e39), x.add(Number.NaN)])).toEqual([
      [0.5],
      [Number.POSITIVE_INFINITY],
      [Number.NaN],
    ]);
  });

  it('a run and a variable take what their dtype holds', async () => {
    const program = await backend.compile(({ x }) => x.add(1), { x: { shape: [2], dtype: 'i32' } });
    const run = async (x: unknown) => [...(await program.run({ x: x as Int32Array }))['y']!.data];
    expect(await run(Int32Array.of(1, -2))).toEqual([2, -1]);
    expect(await run([5, -6])).toEqual([6, -5]);
    await expect(run([1, 0.5])).rejects.toThrow(
      new ShapeError('program: input x: 0.5 is not an i32. Give whole numbers in its range, or make it f32.'),
    );
    await expect(run(Float32Array.of(1, 3e9))).rejects.toThrow(/^program: input x: 3000000000 is not an i32\./);
    program.dispose();
    const model = { n: new Variable([2], { dtype: 'u32', initial: () => Float32Array.of(1, -1) }) };
    expect(() => backend.allocate(model)).toThrow(/^storage: Variable\(u32 \[2\]\): -1 is not a u32\./);
  });
});

it('initial values are held by the dtype of their variable', () => {
  const model = { n: new Variable([2], { dtype: 'i32', initial: nn.init.constant(0.5) }) };
  expect(() => cpu.allocate(model)).toThrow(
    new ShapeError('constant: 0.5 is not an i32. Make the variable f32, or round the number.'),
  );
});
