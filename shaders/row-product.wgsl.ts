// y = a · b one row at a time, for narrow products that share a dispatch with what comes before and after them: LANES lanes
// compute row r of y (M, N) from row r of a (M, K) and all of b, (K, N) or stored (N, K).
import type { RowSpec } from '../src/graph/kernel.ts';
import type { KernelScope } from '../src/graph/op.ts';
import type { RowText } from './rows.wgsl.ts';
import { lines, range, wgsl } from './wgsl.ts';

export interface RowProductVariant {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** b is stored (N, K). */
  readonly transposeB: boolean;
  /** y + bias of the column, as input 2. */
  readonly bias: boolean;
}

export function rowProduct(v: RowProductVariant, lanes: number, { direct }: Pick<KernelScope, 'direct'>): RowSpec {
  const { M, N, K, transposeB, bias } = v;
  // Columns a lane sums at once: all of its own where they are few.
  const block = Math.min(Math.ceil(N / lanes), transposeB ? 16 : 32);
  const once = lanes === 1 && block === N;
  const four = transposeB ? K % 4 === 0 && direct(0) && direct(1) : N % 4 === 0 && block % 4 === 0 && direct(1);
  const shape: BlockShape = { block, once, four };
  return {
    rows: M,
    aligned: [0],
    vec4: four ? (transposeB ? [0, 1] : [1]) : [],
    body: (k) => {
      const columns = wgsl`
${lines(block, (c) => `var acc${c} = f32(0);`)}
${transposeB ? dots(k, v, shape) : sums(k, v, shape)}
// In a loop: unrolled, the chain fused into each store would be most of what a driver has to compile.
var sums = array<f32, ${block}>(${range(block)
        .map((c) => `acc${c}`)
        .join(', ')});
for (var c = zero; c < ${once ? `${block}u` : `min(${block}u, N - n)`}; c++) {
  ${k.outputs[0]!.store('r * N + n + c', `sums[c]${bias ? ` + ${k.inputs[2]!.load('n + c')}` : ''}`)}
}
`;
      return wgsl`
const N = ${N}u;
const K = ${K}u;
#if ${once}
const n = 0u;
${columns}
#else
for (var n = lane * ${block}u; n < N; n += ${lanes * block}u) {
  ${columns}
}
#endif
`;
    },
  };
}

interface BlockShape {
  /** Columns from `n` on that a lane sums at once, and whether that is all there are. */
  readonly block: number;
  readonly once: boolean;
  /** Whether four neighbours of b are read at once. */
  readonly four: boolean;
}

/** Along K in fours: b's rows are dotted with a's. */
function dots({ inputs: [a, b] }: RowText, { K }: RowProductVariant, { block, once, four }: BlockShape): string {
  const at = (c: number) => (once ? `${c * K}u + k` : `min(n + ${c}u, N - 1u) * K + k`);
  const quad = (c: number) => (once ? `${(c * K) / 4}u + k / 4u` : `(${at(c)}) / 4u`);
  return four
    ? wgsl`
for (var k = zero; k < K; k += 4u) {
  let a = ${a!.load4('(r * K + k) / 4u')};
  ${lines(block, (c) => `acc${c} += dot(a, ${b!.load4(quad(c))});`)}
}
`
    : wgsl`
for (var k = zero; k < K; k++) {
  let a = ${a!.load('r * K + k')};
  ${lines(block, (c) => `acc${c} += a * ${b!.load(at(c))};`)}
}
`;
}

/** One k at a time: a's element times a row of b. */
function sums({ inputs: [a, b] }: RowText, { N }: RowProductVariant, { block, once, four }: BlockShape): string {
  const column = (c: number, last: number) => (once ? `${c}u` : `min(n + ${c}u, ${last}u)`);
  const one = (c: number) => `acc${c} += a * ${b!.load(`k * N + ${column(c, N - 1)}`)};`;
  const quad = (q: number) =>
    `let b${q} = ${b!.load4(`(k * N + ${column(q * 4, N - 4)}) / 4u`)};\n${lines(4, (c) => `acc${q * 4 + c} += a * b${q}[${c}];`)}`;
  return wgsl`
for (var k = zero; k < K; k++) {
  let a = ${a!.load('r * K + k')};
  ${four ? lines(block / 4, quad) : lines(block, one)}
}
`;
}
