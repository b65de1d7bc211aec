// The product in registers: a thread reads its operands straight from memory and never waits, the fast way where barriers are
// not cheap.
import type { KernelSpec, KernelText } from '../src/graph/kernel.ts';
import {
  blockOf,
  COMPONENT,
  type Frame,
  type GemmVariant,
  inBlock,
  type Readers,
  type RegisterConfiguration,
  vec4,
} from './gemm-frame.wgsl.ts';
import { lines, range, wgsl } from './wgsl.ts';

export function registerKernel(v: GemmVariant, c: RegisterConfiguration, frame: Frame): KernelSpec {
  const { M, N, K, transposeA, transposeB, raggedK = false } = v;
  const pastRound = raggedK || K % 4 > 0;
  // One k at a time passes no end, but without the clamp lavapipe's compiler makes slower code.
  const past = { pastM: M % c.rows > 0, pastN: N % c.columns > 0, pastK: transposeA || pastRound };
  return inRegisters(v, c, frame, (k, multiply) => {
    const readers = frame.readers(k, past);
    return wgsl`
for (var k = ${frame.from}; k < ${frame.to}; k += ${transposeA ? 1 : 4}u) {
#if ${transposeA}
  ${oneDeep(c, transposeB, readers)}
  ${multiply}
#else
  ${fourDeep(c, transposeB, readers, pastRound)}
#endif
}
`;
  });
}

/** A kernel whose threads sum a block of y in `loops`, given the statement that multiplies quads of a's column and b's row, and store it. */
export function inRegisters(
  v: GemmVariant,
  { rows, columns, x, y }: RegisterConfiguration,
  frame: Frame,
  loops: (k: KernelText, multiply: string) => string,
): KernelSpec {
  const { M, N, columnSums } = v;
  return {
    workgroup: [x, y, 1],
    grid: [Math.ceil(N / columns / x), Math.ceil(M / rows / y), frame.z],
    body: (k) => {
      const block = blockOf(rows, columns, M % rows > 0, v, frame);
      const statements = wgsl`
${block.open}
${loops(k, block.multiply)}
${block.close}
for (var r = 0u; r < min(${rows}u, M - row); r++) {
  for (var c = 0u; c < min(${columns}u, N - col); c++) {
    ${frame.put(k, '(row + r)', '(col + c)', inBlock(columns))}
  }
}
#if ${columnSums === true}
if (col == 0u) {
  ${columnSums ? block.sums(k, '(row + r)') : ''}
}
#endif
`;
      return wgsl`
${frame.sizes}
let col = id.x * ${columns}u;
let row = id.y * ${rows}u;
if (col >= N || row >= M) { return; }
${frame.each('id.z', statements)}
`;
    },
  };
}

/** One k: a column of a, which is stored as a row, and a row of b. */
function oneDeep({ rows, columns }: RegisterConfiguration, transposeB: boolean, { readA, readB }: Readers): string {
  const b = (h: number) =>
    transposeB ? vec4((c) => `${readB}(offsetB, col + ${h * 4 + c}u, k).x`) : `${readB}(offsetB, k, col + ${h * 4}u)`;
  return `${lines(rows / 4, (q) => `let a${q} = ${readA}(offsetA, k, row + ${q * 4}u);`)}
${lines(columns / 4, (h) => `let b${h} = ${b(h)};`)}`;
}

/** Four k at once. Past K's end both are zeros. */
function fourDeep(
  { rows, columns }: RegisterConfiguration,
  transposeB: boolean,
  { readA, readB }: Readers,
  pastK: boolean,
): string {
  const parts = columns / 4;
  const within = (j: number, b: string) => (pastK && j > 0 ? `select(vec4f(0.0), ${b}, k + ${j}u < K)` : b);
  const b = transposeB
    ? lines(columns, (c) => `let b${c} = ${readB}(offsetB, col + ${c}u, k);`)
    : lines(4, (j) =>
        lines(parts, (h) => `let b${j}_${h} = ${within(j, `${readB}(offsetB, k + ${j}u, col + ${h * 4}u)`)};`),
      );
  const sum = (r: number, h: number) =>
    transposeB
      ? vec4((c) => `dot(a${r}, b${h * 4 + c})`)
      : range(4)
          .map((j) => `a${r}.${COMPONENT[j]} * b${j}_${h}`)
          .join(' + ');
  return `${lines(rows, (r) => `let a${r} = ${readA}(offsetA, row + ${r}u, k);`)}
${b}
${lines(rows, (r) => lines(parts, (h) => `acc${r}_${h} += ${sum(r, h)};`))}`;
}
