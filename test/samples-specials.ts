// Every op at the special values of floats, and at all pairs of them: zeros, infinities, NaN, the largest and the smallest normal
// numbers, beside a few plain ones. An op without a line here does not type-check.
import type { OpName } from '../src/ops/table.ts';
import type { SampleInput } from './sample.ts';

const LARGEST = 3.4028234663852886e38;
const SMALLEST = 2 ** -126;
const SPECIALS = [0, -0, 1, -3, Infinity, -Infinity, Number.NaN, LARGEST, -LARGEST, SMALLEST, -SMALLEST];
const N = SPECIALS.length;
/** The bits of 0.5 as an f32. */
const HALF = 0x3f000000;

export interface SpecialInput extends SampleInput {
  /** Whether it is no input but a constant, one value everywhere. */
  readonly constant?: boolean;
}

/** One use of an op, applied as it is in the table. */
export interface Special {
  readonly inputs: readonly SpecialInput[];
  readonly params?: object;
  /** Whether the sign of a zero must be right: what moves values and what works on their signs alone. */
  readonly zeros?: boolean;
  /** Whether hardware has a kernel of its own for it. */
  readonly hardware?: boolean;
}

/** Small enough that no sum of products with them overflows: floats would, doubles in between would not. */
const plain = (i: number) => (((i * 7) % 11) - 4) / 20;
const vector = (values: readonly number[]): SampleInput => ({ shape: [values.length], values });
const matrix = (rows: number, columns: number, at: (row: number, column: number) => number): SampleInput => ({
  shape: [rows, columns],
  values: Array.from({ length: rows * columns }, (_, i) => at(Math.floor(i / columns), i % columns)),
});
const whole = (dtype: 'u32' | 'i32', ...values: number[]): SampleInput => ({ shape: [values.length], dtype, values });

const X = vector(SPECIALS);
const A = vector(SPECIALS.flatMap((a) => SPECIALS.map(() => a)));
const B = vector(SPECIALS.flatMap(() => SPECIALS));
const [LEFT, RIGHT] = [A.values!, B.values!];
/**
 * Rows of pairs with a plain value between, and rows longer than a lane takes alone, with one special each. Without the pairs of two
 * largest, whose sums overflow, in doubles only at their end.
 */
const ROW_PAIRS = LEFT.map((a, i) => [a, 0.5, RIGHT[i]!]).filter(
  ([a, , b]) => Math.abs(a!) !== LARGEST || Math.abs(b!) !== LARGEST,
);
const ROWS = matrix(ROW_PAIRS.length, 3, (row, column) => ROW_PAIRS[row]![column]!);
/**
 * Pairs with 1 between: products of the smallest numbers with less are subnormal. Without those whose product overflows floats and not
 * doubles.
 */
const FACTORS = LEFT.map((a, i) => [a, 1, RIGHT[i]!]).filter(
  ([a, , b]) => !Number.isFinite(a! * b!) || Number.isFinite(Math.fround(a! * b!)),
);
const PRODUCTS = matrix(FACTORS.length, 3, (row, column) => FACTORS[row]![column]!);
const LONG = matrix(N, 65, (row, column) => (column === (row * 9 + 3) % 65 ? SPECIALS[row]! : plain(row + column)));
const PICTURE = { ...vector([...SPECIALS, 0.5]), shape: [1, 3, 4, 1] };
const GRADIENTS = [ROWS, LONG].map(({ shape: [rows, columns] }) => matrix(rows!, columns!, (r, c) => plain(r * 3 + c)));
const LABELS = [ROWS, LONG].map(({ shape: [rows] }) => whole('u32', ...Array.from({ length: rows! }, (_, r) => r % 4)));
const TARGETS = [ROWS, LONG].map(({ shape: [rows, columns] }) => matrix(rows!, columns!, (r, c) => ((r + c) % 3) / 3));

