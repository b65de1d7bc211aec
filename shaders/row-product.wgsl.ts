// y = a · b one row at a time, for narrow products that share a dispatch with what comes before and after them: LANES lanes
// compute row r of y (M, N) from row r of a (M, K) and all of b, (K, N) or stored (N, K).
import { lines, range, wgsl } from './wgsl.ts';

export interface RowProductVariant {
  readonly N: number;
  readonly K: number;
  /** b is stored (N, K). */
  readonly transposeB: boolean;
  readonly lanes: number;
  /** Whether a and b may be read as vec4f. */
  readonly vecA: boolean;
  readonly vecB: boolean;
  /** y + bias of the column, as input 2. */
  readonly bias: boolean;
}

/** `fn row(r, lane)`. */
export function rowProduct(v: RowProductVariant): string {
  const { N, K, transposeB, lanes, bias } = v;
  // Columns a lane sums at once: all of its own where they are few.
  const block = Math.min(Math.ceil(N / lanes), transposeB ? 16 : 32);
  const once = lanes === 1 && block === N;
  return wgsl`
const N = ${N}u;
const K = ${K}u;

fn row(r: u32, lane: u32) {
  ${once ? 'const n = 0u;' : `for (var n = lane * ${block}u; n < N; n += ${lanes * block}u) {`}
  ${lines(block, (c) => `var acc${c} = f32(0);`)}
  ${transposeB ? dots(v, block, once) : sums(v, block, once)}
  // In a loop: unrolled, the chain fused into each store would be most of what a driver has to compile.
  var sums = array<f32, ${block}>(${range(block)
    .map((c) => `acc${c}`)
    .join(', ')});
  for (var c = zero; c < ${once ? `${block}u` : `min(${block}u, N - n)`}; c++) {
    store0(r * N + n + c, sums[c]${bias ? ' + load2(n + c)' : ''});
  }
  ${once ? '' : '}'}
}
`;
}

/** Along K in fours: b's rows are dotted with a's. */
function dots({ K, vecA, vecB }: RowProductVariant, block: number, once: boolean): string {
  const four = K % 4 === 0 && vecA && vecB;
  const at = (c: number) => (once ? `${c * K}u + k` : `min(n + ${c}u, N - 1u) * K + k`);
  const quad = (c: number) => (once ? `${(c * K) / 4}u + k / 4u` : `(${at(c)}) / 4u`);
  if (!four) {
    return `for (var k = zero; k < K; k++) {
    let a = load0(r * K + k);
    ${lines(block, (c) => `acc${c} += a * load1(${at(c)});`)}
  }`;
  }
  return `for (var k = zero; k < K; k += 4u) {
    let a = load0v((r * K + k) / 4u);
    ${lines(block, (c) => `acc${c} += dot(a, load1v(${quad(c)}));`)}
  }`;
}

/** One k at a time: a's element times a row of b. */
function sums({ N, vecB }: RowProductVariant, block: number, once: boolean): string {
  const four = N % 4 === 0 && block % 4 === 0 && vecB;
  const column = (c: number, last: number) => (once ? `${c}u` : `min(n + ${c}u, ${last}u)`);
  const one = (c: number) => `acc${c} += a * load1(k * N + ${column(c, N - 1)});`;
  const quad = (q: number) =>
    `let b${q} = load1v((k * N + ${column(q * 4, N - 4)}) / 4u);\n${lines(4, (c) => `acc${q * 4 + c} += a * b${q}[${c}];`)}`;
  return `for (var k = zero; k < K; k++) {
    let a = load0(r * K + k);
    ${four ? lines(block / 4, quad) : lines(block, one)}
  }`;
}
