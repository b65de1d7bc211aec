// Reduction of R elements to each of O outputs: every output has LANES lanes that stride over its elements and fold their
// partial results in a tree of fixed order, so the bits are the same at every run, whatever the subgroup size. Few outputs
// of many elements take two passes, with PARTS partial results an output in between. CPUs that pretend to be GPUs, where
// a barrier is dear, get one lane an output (or an output's part) and no barrier at all.
import type { KernelPlan } from '../src/graph/op.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
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
  readonly kind: 'sum' | 'mean' | 'max' | 'min';
  readonly layout: ReduceLayout;
  readonly software: boolean;
}

/** How many lanes work on what: `block` neighbouring outputs a workgroup, `lanes` lanes each, in `parts` workgroups. */
export interface ReduceSplit {
  readonly block: number;
  readonly lanes: number;
  readonly parts: number;
}

/** The largest and smallest of two, NaN where either is (WGSL's own max and min may drop it). */
export const MAX_OR_NAN = `
fn isNaN(v: f32) -> bool { return (bitcast<u32>(v) & 0x7fffffffu) > 0x7f800000u; }
fn maxOrNaN(a: f32, b: f32) -> f32 {
  if (isNaN(a)) { return a; }
  if (isNaN(b)) { return b; }
  return max(a, b);
}
fn minOrNaN(a: f32, b: f32) -> f32 {
  if (isNaN(a)) { return a; }
  if (isNaN(b)) { return b; }
  return min(a, b);
}
`;

const FOLD = {
  sum: (a: string, b: string) => `${a} + ${b}`,
  mean: (a: string, b: string) => `${a} + ${b}`,
  max: (a: string, b: string) => `maxOrNaN(${a}, ${b})`,
  min: (a: string, b: string) => `minOrNaN(${a}, ${b})`,
} as const;

/** Workgroups for `count` of them, folded into y past the 65,535 that one dimension holds, and WGSL for a group's number. */
export function foldGroups(count: number): { workgroups: [number, number, number]; index: string } {
  const x = Math.min(count, 65535);
  return { workgroups: [x, Math.ceil(count / x), 1], index: `group.x + group.y * ${x}u` };
}

/** A power of two that is at least n, within [low, high]. */
export function powerOfTwo(n: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, 2 ** Math.ceil(Math.log2(Math.max(1, n)))));
}

/** The split for R elements to each of O outputs; `inner` is the stride between neighbouring outputs. */
export function reduceSplit(O: number, R: number, inner: number, software: boolean): ReduceSplit {
  if (software) {
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

export function reduceKernel(variant: ReduceVariant): KernelPlan {
  const { kind, layout, software } = variant;
  const O = sizeOf(layout.keptShape);
  const R = sizeOf(layout.reducedShape);
  const split = reduceSplit(O, R, layout.keptStrides.at(-1) ?? 0, software);
  const result = kind === 'mean' ? `total / ${f32(R)}` : 'total';
  if (split.parts === 1) {
    const { code, workgroups } = reducePass(kind, layout, split, 'load0', (o) => `store0(${o}, ${result});`);
    const workgroupBytes = split.lanes > 1 ? split.block * split.lanes * 4 : 0;
    return { passes: [{ code, workgroups, inputs: [0], outs: [0], workgroupBytes }] };
  }
  const { parts } = split;
  const first = reducePass(kind, layout, split, 'load0', (_, at) => `partial[${at}] = total;`);
  const ofParts = { keptShape: [O], keptStrides: [parts], reducedShape: [parts], reducedStrides: [1] };
  const one = { block: powerOfTwo(O / 4, 8, 64), lanes: 1, parts: 1 };
  const last = reducePass(kind, ofParts, one, 'partialAt', (o) => `store0(${o}, ${result});`);
  const partialAt = 'fn partialAt(i: u32) -> f32 { return partial[i]; }\n';
  return {
    scratch: [{ name: 'partial', size: O * parts, type: 'f32' }],
    passes: [
      { label: 'parts', ...first, inputs: [0], outs: [], writes: ['partial'] },
      { label: 'whole', ...last, code: partialAt + last.code, inputs: [], outs: [0], reads: ['partial'] },
    ],
  };
}

/** One pass; `store(o, at)` is the statement that keeps `total` of output `o` and part `at`. */
function reducePass(
  kind: ReduceVariant['kind'],
  layout: ReduceLayout,
  { block, lanes, parts }: ReduceSplit,
  load: string,
  store: (o: string, at: string) => string,
): { code: string; workgroups: readonly [number, number, number] } {
  const O = sizeOf(layout.keptShape);
  const R = sizeOf(layout.reducedShape);
  const summing = kind === 'sum' || kind === 'mean';
  const fold = FOLD[kind];
  const units = lanes === 1 ? Math.ceil((O * parts) / block) : Math.ceil(O / block) * parts;
  const { workgroups, index } = foldGroups(units);
  // A maximum starts from an element it meets again: no floor to choose.
  const start = (first: string) => (summing ? 'f32(0)' : `${load}(base + offsetOf(${first}))`);
  const code = wgsl`
const O = ${O}u;
const R = ${R}u;
const BLOCK = ${block}u;
const LANES = ${lanes}u;
const PARTS = ${parts}u;
#if ${!summing}
${MAX_OR_NAN}
#endif
#if ${lanes > 1}
var<workgroup> totals: array<f32, ${block * lanes}>;
#endif

fn baseOf(o: u32) -> u32 { return ${stridedIndex('o', layout.keptShape, layout.keptStrides, 0)}; }
fn offsetOf(k: u32) -> u32 { return ${stridedIndex('k', layout.reducedShape, layout.reducedStrides, 0)}; }

@compute @workgroup_size(${block * lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let g = ${index};
#if ${lanes === 1}
  let t = g * BLOCK + lane;
  if (t >= O * PARTS) { return; }
  let o = t / PARTS;
  let base = baseOf(o);
  var total = ${start('t % PARTS')};
  for (var k = t % PARTS; k < R; k += PARTS) { total = ${fold('total', `${load}(base + offsetOf(k))`)}; }
  ${store('o', 't')}
#else
  let part = g % PARTS;
  let o = (g / PARTS) * BLOCK + lane % BLOCK;
  let kLane = lane / BLOCK;
  let first = part * LANES + kLane;
  let base = baseOf(min(o, O - 1u));
  var total = ${start('min(first, R - 1u)')};
  for (var k = first; k < R; k += PARTS * LANES) { total = ${fold('total', `${load}(base + offsetOf(k))`)}; }
  totals[lane] = total;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (kLane < half) { totals[lane] = ${fold('totals[lane]', 'totals[lane + half * BLOCK]')}; }
    workgroupBarrier();
  }
  if (kLane == 0u && o < O) {
    total = totals[lane];
    ${store('o', 'o * PARTS + part')}
  }
#endif
}
`;
  return { code, workgroups };
}
