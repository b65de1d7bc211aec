// The CPU engine in WebAssembly against the plain loops: every sample against doubles, elementwise ops bit for bit, products at
// sizes that hurt, whole runs, the bytes it emits, its memory, and what happens without it.
import { afterEach, beforeAll, describe, expect, it, test, vi } from 'vitest';
import { type Backend, createCpuBackend } from '../src/backend.ts';
import { CpuExecutor } from '../src/cpu/executor.ts';
import { type CpuArray, Heap } from '../src/cpu/heap.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { elementwise } from '../src/cpu/wasm/elementwise.ts';
import { finiteCheck } from '../src/cpu/wasm/finite.ts';
import { product } from '../src/cpu/wasm/matmul.ts';
import { functionOf, moduleOf } from '../src/cpu/wasm/module.ts';
import { digits } from '../src/data/digits.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import { newCounters } from '../src/graph/executor.ts';
import type { WasmFunction, WasmScope } from '../src/graph/op.ts';
import { hashText, uniforms } from '../src/graph/random.ts';
import { input, type Node, resident, type Tensor, Variable } from '../src/graph/tensor.ts';
import { attachFastRows } from '../src/ops/fast-rows.ts';
import '../src/ops/methods.ts';
import { relu } from '../src/ops/activations.ts';
import * as b from '../src/ops/binary.ts';
import { broadcastTo } from '../src/ops/broadcast.ts';
import { cast } from '../src/ops/cast.ts';
import { matmul } from '../src/ops/matmul.ts';
import { where } from '../src/ops/select.ts';
import * as u from '../src/ops/unary.ts';
import { densePresets } from '../src/train/dense-presets.ts';
import { saveCheckpoint } from '../src/train/files.ts';
import * as presets from '../src/train/presets.ts';
import { Trainer } from '../src/train/trainer.ts';
import { drawSample, expectClose, type Sample, withGradients } from './sample.ts';
import { samples } from './samples.ts';

attachFastRows();
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test('this machine has WebAssembly with vectors', () => {
  expect(new CpuExecutor().note).toBeUndefined();
  expect(createCpuBackend().line).toBe('Running on the CPU.');
});

const table: Record<string, readonly Sample[]> = samples;

describe.each(Object.keys(table))('%s', (name) => {
  const executor = new CpuExecutor();
  it.each(table[name]!.map((sample) => [sample.name, sample] as const))('%s', async (_, sample) => {
    const { tensors, values } = drawSample(name, sample);
    const outputs = withGradients(sample, tensors);
    const program = await executor.compile({ outputs }, { inputs: values.map((_, k) => `x${k}`) });
    const got = await program.run(Object.fromEntries(values.map((data, k) => [`x${k}`, data])));
    program.dispose();
    expect(executor.counters.bytes).toBe(0);
    const feeds = new Map<Node, HostArray>(tensors.map((x, k) => [x.node, values[k]!]));
    const wanted = interpret(Object.values(outputs), (leaf) => feeds.get(leaf), 'float64');
    for (const [k, key] of Object.keys(outputs).entries()) expectClose(key, got[key]!, wanted[k]!);
  });
});

