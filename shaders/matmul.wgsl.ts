// y = a · b for (…, M, K) and (…, K, N), either operand stored transposed. Two variants of one family:
//   registers: a thread owns 4 rows x 8 columns in named accumulators and reads its operands straight from memory, no
//              barrier: the fast one where a CPU pretends to be a GPU;
//   tiles:     a workgroup stages BM x BK and BK x BN tiles in workgroup memory, a thread owns 4 x 4 of the result.
// With `columnSums` the kernel also stores Σ over K of a's columns as output 1 (a linear layer's bias gradient).
import type { KernelPlan } from '../src/graph/op.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import { stridedIndex } from '../src/ops/broadcast.ts';
import { wgsl } from './wgsl.ts';

export interface MatmulVariant {
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
  readonly software: boolean;
  /** Whether a and b may be read as vec4f (plain buffers). */
  readonly directA: boolean;
  readonly directB: boolean;
  /** y + bias of the column, as input 2. */
  readonly bias?: boolean;
  readonly columnSums?: boolean;
}

export function matmulKernel(v: MatmulVariant): KernelPlan {
  return v.software ? registerKernel(v) : tileKernel(v);
}

const COMPONENT = ['x', 'y', 'z', 'w'] as const;
const ROWS = 4;
const COLS = 8;

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

function lines(n: number, text: (i: number) => string): string {
  return range(n).map(text).join('\n');
}

function offset(name: string, v: MatmulVariant, strides: readonly number[]): string {
  return `let ${name} = ${stridedIndex('batch', v.batch, strides, 0)};`;
}

function registerKernel(v: MatmulVariant): KernelPlan {
  const { M, N, K, transposeA, transposeB } = v;
  // The axis along which each operand lies in memory must hold whole vec4s for them to be read as such.
  const vecA = v.directA && (transposeA ? M : K) % 4 === 0 && v.strideA.every((n) => n % 4 === 0);
  const vecB = v.directB && (transposeB ? K : N) % 4 === 0 && v.strideB.every((n) => n % 4 === 0);
  const step = (transposeA && !transposeB) || K < 4 ? 1 : 4;
  const X = 8;
  const Y = 8;
  const columns = Math.ceil(N / COLS);
  const rows = Math.ceil(M / ROWS);
  const code = wgsl`
const M = ${M}u;
const N = ${N}u;
const K = ${K}u;
const STEP = ${step}u;

${reader('A', 0, vecA, transposeA ? 'K' : 'M', transposeA ? 'M' : 'K')}
${reader('B', 1, vecB, transposeB ? 'N' : 'K', transposeB ? 'K' : 'N')}

@compute @workgroup_size(${X}, ${Y})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let col = id.x * ${COLS}u;
  let row = id.y * ${ROWS}u;
  let batch = id.z;
  if (col >= N || row >= M) { return; }
  ${offset('offsetA', v, v.strideA)}
  ${offset('offsetB', v, v.strideB)}
  ${lines(ROWS, (r) => `var acc${r}0 = vec4f(0.0); var acc${r}1 = vec4f(0.0);`)}
#if ${v.columnSums === true}
  var sums = vec4f(0.0);
#endif
  for (var k = 0u; k < K; k += STEP) {
    ${step === 1 ? outerProduct(transposeA, transposeB) : fourDeep(transposeA, transposeB)}
#if ${v.columnSums === true}
    sums += a;
#endif
  }
  let base = batch * ${M * N}u + row * N + col;
  ${lines(
    ROWS,
    (r) =>
      `if (row + ${r}u < M) {\n${range(COLS)
        .map((c) => `    ${storeOne(v, r, c)}`)
        .join('\n')}\n  }`,
  )}
#if ${v.columnSums === true}
  if (col == 0u) {
    ${lines(ROWS, (r) => `if (row + ${r}u < M) { store1(row + ${r}u, sums.${COMPONENT[r]}); }`)}
  }
#endif
}
`;
  return {
    passes: [
      {
        code,
        workgroups: [Math.ceil(columns / X), Math.ceil(rows / Y), sizeOf(v.batch)],
        inputs: v.bias ? [0, 1, 2] : [0, 1],
        outs: v.columnSums ? [0, 1] : [0],
        vec4: [...(vecA ? [0] : []), ...(vecB ? [1] : [])],
      },
    ],
  };
}

