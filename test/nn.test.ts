// Layers, their names, first values and errors; models as plain objects, and their summaries.
// Long, since every layer has its own values, names and refusals, held against the same few helpers.
import { describe, expect, it } from 'vitest';
import { grad } from '../src/autodiff/grad.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import type { DType, HostArray } from '../src/graph/dtype.ts';
import { objectsOf, pathOf, variablesOf, withPaths } from '../src/graph/paths.ts';
import type { Shape } from '../src/graph/shape.ts';
import { constant, input, type Tensor, Variable } from '../src/graph/tensor.ts';
import { traceWith } from '../src/graph/trace.ts';
import * as nn from '../src/nn/index.ts';
import { gelu, relu, tanh } from '../src/ops/activations.ts';
import { add } from '../src/ops/binary.ts';
import { sum } from '../src/ops/broadcast.ts';
import { expm1 } from '../src/ops/expm1.ts';

const leaf = (shape: Shape, dtype: DType = 'f32') => input('x', { shape, dtype });
const draw = (variable: Variable, path: string, seed = 1) => variable.initial(variable, seed, path);

/** The values of y with the given values for leaves and variables. */
function evaluate(y: Tensor, feeds: readonly (readonly [Tensor, readonly number[]])[]): number[] {
  const map = new Map(
    feeds.map(([t, values]) => [t.node, t.dtype === 'f32' ? Float64Array.from(values) : Uint32Array.from(values)]),
  );
  return [...interpret([y], (node) => map.get(node), 'float64')[0]!.data];
}

class Mlp {
  hidden = new nn.Linear(784, 128);
  out = new nn.Linear(128, 10);
  forward(x: Tensor): Tensor {
    return this.out.forward(relu(this.hidden.forward(x)));
  }
}

function names(model: object): string[] {
  return variablesOf(model).map(({ path }) => path);
}

describe('paths', () => {
  it('are the properties that lead to a variable', () => {
    const model = new Mlp();
    expect(names(model)).toEqual(['hidden.weight', 'hidden.bias', 'out.weight', 'out.bias']);
    expect([pathOf(model), pathOf(model.hidden), pathOf(model.out)]).toEqual(['', 'hidden', 'out']);
    expect(pathOf(new Mlp())).toBeUndefined();
  });

  it('go through arrays, Maps and nested objects, in order', () => {
    const w = () => nn.parameter([2], nn.init.zeros);
    const model = { list: [w(), [w()]], map: new Map([['a', { b: w() }]]), deep: { er: { c: w() } }, own: w() };
    expect(names(model)).toEqual(['list.0', 'list.1.0', 'map.a.b', 'deep.er.c', 'own']);
    const net = new nn.Sequential(new nn.Linear(4, 3), relu, new nn.Sequential(new nn.Linear(3, 2, { bias: false })));
    expect(names(net)).toEqual(['layers.0.weight', 'layers.0.bias', 'layers.2.layers.0.weight']);
    expect(names({ net })).toContain('net.layers.2.layers.0.weight');
  });

  it('count what is shared once, under its first path, cycles included', () => {
    const shared = new nn.Linear(3, 3);
    const model: { a: nn.Linear; b: nn.Linear; tied: Variable; self?: unknown } = {
      a: shared,
      b: shared,
      tied: shared.weight,
    };
    model.self = model;
    expect(names(model)).toEqual(['a.weight', 'a.bias']);
    expect(pathOf(shared)).toBe('a');
  });

  it('leave out what is no variable', () => {
    const model = {
      n: 3,
      none: null,
      f: relu,
      data: new Float32Array(9),
      t: constant([1, 2]),
      x: leaf([2]),
      w: nn.parameter([1], nn.init.ones),
    };
    expect(names(model)).toEqual(['w']);
  });

  it('survive models nested deeper than the call stack', () => {
    let model: object = { w: nn.parameter([1], nn.init.zeros) };
    for (let k = 0; k < 2000; k++) model = { m: model };
    expect(names(model)[0]!.length).toBe(2 * 2000 + 1);
  });

  it('refuse a model without variables and two variables of one path', () => {
    expect(() => variablesOf({ act: new nn.ReLU() })).toThrow(
      /^model: this Object has no variables in its properties\. /,
    );
    expect(() => variablesOf(nn.parameter([1], nn.init.ones))).toThrow(/^model: this Variable has no variables/);
    const w = () => nn.parameter([1], nn.init.zeros);
    expect(() => variablesOf({ a: { b: w() }, 'a.b': w() })).toThrow(/^model: two variables have the path a\.b\. /);
  });

  it('of a part can be looked at without renaming the whole', () => {
    const model = { net: new nn.Sequential(new nn.Linear(2, 2)) };
    variablesOf(model);
    const [layer] = model.net.layers;
    expect(withPaths(model.net, () => pathOf(layer!))).toBe('layers.0');
    nn.summary(model.net, [1, 2]);
    expect(pathOf(layer!)).toBe('net.layers.0');
    expect([...objectsOf(model).keys()]).toEqual(['', 'net', 'net.layers', 'net.layers.0']);
  });
});