describe('elementwise ops have the bits of their plain loops', () => {
  const SPECIAL = [Number.NaN, Infinity, -Infinity, 0, -0, 1, -1.5, 3e38, -3e38, 1e-45, -1e-40, 0.1, 7];
  const first = SPECIAL.flatMap((v) => SPECIAL.map(() => v));
  const second = SPECIAL.flatMap(() => SPECIAL);
  const unaries = { neg: u.neg, abs: u.abs, sqrt: u.sqrt, square: u.square, relu };
  const { add, sub, mul, div, maximum, minimum, equal, notEqual, less, lessEqual, greater, greaterEqual } = b;
  const binaries = { add, sub, mul, div, maximum, minimum, equal, notEqual, less, lessEqual, greater, greaterEqual };

  /** Runs `fn` of tensors with these values both ways; whether WebAssembly had a part in it. */
  async function expectSameBits(fn: (...xs: Tensor[]) => Tensor, ...values: readonly HostArray[]): Promise<void> {
    const compile = vi.spyOn(WebAssembly, 'compile');
    const dtypeOf = (x: HostArray) => (x instanceof Uint32Array ? 'u32' : x instanceof Int32Array ? 'i32' : 'f32');
    const xs = values.map((data, k) => input(`x${k}`, { shape: [data.length], dtype: dtypeOf(data) }));
    const y = fn(...xs);
    const executor = new CpuExecutor();
    const program = await executor.compile({ outputs: { y } });
    const got = (await program.run(Object.fromEntries(values.map((data, k) => [`x${k}`, data])))).y!.data;
    const wanted = interpret([y], (leaf) => values[xs.findIndex((x) => x.node === leaf)], 'float32')[0]!.data;
    for (let i = 0; i < wanted.length; i++)
      if (!Object.is(got[i], wanted[i])) throw new Error(`[${i}] got ${got[i]}, wanted ${wanted[i]}`);
    expect((compile.mock.calls[0]![0] as Uint8Array).length).toBeGreaterThan(moduleOf([]).length + 10);
  }

  it.each(Object.entries(unaries))('%s', (_, fn) => expectSameBits((x) => fn(x!), Float32Array.from(first)));
  it.each(Object.entries(binaries))('%s', (_, fn) =>
    expectSameBits((x, y) => fn(x!, y!), Float32Array.from(first), Float32Array.from(second)),
  );
  it('where', () =>
    expectSameBits((c, x) => where(c!, x!, b.mul(x!, 2)), Float32Array.from(first), Float32Array.from(second)));
  it('cast of u32', () =>
    expectSameBits((x) => cast(x!, 'f32'), Uint32Array.of(0, 1, 2 ** 24 + 1, 2 ** 31, 2 ** 32 - 1)));
  it('cast of i32', () => expectSameBits((x) => cast(x!, 'f32'), Int32Array.of(0, -1, -(2 ** 24) - 1, -(2 ** 31), 9)));
  it('a scalar that is broadcast', () =>
    expectSameBits((x, s) => b.mul(x!, broadcastTo(s!, [169])), Float32Array.from(first), Float32Array.of(3)));
  it('a chain', () =>
    expectSameBits(
      (x, y) => b.sub(b.mul(relu(b.add(x!, y!)), 0.1), u.sqrt(u.abs(y!))),
      Float32Array.from(first),
      Float32Array.from(second),
    ));
  it.each([1, 2, 3, 4, 5, 7, 8])('%d elements, and no more', async (size) => {
    const x = Float32Array.from({ length: size }, (_, i) => i + 1);
    await expectSameBits((y) => u.square(y!), x);
    // A member of an arena that ends amid a vector: what lies behind it is left alone.
    const outer = new Variable([16], { initial: () => new Float32Array(16) });
    const member = new Variable([size], { initial: () => x });
    const executor = new CpuExecutor();
    const storage = executor.allocate([{ variable: outer, members: [{ variable: member, offset: 0 }] }]);
    storage.write(outer, new Float32Array(16).fill(9));
    storage.write(member, x);
    const program = await executor.compile({ assignments: [[member, b.mul(member, 2)]] }, { storages: [storage] });
    program.submit(1);
    const [all] = await storage.read([outer]);
    expect([...all!]).toEqual([...x.map((v) => 2 * v), ...Array(16 - size).fill(9)]);
  });

  it('beside a data set, which lies elsewhere, and inside one chain with it', async () => {
    const data = resident('data', { shape: [5], dtype: 'f32', data: Float32Array.of(1, 2, 3, 4, 5) });
    const x = input('x', { shape: [5], dtype: 'f32' });
    const program = await new CpuExecutor().compile({
      outputs: { y: b.add(b.mul(x, 2), data), z: matmul(data.reshape([1, 5]), x.reshape([5, 1])) },
    });
    const { y, z } = await program.run({ x: Float32Array.of(1, 1, 1, 1, 1) });
    expect([...y!.data]).toEqual([3, 4, 5, 6, 7]);
    expect([...z!.data]).toEqual([15]);
  });
});

