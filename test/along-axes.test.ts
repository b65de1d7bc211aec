// Ops along an axis or several, against the values of PyTorch 1.13 and NumPy: prod, cumsum, gather, take, topk and logSumExp; zeros, ties,
// NaN, indices from the end and outside, gradients, and errors.
import { describe, expect, it, test } from 'vitest';
import { grad, whyNoGradient } from '../src/autodiff/grad.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { OptionError, ShapeError } from '../src/graph/errors.ts';
import { constant, type Tensor } from '../src/graph/tensor.ts';
import { sum } from '../src/ops/broadcast.ts';
import { cumsum } from '../src/ops/cumsum.ts';
import { gather, take } from '../src/ops/gather-along.ts';
import { logSumExp } from '../src/ops/log-sum-exp.ts';
import { prod } from '../src/ops/prod.ts';
import { topk } from '../src/ops/topk.ts';
import '../src/ops/methods.ts';

const valuesOf = (x: Tensor) => Array.from(interpret([x], () => undefined)[0]!.data);
const gradientOf = (y: Tensor, x: Tensor) => valuesOf(grad(y, [x])[0]!);
const nan = Number.NaN;
const x = constant([
  [3, -1, 2],
  [0, 5, -2],
]);
const i32 = (list: readonly number[] | readonly (readonly number[])[]) => constant(list as number[], { dtype: 'i32' });

describe('prod', () => {
  it('multiplies over the given axes, by default all', () => {
    expect(valuesOf(prod(x, 1)).map((v) => v + 0)).toEqual([-6, 0]);
    expect(valuesOf(prod(x, 0)).map((v) => v + 0)).toEqual([0, -5, -4]);
    expect(prod(x, { axis: [0, 1], keepDims: true }).shape).toEqual([1, 1]);
    expect(valuesOf(prod(x, []))).toEqual(valuesOf(x));
  });

  it('has a gradient at the only zero of a row, and none beside two', () => {
    const zeros = constant([
      [2, 0, 3],
      [0, 0, 3],
    ]);
    expect(gradientOf(prod(zeros, 1), zeros)).toEqual([0, 6, 0, 0, 0, 0]);
  });

  it('says that its gradient cannot be differentiated again', () => {
    const dx = grad(prod(x), [x])[0]!;
    expect(grad(sum(dx), [x])).toEqual([undefined]);
    expect(whyNoGradient(sum(dx), x)).toBe('no gradient flows through prodGrad');
  });
});

describe('cumsum', () => {
  it.each([
    [{}, [3, 2, 4, 0, 5, 3]],
    [{ axis: 0 }, [3, -1, 2, 3, 4, 0]],
    [{ reverse: true }, [4, 1, 2, 3, 3, -2]],
    [{ exclusive: true }, [0, 3, 2, 0, 0, 5]],
    [{ exclusive: true, reverse: true }, [1, 2, 0, 3, -2, 0]],
  ])('%j', (options, wanted) => expect(valuesOf(cumsum(x, options))).toEqual(wanted));

  it('counts integers in their dtype, and wraps around as they do', () => {
    const y = cumsum(constant(Uint32Array.of(0xffffffff, 2)));
    expect([y.dtype, valuesOf(y)]).toEqual(['u32', [0xffffffff, 1]]);
  });

  it('lets a NaN reach what comes after it alone', () =>
    expect(valuesOf(cumsum(constant([1, nan, 2])))).toEqual([1, nan, nan]));
});

