// The product family: every configuration against the CPU in doubles, over sizes chosen to hurt, with batches, biases, column
// sums and fused neighbours; and the table that chooses among them.
import { describe, expect, it } from 'vitest';
import type { GpuProgram } from '../src/compile/gpu-program.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import type { HostArray } from '../src/graph/dtype.ts';
import { hashText, uniforms } from '../src/graph/random.ts';
import type { Shape } from '../src/graph/shape.ts';
import { apply, input, type Node, type Tensor } from '../src/graph/tensor.ts';
import { full, linear, matmul, relu, sub, tanh } from '../src/index.ts';
import { linearGradOp } from '../src/ops/matmul.ts';
import { testExecutor } from './gpu.ts';
import { expectClose } from './sample.ts';

/** Small blocks: software adapters compile big ones for seconds. What the table gives a GPU runs in parity.test.ts. */
const CONFIGURATIONS = {
  'registers 4x8': { kernel: 'registers', rows: 4, columns: 8, x: 4, y: 4 },
  'registers 8x4, wide': { kernel: 'registers', rows: 8, columns: 4, x: 2, y: 1 },
  'registers 1x4': { kernel: 'registers', rows: 1, columns: 4, x: 16, y: 1 },
  'registers 6x4': { kernel: 'registers', rows: 6, columns: 4, x: 2, y: 2 },
  'registers, K in 3': { kernel: 'registers', rows: 4, columns: 4, x: 4, y: 4, splitK: 3 },
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
  outputs['filled operands, an epilogue'] = tanh(sub(matmul(full(0.25, [12, 8]), x(8, 12)), x(12, 12)));
  outputs['a filled transposed operand'] = matmul(x(9, 8), full(0.5, [13, 8]), { transposeB: true });
  return { tensors, outputs };
}

async function runOn(configuration: unknown, { tensors, outputs }: Made, fuse: boolean) {
  const executor = await testExecutor({ tuned: () => configuration });
  const program = await executor.compile({ outputs }, { fuse, inputs: tensors.map((_, k) => `x${k}`) });
  const values = tensors.map((t, k) => uniforms(t.size, hashText(`gemm ${k}`), 'gemm', -1, 1));
  const given = Object.fromEntries(values.map((data, k) => [`x${k}`, data]));
  const [first, second] = [await program.run(given), await program.run(given)];
  const labels = (program as GpuProgram).kernels.map(({ label }) => label);
  program.dispose();
  return { first, second, values, labels };
}

describe.each(Object.entries(CONFIGURATIONS))('%s', (_, configuration) => {
  // Side by side with others, where that is quickly compiled.
  const fuse = configuration.kernel === 'registers';
  it('gives what the CPU gives, twice the same bits', async () => {
    const made = everything();
    const { first, second, values, labels } = await runOn(configuration, made, fuse);
    const feeds = new Map<Node, HostArray>(made.tensors.map((t, k) => [t.node, Float64Array.from(values[k]!)]));
    const wanted = interpret(Object.values(made.outputs), (leaf) => feeds.get(leaf), 'float64');
    for (const [k, name] of Object.keys(made.outputs).entries()) {
      expectClose(name, first[name]!, wanted[k]!);
      expect(second[name]!.data, name).toEqual(first[name]!.data);
    }
    expect(labels.some((label) => label.endsWith(' sum'))).toBe('splitK' in configuration);
  });
});
