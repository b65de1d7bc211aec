// What the CPU engine computes over rows and columns in WebAssembly (norms, softmax, sums), and convolutions of few images in bands of rows,
// against the plain loops: at sizes that hurt and at special values, and with several threads.
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { CpuExecutor } from '../src/cpu/executor.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { convInputPasses, convPasses } from '../src/cpu/wasm/conv.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import type { NdArray, Op } from '../src/graph/op.ts';
import { hashText, uniforms } from '../src/graph/random.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import { apply, input, type Tensor } from '../src/graph/tensor.ts';
import '../src/ops/methods.ts';
import { threadsOf } from '../src/node/threads.ts';
import { convInputOp, convOp } from '../src/ops/conv-ops.ts';
import { softmaxCrossEntropyOp } from '../src/ops/cross-entropy.ts';
import { attachFastRows } from '../src/ops/fast-rows.ts';
import { layerNormGradOp, layerNormOp } from '../src/ops/layer-norm.ts';
import { logSumExp } from '../src/ops/log-sum-exp.ts';
import { momentsOp, sumAndDotOp } from '../src/ops/moments.ts';
import { normalizeGradOp, normalizeOp, standardizeOp } from '../src/ops/normalize.ts';
import { logSoftmax, logSoftmaxGradOp, softmax, softmaxGradOp } from '../src/ops/softmax.ts';
import { expectClose } from './sample.ts';

attachFastRows();
const executors = [1, 3].map((threads) => new CpuExecutor({ threads: threadsOf(threads) }));
afterAll(() => {
  for (const executor of executors) executor.dispose();
});
afterEach(() => void vi.restoreAllMocks());

type Values = Record<string, NdArray>;
type Fn = (...xs: Tensor[]) => readonly Tensor[];

/** f32 in [low, high). */
function floats(key: string, shape: Shape, low = -1, high = 1): NdArray {
  return { shape, dtype: 'f32', data: uniforms(sizeOf(shape), hashText(key), 'rows', low, high) };
}

/** The outputs by plain loops in floats, and in WebAssembly with 1 and 3 threads, where no plain loop computes them. */
async function results(fn: Fn, inputs: Values): Promise<{ wanted: NdArray[]; got: NdArray[][] }> {
  const names = Object.keys(inputs);
  const xs = names.map((name) => input(name, inputs[name]!));
  const ys = fn(...xs);
  const wanted = interpret(ys, (leaf) => inputs[names[xs.findIndex((x) => x.node === leaf)]!]!.data, 'float32');
  const loops = ys.map(({ node }) => vi.spyOn(node.op!, 'cpu'));
  const got: NdArray[][] = [];
  for (const executor of executors) {
    const program = await executor.compile({ outputs: Object.fromEntries(ys.entries()) }, { inputs: names });
    const values = await program.run(Object.fromEntries(names.map((name) => [name, inputs[name]!.data])));
    program.dispose();
    got.push(ys.map((_, k) => values[k]!));
  }
  for (const loop of loops) expect(loop).not.toHaveBeenCalled();
  vi.restoreAllMocks();
  return { wanted, got };
}

const bitsOf = (data: HostArray) => new Uint32Array(data.buffer, data.byteOffset, data.length);

/** From |x| to the next float. */
function ulp(x: number): number {
  return Math.max(2 ** -149, 2 ** (Math.floor(Math.log2(Math.abs(x))) - 23));
}

/** NaN and infinities as the plain loops, other values within `ulps` units in the last place; every number of threads has the same bits. */
async function expectWithin(ulps: number, fn: Fn, inputs: Values): Promise<void> {
  const { wanted, got } = await results(fn, inputs);
  for (const [k, { data }] of wanted.entries()) {
    const [alone, shared] = got.map((ys) => ys[k]!.data) as [HostArray, HostArray];
    expect(alone).toHaveLength(data.length);
    for (let i = 0; i < data.length; i++) {
      const [a, b] = [alone[i]!, data[i]!];
      if (Object.is(a, b) || (a === 0 && b === 0)) continue;
      if (!(Math.abs(a - b) <= ulps * ulp(b))) throw new Error(`output ${k}[${i}]: got ${a}, wanted ${b}`);
    }
    expect(Buffer.compare(Buffer.from(bitsOf(alone).buffer), Buffer.from(bitsOf(shared).buffer))).toBe(0);
  }
}

/** Other sums of floats: near the plain loops, and the same bits for every number of threads. */
async function expectNear(fn: Fn, inputs: Values): Promise<void> {
  const { wanted, got } = await results(fn, inputs);
  for (const [k, y] of wanted.entries()) {
    expectClose(`output ${k}`, got[0]![k]!, y);
    expect(bitsOf(got[1]![k]!.data)).toEqual(bitsOf(got[0]![k]!.data));
  }
}

