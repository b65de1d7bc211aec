// The places of the K largest elements of each of N rows, C elements INNER apart: K times the largest among those after the one before, in
// the order of keys from above and of places. Floats are compared by u32 keys in their order, so that NaN is the largest on every device.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { KernelSpec, KernelText, SharedArray } from '../src/graph/kernel.ts';
import { foldLargest, ORDER_KEY } from './argmax.wgsl.ts';
import { foldGroups, powerOfTwo } from './reduce.wgsl.ts';
import { wgsl } from './wgsl.ts';

export interface TopkVariant {
  readonly N: number;
  readonly C: number;
  readonly INNER: number;
  readonly K: number;
  /** Or the smallest, with NaN last. */
  readonly largest: boolean;
  readonly barriers: Capabilities['barriers'];
}

export function topkKernel({ N, C, INNER, K, largest, barriers }: TopkVariant): KernelSpec {
  const lanes = barriers === 'cheap' && C > 64 ? powerOfTwo(C / 8, 16, 256) : 1;
  const block = lanes > 1 ? 1 : powerOfTwo(barriers === 'cheap' ? N : N / 4, 8, 64);
  const { grid, index } = foldGroups(Math.ceil(N / block));
  const keys: SharedArray = { name: 'keys', type: 'u32', size: lanes };
  const places: SharedArray = { name: 'places', type: 'u32', size: lanes };
  return {
    workgroup: [block * lanes, 1, 1],
    grid,
    ...(lanes > 1 && { shared: [keys, places], barriers: true }),
    body: (k) => wgsl`
const N = ${N}u;
const C = ${C}u;
const INNER = ${INNER}u;
const K = ${K}u;
const LANES = ${lanes}u;
let g = ${index};
#if ${lanes === 1}
let row = g * ${block}u + lane;
if (row >= N) { return; }
let first = 0u;
#else
let row = min(g, N - 1u);
let first = lane;
#endif
let base = (row / INNER) * (C * INNER) + row % INNER;
var lastKey = 0xffffffffu;
var start = 0u;
for (var t = zero; t < K; t++) {
  var key = 0u;
  var place = 0xffffffffu;
  for (var c = first; c < C; c += LANES) {
    let next = ${largest ? '' : '~'}${k.declare(ORDER_KEY)}(${k.inputs[0]!.load('base + c * INNER')});
    let after = next < lastKey || (next == lastKey && c >= start);
    if (after && (next > key || place == 0xffffffffu)) { key = next; place = c; }
  }
  ${lanes > 1 ? largestOfLanes(k, keys, places) : ''}
  lastKey = key;
  start = place + 1u;
  ${lanes > 1 ? 'if (lane == 0u && g < N) {' : '{'}
    ${k.outputs[0]!.store('((row / INNER) * K + t) * INNER + row % INNER', 'place')}
  }
}
`,
  };
}

/** The largest key of all lanes, the first of equals: every lane gets it. */
function largestOfLanes(k: KernelText, keys: SharedArray, places: SharedArray): string {
  return wgsl`
${foldLargest(k, keys, places)}
key = ${k.shared(keys)}[0];
place = ${k.shared(places)}[0];
${k.barrier()}
`;
}
