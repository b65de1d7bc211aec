// Kernel ops outside the library: names that collide, arrays and scratch, workgroups of several axes, features, and what is
// said of a kernel that uses what it does not list.
import { describe, expect, it } from 'vitest';
import { compile } from '../src/compile/index.ts';
import type { Rendered } from '../src/compile/passes/render.ts';
import { newMemory } from '../src/gpu/memory.ts';
import { ADAPTER_CLASSES } from '../src/graph/adapter-classes.ts';
import type { Capabilities } from '../src/graph/capabilities.ts';
import { DeviceError } from '../src/graph/errors.ts';
import type { Declaration, KernelSpec, KernelText, Scratch, SharedArray } from '../src/graph/kernel.ts';
import type { KernelScope, Op } from '../src/graph/op.ts';
import { apply, apply1, full, input, type Node, type Tensor, Variable } from '../src/graph/tensor.ts';
import { add, mul } from '../src/ops/binary.ts';
import { sum } from '../src/ops/broadcast.ts';
import { max } from '../src/ops/reduce.ts';
import { clip } from '../src/ops/select.ts';
import { softmax } from '../src/ops/softmax.ts';
import { exp, square } from '../src/ops/unary.ts';
import { testExecutor } from './gpu.ts';
import { ADAPTERS, expectTruth, wave } from './own-ops.ts';

const N = 128;
const x = input('x', { shape: [N], dtype: 'f32' });
const inputs = { x: wave(N) };

/** Groups beside those that are tested. */
const neighbours: Record<string, Tensor> = {
  s: softmax(square(x)),
  t: sum(x),
  u: mul(x, 3),
  v: exp(max(x, { axis: 0 })),
};

/** An op of one output like its first input, whose element i is `value(i, x)`. */
function opOf(
  name: string,
  value: (i: number, x: ArrayLike<number>) => number,
  kernel: (scope: KernelScope) => KernelSpec | readonly KernelSpec[],
): (...xs: Tensor[]) => Tensor {
  const op: Op<void> = {
    name,
    epilogue: true,
    shape: ([x]) => [x!],
    cpu: ([x], [y]) => {
      for (let i = 0; i < y!.data.length; i++) y!.data[i] = value(i, x!.data);
    },
    kernel,
  };
  return (...xs) => apply1(op, xs, undefined);
}

/** Reverses each 64 elements through an array `tile`, after `f` of its own. */
function turned(name: string, factor: number): (x: Tensor) => Tensor {
  const tile: SharedArray = { name: 'tile', type: 'f32', size: 64 };
  const f: Declaration = { name: 'f', text: (own) => `fn ${own}(x: f32) -> f32 { return ${factor}.0 * x; }` };
  const g: Declaration = {
    name: 'g',
    uses: [f],
    text: (own, f) => `fn ${own}(x: f32) -> f32 { return ${f}(x) + 1.0; }`,
  };
  return opOf(
    name,
    (i, x) => factor * x[i - (i % 64) + 63 - (i % 64)]! + 1,
    () => ({
      workgroup: [64, 1, 1],
      grid: [N / 64, 1, 1],
      shared: [tile],
      barriers: true,
      body: (k) => `
        const N = ${N}u;
        const f = 63u;
        let i = id.x;
        ${k.shared(tile)}[lane] = ${k.declare(g)}(${k.inputs[0]!.load('i')});
        ${k.barrier()}
        if (i >= N) { return; }
        ${k.outputs[0]!.store('i', `${k.shared(tile)}[f - lane]`)}`,
    }),
  );
}

/** Without barriers: names of the frame and of neighbours as locals, and an early return. */
function shadowing(name: string, term: number): (x: Tensor) => Tensor {
  return opOf(
    name,
    (i, x) => (i % 2 === 1 ? x[i]! + term : 0),
    () => ({
      workgroup: [32, 1, 1],
      grid: [N / 32, 1, 1],
      body: (k) => `
        const N = ${term}.0;
        let tile = id.x;
        let x = ${k.inputs[0]!.load('tile')};
        if (tile % 2u == 0u) { ${k.outputs[0]!.store('tile', '0.0')} return; }
        var kernel = x; var main = N; var group = 1u; let local = group; let lane = local; let w = lane; let t = w;
        ${k.outputs[0]!.store('tile', 'kernel + main * f32(t)')}`,
    }),
  );
}

