// The place of the largest element, the first among equals: argmax for each of O outputs, and accuracy, which compares it
// with labels (or with the place of the largest target) and counts. Floats are compared by u32 keys in their order, so that NaN is the largest on every device.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { Declaration, KernelSpec, KernelText, Scratch, SharedArray } from '../src/graph/kernel.ts';
import { sizeOf } from '../src/graph/shape.ts';
import { foldGroups, powerOfTwo, type ReduceLayout } from './reduce.wgsl.ts';
import { stridedIndex } from './strided.wgsl.ts';
import { f32, wgsl } from './wgsl.ts';

/** u32 keys in the order of the floats: -0 and 0 are equal, NaN is the largest. */
export const ORDER_KEY: Declaration = {
  name: 'orderKey',
  text: (name) => `fn ${name}(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0xffffffffu; }
  if (magnitude == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}`,
};

export interface ArgmaxVariant {
  readonly layout: ReduceLayout;
  readonly barriers: Capabilities['barriers'];
}

/** The index of the largest of R elements for each of O outputs: the first among equals, the first NaN if there is one. */
export function argmaxKernel({ layout, barriers }: ArgmaxVariant): KernelSpec {
  const O = sizeOf(layout.keptShape);
  const R = sizeOf(layout.reducedShape);
  const cheap = barriers === 'cheap';
  const serial = R <= 32 || !cheap;
  const block = serial ? powerOfTwo(cheap ? O : O / 4, 8, 64) : 1;
  const lanes = serial ? 1 : powerOfTwo(R / 4, 16, 256);
  const { grid, index } = foldGroups(Math.ceil(O / block));
  const keys: SharedArray = { name: 'keys', type: 'u32', size: lanes };
  const places: SharedArray = { name: 'places', type: 'u32', size: lanes };
  const baseOf = (o: string) => stridedIndex(o, layout.keptShape, layout.keptStrides, 0);
  const offsetOf = (k: string) => stridedIndex(k, layout.reducedShape, layout.reducedStrides, 0);
  const keyAt = ({ inputs: [x], declare }: KernelText, place: string) =>
    `${declare(ORDER_KEY)}(${x!.load(`base + ${offsetOf(place)}`)})`;
  return {
    workgroup: [block * lanes, 1, 1],
    grid,
    ...(!serial && { shared: [keys, places], barriers: true }),
    body: (k) => wgsl`
const O = ${O}u;
const R = ${R}u;
const LANES = ${lanes}u;
let g = ${index};
#if ${serial}
let o = g * ${block}u + lane;
if (o >= O) { return; }
let first = 0u;
#else
let o = g;
let first = min(lane, R - 1u);
#endif
let within = min(o, O - 1u);
let base = ${baseOf('within')};
var place = first;
var key = ${keyAt(k, 'first')};
for (var k = first + LANES; k < R; k += LANES) {
  let next = ${keyAt(k, 'k')};
  if (next > key) { key = next; place = k; }
}
${serial ? k.outputs[0]!.store('o', 'place') : largestOfLanes(k, keys, places)}
`,
  };
}

/** The largest key of all lanes in a tree; the first lane stores its place. */
function largestOfLanes(k: KernelText, keyOf: SharedArray, placeOf: SharedArray): string {
  return wgsl`
${foldLargest(k, keyOf, placeOf)}
if (lane == 0u && o < O) {
  ${k.outputs[0]!.store('o', `${k.shared(placeOf)}[0]`)}
}
`;
}

/** Folds the lanes' `key` and `place` in a tree: the largest key, and the first place of equals, end at element 0. */
export function foldLargest(k: KernelText, keyOf: SharedArray, placeOf: SharedArray): string {
  const [keys, places] = [k.shared(keyOf), k.shared(placeOf)];
  return wgsl`
${keys}[lane] = key;
${places}[lane] = place;
${k.barrier()}
for (var half = LANES / 2u; half > 0u; half >>= 1u) {
  if (lane < half) {
    let other = lane + half;
    if (${keys}[other] > ${keys}[lane] || (${keys}[other] == ${keys}[lane] && ${places}[other] < ${places}[lane])) {
      ${keys}[lane] = ${keys}[other];
      ${places}[lane] = ${places}[other];
    }
  }
  ${k.barrier()}
}
`;
}

