// The product in registers: a thread reads its operands straight from memory and nobody waits for anybody, the fast way where
// a CPU pretends to be a GPU.
import {
  blockOf,
  COMPONENT,
  type Frame,
  type GemmVariant,
  inBlock,
  type RegisterConfiguration,
  readers,
  vec4,
} from './gemm-frame.wgsl.ts';
import { lines, range, wgsl } from './wgsl.ts';

export function registerPass(v: GemmVariant, c: RegisterConfiguration, frame: Frame) {
  const { M, N, K, transposeA, transposeB, columnSums } = v;
  const { rows, columns } = c;
  const [pastM, pastN] = [M % rows > 0, N % columns > 0];
  // One k at a time passes no end, but without the clamp lavapipe's compiler makes slower code.
  const past = { pastM, pastN, pastK: transposeA || K % 4 > 0 };
  const block = blockOf(rows, columns, pastM, v, frame);
  const code = wgsl`
${readers(v, frame, past)}

@compute @workgroup_size(${c.x}, ${c.y})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let col = id.x * ${columns}u;
  let row = id.y * ${rows}u;
  if (col >= N || row >= M) { return; }
  ${frame.open('id.z')}
  ${block.open}
  for (var k = ${frame.from}; k < ${frame.to}; k += ${transposeA ? 1 : 4}u) {
    ${transposeA ? oneDeep(c, transposeB) : fourDeep(c, transposeB)}
#if ${transposeA}
    ${block.multiply}
#endif
  }
  ${block.close}
  for (var r = 0u; r < min(${rows}u, M - row); r++) {
    for (var c = 0u; c < min(${columns}u, N - col); c++) {
      ${frame.put('(row + r)', '(col + c)', inBlock(columns))}
    }
  }
#if ${columnSums === true}
  if (col == 0u) {
    ${block.sums((r) => `(row + ${r}u)`)}
  }
#endif
  ${frame.close}
}
`;
  const workgroups = [Math.ceil(N / columns / c.x), Math.ceil(M / rows / c.y)] as const;
  return { code, workgroups, workgroupBytes: undefined };
}

/** One k: a column of a, which is stored as a row, and a row of b. */
function oneDeep({ rows, columns }: RegisterConfiguration, transposeB: boolean): string {
  const b = (h: number) =>
    transposeB ? vec4((c) => `readB(offsetB, col + ${h * 4 + c}u, k).x`) : `readB(offsetB, k, col + ${h * 4}u)`;
  return `${lines(rows / 4, (q) => `let a${q} = readA(offsetA, k, row + ${q * 4}u);`)}
    ${lines(columns / 4, (h) => `let b${h} = ${b(h)};`)}`;
}

/** Four k at once. Past K's end a reads zeros, so b may read anything finite. */
function fourDeep({ rows, columns }: RegisterConfiguration, transposeB: boolean): string {
  const parts = columns / 4;
  const b = transposeB
    ? lines(columns, (c) => `let b${c} = readB(offsetB, col + ${c}u, k);`)
    : lines(4, (j) => lines(parts, (h) => `let b${j}_${h} = readB(offsetB, k + ${j}u, col + ${h * 4}u);`));
  const sum = (r: number, h: number) =>
    transposeB
      ? vec4((c) => `dot(a${r}, b${h * 4 + c})`)
      : range(4)
          .map((j) => `a${r}.${COMPONENT[j]} * b${j}_${h}`)
          .join(' + ');
  return `${lines(rows, (r) => `let a${r} = readA(offsetA, row + ${r}u, k);`)}
    ${b}
    ${lines(rows, (r) => lines(parts, (h) => `acc${r}_${h} += ${sum(r, h)};`))}`;
}
