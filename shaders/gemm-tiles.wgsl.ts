// The product by tiles: a workgroup stages BM x BK of a and BK x BN of b in workgroup memory, k by k, a as vec4s along M and b as
// vec4s along N, and a thread multiplies TM x TN of them in named accumulators.
import { type KernelSpec, type SharedArray, sharedBytesOf } from '../src/graph/kernel.ts';
import {
  blockOf,
  COMPONENT,
  type Frame,
  type GemmVariant,
  inBlock,
  type TileConfiguration,
  vec4,
} from './gemm-frame.wgsl.ts';
import { lines, wgsl } from './wgsl.ts';

/** Workgroup memory: rows of vec4s, one more than there are, which spreads the banks. */
function tilesOf({ BM, BN, BK }: TileConfiguration): readonly [a: SharedArray, b: SharedArray] {
  return [
    { name: 'tileA', type: 'vec4f', size: BK * (BM / 4 + 1) }, // (k, rows)
    { name: 'tileB', type: 'vec4f', size: BK * (BN / 4 + 1) }, // (k, columns)
  ];
}

export function tileBytes(c: TileConfiguration): number {
  const [a, b] = tilesOf(c);
  return sharedBytesOf(a) + sharedBytesOf(b);
}

/** k that are written out one after another. */
const UNROLLED = 4;

export function tileKernel(v: GemmVariant, c: TileConfiguration, frame: Frame): KernelSpec {
  const { M, N, K, transposeA, transposeB, columnSums, raggedK = false } = v;
  const { BM, BN, BK, TM, TN } = c;
  const [x, y] = [BN / TN, BM / TM]; // threads along N and M
  const [pastM, pastN, pastK] = [M % BM > 0, N % BN > 0, raggedK || K % BK > 0];
  const edges = [pastM && 'row < M', pastN && 'col < N'].filter(Boolean).join(' && ');
  const shared = tilesOf(c);
  return {
    workgroup: [x * y, 1, 1],
    grid: [Math.ceil(N / BN), Math.ceil(M / BM), frame.z],
    shared,
    barriers: true,
    body: (k) => {
      const block = blockOf(TM, TN, pastM, v, frame);
      const { readA, readB } = frame.readers(k, { pastM, pastN, pastK });
      const [tileA, tileB] = [k.shared(shared[0]), k.shared(shared[1])];
      const put = frame.put(k, 'row', 'col', inBlock(TN));
      // Where a thread's quads of rows and of columns lie: as far apart as there are threads, so that neighbours read neighbours.
      const oneK = (j: number) => wgsl`
{
  ${lines(TM / 4, (q) => `let a${q} = ${tileA}[(k + ${j}u) * ${BM / 4 + 1}u + ${q * y}u + atA];`)}
  ${lines(TN / 4, (h) => `let b${h} = ${tileB}[(k + ${j}u) * ${BN / 4 + 1}u + ${h * x}u + atB];`)}
  ${block.multiply}
}
`;
      const a = { tile: tileA, read: `${readA}(offsetA`, first: 'top', side: BM, across: !transposeA };
      const b = { tile: tileB, read: `${readB}(offsetB`, first: 'left', side: BN, across: transposeB };
      const statements = wgsl`
${block.open}
for (var k0 = ${frame.from}; k0 < ${frame.to}; k0 += ${BK}u) {
  ${stage(a, c, pastK)}
  ${stage(b, c, pastK)}
  ${k.barrier()}
  for (var k = 0u; k < ${BK}u; k += ${UNROLLED}u) {
    ${lines(UNROLLED, oneK)}
  }
  ${k.barrier()}
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
  ${columnSums ? block.sums(k, `(top + ((r >> 2u) * ${y}u + atA) * 4u + (r & 3u))`) : ''}
}
#endif
`;
      return wgsl`
${frame.sizes}
const THREADS = ${x * y}u;
let top = group.y * ${BM}u;
let left = group.x * ${BN}u;
let atA = lane / ${x}u;
let atB = lane % ${x}u;
${frame.each('group.z', statements)}
`;
    },
  };
}

/** How an operand gets into workgroup memory. */
interface Staging {
  readonly tile: string;
  /** The call that reads four neighbours, up to the operand's offset. */
  readonly read: string;
  /** The first row (of a) or column (of b), and how many. */
  readonly first: string;
  readonly side: number;
  /** It lies in memory along k, so four rows of four k are turned round. */
  readonly across: boolean;
}

/** Puts an operand's tile into workgroup memory, with zeros past K's end. */
function stage({ tile, read, first, side, across }: Staging, { BK }: TileConfiguration, pastK: boolean): string {
  const width = side / 4 + 1;
  const four = (o: string, i: string) => {
    const values = `${read}, ${o}, ${i})`;
    return pastK ? `select(vec4f(0.0), ${values}, k0 + k < K)` : values;
  };
  return across
    ? wgsl`
for (var t = lane; t < ${(side * BK) / 16}u; t += THREADS) {
  let q = t / ${BK / 4}u;
  let k = (t % ${BK / 4}u) * 4u;
  ${lines(4, (r) => `let v${r} = ${four(`${first} + q * 4u + ${r}u`, 'k0 + k')};`)}
  ${lines(4, (j) => `${tile}[(k + ${j}u) * ${width}u + q] = ${vec4((r) => `v${r}.${COMPONENT[j]}`)};`)}
}
`
    : wgsl`
for (var t = lane; t < ${(side * BK) / 4}u; t += THREADS) {
  let q = t % ${side / 4}u;
  let k = t / ${side / 4}u;
  ${tile}[k * ${width}u + q] = ${four('k0 + k', `${first} + q * 4u`)};
}
`;
}