describe('Linear', () => {
  it('is x · Wᵀ + b, with the weight as PyTorch stores it', () => {
    const layer = new nn.Linear(3, 2);
    expect([layer.weight.shape, layer.bias!.shape]).toEqual([[2, 3], [2]]);
    const x = leaf([2, 3]);
    const values = [
      [x, [1, 2, 3, 0, -1, 1]],
      [layer.weight, [1, 0, 2, -1, 1, 0.5]],
      [layer.bias!, [10, 20]],
    ] as const;
    expect(evaluate(layer.forward(x), values)).toEqual([17, 22.5, 12, 19.5]);
  });

  it.each<readonly [Shape, Shape]>([
    [[4], [7]],
    [
      [1, 4],
      [1, 7],
    ],
    [
      [5, 4],
      [5, 7],
    ],
    [
      [2, 3, 4],
      [2, 3, 7],
    ],
  ])('takes x %j to %j', (shape, wanted) => {
    expect(new nn.Linear(4, 7).forward(leaf(shape)).shape).toEqual(wanted);
    expect(new nn.Linear(4, 7, { bias: false }).forward(leaf(shape)).shape).toEqual(wanted);
  });

  it.each<readonly [number, Shape, DType, string]>([
    [
      784,
      [128, 28, 28],
      'f32',
      'Linear hidden: expected the last axis to be 784, got x [128, 28, 28]. Flatten it: x.reshape([128, 784]).',
    ],
    [
      28,
      [2, 4, 7],
      'f32',
      'Linear hidden: expected the last axis to be 28, got x [2, 4, 7]. Flatten it: x.reshape([2, 28]).',
    ],
    [
      9,
      [2, 5],
      'f32',
      'Linear hidden: expected the last axis to be 9, got x [2, 5]. Reshape x, or create the layer as new nn.Linear(5, 3).',
    ],
    [
      9,
      [],
      'f32',
      'Linear hidden: expected the last axis to be 9, got x []. Reshape x, or create the layer as new nn.Linear(1, 3).',
    ],
    [9, [2, 9], 'u8', "Linear hidden: x is u8. It must be f32: cast(x, 'f32')."],
  ])('of %i refuses x %j %s, by name', (size, shape, dtype, message) => {
    const model = { hidden: new nn.Linear(size, 3) };
    variablesOf(model);
    expect(() => model.hidden.forward(leaf(shape, dtype))).toThrow(
      expect.objectContaining({ name: 'ShapeError', message }),
    );
  });

  it('begins with U(-1/√in, 1/√in), weight and bias', () => {
    const layer = new nn.Linear(100, 400);
    for (const [variable, path] of [
      [layer.weight, 'weight'],
      [layer.bias!, 'bias'],
    ] as const) {
      const values = [...draw(variable, path)];
      expect(Math.max(...values)).toBeLessThanOrEqual(0.1000001);
      expect(Math.min(...values)).toBeGreaterThanOrEqual(-0.1000001);
      expect(Math.max(...values)).toBeGreaterThan(0.095);
      expect(Math.min(...values)).toBeLessThan(-0.095);
      expect(variable.trainable).toBe(true);
    }
  });

  it('refuses sizes that are none', () => {
    expect(() => new nn.Linear(0, 3)).toThrow(/^Linear: inFeatures is 0\. Give a whole number of at least 1\.$/);
    expect(() => new nn.Linear(2, 2.5)).toThrow(/^Linear: outFeatures is 2\.5\./);
    // What JavaScript lets through.
    const make = <T>(layer: new (...sizes: never[]) => T, ...sizes: unknown[]) => new layer(...(sizes as never[]));
    expect(() => make(nn.Linear, 2)).toThrow('Linear: outFeatures is undefined. Give a whole number of at least 1.');
    expect(() => make(nn.Linear, '2', 3)).toThrow('Linear: inFeatures is "2".');
    expect(() => make(nn.Embedding, 10)).toThrow('Embedding: size is undefined.');
    expect(() => make(nn.LayerNorm)).toThrow('LayerNorm: normalizedShape is undefined.');
  });
});