const unary: Special[] = [{ inputs: [X] }];
const signed: Special[] = [{ inputs: [X], zeros: true }];
const constant = (value: number): SpecialInput => ({ ...vector(SPECIALS.map(() => value)), constant: true });
/** Pairs, an input with itself, and beside constants, which compilers put to use; but for what WGSL lets them fold or regroup. */
const pairsBut = (...folded: readonly (number | 'itself')[]): Special[] => [
  { inputs: [A, B] },
  ...(folded.includes('itself') ? [] : [{ inputs: [X, X] }]),
  ...SPECIALS.filter((value) => !folded.includes(value)).map((value) => ({ inputs: [X, constant(value)] })),
];
const pairs = pairsBut();
const moved = (params: object): Special[] => [{ inputs: [ROWS], params, zeros: true }];
const reduced: Special[] = [ROWS, LONG].map((x) => ({ inputs: [x], params: { axes: [1] }, hardware: x === LONG }));
const along: Special[] = [ROWS, LONG].map((x) => ({ inputs: [x], params: { axis: 1 }, hardware: x === LONG }));
const backward: Special[] = [ROWS, LONG].map((y, k) => ({
  inputs: [GRADIENTS[k]!, y],
  params: { axis: 1 },
  hardware: y === LONG,
}));
const crossEntropies: Special[] = [LABELS, TARGETS].flatMap((targets, dense) =>
  [ROWS, LONG].map((x, k) => ({
    inputs: [x, targets[k]!],
    params: { dense: dense === 1, residual: true },
    hardware: x === LONG,
  })),
);
const powers = [0, 2, -1, -2, 3, 0.5, -0.5, 0.1, 1.5, -1.5, 65, -65, 66];

interface PoolParams {
  readonly rows: object;
  readonly columns: { readonly size: number; readonly places: number; readonly slide: { readonly stride: number } };
}

/** Rows of a special and plain values; with K = 3 a kernel reads past the end of both, with K = 4 it reads vec4s. */
const beside = (K: number) => matrix(N, K, (row, k) => (k === row % K ? SPECIALS[row]! : plain(row + k)));
const products = (transposeB: boolean): Special[] =>
  [3, 4].map((K) => ({
    inputs: [beside(K), transposeB ? beside(K) : matrix(K, N, (k, n) => (k === n % K ? SPECIALS[n]! : plain(n + k)))],
    params: { transposeA: false, transposeB },
    hardware: K === 3,
  }));

/** Each row as an image of one element, or as a filter of one. */
const image = (C: number): SampleInput => ({ ...beside(C), shape: [N, 1, 1, C] });
const WINDOW = { stride: [1, 1], padding: [0, 0, 0, 0], dilation: [1, 1], groups: 1 };
/** Channels of three elements with a special each, first or second; but for the largest, whose square overflows. */
const FEW = SPECIALS.filter((value) => Math.abs(value) !== LARGEST);
const CHANNELS = [0, 1].map((at) => matrix(3, FEW.length, (row, c) => (row === at ? FEW[c]! : plain(row * 2 + c))));
const PLAIN = matrix(3, FEW.length, (row, c) => plain(row + c * 3));
const perChannel = (at: (c: number) => number) => vector(FEW.map((_, c) => at(c)));
const STATS = matrix(FEW.length, 3, (c, k) => 0.5 + Math.abs(plain(c + k)));
const FINITE_ROWS = ROW_PAIRS.filter((row) => row.every((value) => Math.abs(value) !== LARGEST));
const FINITE_SQUARES = matrix(FINITE_ROWS.length, 3, (row, column) => FINITE_ROWS[row]![column]!);
const PLAIN_ROWS = matrix(FINITE_ROWS.length, 3, (row, column) => plain(row * 3 + column));
const GROUPS = { N: 1, M: 3, C: FEW.length, G: FEW.length };
/** Images of one row, the pairs: with 1 channel each in a window of 3, with 4 in windows that overlap. */
const images = (C: number): SampleInput => {
  const W = ROW_PAIRS.length * 3;
  return {
    shape: [1, 1, W, C],
    values: Array.from({ length: W * C }, (_, i) => ROW_PAIRS.flat()[(Math.floor(i / C) + (i % C) * 3) % W]!),
  };
};
const pools: PoolParams[] = [
  { places: ROW_PAIRS.length, kernel: 3, stride: 3, before: 0 },
  { places: ROW_PAIRS.length * 3, kernel: 3, stride: 1, before: 1 },
].map(({ places, kernel, stride, before }) => ({
  rows: { size: 1, places: 1, slide: { kernel: 1, stride: 1, before: 0, dilation: 1 } },
  columns: { size: ROW_PAIRS.length * 3, places, slide: { kernel, stride, before, dilation: 1 } },
}));
const pooled = (more: object, input: (pool: PoolParams, C: number) => readonly SampleInput[]): Special[] =>
  [1, 4].map((C, k) => ({ inputs: input(pools[k]!, C), params: { ...pools[k]!, ...more } }));
