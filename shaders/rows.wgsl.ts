// The frame of row kernels (softmax and its kin): N rows of C elements INNER apart; the row's maximum, some sums over it, then
// a store per element. One lane owns a row where rows are short or many, or barriers dear; else a workgroup, folding in a
// tree of fixed order.
//
// A row whose maximum m is not finite has no softmax: NaN or +inf somewhere, or nothing but -inf. Exponents are clamped at
// -104, where exp is 0 in f32, so that a lone -inf among finite elements counts as 0 on every device.
import { foldGroups, MAX_OR_NAN, powerOfTwo } from './reduce.wgsl.ts';
import { wgsl } from './wgsl.ts';

export interface RowsVariant {
  /** Rows, elements of each, and the distance between those. */
  readonly N: number;
  readonly C: number;
  readonly INNER: number;
  readonly software: boolean;
}

/** The parts of a row kernel as WGSL, over `r` (the row), `c` (place in the row), `i` (flat index) and names made before. */
export interface RowsCode {
  /** Whether `m`, the maximum of input 0 over the row, and `nan` (a NaN) and `bad` (m is not finite) are wanted. */
  readonly max: boolean;
  /** Statements before the sums (lookups of the row). */
  readonly before?: string;
  /** Sums over the row by name: the term of element `i`. */
  readonly sums: Readonly<Record<string, string>>;
  /** Statements after the sums, by every lane. */
  readonly after?: string;
  /** Statements done once a row (a store). */
  readonly once?: string;
  /** Statements done once an element (a store). */
  readonly each?: string;
}

const NOT_FINITE = `
fn isNotFinite(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u; }
fn nanOf(v: f32) -> f32 { return bitcast<f32>(bitcast<u32>(v) | 0x7fc00000u); }
fn expBelow(v: f32) -> f32 { return exp(max(v, -104.0)); }
`;

/** Lanes a row. */
function rowLanes({ N, C, INNER, software }: RowsVariant): number {
  if (software) return N >= 8 || C <= 1024 ? 1 : 64;
  if (C <= 32 || (INNER >= 32 && N >= 4096)) return 1;
  return powerOfTwo(C / 4, 32, 256);
}

export function rowsPass(
  variant: RowsVariant,
  row: RowsCode,
): { code: string; workgroups: readonly [number, number, number]; workgroupBytes: number } {
  const { N, C, INNER, software } = variant;
  const lanes = rowLanes(variant);
  const block = lanes > 1 ? 1 : powerOfTwo(software ? N / 4 : N, 8, 64);
  const { workgroups, index } = foldGroups(Math.ceil(N / block));
  const sums = Object.entries(row.sums);
  const folded = [...(row.max ? ['m'] : []), ...sums.map(([name]) => name)];
  const code = wgsl`
const N = ${N}u;
const C = ${C}u;
const INNER = ${INNER}u;
const LANES = ${lanes}u;
#if ${row.max}
${MAX_OR_NAN}
#endif
${NOT_FINITE}
#if ${lanes > 1}
${folded.map((name) => treeFold(name, name === 'm' ? 'maxOrNaN(a, b)' : 'a + b')).join('')}
#endif

@compute @workgroup_size(${block * lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let g = ${index};
#if ${lanes === 1}
  let r = g * ${block}u + lane;
  if (r >= N) { return; }
  let first = 0u;
#else
  let live = g < N;
  let r = min(g, N - 1u);
  let first = lane;
#endif
  let base = (r / INNER) * (C * INNER) + r % INNER;
#if ${row.max}
  var m = load0(base + min(first, C - 1u) * INNER);
  for (var c = first + LANES; c < C; c += LANES) { m = maxOrNaN(m, load0(base + c * INNER)); }
#if ${lanes > 1}
  m = fold_m(lane, m);
#endif
  let bad = isNotFinite(m);
  let nan = nanOf(m);
#endif
  ${row.before ?? ''}
#if ${sums.length > 0}
  ${sums.map(([name]) => `var ${name} = f32(0);`).join(' ')}
  for (var c = first; c < C; c += LANES) {
    let i = base + c * INNER;
    ${sums.map(([name, term]) => `${name} += ${term};`).join('\n    ')}
  }
#endif
#if ${lanes > 1}
  ${sums.map(([name]) => `${name} = fold_${name}(lane, ${name});`).join('\n  ')}
#endif
  ${row.after ?? ''}
#if ${row.once !== undefined}
  if (${lanes > 1 ? 'live && lane == 0u' : 'true'}) { ${row.once ?? ''} }
#endif
#if ${row.each !== undefined}
#if ${lanes > 1}
  if (!live) { return; }
#endif
  for (var c = first; c < C; c += LANES) {
    let i = base + c * INNER;
    ${row.each ?? ''}
  }
#endif
}
`;
  return { code, workgroups, workgroupBytes: lanes > 1 ? folded.length * lanes * 4 : 0 };
}

/** `fn row(r, lane)` for rows of neighbours: LANES lanes do a row, each all of the sums and its share of the elements. */
export function rowFunction({ C }: Pick<RowsVariant, 'C'>, lanes: number, row: RowsCode): string {
  const sums = Object.entries(row.sums);
  return wgsl`
const C = ${C}u;
#if ${row.max}
${MAX_OR_NAN}
#endif
${NOT_FINITE}

fn row(r: u32, lane: u32) {
  let base = r * C;
#if ${row.max}
  var m = load0(base);
  for (var c = zero + 1u; c < C; c++) { m = maxOrNaN(m, load0(base + c)); }
  let bad = isNotFinite(m);
  let nan = nanOf(m);
#endif
  ${row.before ?? ''}
#if ${sums.length > 0}
  ${sums.map(([name]) => `var ${name} = f32(0);`).join(' ')}
  for (var c = zero; c < C; c++) {
    let i = base + c;
    ${sums.map(([name, term]) => `${name} += ${term};`).join('\n    ')}
  }
#endif
  ${row.after ?? ''}
#if ${row.once !== undefined}
  if (lane == 0u) { ${row.once ?? ''} }
#endif
#if ${row.each !== undefined}
  for (var c = zero + lane; c < C; c += ${lanes}u) {
    let i = base + c;
    ${row.each ?? ''}
  }
#endif
}
`;
}

/** `fold_NAME(lane, v)`: every lane gets the values of all lanes, folded; called by all of them. */
function treeFold(name: string, combine: string): string {
  return `
var<workgroup> lanes_${name}: array<f32, LANES>;
fn fold_${name}(lane: u32, v: f32) -> f32 {
  lanes_${name}[lane] = v;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) {
      let a = lanes_${name}[lane];
      let b = lanes_${name}[lane + half];
      lanes_${name}[lane] = ${combine};
    }
    workgroupBarrier();
  }
  return lanes_${name}[0];
}
`;
}