function storeOne(v: MatmulVariant, r: number, c: number): string {
  const bias = v.bias ? ` + load2(col + ${c}u)` : '';
  const store = `store0(base + ${r}u * N + ${c}u, acc${r}${c >> 2}.${COMPONENT[c & 3]}${bias});`;
  return v.N % COLS === 0 ? store : `if (col + ${c}u < N) { ${store} }`;
}

/** `readA(offset, outer, inner)`: four neighbours along the inner axis of a stored matrix, zeros past its edge. */
function reader(name: string, k: number, vec: boolean, outer: string, inner: string): string {
  if (vec) {
    return `fn read${name}(offset: u32, o: u32, i: u32) -> vec4f {
  return load${k}v((offset + min(o, ${outer} - 1u) * ${inner} + min(i, ${inner} - 4u)) / 4u);
}`;
  }
  const one = (c: number) => `select(0.0, load${k}(at + min(i + ${c}u, ${inner} - 1u)), i + ${c}u < ${inner})`;
  return `fn read${name}(offset: u32, o: u32, i: u32) -> vec4f {
  let at = offset + min(o, ${outer} - 1u) * ${inner};
  return vec4f(${range(4).map(one).join(', ')});
}
fn read${name}1(offset: u32, o: u32, i: u32) -> f32 {
  return load${k}(offset + min(o, ${outer} - 1u) * ${inner} + min(i, ${inner} - 1u));
}`;
}

/** One k: a column of four a and a row of eight b, multiplied each with each. */
function outerProduct(transposeA: boolean, transposeB: boolean): string {
  const a = transposeA
    ? 'let a = readA(offsetA, k, row);'
    : `let a = vec4f(${range(4)
        .map((r) => `readA(offsetA, row + ${r}u, k).x`)
        .join(', ')});`;
  const b = transposeB
    ? range(2)
        .map(
          (h) =>
            `let b${h} = vec4f(${range(4)
              .map((c) => `readB(offsetB, col + ${h * 4 + c}u, k).x`)
              .join(', ')});`,
        )
        .join('\n')
    : 'let b0 = readB(offsetB, k, col); let b1 = readB(offsetB, k, col + 4u);';
  return `${a}\n${b}\n${lines(ROWS, (r) => `acc${r}0 += a.${COMPONENT[r]} * b0; acc${r}1 += a.${COMPONENT[r]} * b1;`)}`;
}

/** Four k at once: a's rows (or columns) and b's as vec4s. Past K's end a reads zeros, so b may read anything finite. */
function fourDeep(transposeA: boolean, transposeB: boolean): string {
  if (transposeA) throw new Error('internal: a transposed a goes one k at a time');
  const a = lines(ROWS, (r) => `let a${r} = readA(offsetA, row + ${r}u, k);`);
  if (transposeB) {
    const b = lines(COLS, (c) => `let b${c} = readB(offsetB, col + ${c}u, k);`);
    const dots = (r: number, h: number) =>
      `acc${r}${h} += vec4f(${range(4)
        .map((c) => `dot(a${r}, b${h * 4 + c})`)
        .join(', ')});`;
    return `${a}\n${b}\n${lines(ROWS, (r) => `${dots(r, 0)} ${dots(r, 1)}`)}`;
  }
  const b = lines(
    4,
    (j) => `let b${j}0 = readB(offsetB, k + ${j}u, col); let b${j}1 = readB(offsetB, k + ${j}u, col + 4u);`,
  );
  const sum = (r: number, h: number) =>
    `acc${r}${h} += ${range(4)
      .map((j) => `a${r}.${COMPONENT[j]} * b${j}${h}`)
      .join(' + ')};`;
  return `${a}\n${b}\n${lines(ROWS, (r) => `${sum(r, 0)} ${sum(r, 1)}`)}`;
}

