// Reduction of R elements to each of O outputs. A group of lanes strides over an output's elements, then folds its partial
// results in a tree of fixed order: the same bits at every run, whatever the subgroup size. Small R, and CPUs that
// pretend to be GPUs, take one lane an output: no barrier.
import type { KernelPlan } from '../src/graph/op.ts';
import { type Shape, sizeOf } from '../src/graph/shape.ts';
import { stridedIndex } from '../src/ops/broadcast.ts';
import { f32, wgsl } from './wgsl.ts';

export interface ReduceVariant {
  readonly kind: 'sum' | 'max' | 'min';
  readonly layout: {
    readonly keptShape: Shape;
    readonly keptStrides: readonly number[];
    readonly reducedShape: Shape;
    readonly reducedStrides: readonly number[];
  };
  readonly software: boolean;
}

const FOLD = {
  sum: { start: f32(0), combine: (a: string, b: string) => `${a} + ${b}` },
  max: { start: f32(-3.4028234663852886e38), combine: (a: string, b: string) => `max(${a}, ${b})` },
  min: { start: f32(3.4028234663852886e38), combine: (a: string, b: string) => `min(${a}, ${b})` },
} as const;

const LANES = 64;

export function reduceKernel({ kind, layout, software }: ReduceVariant): KernelPlan {
  const O = sizeOf(layout.keptShape);
  const R = sizeOf(layout.reducedShape);
  const { start, combine } = FOLD[kind];
  const base = stridedIndex('o', layout.keptShape, layout.keptStrides, 0);
  const element = stridedIndex('k', layout.reducedShape, layout.reducedStrides, 0);
  const lanes = R <= 32 || (software && (O >= 16 || R <= 256)) ? 1 : LANES;
  const groups = lanes === 1 ? Math.ceil(O / LANES) : O;
  const x = Math.min(groups, 65535);
  const y = Math.ceil(groups / x);
  const code = wgsl`
const O = ${O}u;
const R = ${R}u;
const LANES = ${lanes}u;
const START = ${start};
#if ${lanes > 1}
var<workgroup> partial: array<f32, LANES>;
#endif

@compute @workgroup_size(${LANES})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let g = group.x + group.y * ${x}u;
#if ${lanes === 1}
  let o = g * ${LANES}u + lane;
  if (o >= O) { return; }
  let base = ${base};
  var total = START;
  for (var k = 0u; k < R; k++) { let v = load0(base + ${element}); total = ${combine('total', 'v')}; }
  store0(o, total);
#else
  let o = min(g, O - 1u);
  let base = ${base};
  var total = START;
  for (var k = lane; k < R; k += LANES) { let v = load0(base + ${element}); total = ${combine('total', 'v')}; }
  partial[lane] = total;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half >>= 1u) {
    if (lane < half) { partial[lane] = ${combine('partial[lane]', 'partial[lane + half]')}; }
    workgroupBarrier();
  }
  if (lane == 0u && g < O) { store0(o, partial[0]); }
#endif
}
`;
  return { passes: [{ code, workgroups: [x, y, 1], inputs: [0], outs: [0] }] };
}