export interface AccuracyVariant {
  /** Rows and classes. */
  readonly B: number;
  readonly C: number;
  /** Whether targets are rows of C, not labels. */
  readonly dense: boolean;
  readonly barriers: Capabilities['barriers'];
}

/** Lanes that count together; where barriers are expensive, one lane counts up to a few hundred rows alone. */
function countingLanes({ B, barriers }: AccuracyVariant): number {
  if (barriers === 'none') return 1;
  if (barriers === 'expensive') return B <= 512 ? 1 : 64;
  return powerOfTwo(B / 16, 64, 256);
}

/** The fraction of B rows whose largest of C logits (the first among equals) is at the row's label; one group up to a few thousand. */
export function accuracyKernel(variant: AccuracyVariant): readonly KernelSpec[] {
  const { B } = variant;
  const lanes = countingLanes(variant);
  const parts = B <= 4096 ? 1 : Math.min(64, Math.ceil(B / (lanes * 8)));
  const fraction = ({ outputs: [y] }: KernelText) => y!.store('0u', `f32(count) / ${f32(B)}`);
  if (parts === 1) return [countKernel(variant, lanes, parts, fraction)];
  const partial: Scratch = { name: 'partial', type: 'u32', size: parts };
  const count = countKernel(variant, lanes, parts, (k) => k.scratch(partial).store('group.x', 'count'));
  return [
    { ...count, label: 'parts', outputs: [], writes: [partial] },
    {
      label: 'whole',
      inputs: [],
      reads: [partial],
      workgroup: [1, 1, 1],
      grid: [1, 1, 1],
      body: (k) => wgsl`
var count = 0u;
for (var k = 0u; k < ${parts}u; k++) { count += ${k.scratch(partial).load('k')}; }
${fraction(k)}
`,
    },
  ];
}

/** Counts the rows that are right in each of `parts` workgroups; `store` is the statement that stores `count`. */
function countKernel(
  { B, C, dense }: AccuracyVariant,
  lanes: number,
  parts: number,
  store: (k: KernelText) => string,
): KernelSpec {
  const counts: SharedArray = { name: 'counts', type: 'u32', size: lanes };
  const countOfLanes = (k: KernelText) => {
    const ofLanes = k.shared(counts);
    return wgsl`
${ofLanes}[lane] = count;
${k.barrier()}
if (lane > 0u) { return; }
for (var k = 1u; k < LANES; k++) { count += ${ofLanes}[k]; }
`;
  };
  return {
    workgroup: [lanes, 1, 1],
    grid: [parts, 1, 1],
    ...(lanes > 1 && { shared: [counts], barriers: true }),
    body: (k) => {
      const [logits, targets] = k.inputs;
      const orderKey = k.declare(ORDER_KEY);
      const placeOfLargest = (x: typeof logits, place: string, key: string) => wgsl`
var ${place} = 0u;
var ${key} = ${orderKey}(${x!.load('row * C')});
for (var c = 1u; c < C; c++) {
  let next = ${orderKey}(${x!.load('row * C + c')});
  if (next > ${key}) { ${key} = next; ${place} = c; }
}
`;
      return wgsl`
const B = ${B}u;
const C = ${C}u;
const LANES = ${lanes}u;
const PARTS = ${parts}u;
var count = 0u;
for (var row = group.x * LANES + lane; row < B; row += PARTS * LANES) {
  ${placeOfLargest(logits, 'place', 'key')}
  ${dense ? placeOfLargest(targets, 'label', 'targetKey') : ''}
  count += select(0u, 1u, place == ${dense ? 'label' : targets!.load('row')});
}
${lanes > 1 ? countOfLanes(k) : ''}
${store(k)}
`;
    },
  };
}
