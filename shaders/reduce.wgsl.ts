// Reduction of R elements to each of O outputs: every output has LANES lanes that stride over its elements and fold their
// partial results in a tree of fixed order, so the bits are the same at every run, whatever the subgroup size. Few outputs
// of many elements take two kernels, with PARTS partial results an output in between. Where barriers are not cheap, one lane
// computes an output (or an output's part), with no barrier at all.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { Declaration, KernelSpec, KernelText, Scratch, SharedArray, Size3 } from '../src/graph/kernel.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import { IS_NAN } from './special.wgsl.ts';
import { stridedIndex } from './strided.wgsl.ts';
import { f32, wgsl } from './wgsl.ts';

/** Where the elements of a reduction lie: output o reads base(o) + Σ coordinate · stride over the reduced axes. */
export interface ReduceLayout {
  readonly keptShape: Shape;
  readonly keptStrides: readonly number[];
  readonly reducedShape: Shape;
  readonly reducedStrides: readonly number[];
}

export interface ReduceVariant {
  readonly kind: 'sum' | 'mean' | 'max' | 'min' | 'prod';
  readonly layout: ReduceLayout;
  readonly barriers: Capabilities['barriers'];
}

/** How many lanes work on what: `block` neighbouring outputs a workgroup, `lanes` lanes each, in `parts` workgroups. */
export interface ReduceSplit {
  readonly block: number;
  readonly lanes: number;
  readonly parts: number;
}

/** The larger of two, NaN where either is (WGSL's own max may drop it). */
export const MAX_OR_NAN = extremumOrNaN('max');

/** The smaller of two, NaN where either is. */
export const MIN_OR_NAN = extremumOrNaN('min');

function extremumOrNaN(extremum: 'max' | 'min'): Declaration {
  return {
    name: `${extremum}OrNaN`,
    uses: [IS_NAN],
    text: (name, notANumber) => `fn ${name}(a: f32, b: f32) -> f32 {
  if (${notANumber}(a)) { return a; }
  if (${notANumber}(b)) { return b; }
  return ${extremum}(a, b);
}`,
  };
}

const FOLD = {
  sum: (a, b) => `${a} + ${b}`,
  mean: (a, b) => `${a} + ${b}`,
  prod: (a, b) => `${a} * ${b}`,
  max: (a, b, { declare }) => `${declare(MAX_OR_NAN)}(${a}, ${b})`,
  min: (a, b, { declare }) => `${declare(MIN_OR_NAN)}(${a}, ${b})`,
} satisfies Record<ReduceVariant['kind'], (a: string, b: string, k: KernelText) => string>;

/** A grid of `count` workgroups, folded into y past the 65,535 that one dimension holds, and WGSL for a workgroup's number. */
export function foldGroups(count: number): { grid: Size3; index: string } {
  const x = Math.min(count, 65535);
  return { grid: [x, Math.ceil(count / x), 1], index: `group.x + group.y * ${x}u` };
}

/** A power of two that is at least n, within [low, high]. */
export function powerOfTwo(n: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, 2 ** Math.ceil(Math.log2(Math.max(1, n)))));
}

/** The split for R elements to each of O outputs; `inner` is the stride between neighbouring outputs. */
export function reduceSplit(O: number, R: number, inner: number, barriers: Capabilities['barriers']): ReduceSplit {
  if (barriers !== 'cheap') {
    // Groups of at least 8 lanes fill a CPU's vectors; several groups keep its cores busy.
    const parts = O < 16 && R > 2048 ? Math.min(128, Math.ceil(R / 256)) : 1;
    return { block: powerOfTwo((O * parts) / 4, 8, 64), lanes: 1, parts };
  }
  if (R <= 32) return { block: 64, lanes: 1, parts: 1 };
  // Neighbouring lanes read neighbouring elements: along the outputs where those are neighbours, else along k.
  const block = inner === 1 && O > 1 ? powerOfTwo(O, 2, 16) : 1;
  // 64 threads where that will do: kernels of one size can share a dispatch.
  const lanes = Math.min(256 / block, powerOfTwo(R / 16, 64 / block, 256));
  const perLane = R / lanes;
  const groups = Math.ceil(O / block);
  const parts = perLane > 64 ? Math.min(32, Math.ceil(256 / groups), Math.ceil(perLane / 16)) : 1;
  return { block, lanes, parts };
}

