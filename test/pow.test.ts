// Powers whose exponent is a tensor against the values of NumPy and PyTorch 1.13, with their gradients and errors.
import { describe, expect, it, test } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { OptionError, ShapeError } from '../src/graph/errors.ts';
import { constant, type Tensor } from '../src/graph/tensor.ts';
import { pow } from '../src/ops/pow.ts';
import { powNumber } from '../src/ops/unary.ts';

const valuesOf = (x: Tensor) => Array.from(interpret([x], () => undefined)[0]!.data);
const gradientOf = (y: Tensor, x: Tensor) => valuesOf(grad(y, [x])[0]!);

describe('powers of tensors', () => {
  const [inf, nan] = [Infinity, Number.NaN];
  const bases = [0, -0, -8, 1, -1, -0.5, -inf, nan];
  it.each([
    [0, [1, 1, 1, 1, 1, 1, 1, 1]],
    [1, [0, -0, -8, 1, -1, -0.5, -inf, nan]],
    [2, [0, 0, 64, 1, 1, 0.25, inf, nan]],
    [-1, [inf, -inf, -0.125, 1, -1, -2, -0, nan]],
    [0.5, [0, 0, nan, 1, nan, nan, inf, nan]],
    [inf, [0, 0, inf, 1, 1, 0, inf, nan]],
    [-inf, [inf, inf, 0, 1, 1, inf, 0, nan]],
    [nan, [nan, nan, nan, 1, nan, nan, nan, nan]],
  ])('to %d, of 0, -0, -8, 1, -1, -0.5, -Infinity and NaN', (exponent, wanted) =>
    expect(valuesOf(pow(constant(bases), constant([exponent])))).toEqual(wanted),
  );

  test("gradients at 0 and of negative bases are PyTorch's", () => {
    const x = constant([0, 0, 0, 3, -2, -2]);
    const y = constant([0, 2, 1, 0, 3, 0]);
    expect(gradientOf(pow(x, y), x)).toEqual([0, 0, 1, 0, 12, 0]);
    expect(gradientOf(pow(x, y), y)).toEqual([0, 0, 0, Math.log(3), nan, nan]);
  });

  test('a number may be the base, and a number to a number is a scalar', () => {
    expect(valuesOf(pow(2, constant([3, -1])))).toEqual([8, 0.5]);
    expect(valuesOf(pow(2, 3))).toEqual([8]);
  });
});

test('what does not fit is named', () => {
  expect(() => pow(constant([[1, 2, 3]]), constant([1, 2]))).toThrow(
    new ShapeError(
      'pow: shapes [1, 3] and [2] do not broadcast: 3 against 2, in the last axis. Sizes must be equal or 1.',
    ),
  );
  expect(() => powNumber(constant(1), constant(2) as never)).toThrow(
    new OptionError(
      "pow: the exponent is a Tensor. Give a finite number. A tensor as exponent needs import { pow } from 'thalweg/ops'.",
    ),
  );
});
