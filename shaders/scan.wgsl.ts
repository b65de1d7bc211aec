// Running sums and products along N rows of C elements INNER apart, in a fixed order: one lane walks a row, or where rows are long and
// barriers cheap a workgroup, each of whose lanes first sums its own stretch and then starts from the sum of the stretches before.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { KernelSpec, KernelText, SharedArray, WgslType } from '../src/graph/kernel.ts';
import { foldGroups, powerOfTwo } from './reduce.wgsl.ts';
import { wgsl } from './wgsl.ts';

export interface ScanVariant {
  /** Rows, elements of each, and the distance between those. */
  readonly N: number;
  readonly C: number;
  readonly INNER: number;
  readonly type: WgslType;
  readonly product: boolean;
  /** Whether it runs from the last element to the first. */
  readonly reverse: boolean;
  /** Whether an element counts only for those after it. */
  readonly exclusive: boolean;
  readonly barriers: Capabilities['barriers'];
}

/** The load of element `i`, and the store of what is counted up to it; `r` is the row. */
interface Ends {
  load(k: KernelText): string;
  store(k: KernelText): string;
}

function scanLanes({ N, C, barriers }: ScanVariant): number {
  return barriers !== 'cheap' || C <= 128 || N >= 16384 ? 1 : powerOfTwo(C / 16, 16, 128);
}

export function scanKernel(variant: ScanVariant, { load, store }: Ends): KernelSpec {
  const { N, C, INNER, type, product, reverse, exclusive, barriers } = variant;
  const lanes = scanLanes(variant);
  const block = lanes > 1 ? 1 : powerOfTwo(barriers === 'cheap' ? N : N / 4, 8, 64);
  const { grid, index } = foldGroups(Math.ceil(N / block));
  const stretches: SharedArray = { name: 'stretches', type, size: lanes };
  const add = (value: string) => `total = total ${product ? '*' : '+'} ${value};`;
  const at = `base + ${reverse ? '(C - 1u - c)' : 'c'} * INNER`;
  const start = `${type}(${product ? 1 : 0})`;
  const before = (k: KernelText) => wgsl`
let EACH = (C + LANES - 1u) / LANES;
let first = min(lane * EACH, C);
let end = min(first + EACH, C);
var total = ${start};
for (var c = first; c < end; c++) { let i = ${at}; ${add(load(k))} }
${k.shared(stretches)}[lane] = total;
${k.barrier()}
if (g >= N) { return; }
total = ${start};
for (var k = 0u; k < lane; k++) { ${add(`${k.shared(stretches)}[k]`)} }
`;
  const alone = `let first = 0u;\nlet end = C;\nvar total = ${start};`;
  return {
    workgroup: [block * lanes, 1, 1],
    grid,
    ...(lanes > 1 && { shared: [stretches], barriers: true }),
    body: (k) => wgsl`
const N = ${N}u;
const C = ${C}u;
const INNER = ${INNER}u;
const LANES = ${lanes}u;
let g = ${index};
#if ${lanes === 1}
let r = g * ${block}u + lane;
if (r >= N) { return; }
#else
let r = min(g, N - 1u);
#endif
let base = (r / INNER) * (C * INNER) + r % INNER;
${lanes === 1 ? alone : before(k)}
for (var c = first; c < end; c++) {
  let i = ${at};
  let x = ${load(k)};
  ${exclusive ? store(k) : add('x')}
  ${exclusive ? add('x') : store(k)}
}
`,
  };
}
