// Samples of elementwise, movement, gather and random ops. Ranges keep clear of kinks and poles, since finite differences do
// not see them; what happens at a tie or a kink is in test/elementwise.test.ts.
import type { Shape } from '../src/graph/shape.ts';
import { apply1, type Tensor } from '../src/graph/tensor.ts';
import { erf, gelu, leakyRelu, relu, sigmoid, silu, softplus, tanh } from '../src/ops/activations.ts';
import * as b from '../src/ops/binary.ts';
import { broadcastTo } from '../src/ops/broadcast.ts';
import { cast } from '../src/ops/cast.ts';
import { expm1 } from '../src/ops/expm1.ts';
import { gatherRows, gatherRowsGradOp, oneHot } from '../src/ops/gather.ts';
import { gather, gatherAlongGradOp, take } from '../src/ops/gather-along.ts';
import { concat, slice, transpose } from '../src/ops/movement.ts';
import { pad } from '../src/ops/pad.ts';
import { pow } from '../src/ops/pow.ts';
import { batchIndices, dropoutMaskOp } from '../src/ops/random.ts';
import { reshape } from '../src/ops/reshape.ts';
import { clip, where } from '../src/ops/select.ts';
import { cos, sin } from '../src/ops/trigonometry.ts';
import * as u from '../src/ops/unary.ts';
import type { Sample, SampleInput } from './sample.ts';

/** Three sizes: one element, one past a workgroup, and rank 6. */
const SHAPES: readonly Shape[] = [[], [257], [2, 1, 3, 1, 5, 7]];

function unaries(fn: (x: Tensor) => Tensor, spec: Omit<SampleInput, 'shape'> = {}, label = ''): Sample[] {
  return SHAPES.map((shape) => ({ name: `${label}[${shape}]`, inputs: [{ ...spec, shape }], fn }));
}

/** Broadcasts that hurt: none, a scalar, a row, both sides at once, in the middle, and rank 6. */
const PAIRS: readonly (readonly [Shape, Shape])[] = [
  [[257], [257]],
  [[], [5, 7]],
  [[65, 3], [3]],
  [
    [7, 1],
    [1, 13],
  ],
  [
    [3, 1, 5],
    [3, 4, 5],
  ],
  [
    [2, 1, 3, 1, 5, 1],
    [1, 4, 1, 2, 1, 3],
  ],
];

type Pair = readonly [Omit<SampleInput, 'shape'>, Omit<SampleInput, 'shape'>];

function binaries(fn: (x: Tensor, y: Tensor) => Tensor, [p, q]: Pair = [{}, {}], pairs = PAIRS): Sample[] {
  return pairs.map(([m, n]) => ({
    name: `[${m}] with [${n}]`,
    inputs: [
      { ...p, shape: m },
      { ...q, shape: n },
    ],
    fn,
  }));
}

/** Positive bases with any exponent, and negative ones with whole exponents, of which only the bases move. */
function powers(): Sample[] {
  const [first, ...others] = binaries(pow, [{ range: [0.2, 3] }, {}], [PAIRS[3]!, PAIRS[0]!, PAIRS[5]!]);
  const whole = Array.from({ length: 257 }, (_, i) => (i % 9) - 4);
  const signed: Sample = {
    name: 'of any sign to whole powers [257]',
    inputs: [
      { shape: [257], away: 0 },
      { shape: [257], values: whole },
    ],
    fn: (x, y) => pow(x!, y!),
    wrt: [0],
  };
  return [first!, signed, ...others.map((sample) => ({ ...sample, full: true }))].map(software);
}

/** Elements by indices from both ends. */
function gathered(shape: Shape, axis: number, by: Shape, dtype: 'i32' | 'u32' = 'i32'): Sample {
  const N = shape.at(axis)!;
  return {
    name: `${dtype === 'u32' ? 'u32 ' : ''}[${shape}] by [${by}] along ${axis}`,
    inputs: [{ shape }, { shape: by, dtype, range: [dtype === 'u32' ? 0 : -N, N] }],
    fn: (x, at) => gather(x!, axis, at!),
  };
}