describe('products', () => {
  const backend = createCpuBackend();
  const SIZES = [
    [1, 1, 1],
    [1, 8, 256],
    [3, 7, 5],
    [4, 9, 257],
    [5, 16, 513],
    [8, 1, 31],
    [13, 17, 19],
    [127, 11, 2],
    [129, 10, 33],
    [131, 23, 300],
  ] as const;
  const stored = [
    [false, false],
    [false, true],
    [true, false],
    [true, true],
  ] as const;
  const cases = SIZES.flatMap((size) => stored.map((how) => [...size, ...how] as const));

  it.each(cases)('%d x %d x %d, a turned: %s, b turned: %s', async (M, N, K, transposeA, transposeB) => {
    const x = { shape: transposeA ? [K, M] : [M, K], dtype: 'f32' as const, data: uniforms(M * K, 1, 'a', -1, 1) };
    const w = { shape: transposeB ? [N, K] : [K, N], dtype: 'f32' as const, data: uniforms(K * N, 2, 'b', -1, 1) };
    const { y } = await backend.run(({ x, w }) => matmul(x, w, { transposeA, transposeB }), { x, w });
    for (let m = 0; m < M; m++) {
      for (let n = 0; n < N; n++) {
        let wanted = 0;
        for (let k = 0; k < K; k++)
          wanted += x.data[transposeA ? k * M + m : m * K + k]! * w.data[transposeB ? n * K + k : k * N + n]!;
        const got = y!.data[m * N + n]!;
        if (!(Math.abs(got - wanted) <= 1e-5 * Math.sqrt(K))) throw new Error(`[${m},${n}] got ${got}, not ${wanted}`);
      }
    }
  });

  it('NaN and infinity stay in their row and column', async () => {
    const x = { shape: [5, 3], dtype: 'f32' as const, data: new Float32Array(15).fill(1) };
    const w = { shape: [3, 9], dtype: 'f32' as const, data: new Float32Array(27).fill(1) };
    x.data[2 * 3 + 1] = Number.NaN;
    w.data[9 + 4] = Infinity;
    const { y } = await backend.run(({ x, w }) => matmul(x, w), { x, w });
    const wanted = Array.from({ length: 45 }, (_, i) =>
      i / 9 >= 2 && i / 9 < 3 ? Number.NaN : i % 9 === 4 ? Infinity : 3,
    );
    expect([...y!.data]).toEqual(wanted);
  });
});

describe.each(Object.values(densePresets))('$name', (preset) => {
  let data: Awaited<ReturnType<typeof digits>>;
  beforeAll(async () => {
    data = await digits({ train: 2000, test: 1 });
  });
  async function run(backend: Backend, maxSteps: number): Promise<{ losses: readonly number[]; bytes: Uint8Array }> {
    const { model, loss, optimizer, defaults } = preset;
    const trainer = new Trainer(backend, {
      model: model(),
      loss,
      optimizer: optimizer({ lr: 1e-2 }),
      seed: 3,
    });
    const { steps } = await trainer.fit(data.train, { maxSteps, batchSize: defaults.batchSize });
    const bytes = await saveCheckpoint(trainer);
    trainer.dispose();
    return { losses: [...steps.loss], bytes };
  }

  it('has the losses of doubles for 100 steps', async () => {
    const [fast, exact] = [
      await run(createCpuBackend(), 100),
      await run(createCpuBackend({ precision: 'float64' }), 100),
    ];
    expect(fast.losses).toHaveLength(100);
    const worst = Math.max(...fast.losses.map((loss, k) => Math.abs(loss / exact.losses[k]! - 1)));
    expect(worst).toBeLessThan(1e-3);
  });

  it('has the same bits twice, and leaves no memory behind', async () => {
    const backend = createCpuBackend();
    const first = await run(backend, 60);
    const { bytes, peakBytes } = backend.executor.counters;
    expect(bytes).toBe(0);
    expect(peakBytes).toBeGreaterThan(100_000);
    expect((await run(backend, 60)).bytes).toEqual(first.bytes);
    expect(backend.executor.counters).toMatchObject({ bytes: 0, peakBytes });
  });
});