/** Names of WGSL's functions for declarations and arrays: neighbours still mean the functions. */
function builtinNames(): (x: Tensor) => Tensor {
  const exp: Declaration = { name: 'exp', text: (own) => `fn ${own}(x: f32) -> f32 { return x; }` };
  const max: SharedArray = { name: 'max', type: 'f32', size: 64 };
  return opOf(
    'builtinNames',
    (i, x) => x[i]! * 2,
    () => ({
      workgroup: [64, 1, 1],
      grid: [N / 64, 1, 1],
      shared: [max],
      body: (k) => `
        ${k.shared(max)}[lane] = ${k.inputs[0]!.load('id.x')};
        ${k.outputs[0]!.store('id.x', `${k.declare(exp)}(2.0 * ${k.shared(max)}[lane])`)}`,
    }),
  );
}

/** Mean and variance around it, in three kernels with scratch between them; a second output counts. */
const momentsOp: Op<void> = {
  name: 'moments',
  shape: ([x]) => [x!, { shape: [1], dtype: 'u32' }],
  cpu: ([x], [y, n]) => {
    const data = Array.from(x!.data);
    const mean = data.reduce((a, b) => a + b, 0) / data.length;
    const variance = data.reduce((a, b) => a + (b - mean) ** 2, 0) / data.length;
    for (let i = 0; i < data.length; i++) y!.data[i] = (data[i]! - mean) / Math.sqrt(variance);
    n!.data[0] = data.length;
  },
  kernel: ({ inputs: [x] }) => {
    const size = x!.shape[0]!;
    const total: Scratch = { name: 'total', type: 'f32', size: 1 };
    const spread: Scratch = { name: 'total', type: 'f32', size: 1 };
    const count: Scratch = { name: 'count', type: 'u32', size: 1 };
    const one = { workgroup: [1, 1, 1], grid: [1, 1, 1] } as const;
    const loop = (k: KernelText, value: string) =>
      `var s = 0.0; for (var i = zero; i < ${size}u; i++) { let x = ${k.inputs[0]!.load('i')}; s += ${value}; }`;
    return [
      {
        ...one,
        label: 'mean',
        writes: [total, count],
        outputs: [],
        body: (k) => `${loop(k, 'x')}
          ${k.scratch(total).store('0u', `s / ${size}.0`)}
          ${k.scratch(count).store('0u', `${size}u`)}`,
      },
      {
        ...one,
        label: 'variance',
        reads: [total],
        writes: [spread],
        outputs: [],
        body: (k) => `let mean = ${k.scratch(total).load('0u')};
          ${loop(k, '(x - mean) * (x - mean)')}
          ${k.scratch(spread).store('0u', `s / ${size}.0`)}`,
      },
      {
        workgroup: [32, 1, 1],
        grid: [Math.ceil(size / 32), 1, 1],
        reads: [total, spread, count],
        body: (k) => `let i = id.x;
          if (i >= ${k.scratch(count).load('0u')}) { return; }
          if (i == 0u) { ${k.outputs[1]!.store('0u', k.scratch(count).load('0u'))} }
          let x = ${k.inputs[0]!.load('i')};
          ${k.outputs[0]!.store('i', `(x - ${k.scratch(total).load('0u')}) / sqrt(${k.scratch(spread).load('i - i')})`)}`,
      },
    ];
  },
};

