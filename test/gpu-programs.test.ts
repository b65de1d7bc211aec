// Programs on the GPU beyond single ops: assignments are simultaneous, the guard keeps good values, fused equals unfused, few
// storage buffers suffice, errors say what and where, and everything is given back.
// Long, since each case is a program written out in full.
import { beforeAll, describe, expect, it } from 'vitest';
import { GpuExecutor } from '../src/compile/executor.ts';
import { CpuExecutor } from '../src/cpu/executor.ts';
import { costsOf } from '../src/graph/capabilities.ts';
import { DeviceError, ShaderError } from '../src/graph/errors.ts';
import type { Executor, Recipe, Storage } from '../src/graph/executor.ts';
import type { Op } from '../src/graph/op.ts';
import { apply1, constant, input, type Tensor, Variable } from '../src/graph/tensor.ts';
import { add, div, greater, mul, sub } from '../src/ops/binary.ts';
import { broadcastTo, sum } from '../src/ops/broadcast.ts';
import { matmul } from '../src/ops/matmul.ts';
import { slice, transpose } from '../src/ops/movement.ts';
import { mean } from '../src/ops/reduce.ts';
import { where } from '../src/ops/select.ts';
import { softmax } from '../src/ops/softmax.ts';
import { exp, square } from '../src/ops/unary.ts';
import { testExecutor } from './gpu.ts';
import { openDevice } from './gpu-node.ts';

const zeros = (spec: { shape: readonly number[] }) => new Float32Array(spec.shape.reduce((n, m) => n * m, 1));

function variable(shape: readonly number[], dtype: 'f32' | 'u32' = 'f32'): Variable {
  return new Variable(shape, { dtype, initial: zeros });
}

let gpu: GpuExecutor;
beforeAll(async () => {
  gpu = await testExecutor();
});

/** What the variables hold after `steps` steps of a recipe that starts from `start`. */
async function valuesAfter(
  executor: Executor,
  start: readonly (readonly [Variable, readonly number[]])[],
  recipe: Recipe,
  steps: number,
  fuse = true,
): Promise<number[][]> {
  const variables = start.map(([v]) => v);
  const storage: Storage = executor.allocate(variables.map((v) => ({ variable: v })));
  for (const [v, values] of start)
    storage.write(v, v.dtype === 'f32' ? Float32Array.from(values) : Uint32Array.from(values));
  const program = await executor.compile(recipe, { storages: [storage], fuse });
  program.submit(steps);
  const values = await storage.read(variables);
  program.dispose();
  storage.dispose();
  return values.map((data) => [...data]);
}

