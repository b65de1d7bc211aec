// The frame of kernels over rows (softmax and its kin): N rows of C elements INNER apart; the row's maximum, some sums over it,
// then a store per element. One lane owns a row where rows are short or many, or barriers not cheap; else a workgroup, folding
// in a tree of fixed order.
//
// A row whose maximum m is not finite has no softmax: NaN or +inf somewhere, or nothing but -inf. Exponents are clamped at
// -104, where exp is 0 in f32, so that a lone -inf among finite elements counts as 0 on every device.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { Declaration, KernelSpec, KernelText, OperandText, RowSpec, SharedArray } from '../src/graph/kernel.ts';
import { foldGroups, MAX_OR_NAN, powerOfTwo } from './reduce.wgsl.ts';
import { NAN_OF } from './special.wgsl.ts';
import { wgsl } from './wgsl.ts';

export interface RowsVariant {
  /** Rows, elements of each, and the distance between those. */
  readonly N: number;
  readonly C: number;
  readonly INNER: number;
  readonly barriers: Capabilities['barriers'];
}

/** What the statements of a row refer to. */
export type RowText = Parameters<RowSpec['body']>[0];

/**
 * What is computed of a row, as WGSL over `r` (the row), `C`, `base` (its first element), `c` (place in the row), `i` (flat index)
 * and names made before.
 */
export interface RowsCode {
  /** Whether `m`, the maximum of input 0 over the row, and `nan` (a NaN) and `bad` (m is not finite) are wanted. */
  readonly max: boolean;
  /** Statements before the sums (lookups of the row). */
  before?(k: RowText): string;
  /** Sums over the row by name: the term of element `i`. */
  readonly sums: Readonly<Record<string, (k: RowText) => string>>;
  /** Statements after the sums, by every lane. */
  after?(k: RowText): string;
  /** Sums that need the first ones, such as squares of deviations from a mean, and the statements after them. */
  readonly second?: Pick<RowsCode, 'sums' | 'after'>;
  /** Statements done once a row (a store). */
  once?(k: RowText): string;
  /** Statements done once an element (a store). */
  each?(k: RowText): string;
}

/** Whether v is an infinity or NaN, by its bits. */
const IS_NOT_FINITE: Declaration = {
  name: 'isNotFinite',
  text: (name) => `fn ${name}(v: f32) -> bool { return (bitcast<u32>(v) & 0x7f800000u) == 0x7f800000u; }`,
};

/** e^v for v <= 0. */
export const EXP_BELOW: Declaration = {
  name: 'expBelow',
  text: (name) => `fn ${name}(v: f32) -> f32 { return exp(max(v, -104.0)); }`,
};

/** Lanes a row. */
function rowLanes({ N, C, INNER, barriers }: RowsVariant): number {
  if (barriers === 'none') return 1;
  if (barriers === 'expensive') return N >= 8 || C <= 1024 ? 1 : 64;
  if (C <= 32 || (INNER >= 32 && N >= 4096)) return 1;
  return powerOfTwo(C / 4, 32, 256);
}

export function rowsKernel(variant: RowsVariant, row: RowsCode): KernelSpec {
  const { N, C, INNER, barriers } = variant;
  const lanes = rowLanes(variant);
  const block = lanes > 1 ? 1 : powerOfTwo(barriers === 'cheap' ? N : N / 4, 8, 64);
  const { grid, index } = foldGroups(Math.ceil(N / block));
  const folded = [...(row.max ? ['m'] : []), ...Object.keys({ ...row.sums, ...row.second?.sums })];
  const arrays = new Map(folded.map((name) => [name, { name: `${name}OfLanes`, type: 'f32', size: lanes } as const]));
  const all = 'for (var c = first; c < C; c += LANES)';
  const walk: Walk = {
    start: 'base + min(first, C - 1u) * INNER',
    rest: 'for (var c = first + LANES; c < C; c += LANES)',
    summed: all,
    stored: all,
    at: 'base + c * INNER',
    alone: lanes === 1,
  };
  const fold = (k: KernelText, name: string) => (lanes > 1 ? treeFold(k, name, arrays.get(name)!) : '');
  return {
    workgroup: [block * lanes, 1, 1],
    grid,
    ...(lanes > 1 && { shared: [...arrays.values()], barriers: true }),
    body: (k) => wgsl`
const N = ${N}u;
const C = ${C}u;
const INNER = ${INNER}u;
const LANES = ${lanes}u;
let g = ${index};
#if ${lanes === 1}
let r = g * ${block}u + lane;
if (r >= N) { return; }
let first = 0u;
#else
let r = min(g, N - 1u);
let first = lane;
#endif
let base = (r / INNER) * (C * INNER) + r % INNER;
${reading(k, row, walk, (name) => fold(k, name))}
#if ${lanes > 1}
if (g >= N) { return; }
#endif
${storing(k, row, walk)}
`,
  };
}

