// Opaque kernels: whole modules, in every spelling that WGSL allows, on everything that can be bound, beside other groups.
import { describe, expect, it } from 'vitest';
import { CpuExecutor } from '../src/cpu/executor.ts';
import { ShaderError } from '../src/graph/errors.ts';
import type { Executor, Recipe } from '../src/graph/executor.ts';
import type { OpaqueKernel } from '../src/graph/kernel.ts';
import type { Op } from '../src/graph/op.ts';
import { apply, apply1, constant, full, input, resident, type Tensor, Variable } from '../src/graph/tensor.ts';
import { add, mul } from '../src/ops/binary.ts';
import { sum } from '../src/ops/broadcast.ts';
import { transpose } from '../src/ops/movement.ts';
import { pack } from '../src/ops/pack.ts';
import { reshape } from '../src/ops/reshape.ts';
import { softmax } from '../src/ops/softmax.ts';
import { square } from '../src/ops/unary.ts';
import { testExecutor } from './gpu.ts';
import { ADAPTERS, expectTruth, wave } from './own-ops.ts';

const N = 70;
const x = input('x', { shape: [N], dtype: 'f32' });
const inputs = { x: wave(N) };

const BINDINGS = `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;`;
const BODY = `(@builtin(global_invocation_id) id: vec3u) {
  if (id.x < ${N}u) { y[id.x] = 2.0 * x[id.x] + 1.0; }
}`;

/** y = 2x + 1, by one module or another. */
function line(name: string, kernel: Partial<OpaqueKernel> & { readonly module: string }): (x: Tensor) => Tensor {
  const op: Op<void> = {
    name,
    shape: ([x]) => [x!],
    cpu: ([x], [y]) => y!.data.set(x!.data.map((v) => 2 * v + 1)),
    opaque: () => ({ grid: [2, 1, 1], ...kernel }),
  };
  return (x) => apply1(op, [x], undefined);
}

const SPELLINGS = {
  literal: line('literal', { module: `${BINDINGS}\n@compute @workgroup_size(64) fn main${BODY}` }),
  threeSizes: line('threeSizes', { module: `${BINDINGS}\n@compute @workgroup_size(64, 1, 1) fn main${BODY}` }),
  otherOrder: line('otherOrder', { module: `${BINDINGS}\n@workgroup_size(64,)\n@compute\nfn main${BODY}` }),
  constantSize: line('constantSize', {
    module: `const W = 32u * 2u;\n${BINDINGS}\n@compute @workgroup_size(W) fn main${BODY}`,
  }),
  twoEntryPoints: line('twoEntryPoints', {
    module: `${BINDINGS}\n@compute @workgroup_size(1) fn main() {}\n@compute @workgroup_size(64) fn twice${BODY}`,
    entryPoint: 'twice',
  }),
  fieldsLikeConstants: line('fieldsLikeConstants', {
    module: `const W = 64u;
      struct One { W: f32 }
      @group(0) @binding(0) var<storage, read> x: array<One>;
      @group(0) @binding(1) var<storage, read_write> y: array<One>;
      @compute @workgroup_size(W) fn main(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < ${N}u) { y[id.x].W = 2.0 * x[id.x].W + 1.0; }
      }`,
  }),
  overrides: line('overrides', {
    module: `override W: u32 = 64; override FACTOR = 1.0; @id(7) override TERM: f32; override UNSET = 1.0;
      ${BINDINGS}
      @compute @workgroup_size(W) fn main(@builtin(global_invocation_id) id: vec3u) {
        if (id.x < ${N}u) { y[id.x] = FACTOR * x[id.x] + TERM * UNSET; }
      }`,
    constants: { W: 16, FACTOR: 2, 7: 1 },
    grid: [Math.ceil(N / 16), 1, 1],
  }),
  comments: line('comments', {
    module: `// @compute @workgroup_size(1) fn main() {}
      /* @compute /* nested @workgroup_size(2) */ @group(0) @binding(0) var<storage> x; workgroupBarrier(); */
      ${BINDINGS}
      @compute /* @compute */ @workgroup_size(64) // fn other() {
      fn main${BODY}`,
  }),
  namesOfTheFrame: line('namesOfTheFrame', {
    module: `@group(0) @binding(0) var<storage, read> m1: array<f32>;
      @group(0) @binding(1) var<storage, read_write> m0: array<f32>;
      var<workgroup> lane: array<f32, 64>;
      fn kernel(group: f32) -> f32 { return 2.0 * group; }
      fn load0(zero: u32) -> f32 { return kernel(m1[zero]) + 1.0; }
      @compute @workgroup_size(8, 4, 2)
      fn main(@builtin(workgroup_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
        let at = id.x * 64u + local;
        lane[local] = load0(min(at, ${N - 1}u));
        workgroupBarrier();
        if (at < ${N}u) { m0[at] = lane[local]; }
      }`,
  }),
};

