// What the kernels of the product family share: what is computed (a variant) and how (a configuration), the batch and the part
// of K that a workgroup takes, where results go, and how operands are read.
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import { stridedIndex } from './strided.wgsl.ts';
import { range } from './wgsl.ts';

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
    // The axis along which an operand lies in memory must hold whole vec4s for it to be read as such.
    vecA:
      v.directA &&
      (transposeA ? M : K) % 4 === 0 &&
      strideA.every((n) => n % 4 === 0) &&
      !(transposeA && alone && c.rows % 4 > 0), // blocks would begin amid a vec4
    vecB:
      v.directB &&
      (transposeB ? K : N) % 4 === 0 &&
      strideB.every((n) => n % 4 === 0) &&
      !(transposeA && transposeB && alone), // one k at a time, across b's rows
  };
}

/** An operand's two stored axes, as constants of the text, and whether a kernel's reads pass their ends. */
export interface Stored {
  readonly outer: string;
  readonly inner: string;
  readonly pastOuter: boolean;
  readonly pastInner: boolean;
}

/**
 * `readA(offset, o, i)`: four neighbours along the inner axis of a stored matrix. Past the inner end it reads zeros, or as
 * vec4 the last four; past the outer end it reads the last.
 */
export function reader(name: string, k: number, vec: boolean, { outer, inner, pastOuter, pastInner }: Stored): string {
  const o = pastOuter ? `min(o, ${outer} - 1u)` : 'o';
  const one = (c: number) =>
    pastInner
      ? `select(0.0, load${k}(at + min(i + ${c}u, ${inner} - 1u)), i + ${c}u < ${inner})`
      : `load${k}(at + i + ${c}u)`;
  const body = vec
    ? `return load${k}v((at + ${pastInner ? `min(i, ${inner} - 4u)` : 'i'}) / 4u);`
    : `return ${vec4(one)};`;
  return `fn read${name}(offset: u32, o: u32, i: u32) -> vec4f {
  let at = offset + ${o} * ${inner};
  ${body}
}`;
}