function tileKernel(v: MatmulVariant): KernelPlan {
  const { M, N, K, transposeA, transposeB } = v;
  const side = M <= 32 || N <= 32 || (M * N) / 4096 < 64 ? 32 : 64;
  const lanes = side / 4; // threads along each side of the tile
  const code = wgsl`
const M = ${M}u;
const N = ${N}u;
const K = ${K}u;
const SIDE = ${side}u;
const DEPTH = 16u;
const THREADS = ${lanes * lanes}u;
var<workgroup> tileA: array<array<f32, ${side + 1}>, DEPTH>; // (k, row): the extra column spreads the banks
var<workgroup> tileB: array<array<f32, ${side + 1}>, DEPTH>; // (k, column)

fn oneA(offset: u32, row: u32, k: u32) -> f32 {
  if (row >= M || k >= K) { return 0.0; }
  return load0(offset + ${transposeA ? 'k * M + row' : 'row * K + k'});
}

fn oneB(offset: u32, k: u32, col: u32) -> f32 {
  if (col >= N || k >= K) { return 0.0; }
  return load1(offset + ${transposeB ? 'col * K + k' : 'k * N + col'});
}

@compute @workgroup_size(${lanes}, ${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) id: vec3u, @builtin(local_invocation_index) lane: u32) {
  let row0 = group.y * SIDE;
  let col0 = group.x * SIDE;
  let batch = group.z;
  ${offset('offsetA', v, v.strideA)}
  ${offset('offsetB', v, v.strideB)}
  ${lines(4, (r) => `var acc${r} = vec4f(0.0);`)}
#if ${v.columnSums === true}
  var sums = vec4f(0.0);
#endif
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var t = lane; t < SIDE * DEPTH; t += THREADS) {
      ${transposeA ? 'let ra = t % SIDE; let ka = t / SIDE;' : 'let ra = t / DEPTH; let ka = t % DEPTH;'}
      tileA[ka][ra] = oneA(offsetA, row0 + ra, k0 + ka);
      ${transposeB ? 'let cb = t / DEPTH; let kb = t % DEPTH;' : 'let cb = t % SIDE; let kb = t / SIDE;'}
      tileB[kb][cb] = oneB(offsetB, k0 + kb, col0 + cb);
    }
    workgroupBarrier();
    for (var k = 0u; k < DEPTH; k++) {
      let b = vec4f(${range(4)
        .map((c) => `tileB[k][id.x + ${c * lanes}u]`)
        .join(', ')});
      let a = vec4f(${range(4)
        .map((r) => `tileA[k][id.y + ${r * lanes}u]`)
        .join(', ')});
      ${lines(4, (r) => `acc${r} += a.${COMPONENT[r]} * b;`)}
#if ${v.columnSums === true}
      sums += a;
#endif
    }
    workgroupBarrier();
  }
  let base = batch * ${M * N}u;
  ${lines(4, (r) => `let row${r} = row0 + id.y + ${r * lanes}u;`)}
  ${lines(4, (c) => `let col${c} = col0 + id.x + ${c * lanes}u;`)}
  ${lines(4, (r) =>
    range(4)
      .map(
        (c) =>
          `if (row${r} < M && col${c} < N) { store0(base + row${r} * N + col${c}, acc${r}.${COMPONENT[c]}${v.bias ? ` + load2(col${c})` : ''}); }`,
      )
      .join('\n'),
  )}
#if ${v.columnSums === true}
  if (group.x == 0u && id.x == 0u) {
    ${lines(4, (r) => `if (row${r} < M) { store1(row${r}, sums.${COMPONENT[r]}); }`)}
  }
#endif
}
`;
  return {
    passes: [
      {
        code,
        workgroups: [Math.ceil(N / side), Math.ceil(M / side), sizeOf(v.batch)],
        inputs: v.bias ? [0, 1, 2] : [0, 1],
        outs: v.columnSums ? [0, 1] : [0],
      },
    ],
  };
}