const poolImages = [1, 4].map(images);
const imageOf = (C: number) => poolImages[C === 1 ? 0 : 1]!;
/** dy of a pool: what is left of the images' values. */
const windowsOf = ({ columns }: PoolParams, C: number): SampleInput => ({
  shape: [1, 1, columns.places, C],
  values: imageOf(C).values!.slice(0, columns.places * C),
});
const placesOf = ({ columns }: PoolParams, C: number): SampleInput => ({
  shape: [1, 1, columns.places, C],
  dtype: 'u32',
  values: Array.from({ length: columns.places * C }, (_, i) =>
    Math.min(Math.floor(i / C) * columns.slide.stride, columns.size - 1),
  ),
});

export const specials: { readonly [K in OpName]: readonly Special[] | 'no floats' } = {
  neg: signed,
  abs: unary,
  sign: unary,
  exp: unary,
  log: unary,
  sqrt: unary,
  rsqrt: unary,
  square: unary,
  expm1: unary,
  pow: powers.map((exponent) => ({ inputs: [X], params: { exponent } })),
  powTensor: [{ inputs: [A, B] }, { inputs: [X, X] }],
  sin: unary,
  cos: unary,
  clip: [
    { inputs: [X], params: { min: -1, max: 2 } },
    { inputs: [X], params: { min: 0, max: Infinity } },
  ],
  cast: (['u32', 'i32'] as const).map((dtype) => ({ inputs: [X], params: { dtype } })),
  relu: unary,
  leakyRelu: [{ inputs: [X], params: { negativeSlope: 0.01 } }],
  sigmoid: unary,
  tanh: unary,
  silu: unary,
  softplus: unary,
  erf: unary,
  gelu: ['none', 'tanh'].map((approximate) => ({ inputs: [X], params: { approximate } })),
  elu: [
    { alpha: 1, scale: 1, inputScale: 1 },
    { alpha: -0.5, scale: 2, inputScale: 0.5 },
  ].map((params) => ({ inputs: [X], params })),
  relu6: unary,
  hardsigmoid: unary,
  hardswish: unary,
  mish: unary,
  logSigmoid: unary,
  prelu: pairsBut(0), // x · 0 is 0
  add: pairs,
  sub: pairsBut('itself'), // x - x is 0
  mul: pairsBut('itself', 0), // dy · x + dy · x is dy (x + x), x · 0 is 0
  div: pairsBut(0, Infinity, -Infinity), // x / ∞ is 0, x / 0 anything
  maximum: pairs,
  minimum: pairs,
  equal: pairs,
  notEqual: pairs,
  less: pairs,
  lessEqual: pairs,
  greater: pairs,
  greaterEqual: pairs,
  where: [
    { inputs: [A, B, vector(LEFT.map((_, i) => i))], zeros: true },
    ...SPECIALS.map((a) => ({ inputs: [X, constant(a), vector(SPECIALS.map((_, i) => i))], zeros: true })),
  ],
  reshape: moved({ shape: [3, ROW_PAIRS.length] }),
  broadcastTo: [{ inputs: [X], params: { shape: [2, N] }, zeros: true }],
  transpose: moved({ axes: [1, 0] }),
  slice: moved({ starts: [1, 0], ends: [ROW_PAIRS.length, 3] }),
  concat: [{ inputs: [A, B], params: { axis: 0 }, zeros: true }],
  pad: moved({ before: [0, 1], after: [0, 1], value: 7 }),
  reindex: (['reflect', 'replicate', 'circular', { scale: 0.7 }] as const).map((source) => ({
    inputs: [X],
    params: { axis: 0, size: N + 3, before: typeof source === 'object' ? 0 : 2, source },
    zeros: true,
  })),
  resample: [
    {
      inputs: [X, { shape: [3, 2, 2], dtype: 'u32', values: [0, HALF, 2, HALF, 4, HALF, 3, 0, 6, HALF, 2, HALF] }],
      params: {
        axis: 0,
        size: N,
        weights: [
          [
            [0, 0.5],
            [2, 0.5],
          ],
          [[4, 0.5]],
          [
            [6, 0.5],
            [2, 0.5],
          ],
        ],
      },
    },
  ],
  maxPool: pooled({}, (_, C) => [imageOf(C)]),
  maxPoolGrad: pooled({}, (pool, C) => [windowsOf(pool, C), placesOf(pool, C)]),
  atMaxima: pooled({}, (pool, C) => [imageOf(C), placesOf(pool, C)]).map((special) => ({ ...special, zeros: true })),
  avgPool: pooled({ divisor: 3 }, (_, C) => [imageOf(C)]),
  avgPoolGrad: pooled({ divisor: 3 }, (pool, C) => [windowsOf(pool, C)]),
  gatherRows: [{ inputs: [ROWS, whole('u32', 5, 0, N, ROW_PAIRS.length, 0xffffffff)], zeros: true }],
  gatherRowsGrad: [
    { inputs: [ROWS, whole('u32', ...ROW_PAIRS.map((_, i) => (i * 5) % 140))], params: { shape: [130, 3] } },
  ],
  gather: [
    {
      inputs: [
        { shape: [ROW_PAIRS.length, 3, 1], values: ROWS.values! },
        {
          shape: [ROW_PAIRS.length, 1, 1],
          dtype: 'u32',
          values: ROW_PAIRS.map((_, i) => (i % 5 === 4 ? 0xffffffff : i % 5)),
        },
      ],
      zeros: true,
    },
  ],
  gatherGrad: [
    {
      inputs: [
        { shape: [ROW_PAIRS.length, 3, 1], values: ROWS.values! },
        { shape: [ROW_PAIRS.length, 3, 1], dtype: 'u32', values: ROWS.values!.map((_, i) => (i * 5) % 4) },
      ],
      params: { N: 3 },
    },
  ],
  oneHot: [{ inputs: [whole('u32', 2, 3, 4, 0xffffffff)], params: { depth: 4 } }],
  dropoutMask: 'no floats',
  batchIndices: 'no floats',
  rowChoices: 'no floats',
  movePictures: [
    {
      inputs: [PICTURE, { shape: [1, 4], dtype: 'u32', values: [0, 1, 0, 2] }],
      params: { flip: { horizontal: 1, vertical: 1 }, crop: { padding: 1, reflect: false } },
      zeros: true,
    },
  ],
  brightenPictures: [
    {
      inputs: [PICTURE, { shape: [1, 1], dtype: 'u32', values: [2] }],
      params: { column: 0, low: 0.25, step: 0.25, most: 255 },
    },
  ],
  // By 45 degrees.
  warpPictures: [
    {
      inputs: [PICTURE, whole('u32', 0, 0), whole('i32', 23170, 23170, 8192)].map((x, k) =>
        k === 1 ? { ...x, shape: [1, 2] } : x,
      ),
      params: { angle: 0, zoom: 1, angles: 1 },
    },
  ],
  sum: reduced,
  sumFew: [{ inputs: [vector(SPECIALS.filter(Number.isFinite).slice(0, 4))] }, { inputs: [X] }],
  mean: reduced,
  max: reduced,
  min: reduced,
  topk: [true, false].flatMap((largest) =>
    [ROWS, LONG].map((x) => ({ inputs: [x], params: { k: 3, axis: 1, largest }, hardware: x === LONG })),
  ),
  prod: [PRODUCTS, LONG].map((x) => ({ inputs: [x], params: { axes: [1] }, hardware: x === LONG })),
  prodGrad: [ROWS, LONG].map((x) => ({
    inputs: [vector(x.values!.map(() => 1).slice(0, x.shape[0])), x],
    hardware: x === LONG,
  })),
  argmax: along,
  cumsum: [
    { inputs: [ROWS], params: { axis: 1, reverse: false, exclusive: false } },
    { inputs: [LONG], params: { axis: 1, reverse: true, exclusive: true } },
  ],
  softmax: along,
  softmaxGrad: backward,
  logSoftmax: along,
  logSoftmaxGrad: backward,
  logSumExp: along,
  softmaxCrossEntropy: crossEntropies,
  accuracy: [
    ...[ROWS, LONG].map((x, k) => ({ inputs: [x, LABELS[k]!], hardware: x === ROWS })),
    { inputs: [TARGETS[0]!, ROWS], hardware: false },
  ],
  moments: CHANNELS.map((x) => ({ inputs: [x], params: { ...GROUPS, eps: 1e-5 }, hardware: true })),
  sumAndDot: CHANNELS.map((x) => ({ inputs: [PLAIN, x], params: GROUPS })),
  standardize: CHANNELS.map((x) => ({ inputs: [x, STATS], params: GROUPS })),
  normalize: [
    { inputs: [CHANNELS[0]!, STATS, perChannel(plain), perChannel((c) => FEW[(c + 3) % FEW.length]!)], params: GROUPS },
  ],
  normalizeGrad: [
    { inputs: [PLAIN, CHANNELS[1]!, STATS, perChannel(plain), perChannel((c) => plain(c + 5))], params: GROUPS },
  ],
  layerNorm: [true, false].map((centred) => ({
    inputs: [FINITE_SQUARES, vector([1, -2, 0.5])],
    params: { C: 3, eps: 1e-5, centred },
    hardware: true,
  })),
  layerNormGrad: [
    {
      inputs: [PLAIN_ROWS, FINITE_SQUARES, matrix(FINITE_SQUARES.shape[0]!, 2, (r, k) => 0.5 + ((r + k) % 3) / 4)],
      params: { C: 3, centred: true },
    },
  ],
  matmul: [...products(false), ...products(true)],
  linear: [3, 4].map((K) => ({
    inputs: [beside(K), beside(K), vector(SPECIALS.map((_, n) => SPECIALS[(n + 3) % N]!))],
  })),
  linearGrad: [{ inputs: [beside(3), beside(4)] }],
  conv: [3, 4].map((C) => ({ inputs: [image(C), image(C)], params: WINDOW })),
  convInput: [{ inputs: [image(N), image(4)], params: { ...WINDOW, size: [1, 1] } }],
  convFilter: [{ inputs: [image(3), image(4)], params: { ...WINDOW, kernel: [1, 1] } }],
  pack: [{ inputs: [X, X], params: { offsets: [0, 64], size: 128 }, zeros: true }],
  unpack: [{ inputs: [A], params: { offset: 3, shape: [N, 2] }, zeros: true }],
  copy: [{ inputs: [X], zeros: true }],
  iota: 'no floats',
  remainder: 'no floats',
};
