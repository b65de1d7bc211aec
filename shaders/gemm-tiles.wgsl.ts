// The product by tiles: a workgroup stages BM x BK of a and BK x BN of b in workgroup memory, k by k, a as vec4s along M and b as
// vec4s along N, and a thread multiplies TM x TN of them in named accumulators.
import {
  blockOf,
  COMPONENT,
  type Frame,
  type GemmVariant,
  inBlock,
  readers,
  type TileConfiguration,
  vec4,
} from './gemm-frame.wgsl.ts';
import { lines, wgsl } from './wgsl.ts';

/** Bytes of workgroup memory: rows of vec4s, one more than there are, which spreads the banks. */
export function tileBytes({ BM, BN, BK }: TileConfiguration): number {
  return 16 * BK * (BM / 4 + 1 + BN / 4 + 1);
}

/** k that are written out one after another. */
const UNROLLED = 4;

export function tilePass(v: GemmVariant, c: TileConfiguration, frame: Frame) {
  const { M, N, K, transposeA, transposeB, columnSums } = v;
  const { BM, BN, BK, TM, TN } = c;
  const [x, y] = [BN / TN, BM / TM]; // threads along N and M
  const [pastM, pastN, pastK] = [M % BM > 0, N % BN > 0, K % BK > 0];
  const block = blockOf(TM, TN, pastM, v, frame);
  const edges = [pastM && 'row < M', pastN && 'col < N'].filter(Boolean).join(' && ');
  const put = frame.put('row', 'col', inBlock(TN));
  // Where a thread's quads of rows and of columns lie: as far apart as there are threads, so that neighbours read neighbours.
  const oneK = (j: number) => `{
      ${lines(TM / 4, (q) => `let a${q} = tileA[(k + ${j}u) * ${BM / 4 + 1}u + ${q * y}u + atA];`)}
      ${lines(TN / 4, (h) => `let b${h} = tileB[(k + ${j}u) * ${BN / 4 + 1}u + ${h * x}u + atB];`)}
      ${block.multiply}
      }`;
  const code = wgsl`
const THREADS = ${x * y}u;
var<workgroup> tileA: array<vec4f, ${BK * (BM / 4 + 1)}>; // (k, rows)
var<workgroup> tileB: array<vec4f, ${BK * (BN / 4 + 1)}>; // (k, columns)

${readers(v, frame, { pastM, pastN, pastK })}

@compute @workgroup_size(${x * y})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let top = group.y * ${BM}u;
  let left = group.x * ${BN}u;
  let atA = lane / ${x}u;
  let atB = lane % ${x}u;
  ${frame.open('group.z')}
  ${block.open}
  for (var k0 = ${frame.from}; k0 < ${frame.to}; k0 += ${BK}u) {
    ${stage('A', 'top', BM, c, !transposeA, pastK)}
    ${stage('B', 'left', BN, c, transposeB, false)}
    workgroupBarrier();
    for (var k = 0u; k < ${BK}u; k += ${UNROLLED}u) {
      ${lines(UNROLLED, oneK)}
    }
    workgroupBarrier();
  }
  ${block.close}
  for (var r = 0u; r < ${TM}u; r++) {
    let row = top + ((r >> 2u) * ${y}u + atA) * 4u + (r & 3u);
    for (var c = 0u; c < ${TN}u; c++) {
      let col = left + ((c >> 2u) * ${x}u + atB) * 4u + (c & 3u);
      ${edges === '' ? put : `if (${edges}) { ${put} }`}
    }
  }
#if ${columnSums === true}
  if (group.x == 0u && atB == 0u) {
    ${block.sums((r) => `(top + ${(r >> 2) * y * 4 + (r & 3)}u + atA * 4u)`)}
  }
#endif
  ${frame.close}
}
`;
  return { code, workgroups: [Math.ceil(N / BN), Math.ceil(M / BM)] as const, workgroupBytes: tileBytes(c) };
}

/**
 * Puts an operand's tile into workgroup memory. `across`: it lies in memory along k, so four rows of four k are turned round.
 * With `zeros` whatever is past K's end is zero: that of a, so that b may hold anything finite there.
 */
function stage(
  name: 'A' | 'B',
  first: string,
  side: number,
  { BK }: TileConfiguration,
  across: boolean,
  zeros: boolean,
): string {
  const width = side / 4 + 1;
  const read = (o: string, i: string, k: string) => {
    const four = `read${name}(offset${name}, ${o}, ${i})`;
    return zeros ? `select(vec4f(0.0), ${four}, ${k} < K)` : four;
  };
  const [count, body] = across
    ? [
        (side * BK) / 16,
        `let q = t / ${BK / 4}u; let k = (t % ${BK / 4}u) * 4u;
      ${lines(4, (r) => `let v${r} = ${read(`${first} + q * 4u + ${r}u`, 'k0 + k', 'k0 + k')};`)}
      ${lines(4, (j) => `tile${name}[(k + ${j}u) * ${width}u + q] = ${vec4((r) => `v${r}.${COMPONENT[j]}`)};`)}`,
      ]
    : [
        (side * BK) / 4,
        `let q = t % ${side / 4}u; let k = t / ${side / 4}u;
      tile${name}[k * ${width}u + q] = ${read('k0 + k', `${first} + q * 4u`, 'k0 + k')};`,
      ];
  return `for (var t = lane; t < ${count}u; t += THREADS) {\n      ${body}\n    }`;
}
