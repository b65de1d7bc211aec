// What the kernels of the product family share: what is computed (a variant) and how (a configuration), the batch and the part
// of K that a workgroup takes, where results go, and how operands are read.
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import { stridedIndex } from './strided.wgsl.ts';
import { lines, range } from './wgsl.ts';

/** What is computed. */
export interface GemmVariant {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  /** a is stored (K, M), b is stored (N, K). */
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  /** The batch axes of y, and how far one step along each moves in a and in b (0 where they are broadcast). */
  readonly batch: Shape;
  readonly strideA: readonly number[];
  readonly strideB: readonly number[];
  /** Whether a and b may be read as vec4f (plain buffers). */
  readonly directA: boolean;
  readonly directB: boolean;
  /** y + bias of the column, as input 2. */
  readonly bias?: boolean;
  /** With `transposeA` only: also stores Σ over K of a's columns as output 1 (a linear layer's bias gradient). */
  readonly columnSums?: boolean;
}

/** A thread owns `rows` x `columns` of y and reads its operands straight from memory; a workgroup has `x` by `y` threads. */
export interface RegisterConfiguration {
  readonly kernel: 'registers';
  readonly rows: number;
  readonly columns: number;
  readonly x: number;
  readonly y: number;
  /** Parts that K is cut into; a second pass adds them up in order. */
  readonly splitK?: number;
}

/** A workgroup stages BM x BK and BK x BN tiles in workgroup memory; a thread owns TM x TN of its BM x BN. */
export interface TileConfiguration {
  readonly kernel: 'tiles';
  readonly BM: number;
  readonly BN: number;
  readonly BK: number;
  readonly TM: number;
  readonly TN: number;
  readonly splitK?: number;
}

export type GemmConfiguration = RegisterConfiguration | TileConfiguration;

/** The names of a vec4's components. */
export const COMPONENT = ['x', 'y', 'z', 'w'] as const;

export function vec4(part: (i: number) => string): string {
  return `vec4f(${range(4).map(part).join(', ')})`;
}

/** Workgroups that every adapter allows along an axis. */
export const MOST_GROUPS = 65535;

/** What the kernels share: the batch and the part of K that a workgroup along z works on, and where results go. */
export interface Frame {
  /** Before and after what is done for one batch and one part, given the workgroup's place along z. */
  open(z: string): string;
  readonly close: string;
  /** Workgroups along z. */
  readonly z: number;
  /** The range of k, as expressions that `open` is before. */
  readonly from: string;
  readonly to: string;
  /** Stores `value` of y at `row` and `col`. */
  put(row: string, col: string, value: string): string;
  /** Stores a column's sum. */
  putSum(row: string, value: string): string;
  readonly vecA: boolean;
  readonly vecB: boolean;
}

