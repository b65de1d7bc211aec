// Matrix products as training makes them: forward (NT), the gradient of the input (NN) and of the weights (TN), square and in
// the shapes of the presets' layers.
import { matmul } from '../src/ops/matmul.ts';
import { densePresets } from '../src/train/dense-presets.ts';
import type { Bench, Case, Group, Suite } from './cases.ts';
import { programCase } from './program.ts';

/** Which operands are stored transposed: `N` is not, `T` is. */
type Layout = 'NN' | 'NT' | 'TN';
const LAYOUTS: readonly Layout[] = ['NN', 'NT', 'TN'];

const SIZES = [64, 128, 256, 512, 1024, 2048, 4096];
/** Rows of the layers' products. */
const B = 64;

export const matmulSuite: Suite = {
  name: 'matmul',
  about: 'matrix products, square and in the shapes of layers: GFLOP/s',
  *groups(bench) {
    for (const size of SIZES) {
      if (bench.quick && Math.log2(size) % 2 === 1) continue;
      yield { cases: LAYOUTS.map((layout) => product(bench, layout, size, size, size)) };
    }
    for (const { name, network } of Object.values(densePresets)) {
      const widths = [network.inputs, ...network.hidden, network.outputs];
      yield* layers(bench, name, widths);
    }
  },
};

/** The products of each layer's forward and backward; the first one's input wants no gradient. */
function* layers(bench: Bench, preset: string, widths: readonly number[]): Iterable<Group> {
  for (let k = 0; k + 1 < widths.length; k++) {
    const [K, N] = [widths[k]!, widths[k + 1]!];
    const name = `${preset} ${K}-${N}`;
    const cases = [
      product(bench, 'NT', B, N, K, `${name} y, `),
      product(bench, 'TN', N, K, B, `${name} dw, `),
      ...(k > 0 ? [product(bench, 'NN', B, K, N, `${name} dx, `)] : []),
    ];
    yield { cases };
  }
}

function product(bench: Bench, layout: Layout, M: number, N: number, K: number, prefix = ''): Case {
  const [transposeA, transposeB] = [layout === 'TN', layout === 'NT'];
  const flops = 2 * M * N * K;
  return programCase(bench, {
    name: `${prefix}${layout} ${M}x${N}x${K}`,
    kind: `${layout} ${prefix === '' ? 'square' : 'layer'}`,
    unit: 'GFLOP/s',
    amount: flops / 1e9,
    work: { flops, bytes: 4 * (M * K + K * N + M * N) },
    inputs: {
      a: { shape: transposeA ? [K, M] : [M, K], rows: transposeA ? 1 : 0 },
      b: { shape: transposeB ? [N, K] : [K, N] },
    },
    fn: ({ a, b }) => matmul(a!, b!, { transposeA, transposeB }),
  });
}
