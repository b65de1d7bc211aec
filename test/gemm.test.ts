// The product family: every configuration against the CPU in doubles, over sizes chosen to hurt, with batches, biases, column
// sums and fused neighbours; and the table that chooses among them.
import { describe, expect, it } from 'vitest';
import type { GemmConfiguration } from '../shaders/gemm-frame.wgsl.ts';
import type { CompiledProgram } from '../src/compile/executor.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { ADAPTER_CLASSES } from '../src/graph/adapter-classes.ts';
import { costsOf } from '../src/graph/capabilities.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import { hashText, uniforms } from '../src/graph/random.ts';
import type { Shape } from '../src/graph/shape.ts';
import { apply, input, type Node, type Tensor } from '../src/graph/tensor.ts';
import { full } from '../src/index.ts';
import { candidatesFor } from '../src/ops/gemm-candidates.ts';
import { defaultConfiguration, faultOf, fits, productWork } from '../src/ops/gemm-table.ts';
import { linear, matmul, relu, sub, tanh } from '../src/ops/index.ts';
import { linearGradOp } from '../src/ops/matmul.ts';
import { testExecutor } from './gpu.ts';
import { IN_BROWSER } from './gpu-node.ts';
import { expectClose } from './sample.ts';

/** Small blocks: software adapters compile big ones for seconds. What the table gives a GPU runs below. */
const CONFIGURATIONS = {
  'registers 4x8': { kernel: 'registers', rows: 4, columns: 8, x: 4, y: 4 },
  'registers 8x4, wide': { kernel: 'registers', rows: 8, columns: 4, x: 2, y: 1 },
  'registers 4x4': { kernel: 'registers', rows: 4, columns: 4, x: 16, y: 1 },
  'registers 12x4': { kernel: 'registers', rows: 12, columns: 4, x: 1, y: 2 },
  'registers, K in 3': { kernel: 'registers', rows: 4, columns: 4, x: 4, y: 4, splitK: 3 },
  'registers 8x4 that share a': { kernel: 'registers', rows: 8, columns: 4, x: 4, y: 1, share: 'a' },
  'registers 12x8 that share a': { kernel: 'registers', rows: 12, columns: 8, x: 4, y: 1, share: 'a', splitK: 2 },
  'registers 4x8 that share b': { kernel: 'registers', rows: 4, columns: 8, x: 1, y: 4, share: 'b' },
  'registers 4x12 that share b': { kernel: 'registers', rows: 4, columns: 12, x: 1, y: 4, share: 'b' },
  'tiles 16x16x8': { kernel: 'tiles', BM: 16, BN: 16, BK: 8, TM: 4, TN: 4 },
  'tiles 16x32x8, 8 rows': { kernel: 'tiles', BM: 16, BN: 32, BK: 8, TM: 8, TN: 4 },
  'tiles 8x16x4, 8 columns': { kernel: 'tiles', BM: 8, BN: 16, BK: 4, TM: 4, TN: 8 },
  'tiles, K in 4': { kernel: 'tiles', BM: 8, BN: 8, BK: 4, TM: 4, TN: 4, splitK: 4 },
} as const;

