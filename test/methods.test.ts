// Ops as methods of a tensor: each is the function of its name, and arithmetic chains.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import * as thalweg from '../src/index.ts';
import { constant, type Tensor } from '../src/index.ts';
import { announceMethods } from '../src/ops/attach.ts';
import * as ops from '../src/ops/index.ts';
import type { TensorMethods } from '../src/ops/methods.ts';

const backend = createCpuBackend();
const values = async (y: Tensor) => {
  const { y: out } = await (await backend.compile(() => ({ y }), {})).run();
  return [...out!.data];
};

const x = constant([
  [0.5, 2, 1],
  [3, 0.25, 4],
]);
const y = constant([[1, 2, 3]]);
const labels = constant([1, 0], { dtype: 'u32' });
/** Two images of one element, and their filter. */
const images = constant([[[[0.5, 2, 1]]], [[[3, 0.25, 4]]]]);
const filter = constant([[[[1, 2, 3]]]]);
const image = x.reshape(1, 2, 3, 1);

/** What each method is called with. */
const CALLS: Readonly<Record<keyof TensorMethods, readonly unknown[]>> = {
  add: [y],
  sub: [y],
  mul: [2],
  div: [y],
  remainder: [3],
  maximum: [y],
  minimum: [1],
  pow: [2],
  neg: [],
  abs: [],
  sign: [],
  square: [],
  sqrt: [],
  rsqrt: [],
  exp: [],
  expm1: [],
  sin: [],
  cos: [],
  log: [],
  erf: [],
  clip: [1, 2],
  equal: [y],
  notEqual: [y],
  less: [y],
  lessEqual: [y],
  greater: [y],
  greaterEqual: [y],
  where: [y, -1],
  sum: [0],
  mean: [-1, { keepDims: true }],
  max: [],
  min: [{ axis: 1 }],
  variance: [0, { correction: 0 }],
  prod: [0],
  cumsum: [0, { reverse: true }],
  argmax: [1],
  topk: [2, { largest: false }],
  logSumExp: [0],
  reshape: [3, -1],
  flatten: [0],
  transpose: [],
  slice: [
    [0, 1],
    [2, 3],
  ],
  pad: [[1], [0], 7],
  broadcastTo: [[2, 2, 3]],
  gatherRows: [labels],
  gather: [0, constant([[1, -1, 0]], { dtype: 'i32' })],
  take: [labels, 1],
  oneHot: [3],
  cast: ['u32'],
  maxPool: [2],
  avgPool: [2, { stride: 1 }],
  adaptiveMaxPool: [[1, 2]],
  adaptiveAvgPool: [1],
  upsample: [{ scale: 2 }],
  matmul: [x, { transposeB: true }],
  conv: [filter],
  convTranspose: [constant(new Float32Array(24).fill(2), [3, 2, 2, 2]), { stride: 2 }],
  relu: [],
  leakyRelu: [0.1],
  sigmoid: [],
  tanh: [],
  silu: [],
  softplus: [],
  gelu: [{ approximate: 'tanh' }],
  elu: [0.5],
  celu: [{ alpha: 0.5 }],
  selu: [],
  relu6: [],
  hardsigmoid: [],
  hardswish: [],
  mish: [],
  logSigmoid: [],
  prelu: [0.1],
  softmax: [0],
  logSoftmax: [],
};

/** What it is called on, where that is not x. */
const ON: Readonly<Record<string, Tensor>> = { oneHot: labels, remainder: labels, conv: images, convTranspose: images };

describe('methods', () => {
  it.each(Object.entries(CALLS))('%s is the function', async (name, args) => {
    const of = ON[name] ?? (/pool|upsample/i.test(name) ? image : x);
    type Fn = (...a: unknown[]) => Tensor | Tensor[];
    const methods = [(of as unknown as Record<string, Fn>)[name]!.apply(of, [...args])].flat();
    const called = [(ops as unknown as Record<string, Fn>)[name]!(of, ...args)].flat();
    expect(methods.map(({ shape, dtype }) => [shape, dtype])).toEqual(called.map(({ shape, dtype }) => [shape, dtype]));
    for (const [k, y] of methods.entries()) expect(await values(y)).toEqual(await values(called[k]!));
  });

  it('where: the condition comes first', async () => {
    expect(await values(x.greater(1).where(x, y.neg()))).toEqual([-1, 2, -3, 3, -2, 4]);
  });

  it('are on every tensor, and none of them shows when it is walked', () => {
    expect(Object.keys(x)).toEqual(['node', 'output']);
    const onTensors = Object.getOwnPropertyNames(thalweg.Tensor.prototype);
    expect(onTensors.filter((name) => Object.hasOwn(CALLS, name)).sort()).toEqual(Object.keys(CALLS).sort());
  });

  it('chain', async () => {
    const chained = x.mul(2).add(y).sub(1).relu().sum(-1).div(3);
    expect(await values(chained)).toEqual([10 / 3, (6 + 0.5 + 2 * 4 + 3) / 3].map(Math.fround));
  });

  it('carry gradients', async () => {
    const w = constant([1, 2, 3]);
    const [dw] = thalweg.grad(w.mul(w).mul(0.5).sum(), [w]);
    expect(await values(dw!)).toEqual([1, 2, 3]);
  });

  it('name the op where they refuse', () => {
    expect(() => x.add(constant([1, 2]))).toThrow(/^add: /);
    expect(() => x.clip(undefined as never)).toThrow(/^clip: /);
    expect(() => x.flatten(4)).toThrow(/^flatten: axis 4 is out of range for a tensor of rank 2\. Use -2 to 1\.$/);
    expect(() => (x.relu as (...a: unknown[]) => Tensor)(1)).toThrow(/^relu: /);
  });

  it('flatten keeps the axis of the batch', () => {
    const images = constant(new Float32Array(24), [2, 3, 2, 2]);
    expect(images.flatten().shape).toEqual([2, 12]);
    expect(images.flatten(2).shape).toEqual([2, 3, 4]);
    expect(images.flatten(-2).shape).toEqual([2, 3, 4]);
    expect(images.flatten(0).shape).toEqual([24]);
    expect(y.reshape(3).flatten().shape).toEqual([3]);
  });

  it('can be attached by who has an op of their own', () => {
    ops.attachMethods({ doubled: (t: Tensor) => t.mul(2) });
    expect((constant([2]) as unknown as { doubled(): Tensor }).doubled().shape).toEqual([1]);
    delete (thalweg.Tensor.prototype as unknown as Record<string, unknown>)['doubled'];
  });

  it('leave a tensor its own properties', () => {
    expect(() => ops.attachMethods({ shape: ops.relu })).toThrow(
      new thalweg.OptionError("attachMethods: shape is a tensor's own property. Give another name."),
    );
    expect(x.shape).toEqual([2, 3]);
  });

  it('say what to import where their op is not loaded, until it attaches them', () => {
    const later = (t: Tensor) => (t as unknown as { later(): Tensor }).later();
    announceMethods('later');
    expect(() => later(x)).toThrow(
      new thalweg.OptionError(
        "later: this method needs its op, which this program does not import. Call later(x, …) instead: import { later } from 'thalweg/ops'.",
      ),
    );
    ops.attachMethods({ later: ops.relu });
    expect(later(x).shape).toEqual(x.shape);
    announceMethods('later');
    expect(later(x).shape).toEqual(x.shape);
    delete (thalweg.Tensor.prototype as unknown as Record<string, unknown>)['later'];
  });
});