const SPECIAL = [Number.NaN, Infinity, -Infinity, 3e38, -3e38, 1e-40];

/** The values with each special one at a place of its own. */
function withSpecials({ shape, dtype, data }: NdArray): NdArray {
  const values = data.slice();
  for (const [k, special] of SPECIAL.entries())
    values[Math.floor(((k + 0.5) * data.length) / SPECIAL.length)] = special;
  return { shape, dtype, data: values };
}

const call = <P>(op: Op<P>, p: P): Fn => {
  return (...xs) => apply(op, xs, p);
};

describe('norms: sums of doubles in another order, then the bits of the plain loops', () => {
  const LAYOUTS = [
    [1, 1, 1, 1],
    [1, 3, 3, 3],
    [1, 2, 1031, 1031],
    [1, 257, 5, 5],
    [1, 2503, 16, 16],
    [1, 2003, 7, 7],
    [1, 9001, 1, 1],
    [3, 7, 6, 2],
    [2, 131, 24, 6],
    [3, 1, 5, 1],
    [2, 1001, 10, 1],
    [37, 64, 3, 3],
  ] as const;

  test.each(LAYOUTS)('N %d, M %d, C %d, G %d', async (N, M, C, G) => {
    const p = { N, M, C, G, eps: 1e-5 };
    const [x, dy] = [floats('x', [N, M, C], -1, 2), floats('dy', [N, M, C])];
    const stats = floats('stats', [N * G, 3], 0.5, 2);
    const [a, b] = [floats('a', [N * G]), floats('b', [N * G])];
    const [weight, bias] = [floats('weight', [C]), floats('bias', [C])];
    const normalized: Fn = (x, stats, weight, bias, dy, a, b) => [
      ...apply(standardizeOp, [x!, stats!], p),
      ...apply(normalizeOp, [x!, stats!], p),
      ...apply(normalizeOp, [x!, stats!, weight!], p),
      ...apply(normalizeOp, [x!, stats!, weight!, bias!], p),
      ...apply(normalizeGradOp, [dy!, x!, stats!, a!, b!], p),
      ...apply(normalizeGradOp, [dy!, x!, stats!, a!, b!, weight!], p),
    ];
    await expectWithin(1, (x, dy) => [...apply(momentsOp, [x!], p), ...apply(sumAndDotOp, [x!, dy!], p)], { x, dy });
    await expectWithin(0, normalized, { x, stats, weight, bias, dy, a, b });
  });

  test.each([
    [1, 257, 7, 7],
    [8, 13, 6, 2],
    [7, 9, 3, 1],
  ] as const)('special values: N %d, M %d, C %d, G %d', async (N, M, C, G) => {
    const p = { N, M, C, G, eps: 1e-5 };
    const x = withSpecials(floats('x', [N, M, C]));
    const dy = floats('dy', [N, M, C]);
    const stats = floats('stats', [N * G, 3], 0.5, 2);
    await expectWithin(1, call(momentsOp, p), { x });
    await expectWithin(1, call(sumAndDotOp, p), { dy, x });
    await expectWithin(0, call(normalizeOp, p), { x, stats });
  });
});

describe('layer norm and RMS norm: within a unit in the last place', () => {
  const CASES = [
    [1, 1, true],
    [7, 3, true],
    [65, 10, false],
    [1031, 61, true],
    [2, 20_011, true],
    [3, 20_011, false],
  ] as const;
  const fn = (p: { C: number; eps: number; centred: boolean }): Fn => {
    return (x, dy, stats, weight, bias) => [
      ...apply(layerNormOp, [x!], p),
      ...apply(layerNormOp, [x!, weight!], p),
      ...apply(layerNormOp, [x!, weight!, bias!], p),
      ...apply(layerNormGradOp, [dy!, x!, stats!], p),
      ...apply(layerNormGradOp, [dy!, x!, stats!, weight!], p),
    ];
  };
  const inputsOf = (N: number, C: number, x: NdArray) => {
    const vectors = { weight: floats('weight', [C]), bias: floats('bias', [C]) };
    return { x, dy: floats('dy', [N, C]), stats: floats('stats', [N, 2], 0.5, 2), ...vectors };
  };

  test.each(CASES)('%d rows of %d, centred: %s', async (N, C, centred) => {
    await expectWithin(1, fn({ C, eps: 1e-5, centred }), inputsOf(N, C, floats('x', [N, C], -1, 2)));
  });

  test('special values', async () => {
    await expectWithin(1, fn({ C: 5, eps: 1e-5, centred: true }), inputsOf(40, 5, withSpecials(floats('x', [40, 5]))));
  });
});