describe('assignments', () => {
  it('are simultaneous: two variables are swapped', async () => {
    const [a, b] = [variable([3]), variable([3])];
    const swap: Recipe = {
      assignments: [
        [a, b],
        [b, a],
      ],
    };
    expect(
      await valuesAfter(
        gpu,
        [
          [a, [1, 2, 3]],
          [b, [4, 5, 6]],
        ],
        swap,
        3,
      ),
    ).toEqual([
      [4, 5, 6],
      [1, 2, 3],
    ]);
  });

  it('are simultaneous for more variables than a dispatch can bind: twenty are rotated', async () => {
    const ring = Array.from({ length: 20 }, () => variable([2]));
    const recipe: Recipe = { assignments: ring.map((v, k) => [v, ring[(k + 1) % 20]!] as const) };
    const start = ring.map((v, k) => [v, [k, -k]] as const);
    const rotated = await valuesAfter(gpu, start, recipe, 3);
    expect(rotated.map(([first]) => first)).toEqual(ring.map((_, k) => (k + 3) % 20));
  });

  it('see old values wherever they read them: a matrix becomes its transpose plus its first row', async () => {
    const w = variable([4, 4]);
    const next = add(transpose(w), broadcastTo(slice(w, [0, 0], [1, 4]), [4, 4]));
    const start = Array.from({ length: 16 }, (_, i) => i);
    const recipe: Recipe = { assignments: [[w, next]] };
    const wanted = await valuesAfter(new CpuExecutor(), [[w, start]], recipe, 3);
    expect(await valuesAfter(gpu, [[w, start]], recipe, 3)).toEqual(wanted);
  });

  it('a counter that other assignments read moves once a step', async () => {
    const [count, x] = [variable([1], 'u32'), variable([200])];
    const recipe: Recipe = {
      assignments: [
        [count, add(count, 1)],
        [x, add(x, mul(broadcastTo(apply1(asFloat, [count], undefined), [200]), 1))],
      ],
    };
    const [, values] = await valuesAfter(
      gpu,
      [
        [count, [0]],
        [x, new Array(200).fill(0)],
      ],
      recipe,
      5,
    );
    expect(values).toEqual(new Array(200).fill(10));
  });

  it('members of an arena are read while the arena is written', async () => {
    const [arena, part] = [variable([192]), variable([64])];
    const recipe: Recipe = { assignments: [[arena, add(arena, sum(part))]] };
    for (const executor of [gpu, new CpuExecutor()]) {
      const storage = executor.allocate([{ variable: arena, members: [{ variable: part, offset: 64 }] }]);
      storage.write(
        arena,
        Float32Array.from({ length: 192 }, (_, i) => (i >= 64 && i < 128 ? 1 : 0)),
      );
      const program = await executor.compile(recipe, { storages: [storage] });
      program.submit(2);
      const [values] = await storage.read([arena]);
      // 64 ones: + 64; then 64 values of 65: + 4,160.
      expect(values![0]).toBe(64 + 64 * 65);
      expect(values![100]).toBe(1 + 64 + 64 * 65);
      program.dispose();
      storage.dispose();
    }
  });
});

/** u32 as f32, as `cast` would. */
const asFloat: Op<void> = {
  name: 'asFloat',
  elementwise: true,
  shape: ([x]) => [{ shape: x!.shape, dtype: 'f32' }],
  cpu: ([x], [y]) => y!.data.set(x!.data),
  map: (scope) => `f32(${scope.load(0, scope.i)})`,
};

describe('the guard', () => {
  it.each(['gpu', 'cpu'])('keeps every value from before the first bad step (%s)', async (kind) => {
    const [x, y, step, status] = [variable([300]), variable([2]), variable([1], 'u32'), variable([1], 'u32')];
    const recipe: Recipe = {
      // x doubles and y loses one a step: 1 / y is infinite once y is 0.
      assignments: [
        [x, mul(x, 2)],
        [y, sub(y, 1)],
        [step, add(step, 1)],
      ],
      guard: { status, step, checked: [sum(div(1, y))] },
    };
    const start = [
      [x, new Array(300).fill(1)],
      [y, [4, 3]],
      [step, [0]],
      [status, [0]],
    ] as const;
    const [xs, ys, steps, flags] = await valuesAfter(kind === 'gpu' ? gpu : new CpuExecutor(), start, recipe, 8);
    expect(ys).toEqual([1, 0]);
    expect(xs).toEqual(new Array(300).fill(8));
    expect([steps, flags]).toEqual([[3], [4]]);
  });

  it('catches an assigned value that overflows, in one element of many', async () => {
    const [x, step, status] = [variable([1000]), variable([1], 'u32'), variable([1], 'u32')];
    const start = new Array(1000).fill(1);
    start[777] = 1e30;
    const recipe: Recipe = {
      assignments: [
        [x, mul(x, 1e5)],
        [step, add(step, 1)],
      ],
      guard: { status, step, checked: [] },
    };
    const [xs, steps, flags] = await valuesAfter(
      gpu,
      [
        [x, start],
        [step, [0]],
        [status, [0]],
      ],
      recipe,
      4,
    );
    expect(xs![777]).toBeCloseTo(1e35, -30);
    expect(xs![0]).toBeCloseTo(1e5, -1);
    expect([steps, flags]).toEqual([[1], [2]]);
  });
});

