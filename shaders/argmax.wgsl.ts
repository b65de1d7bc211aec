// The place of the largest element, the first among equals: argmax for each of O outputs, and accuracy, which compares it
// with labels and counts. Floats are compared by u32 keys in their order, so that NaN is the largest on every device.
import type { KernelPlan } from '../src/graph/op.ts';
import { sizeOf } from '../src/graph/shape.ts';
import { foldGroups, powerOfTwo, type ReduceLayout } from './reduce.wgsl.ts';
import { stridedIndex } from './strided.wgsl.ts';
import { f32, wgsl } from './wgsl.ts';

/** u32 keys in the order of the floats: -0 and 0 are equal, NaN is the largest. */
const ORDER_KEY = `
fn orderKey(v: f32) -> u32 {
  let bits = bitcast<u32>(v);
  let magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) { return 0xffffffffu; }
  if (magnitude == 0u) { return 0x80000000u; }
  return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}
`;

export interface ArgmaxVariant {
  readonly layout: ReduceLayout;
  readonly software: boolean;
}

/** The index of the largest of R elements for each of O outputs: the first among equals, the first NaN if there is one. */
export function argmaxKernel({ layout, software }: ArgmaxVariant): KernelPlan {
  const O = sizeOf(layout.keptShape);
  const R = sizeOf(layout.reducedShape);
  const serial = R <= 32 || software;
  const block = serial ? powerOfTwo(software ? O / 4 : O, 8, 64) : 1;
  const lanes = serial ? 1 : powerOfTwo(R / 4, 16, 256);
  const { workgroups, index } = foldGroups(Math.ceil(O / block));
  const code = wgsl`
const O = ${O}u;
const R = ${R}u;
const LANES = ${lanes}u;
${ORDER_KEY}
#if ${lanes > 1}
var<workgroup> keys: array<u32, LANES>;
var<workgroup> places: array<u32, LANES>;
#endif

fn baseOf(o: u32) -> u32 { return ${stridedIndex('o', layout.keptShape, layout.keptStrides, 0)}; }
fn offsetOf(k: u32) -> u32 { return ${stridedIndex('k', layout.reducedShape, layout.reducedStrides, 0)}; }

@compute @workgroup_size(${block * lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let g = ${index};
#if ${serial}
  let o = g * ${block}u + lane;
  if (o >= O) { return; }
  let first = 0u;
#else
  let o = g;
  let first = min(lane, R - 1u);
#endif
  let base = baseOf(min(o, O - 1u));
  var place = first;
  var key = orderKey(load0(base + offsetOf(first)));
  for (var k = first + LANES; k < R; k += LANES) {
    let next = orderKey(load0(base + offsetOf(k)));
    if (next > key) { key = next; place = k; }
  }
#if ${serial}
  store0(o, place);
#else
  keys[lane] = key;
  places[lane] = place;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) {
      let other = lane + half;
      if (keys[other] > keys[lane] || (keys[other] == keys[lane] && places[other] < places[lane])) {
        keys[lane] = keys[other];
        places[lane] = places[other];
      }
    }
    workgroupBarrier();
  }
  if (lane == 0u && o < O) { store0(o, places[0]); }
#endif
}
`;
  return { passes: [{ code, workgroups, inputs: [0], outs: [0], workgroupBytes: serial ? 0 : lanes * 8 }] };
}

export interface AccuracyVariant {
  /** Rows and classes. */
  readonly B: number;
  readonly C: number;
  readonly software: boolean;
}

/** The fraction of B rows whose largest of C logits (the first among equals) is at the row's label; one group up to a few thousand. */
export function accuracyKernel({ B, C, software }: AccuracyVariant): KernelPlan {
  // Where a barrier is dear, one lane counts up to a few hundred rows alone.
  const lanes = !software ? powerOfTwo(B / 16, 64, 256) : B <= 512 ? 1 : 64;
  const parts = B <= 4096 ? 1 : Math.min(64, Math.ceil(B / (lanes * 8)));
  const count = (stored: string) => wgsl`
const B = ${B}u;
const C = ${C}u;
const LANES = ${lanes}u;
const PARTS = ${parts}u;
${ORDER_KEY}
#if ${lanes > 1}
var<workgroup> counts: array<u32, LANES>;
#endif

fn isRight(row: u32) -> u32 {
  var place = 0u;
  var key = orderKey(load0(row * C));
  for (var c = 1u; c < C; c++) {
    let next = orderKey(load0(row * C + c));
    if (next > key) { key = next; place = c; }
  }
  return select(0u, 1u, place == load1(row));
}

@compute @workgroup_size(${lanes})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var count = 0u;
  for (var row = group.x * LANES + lane; row < B; row += PARTS * LANES) { count += isRight(row); }
#if ${lanes > 1}
  counts[lane] = count;
  workgroupBarrier();
  if (lane > 0u) { return; }
  for (var k = 1u; k < LANES; k++) { count += counts[k]; }
#endif
  ${stored}
}
`;
  if (parts === 1) {
    const code = count(`store0(0u, f32(count) / ${f32(B)});`);
    const workgroupBytes = lanes > 1 ? lanes * 4 : 0;
    return { passes: [{ code, workgroups: [1, 1, 1], inputs: [0, 1], outs: [0], workgroupBytes }] };
  }
  const total = `
@compute @workgroup_size(1)
fn main() {
  var count = 0u;
  for (var k = 0u; k < ${parts}u; k++) { count += partial[k]; }
  store0(0u, f32(count) / ${f32(B)});
}
`;
  return {
    scratch: [{ name: 'partial', size: parts, type: 'u32' }],
    passes: [
      {
        label: 'parts',
        code: count('partial[group.x] = count;'),
        workgroups: [parts, 1, 1],
        inputs: [0, 1],
        outs: [],
        writes: ['partial'],
      },
      { label: 'whole', code: total, workgroups: [1, 1, 1], inputs: [], outs: [0], reads: ['partial'] },
    ],
  };
}