/** Every thread stores its place: 2-D and 3-D workgroups, with a barrier or without. */
function placed(
  name: string,
  workgroup: readonly [number, number, number],
  grid: readonly [number, number, number],
  barriers: boolean,
): (x: Tensor) => Tensor {
  const size = workgroup.map((n, k) => n * grid[k]!) as [number, number, number];
  const digits = [1, 100, 10000];
  const value = (i: number) => {
    const id = [i % size[0], Math.floor(i / size[0]) % size[1], Math.floor(i / (size[0] * size[1]))];
    return id.reduce((sum, n, k) => sum + n * digits[k]! + (n % workgroup[k]!), 0);
  };
  return opOf(
    name,
    (i, x) => value(i) + x[i]!,
    () => ({
      workgroup,
      grid,
      barriers,
      body: (k) => `
        ${barriers ? k.barrier() : ''}
        let i = id.x + ${size[0]}u * (id.y + ${size[1]}u * id.z);
        let at = dot(vec3f(group * ${`vec3u(${workgroup.map((n) => `${n}u`)})`} + local), vec3f(1.0, 100.0, 10000.0));
        let lanes = local.x + ${workgroup[0]}u * (local.y + ${workgroup[1]}u * local.z);
        if (lanes != lane) { return; }
        ${k.outputs[0]!.store('i', `at + f32(local.x + local.y + local.z) + ${k.inputs[0]!.load('i')}`)}`,
    }),
  );
}

describe.each(ADAPTERS)('kernel ops on %s', (_, capabilities) => {
  it('names that collide stay apart', async () => {
    const outputs = {
      a: turned('a', 2)(x),
      b: square(turned('b', 3)(x)),
      c: shadowing('c', 4)(x),
      d: shadowing('d', 5)(mul(x, 2)),
      e: turned('e', 2)(x),
    };
    for (const [name, y] of Object.entries(outputs)) await expectTruth(capabilities, { [name]: y }, inputs);
    await expectTruth(capabilities, { ...outputs, ...neighbours }, inputs);
  });

  it('names of built-in functions stay theirs', async () => {
    await expectTruth(capabilities, { y: builtinNames()(x), e: exp(x), r: clip(x, { min: -1, max: 1 }) }, inputs);
  });

  it('several kernels hand arrays on', async () => {
    const [y, n] = apply(momentsOp, [mul(x, 3)], undefined) as [Tensor, Tensor];
    const [z] = apply(momentsOp, [add(y, square(x))], undefined) as [Tensor];
    await expectTruth(capabilities, { y, n }, inputs);
    await expectTruth(capabilities, { y: square(y), n: add(n, 1), z, ...neighbours }, inputs);
  });

  it('workgroups and grids have three axes', async () => {
    const outputs = {
      plane: placed('plane', [8, 4, 1], [2, 2, 1], false)(x),
      box: placed('box', [2, 4, 4], [1, 2, 2], false)(x),
      waiting: placed('waiting', [4, 4, 2], [2, 1, 2], true)(x),
      waitingBox: placed('waitingBox', [2, 2, 8], [2, 2, 1], true)(x),
    };
    for (const [name, y] of Object.entries(outputs)) await expectTruth(capabilities, { [name]: y }, inputs);
    await expectTruth(capabilities, { ...outputs, ...neighbours }, inputs);
  });

  it('has fills for inputs, vec4 loads where they are direct, and u32', async () => {
    const four = opOf(
      'four',
      (i, x) => x[i]! * 2,
      ({ direct }) => ({
        workgroup: [N / 4, 1, 1],
        grid: [1, 1, 1],
        ...(direct(0) && { vec4: [0] }),
        body: (k) => {
          const [x] = k.inputs;
          const quad = direct(0)
            ? x!.load4('lane')
            : `vec4f(${[0, 1, 2, 3].map((c) => x!.load(`4u * lane + ${c}u`)).join(', ')})`;
          return `let x = ${quad};\n${[0, 1, 2, 3].map((c) => k.outputs[0]!.store(`4u * lane + ${c}u`, `2.0 * x[${c}]`)).join('\n')}`;
        },
      }),
    );
    const n = input('n', { shape: [N], dtype: 'u32' });
    const halved = opOf(
      'halved',
      (i, n) => Math.floor(n[i]! / 2),
      () => ({
        workgroup: [N, 1, 1],
        grid: [1, 1, 1],
        body: (k) => k.outputs[0]!.store('lane', `${k.inputs[0]!.load('lane')} / 2u`),
      }),
    );
    await expectTruth(
      capabilities,
      { x: four(x), fill: four(full([N], 3)), computed: four(add(x, 1)), n: add(halved(n), 1), ...neighbours },
      { ...inputs, n: Uint32Array.from({ length: N }, (_, i) => i * 3) },
    );
  });
});