describe('first values', () => {
  const spec = (shape: Shape) => ({ shape, dtype: 'f32' as const });
  const moments = (data: HostArray) => {
    const mean = [...data].reduce((a, b) => a + b) / data.length;
    return { mean, deviation: Math.sqrt([...data].reduce((a, b) => a + (b - mean) ** 2, 0) / data.length) };
  };

  it('depend on seed and path alone', () => {
    const { hidden } = new Mlp();
    const first = draw(hidden.weight, 'hidden.weight', 42);
    expect(draw(new Mlp().hidden.weight, 'hidden.weight', 42)).toEqual(first);
    expect(draw(hidden.weight, 'hidden.weight', 43)).not.toEqual(first);
    expect(draw(hidden.weight, 'other.weight', 42)).not.toEqual(first);
  });

  it('zeros, ones and constants are what they say', () => {
    expect([...nn.init.zeros(spec([2]), 1, 'a')]).toEqual([0, 0]);
    expect([...nn.init.ones(spec([2]), 1, 'a')]).toEqual([1, 1]);
    expect([...nn.init.constant(7)({ shape: [2], dtype: 'u32' }, 1, 'a')]).toEqual([7, 7]);
  });

  // Weight [out 80, in 50], and [8, 10, 5, 1] with a receptive field of 5: fan in 50, fan out 40.
  it.each<[string, ReturnType<typeof nn.init.uniform>, Shape, number]>([
    ['uniform(-1, 3)', nn.init.uniform(-1, 3), [4000], 4 / Math.sqrt(12)],
    ['normal(0, 2)', nn.init.normal(0, 2), [4000], 2],
    ['kaimingUniform', nn.init.kaimingUniform(), [80, 50], Math.sqrt(2 / 50)],
    [
      'kaimingUniform as PyTorch’s Linear',
      nn.init.kaimingUniform({ negativeSlope: Math.sqrt(5) }),
      [80, 50],
      Math.sqrt(1 / 3 / 50),
    ],
    [
      'kaimingUniform, out, tanh',
      nn.init.kaimingUniform({ fan: 'out', nonlinearity: 'tanh' }),
      [80, 50],
      5 / 3 / Math.sqrt(80),
    ],
    ['kaimingNormal, relu', nn.init.kaimingNormal({ nonlinearity: 'relu' }), [80, 50], Math.sqrt(2 / 50)],
    [
      'kaimingNormal, linear, out, with a field',
      nn.init.kaimingNormal({ fan: 'out', nonlinearity: 'linear' }),
      [8, 5, 1, 100],
      Math.sqrt(1 / 40),
    ],
    ['xavierUniform', nn.init.xavierUniform(), [80, 50], Math.sqrt(2 / 130)],
    ['xavierNormal, gain 2', nn.init.xavierNormal({ gain: 2 }), [80, 50], 2 * Math.sqrt(2 / 130)],
  ])('%s has PyTorch’s spread', (name, initial, shape, wanted) => {
    const data = initial(spec(shape), 3, name);
    const { mean, deviation } = moments(data);
    expect(deviation / wanted).toBeGreaterThan(0.95);
    expect(deviation / wanted).toBeLessThan(1.05);
    expect(Math.abs(mean - (name.startsWith('uniform') ? 1 : 0))).toBeLessThan(0.1 * wanted);
    if (name.includes('niform')) {
      const reach = Math.max(...data.map((v: number) => Math.abs(v - (name.startsWith('uniform') ? 1 : 0))));
      expect(reach).toBeLessThanOrEqual(Math.sqrt(3) * wanted * (1 + 1e-6));
      expect(reach).toBeGreaterThan(Math.sqrt(3) * wanted * 0.99);
    }
  });

  it('are refused where they have no meaning', () => {
    expect(() => nn.init.kaimingUniform()(spec([3]), 1, 'out.bias')).toThrow(
      /^kaimingUniform: out\.bias \[3\] has no fan: /,
    );
    expect(() => nn.init.uniform(1, 0)).toThrow(/^uniform: the bounds are 1 and 0\. /);
    expect(() => nn.init.normal(0, -1)).toThrow(/^normal: mean 0, deviation -1\. /);
    expect(() => nn.init.gainOf('swish' as never)).toThrow(
      /^gain: the nonlinearity is "swish"\. Use 'linear', .* or 'selu'\.$/,
    );
  });
});

