// y = a · b for (…, M, K) and (…, K, N), either operand stored transposed: one family of kernels. A variant says what is
// computed, a configuration how: in registers or by tiles, with how much per thread, and with K cut into parts or not.
import type { KernelSpec, Scratch } from '../src/graph/kernel.ts';
import { sizeOf } from '../src/graph/shape.ts';
import { type Frame, frameOf, type GemmConfiguration, type GemmVariant } from './gemm-frame.wgsl.ts';
import { registerKernel } from './gemm-registers.wgsl.ts';
import { tileKernel } from './gemm-tiles.wgsl.ts';
import { foldGroups } from './reduce.wgsl.ts';
import { modulo, wgsl } from './wgsl.ts';

/** One kernel, or two where K is cut into parts. */
export function gemmKernel(v: GemmVariant, c: GemmConfiguration): readonly KernelSpec[] {
  const { K, bias } = v;
  const step = c.kernel === 'tiles' ? c.BK : 4; // the k of one round
  const chunk = Math.ceil(K / (c.splitK ?? 1) / step) * step;
  const parts = Math.ceil(K / chunk);
  const frame = frameOf(v, c, parts, chunk);
  const product = c.kernel === 'tiles' ? tileKernel(v, c, frame) : registerKernel(v, c, frame);
  const sizes = { size: sizeOf(v.batch) * v.M * v.N, columns: v.N, sums: v.columnSums ? v.M : 0 };
  return withParts({ ...product, ...operandsOf(frame) }, frame, bias === true, parts, sizes);
}

/** The inputs by the way they are read. */
export function operandsOf({ vecA, vecB }: Pick<Frame, 'vecA' | 'vecB'>): Pick<KernelSpec, 'inputs' | 'vec4'> & {
  readonly inputs: readonly number[];
} {
  return {
    inputs: [...(vecA ? [] : [0]), ...(vecB ? [] : [1])],
    vec4: [...(vecA ? [0] : []), ...(vecB ? [1] : [])],
  };
}

/** Elements of y and of its rows, and column sums. */
interface SumSizes {
  readonly size: number;
  readonly columns: number;
  readonly sums: number;
}

/** A product's kernel, and where K is cut the one that adds up the parts. */
export function withParts(
  product: KernelSpec & { readonly inputs: readonly number[] },
  { partial }: Pick<Frame, 'partial'>,
  bias: boolean,
  parts: number,
  sizes: SumSizes,
): readonly KernelSpec[] {
  if (!partial) return [bias ? { ...product, inputs: [...product.inputs, 2] } : product];
  return [{ ...product, label: 'parts', outputs: [], writes: [partial] }, sumKernel(sizes, bias, parts, partial)];
}

/** Threads in a workgroup of the kernel that adds up the parts. */
const THREADS = 64;

/** The parts of each element in order, so that a sum has the same bits every time; then what a whole kernel does at its end. */
function sumKernel({ size, columns, sums }: SumSizes, bias: boolean, parts: number, partial: Scratch): KernelSpec {
  const { grid, index } = foldGroups(Math.ceil((size + sums) / THREADS));
  return {
    label: 'sum',
    workgroup: [THREADS, 1, 1],
    grid,
    inputs: bias ? [2] : [],
    reads: [partial],
    body: (k) => {
      const added = (at: string, stride: number) => wgsl`
var sum = 0.0;
for (var p = 0u; p < ${parts}u; p++) { sum += ${k.scratch(partial).load(`${at} + p * ${stride}u`)}; }
`;
      return wgsl`
let i = (${index}) * ${THREADS}u + lane;
if (i < ${size}u) {
  ${added('i', size)}
  ${k.outputs[0]!.store('i', `sum${bias ? ` + ${k.inputs[2]!.load(modulo('i', columns, size))}` : ''}`)}
}
#if ${sums > 0}
else if (i < ${size + sums}u) {
  ${added(`${size * parts}u + i - ${size}u`, sums)}
  ${sums > 0 ? k.outputs[1]!.store(`i - ${size}u`, 'sum') : ''}
}
#endif
`;
    },
  };
}
