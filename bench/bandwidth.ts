// Kernels that wait for memory: each is held against the bytes it must read and write at least.
import type { Traced } from '../src/backend.ts';
import { gelu, sigmoid } from '../src/ops/activations.ts';
import { add, mul } from '../src/ops/binary.ts';
import { sum } from '../src/ops/broadcast.ts';
import { copy } from '../src/ops/counter.ts';
import { max } from '../src/ops/reduce.ts';
import { softmax } from '../src/ops/softmax.ts';
import type { Bench, Case, Suite } from './cases.ts';
import { arrayElements } from './ceiling-case.ts';
import { programCase } from './program.ts';

const C = 1024; // columns, and so a row of a softmax
const CLASSES = 16;

interface Kernel {
  readonly name: string;
  readonly fn: Traced;
  readonly columns?: number;
  /** Arrays of the full size read and written; less than one for what a reduction writes. */
  readonly arrays: number;
  /** Operations an element, a transcendental function counted as one. */
  readonly flops: number;
  readonly inputs?: readonly ('x' | 'z')[];
  /** Rows of the output are rows of x (0), its columns (1), or neither. */
  readonly rows?: 0 | 1;
}

const KERNELS: readonly Kernel[] = [
  { name: 'copy', fn: ({ x }) => copy(x!), arrays: 2, flops: 0, rows: 0 },
  { name: 'x + z', fn: ({ x, z }) => add(x!, z!), arrays: 3, flops: 1, inputs: ['x', 'z'], rows: 0 },
  {
    name: 'sigmoid(2 x + z) x, fused',
    fn: ({ x, z }) => mul(sigmoid(add(mul(x!, 2), z!)), x!),
    arrays: 3,
    flops: 6,
    inputs: ['x', 'z'],
    rows: 0,
  },
  { name: 'gelu', fn: ({ x }) => gelu(x!), arrays: 2, flops: 8, rows: 0 },
  { name: 'sum of all', fn: ({ x }) => sum(x!), arrays: 1, flops: 1 },
  { name: 'sum of each row', fn: ({ x }) => sum(x!, { axis: 1 }), arrays: 1, flops: 1, rows: 0 },
  { name: 'sum of each column', fn: ({ x }) => sum(x!, { axis: 0 }), arrays: 1, flops: 1, rows: 1 },
  { name: 'max of each row', fn: ({ x }) => max(x!, { axis: 1 }), arrays: 1, flops: 1, rows: 0 },
  { name: `softmax, rows of ${C}`, fn: ({ x }) => softmax(x!), arrays: 2, flops: 5, rows: 0 },
  { name: `softmax, rows of ${CLASSES}`, fn: ({ x }) => softmax(x!), columns: CLASSES, arrays: 2, flops: 5, rows: 0 },
];

export const bandwidthSuite: Suite = {
  name: 'bandwidth',
  about: 'copies, elementwise chains, reductions, softmax: GB/s',
  *groups(bench) {
    for (const kernels of [KERNELS.slice(0, 4), KERNELS.slice(4, 8), KERNELS.slice(8)])
      yield { cases: kernels.map((kernel) => kernelCase(bench, kernel)) };
  },
};

function kernelCase(bench: Bench, { name, fn, columns = C, arrays, flops, inputs = ['x'], rows }: Kernel): Case {
  const elements = arrayElements(bench.backend);
  const shape = [elements / columns, columns];
  const bytes = 4 * arrays * elements;
  return programCase(bench, {
    name,
    kind: name,
    unit: 'GB/s',
    amount: bytes / 1e9,
    work: { flops: flops * elements, bytes },
    inputs: Object.fromEntries(inputs.map((input) => [input, { shape, rows }])),
    fn,
    range: [0.1, 1], // so that a sum is not near 0
  });
}