function gathers(): Sample[] {
  return [
    gathered([5, 7], 1, [5, 3]),
    gathered([4, 6, 3], 1, [2, 9, 3]),
    { ...gathered([17], 0, [257]), full: true },
    { ...gathered([3, 5, 2, 2], 0, [2, 5, 1, 2]), full: true },
    { ...gathered([3, 5], -1, [3, 1], 'u32'), full: true },
    {
      name: 'take of [4, 6, 3] by [2, 2] along 1, from both ends',
      inputs: [
        { shape: [4, 6, 3] },
        { shape: [2, 2], dtype: 'i32', values: [0, -1, 5, -6] },
        { shape: [4, 1, 3], dtype: 'i32', range: [-6, 6] },
      ],
      fn: (x, at, one) => [take(x!, at!, 1), gather(x!, 1, one!)],
    },
    {
      name: 'i32 [5, 4] along 1',
      inputs: [
        { shape: [5, 4], dtype: 'i32', range: [-9, 9] },
        { shape: [5, 2], dtype: 'i32', range: [-5, 5] },
      ],
      fn: (x, at) => gather(x!, 1, at!),
      full: true,
    },
  ];
}

/** Within a turn, and over thousands of turns, which devices would get wrong by themselves. */
function waves(fn: (x: Tensor) => Tensor): Sample[] {
  const [scalar, vector, deep] = unaries(fn, { range: [-7, 7] });
  const far = {
    name: 'far [257]',
    inputs: [{ shape: [257], range: [-1e4, 1e4] as const }],
    fn: (x?: Tensor) => fn(x!),
  };
  const samples = [vector!, far, { ...scalar!, full: true }, { ...deep!, full: true }];
  // All exponents of floats.
  const values = Array.from({ length: 127 }, (_, i) => (i % 2 ? 1 : -1) * (1 + (i * 37) / 5000) * 2 ** i);
  return [...samples, { ...far, name: 'huge [127]', inputs: [{ shape: [127], values }], wrt: [] }].map(software);
}

/** Hardware has no kernel of its own for it. */
const software = (sample: Sample): Sample => ({ ...sample, hardware: false });

/** Values on a grid of eighths, b's half a step off a's: never equal, never near each other. */
const APART: readonly (readonly [Shape, Shape])[] = [
  [[257], [257]],
  [
    [7, 1],
    [1, 13],
  ],
];
function grids(fn: (x: Tensor, y: Tensor) => Tensor): Sample[] {
  return APART.map(([m, n]) => ({
    name: `[${m}] with [${n}]`,
    inputs: [
      { shape: m, values: grid(m, 0) },
      { shape: n, values: grid(n, 1 / 16) },
    ],
    fn,
  }));
}
function grid(shape: Shape, shift: number): number[] {
  const size = shape.reduce((product, n) => product * n, 1);
  const step = shift === 0 ? 37 : 53;
  return Array.from({ length: size }, (_, i) => ((i * step) % 31) / 8 - 2 + shift);
}

/** Both dtypes of integers beside floats, with plenty of ties; a scalar on the right. */
function comparisons(fn: (x: Tensor, y: Tensor | number) => Tensor): Sample[] {
  const integers = (['u32', 'i32', 'f32'] as const).map((dtype): Sample => {
    const range = dtype === 'u32' ? ([0, 4] as const) : ([-2, 2] as const);
    const values = Array.from({ length: 65 * 3 }, (_, i) => ((i * 7) % 4) - (dtype === 'u32' ? 0 : 2));
    return {
      name: `${dtype} [65,3] with [3]`,
      inputs: [
        { shape: [65, 3], dtype, values },
        dtype === 'f32' ? { shape: [3], values: [-2, 0, 1] } : { shape: [3], dtype, range },
      ],
      fn,
      wrt: [],
    };
  });
  return [...integers, { name: 'f32 [257] with 0.5', inputs: [{ shape: [257] }], fn: (x) => fn(x, 0.5), wrt: [] }];
}

const STEP: SampleInput = { shape: [1], dtype: 'u32', values: [1234] };
const SEED: SampleInput = { shape: [2], dtype: 'u32', values: [0xdeadbeef, 42] };
const MASKS = [
  [[1], 0.5],
  [[257, 5], 0.1],
  [[3, 1, 7], 0.9],
] as const;