describe('other layers', () => {
  it('LayerNorm brings the last axes to mean 0 and variance 1, then scales and shifts', () => {
    const layer = new nn.LayerNorm([2, 2], { eps: 1e-3 });
    const x = leaf([2, 2, 2]);
    const rows = [
      [1, 2, 3, 6],
      [-5, 0, 5, 0],
    ];
    const weight = [1, 2, 3, 4];
    const bias = [0.5, 0, -1, 2];
    const wanted = rows.flatMap((row) => {
      const mean = row.reduce((a, b) => a + b) / 4;
      const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / 4;
      return row.map((v, i) => ((v - mean) / Math.sqrt(variance + 1e-3)) * weight[i]! + bias[i]!);
    });
    const got = evaluate(layer.forward(x), [
      [x, rows.flat()],
      [layer.weight!, weight],
      [layer.bias!, bias],
    ]);
    for (const [i, value] of wanted.entries()) expect(got[i]).toBeCloseTo(value, 12);
    expect([...draw(layer.weight!, 'w')]).toEqual([1, 1, 1, 1]);
    expect([...draw(layer.bias!, 'b')]).toEqual([0, 0, 0, 0]);
    expect(new nn.LayerNorm(4).eps).toBe(1e-5);
    expect(new nn.LayerNorm(4, { elementwiseAffine: false }).bias).toBeUndefined();
  });

  it('LayerNorm names itself and both shapes', () => {
    const model = { norm: new nn.LayerNorm(8) };
    variablesOf(model);
    expect(() => model.norm.forward(leaf([2, 9]))).toThrow(
      /^LayerNorm norm: expected the last axes to be \[8\], got x \[2, 9\]\. /,
    );
    expect(() => model.norm.forward(leaf([]))).toThrow(/got x \[\]\. /);
    expect(() => new nn.LayerNorm(8, { eps: 0 })).toThrow(/^LayerNorm: eps is 0\. /);
  });

  it('Embedding looks rows up, N(0, 1) at first', () => {
    const layer = new nn.Embedding(3, 2);
    const at = leaf([2, 2], 'u32');
    const y = layer.forward(at);
    expect(y.shape).toEqual([2, 2, 2]);
    const rowsAt = (...indices: number[]) =>
      evaluate(y, [
        [at, indices],
        [layer.weight, [1, 2, 3, 4, 5, 6]],
      ]);
    expect(rowsAt(2, 0, 1, 2)).toEqual([5, 6, 1, 2, 3, 4, 5, 6]);
    expect(rowsAt(2, 0, 3, 2)).toEqual([5, 6, 1, 2, Number.NaN, Number.NaN, 5, 6]);
    const values = [...draw(new nn.Embedding(100, 40).weight, 'e')];
    expect(Math.sqrt(values.reduce((a, b) => a + b * b, 0) / 4000)).toBeCloseTo(1, 1);
    expect(() => layer.forward(leaf([2]))).toThrow(
      /^Embedding: the indices are f32 \[2\]\. They must be integers: for bytes in a data set pass \{ scale: false \}, /,
    );
  });

  it('Flatten keeps the batch', () => {
    expect(new nn.Flatten().forward(leaf([5, 2, 3])).shape).toEqual([5, 6]);
    expect(new nn.Flatten().forward(leaf([5])).shape).toEqual([5, 1]);
    expect(new nn.Flatten({ startAxis: 0 }).forward(leaf([5, 2])).shape).toEqual([10]);
    expect(() => new nn.Flatten().forward(leaf([]))).toThrow(/^Flatten: x \[\] has no axis 0\. /);
  });

  it.each<[string, nn.Layer, number[]]>([
    ['ReLU', new nn.ReLU(), [0, 2]],
    ['LeakyReLU', new nn.LeakyReLU(), [-0.01, 2]],
    ['LeakyReLU 0.2', new nn.LeakyReLU({ negativeSlope: 0.2 }), [-0.2, 2]],
    ['Sigmoid', new nn.Sigmoid(), [1 / (1 + Math.E), 1 / (1 + Math.exp(-2))]],
    ['Tanh', new nn.Tanh(), [Math.tanh(-1), Math.tanh(2)]],
    ['GELU', new nn.GELU(), [-0.15865525393145707, 1.9544997361036416]],
    ['SiLU', new nn.SiLU(), [-1 / (1 + Math.E), 2 / (1 + Math.exp(-2))]],
    ['Softplus', new nn.Softplus(), [Math.log(1 + Math.exp(-1)), Math.log(1 + Math.exp(2))]],
    ['Softmax', new nn.Softmax(), [1 / (1 + Math.exp(3)), 1 / (1 + Math.exp(-3))]],
    ['LogSoftmax', new nn.LogSoftmax(), [-Math.log(1 + Math.exp(3)), -Math.log(1 + Math.exp(-3))]],
  ])('%s of -1 and 2', (_, layer, wanted) => {
    const x = leaf([1, 2]);
    for (const [i, value] of evaluate(layer.forward(x), [[x, [-1, 2]]]).entries())
      expect(value).toBeCloseTo(wanted[i]!, 6);
  });

  it('GELU and Softmax take their options', () => {
    const x = leaf([2, 1]);
    const feeds = [[x, [-1, 2]]] as const;
    const approximate = evaluate(gelu(x, { approximate: 'tanh' }), feeds);
    expect(evaluate(new nn.GELU({ approximate: 'tanh' }).forward(x), feeds)).toEqual(approximate);
    expect(evaluate(new nn.Softmax({ axis: 0 }).forward(x), feeds)[0]).toBeCloseTo(1 / (1 + Math.exp(3)), 12);
  });

  it('Dropout drops while training, in a stream of its path, and only then', () => {
    const model = { a: new nn.Dropout(0.25), b: new nn.Dropout(0.25), w: nn.parameter([1], nn.init.ones) };
    variablesOf(model);
    const x = leaf([4000]);
    expect(model.a.forward(x)).toBe(x);
    const step = input('step', { shape: [1], dtype: 'u32' });
    const seed = input('seed', { shape: [2], dtype: 'u32' });
    const [a, again, b] = traceWith({ training: true, step, seed }, () => [
      model.a.forward(x),
      model.a.forward(x),
      model.b.forward(x),
    ]);
    const feeds = [
      [x, new Array<number>(4000).fill(3)],
      [step, [5]],
      [seed, [1, 2]],
    ] as const;
    const masks = [a!, again!, b!].map((y) => evaluate(y, feeds));
    for (const mask of masks) {
      expect(new Set(mask)).toEqual(new Set([0, 4]));
      expect(mask.filter((v) => v === 0).length / 4000).toBeCloseTo(0.25, 1);
    }
    expect(masks[0]).not.toEqual(masks[1]);
    expect(masks[0]).not.toEqual(masks[2]);
    expect(() => new nn.Dropout(1)).toThrow(/^Dropout: p is 1\. /);
  });

  it('Sequential applies layers and functions in order', () => {
    const net = new nn.Sequential(new nn.Linear(2, 2), tanh, (x) => add(x, 1));
    const { weight, bias } = net.layers[0] as nn.Linear;
    const x = leaf([1, 2]);
    const y = evaluate(net.forward(x), [
      [x, [1, 2]],
      [weight, [1, 0, 0, -1]],
      [bias!, [0, 1]],
    ]);
    expect(y[0]).toBeCloseTo(1 + Math.tanh(1), 12);
    expect(y[1]).toBeCloseTo(1 + Math.tanh(-1), 12);
    expect(() => new nn.Sequential(new nn.ReLU(), 3 as never)).toThrow(
      'Sequential: member 1 is 3, which is neither a layer nor a function. Give objects with a forward method, or functions.',
    );
    expect(() => new nn.Sequential([new nn.ReLU()] as never)).toThrow(
      'Sequential: member 0 is an array, which is neither a layer nor a function. Leave out the brackets: new Sequential(a, b).',
    );
    expect(() => new nn.Sequential(new nn.Linear(2, 2), nn.ReLU as never)).toThrow(
      'Sequential: member 1 is the class ReLU. Give an instance: new ReLU(…).',
    );
  });
});