describe('a kernel that uses what it does not list', () => {
  const tile: SharedArray = { name: 'tile', type: 'f32', size: 64 };
  const parts: Scratch = { name: 'parts', type: 'f32', size: 64 };
  const wrong = (spec: Partial<KernelSpec> & Pick<KernelSpec, 'body'>, ...xs: Tensor[]) =>
    opOf(
      'wrong',
      () => 0,
      () => ({ workgroup: [64, 1, 1], grid: [2, 1, 1], ...spec }),
    )(x, ...xs);
  const n = input('n', { shape: [N], dtype: 'u32' });

  it.each([
    ['an input', wrong({ inputs: [], body: (k) => k.inputs[0]!.load('id.x') }), /wrong: .*input 0, which/],
    ['vec4', wrong({ body: (k) => k.inputs[0]!.load4('id.x') }), /wrong: .*input 0 as vec4f, which/],
    ['vec4 of u32', wrong({ vec4: [1], body: () => '' }, n), /wrong: .*input 1 as vec4f, which is not direct/],
    ['an output', wrong({ outputs: [], body: (k) => k.outputs[0]!.store('id.x', '0.0') }), /wrong: .*output 0, which/],
    ['a barrier', wrong({ body: (k) => k.barrier() }), /wrong: .*barrier, but does not set barriers/],
    ['a workgroup array', wrong({ body: (k) => k.shared(tile) }), /wrong: .*workgroup array tile, which/],
    ['scratch', wrong({ body: (k) => k.scratch(parts).load('0u') }), /wrong: .*reads the scratch array parts, which/],
    [
      'scratch to write',
      wrong({ body: (k) => k.scratch(parts).store('0u', '0.0') }),
      /wrong: .*writes the scratch array parts, which/,
    ],
    ['scratch that nothing writes', wrong({ reads: [parts], body: () => '' }), /wrong: no kernel writes .*parts/],
  ] as const)('is refused: %s', async (_, y, message) => {
    for (const outputs of [{ y }, { y, ...neighbours }]) {
      expect(() => textOf(outputs, ADAPTER_CLASSES.gpu)).toThrow(/^internal: /);
      expect(() => textOf(outputs, ADAPTER_CLASSES.gpu)).toThrow(message);
    }
  });
});

/** What a recipe without variables compiles to, without a device. */
function textOf(outputs: Record<string, Tensor>, gpu: Capabilities): readonly Rendered[] {
  const places = new Map<Node, ReturnType<typeof newMemory>>();
  const leaf = (node: Node) => {
    const memory = places.get(node) ?? newMemory(node.name, 4 * node.outputs[0]!.size);
    places.set(node, memory);
    return { memory, offset: 0, words: memory.bytes / 4 };
  };
  return compile({ outputs }, { gpu, fuse: true, leaf, placeOf: (v) => leaf(v.node) }).steps.plan;
}

it.each([
  ['threads', { workgroup: [32, 32, 2] }, /large: its workgroups have 2048 threads, but this adapter allows 1024/],
  ['memory', { shared: [{ name: 'a', type: 'vec4f', size: 2049 }] }, /large: it needs 32784 bytes of workgroup memory/],
] as const)('more %s than a workgroup may have is refused', (_, spec, message) => {
  const body = () => '';
  const large = opOf(
    'large',
    () => 0,
    () => ({ workgroup: [64, 1, 1], grid: [1, 1, 1], body, ...spec }),
  );
  expect(() => textOf({ y: large(x) }, ADAPTER_CLASSES.gpu)).toThrow(DeviceError);
  expect(() => textOf({ y: large(x), ...neighbours }, ADAPTER_CLASSES.gpu)).toThrow(message);
});

