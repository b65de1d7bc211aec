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

/** The block of y whose edges decide whether reads are clamped: a thread's, or a workgroup's where its lanes load for each other. */
export function reachOf({ rows, columns, x, y, share }: RegisterConfiguration): { rows: number; columns: number } {
  return { rows: share === 'b' ? rows * y : rows, columns: share === 'a' ? columns * x : columns };
}

export function registerKernel(v: GemmVariant, c: RegisterConfiguration, frame: Frame): KernelSpec {
  const { M, N, K, transposeA, transposeB } = v;
  const singly = transposeA && c.share === undefined;
  const pastRound = K % 4 > 0;
  const reach = reachOf(c);
  // One k at a time passes no end, but without the clamp lavapipe's compiler makes slower code.
  const past = { pastM: M % reach.rows > 0, pastN: N % reach.columns > 0, pastK: singly || pastRound };
  return inRegisters(v, c, frame, (k, multiply) => {
    const readers = frame.readers(k, past);
    return wgsl`
for (var k = ${frame.from}; k < ${frame.to}; k += ${singly ? 1 : 4}u) {
#if ${singly}
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
  const unshared = share === undefined;
  // Lanes beyond y's end load and exchange too, and store nothing.
  const left = (size: string, at: string) => (unshared ? `${size} - ${at}` : `${size} - min(${at}, ${size})`);
  return {
    workgroup: [x, y, 1],
    grid: [Math.ceil(N / columns / x), Math.ceil(M / rows / y), frame.z],
    ...(unshared ? {} : { requires: [SUBGROUPS] }),
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
#if ${unshared}
if (col >= N || row >= M) { return; }
#endif
${frame.each(unshared ? 'id.z' : 'group.z', statements)}
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

/** Where a thread's part of an operand is: `count` rows or columns from `first` on, with k as the inner axis or not. */
interface OperandPlace {
  readonly read: string;
  readonly offset: string;
  readonly first: string;
  readonly count: number;
  readonly inner: boolean;
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
  /** A value of row `k + j` of four, of which the later ones may be past the end. */
  const masked = (value: string, j: string) => (pastK ? `select(vec4f(0.0), ${value}, k + ${j} < K)` : value);
  /** Declares an operand's vec4s: of each of its rows or columns, `a3`, or of each k and quad of them, `b2_0`. */
  const declared = (name: 'a' | 'b', { read, offset, first, count, inner }: OperandPlace) => {
    const [along, quads] = [`${read}(${offset}, `, count / 4];
    if (inner) {
      const load = (i: string) => `${along}${first} + ${i}, k)`;
      const own = (i: number) => `${name}${i}`;
      return share === name
        ? exchanged(`${name}Own`, count, lanes, load, own)
        : lines(count, (i) => `let ${own(i)} = ${load(`${i}u`)};`);
    }
    const load = (j: string, q: string) => `${along}k + ${j}, ${first} + ${q})`;
    const own = (i: number) => `${name}${Math.floor(i / quads)}_${i % quads}`;
    if (share === name) {
      const place = (i: string) => [`${i} / ${quads}u`, `${i} % ${quads}u * 4u`] as const;
      return exchanged(`${name}Own`, count, lanes, (i) => masked(load(...place(i)), place(i)[0]), own);
    }
    return lines(count, (i) => {
      const [j, q] = [Math.floor(i / quads), i % quads];
      const value = load(`${j}u`, `${q * 4}u`);
      return `let ${own(i)} = ${j === 0 ? value : masked(value, `${j}u`)};`;
    });
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
  return `${declared('a', { read: readA, offset: 'offsetA', first: 'row', count: rows, inner: !transposeA })}
${declared('b', { read: readB, offset: 'offsetB', first: 'col', count: columns, inner: transposeB })}
${transposeA ? lines(4, byOne) : lines(rows, (r) => lines(columns / 4, (h) => `acc${r}_${h} += ${sum(r, h)};`))}`;
}
