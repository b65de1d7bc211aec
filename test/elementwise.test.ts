// Elementwise, movement and gather ops against known values: what finite differences do not see (constants, ties, kinks,
// NaN, overflow, indices past the end) and the errors.
import { describe, expect, it, test } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { simplify } from '../src/graph/simplify.ts';
import { constant, input, type Tensor } from '../src/graph/tensor.ts';
import '../src/ops/methods.ts';
import { erf, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from '../src/ops/activations.ts';
import { add, div, greater, maximum, minimum, mul, notEqual } from '../src/ops/binary.ts';
import { cast } from '../src/ops/cast.ts';
import { erfOf } from '../src/ops/erf.ts';
import { expm1 } from '../src/ops/expm1.ts';
import { gatherRows, oneHot } from '../src/ops/gather.ts';
import { concat, slice, transpose } from '../src/ops/movement.ts';
import { pad } from '../src/ops/pad.ts';
import { pow } from '../src/ops/pow.ts';
import { clip, where } from '../src/ops/select.ts';
import { logSoftmax } from '../src/ops/softmax.ts';
import { cos, sin } from '../src/ops/trigonometry.ts';
import { abs, exp, log, sign, sqrt } from '../src/ops/unary.ts';

const valuesOf = (x: Tensor) => Array.from(interpret([x], () => undefined)[0]!.data);
const gradientOf = (y: Tensor, x: Tensor) => valuesOf(grad(y, [x])[0]!);
const u32s = (...values: number[]) => constant(Uint32Array.from(values));

/** 2/√π e^(-x²) Σ 2^n x^(2n+1) / (2n+1)!!: all terms positive, so right to the last digits while it is short. */
function erfSeries(x: number): number {
  let term = x;
  let total = x;
  for (let n = 1; n < 200; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

describe('known values', () => {
  it.each([1e-9, 0.1, 0.46, 0.47, 0.5, 1, 2, 3, 3.99, 4.01, 5.5])('erf(±%d) to 14 digits', (x) => {
    expect(Math.abs(erfOf(x) / erfSeries(x) - 1)).toBeLessThan(1e-14);
    expect(erfOf(-x)).toBe(-erfOf(x));
  });

  // PyTorch 2, in doubles.
  it.each([
    ['gelu', gelu, [-0.15865525393145707, 0, 0.8413447460685429, 1.954499736103642]],
    [
      'gelu tanh',
      (x: Tensor) => gelu(x, { approximate: 'tanh' }),
      [-0.15880800939172324, 0, 0.8411919906082768, 1.954597694087775],
    ],
    ['silu', silu, [-0.2689414213699951, 0, 0.7310585786300049, 1.7615941559557649]],
    ['softplus', softplus, [0.31326168751822286, Math.LN2, 1.3132616875182228, 2.1269280110429727]],
    ['sigmoid', sigmoid, [0.2689414213699951, 0.5, 0.7310585786300049, 0.8807970779778824]],
    ['tanh', tanh, [-0.7615941559557649, 0, 0.7615941559557649, 0.9640275800758169]],
    ['relu', relu, [0, 0, 1, 2]],
    ['leakyRelu', leakyRelu, [-0.01, 0, 1, 2]],
    ['sin', sin, [-Math.sin(1), 0, Math.sin(1), Math.sin(2)]],
    ['cos', cos, [Math.cos(1), 1, Math.cos(1), Math.cos(2)]],
    ['erf', erf, [-0.8427007929497149, 0, 0.8427007929497149, 0.9953222650189527]],
    ['pow 3', (x: Tensor) => pow(x, 3), [-1, 0, 1, 8]],
    ['abs', abs, [1, 0, 1, 2]],
    ['sign', sign, [-1, 0, 1, 1]],
    ['exp', exp, [Math.exp(-1), 1, Math.E, Math.E ** 2]],
  ] as const)('%s at -1, 0, 1, 2', (_, fn, wanted) => {
    const got = valuesOf(fn(constant([-1, 0, 1, 2])));
    for (const [i, y] of wanted.entries()) expect(got[i]).toBeCloseTo(y, 13);
  });

  it.each([
    ['sigmoid', sigmoid, 0, 1],
    ['tanh', tanh, -1, 1],
    ['softplus', softplus, 0, 1000],
    ['gelu', gelu, 0, 1000],
    ['silu', silu, 0, 1000],
  ] as const)('%s at -1000 and 1000 is finite, with a finite gradient', (_, fn, low, high) => {
    const x = constant([-1000, 1000]);
    const [a, b] = valuesOf(fn(x));
    expect(a! + 0).toBeCloseTo(low, 12);
    expect(b).toBe(high);
    expect(gradientOf(fn(x), x).every(Number.isFinite)).toBe(true);
  });

  it.each([
    ['relu', relu],
    ['leakyRelu', leakyRelu],
    ['sigmoid', sigmoid],
    ['tanh', tanh],
    ['gelu', gelu],
    ['softplus', softplus],
    ['clip', (x: Tensor) => clip(x, { min: -1, max: 1 })],
    ['maximum', (x: Tensor) => maximum(x, 0)],
    ['minimum', (x: Tensor) => minimum(0, x)],
    ['log', log],
    ['sqrt', sqrt],
  ] as const)('%s lets NaN through', (_, fn) => {
    expect(valuesOf(fn(constant(Number.NaN)))).toEqual([Number.NaN]);
  });
});

// NumPy's and PyTorch's values; test/specials.test.ts compares all engines at them.
describe('special values', () => {
  const [inf, nan] = [Infinity, Number.NaN];
  it.each<[string, (x: Tensor) => Tensor, readonly number[]]>([
    ['log', log, [-inf, -inf, nan, inf, nan]],
    ['sign', sign, [0, -0, -1, 1, nan]],
    ['expm1', expm1, [0, -0, -1, inf, nan]],
    ['notEqual itself', (x) => notEqual(x, x), [0, 0, 0, 0, 1]],
    ['where', (x) => where(x, 1, 2), [2, 2, 1, 1, 1]],
    ['pow 0.5', (x) => pow(x, 0.5), [0, -0, nan, inf, nan]],
    ['pow 1.5', (x) => pow(x, 1.5), [0, 0, inf, inf, nan]],
    ['pow -1.5', (x) => pow(x, -1.5), [inf, inf, 0, 0, nan]],
    ['pow -65', (x) => pow(x, -65), [inf, -inf, -0, 0, nan]],
    ['1 / x', (x) => div(1, x), [inf, -inf, -0, 0, nan]],
    ['clip', (x) => clip(x, { min: -1, max: 1 }), [0, -0, -1, 1, nan]],
  ])('%s at 0, -0, -Infinity, Infinity and NaN', (_, fn, wanted) =>
    expect(valuesOf(fn(constant([0, -0, -inf, inf, nan])))).toEqual(wanted),
  );

  test("gradients at NaN are NaN, or dy as PyTorch's of relu, or 0", () => {
    const x = constant([nan, -2]);
    expect(gradientOf(abs(x), x)).toEqual([nan, -1]);
    const slopes = [relu(x), leakyRelu(x, 0.5), clip(x, -9, 9), maximum(x, 0)].map((y) => gradientOf(mul(y, 3), x));
    expect(slopes).toEqual([
      [3, 0],
      [1.5, 1.5],
      [0, 3],
      [0, 0],
    ]);
    const row = constant([[nan, 1]]);
    expect(gradientOf(logSoftmax(row), row)).toEqual([nan, nan]);
  });

  test('where chooses values; a slope that is infinite is NaN where it was not chosen', () => {
    const x = constant([0, 4]);
    expect(gradientOf(where(greater(x, 0), sqrt(x), 0), x)).toEqual([nan, 0.25]);
    const y = sqrt(where(greater(x, 0), x, 1));
    expect(valuesOf(y)).toEqual([1, 2]);
    expect(gradientOf(y, x)).toEqual([0, 0.25]);
  });

  test('the gradient of a quotient of tiny numbers is finite', () => {
    const b = constant(1e-200);
    expect(gradientOf(div(1e-200, b), b)[0]! / -1e200).toBeCloseTo(1, 12);
  });

  test('-0 is another constant than 0', () => {
    const x = input('x', { shape: [], dtype: 'f32' });
    const both = simplify([div(x, constant(0)), div(x, constant(-0))]);
    expect(interpret(both, () => Float64Array.of(1)).map(({ data }) => data[0])).toEqual([inf, -inf]);
  });
});

describe('kinks and ties', () => {
  const x = constant([-1, 0, 1]);
  test('relu gives 0 at 0', () => expect(gradientOf(relu(x), x)).toEqual([0, 0, 1]));
  test('leakyRelu gives its slope at 0', () =>
    expect(gradientOf(leakyRelu(x, { negativeSlope: 0.5 }), x)).toEqual([0.5, 0.5, 1]));
  test('abs gives 0 at 0', () => expect(gradientOf(abs(x), x)).toEqual([-1, 0, 1]));
  test('maximum and minimum split a tie', () => {
    const y = constant([0, 0, 0]);
    expect(gradientOf(maximum(x, y), x)).toEqual([0, 0.5, 1]);
    expect(gradientOf(maximum(x, y), y)).toEqual([1, 0.5, 0]);
    expect(gradientOf(minimum(x, y), x)).toEqual([1, 0.5, 0]);
    expect(gradientOf(minimum(x, y), y)).toEqual([0, 0.5, 1]);
  });
  test('clip lets the gradient through on its bounds', () => {
    const wide = constant([-2, -1, 0, 1, 2]);
    expect(valuesOf(clip(wide, { min: -1, max: 1 }))).toEqual([-1, -1, 0, 1, 1]);
    expect(gradientOf(clip(wide, { min: -1, max: 1 }), wide)).toEqual([0, 1, 1, 1, 0]);
  });
  test('where keeps the side not taken out of the gradient, NaN included', () => {
    const y = where(constant([0, 1, 1]), log(x), 7);
    expect(valuesOf(y)).toEqual([7, Number.NEGATIVE_INFINITY, 0]);
    expect(gradientOf(where(constant([0, 0, 1]), mul(x, 3), 7), x)).toEqual([0, 0, 3]);
  });
});

describe('movement', () => {
  const x = constant([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  test('transpose', () => {
    expect(valuesOf(transpose(x))).toEqual([1, 4, 2, 5, 3, 6]);
    expect(transpose(constant(1).reshape([1, 1, 1]), [2, 0, 1]).shape).toEqual([1, 1, 1]);
    expect(transpose(x, [0, 1])).toBe(x);
  });
  test('slice', () => {
    expect(valuesOf(slice(x, [0, 1], [2, 3]))).toEqual([2, 3, 5, 6]);
    expect(valuesOf(slice(x, [-1], [2]))).toEqual([4, 5, 6]);
  });
  test('concat', () => {
    expect(valuesOf(concat([x, x], 1))).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
    const many = Array.from({ length: 50 }, (_, k) => constant([k]));
    expect(valuesOf(concat(many, 0))).toEqual(Array.from({ length: 50 }, (_, k) => k));
  });
  test('pad', () => {
    expect(valuesOf(pad(x, [0, 1], [1], 9))).toEqual([9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9]);
  });
  test('methods', () => {
    expect(x.reshape([3, -1]).shape).toEqual([3, 2]);
    expect(valuesOf(transpose(x))).toEqual([1, 4, 2, 5, 3, 6]);
  });
});

describe('gather', () => {
  const table = constant([
    [1, 2],
    [3, 4],
    [5, 6],
  ]);
  test('an index past the end gives NaN, a negative one too', () => {
    const minusOne = cast(constant(Int32Array.of(-1)), 'u32');
    expect(valuesOf(gatherRows(table, u32s(2, 0, 3)))).toEqual([5, 6, 1, 2, Number.NaN, Number.NaN]);
    expect(valuesOf(gatherRows(table, minusOne))).toEqual([Number.NaN, Number.NaN]);
    expect(valuesOf(gatherRows(u32s(7, 8), u32s(2)))).toEqual([8]);
  });
  test('i32 indices are taken too', () => {
    const indices = constant(Int32Array.of(1, -1, 0));
    expect(valuesOf(gatherRows(table, indices))).toEqual([3, 4, Number.NaN, Number.NaN, 1, 2]);
    expect(valuesOf(table.gatherRows(indices.add(1)))).toEqual([5, 6, 1, 2, 3, 4]);
    expect(gradientOf(gatherRows(table, indices), table)).toEqual([1, 1, 1, 1, 0, 0]);
    expect(valuesOf(oneHot(indices, 2))).toEqual([0, 1, Number.NaN, Number.NaN, 1, 0]);
  });
  test('the gradient adds every use of a row, and leaves unused rows 0', () =>
    expect(gradientOf(gatherRows(table, u32s(0, 2, 0, 3)), table)).toEqual([2, 2, 0, 0, 1, 1]));
  test('bytes come out as u32', () => {
    const bytes = constant(Uint8Array.of(250, 251, 252, 253), { shape: [2, 2] });
    expect(gatherRows(bytes, u32s(1)).dtype).toBe('u32');
    expect(valuesOf(gatherRows(bytes, u32s(1)))).toEqual([252, 253]);
  });
  test('oneHot is NaN outside its depth', () =>
    expect(valuesOf(oneHot(u32s(1, 3), 3))).toEqual([0, 1, 0, Number.NaN, Number.NaN, Number.NaN]));
  test('cast cuts off and stops at the ends', () => {
    const x = constant([-1.7, 1.7, 1e20, -1e20, Number.NaN]);
    expect(valuesOf(cast(x, 'i32'))).toEqual([-1, 1, 2 ** 31 - 1, -(2 ** 31), 0]);
    expect(valuesOf(cast(x, 'u32'))).toEqual([0, 1, 2 ** 32 - 1, 0, 0]);
  });
});

describe('errors', () => {
  const x = constant([
    [1, 2, 3],
    [4, 5, 6],
  ]);
  const bytes = constant(Uint8Array.of(1, 2));
  it.each<[string, () => unknown]>([
    [
      'add: shapes [2, 3] and [2] do not broadcast: 3 against 2, in the last axis. Sizes must be equal or 1.',
      () => add(x, constant([1, 2])),
    ],
    ['add: dtypes differ: f32 against u32. Cast one of them.', () => add(constant([1, 2]), u32s(1, 2))],
    ['div: u32 is not one of f32. Cast the inputs.', () => div(u32s(1), u32s(1))],
    ["exp: x is u32. It must be f32: cast(x, 'f32').", () => exp(u32s(1))],
    [
      'add: "3" is neither a tensor nor a number. Give one, such as constant([1, 2]) or 3.',
      () => add(x, '3' as unknown as number),
    ],
    [
      'exp: an array is neither a tensor nor a number. Give one, such as constant([1, 2]) or 3.',
      () => exp([1] as unknown as number),
    ],
    [
      'where: undefined is neither a tensor nor a number. Give one, such as constant([1, 2]) or 3.',
      () => where(x, x, undefined as unknown as number),
    ],
    ['pow: the exponent is NaN. Give a finite number.', () => pow(x, Number.NaN)],
    ['clip: min 2 is not below max 1. Swap or correct them.', () => clip(x, { min: 2, max: 1 })],
    ['transpose: axes [0,0] do not name each axis of [2, 3] once. Give 2 different axes.', () => transpose(x, [0, 0])],
    ['transpose: axis 2 is out of range for a tensor of rank 2. Use -2 to 1.', () => transpose(x, [2, 0])],
    [
      'slice: from [1,0] to [1,3] is empty or outside [2, 3]. Use 0 <= start < end <= size.',
      () => slice(x, [1, 0], [1, 3]),
    ],
    ['slice: from [0] to [5] is empty or outside [2, 3]. Use 0 <= start < end <= size.', () => slice(x, [0], [5])],
    [
      'concat: shapes [2, 3] and [3, 2] differ outside axis 0. Only that axis may differ.',
      () => concat([x, transpose(x)], 0),
    ],
    ['concat: no tensors. Give at least one.', () => concat([], 0)],
    ['pad: [-1] before and [] after do not match [2, 3]. Give a whole number >= 0 per axis.', () => pad(x, [-1], [])],
    ["transpose: x is u8, a storage-only dtype. Cast it: cast(x, 'f32').", () => transpose(bytes.reshape([2, 1]))],
    ["gatherRows: indices are f32. They must be u32 or i32: cast(indices, 'u32').", () => gatherRows(x, constant([1]))],
    [
      'gatherRows: the source is a scalar. Give one with rows along its first axis.',
      () => gatherRows(constant(1), u32s(1)),
    ],
    ['oneHot: depth 0 is not a whole number of at least 1. Give the number of classes.', () => oneHot(u32s(1), 0)],
  ])('%s', (message, fn) => {
    expect(fn).toThrow(expect.objectContaining({ message }));
  });
});
