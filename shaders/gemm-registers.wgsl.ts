// The product in registers: a thread reads its operands straight from memory and nobody waits for anybody, the fast way where
// a CPU pretends to be a GPU.
import {
  COMPONENT,
  type Frame,
  type GemmVariant,
  type RegisterConfiguration,
  reader,
  vec4,
} from './gemm-frame.wgsl.ts';
import { lines, range, wgsl } from './wgsl.ts';

export function registerPass(v: GemmVariant, c: RegisterConfiguration, frame: Frame) {
  const { M, N, K, transposeA, transposeB } = v;
  const { rows, columns } = c;
  const deep = !transposeA && K >= 4;
  const quads = Math.ceil(rows / 4);
  const parts = range(columns / 4);
  // How far reads go past the ends: rows and columns by what is left of a thread's block, k by what is left of four.
  const [pastM, pastN, pastK] = [M % rows > 0, N % columns > 0, K % 4 > 0];
  // One k at a time passes no end; without the clamp lavapipe's compiler makes slower code.
  const a = transposeA
    ? { outer: 'K', inner: 'M', pastOuter: true, pastInner: M % (4 * quads) > 0 || rows % 4 > 0 }
    : { outer: 'M', inner: 'K', pastOuter: pastM, pastInner: pastK };
  const b = transposeB
    ? { outer: 'N', inner: 'K', pastOuter: pastN, pastInner: pastK }
    : { outer: 'K', inner: 'N', pastOuter: pastK || transposeA, pastInner: pastN };
  const code = wgsl`
${reader('A', 0, frame.vecA, a)}
${reader('B', 1, frame.vecB, b)}

@compute @workgroup_size(${c.x}, ${c.y})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let col = id.x * ${columns}u;
  let row = id.y * ${rows}u;
  if (col >= N || row >= M) { return; }
  ${frame.open('id.z')}
  ${lines(rows, (r) => parts.map((h) => `var acc${r}_${h} = vec4f(0.0);`).join(' '))}
#if ${v.columnSums === true}
  ${lines(quads, (q) => `var sums${q} = vec4f(0.0);`)}
#endif
  for (var k = ${frame.from}; k < ${frame.to}; k += ${deep ? 4 : 1}u) {
    ${deep ? fourDeep(c, transposeB) : outerProduct(c, transposeA, transposeB)}
#if ${v.columnSums === true}
    ${lines(quads, (q) => `sums${q} += a${q};`)}
#endif
  }
  // Stored in a loop: unrolled, the stores and the chain fused into each would be most of what a driver has to compile.
  var block = array<vec4f, ${(rows * columns) / 4}>(${range(rows)
    .flatMap((r) => parts.map((h) => `acc${r}_${h}`))
    .join(', ')});
  for (var r = 0u; r < min(${rows}u, M - row); r++) {
    for (var c = 0u; c < min(${columns}u, N - col); c++) {
      ${frame.put('(row + r)', '(col + c)', `block[r * ${parts.length}u + (c >> 2u)][c & 3u]`)}
    }
  }
#if ${v.columnSums === true}
  if (col == 0u) {
    ${lines(rows, (r) => guarded(pastM, `row + ${r}u < M`, frame.putSum(`(row + ${r}u)`, `sums${r >> 2}.${COMPONENT[r & 3]}`)))}
  }
#endif
  ${frame.close}
}
`;
  const workgroups = [Math.ceil(N / columns / c.x), Math.ceil(M / rows / c.y)] as const;
  return { code, workgroups, workgroupBytes: undefined };
}

function guarded(needed: boolean, condition: string, text: string): string {
  return needed ? `if (${condition}) { ${text} }` : text;
}

/** One k: a column of a and a row of b, multiplied each with each. */
function outerProduct({ rows, columns }: RegisterConfiguration, transposeA: boolean, transposeB: boolean): string {
  const quads = Math.ceil(rows / 4);
  const a = (q: number) =>
    transposeA ? `readA(offsetA, k, row + ${q * 4}u)` : vec4((r) => `readA(offsetA, row + ${q * 4 + r}u, k).x`);
  const b = (h: number) =>
    transposeB ? vec4((c) => `readB(offsetB, col + ${h * 4 + c}u, k).x`) : `readB(offsetB, k, col + ${h * 4}u)`;
  return [
    lines(quads, (q) => `let a${q} = ${a(q)};`),
    lines(columns / 4, (h) => `let b${h} = ${b(h)};`),
    lines(rows, (r) => lines(columns / 4, (h) => `acc${r}_${h} += a${r >> 2}.${COMPONENT[r & 3]} * b${h};`)),
  ].join('\n');
}

/** Four k at once. Past K's end a reads zeros, so b may read anything finite. */
function fourDeep({ rows, columns }: RegisterConfiguration, transposeB: boolean): string {
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
