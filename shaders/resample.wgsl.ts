// Resample: y[n, o, c] = Σ over k of weight[o, k] · x[n, source[o, k], c], by a table of K pairs (source, weight) for each o. Pairs of weight 0
// fill the table up and are not read. A lane computes four neighbours along c where C allows it.
import type { Capabilities } from '../src/graph/capabilities.ts';
import type { KernelSpec } from '../src/graph/kernel.ts';
import { decodedLanes, laneOf, loaded, overLanes, quads, repeated, stored } from './lanes.wgsl.ts';
import { u32, wgsl } from './wgsl.ts';

export interface ResampleVariant {
  /** Before the axis, along it in x and in y, and after it. */
  readonly N: number;
  readonly I: number;
  readonly O: number;
  readonly C: number;
  /** Pairs for each o. */
  readonly K: number;
  readonly gpu: Capabilities;
  /** Whether x is a plain f32 buffer. */
  readonly direct: boolean;
}

export function resampleKernel({ N, I, O, C, K, gpu, direct }: ResampleVariant): KernelSpec {
  const lane = laneOf(C);
  const channels = C / lane.width;
  const spec = overLanes(N * O * channels, gpu, ({ inputs: [x, table], outputs: [y] }) => {
    const pair = (k: string) => wgsl`
let weight = ${table!.load(`2u * (o * ${u32(K)} + ${k}) + 1u`)};
if (weight != 0u) {
  let source = (n * ${u32(I)} + ${table!.load(`2u * (o * ${u32(K)} + ${k})`)}) * ${u32(channels)} + c;
  y += bitcast<f32>(weight) * ${loaded(x!, lane, lane.float, 'source', direct)};
}
`;
    return wgsl`
${decodedLanes(['n', 'o', 'c'], [N, O, channels])}
var y = ${lane.float}(0.0);
${repeated(K, 'k', pair)}
${stored(y!, lane, 't', 'y')}
`;
  });
  return { ...spec, ...quads(lane, direct) };
}