describe('the bytes', () => {
  const fingerprint = (funcs: readonly WasmFunction[]) => hashText(`${moduleOf(funcs)}`).toString(16);
  const x = input('x', { shape: [7], dtype: 'f32' });
  const chain = b.mul(relu(x), 0.5);
  const scopeOf = (funcs: WasmFunction[]): WasmScope => {
    const define = (func: WasmFunction) => funcs.push(func) - 1;
    return { inputs: [], from: [], to: [], define, scratch: () => 0, shared: () => 0 };
  };
  const productFuncs = () => {
    const funcs: WasmFunction[] = [];
    product({ M: 5, N: 9, K: 300, rowA: 300, kA: 1, columnB: 300, kB: 1 }, scopeOf(funcs), true);
    return funcs;
  };
  it.each([
    ['finite check', () => [finiteCheck], 'fd8ac73a'],
    ['relu(x) · 0.5', () => [functionOf(elementwise(chain.node, (t) => (t === x ? 16 : t.node), 64))], '9fa13c91'],
    ['product with a bias', productFuncs, '34bd718c'],
  ] as const)('of %s are always the same', (_, funcs, pinned) => {
    expect(fingerprint(funcs())).toBe(pinned);
    expect(WebAssembly.validate(moduleOf(funcs()))).toBe(true);
  });
});

describe('memory', () => {
  const floats = (n: number) => ({ shape: [n], dtype: 'f32' as const });

  test('is taken again by the first array that fits, and zeroed', () => {
    const heap = new Heap(newCounters(), 'float32');
    const sets = Array.from({ length: 4 }, () => new Set<CpuArray>());
    const [a, , c] = sets.map((set, k) => heap.array(floats(100 + k), set));
    a!.data.fill(7);
    heap.release(sets[0]!);
    const again = heap.array(floats(99), sets[0]!);
    expect(again.address).toBe(a!.address);
    expect([...again.data]).toEqual(Array(99).fill(0));
    heap.release(sets[1]!);
    expect(heap.array(floats(101), sets[1]!).address).toBeLessThan(c!.address!);
  });

  test('does not grow when the same work is compiled and disposed of again', () => {
    const counters = newCounters();
    const heap = new Heap(counters, 'float32');
    const sizes = [];
    for (let turn = 0; turn < 20; turn++) {
      const owned = new Set<CpuArray>();
      for (let k = 0; k < 30; k++) heap.array(floats(1000 * (k + 1)), owned);
      sizes.push(heap.memory!.buffer.byteLength);
      heap.release(owned);
      expect(counters.bytes).toBe(0);
    }
    expect(new Set(sizes).size).toBe(1);
  });

  test('of 16 MB and more is given up when nothing is left in it', async () => {
    const heap = new Heap(newCounters(), 'float32');
    const [large, small] = [new Set<CpuArray>(), new Set<CpuArray>()];
    heap.array(floats(5_000_000), large);
    heap.array(floats(1), small);
    heap.release(large);
    expect(heap.memory!.buffer.byteLength).toBeGreaterThan(20_000_000);
    heap.release(small);
    expect(heap.memory!.buffer.byteLength).toBe(2 ** 16);
    const { address, data } = heap.array(floats(8), small);
    data[4] = Number.NaN;
    expect([heap.allFinite(address!, 16), heap.allFinite(address!, 32)]).toEqual([1, 0]);
  });

  test('that grows in mid-life leaves programs and variables as they were', async () => {
    const executor = new CpuExecutor();
    const v = new Variable([3], { initial: () => new Float32Array(3) });
    const storage = executor.allocate([{ variable: v }]);
    storage.write(v, Float32Array.of(1, 2, 3));
    const x = input('x', floats(3));
    const small = await executor.compile(
      { outputs: { y: b.add(u.exp(b.mul(x, v)), v) }, assignments: [[v, b.mul(v, 2)]] },
      { storages: [storage] },
    );
    const given = { x: Float32Array.of(0, 0, 0) };
    expect([...(await small.run(given)).y!.data]).toEqual([2, 3, 4]);
    const large = await executor.compile({ outputs: { y: u.exp(input('x', floats(5_000_000))) } });
    expect(executor.counters.bytes).toBeGreaterThan(40e6);
    expect([...(await small.run({})).y!.data]).toEqual([3, 5, 7]);
    expect([...(await storage.read([v]))[0]!]).toEqual([4, 8, 12]);
    large.dispose();
    small.dispose();
    storage.dispose();
    expect(executor.counters.bytes).toBe(0);
  });

  test('of a disposed storage is not touched by its programs', async () => {
    const executor = new CpuExecutor();
    const v = new Variable([3], { initial: () => new Float32Array(3) });
    const storage = executor.allocate([{ variable: v }]);
    const program = await executor.compile({ assignments: [[v, b.add(v, 1)]] }, { storages: [storage] });
    storage.dispose();
    expect(() => program.submit(1)).toThrow(/disposed/);
  });

  test('of another backend is refused', async () => {
    const v = new Variable([3], { initial: () => new Float32Array(3) });
    const storage = new CpuExecutor().allocate([{ variable: v }]);
    const compiled = new CpuExecutor().compile({ outputs: { y: b.add(v, 1) } }, { storages: [storage] });
    await expect(compiled).rejects.toThrow(/it reads .*, which is not in any field of the model/);
  });

  test('that cannot be had is an error that says how much', () => {
    const heap = new Heap(newCounters(), 'float32');
    heap.array(floats(500_000), new Set());
    const grow = vi.spyOn(WebAssembly.Memory.prototype, 'grow').mockImplementation(() => {
      throw new RangeError('WebAssembly.Memory.grow(): Maximum memory size exceeded');
    });
    expect(() => heap.array(floats(3_000_000), new Set())).toThrow(
      /^CPU backend: no memory for 12\.0 MB beside the 2\.0 MB in use\. Use a smaller batch or model\.$/,
    );
    grow.mockRestore();
    expect(heap.array(floats(3_000_000), new Set()).data.length).toBe(3_000_000);
  });
});

