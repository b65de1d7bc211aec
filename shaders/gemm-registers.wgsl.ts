// The product in registers: a thread reads its operands straight from memory and never waits, the fast way where barriers are
// not cheap. Where lanes can exchange values, what a subgroup shares is loaded once.
import { type KernelSpec, type KernelText, SUBGROUPS } from '../src/graph/kernel.ts';
import { exchanged } from './exchange.wgsl.ts';
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

/** The rows and columns of y that threads of a workgroup take on without asking whether they are there. */
export function reachOf({ rows, columns, x, y, share }: RegisterConfiguration): { rows: number; columns: number } {
  return { rows: share === 'b' ? rows * y : rows, columns: share === 'a' ? columns * x : columns };
}

export function registerKernel(v: GemmVariant, c: RegisterConfiguration, frame: Frame): KernelSpec {
  const { M, N, K, transposeA, transposeB } = v;
  const one = transposeA && c.share === undefined;
  const pastRound = K % 4 > 0;
  const reach = reachOf(c);
  // One k at a time passes no end, but without the clamp lavapipe's compiler makes slower code.
  const past = { pastM: M % reach.rows > 0, pastN: N % reach.columns > 0, pastK: one || pastRound };
  return inRegisters(v, c, frame, (k, multiply) => {
    const readers = frame.readers(k, past);
    return wgsl`
for (var k = ${frame.from}; k < ${frame.to}; k += ${one ? 1 : 4}u) {
#if ${one}
  ${oneDeep(c, transposeB, readers)}
  ${multiply}
#else
  ${fourDeep(v, c, readers, pastRound, multiply)}
#endif
}
`;
  });
}

/** A kernel whose threads sum a block of y in `loops`, given the statement that multiplies quads of a's column and b's row, and store it. */
export function inRegisters(
  v: GemmVariant,
  c: RegisterConfiguration,
  frame: Frame,
  loops: (k: KernelText, multiply: string) => string,
): KernelSpec {
  const { M, N, columnSums } = v;
  const { rows, columns, x, y, share } = c;
  const apart = share === undefined;
  // Lanes beyond y's end load and exchange too, and store nothing.
  const left = (size: string, at: string) => (apart ? `${size} - ${at}` : `${size} - min(${at}, ${size})`);
  return {
    workgroup: [x, y, 1],
    grid: [Math.ceil(N / columns / x), Math.ceil(M / rows / y), frame.z],
    ...(apart ? {} : { requires: [SUBGROUPS] }),
    body: (k) => {
      const block = blockOf(rows, columns, M % reachOf(c).rows > 0, v, frame);
      const statements = wgsl`
${block.open}
${loops(k, block.multiply)}
${block.close}
for (var r = zero; r < min(${rows}u, ${left('M', 'row')}); r++) {
  for (var c = zero; c < min(${columns}u, ${left('N', 'col')}); c++) {
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
#if ${apart}
if (col >= N || row >= M) { return; }
#endif
${frame.each(apart ? 'id.z' : 'group.z', statements)}
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

/** Four k at once: operands of which k is the inner axis are vec4s along it, the others four rows of vec4s. Past K's end both are zeros. */
function fourDeep(
  { transposeA, transposeB }: GemmVariant,
  c: RegisterConfiguration,
  { readA, readB }: Readers,
  pastK: boolean,
  multiply: string,
): string {
  const { rows, columns, share } = c;
  const lanes = c.x * c.y;
  const operand = (name: 'a' | 'b', read: string, offset: string, at: string, size: number, inner: boolean) => {
    const quads = size / 4;
    const place = (i: string, j: string) =>
      `${read}(${offset}, ${inner ? `${at} + ${i}, k` : `k + ${j}, ${at} + ${i}`})`;
    const whole = (j: string, value: string) =>
      pastK && j !== '0u' ? `select(vec4f(0.0), ${value}, k + ${j} < K)` : value;
    if (share === name)
      return exchanged(
        `${name}Own`,
        size,
        lanes,
        (i) => (inner ? place(i, '') : whole(`${i} / ${quads}u`, place(`${i} % ${quads}u * 4u`, `${i} / ${quads}u`))),
        (i) => (inner ? `${name}${i}` : `${name}${Math.floor(i / quads)}_${i % quads}`),
      );
    if (inner) return lines(size, (i) => `let ${name}${i} = ${place(`${i}u`, '')};`);
    return lines(4, (j) =>
      lines(quads, (q) => `let ${name}${j}_${q} = ${whole(`${j}u`, place(`${q * 4}u`, `${j}u`))};`),
    );
  };
  const sum = (r: number, h: number) =>
    transposeB
      ? vec4((c) => `dot(a${r}, b${h * 4 + c})`)
      : range(4)
          .map((j) => `a${r}.${COMPONENT[j]} * b${j}_${h}`)
          .join(' + ');
  const quadOfB = (j: number, h: number) => (transposeB ? vec4((c) => `b${h * 4 + c}.${COMPONENT[j]}`) : `b${j}_${h}`);
  const byOne = (j: number) => `{
  ${lines(rows / 4, (q) => `let a${q} = a${j}_${q};`)}
  ${lines(columns / 4, (h) => `let b${h} = ${quadOfB(j, h)};`)}
  ${multiply}
}`;
  return `${operand('a', readA, 'offsetA', 'row', rows, !transposeA)}
${operand('b', readB, 'offsetB', 'col', columns, transposeB)}
${transposeA ? lines(4, byOne) : lines(rows, (r) => lines(columns / 4, (h) => `acc${r}_${h} += ${sum(r, h)};`))}`;
}