describe.each(['gpu', 'cpu'])('on the %s', (kind) => {
  const engine = () => (kind === 'gpu' ? gpu : new CpuExecutor());
  const x = input('x', { shape: [3], dtype: 'f32' });

  it('an arena and its first member are read in one dispatch', async () => {
    const [arena, part] = [variable([128]), variable([64])];
    const executor = engine();
    const storage = executor.allocate([{ variable: arena, members: [{ variable: part, offset: 0 }] }]);
    storage.write(
      arena,
      Float32Array.from({ length: 128 }, (_, i) => i),
    );
    const program = await executor.compile({ outputs: { u: mul(part, 2), v: mul(arena, 3) } }, { storages: [storage] });
    const { u, v } = await program.run();
    expect([u!.data[63], v!.data[127]]).toEqual([126, 381]);
    program.dispose();
    storage.dispose();
  });

  it('an output that is an assigned variable has the value from before', async () => {
    const v = variable([2]);
    const executor = engine();
    const storage = executor.allocate([{ variable: v }]);
    const program = await executor.compile(
      { outputs: { y: v }, assignments: [[v, add(v, 1)]] },
      { storages: [storage] },
    );
    expect([...(await program.run()).y!.data]).toEqual([0, 0]);
    expect([...(await program.run()).y!.data]).toEqual([1, 1]);
    program.dispose();
    storage.dispose();
  });

  it('values are taken in the dtype of the input, infinities and overflows included', async () => {
    const n = input('n', { shape: [3], dtype: 'u32' });
    const outputs = { m: add(n, 1), masked: where(greater(x, 0), x, Number.NEGATIVE_INFINITY), big: mul(x, 1e39) };
    const program = await engine().compile({ outputs });
    const { m, masked, big } = await program.run({ n: Float32Array.of(1, 2, 3), x: Float64Array.of(1, -1, 0.5) });
    expect([...m!.data]).toEqual([2, 3, 4]);
    expect([...masked!.data]).toEqual([1, Number.NEGATIVE_INFINITY, 0.5]);
    if (kind === 'gpu') expect(big!.data[0]).toBe(Number.POSITIVE_INFINITY);
    program.dispose();
  });

  it('names of inputs, sizes, storages and ends are checked', async () => {
    const program = await engine().compile({ outputs: { y: square(x) } }, { label: 'p' });
    await expect(program.run({ X: new Float32Array(3) })).rejects.toThrow('p: it has no input X. Its inputs are x.');
    await expect(program.run()).rejects.toThrow('p: input x has no value yet. Give it to run({ x }).');
    await expect(program.run({ x: new Float32Array(5) })).rejects.toThrow(
      'p: input x has 5 values. Its shape is [3]: give 3 values.',
    );
    program.dispose();
    await expect(program.run({ x: new Float32Array(3) })).rejects.toThrow('p: it was disposed. Compile it again.');
    const twin = input('x', { shape: [3], dtype: 'f32' });
    await expect(engine().compile({ outputs: { y: add(x, twin) } })).rejects.toThrow(/two inputs are named x/);
    const v = variable([4]);
    await expect(engine().compile({ outputs: { y: square(v) } })).rejects.toThrow(
      /it reads .*, which is not in any field of the model\..*pass storages: \[memory\] to every program/,
    );
    const storage = engine().allocate([{ variable: v }]);
    expect(() => storage.write(v, new Float32Array(5))).toThrow(/has 5 values\. Its shape is \[4\]: give 4 values/);
    storage.dispose();
    const bytes = input('b', { shape: [4], dtype: 'u8' });
    if (kind === 'gpu')
      await expect(engine().compile({ outputs: { bytes } })).rejects.toThrow(/u8 is a storage-only dtype/);
  });
});

/** A chain with a diamond, a reduction, a product and a second use of everything. */
function tangle(x: Tensor, w: Tensor): Record<string, Tensor> {
  const h = matmul(x, w);
  const e = exp(mul(h, 0.1));
  const s = softmax(add(e, h));
  const m = mean(square(sub(s, e)), { axis: 1, keepDims: true });
  return { s, m, t: add(mul(s, m), h), u: sum(mul(e, m)) };
}

