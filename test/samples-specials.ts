// Every op at the special values of floats, and at all pairs of them: zeros, infinities, NaN, the largest and the smallest normal
// numbers, beside a few plain ones. An op without a line here does not type-check.
import type { OpName } from '../src/ops/table.ts';
import type { SampleInput } from './sample.ts';

const LARGEST = 3.4028234663852886e38;
const SMALLEST = 2 ** -126;
const SPECIALS = [0, -0, 1, -3, Infinity, -Infinity, Number.NaN, LARGEST, -LARGEST, SMALLEST, -SMALLEST];
const N = SPECIALS.length;

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

/** Rows of a special and plain values; with K = 3 a kernel reads past the end of both, with K = 4 it reads vec4s. */
const beside = (K: number) => matrix(N, K, (row, k) => (k === row % K ? SPECIALS[row]! : plain(row + k)));
const products = (transposeB: boolean): Special[] =>
  [3, 4].map((K) => ({
    inputs: [beside(K), transposeB ? beside(K) : matrix(K, N, (k, n) => (k === n % K ? SPECIALS[n]! : plain(n + k)))],
    params: { transposeA: false, transposeB },
    hardware: K === 3,
  }));

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
  gatherRows: [{ inputs: [ROWS, whole('u32', 5, 0, N, ROW_PAIRS.length, 0xffffffff)], zeros: true }],
  gatherRowsGrad: [
    { inputs: [ROWS, whole('u32', ...ROW_PAIRS.map((_, i) => (i * 5) % 140))], params: { shape: [130, 3] } },
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
  argmax: along,
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
  matmul: [...products(false), ...products(true)],
  linear: [3, 4].map((K) => ({
    inputs: [beside(K), beside(K), vector(SPECIALS.map((_, n) => SPECIALS[(n + 3) % N]!))],
  })),
  linearGrad: [{ inputs: [beside(3), beside(4)] }],
  pack: [{ inputs: [X, X], params: { offsets: [0, 64], size: 128 }, zeros: true }],
  unpack: [{ inputs: [A], params: { offset: 3, shape: [N, 2] }, zeros: true }],
  copy: [{ inputs: [X], zeros: true }],
  iota: 'no floats',
  remainder: 'no floats',
};
