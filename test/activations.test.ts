// Activations that most bundles leave out, and their layers, against PyTorch 1.13 in doubles: values, kinks, special values and errors.
import { describe, expect, it, test } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { ShapeError } from '../src/graph/errors.ts';
import { constant, type Tensor } from '../src/graph/tensor.ts';
import * as nn from '../src/nn/index.ts';
import { celu, elu, selu } from '../src/ops/exponential-units.ts';
import { hardsigmoid, hardswish, relu6 } from '../src/ops/hard-activations.ts';
import { prelu } from '../src/ops/prelu.ts';
import { logSigmoid, mish } from '../src/ops/softplus-activations.ts';

const valuesOf = (x: Tensor) => Array.from(interpret([x], () => undefined)[0]!.data);
const gradientOf = (y: Tensor, x: Tensor) => valuesOf(grad(y, [x])[0]!);
const close = (wanted: readonly number[]) => wanted.map((v) => (Number.isFinite(v) ? expect.closeTo(v, 12) : v));

type Activation = (x: Tensor) => Tensor;

const KNOWN: [string, Activation, number[]][] = [
  ['elu', elu, [-0.9816843611112658, -0.6321205588285577, 0, 1, 7]],
  ['celu, alpha 2', (x) => celu(x, { alpha: 2 }), [-1.7293294335267746, -0.7869386805747332, 0, 1, 7]],
  ['selu', selu, [-1.7258986281898945, -1.1113307378125625, 0, 1.0507009873554805, 7.354906911488364]],
  ['relu6', relu6, [0, 0, 0, 1, 6]],
  ['hardsigmoid', hardsigmoid, [0, 1 / 3, 0.5, 2 / 3, 1]],
  ['hardswish', hardswish, [0, -1 / 3, 0, 2 / 3, 7]],
  ['mish', mish, [-0.07259174079202535, -0.30340146137410895, 0, 0.8650983882673103, 6.999988379809741]],
  [
    'logSigmoid',
    logSigmoid,
    [-4.0181499279178094, -1.3132616875182228, -Math.LN2, -0.31326168751822286, -0.0009114664537742447],
  ],
  ['prelu', (x) => prelu(x, 0.25), [-1, -0.25, 0, 1, 7]],
  ['nn.ELU', (x) => new nn.ELU().forward(x), [-0.9816843611112658, -0.6321205588285577, 0, 1, 7]],
  ['nn.CELU', (x) => new nn.CELU(2).forward(x), [-1.7293294335267746, -0.7869386805747332, 0, 1, 7]],
  ['nn.SELU', (x) => new nn.SELU().forward(x), [-1.7258986281898945, -1.1113307378125625, 0, 1.0507009873554805, 7.354906911488364]], // biome-ignore format: one line
  ['nn.ReLU6', (x) => new nn.ReLU6().forward(x), [0, 0, 0, 1, 6]],
  ['nn.Hardsigmoid', (x) => new nn.Hardsigmoid().forward(x), [0, 1 / 3, 0.5, 2 / 3, 1]],
  ['nn.Hardswish', (x) => new nn.Hardswish().forward(x), [0, -1 / 3, 0, 2 / 3, 7]],
  ['nn.Mish', (x) => new nn.Mish().forward(x), [-0.07259174079202535, -0.30340146137410895, 0, 0.8650983882673103, 6.999988379809741]], // biome-ignore format: one line
  ['nn.LogSigmoid', (x) => new nn.LogSigmoid().forward(x), [-4.0181499279178094, -1.3132616875182228, -Math.LN2, -0.31326168751822286, -0.0009114664537742447]], // biome-ignore format: one line
];

test.each(KNOWN)('%s at -4, -1, 0, 1 and 7', (_, fn, wanted) => {
  const got = valuesOf(fn(constant([-4, -1, 0, 1, 7])));
  expect(got.map((v) => v + 0)).toEqual(close(wanted));
});