/** p = a + 2b and q = a · b, from anything that a buffer of words can be. */
const pairOp: Op<void> = {
  name: 'pair',
  shape: ([a]) => [a!, a!],
  cpu: ([a, b], [p, q]) => {
    for (let i = 0; i < a!.data.length; i++) {
      p!.data[i] = a!.data[i]! + 2 * b!.data[i]!;
      q!.data[i] = a!.data[i]! * b!.data[i]!;
    }
  },
  opaque: ({ inputs: [a] }) => ({
    module: `@group(0) @binding(0) var<storage, read> a: array<f32>;
      @group(0) @binding(1) var<storage, read> b: array<f32>;
      @group(0) @binding(2) var<storage, read_write> p: array<f32>;
      @group(0) @binding(3) var<storage, read_write> q: array<f32>;
      @compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) {
        p[id.x] = a[id.x] + 2.0 * b[id.x];
        q[id.x] = a[id.x] * b[id.x];
      }`,
    grid: [a!.shape.reduce((n, m) => n * m, 1), 1, 1],
  }),
};

function pair(a: Tensor, b: Tensor): [Tensor, Tensor] {
  return apply(pairOp, [a, b], undefined) as [Tensor, Tensor];
}

/** n[i] as f32 plus the byte b[i], which lies in a word of four. */
const wordsOp: Op<void> = {
  name: 'words',
  shape: ([n]) => [{ shape: n!.shape, dtype: 'f32' }],
  cpu: ([n, b], [y]) => {
    for (let i = 0; i < n!.data.length; i++) y!.data[i] = n!.data[i]! + b!.data[i]!;
  },
  opaque: ({ inputs: [n] }) => ({
    module: `@group(0) @binding(0) var<storage, read> n: array<u32>;
      @group(0) @binding(1) var<storage, read> b: array<u32>;
      @group(0) @binding(2) var<storage, read_write> y: array<f32>;
      @compute @workgroup_size(1) fn main(@builtin(workgroup_id) id: vec3u) {
        y[id.x] = f32(n[id.x] + extractBits(b[id.x / 4u], 8u * (id.x % 4u), 8u));
      }`,
    grid: [n!.shape[0]!, 1, 1],
  }),
};

describe.each(ADAPTERS)('an opaque kernel on %s', (_, capabilities) => {
  it.each(Object.entries(SPELLINGS))('spelled %s, alone', async (_, fn) => {
    await expectTruth(capabilities, { y: fn(x) }, inputs);
  });

  it('in every spelling, beside other groups', async () => {
    const outputs: Record<string, Tensor> = { s: softmax(square(x)) };
    for (const [name, fn] of Object.entries(SPELLINGS)) outputs[name] = mul(fn(add(x, Object.keys(outputs).length)), 3);
    await expectTruth(capabilities, outputs, inputs);
  });

  it('reads an input twice, views, fills, and results that lie side by side', async () => {
    const small = softmax(mul(x, 0.5));
    const computed = add(x, sum(x));
    const matrix = reshape(computed, [7, 10]);
    const [p] = pair(x, x);
    const [, q] = pair(small, computed);
    const [filled, product] = pair(matrix, full([7, 10], 3));
    const [one] = pair(sum(x), sum(square(x)));
    const [ofConstants] = pair(constant(wave(N, 0.1)), full([N], -2));
    await expectTruth(capabilities, { p, q, filled: square(filled), product, one, ofConstants }, inputs);
  });

  it('reads u32, and bytes that stay on the device', async () => {
    const bytes = Uint8Array.from({ length: 9 }, (_, i) => 255 - 7 * i);
    const n = input('n', { shape: [9], dtype: 'u32' });
    const b = resident('bytes', { shape: [9], dtype: 'u8', data: bytes });
    const y = apply1(wordsOp, [add(n, 5), b], undefined);
    await expectTruth(
      capabilities,
      { y: square(y), z: apply1(wordsOp, [n, b], undefined) },
      {
        n: Uint32Array.from({ length: 9 }, (_, i) => 1000 * i),
      },
    );
  });

  it('gives outputs that are results, views, parts of a chain, or read by nothing', async () => {
    const [p, q] = pair(x, mul(x, 2));
    const view = reshape(p, [10, 7]);
    const [unread] = pair(q, x);
    await expectTruth(capabilities, { p, view, turned: transpose(view), unread, same: p }, inputs);
  });

  it.each([
    ['where bindings can start', [0, 128, 256, 384], 512],
    ['anywhere', [0, 70, 145, 216], 290],
  ] as const)('gives parts of a packed tensor, and reads it, %s', async (_, offsets, size) => {
    const [p, q] = pair(x, mul(x, 2));
    const part = mul(x, 5);
    const packed = pack([p, part, q, p], [...offsets], size);
    const [ofPart] = pair(part, q);
    const [ofPacked] = pair(packed, packed);
    await expectTruth(capabilities, { packed, ofPart, ofPacked, after: mul(packed, 2), rows: softmax(part) }, inputs);
  });

  it('reads variables in an arena', async () => {
    const variable = (n: number) => new Variable([n], { initial: () => new Float32Array(n) });
    const [arena, a, b] = [variable(192), variable(40), variable(40)];
    const [p, q] = pair(a, b);
    const values = wave(192);
    const recipe = { outputs: { p, q: mul(q, 2) }, assignments: [[a, q]] } satisfies Recipe;
    for (const executor of [await testExecutor(capabilities), new CpuExecutor()]) {
      const members = [a, b].map((v, k) => ({ variable: v, offset: 64 * (k + 1) }));
      const storage = executor.allocate([{ variable: arena, members }]);
      storage.write(arena, values);
      const program = await executor.compile(recipe, { storages: [storage] });
      const got = await program.run();
      const [after] = await storage.read([arena]);
      for (let i = 0; i < 40; i++) {
        const [u, v] = [values[64 + i]!, values[128 + i]!];
        expect(got['p']!.data[i]).toBeCloseTo(u + 2 * v, 5);
        expect(got['q']!.data[i]).toBeCloseTo(2 * u * v, 5);
        expect(after![64 + i]).toBeCloseTo(u * v, 5);
        expect(after![i]).toBe(values[i]);
      }
      program.dispose();
      storage.dispose();
    }
  });

  it.each([true, false])('gives both new values of guarded variables (fused: %s)', async (fuse) => {
    const executor = await testExecutor(capabilities, { fuse });
    expect(await growing(executor)).toEqual(await growing(new CpuExecutor()));
  });
});