/** A row of neighbours by `lanes` lanes, each of which does all of the sums and its share of the elements. */
export function rowBody({ C }: Pick<RowsVariant, 'C'>, lanes: number, row: RowsCode): RowSpec['body'] {
  const walk: Walk = {
    start: 'base',
    rest: 'for (var c = zero + 1u; c < C; c++)',
    summed: 'for (var c = zero; c < C; c++)',
    stored: `for (var c = zero + lane; c < C; c += ${lanes}u)`,
    at: 'base + c',
    alone: false,
  };
  return (k) => wgsl`
const C = ${C}u;
let base = r * C;
${reading(k, row, walk)}
${storing(k, row, walk)}
`;
}

/** How a lane walks its row: the heads of loops over `c`, and places in memory. */
interface Walk {
  /** Where the maximum starts, and the loop over the elements after. */
  readonly start: string;
  readonly rest: string;
  /** The loops over the elements that the lane sums, and over those that it stores. */
  readonly summed: string;
  readonly stored: string;
  /** Element c. */
  readonly at: string;
  /** Whether no other lane has the row. */
  readonly alone: boolean;
}

/** The maximum and the sums; `fold` is what folds those of all lanes by name, where each lane has its own. */
function reading(k: RowText, row: RowsCode, walk: Walk, fold: (name: string) => string = () => ''): string {
  const maximum = (x: OperandText) => wgsl`
var m = ${x.load(walk.start)};
${walk.rest} { m = ${k.declare(MAX_OR_NAN)}(m, ${x.load(walk.at)}); }
${fold('m')}
let bad = ${k.declare(IS_NOT_FINITE)}(m);
let nan = ${k.declare(NAN_OF)}(m);
`;
  return wgsl`
${row.max ? maximum(k.inputs[0]!) : ''}
${row.before?.(k) ?? ''}
${summing(k, row, walk, fold)}
${row.second ? summing(k, row.second, walk, fold) : ''}
`;
}

function summing(
  k: RowText,
  { sums, after }: Pick<RowsCode, 'sums' | 'after'>,
  walk: Walk,
  fold: (name: string) => string,
): string {
  const entries = Object.entries(sums);
  return wgsl`
${entries.map(([name]) => `var ${name} = f32(0);`).join(' ')}
${walk.summed} {
  let i = ${walk.at};
  ${entries.map(([name, term]) => `${name} += ${term(k)};`).join('\n')}
}
${entries.map(([name]) => fold(name)).join('\n')}
${after?.(k) ?? ''}
`;
}

function storing(k: RowText, { once, each }: RowsCode, walk: Walk): string {
  const first = (statement: string) => (walk.alone ? statement : `if (lane == 0u) { ${statement} }`);
  const all = (statement: string) => wgsl`
${walk.stored} {
  let i = ${walk.at};
  ${statement}
}
`;
  return wgsl`
${once ? first(once(k)) : ''}
${each ? all(each(k)) : ''}
`;
}

/** Folds the variable `name` of all lanes in a tree: every lane gets the result. */
function treeFold(k: KernelText, name: string, array: SharedArray): string {
  const values = k.shared(array);
  return wgsl`
${values}[lane] = ${name};
${k.barrier()}
for (var half = LANES / 2u; half > 0u; half >>= 1u) {
  if (lane < half) {
    let a = ${values}[lane];
    let b = ${values}[lane + half];
    ${values}[lane] = ${name === 'm' ? `${k.declare(MAX_OR_NAN)}(a, b)` : 'a + b'};
  }
  ${k.barrier()}
}
${name} = ${values}[0];
`;
}
