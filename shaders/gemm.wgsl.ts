// y = a · b for (…, M, K) and (…, K, N), either operand stored transposed: one family of kernels. A variant says what is
// computed, a configuration how: in registers or by tiles, with how much per thread, and with K cut into parts or not.
import type { KernelSpec, Scratch } from '../src/graph/kernel.ts';
import { sizeOf } from '../src/graph/shape.ts';
import { frameOf, type GemmConfiguration, type GemmVariant } from './gemm-frame.wgsl.ts';
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
  const { vecA, vecB, partial } = frame;
  const operands = {
    inputs: [...(vecA ? [] : [0]), ...(vecB ? [] : [1])],
    vec4: [...(vecA ? [0] : []), ...(vecB ? [1] : [])],
  };
  const product = { ...(c.kernel === 'tiles' ? tileKernel(v, c, frame) : registerKernel(v, c, frame)), ...operands };
  if (!partial) return [bias ? { ...product, inputs: [...product.inputs, 2] } : product];
  return [{ ...product, label: 'parts', outputs: [], writes: [partial] }, sumKernel(v, parts, partial)];
}

/** Threads in a workgroup of the kernel that adds up the parts. */
const THREADS = 64;

/** The parts of each element in order, so that a sum has the same bits every time; then what a whole kernel does at its end. */
function sumKernel({ M, N, batch, bias, columnSums }: GemmVariant, parts: number, partial: Scratch): KernelSpec {
  const [size, sums] = [sizeOf(batch) * M * N, columnSums ? M : 0];
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
  ${k.outputs[0]!.store('i', `sum${bias ? ` + ${k.inputs[2]!.load(modulo('i', N, size))}` : ''}`)}
}
#if ${sums > 0}
else if (i < ${size + sums}u) {
  ${added(`${size * parts}u + i - ${size}u`, M)}
  ${sums > 0 ? k.outputs[1]!.store(`i - ${size}u`, 'sum') : ''}
}
#endif
`;
    },
  };
}