export function frameOf(v: GemmVariant, c: GemmConfiguration, parts: number, chunk: number): Frame {
  const { M, N, K, transposeA, transposeB, strideA, strideB } = v;
  const batches = sizeOf(v.batch);
  const count = batches * parts;
  const many = count > MOST_GROUPS;
  const whole = parts === 1;
  const alone = c.kernel === 'registers';
  // The axis along which an operand lies in memory must hold whole vec4s for it to be read as such.
  const vec = (direct: boolean, along: number, strides: readonly number[]) =>
    direct && [along, ...strides].every((n) => n % 4 === 0);
  const cut = `let part = z % ${parts}u;
  let batch = z / ${parts}u;
  let end = min(K, part * ${chunk}u + ${chunk}u);`;
  const offsets = `${whole ? 'let batch = z;' : cut}
  let base = ${whole ? 'batch' : `(part * ${batches}u + batch)`} * ${M * N}u;
  let offsetA = ${stridedIndex('batch', v.batch, strideA, 0)};
  let offsetB = ${stridedIndex('batch', v.batch, strideB, 0)};`;
  return {
    open: (z) =>
      `${many ? `for (var z = ${z}; z < ${count}u; z += ${MOST_GROUPS}u) {` : `let z = ${z};`}\n  ${offsets}`,
    close: many ? '}' : '',
    z: Math.min(count, MOST_GROUPS),
    from: whole ? '0u' : `part * ${chunk}u`,
    to: whole ? 'K' : 'end',
    put: (row, col, value) =>
      whole
        ? `store0(base + ${row} * N + ${col}, ${value}${v.bias ? ` + load2(${col})` : ''});`
        : `parts[base + ${row} * N + ${col}] = ${value};`,
    putSum: (row, value) =>
      whole ? `store1(${row}, ${value});` : `parts[${count * M * N}u + part * M + ${row}] = ${value};`,
    vecA: vec(v.directA, transposeA ? M : K, strideA),
    // In registers, with both transposed, one k at a time is read across b's rows.
    vecB: vec(v.directB && !(transposeA && transposeB && alone), transposeB ? K : N, strideB),
  };
}

/** Which axes a kernel's reads may pass the end of. */
export interface Past {
  readonly pastM: boolean;
  readonly pastN: boolean;
  readonly pastK: boolean;
}

/** The name of a size, and whether reads pass it. */
type Axis = readonly [size: string, past: boolean];

/** `readA` and `readB`, with the guards that are needed. */
export function readers(v: GemmVariant, { vecA, vecB }: Frame, { pastM, pastN, pastK }: Past): string {
  const [M, N, K]: Axis[] = [
    ['M', pastM],
    ['N', pastN],
    ['K', pastK],
  ];
  return `${v.transposeA ? reader('A', 0, vecA, K!, M!) : reader('A', 0, vecA, M!, K!)}
${v.transposeB ? reader('B', 1, vecB, N!, K!) : reader('B', 1, vecB, K!, N!)}`;
}

/**
 * `readA(offset, o, i)`: four neighbours along the inner axis of a stored matrix. Past the inner end it reads zeros, or as
 * vec4 the last four; past the outer end it reads the last.
 */
function reader(name: string, k: number, vec: boolean, [outer, pastOuter]: Axis, [inner, pastInner]: Axis): string {
  const one = (c: number) =>
    pastInner
      ? `select(0.0, load${k}(at + min(i + ${c}u, ${inner} - 1u)), i + ${c}u < ${inner})`
      : `load${k}(at + i + ${c}u)`;
  return `fn read${name}(offset: u32, o: u32, i: u32) -> vec4f {
  let at = offset + ${pastOuter ? `min(o, ${outer} - 1u)` : 'o'} * ${inner};
  return ${vec ? `load${k}v((at + ${pastInner ? `min(i, ${inner} - 4u)` : 'i'}) / 4u)` : vec4(one)};
}`;
}

/** A thread's block of y in named accumulators. */
export interface Block {
  /** Declares them, and those of the column sums where there are any. */
  readonly open: string;
  /** One k: quads of a's column, `a0` and on, and of b's row, `b0` and on, multiplied each with each. */
  readonly multiply: string;
  /** Makes them the array `block`: stores are in a loop, since unrolled they would be most of what a driver has to compile. */
  readonly close: string;
  /** Stores the sums of the rows that `row` names. */
  sums(row: (r: number) => string): string;
}

/** The element of `block` at r and c. */
export function inBlock(columns: number): string {
  return `block[r * ${columns / 4}u + (c >> 2u)][c & 3u]`;
}

export function blockOf(rows: number, columns: number, pastM: boolean, v: GemmVariant, { putSum }: Frame): Block {
  const names = range(rows).flatMap((r) => range(columns / 4).map((h) => ({ acc: `acc${r}_${h}`, r, h })));
  const quads = v.columnSums ? rows / 4 : 0;
  return {
    open: [...names.map(({ acc }) => acc), ...range(quads).map((q) => `sums${q}`)]
      .map((name) => `var ${name} = vec4f(0.0);`)
      .join('\n'),
    multiply: [
      ...names.map(({ acc, r, h }) => `${acc} += a${r >> 2}.${COMPONENT[r & 3]} * b${h};`),
      ...range(quads).map((q) => `sums${q} += a${q};`),
    ].join('\n'),
    close: `var block = array<vec4f, ${names.length}>(${names.map(({ acc }) => acc).join(', ')});`,
    sums: (row) =>
      lines(rows, (r) => {
        const put = putSum(row(r), `sums${r >> 2}.${COMPONENT[r & 3]}`);
        return pastM ? `if (${row(r)} < M) { ${put} }` : put;
      }),
  };
}