describe('at -Infinity, -3, 0, 3, 6, Infinity and NaN', () => {
  const [inf, nan] = [Infinity, Number.NaN];
  const x = constant([-inf, -3, 0, 3, 6, inf, nan]);
  it.each<[string, Activation, number[], number[]]>([
    ['elu', elu, [-1, -0.950212931632136, 0, 3, 6, inf, nan], [0, 0.049787068367863944, 1, 1, 1, 1, 1]],
    ['relu6', relu6, [0, 0, 0, 3, 6, 6, nan], [0, 0, 0, 1, 0, 0, 1]],
    ['hardsigmoid', hardsigmoid, [0, 0, 0.5, 1, 1, 1, nan], [0, 0, 1 / 6, 0, 0, 0, 0]],
    ['hardswish', hardswish, [nan, 0, 0, 3, 6, inf, nan], [0, -0.5, 0.5, 1, 1, 1, 1]],
    [
      'mish',
      mish,
      [nan, -0.1456474612756246, 0, 2.9865350049679575, 5.999926634065252, inf, nan],
      [nan, -0.09339311453232084, 0.6, 1.0211069109294435, 1.00013414050621, nan, nan],
    ],
    [
      'logSigmoid',
      logSigmoid,
      [-inf, -3.048587351573742, -Math.LN2, -0.04858735157374206, -0.0024756851377304495, 0, nan],
      [1, 0.9525741268224333, 0.5, 0.04742587317756679, 0.0024726231566347748, 0, nan],
    ],
  ])('%s', (_, fn, values, slopes) => {
    expect(valuesOf(fn(x)).map((v) => v + 0)).toEqual(close(values));
    expect(gradientOf(fn(x), x)).toEqual(close(slopes));
  });

  it.each([elu, celu, selu])('the gradient of a gradient is finite far above 0', (fn) => {
    const far = constant([1000]);
    expect(gradientOf(grad(fn(far), [far])[0]!, far)).toEqual([0]);
  });
});

describe('prelu', () => {
  const x = constant([
    [-2, -4],
    [3, -1],
  ]);

  it('has a slope for each channel, the last axis, and adds up their gradients', () => {
    const w = constant([0.5, 2]);
    expect(valuesOf(prelu(x, w))).toEqual([-1, -8, 3, -2]);
    expect(gradientOf(prelu(x, w), w)).toEqual([-2, -5]);
    expect(gradientOf(prelu(x, w), x)).toEqual([0.5, 2, 1, 2]);
  });

  it('gives infinite inputs above 0 no part in the gradient of the slope', () => {
    const w = constant([0.25]);
    expect(gradientOf(prelu(constant([Infinity, -1]), w), w)).toEqual([-1]);
  });

  it('keeps the shape of a scalar', () => expect(prelu(constant(-1), constant([3])).shape).toEqual([]));

  it('begins with slopes of 0.25, one unless said', () => {
    const initial = ({ weight }: nn.PReLU) => [weight.shape, [...weight.initial(weight, 0, '')]];
    expect(initial(new nn.PReLU())).toEqual([[1], [0.25]]);
    expect(initial(new nn.PReLU(2, { init: 0.5 }))).toEqual([[2], [0.5, 0.5]]);
    expect(initial(new nn.PReLU({ numParameters: 3 }))).toEqual([[3], [0.25, 0.25, 0.25]]);
  });

  it('says which slopes fit', () => {
    expect(() => prelu(x, constant([1, 2, 3]))).toThrow(
      new ShapeError(
        'prelu: the weight is [3], but x is [2, 2]. Give one slope, or one for each element of the last axis: [2].',
      ),
    );
    expect(() => prelu(x, constant([[1], [2]]))).toThrow(/^prelu: the weight is \[2, 1\], but x is \[2, 2\]\. /);
    expect(() => new nn.PReLU(3).forward(x)).toThrow(
      new ShapeError('PReLU: expected the last axis to be 3, got x [2, 2]. Create the layer as new nn.PReLU(2).'),
    );
    expect(() => new nn.PReLU(0)).toThrow(/^PReLU: numParameters is 0\. /);
  });
});

test.each([
  [() => celu(constant(1), 0), 'celu: alpha is 0. Give a finite number other than 0.'],
  [() => new nn.CELU(0), 'CELU: alpha is 0. Give a finite number other than 0.'],
  [() => elu(constant(1), Infinity), 'elu: alpha is Infinity. Give a finite number.'],
])('a bad alpha', (make, message) => expect(make).toThrow(expect.objectContaining({ name: 'OptionError', message })));