describe('fusion', () => {
  const values = (n: number) => Float32Array.from({ length: n }, (_, i) => Math.sin(i * 1.7));
  const inputs = { x: values(65 * 20), w: values(20 * 33) };
  const outputs = tangle(input('x', { shape: [65, 20], dtype: 'f32' }), input('w', { shape: [20, 33], dtype: 'f32' }));

  it.each([8, 6])(
    'gives what unfused ops give, in fewer dispatches, with %i storage buffers a kernel',
    async (buffers) => {
      const executor = await testExecutor({ maxStorageBuffersPerShaderStage: buffers });
      const fused = await executor.compile({ outputs });
      const plain = await executor.compile({ outputs }, { fuse: false });
      expect(fused.dispatches).toBeLessThan(plain.dispatches);
      const [a, b] = [await fused.run(inputs), await plain.run(inputs)];
      for (const name of Object.keys(outputs)) {
        for (let i = 0; i < b[name]!.data.length; i++) expect(a[name]!.data[i]).toBeCloseTo(b[name]!.data[i]!, 4);
      }
      fused.dispose();
      plain.dispose();
    },
  );

  it('uses the memory of what is no longer needed again', async () => {
    let x: Tensor = input('x', { shape: [64, 64], dtype: 'f32' });
    for (let i = 0; i < 12; i++) x = softmax(matmul(x, x));
    const program = await gpu.compile({ outputs: { x } });
    // Input, output and a few in turn; not one for each of 24 ops.
    expect(program.bytes).toBeLessThanOrEqual(5 * 64 * 64 * 4);
    program.dispose();
  });
});

it.each([true, false])(
  'multiplies more batches than there are workgroups along an axis (software kernels: %s)',
  async (software) => {
    const executor = await testExecutor({ software });
    const x = input('x', { shape: [65_537, 1, 2], dtype: 'f32' });
    const program = await executor.compile({ outputs: { y: matmul(x, x, { transposeB: true }) } });
    const { y } = await program.run({ x: Float32Array.from({ length: 65_537 * 2 }, (_, i) => i % 7) });
    for (const i of [0, 1, 65_534, 65_535, 65_536])
      expect(y!.data[i]).toBe(((2 * i) % 7) ** 2 + ((2 * i + 1) % 7) ** 2);
    program.dispose();
  },
);

it.each([
  ['rows', [65_535 * 16 + 1, 1], [1, 1]],
  ['columns', [1, 1], [1, 65_535 * 16 + 1]],
])('multiplies more %s than workgroups of 16 along an axis hold', async (_, a, b) => {
  const inputs = [a, b].map((shape, k) => input(`x${k}`, { shape, dtype: 'f32' }));
  const program = await gpu.compile({ outputs: { y: matmul(inputs[0]!, inputs[1]!) } });
  const [x0, x1] = inputs.map(({ size }) => Float32Array.from({ length: size }, (_, i) => (i + 2) % 7));
  const { data } = (await program.run({ x0: x0!, x1: x1! })).y!;
  for (const i of [0, 1, 65_535 * 16 - 1, 65_535 * 16]) expect(data[i]).toBe(((i + 2) % 7) * 2);
  program.dispose();
});

it('takes rows of several kernels in a row past the workgroups of an axis', async () => {
  const x = input('x', { shape: [300, 4], dtype: 'f32' });
  const w = input('w', { shape: [4, 4], dtype: 'f32' });
  const [values, weights] = [x, w].map(({ size }) =>
    Float32Array.from({ length: size }, (_, i) => ((i * 7) % 11) / 11),
  );
  const got = [];
  for (const maxComputeWorkgroupsPerDimension of [65_535, 3]) {
    const executor = await testExecutor({ ...costsOf(true), maxComputeWorkgroupsPerDimension });
    const program = await executor.compile({ outputs: { y: matmul(matmul(x, w), w) } });
    expect(program.dispatches).toBe(1);
    got.push((await program.run({ x: values!, w: weights! })).y!.data);
    program.dispose();
  }
  expect(got[1]).toEqual(got[0]);
});