describe('gather and take', () => {
  it('take elements line by line, from the end where an index is below 0', () => {
    expect(valuesOf(gather(x, 1, i32([[0, -1], [-3, 1]])))).toEqual([3, 2, 0, 5]); // biome-ignore format: rows
    expect(valuesOf(gather(x, 0, i32([[1, 0, -1]])))).toEqual([0, -1, -2]);
    expect(valuesOf(x.gather(-1, i32([[2]])))).toEqual([2]);
  });

  it('take whole slices along any axis', () => {
    expect(valuesOf(take(x, i32([-1])))).toEqual([0, 5, -2]);
    expect(valuesOf(take(x, i32([2, -3]), 1))).toEqual([2, 3, -2, 0]);
    expect(take(constant(new Float32Array(24), [2, 3, 4]), i32([[0, 1], [2, 0]]), 1).shape).toEqual([2, 2, 2, 4]); // biome-ignore format: one line
    expect(valuesOf(take(x, constant(0, { dtype: 'u32' }), 1))).toEqual([3, 0]);
  });

  it('give NaN and no gradient for an index outside, which for u32 no index from the end is', () => {
    const outside = gather(x, 1, i32([[3], [-4]]));
    expect(valuesOf(outside)).toEqual([nan, nan]);
    expect(gradientOf(outside, x)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(valuesOf(take(x, i32([2, -3])))).toEqual(new Array(6).fill(nan));
    expect(valuesOf(take(x, constant(Uint32Array.of(0xffffffff))))).toEqual([nan, nan, nan]);
    const integers = i32([7, 8, 9]);
    expect(valuesOf(gather(integers, 0, i32([3, -4, -1])))).toEqual([9, 9, 9]);
  });

  it('add the gradients of all uses', () => {
    expect(gradientOf(gather(x, 1, i32([[0, -3, 1], [2, 2, -1]])), x)).toEqual([2, 1, 0, 0, 0, 3]); // biome-ignore format: rows
    expect(gradientOf(take(x, i32([1, 1, -3]), 1), x)).toEqual([1, 2, 0, 1, 2, 0]);
  });
});

describe('topk', () => {
  const list = constant([1, nan, 3, -0, 3, 0, -Infinity, nan]);
  const indices = (k: number, options = {}) => valuesOf(topk(list, k, options)[1]);

  it('orders from the largest, NaN first, equals by their places', () => {
    const [values, places] = topk(list, 8);
    expect(valuesOf(values)).toEqual([nan, nan, 3, 3, 1, -0, 0, -Infinity]);
    expect([places.dtype, valuesOf(places)]).toEqual(['u32', [1, 7, 2, 4, 0, 3, 5, 6]]);
  });

  it('or from the smallest, NaN last', () => expect(indices(8, { largest: false })).toEqual([6, 3, 5, 0, 2, 4, 1, 7]));

  it('works along any axis, and its values carry gradients', () => {
    const [values] = topk(x, 1, { axis: 0 });
    expect(valuesOf(values)).toEqual([3, 5, 2]);
    expect(gradientOf(values, x)).toEqual([1, 0, 1, 0, 1, 0]);
  });
});

describe('logSumExp', () => {
  it('of several axes is that of one after another', () => {
    const wanted = Math.log(valuesOf(x).reduce((total, v) => total + Math.exp(v), 0));
    expect(valuesOf(logSumExp(x, [0, 1]))[0]).toBeCloseTo(wanted, 14);
    expect(logSumExp(x, { axis: [1, 0], keepDims: true }).shape).toEqual([1, 1]);
    expect(valuesOf(logSumExp(constant([[-Infinity], [-Infinity]]), [0, 1]))).toEqual([-Infinity]);
  });
});

test.each<[() => unknown, ShapeError | OptionError]>([
  [
    () => gather(x, 1, i32([0, 1])),
    new ShapeError(
      'gather: indices [2] do not fit x [2, 3] along axis 1. Give as many axes, each but axis 1 at most as long; for whole slices, use take(x, indices, 1).',
    ),
  ],
  [
    () => gather(x, 0, i32([[0, 1, 0, 1]])),
    new ShapeError(
      'gather: indices [1, 4] do not fit x [2, 3] along axis 0. Give as many axes, each but axis 0 at most as long; for whole slices, use take(x, indices, 0).',
    ),
  ],
  [() => take(x, x), new ShapeError("take: indices are f32. They must be u32 or i32: cast(indices, 'i32').")],
  [() => topk(x, 4), new OptionError('topk: k is 4, but axis 1 of [2, 3] has 3 elements. Give at most as many.')],
  [() => topk(x, 0), new OptionError('topk: k is 0. Give a whole number from 1.')],
  [
    () => cumsum(constant(Uint8Array.of(1))),
    new ShapeError("cumsum: x is u8. Cast it to f32, u32 or i32: cast(x, 'u32')."),
  ],
  [
    () => prod(x, 0, 1 as never),
    new OptionError('prod: its axes are given one by one. Give them in an array: x.prod([0, 1]).'),
  ],
])('%# is refused', (make, error) => expect(make).toThrow(error));
