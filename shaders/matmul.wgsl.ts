// y = a · b for (…, M, K) and (…, K, N), either operand stored transposed. Two variants of one family:
//   registers: a thread owns 4 rows x 8 columns in named accumulators and reads its operands straight from memory, no
//              barrier: the fast one where a CPU pretends to be a GPU;
//   tiles:     a workgroup stages BM x BK and BK x BN tiles in workgroup memory, a thread owns 4 x 4 of the result.
// With `columnSums` the kernel also stores Σ over K of a's columns as output 1 (a linear layer's bias gradient).
import type { KernelPlan } from '../src/graph/op.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import { stridedIndex } from './strided.wgsl.ts';
import { lines, range, wgsl } from './wgsl.ts';

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
  /** The adapter's name. */
  readonly adapter: string;
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

function vec4(part: (i: number) => string): string {
  return `vec4f(${range(4).map(part).join(', ')})`;
}

function offset(name: string, v: MatmulVariant, strides: readonly number[]): string {
  return `let ${name} = ${stridedIndex('batch', v.batch, strides, 0)};`;
}

/** Workgroups that every adapter allows along an axis. */
const MOST_GROUPS = 65535;

/** The text around what is done for one batch: once for each workgroup along z, or in strides where there are more batches. */
function eachBatch(v: MatmulVariant, z: string): { open: string; close: string } {
  const count = sizeOf(v.batch);
  if (count <= MOST_GROUPS) return { open: `let batch = ${z};`, close: '' };
  return { open: `for (var batch = ${z}; batch < ${count}u; batch += ${MOST_GROUPS}u) {`, close: '}' };
}

/** What one thread of the register kernel owns, and how many threads a workgroup has along each side. */
interface RegisterTile {
  readonly rows: number;
  readonly columns: number;
  readonly x: number;
  readonly y: number;
}

/** What was fastest where: SwiftShader pays for every load, lavapipe for registers it spills. */
function registerTile({ adapter }: MatmulVariant): RegisterTile {
  return /swiftshader/i.test(adapter) ? { rows: 8, columns: 8, x: 2, y: 2 } : { rows: 4, columns: 8, x: 4, y: 4 };
}

function registerKernel(v: MatmulVariant): KernelPlan {
  const { M, N, K, transposeA, transposeB } = v;
  const tile = registerTile(v);
  // The axis along which each operand lies in memory must hold whole vec4s for them to be read as such.
  const vecA = v.directA && (transposeA ? M : K) % 4 === 0 && v.strideA.every((n) => n % 4 === 0);
  const vecB =
    v.directB && (transposeB ? K : N) % 4 === 0 && v.strideB.every((n) => n % 4 === 0) && !(transposeA && transposeB); // one k at a time, across b's rows
  const deep = !transposeA && K >= 4;
  const columns = Math.ceil(N / tile.columns);
  const rows = Math.ceil(M / tile.rows);
  const parts = range(tile.columns / 4);
  const code = wgsl`
const M = ${M}u;
const N = ${N}u;
const K = ${K}u;

${reader('A', 0, vecA, transposeA ? 'K' : 'M', transposeA ? 'M' : 'K')}
${reader('B', 1, vecB, transposeB ? 'N' : 'K', transposeB ? 'K' : 'N')}

@compute @workgroup_size(${tile.x}, ${tile.y})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let col = id.x * ${tile.columns}u;
  let row = id.y * ${tile.rows}u;
  if (col >= N || row >= M) { return; }
  ${eachBatch(v, 'id.z').open}
  ${offset('offsetA', v, v.strideA)}
  ${offset('offsetB', v, v.strideB)}
  ${lines(tile.rows, (r) => parts.map((h) => `var acc${r}_${h} = vec4f(0.0);`).join(' '))}
#if ${v.columnSums === true}
  ${lines(tile.rows / 4, (q) => `var sums${q} = vec4f(0.0);`)}
#endif
  for (var k = 0u; k < K; k += ${deep ? 4 : 1}u) {
    ${deep ? fourDeep(tile, transposeB) : outerProduct(tile, transposeA, transposeB)}
#if ${v.columnSums === true}
    ${lines(tile.rows / 4, (q) => `sums${q} += a${q};`)}
#endif
  }
  let base = batch * ${M * N}u + row * N + col;
  // Stored in a loop: unrolled, the stores and the chain fused into each would be most of what a driver has to compile.
  var tile = array<vec4f, ${(tile.rows * tile.columns) / 4}>(${range(tile.rows)
    .flatMap((r) => parts.map((h) => `acc${r}_${h}`))
    .join(', ')});
  for (var r = 0u; r < min(${tile.rows}u, M - row); r++) {
    for (var c = 0u; c < min(${tile.columns}u, N - col); c++) {
      store0(base + r * N + c, tile[r * ${parts.length}u + (c >> 2u)][c & 3u]${v.bias ? ' + load2(col + c)' : ''});
    }
  }
#if ${v.columnSums === true}
  if (col == 0u) {
    ${lines(tile.rows, (r) => guarded(M % tile.rows !== 0, `row + ${r}u < M`, `store1(row + ${r}u, sums${r >> 2}.${COMPONENT[r & 3]});`))}
  }
#endif
  ${eachBatch(v, '').close}
}
`;
  return {
    passes: [
      {
        code,
        workgroups: [Math.ceil(columns / tile.x), Math.ceil(rows / tile.y), Math.min(sizeOf(v.batch), MOST_GROUPS)],
        inputs: v.bias ? [0, 1, 2] : [0, 1],
        outs: v.columnSums ? [0, 1] : [0],
        vec4: [...(vecA ? [0] : []), ...(vecB ? [1] : [])],
      },
    ],
  };
}