test.each([1, 2, 3, 4, 5, 63, 64, 65])('a NaN or infinity among %d floats is found', (size) => {
  const heap = new Heap(newCounters(), 'float32');
  const array = heap.array({ shape: [size], dtype: 'f32' }, new Set());
  const found = () => heap.allFinite(array.address!, array.data.byteLength) === 0;
  array.data.fill(3e38);
  expect(found()).toBe(false);
  for (const bad of [Number.NaN, Infinity, -Infinity]) {
    for (let i = 0; i < size; i++) {
      array.data[i] = bad;
      expect(found()).toBe(true);
      array.data[i] = -1e-45;
    }
  }
  expect(found()).toBe(false);
});

describe('without WebAssembly', () => {
  class Refusing {
    constructor() {
      throw new Error("Refused to compile: 'unsafe-eval' is not an allowed source of script");
    }
  }
  it.each([
    ['missing', undefined, /^Running on the CPU\. Without WebAssembly it is many times slower: /],
    [
      'refused by a policy',
      { ...WebAssembly, Memory: WebAssembly.Memory, Module: Refusing },
      /slower: Refused to compile/,
    ],
  ] as const)('%s: says so, and trains to the same losses', async (_, stub, line) => {
    const data = await digits({ train: 500, test: 1 });
    const lossesOn = async (backend: Backend) => {
      const { model, loss, optimizer } = presets.classic;
      const trainer = new Trainer(backend, {
        model: model(),
        loss,
        optimizer: optimizer({ lr: 0.1 }),
        seed: 3,
      });
      return (await trainer.fit(data.train, { maxSteps: 20, batchSize: 32 })).steps.loss;
    };
    const wanted = await lossesOn(createCpuBackend());
    vi.stubGlobal('WebAssembly', stub);
    const backend = createCpuBackend();
    expect(backend.line).toMatch(line);
    const got = await lossesOn(backend);
    expect(Math.max(...got.map((loss, k) => Math.abs(loss / wanted[k]! - 1)))).toBeLessThan(1e-4);
  });
});
