// Samples of normalization: groups of 1 channel, of primes and of all channels; one row past a workgroup; planes larger than one; many
// rows, which take two passes. The fused gradients are differentiated again.
import { grad } from '../src/autodiff/grad.ts';
import type { Shape } from '../src/graph/shape.ts';
import { apply, apply1, type Tensor } from '../src/graph/tensor.ts';
import type { Groups } from '../src/ops/groups.ts';
import { layerNorm, layerNormGradOp, layerNormOp } from '../src/ops/layer-norm.ts';
import { moments, sumAndDot } from '../src/ops/moments.ts';
import { normalize, normalizeGradOp, standardize } from '../src/ops/normalize.ts';
import type { Sample } from './sample.ts';

/** Large, so that two elements near each other are no ill-conditioned pair. */
const eps = 0.01;

interface Layout extends Groups, Pick<Sample, 'full' | 'hardware' | 'wrt'> {
  readonly name: string;
}

/** Every channel over N · H · W. */
const batch = (M: number, C: number): Groups => ({ N: 1, M, C, G: C });

/** x as (N, M, C) in G groups. */
const LAYOUTS: readonly Layout[] = [
  { ...batch(5, 1), name: 'one channel of 5', full: true },
  { ...batch(257, 5), name: '5 channels of 257' },
  { ...batch(9001, 5), name: '5 channels of 9001, in parts', wrt: [] },
  { ...batch(3000, 67), name: '67 channels of 3000, in parts', wrt: [], full: true },
  { ...batch(2, 130), name: '130 channels of 2', full: true },
  { ...batch(40_009, 1), name: 'one channel of 40009, in parts', wrt: [], full: true },
  { N: 3, M: 7, C: 6, G: 2, name: '2 groups of 3 channels in 3 planes of 7' },
  { N: 2, M: 289, C: 24, G: 6, name: '6 groups of 4 channels in 2 planes of 289', wrt: [], full: true },
  { N: 2, M: 1031, C: 3, G: 3, name: '3 channels in 2 planes of 1031', wrt: [], full: true },
  { N: 3, M: 5, C: 4, G: 1, name: 'one group of 4 channels in 3 planes of 5', full: true },
  { N: 2, M: 4001, C: 10, G: 1, name: 'one group of 10 channels in 2 planes of 4001, in parts', wrt: [], full: true },
];

const shapeOf = ({ N, M, C }: Groups): Shape => (N === 1 ? [M, C] : [N, M, C]);
/** What divides by σ, away from 0. */
const positive = [0.5, 2] as const;

/** A sample for each layout. */
function inLayouts(sample: (layout: Layout, x: { readonly shape: Shape }) => Omit<Sample, 'name'>): Sample[] {
  return LAYOUTS.map((layout) => {
    const { name, full, wrt } = layout;
    return { name, ...(full && { full }), ...(wrt && { wrt }), ...sample(layout, { shape: shapeOf(layout) }) };
  });
}

const weighted = (p: Groups, x: Tensor, weight?: Tensor, bias?: Tensor) => normalize(x, { ...p, eps }, weight, bias).y;
const small = LAYOUTS.filter(({ N, M, C }) => C > 1 && N * M * C < 200);

interface RowLayout extends Pick<Sample, 'full' | 'hardware' | 'wrt'> {
  readonly shape: Shape;
  readonly centred: boolean;
}

/** Rows of C, by layer norm (centred) or RMS norm. */
const ROWS: readonly RowLayout[] = [
  { shape: [65, 10], centred: true },
  { shape: [2, 3, 257], centred: true },
  { shape: [7, 5], centred: false },
  { shape: [9, 1100], centred: true, wrt: [], full: true },
  { shape: [2, 1100], centred: false, wrt: [], full: true },
  { shape: [1, 2], centred: true, full: true },
  { shape: [5, 64], centred: false, full: true },
];

/** A sample for each layout of rows. */
function inRows(
  sample: (
    rows: RowLayout & { readonly C: number; readonly eps: number },
    x: { readonly shape: Shape },
  ) => Omit<Sample, 'name'>,
): Sample[] {
  return ROWS.map((layout) => {
    const { shape, centred, full, wrt } = layout;
    const of = sample({ ...layout, C: shape.at(-1)!, eps }, { shape });
    const name = `${centred ? 'mean and' : 'only'} 1/σ of [${shape.join(', ')}]`;
    return { name, ...(full && { full }), ...(wrt && { wrt }), ...of };
  });
}

export const normSamples = {
  layerNorm: [
    ...inRows(({ C, eps, centred }, x) => ({
      inputs: [x, { shape: [C] }, { shape: [C] }],
      fn: (x, weight, bias) => layerNorm(x!, { C, eps, centred }, weight, bias),
    })),
    {
      name: 'without weight, its statistics too',
      inputs: [{ shape: [4, 5] }],
      fn: (x) => apply(layerNormOp, [x!], { C: 5, eps, centred: true }),
      hardware: false,
    },
  ],
  layerNormGrad: [
    ...inRows(({ C, eps, centred, shape }, x) => ({
      inputs: [x, x, { shape: [shape.slice(0, -1).reduce((a, b) => a * b), 2], range: positive }, { shape: [C] }],
      fn: (...xs) => apply1(layerNormGradOp, xs, { C, eps, centred }),
    })),
    ...[true, false].map(
      (centred): Sample => ({
        name: `through layerNorm, ${centred ? '' : 'not '}centred`,
        inputs: [{ shape: [3, 7] }, { shape: [7] }, { shape: [3, 7] }],
        fn: (x, weight, dy) =>
          grad(layerNorm(x!, { C: 7, eps, centred }, weight, undefined), [x!, weight!], dy) as Tensor[],
        hardware: false,
      }),
    ),
  ],
  moments: inLayouts((p, x) => ({ inputs: [x], fn: (x) => moments(x!, { ...p, eps }) })),
  sumAndDot: inLayouts((p, x) => ({ inputs: [x, x], fn: (a, b) => [...sumAndDot(a!, b!, p)] })),
  standardize: inLayouts((p, x) => ({
    inputs: [x, { shape: [p.N * p.G, 3], range: positive }],
    fn: (x, stats) => standardize(x!, stats!, p),
    hardware: false,
  })),
  normalize: [
    ...inLayouts((p, x) => ({
      inputs: [x, { shape: [p.C] }, { shape: [p.C] }],
      fn: (x, weight, bias) => weighted(p, x!, weight, bias),
      hardware: false,
    })),
    {
      name: 'without weight and bias',
      inputs: [{ shape: [3, 7, 6] }],
      fn: (x) => weighted({ N: 3, M: 7, C: 6, G: 3 }, x!),
      hardware: false,
    },
  ],
  normalizeGrad: [
    ...inLayouts((p, x) => ({
      inputs: [
        x,
        x,
        { shape: [p.N * p.G, 3], range: positive },
        ...[p.N * p.G, p.N * p.G, p.C].map((n) => ({ shape: [n] })),
      ],
      fn: (...xs) => apply1(normalizeGradOp, xs, { N: p.N, M: p.M, C: p.C, G: p.G }),
      hardware: false,
    })),
    ...small.map(
      (p): Sample => ({
        name: `through normalize: ${p.name}`,
        inputs: [{ shape: shapeOf(p) }, { shape: [p.C] }, { shape: shapeOf(p) }],
        fn: (x, weight, dy) => grad(weighted(p, x!, weight), [x!, weight!], dy) as Tensor[],
        hardware: false,
        full: p.G !== 2,
      }),
    ),
  ],
} satisfies Record<string, readonly Sample[]>;
