// y = a · b for (…, M, K) and (…, K, N), either operand stored transposed: one family of kernels. A variant says what is
// computed, a configuration how: in registers or by tiles, with how much per thread, and with K cut into parts or not.
import type { KernelPlan } from '../src/graph/op.ts';
import { sizeOf } from '../src/graph/shape.ts';
import { frameOf, type GemmConfiguration, type GemmVariant, MOST_GROUPS } from './gemm-frame.wgsl.ts';
import { registerPass } from './gemm-registers.wgsl.ts';
import { tilePass } from './gemm-tiles.wgsl.ts';
import { modulo, wgsl } from './wgsl.ts';

/** The kernel's dispatches: one, or two where K is cut into parts. */
export function gemmKernel(v: GemmVariant, c: GemmConfiguration): KernelPlan {
  const { M, N, K, bias, columnSums } = v;
  const step = c.kernel === 'tiles' ? c.BK : 4; // the k of one round
  const chunk = Math.ceil(K / (c.splitK ?? 1) / step) * step;
  const parts = Math.ceil(K / chunk);
  const frame = frameOf(v, c, parts, chunk);
  const { code, workgroups, workgroupBytes } = c.kernel === 'tiles' ? tilePass(v, c, frame) : registerPass(v, c, frame);
  const outs = columnSums ? [0, 1] : [0];
  const pass = {
    code: `const M = ${M}u;\nconst N = ${N}u;\nconst K = ${K}u;\n${code}`,
    workgroups: [...workgroups, frame.z] as const,
    vec4: [...(frame.vecA ? [0] : []), ...(frame.vecB ? [1] : [])],
    ...(workgroupBytes !== undefined && { workgroupBytes }),
  };
  if (parts === 1) return { passes: [{ ...pass, inputs: bias ? [0, 1, 2] : [0, 1], outs }] };
  const sum = { ...sumPass(v, parts), label: 'sum', inputs: bias ? [2] : [], outs, reads: ['parts'] };
  const size = parts * (sizeOf(v.batch) * M * N + (columnSums ? M : 0));
  return {
    passes: [{ ...pass, label: 'parts', inputs: [0, 1], outs: [], writes: ['parts'] }, sum],
    scratch: [{ name: 'parts', size, type: 'f32' }],
  };
}

/** Threads of the pass that adds up the parts. */
const THREADS = 64;

/** The parts of each element in order, so that a sum has the same bits every time; then what a whole kernel does at its end. */
function sumPass({ M, N, batch, bias, columnSums }: GemmVariant, parts: number) {
  const [size, sums] = [sizeOf(batch) * M * N, columnSums ? M : 0];
  const groups = Math.ceil((size + sums) / THREADS);
  const x = Math.min(groups, MOST_GROUPS);
  const added = (at: string, stride: number) =>
    `var sum = 0.0;\n    for (var p = 0u; p < ${parts}u; p++) { sum += parts[${at} + p * ${stride}u]; }`;
  const code = wgsl`
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let i = (group.y * ${x}u + group.x) * ${THREADS}u + lane;
  if (i < ${size}u) {
    ${added('i', size)}
    store0(i, sum${bias ? ` + load2(${modulo('i', N, size)})` : ''});
  }
#if ${sums > 0}
  else if (i < ${size + sums}u) {
    ${added(`${size * parts}u + i - ${size}u`, M)}
    store1(i - ${size}u, sum);
  }
#endif
}`;
  return { code, workgroups: [x, Math.ceil(groups / x), 1] as const };
}