/** a and b grow by an opaque kernel's two outputs until b overflows. */
async function growing(executor: Executor): Promise<number[][]> {
  const variable = (dtype: 'f32' | 'u32', n: number) =>
    new Variable([n], { dtype, initial: () => new Float32Array(n) });
  const [a, b, step, status] = [variable('f32', 3), variable('f32', 3), variable('u32', 1), variable('u32', 1)];
  const [p, q] = pair(a, b);
  const recipe: Recipe = {
    assignments: [
      [a, p],
      [b, q],
      [step, add(step, 1)],
    ],
    guard: { status, step, checked: [sum(a)] },
  };
  const storage = executor.allocate([a, b, step, status].map((v) => ({ variable: v })));
  storage.write(a, Float32Array.of(2, 2, 2));
  storage.write(b, Float32Array.of(1, 2 ** 30, 1));
  const program = await executor.compile(recipe, { storages: [storage] });
  program.submit(12);
  const values = await storage.read([a, b, step, status]);
  program.dispose();
  storage.dispose();
  expect(values.every((data) => data.every(Number.isFinite))).toBe(true);
  expect(values[3]![0]).toBeGreaterThan(1);
  return values.map((data) => [...data]);
}

it('is not part of a persistent kernel', async () => {
  const executor = await testExecutor({}, { persistent: true });
  expect(await growing(executor)).toEqual(await growing(new CpuExecutor()));
});

it.each([
  ['alone', (y: Tensor) => ({ y })],
  ['beside other groups', (y: Tensor) => ({ y, s: softmax(x), t: sum(x) })],
])('does not compile: the error shows the op and its numbered lines, %s', async (_, outputs) => {
  const executor = await testExecutor();
  const broken = line('broken', {
    module: `${BINDINGS}\n// a comment\n@compute @workgroup_size(64) fn main() { y[0] = oops(x[0]); }\n`,
  });
  const failure = executor.compile({ outputs: outputs(broken(x)) });
  await expect(failure).rejects.toBeInstanceOf(ShaderError);
  await expect(failure).rejects.toThrow(
    /^broken: the kernel does not compile\.\nline 4:\d+: .*oops[\s\S]*\n {5}3 \| \/\/ a comment\n> {4}4 \| .*oops/,
  );
});

it('whose entry point does not exist is refused by name', async () => {
  const executor = await testExecutor();
  const module = `${BINDINGS}\n@compute @workgroup_size(64) fn main${BODY}`;
  const failure = executor.compile({ outputs: { y: line('lost', { module, entryPoint: 'other' })(x) } });
  await expect(failure).rejects.toBeInstanceOf(ShaderError);
  await expect(failure).rejects.toThrow(/^lost: the device rejected the kernel: .*other/);
});