describe('inner outputs', () => {
  it('have the names of their layers, a second use a number', () => {
    const model = { net: new nn.Sequential(new nn.Linear(2, 2), new nn.Tanh()), out: new nn.Linear(2, 2) };
    variablesOf(model);
    const [y, captures] = traceWith({}, (trace) => {
      return [model.out.forward(model.out.forward(model.net.forward(leaf([3, 2])))), trace.captures];
    });
    expect([...captures.keys()]).toEqual(['net.layers.0', 'net.layers.1', 'net', 'out', 'out#2']);
    expect(captures.get('out#2')).toBe(y);
  });

  it('gradients reach every variable of a layer used twice', () => {
    const layer = new nn.Linear(2, 2);
    const x = leaf([1, 2]);
    const [dw] = grad(sum(layer.forward(layer.forward(x))), [layer.weight]);
    // y = W(Wx), b = 0: dΣy/dW = 1·(Wx)ᵀ + (Wᵀ1)·xᵀ.
    expect(
      evaluate(dw!, [
        [x, [1, 2]],
        [layer.weight, [1, 2, 3, 4]],
        [layer.bias!, [0, 0]],
      ]),
    ).toEqual([5 + 4, 11 + 8, 5 + 6, 11 + 12]);
  });
});

describe('summary', () => {
  it('counts what the classic and the plain network have', () => {
    const { rows, ...totals } = nn.summary(new Mlp(), [128, 784]);
    expect(rows).toEqual([
      {
        path: 'hidden',
        layer: 'Linear',
        outputShape: [128, 128],
        parameters: [
          { name: 'weight', shape: [128, 784], count: 100352, trainable: true },
          { name: 'bias', shape: [128], count: 128, trainable: true },
        ],
        count: 100480,
        flops: 2 * 128 * 784 + 128,
      },
      {
        path: 'out',
        layer: 'Linear',
        outputShape: [128, 10],
        parameters: [
          { name: 'weight', shape: [10, 128], count: 1280, trainable: true },
          { name: 'bias', shape: [10], count: 10, trainable: true },
        ],
        count: 1290,
        flops: 2 * 10 * 128 + 10,
      },
    ]);
    expect(totals).toEqual({
      inputShape: [128, 784],
      outputShape: [128, 10],
      parameters: 101770,
      trainable: 101770,
      bytes: 407080,
      flops: 2 * 128 * 784 + 128 + 128 + 2 * 10 * 128 + 10, // with a ReLU between the layers
    });
    const classic = new nn.Sequential(
      new nn.Linear(784, 16),
      new nn.Sigmoid(),
      new nn.Linear(16, 16),
      new nn.Sigmoid(),
      new nn.Linear(16, 10),
    );
    expect(nn.summary(classic, [1, 784]).rows.map(({ layer, count }) => [layer, count])).toEqual([
      ['Linear', 12560],
      ['Sigmoid', 0],
      ['Linear', 272],
      ['Sigmoid', 0],
      ['Linear', 170],
    ]);
    expect(nn.summary(classic, [1, 784]).parameters).toBe(13002);
  });

  it('gives variables outside layers to the object that holds them', () => {
    class Shift {
      by = [nn.parameter([3], nn.init.zeros)];
      count = new Variable([1], { dtype: 'u32', initial: nn.init.zeros });
      act = new nn.ReLU();
      forward(x: Tensor): Tensor {
        return this.act.forward(add(x, this.by[0]!));
      }
    }
    const inner = new Shift();
    const model = { inner, forward: (x: Tensor) => inner.forward(x) };
    const { rows, parameters, trainable, bytes } = nn.summary(model, [2, 3]);
    expect(rows.map(({ path, layer, parameters }) => [path, layer, parameters.map(({ name }) => name)])).toEqual([
      ['inner', 'Shift', ['by.0']],
      ['inner.act', 'ReLU', []],
    ]);
    expect([parameters, trainable, bytes]).toEqual([3, 3, 16]);
    expect(rows.map(({ flops }) => flops)).toEqual([3, 3]); // the sum alone, and the ReLU inside
  });

  it('names the layer that does not fit', () => {
    expect(() => nn.summary(new Mlp(), [1, 28, 28])).toThrow(
      /^Linear hidden: expected the last axis to be 784, got x \[1, 28, 28\]\. Flatten it: x\.reshape\(\[1, 784\]\)\./,
    );
  });
});

describe('expm1', () => {
  it('keeps its digits near 0 and its gradient is e^x', () => {
    const x = leaf([5]);
    const at = [1e-10, -1e-3, 0.49, -0.51, 3];
    for (const [i, value] of evaluate(expm1(x), [[x, at]]).entries())
      expect(value / Math.expm1(at[i]!)).toBeCloseTo(1, 14);
    for (const [i, value] of evaluate(grad(expm1(x), [x])[0]!, [[x, at]]).entries())
      expect(value / Math.exp(at[i]!)).toBeCloseTo(1, 14);
  });
});