/** One kernel, or two where outputs are computed in parts. */
export function reduceKernel({ kind, layout, barriers }: ReduceVariant): readonly KernelSpec[] {
  const O = sizeOf(layout.keptShape);
  const R = sizeOf(layout.reducedShape);
  const split = reduceSplit(O, R, layout.keptStrides.at(-1) ?? 0, barriers);
  const load: Ends['load'] = (k, index) => k.inputs[0]!.load(index);
  const store: Ends['store'] = (k, o) => k.outputs[0]!.store(o, kind === 'mean' ? `total / ${f32(R)}` : 'total');
  const { parts } = split;
  if (parts === 1) return [foldKernel(kind, layout, split, { load, store })];
  const partial: Scratch = { name: 'partial', type: 'f32', size: O * parts };
  const ofParts = { keptShape: [O], keptStrides: [parts], reducedShape: [parts], reducedStrides: [1] };
  const one = { block: powerOfTwo(O / 4, 8, 64), lanes: 1, parts: 1 };
  return [
    {
      ...foldKernel(kind, layout, split, { load, store: (k, _, at) => k.scratch(partial).store(at, 'total') }),
      label: 'parts',
      outputs: [],
      writes: [partial],
    },
    {
      ...foldKernel(kind, ofParts, one, { load: (k, index) => k.scratch(partial).load(index), store }),
      label: 'whole',
      inputs: [],
      reads: [partial],
    },
  ];
}

/** Where a kernel's elements come from and its results go. */
interface Ends {
  load(k: KernelText, index: string): string;
  /** The statement that stores `total`, which is part `at` of all, of output `o`. */
  store(k: KernelText, o: string, at: string): string;
}

function foldKernel(
  kind: ReduceVariant['kind'],
  layout: ReduceLayout,
  { block, lanes, parts }: ReduceSplit,
  { load, store }: Ends,
): KernelSpec {
  const O = sizeOf(layout.keptShape);
  const R = sizeOf(layout.reducedShape);
  const units = lanes === 1 ? Math.ceil((O * parts) / block) : Math.ceil(O / block) * parts;
  const { grid, index } = foldGroups(units);
  const totals: SharedArray = { name: 'totals', type: 'f32', size: block * lanes };
  const baseOf = (o: string) => stridedIndex(o, layout.keptShape, layout.keptStrides, 0);
  const offsetOf = (k: string) => stridedIndex(k, layout.reducedShape, layout.reducedStrides, 0);
  const element = (k: KernelText, place: string) => load(k, `base + ${offsetOf(place)}`);
  const next = (k: KernelText) => FOLD[kind]('total', element(k, 'k'), k);
  // A maximum starts from an element it meets again: no floor to choose.
  const start = (k: KernelText, first: string) =>
    kind === 'max' || kind === 'min' ? element(k, first) : `f32(${kind === 'prod' ? 1 : 0})`;
  const sizes = `const O = ${O}u;
const R = ${R}u;
const BLOCK = ${block}u;
const LANES = ${lanes}u;
const PARTS = ${parts}u;`;
  const alone = (k: KernelText) => wgsl`
${sizes}
let g = ${index};
let t = g * BLOCK + lane;
if (t >= O * PARTS) { return; }
let o = t / PARTS;
let first = t % PARTS;
let base = ${baseOf('o')};
var total = ${start(k, 'first')};
for (var k = first; k < R; k += PARTS) { total = ${next(k)}; }
${store(k, 'o', 't')}
`;
  const tree = (k: KernelText) => {
    const lanesTotals = k.shared(totals);
    return wgsl`
${sizes}
let g = ${index};
let part = g % PARTS;
let o = (g / PARTS) * BLOCK + lane % BLOCK;
let kLane = lane / BLOCK;
let first = part * LANES + kLane;
let nearest = min(first, R - 1u);
let within = min(o, O - 1u);
let base = ${baseOf('within')};
var total = ${start(k, 'nearest')};
for (var k = first; k < R; k += PARTS * LANES) { total = ${next(k)}; }
${lanesTotals}[lane] = total;
${k.barrier()}
for (var half = LANES / 2u; half > 0u; half >>= 1u) {
  if (kLane < half) { ${lanesTotals}[lane] = ${FOLD[kind](`${lanesTotals}[lane]`, `${lanesTotals}[lane + half * BLOCK]`, k)}; }
  ${k.barrier()}
}
if (kLane == 0u && o < O) {
  total = ${lanesTotals}[lane];
  ${store(k, 'o', 'o * PARTS + part')}
}
`;
  };
  return {
    workgroup: [block * lanes, 1, 1],
    grid,
    ...(lanes > 1 ? { shared: [totals], barriers: true, body: tree } : { body: alone }),
  };
}