const [NN, NT, TN, TT] = (['NN', 'NT', 'TN', 'TT'] as const).map((layout) => ({
  layout,
  transposeA: layout[0] === 'T',
  transposeB: layout[1] === 'T',
})) as [Layout, Layout, Layout, Layout];
interface Layout {
  readonly layout: string;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** 1, primes one past a tile, whole vec4s, whole tiles, and K below and past a round. */
const SIZES: readonly (readonly [number, number, number, readonly Layout[]])[] = [
  [1, 1, 1, [NN]],
  [1, 10, 7, [NT]],
  [16, 32, 16, [TN]],
  [17, 33, 19, [NN, NT, TN, TT]],
  [36, 12, 40, [NN, NT, TN, TT]],
];

type Outputs = Record<string, Tensor>;
interface Made {
  readonly tensors: Tensor[];
  readonly outputs: Outputs;
}

/** Everything that a configuration is asked for, in one program of many dispatches. */
function everything(): Made {
  const tensors: Tensor[] = [];
  const outputs: Outputs = {};
  const x = (...shape: Shape) => {
    const t = input(`x${tensors.length}`, { shape, dtype: 'f32' });
    tensors.push(t);
    return t;
  };
  for (const [M, N, K, layouts] of SIZES) {
    const size = `${M}x${N}x${K}`;
    for (const { layout, ...turned } of layouts) {
      const a = turned.transposeA ? x(K, M) : x(M, K);
      outputs[`${layout} ${size}`] = matmul(a, turned.transposeB ? x(N, K) : x(K, N), turned);
    }
    if (layouts.length < 4) continue;
    outputs[`bias, relu ${size}`] = relu(linear(x(M, K), x(N, K), x(N)));
    const [dw, db] = apply(linearGradOp, [x(K, M), x(K, N)], undefined);
    outputs[`dw ${size}`] = dw!;
    outputs[`db ${size}`] = db!;
  }
  outputs['batches broadcast'] = matmul(x(2, 1, 3, 8), x(4, 8, 12));
  outputs['batch of odd steps'] = matmul(x(3, 5, 7), x(3, 7, 6));
  outputs['batch, both turned'] = matmul(x(3, 4, 8), x(3, 16, 4), { transposeA: true, transposeB: true });
  // An operand that is no buffer is read one by one; what follows is computed where y is stored.
  outputs['filled operands, an epilogue'] = tanh(sub(matmul(full([12, 8], 0.25), x(8, 12)), x(12, 12)));
  outputs['a filled transposed operand'] = matmul(x(9, 8), full([13, 8], 0.5), { transposeB: true });
  return { tensors, outputs };
}

async function runOn(configuration: unknown, { tensors, outputs }: Made, fuse: boolean) {
  const executor = await testExecutor({ tuned: () => configuration });
  const program = await executor.compile({ outputs }, { fuse, inputs: tensors.map((_, k) => `x${k}`) });
  const values = tensors.map((t, k) => uniforms(t.size, hashText(`gemm ${k}`), 'gemm', -1, 1));
  const given = Object.fromEntries(values.map((data, k) => [`x${k}`, data]));
  const [first, second] = [await program.run(given), await program.run(given)];
  const { plan } = (program as CompiledProgram).compiled.steps;
  const [labels, texts] = [plan.map(({ label }) => label), plan.map(({ code }) => code)];
  program.dispose();
  return { first, second, values, labels, texts };
}

describe.each(Object.entries(CONFIGURATIONS))('%s', (_, configuration) => {
  // Side by side with others, where that is quickly compiled.
  const fuse = configuration.kernel === 'registers';
  it('gives what the CPU gives, twice the same bits', async () => {
    const made = everything();
    const { first, second, values, labels, texts } = await runOn(configuration, made, fuse);
    const feeds = new Map<Node, HostArray>(made.tensors.map((t, k) => [t.node, Float64Array.from(values[k]!)]));
    const wanted = interpret(Object.values(made.outputs), (leaf) => feeds.get(leaf), 'float64');
    for (const [k, name] of Object.keys(made.outputs).entries()) {
      expectClose(name, first[name]!, wanted[k]!);
      expect(second[name]!.data, name).toEqual(first[name]!.data);
    }
    expect(labels.some((label) => label.endsWith(' sum'))).toBe('splitK' in configuration);
    // Browsers may hide the size of subgroups.
    if (!IN_BROWSER) expect(texts.some((text) => text.includes('subgroupBroadcast'))).toBe('share' in configuration);
  });
});

// Whole blocks, and an edge on every side, K among them.
it.each([
  ['64x64', [512, 512, 512], [67, 69, 21], NT],
  ['64x64', [512, 512, 512], [64, 128, 16], NN],
  ['128x128', [2048, 2048, 2048], [131, 133, 13], TN],
  ['128x128', [2048, 2048, 2048], [128, 128, 16], NT],
] as const)('the GPU’s tiles of %s, for products of %j, on %j', async (name, [m, n, k], [M, N, K], layout) => {
  const { transposeA, transposeB } = layout;
  const configuration = defaultConfiguration({ M: m, N: n, K: k }, ADAPTER_CLASSES.gpu);
  expect(configuration).toMatchObject({ kernel: 'tiles', BM: Number(name.split('x')[0]) });
  const a = input('x0', { shape: transposeA ? [K, M] : [M, K], dtype: 'f32' });
  const b = input('x1', { shape: transposeB ? [N, K] : [K, N], dtype: 'f32' });
  const made = { tensors: [a, b], outputs: { y: matmul(a, b, { transposeA, transposeB }) } };
  const { first, values } = await runOn(configuration, made, true);
  const feeds = new Map<Node, HostArray>(made.tensors.map((t, i) => [t.node, Float64Array.from(values[i]!)]));
  expectClose(name, first['y']!, interpret([made.outputs.y], (leaf) => feeds.get(leaf), 'float64')[0]!);
});

describe('the table', () => {
  const product = (M: number, N: number, K: number) =>
    ({ kind: 'product', transposeA: false, transposeB: true, M, N, K, batch: 1 }) as const;
  const on = (software: boolean, name = 'an adapter') => ({ ...costsOf(software), name, subgroupLanes: undefined });
  const withLanes = (name: string, subgroupLanes: number) => ({ ...costsOf(true), name, subgroupLanes });

  it.each([
    ['SwiftShader', on(true, 'SwiftShader Device (Subzero)'), [64, 128, 784], { rows: 8, columns: 8, x: 2, y: 2 }],
    ['lavapipe', on(true, 'llvmpipe (LLVM 15)'), [1024, 1024, 1024], { rows: 4, columns: 8, x: 4, y: 4 }],
    ['lanes of SwiftShader', withLanes('SwiftShader', 4), [64, 128, 784], { rows: 8, columns: 4, x: 4, share: 'a' }],
    [
      'lanes of lavapipe',
      withLanes('llvmpipe (LLVM 15)', 8),
      [1024, 1024, 1024],
      { rows: 32, columns: 4, x: 8, share: 'a' },
    ],
    [
      'lanes of lavapipe, narrow',
      withLanes('llvmpipe', 8),
      [65536, 16, 128],
      { rows: 4, columns: 16, y: 8, share: 'b' },
    ],
    ['lanes of others', withLanes('an adapter', 8), [1024, 1024, 1024], { rows: 4, columns: 8, x: 4, y: 4 }],
    ['a GPU, small', on(false), [64, 128, 784], { BM: 32, BN: 32, TM: 4 }],
    ['a GPU, narrow', on(false), [65536, 16, 128], { BM: 32, BN: 32 }],
    ['a GPU, 512', on(false), [512, 512, 512], { BM: 64, BN: 64, TM: 8 }],
    ['a GPU, 2048', on(false), [2048, 2048, 2048], { BM: 128, BN: 128, TM: 8 }],
  ] as const)('knows %s', (_, gpu, [M, N, K], wanted) => {
    const found = defaultConfiguration(product(M, N, K), gpu);
    expect(found).toMatchObject(wanted);
    expect(found.splitK).toBeUndefined();
    // What WebGPU promises everywhere is enough.
    expect(fits(found, gpu)).toBe(true);
  });

  it('cuts K on a GPU where few workgroups would walk far, and nowhere else', () => {
    expect(defaultConfiguration(product(16, 128, 4096), on(false)).splitK).toBe(16);
    expect(defaultConfiguration(product(64, 128, 2048), on(false)).splitK).toBe(4);
    expect(defaultConfiguration(product(64, 144, 2048), on(false)).splitK).toBeUndefined();
    expect(defaultConfiguration(product(16, 128, 4096), on(true)).splitK).toBeUndefined();
  });

  const { 'registers 4x8': registers, 'tiles 16x16x8': tiles } = CONFIGURATIONS;
  it.each<unknown>([
    null,
    'registers',
    { kernel: 'magic' },
    { kernel: 'registers' },
    { ...registers, rows: 2.5 },
    { ...registers, rows: 6 },
    { ...registers, rows: '4' },
    { ...registers, rows: 0 },
    { ...registers, columns: 6 },
    { ...registers, x: 128 },
    { ...registers, rows: 64 },
    { ...registers, splitK: 0 },
    { ...registers, share: 'a' },
    { ...tiles, TM: 6 },
    { ...tiles, TM: 12 },
    { ...tiles, BK: 2 },
    { kernel: 'tiles', BM: 128, BN: 128, BK: 8, TM: 4, TN: 8 },
    { kernel: 'tiles', BM: 128, BN: 128, BK: 16, TM: 8, TN: 8 },
  ])('%j is no configuration for any adapter', (configuration) => {
    expect(fits((configuration ?? {}) as GemmConfiguration)).toBe(false);
    expect(faultOf({ version: 2, entries: [{ work: product(1, 1, 1), use: configuration }] }, {})).toBe(
      `its entry "matmul NT 1x1x1" is ${JSON.stringify(configuration)}, which is not a valid kernel for this adapter`,
    );
  });

  it('takes what an adapter has', () => {
    const big = { kernel: 'tiles', BM: 128, BN: 128, BK: 16, TM: 8, TN: 8 } as const;
    expect(fits(big, { sharedBytes: 32768 })).toBe(true);
    expect(fits(registers, { maxComputeInvocationsPerWorkgroup: 15 })).toBe(false);
    const shared = CONFIGURATIONS['registers 8x4 that share a'];
    expect(fits(shared, { subgroupLanes: 4 })).toBe(true);
    expect(fits(shared, { subgroupLanes: 8 })).toBe(false);
    expect(fits({ ...shared, share: 'b' }, { subgroupLanes: 4 })).toBe(false);
    expect(fits(shared, { subgroupLanes: 4, barriers: 'none' })).toBe(false);
  });

  it('tells a tuner the layout, the sizes and the number of products', () => {
    expect(productWork({ ...product(3, 5, 7), batch: [] })).toEqual(product(3, 5, 7));
    expect(productWork({ ...product(3, 5, 7), batch: [2, 3] })).toEqual({ ...product(3, 5, 7), batch: 6 });
  });

  it.each([true, false])(
    'offers candidates that fit, and not what it would choose itself, software: %s',
    async (software) => {
      const gpu = { ...(await testExecutor()).capabilities, software, maxComputeInvocationsPerWorkgroup: 64 };
      for (const sizes of [product(64, 128, 784), product(10, 10, 4096), product(2048, 2048, 2048)]) {
        const candidates = candidatesFor(sizes, gpu);
        expect(candidates.length).toBeGreaterThan(3);
        expect(candidates.filter((c) => !fits(c, gpu))).toEqual([]);
        expect(candidates).not.toContainEqual(defaultConfiguration(sizes, gpu));
      }
    },
  );

  it('decides where what was tuned does not fit', async () => {
    const made = { tensors: [input('x0', { shape: [4, 8], dtype: 'f32' })], outputs: {} as Outputs };
    made.outputs['y'] = matmul(made.tensors[0]!, made.tensors[0]!, { transposeB: true });
    const kernels = async (tuned?: () => unknown) => {
      const executor = await testExecutor(tuned ? { tuned } : {});
      const program = (await executor.compile({ outputs: made.outputs })) as CompiledProgram;
      const codes = program.compiled.steps.plan.map(({ code }) => code);
      program.dispose();
      return codes;
    };
    const usual = await kernels();
    expect(await kernels(() => ({ kernel: 'tiles', BM: 7 }))).toEqual(usual);
    expect(await kernels(() => CONFIGURATIONS['registers 12x4'])).not.toEqual(usual);
  });
});
