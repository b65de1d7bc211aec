// Samples of matrix products, arenas and counters. Sizes of 1, primes, one past a thread's tile (4 rows, 8 columns) and one past
// a workgroup's; operands stored either way; batch axes broadcast; operands that are not whole vec4s.
import { apply } from '../src/graph/tensor.ts';
import { copy, iota, remainder } from '../src/ops/counter.ts';
import { linear, linearGradOp, matmul } from '../src/ops/matmul.ts';
import { pack, unpack } from '../src/ops/pack.ts';
import { reshape } from '../src/ops/reshape.ts';
import { square } from '../src/ops/unary.ts';
import type { Sample } from './sample.ts';

const SIZES: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [1, 10, 7],
  [5, 9, 3],
  [4, 8, 4],
  [13, 17, 19],
  [65, 10, 16],
  [64, 36, 68],
  [33, 65, 12],
];

function products(transposeA: boolean, transposeB: boolean): Sample[] {
  return SIZES.map(([M, N, K]) => ({
    name: `(${M}, ${K}) · (${K}, ${N})${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`,
    inputs: [{ shape: transposeA ? [K, M] : [M, K] }, { shape: transposeB ? [N, K] : [K, N] }],
    fn: (a, b) => matmul(a!, b!, { transposeA, transposeB }),
    hardware: M === 33 && !transposeA && !transposeB, // its gradients are products with one operand transposed
  }));
}

/** (x, w, b) sizes of a linear layer: rows, in, out. */
const LINEAR: readonly (readonly [number, number, number])[] = [
  [1, 1, 1],
  [3, 7, 10],
  [32, 20, 16],
  [65, 12, 9],
  [17, 100, 33],
];

export const matmulSamples = {
  matmul: [
    ...products(false, false),
    ...products(false, true),
    ...products(true, false),
    ...products(true, true),
    {
      name: 'batches (3, 5, 4) · (3, 4, 6)',
      inputs: [{ shape: [3, 5, 4] }, { shape: [3, 4, 6] }],
      fn: (a, b) => matmul(a!, b!),
      hardware: false,
    },
    {
      name: 'batches broadcast both ways (2, 1, 3, 5) · (4, 5, 2)',
      inputs: [{ shape: [2, 1, 3, 5] }, { shape: [4, 5, 2] }],
      fn: (a, b) => matmul(a!, b!),
      hardware: false,
    },
    {
      name: 'one matrix for a batch of transposed ones',
      inputs: [{ shape: [4, 7] }, { shape: [3, 2, 5, 4] }],
      fn: (a, b) => matmul(a!, b!, { transposeA: true, transposeB: true }),
    },
    { name: 'a tensor with itself', inputs: [{ shape: [9, 9] }], fn: (a) => matmul(a!, a!), hardware: false },
    {
      name: 'an epilogue and its operand',
      inputs: [{ shape: [9, 4] }, { shape: [4, 12] }],
      fn: (a, b) => square(matmul(a!, b!)),
      hardware: false,
    },
  ],
  linear: LINEAR.map(([B, K, N]) => ({
    name: `x (${B}, ${K}), w (${N}, ${K})`,
    inputs: [{ shape: [B, K] }, { shape: [N, K] }, { shape: [N] }],
    fn: (x, w, b) => linear(x!, w!, b!),
    hardware: B === 17,
  })),
  linearGrad: LINEAR.map(([B, K, N]) => ({
    name: `dy (${B}, ${N}), x (${B}, ${K})`,
    inputs: [{ shape: [B, N] }, { shape: [B, K] }],
    fn: (dy, x) => apply(linearGradOp, [dy!, x!], undefined),
    hardware: false,
  })),
  pack: [
    {
      name: 'parts with gaps, one a view, one used twice, one an input',
      inputs: [{ shape: [5] }, { shape: [3, 2] }],
      fn: (a, b) => {
        const s = square(b!);
        return pack([square(a!), reshape(s, [6]), s, a!], [0, 64, 128, 192], 256);
      },
    },
    {
      name: 'its parts go on being used',
      inputs: [{ shape: [4, 3] }, { shape: [3, 5] }],
      fn: (a, b) => {
        const y = matmul(a!, b!);
        return [pack([y], [0], 64), square(y)];
      },
      hardware: false,
    },
  ],
  unpack: [{ name: '[2, 3] at 64', inputs: [{ shape: [128] }], fn: (x) => unpack(x!, 64, [2, 3]) }],
  copy: [{ name: '[7]', inputs: [{ shape: [7] }], fn: (x) => copy(x!) }],
  iota: [
    { name: '1', inputs: [], fn: () => iota(1) },
    { name: '257', inputs: [], fn: () => iota(257) },
  ],
  remainder: [
    {
      name: '[65] by [1]',
      inputs: [
        { shape: [65], dtype: 'u32', range: [0, 1000] },
        { shape: [1], dtype: 'u32', values: [7] },
      ],
      fn: (a, b) => remainder(a!, b!),
    },
  ],
} satisfies Record<string, readonly Sample[]>;
