// What the kernels of the product family share: what is computed (a variant) and how (a configuration), the batch and the part
// of K that a workgroup takes, where results go, and how operands are read.
import type { Declaration, KernelText, OperandText, Scratch } from '../src/graph/kernel.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import { stridedIndex } from './strided.wgsl.ts';
import { range, wgsl } from './wgsl.ts';

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
  /** K is smaller than this for some places along z, where `each` declares its own. */
  readonly raggedK?: boolean;
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
  /**
   * The operand of which the lanes of a subgroup need the same values: they load them between them. A workgroup is a subgroup then, along
   * the columns of y for a, along its rows for b. Default: each thread loads all that it needs.
   */
  readonly share?: 'a' | 'b';
  /** Parts that K is cut into; a second kernel adds them up in order. */
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

/** What the kernels share: the batch and the part of K that a workgroup along z works on, and where results go. */
export interface Frame {
  /** The sizes as WGSL constants. */
  readonly sizes: string;
  /** Wraps what is done for one batch and one part, given the workgroup's place along z. */
  each(z: string, statements: string): string;
  /** Workgroups along z. */
  readonly z: number;
  /** The range of k, as expressions within `each`. */
  readonly from: string;
  readonly to: string;
  /** Where the parts' results are, where K is cut: y of each part and batch, then the column sums of each part. */
  readonly partial: Scratch | undefined;
  /** The statement that stores `value` of y at `row` and `col`. */
  put(k: KernelText, row: string, col: string, value: string): string;
  /** The statement that stores a column's sum. */
  putSum(k: KernelText, row: string, value: string): string;
  readonly vecA: boolean;
  readonly vecB: boolean;
  /** Declares the functions that read the operands. */
  readers(k: KernelText, past: Past): Readers;
}

export function frameOf(v: GemmVariant, c: GemmConfiguration, parts: number, chunk: number): Frame {
  const { M, N, K, transposeA, transposeB, strideA, strideB } = v;
  const batches = sizeOf(v.batch);
  const count = batches * parts;
  const whole = parts === 1;
  const unshared = c.kernel === 'registers' && c.share === undefined;
  const size = count * M * N + (v.columnSums ? parts * M : 0);
  const partial: Scratch | undefined = whole ? undefined : { name: 'parts', type: 'f32', size };
  // The axis along which an operand lies in memory must hold whole vec4s for it to be read as such.
  const vec = (direct: boolean, along: number, strides: readonly number[]) =>
    direct && [along, ...strides].every((n) => n % 4 === 0);
  const vecA = vec(v.directA, transposeA ? M : K, strideA);
  // Where each thread loads for itself, with both transposed, one k at a time is read across b's rows.
  const vecB = vec(v.directB && !(transposeA && transposeB && unshared), transposeB ? K : N, strideB);
  return {
    sizes: `const M = ${M}u;\nconst N = ${N}u;\nconst K = ${K}u;`,
    each: (z, statements) => wgsl`
let z = ${z};
#if ${whole}
let batch = z;
let base = batch * ${M * N}u;
#else
let part = z % ${parts}u;
let batch = z / ${parts}u;
let end = min(K, part * ${chunk}u + ${chunk}u);
let base = (part * ${batches}u + batch) * ${M * N}u;
#endif
let offsetA = ${stridedIndex('batch', v.batch, strideA, 0)};
let offsetB = ${stridedIndex('batch', v.batch, strideB, 0)};
${statements}
`,
    z: count,
    from: whole ? '0u' : `part * ${chunk}u`,
    to: whole ? 'K' : 'end',
    partial,
    put: (k, row, col, value) => {
      const at = `base + ${row} * N + ${col}`;
      if (partial) return k.scratch(partial).store(at, value);
      return k.outputs[0]!.store(at, `${value}${v.bias ? ` + ${k.inputs[2]!.load(col)}` : ''}`);
    },
    putSum: (k, row, value) =>
      partial
        ? k.scratch(partial).store(`${count * M * N}u + part * M + ${row}`, value)
        : k.outputs[1]!.store(row, value),
    vecA,
    vecB,
    readers: (k, past) => readersOf(k, v, { vecA, vecB }, past),
  };
}

/** Which axes a kernel's reads may pass the end of. */
export interface Past {
  readonly pastM: boolean;
  readonly pastN: boolean;
  readonly pastK: boolean;
}

/** A size, and whether reads pass it. */
export type Axis = readonly [size: number, past: boolean];

/** The functions that read a and b, with the guards that are needed. */
export interface Readers {
  readonly readA: string;
  readonly readB: string;
}

function readersOf(k: KernelText, v: GemmVariant, { vecA, vecB }: Pick<Frame, 'vecA' | 'vecB'>, past: Past): Readers {
  const M: Axis = [v.M, past.pastM];
  const N: Axis = [v.N, past.pastN];
  const K: Axis = [v.K, past.pastK];
  const [a, b] = k.inputs;
  return {
    readA: k.declare(v.transposeA ? reader('readA', a!, vecA, K, M) : reader('readA', a!, vecA, M, K)),
    readB: k.declare(v.transposeB ? reader('readB', b!, vecB, N, K) : reader('readB', b!, vecB, K, N)),
  };
}

/**
 * `readA(offset, o, i)`: four neighbours along the inner axis of a stored matrix, whose rows are `pitch` apart. Past the inner end it reads
 * zeros, or as vec4 the last four; past the outer end it reads the last.
 */
export function reader(
  name: string,
  x: OperandText,
  vec: boolean,
  [outer, pastOuter]: Axis,
  [inner, pastInner]: Axis,
  pitch = inner,
): Declaration {
  const one = (c: number) =>
    pastInner
      ? `select(0.0, ${x.load(`at + min(i + ${c}u, ${inner - 1}u)`)}, i + ${c}u < ${inner}u)`
      : x.load(`at + i + ${c}u`);
  const four = vec ? x.load4(`(at + ${pastInner ? `min(i, ${inner - 4}u)` : 'i'}) / 4u`) : vec4(one);
  return {
    name,
    text: (name) => `fn ${name}(offset: u32, o: u32, i: u32) -> vec4f {
  let at = offset + ${pastOuter ? `min(o, ${outer - 1}u)` : 'o'} * ${pitch}u;
  return ${four};
}`,
  };
}

/** A thread's block of y in named accumulators. */
export interface Block {
  /** Declares them, and those of the column sums where there are any. */
  readonly open: string;
  /** One k: quads of a's column, `a0` and on, and of b's row, `b0` and on, multiplied each with each. */
  readonly multiply: string;
  /** Makes them the array `block`: stores are in a loop, since unrolled they would be most of what a driver has to compile. */
  readonly close: string;
  /** Stores the column sums, `row` being the row of a thread's row `r`; in a loop for the same reason. */
  sums(k: KernelText, row: string): string;
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
    sums: (k, row) => {
      const put = putSum(k, row, 'sums[r >> 2u][r & 3u]');
      return `var sums = array<vec4f, ${quads}>(${range(quads)
        .map((q) => `sums${q}`)
        .join(', ')});
for (var r = zero; r < ${rows}u; r++) {
  ${pastM ? `if (${row} < M) { ${put} }` : put}
}`;
    },
  };
}