function guarded(needed: boolean, condition: string, text: string): string {
  return needed ? `if (${condition}) { ${text} }` : text;
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
  return ${vec4(one)};
}`;
}

/** One k: a column of a and a row of b, multiplied each with each. */
function outerProduct({ rows, columns }: RegisterTile, transposeA: boolean, transposeB: boolean): string {
  const a = (q: number) =>
    transposeA ? `readA(offsetA, k, row + ${q * 4}u)` : vec4((r) => `readA(offsetA, row + ${q * 4 + r}u, k).x`);
  const b = (h: number) =>
    transposeB ? vec4((c) => `readB(offsetB, col + ${h * 4 + c}u, k).x`) : `readB(offsetB, k, col + ${h * 4}u)`;
  return [
    lines(rows / 4, (q) => `let a${q} = ${a(q)};`),
    lines(columns / 4, (h) => `let b${h} = ${b(h)};`),
    lines(rows, (r) => lines(columns / 4, (h) => `acc${r}_${h} += a${r >> 2}.${COMPONENT[r & 3]} * b${h};`)),
  ].join('\n');
}

/** Four k at once. Past K's end a reads zeros, so b may read anything finite. */
function fourDeep({ rows, columns }: RegisterTile, transposeB: boolean): string {
  const parts = columns / 4;
  const a = lines(rows, (r) => `let a${r} = readA(offsetA, row + ${r}u, k);`);
  if (transposeB) {
    const b = lines(columns, (c) => `let b${c} = readB(offsetB, col + ${c}u, k);`);
    const dots = (r: number, h: number) => `acc${r}_${h} += ${vec4((c) => `dot(a${r}, b${h * 4 + c})`)};`;
    return `${a}\n${b}\n${lines(rows, (r) => lines(parts, (h) => dots(r, h)))}`;
  }
  const b = lines(4, (j) => lines(parts, (h) => `let b${j}_${h} = readB(offsetB, k + ${j}u, col + ${h * 4}u);`));
  const sum = (r: number, h: number) =>
    `acc${r}_${h} += ${range(4)
      .map((j) => `a${r}.${COMPONENT[j]} * b${j}_${h}`)
      .join(' + ')};`;
  return `${a}\n${b}\n${lines(rows, (r) => lines(parts, (h) => sum(r, h)))}`;
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
  let top = group.y * SIDE;
  let left = group.x * SIDE;
  ${eachBatch(v, 'group.z').open}
  ${offset('offsetA', v, v.strideA)}
  ${offset('offsetB', v, v.strideB)}
  ${lines(4, (r) => `var acc${r} = vec4f(0.0);`)}
#if ${v.columnSums === true}
  var sums = vec4f(0.0);
#endif
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var t = lane; t < SIDE * DEPTH; t += THREADS) {
      ${transposeA ? 'let ra = t % SIDE; let ka = t / SIDE;' : 'let ra = t / DEPTH; let ka = t % DEPTH;'}
      tileA[ka][ra] = oneA(offsetA, top + ra, k0 + ka);
      ${transposeB ? 'let cb = t / DEPTH; let kb = t % DEPTH;' : 'let cb = t % SIDE; let kb = t / SIDE;'}
      tileB[kb][cb] = oneB(offsetB, k0 + kb, left + cb);
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
  ${lines(4, (r) => `let row${r} = top + id.y + ${r * lanes}u;`)}
  ${lines(4, (c) => `let col${c} = left + id.x + ${c * lanes}u;`)}
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
  ${eachBatch(v, '').close}
}
`;
  return {
    passes: [
      {
        code,
        workgroups: [Math.ceil(N / side), Math.ceil(M / side), Math.min(sizeOf(v.batch), MOST_GROUPS)],
        workgroupBytes: 2 * 16 * (side + 1) * 4,
        inputs: v.bias ? [0, 1, 2] : [0, 1],
        outs: v.columnSums ? [0, 1] : [0],
      },
    ],
  };
}