describe('errors', () => {
  it('of WGSL show the numbered lines around the fault', async () => {
    const broken: Op<void> = {
      name: 'broken',
      elementwise: true,
      shape: ([x]) => [x!],
      cpu: () => {},
      map: (scope) => `oops(${scope.load(0, scope.i)})`,
    };
    const recipe = { outputs: { y: apply1(broken, [input('x', { shape: [3], dtype: 'f32' })], undefined) } };
    const failure = gpu.compile(recipe);
    await expect(failure).rejects.toBeInstanceOf(ShaderError);
    await expect(failure).rejects.toThrow(
      /broken: the kernel does not compile\.\nline \d+:\d+: .*oops[\s\S]*> +\d+ \| .*oops/,
    );
  });

  it('of memory name the tensor and leave the engine usable', async () => {
    const most = gpu.runtime.device.limits.maxBufferSize;
    const big = input('x', { shape: [Math.floor(most / 4) + 1024], dtype: 'f32' });
    await expect(gpu.compile({ outputs: { y: square(big) } })).rejects.toThrow(/bytes are more than this adapter/);
    const program = await gpu.compile({ outputs: { y: square(constant([1, 2, 3])) } });
    expect([...(await program.run()).y!.data]).toEqual([1, 4, 9]);
    program.dispose();
  });

  it('of sizes beyond the adapter name the kernel and the limit', async () => {
    const few = await testExecutor({ maxComputeWorkgroupsPerDimension: 2 });
    const many = { outputs: { y: square(input('x', { shape: [4097 * 64], dtype: 'f32' })) } };
    await expect(few.compile(many)).rejects.toThrow(
      /square: it needs \d+ workgroups along an axis, but this adapter allows 2. Use a smaller batch./,
    );
    const narrow = await testExecutor({ maxStorageBufferBindingSize: 1024 });
    const long = input('x', { shape: [257], dtype: 'f32' });
    await expect(narrow.compile({ outputs: { y: square(long) } })).rejects.toThrow(
      /square: it binds 10\d\d bytes of .*, but this adapter binds at most 1024/,
    );
  });

  it('of an input say how many values it takes', async () => {
    const program = await gpu.compile({ outputs: { y: square(input('x', { shape: [2, 3], dtype: 'f32' })) } });
    await expect(program.run({ x: new Float32Array(5) })).rejects.toThrow(
      'input x has 5 values. Its shape is [2, 3]: give 6 values.',
    );
    program.dispose();
  });
});

it('an error of the device is told once, and the engine goes on', async () => {
  const executor = await testExecutor();
  executor.runtime.device.createBuffer({ size: 16, usage: 0 });
  await executor.runtime.device.queue.onSubmittedWorkDone();
  await expect(executor.runtime.settle()).rejects.toThrow(/Buffer usages/);
  const program = await executor.compile({ outputs: { y: square(constant([2])) } });
  expect((await program.run()).y!.data[0]).toBe(4);
  program.dispose();
});

it('a program and a storage give back all that they took', async () => {
  const before = gpu.counters.bytes;
  const v = variable([1000]);
  const storage = gpu.allocate([{ variable: v }]);
  const program = await gpu.compile({ assignments: [[v, square(add(v, mean(v)))]] }, { storages: [storage] });
  expect(gpu.counters.bytes).toBeGreaterThan(before);
  program.submit(1);
  program.dispose();
  storage.dispose();
  expect(gpu.counters.bytes).toBe(before);
});

it('a program that cannot be compiled leaves nothing behind', async () => {
  const before = gpu.counters.bytes;
  const huge = input('x', { shape: [2 ** 30], dtype: 'f32' });
  const outputs = { one: square(constant([2, 3])), y: square(huge) };
  await expect(gpu.compile({ outputs })).rejects.toThrow(/largest buffer/);
  expect(gpu.counters.bytes).toBe(before);
});

it('a lost device rejects what is pending and all that comes after', async () => {
  const opened = await openDevice();
  const engine = new GpuExecutor(opened);
  const v = variable([64]);
  const storage = engine.allocate([{ variable: v }]);
  const program = await engine.compile({ assignments: [[v, add(v, 1)]] }, { storages: [storage] });
  const pending = program.submit(10, [v]).values();
  opened.device.destroy();
  await expect(pending).rejects.toBeInstanceOf(DeviceError);
  expect(() => program.submit(1)).toThrow(DeviceError);
  await expect(engine.lost).rejects.toThrow(/load the last checkpoint/);
  opened.close();
});