describe('softmax and its kin: within a unit in the last place', () => {
  const kin: Fn = (x, dy, t, labels) => [
    softmax(x!),
    logSoftmax(x!),
    logSumExp(x!),
    ...apply(softmaxGradOp, [dy!, t!], { axis: 1 }),
    ...apply(logSoftmaxGradOp, [dy!, x!], { axis: 1 }),
    ...apply(softmaxCrossEntropyOp, [x!, t!], { dense: true, residual: true }),
    ...apply(softmaxCrossEntropyOp, [x!, labels!], { dense: false, residual: true }),
    ...apply(softmaxCrossEntropyOp, [x!, labels!], { dense: false, residual: false }),
  ];
  const inputsOf = (N: number, C: number, x: NdArray) => {
    const labels = { shape: [N], dtype: 'u32' as const, data: Uint32Array.from({ length: N }, (_, n) => (n * 7) % C) };
    return { x, dy: floats('dy', [N, C]), t: floats('t', [N, C], 0, 1), labels };
  };

  test.each([
    [1, 1],
    [7, 2],
    [129, 3],
    [3, 4],
    [257, 10],
    [5, 61],
    [3, 20_011],
  ])('%d rows of %d', async (N, C) => {
    await expectWithin(1, kin, inputsOf(N, C, floats('x', [N, C], -8, 8)));
  });

  test('far apart, and labels out of range', async () => {
    const inputs = inputsOf(300, 7, floats('x', [300, 7], -200, 200));
    inputs.labels.data.set([7, 2 ** 32 - 1, 6, 0]);
    await expectWithin(1, kin, inputs);
  });

  test('special values', async () => {
    const x = withSpecials(floats('x', [40, 5]));
    x.data.set([-Infinity, -Infinity, -Infinity, -Infinity, -Infinity]);
    x.data.set([-Infinity, 1, -Infinity, 2, -Infinity], 5);
    await expectWithin(1, kin, inputsOf(40, 5, x));
  });
});

describe('convolutions of few images, in bands', () => {
  const sizes = { H: 32, W: 32, C: 16, O: 16, KH: 3, KW: 3, OH: 32, OW: 32, G: 1 };
  const window = { stride: [1, 1], padding: [1, 1], dilation: [1, 1] } as const;
  const memory = { inputs: [], from: [], to: [], scratch: () => 0, shared: () => 0 };

  test.each([
    [1, 8],
    [2, 16],
    [5, 20],
    [16, 16],
  ])('%d images are %d units', (N, units) => {
    const scope = { ...memory, define: () => 0 };
    const s = { ...sizes, ...window, N };
    expect(convPasses(s, scope, 0, 0, 0).at(-1)!.units).toBe(units);
    expect(convInputPasses(s, scope, 0, 0, 0).at(-1)!.units).toBe(units);
  });

  /** N, H, W, C, O, kernel, stride, padding (top, bottom, left, right), dilation, groups. */
  const CASES = [
    [1, 32, 32, 16, 16, [3, 3], [1, 1], [1, 1, 1, 1], [1, 1], 1],
    [1, 31, 17, 5, 9, [5, 3], [1, 1], [2, 2, 1, 1], [1, 1], 1],
    [1, 33, 29, 7, 8, [3, 3], [2, 2], [1, 1, 1, 1], [1, 1], 1],
    [2, 41, 23, 4, 12, [7, 7], [3, 2], [3, 2, 0, 3], [1, 1], 1],
    [3, 29, 30, 6, 6, [3, 3], [1, 2], [0, 0, 0, 0], [1, 1], 1],
    [1, 37, 23, 8, 8, [3, 2], [1, 1], [4, 4, 2, 0], [2, 1], 2],
    [1, 40, 21, 12, 12, [3, 3], [2, 1], [2, 2, 2, 2], [2, 2], 12],
    [5, 13, 13, 16, 24, [1, 1], [2, 2], [0, 0, 0, 0], [1, 1], 1],
    [1, 19, 64, 16, 16, [1, 9], [1, 1], [0, 0, 4, 4], [1, 1], 1],
  ] as const;

  test.each(CASES)('%d of %d x %d x %d, %d of %j, stride %j, padding %j, dilation %j, %d groups', async (...p) => {
    const [N, H, W, C, O, kernel, stride, padding, dilation, groups] = p;
    const window = { stride, padding, dilation, groups };
    const x = floats('x', [N, H, W, C]);
    const w = floats('w', [O, ...kernel, C / groups]);
    const places = (size: number, axis: 0 | 1) => {
      const padded = size + padding[2 * axis]! + padding[2 * axis + 1]!;
      return Math.floor((padded - dilation[axis] * (kernel[axis] - 1) - 1) / stride[axis]) + 1;
    };
    const dy = floats('dy', [N, places(H, 0), places(W, 1), O]);
    const fn: Fn = (x, w, b, dy) => [
      ...apply(convOp, [x!, w!, b!], window),
      ...apply(convInputOp, [dy!, w!], { ...window, size: [H, W] }),
    ];
    await expectNear(fn, { x, w, b: floats('b', [O]), dy });
  });
});