/** Four scratch arrays, so that few other buffers fit beside them. */
const scratches = [0, 1, 2, 3].map((k): Scratch => ({ name: `part${k}`, type: 'f32', size: N }));
const manyParts = opOf(
  'manyParts',
  (i, x) => 4 * x[i]!,
  () => {
    const one = { workgroup: [N, 1, 1], grid: [1, 1, 1] } as const;
    return [
      {
        ...one,
        label: 'parts',
        writes: scratches,
        outputs: [],
        body: (k) => scratches.map((s) => k.scratch(s).store('lane', k.inputs[0]!.load('lane'))).join('\n'),
      },
      {
        ...one,
        reads: scratches,
        inputs: [],
        body: (k) => k.outputs[0]!.store('lane', scratches.map((s) => k.scratch(s).load('lane')).join(' + ')),
      },
    ];
  },
);

it.each(ADAPTERS)('scratch arrays count as buffers where a chain follows, on %s', async (_, capabilities) => {
  const others = [0, 1, 2, 3, 4].map((k) => input(`x${k}`, { shape: [N], dtype: 'f32' }));
  const y = others.reduce<Tensor>((sum, other) => mul(add(sum, other), 0.5), manyParts(x));
  const values = Object.fromEntries(others.map((_, k) => [`x${k}`, wave(N, k / 3)]));
  await expectTruth(capabilities, { y }, { ...inputs, ...values });
});

describe('features', () => {
  /** Doubles through f16, where a kernel may. */
  const half = (always: boolean) =>
    opOf(
      'half',
      (i, x) => 2 * x[i]!,
      ({ gpu }) => {
        const f16 = always || gpu.features.has('shader-f16');
        return {
          workgroup: [64, 1, 1],
          grid: [N / 64, 1, 1],
          ...(f16 && { requires: ['shader-f16'] }),
          body: (k) => {
            const x = k.inputs[0]!.load('id.x');
            return k.outputs[0]!.store('id.x', f16 ? `f32(2.0h * f16(${x}))` : `2.0 * ${x}`);
          },
        };
      },
    )(x);

  it('that are missing are named, with the op', async () => {
    const executor = await testExecutor({ features: new Set() });
    const y = half(true);
    for (const outputs of [{ y }, { y, ...neighbours }]) {
      const failure = executor.compile({ outputs });
      await expect(failure).rejects.toBeInstanceOf(DeviceError);
      await expect(failure).rejects.toThrow(
        /^half: it requires shader-f16, which .* does not have\. Use another adapter\.$/,
      );
    }
  });

  it('that are asked about may be done without', async () => {
    await expectTruth({ features: new Set() }, { y: half(false), u: mul(x, 3) }, inputs);
  });

  it('are enabled first in the text, once', () => {
    const [shader, ...others] = textOf({ y: half(false), z: square(half(false)), u: mul(x, 3) }, ADAPTER_CLASSES.gpu);
    expect(others).toEqual([]);
    expect(shader!.code).toMatch(/^enable f16;\n@group\(0\)/);
    expect(shader!.code.split('enable')).toHaveLength(2);
    const [plain] = textOf({ u: mul(x, 3) }, ADAPTER_CLASSES.gpu);
    expect(plain!.code).not.toContain('enable');
  });
});

it('a guarded variable takes what a kernel op of several kernels gives, in a persistent kernel too', async () => {
  const v = new Variable([N], { initial: () => new Float32Array(N) });
  const counter = () => new Variable([1], { dtype: 'u32', initial: () => new Uint32Array(1) });
  const [step, status] = [counter(), counter()];
  const [y] = apply(momentsOp, [mul(v, v)], undefined) as [Tensor];
  const recipe = {
    assignments: [
      [v, add(turned('a', 2)(y), shadowing('c', 4)(v))],
      [step, add(step, 1)],
    ] as const,
    guard: { status, step, checked: [sum(y)] },
  };
  const results: number[][] = [];
  for (const persistent of [true, false]) {
    const executor = await testExecutor({}, { persistent });
    const storage = executor.allocate([v, step, status].map((variable) => ({ variable })));
    storage.write(v, wave(N));
    const program = await executor.compile(recipe, { storages: [storage] });
    program.submit(3);
    const [values, steps, flag] = await storage.read([v, step, status]);
    expect([steps![0], flag![0]]).toEqual([3, 0]);
    results.push([...values!]);
    program.dispose();
    storage.dispose();
  }
  for (const [i, value] of results[0]!.entries()) expect(value).toBeCloseTo(results[1]![i]!, 4);
});