function batches(size: number, batch: number, stride: number, step: number, shuffle = true, offset = 0): Sample {
  const stepsPerEpoch = Math.ceil(size / stride);
  return {
    name: `${batch} of ${size}, step ${step}${shuffle ? ', shuffled' : ''}${offset ? ` from ${offset}` : ''}`,
    inputs: [{ shape: [1], dtype: 'u32', values: [step + 17] }, { shape: [1], dtype: 'u32', values: [17] }, SEED],
    fn: (at, origin, seed) =>
      batchIndices(at!, origin!, seed!, { size, batch, stride, stepsPerEpoch, shuffle, offset }),
  };
}

const POSITIVE = { range: [0.2, 3] } as const;
const FAR = { range: [-9, 9] } as const;

export const elementwiseSamples = {
  neg: unaries(u.neg),
  abs: unaries(u.abs, { away: 0 }),
  sign: unaries(u.sign).map((sample) => ({ ...sample, wrt: [] })),
  exp: unaries(u.exp, { range: [-4, 4] }),
  expm1: [...unaries(expm1, { range: [-4, 4] }), ...unaries(expm1, { range: [-1e-5, 1e-5] }, 'near 0 ')],
  log: unaries(u.log, POSITIVE),
  sqrt: unaries(u.sqrt, POSITIVE),
  rsqrt: unaries(u.rsqrt, POSITIVE),
  square: unaries(u.square),
  pow: [
    ...[2, 3, 7, -1, -2, 0].flatMap((n) => unaries((x) => pow(x, n), { range: [-2, 2], away: 0 }, `^${n} `).slice(1)),
    ...[0.5, -0.5, 1.7, -0.3].flatMap((n) => unaries((x) => pow(x, n), POSITIVE, `^${n} `).slice(1)),
    { name: '^99 [5]', inputs: [{ shape: [5], range: [-1.1, -0.9] }], fn: (x) => pow(x!, 99) },
    { name: '^-66 [5]', inputs: [{ shape: [5], range: [-1.1, -0.9] }], fn: (x) => pow(x!, -66) },
  ],
  powTensor: powers(),
  sin: waves(sin),
  cos: waves(cos).map((sample, k) => ({ ...sample, full: k !== 1 })),
  clip: [
    ...unaries((x) => clip(x, { max: 0.5 }), { away: 0.5 }, 'max '),
    ...unaries((x) => clip(x, { min: -0.5 }), { away: -0.5 }, 'min '),
    { name: 'both [65,3]', inputs: [{ shape: [65, 3], away: 0.5 }], fn: (x) => clip(x!, { min: -2.5, max: 0.5 }) },
  ],
  cast: [
    { name: 'u8 to f32 [257]', inputs: [{ shape: [257], dtype: 'u8', range: [0, 256] }], fn: (x) => cast(x!, 'f32') },
    {
      name: 'u16 to f32 [257]',
      inputs: [{ shape: [257], dtype: 'u16', range: [0, 65536] }],
      fn: (x) => cast(x!, 'f32'),
    },
    {
      name: 'u16 to i32 [5,7]',
      inputs: [{ shape: [5, 7], dtype: 'u16', range: [0, 65536] }],
      fn: (x) => cast(x!, 'i32'),
    },
    { name: 'u8 to u32 [5,7]', inputs: [{ shape: [5, 7], dtype: 'u8', range: [0, 256] }], fn: (x) => cast(x!, 'u32') },
    {
      name: 'i32 to f32 [65,3]',
      inputs: [{ shape: [65, 3], dtype: 'i32', range: [-9, 9] }],
      fn: (x) => cast(x!, 'f32'),
    },
    { name: 'i32 to u32 [7]', inputs: [{ shape: [7], dtype: 'i32', range: [-9, 9] }], fn: (x) => cast(x!, 'u32') },
    { name: 'f32 to i32 [257]', inputs: [{ shape: [257], range: [-9, 9] }], fn: (x) => cast(x!, 'i32'), wrt: [] },
    { name: 'f32 to u32 [257]', inputs: [{ shape: [257], range: [-2, 9] }], fn: (x) => cast(x!, 'u32'), wrt: [] },
  ],
  relu: unaries(relu, { away: 0 }),
  leakyRelu: [
    ...unaries(leakyRelu, { away: 0 }),
    ...unaries((x) => leakyRelu(x, { negativeSlope: 0.3 }), { away: 0 }, 'slope 0.3 '),
  ],
  sigmoid: unaries(sigmoid, FAR),
  tanh: [...unaries(tanh, { range: [-4, 4] }), ...unaries(tanh, { range: [-0.4, 0.4] }, 'near 0 ')],
  silu: unaries(silu, FAR),
  softplus: unaries(softplus, FAR),
  erf: [...unaries(erf, { range: [-3, 3] }), ...unaries(erf, { range: [-0.6, 0.6] }, 'near 0 ')],
  gelu: [
    ...unaries(gelu, { range: [-4, 4] }),
    ...unaries((x) => gelu(x, { approximate: 'tanh' }), { range: [-4, 4] }, 'tanh '),
  ],
  add: [
    ...binaries(b.add),
    { name: 'u32 [65]', inputs: [{ shape: [65], dtype: 'u32' }], fn: (x) => b.add(x!, 3) },
    { name: 'i32 [65]', inputs: [{ shape: [65], dtype: 'i32', range: [-9, 9] }], fn: (x) => b.add(x!, -3) },
  ],
  sub: [...binaries(b.sub), { name: '1 - [257]', inputs: [{ shape: [257] }], fn: (x) => b.sub(1, x!) }],
  mul: [
    ...binaries(b.mul),
    { name: 'itself [257]', inputs: [{ shape: [257] }], fn: (x) => b.mul(x!, x!) },
    {
      name: 'u32 past 2^32',
      inputs: [{ shape: [3], dtype: 'u32', values: [0xffffffff, 0x9e3779b9, 2] }],
      fn: (x) => b.mul(x!, 0x85ebca6b),
    },
  ],
  div: binaries(b.div, [{}, { range: [0.5, 2] }]),
  maximum: grids(b.maximum),
  minimum: grids(b.minimum),
  equal: comparisons(b.equal),
  notEqual: comparisons(b.notEqual),
  less: comparisons(b.less),
  lessEqual: comparisons(b.lessEqual),
  greater: comparisons(b.greater),
  greaterEqual: comparisons(b.greaterEqual),
  where: [
    {
      name: '[257]',
      inputs: [{ shape: [257], dtype: 'u32', range: [0, 2] }, { shape: [257] }, { shape: [257] }],
      fn: (c, x, y) => where(c!, x!, y!),
    },
    {
      name: '[7,1] ? [1,5] : [2,1,1]',
      inputs: [{ shape: [7, 1], dtype: 'i32', range: [-1, 1] }, { shape: [1, 5] }, { shape: [2, 1, 1] }],
      fn: (c, x, y) => where(c!, x!, y!),
    },
    { name: 'x > 0 ? x : -3', inputs: [{ shape: [65, 3], away: 0 }], fn: (x) => where(b.greater(x!, 0), x!, -3) },
  ],
  reshape: [
    { name: '[6,35] to [2,3,5,7]', inputs: [{ shape: [6, 35] }], fn: (x) => u.square(reshape(x!, [2, 3, 5, 7])) },
    { name: '[1] to []', inputs: [{ shape: [1] }], fn: (x) => u.square(reshape(x!, [])) },
    { name: '[257] alone', inputs: [{ shape: [257] }], fn: (x) => reshape(x!, [257, 1, 1]) },
  ],
  broadcastTo: [
    { name: '[] to [65,3]', inputs: [{ shape: [] }], fn: (x) => broadcastTo(x!, [65, 3]) },
    { name: '[3,1,5] to [2,3,4,5]', inputs: [{ shape: [3, 1, 5] }], fn: (x) => broadcastTo(x!, [2, 3, 4, 5]) },
    {
      name: '[1,2,1,3,1,2] rank 6',
      inputs: [{ shape: [1, 2, 1, 3, 1, 2] }],
      fn: (x) => broadcastTo(x!, [2, 2, 3, 3, 2, 2]),
    },
  ],
  transpose: [
    { name: '[65,17]', inputs: [{ shape: [65, 17] }], fn: (x) => transpose(x!) },
    { name: '[3,5,7] by 1,0,2', inputs: [{ shape: [3, 5, 7] }], fn: (x) => transpose(x!, [1, 0, 2]) },
    { name: '[2,3,5,7] by 0,2,-1,1', inputs: [{ shape: [2, 3, 5, 7] }], fn: (x) => transpose(x!, [0, 2, -1, 1]) },
    { name: 'rank 6', inputs: [{ shape: [2, 3, 1, 4, 5, 2] }], fn: (x) => transpose(x!, [3, 5, 0, 2, 4, 1]) },
    { name: 'twice [5,9]', inputs: [{ shape: [5, 9] }], fn: (x) => u.square(transpose(transpose(x!))) },
  ],
  slice: [
    { name: '[1031] from 7 to -9', inputs: [{ shape: [1031] }], fn: (x) => slice(x!, [7], [-9]) },
    { name: '[9,11] inner', inputs: [{ shape: [9, 11] }], fn: (x) => slice(x!, [2, 3], [7, 10]) },
    { name: '[3,5,7] last axis', inputs: [{ shape: [3, 5, 7] }], fn: (x) => slice(x!, [0, 0, -1], [3, 5, 7]) },
    { name: 'u32 [5,3] rows', inputs: [{ shape: [5, 3], dtype: 'u32' }], fn: (x) => slice(x!, [1], [4]) },
  ],
  concat: [
    {
      name: '[257],[1],[66]',
      inputs: [{ shape: [257] }, { shape: [1] }, { shape: [66] }],
      fn: (...xs) => concat(xs, 0),
    },
    {
      name: '[3,2,5],[3,7,5] axis 1',
      inputs: [{ shape: [3, 2, 5] }, { shape: [3, 7, 5] }],
      fn: (...xs) => concat(xs, 1),
    },
    {
      name: 'i32 [3,2],[3,1] axis -1',
      inputs: [
        { shape: [3, 2], dtype: 'i32', range: [-5, 5] },
        { shape: [3, 1], dtype: 'i32' },
      ],
      fn: (...xs) => concat(xs, -1),
    },
    {
      name: 'sixteen of [2,k]',
      inputs: Array.from({ length: 16 }, (_, k) => ({ shape: [2, (k % 3) + 1] })),
      fn: (...xs) => concat(xs, 1),
    },
    { name: 'x with itself [5,3]', inputs: [{ shape: [5, 3] }], fn: (x) => concat([x!, u.square(x!), x!], 0) },
  ],
  pad: [
    { name: '[257] by 3 and 5', inputs: [{ shape: [257] }], fn: (x) => pad(x!, [3], [5]) },
    { name: '[5,7] by 1,2 and 0,3', inputs: [{ shape: [5, 7] }], fn: (x) => pad(x!, [1, 2], [0, 3], -1.5) },
    { name: '[2,3,4] middle axis', inputs: [{ shape: [2, 3, 4] }], fn: (x) => pad(x!, [0, 1, 0], [0, 2, 0]) },
    {
      name: 'rank 6',
      inputs: [{ shape: [1, 2, 3, 1, 2, 3] }],
      fn: (x) => pad(x!, [1, 0, 2, 0, 0, 1], [0, 1, 0, 2, 0, 1]),
    },
    { name: 'u32 [3] with 9', inputs: [{ shape: [3], dtype: 'u32' }], fn: (x) => pad(x!, [1], [1], 9) },
  ],
  gatherRows: [
    {
      name: '[17,5] by [65]',
      inputs: [{ shape: [17, 5] }, { shape: [65], dtype: 'u32', range: [0, 17] }],
      fn: (x, at) => gatherRows(x!, at!),
    },
    {
      name: '[3] by [7,2]',
      inputs: [{ shape: [3] }, { shape: [7, 2], dtype: 'u32', range: [0, 3] }],
      fn: (x, at) => gatherRows(x!, at!),
    },
    {
      name: '[4,3,7] by [5], one twice',
      inputs: [{ shape: [4, 3, 7] }, { shape: [5], dtype: 'u32', values: [0, 1, 3, 0, 2] }],
      fn: (x, at) => gatherRows(x!, at!),
    },
    {
      name: 'u8 [13,27] by [9]',
      inputs: [
        { shape: [13, 27], dtype: 'u8', range: [0, 256] },
        { shape: [9], dtype: 'u32', range: [0, 13] },
      ],
      fn: (x, at) => gatherRows(x!, at!),
    },
    {
      name: 'u8 [13] labels by [7]',
      inputs: [
        { shape: [13], dtype: 'u8', range: [0, 10] },
        { shape: [7], dtype: 'u32', range: [0, 13] },
      ],
      fn: (x, at) => gatherRows(x!, at!),
    },
    {
      name: 'u16 [13,27] by [9]',
      inputs: [
        { shape: [13, 27], dtype: 'u16', range: [0, 65536] },
        { shape: [9], dtype: 'u32', range: [0, 13] },
      ],
      fn: (x, at) => gatherRows(x!, at!),
    },
    {
      name: 'u16 [13] token numbers by [3,5], rows of an embedding by them',
      inputs: [
        { shape: [300, 3] },
        { shape: [13], dtype: 'u16', range: [0, 300] },
        { shape: [3, 5], dtype: 'u32', range: [0, 13] },
      ],
      fn: (w, x, at) => gatherRows(w!, gatherRows(x!, at!)),
    },
    {
      name: 'u32 [13] by [7]',
      inputs: [
        { shape: [13], dtype: 'u32', range: [0, 100000] },
        { shape: [7], dtype: 'u32', range: [0, 13] },
      ],
      fn: (x, at) => gatherRows(x!, at!),
    },
    {
      name: 'normalised u8 [13,28] by [5]',
      inputs: [
        { shape: [13, 28], dtype: 'u8', range: [0, 256] },
        { shape: [5], dtype: 'u32', range: [0, 13] },
      ],
      fn: (x, at) => b.mul(cast(gatherRows(x!, at!), 'f32'), 1 / 255),
    },
  ],
  gatherRowsGrad: (
    [
      [17, [5], 65],
      [3, [], 1031],
      [300, [2, 1], 7],
      [4, [67], 5],
    ] as const
  ).map(([N, row, B]) => ({
    name: `${B} rows of [${row}] to ${N}`,
    inputs: [{ shape: [B, ...row] }, { shape: [B], dtype: 'u32', range: [0, N + 1] }],
    fn: (dy: Tensor, at: Tensor) => apply1(gatherRowsGradOp, [dy, at], { shape: [N, ...row] }),
    wrt: [],
  })),
  gather: gathers().map(software),
  gatherGrad: [
    {
      name: '[2, 67, 5] to 4, some past the end',
      inputs: [{ shape: [2, 67, 5] }, { shape: [2, 67, 5], dtype: 'u32' as const, range: [0, 5] as const }],
      fn: (dy: Tensor, at: Tensor) => apply1(gatherAlongGradOp, [dy, at], { N: 4 }),
      wrt: [],
      hardware: false,
    },
  ],
  oneHot: [
    { name: '[65] to 10', inputs: [{ shape: [65], dtype: 'u32', range: [0, 10] }], fn: (at) => oneHot(at!, 10) },
    {
      name: '[3,5] to 7',
      inputs: [{ shape: [3, 5], dtype: 'u32', range: [0, 7] }],
      fn: (at) => oneHot(at!, 7),
    },
  ],
  dropoutMask: MASKS.map(([shape, p]) => ({
    name: `[${shape}] p ${p}`,
    inputs: [STEP, SEED],
    fn: (step: Tensor, seed: Tensor) => apply1(dropoutMaskOp, [step, seed], { shape, p, stream: 0x12345678 }),
  })),
  batchIndices: [
    batches(60000, 64, 64, 0),
    batches(60000, 32, 64, 937 + 938 * 3),
    batches(65537, 257, 257, 255),
    batches(1000, 64, 64, 3, false),
    batches(1000, 40, 64, 15 + 16, false, 5000),
    batches(5, 2, 2, 4),
    batches(1, 1, 1, 9),
  ],
} satisfies Record<string, readonly Sample[]>;
