// Samples of pools, resampling and padding by modes: channels of 1, 3, 4 and 5, sizes of 1 and primes, windows that overlap, touch, leave gaps
// or are the image, uneven padding, last windows beyond the padding, dilation, ties.
import { apply, apply1, type Tensor } from '../src/graph/tensor.ts';
import { relu } from '../src/ops/activations.ts';
import { adaptiveAvgPool, adaptiveMaxPool } from '../src/ops/adaptive-pool.ts';
import { avgPool } from '../src/ops/avg-pool.ts';
import { atMaximaOp, type MaxPoolOptions, maxPool, maxPoolOp } from '../src/ops/max-pool.ts';
import type { PadMode } from '../src/ops/movement.ts';
import { pad } from '../src/ops/pad.ts';
import { slidingPool } from '../src/ops/pool-axis.ts';
import { type UpsampleOptions, upsample } from '../src/ops/upsample.ts';
import type { Pair } from '../src/ops/window.ts';
import type { Sample } from './sample.ts';

type Case = readonly [name: string, shape: readonly number[], kernel: Pair, options: MaxPoolOptions];

/** Windows of each kind; the first four run by default. */
const WINDOWS: readonly Case[] = [
  ['touching, four channels', [2, 6, 4, 4], 2, {}],
  ['touching, one row left over', [1, 5, 7, 3], 2, {}],
  ['overlapping, padded', [2, 7, 5, 8], 3, { stride: 2, padding: 1 }],
  ['overlapping, uneven', [1, 8, 7, 5], [3, 4], { stride: [1, 3], padding: [1, 0, 2, 1], ceilMode: true }],
  ['with gaps', [2, 11, 9, 4], 2, { stride: [3, 4] }],
  ['with gaps, padded', [1, 7, 8, 1], [2, 3], { stride: 5, padding: [1, 1, 1, 0] }],
  ['the image', [3, 5, 7, 4], [5, 7], {}],
  ['of one element', [2, 3, 4, 1], 1, {}],
  ['of one element, with gaps', [2, 5, 7, 4], 1, { stride: 2 }],
  ['of an image of one element', [2, 1, 1, 3], 1, {}],
  ['beyond the padding', [1, 6, 6, 4], 3, { stride: 2, ceilMode: true }],
  ['beyond the padding, touching', [1, 7, 5, 4], 3, { ceilMode: true, padding: 1 }],
  ['of 5 x 5, step 1', [1, 9, 11, 4], 5, { stride: 1, padding: 2 }],
  ['of 7 x 7, step 7', [1, 14, 15, 8], 7, {}],
  ['many channels', [1, 4, 4, 260], 2, {}],
  ['many images', [67, 3, 3, 1], 2, { stride: 1 }],
  ['past a workgroup', [5, 17, 13, 4], 3, { stride: 1, padding: 1 }],
];

const DILATED: readonly Case[] = [
  ['dilated', [1, 9, 8, 4], 3, { dilation: 2, stride: 1, padding: 1 }],
  ['dilated, uneven', [2, 11, 7, 3], [2, 3], { dilation: [4, 2], stride: 2, padding: [2, 0, 1, 2], ceilMode: true }],
];

/** The first `quick` cases by default, the others in the whole matrix; hardware has the same kernels, which `hardware` of them prove. */
function sampled(
  cases: readonly Omit<Sample, 'inputs' | 'full'>[],
  shapes: readonly (readonly number[])[],
  quick: number,
  hardware: number,
): Sample[] {
  return cases.map((sample, k) => ({
    hardware: k < hardware,
    ...sample,
    inputs: [{ shape: shapes[k]! }],
    ...(k >= quick && { full: true }),
  }));
}

function maxPools(): Sample[] {
  const cases = [WINDOWS.slice(0, 4), DILATED.slice(1), WINDOWS.slice(4), DILATED.slice(0, 1)].flat();
  const list = cases.map(([name, shape, kernel, options]) => ({
    name: `${name}, [${shape.join(', ')}]`,
    fn: (x: Tensor) => maxPool(x, kernel, options),
  }));
  return [
    ...sampled(
      list,
      cases.map(([, shape]) => shape),
      5,
      1,
    ),
    ...adaptive(adaptiveMaxPool),
    {
      name: 'ties, with their places',
      inputs: [{ shape: [2, 5, 5, 3], range: [1, 1] }],
      fn: (x) => {
        const { rows, columns } = slidingPool('sample', [5, 5], { kernel: 3, stride: 2, padding: 1, ceilMode: false });
        return apply(maxPoolOp, [x!], { rows, columns });
      },
      wrt: [],
      hardware: false,
    },
    {
      name: 'after a relu',
      inputs: [{ shape: [2, 4, 6, 4], away: 0 }],
      fn: (x) => relu(maxPool(relu(x!), 2)),
      hardware: false,
    },
    {
      name: 'overlapping, after a relu',
      inputs: [{ shape: [2, 4, 6, 4], away: 0 }],
      fn: (x) => maxPool(x!.relu(), 2, 1).sigmoid(),
      hardware: false,
      full: true,
    },
  ];
}

const ADAPTIVE: readonly (readonly [shape: readonly number[], size: Pair])[] = [
  [
    [2, 7, 5, 3],
    [3, 2],
  ],
  [
    [1, 8, 6, 4],
    [4, 3],
  ],
  [
    [2, 3, 2, 4],
    [5, 7],
  ],
  [
    [1, 13, 11, 4],
    [1, 11],
  ],
  [[3, 5, 4, 2], 1],
  [[1, 10, 10, 8], 7],
];

function adaptive(op: typeof adaptiveMaxPool, cases = ADAPTIVE): Sample[] {
  const list = cases.map(([shape, size]) => ({
    name: `to ${[size].flat().join(' x ')}, [${shape.join(', ')}]`,
    fn: (x: Tensor) => op(x, size),
  }));
  return sampled(
    list,
    cases.map(([shape]) => shape),
    1,
    0,
  );
}

/** Whether equal windows make it a plain pool. */
const isEqual = ([shape, size]: (typeof ADAPTIVE)[number]) =>
  [size, size]
    .flat()
    .slice(0, 2)
    .every((n, k) => shape[k + 1]! % n === 0);

function avgPools(): Sample[] {
  const cases = WINDOWS.flatMap((window) => [true, false].map((counted) => [...window, counted] as const));
  const quick = cases.filter((_, k) => [0, 5, 6].includes(k));
  const all = [...quick, ...cases.filter((c) => !quick.includes(c))];
  const list = all.map(([name, shape, kernel, options, countIncludePad]) => ({
    name: `${name}, [${shape.join(', ')}]${countIncludePad ? '' : ', padding not counted'}`,
    fn: (x: Tensor) => avgPool(x, kernel, { ...options, countIncludePad }),
  }));
  return [
    ...sampled(
      list,
      all.map(([, shape]) => shape),
      quick.length,
      1,
    ),
    ...adaptive(
      adaptiveAvgPool,
      ADAPTIVE.filter((c) => c[1] !== 1 && isEqual(c)),
    ),
    {
      name: 'divided by 3',
      inputs: [{ shape: [1, 5, 5, 4] }],
      fn: (x) => avgPool(x!, 2, { stride: 1, divisor: 3 }),
      full: true,
    },
  ];
}

/** What the gradient's gradient takes: elements of x by places. */
function atMaxima(): Sample[] {
  const { rows, columns } = slidingPool('sample', [3, 5], { kernel: 2, stride: 1, padding: 0, ceilMode: false });
  // One of the four pixels of each window.
  const values = Array.from({ length: 48 }, (_, i) => {
    const [c, column, row] = [i % 3, Math.floor(i / 3) % 4, Math.floor(i / 12) % 2];
    return row * 5 + column + [0, 1, 5, 6][(i + c) % 4]!;
  });
  return [
    {
      name: '[2, 3, 5, 3]',
      inputs: [{ shape: [2, 3, 5, 3] }, { shape: [2, 2, 4, 3], dtype: 'u32', values }],
      fn: (x, places) => apply1(atMaximaOp, [x!, places!], { rows, columns }),
      hardware: false,
    },
  ];
}

const RESIZED: readonly (readonly [shape: readonly number[], options: UpsampleOptions])[] = [
  [[2, 3, 5, 4], { scale: 2, mode: 'bilinear' }],
  [[1, 5, 7, 3], { size: [7, 3], mode: 'bilinear' }],
  [[1, 4, 3, 8], { size: [9, 1], mode: 'bilinear', alignCorners: true }],
  [[1, 1, 6, 5], { scale: [3, 1.7], mode: 'bilinear', alignCorners: true }],
  [[2, 4, 4, 1], { scale: [0.5, 2.3], mode: 'bilinear' }],
  [[1, 5, 5, 4], { scale: 5, mode: 'bilinear' }],
];

const COPIED: readonly (readonly [shape: readonly number[], options: UpsampleOptions])[] = [
  [[2, 3, 5, 4], { scale: [1.5, 2] }],
  [[1, 5, 7, 3], { size: [7, 3] }],
  [[2, 3, 4, 3], { scale: [1, 0.6] }],
  [[1, 7, 1, 5], { size: [11, 5] }],
];

function resized(cases: typeof RESIZED, quick: number, hardware: number): Sample[] {
  const list = cases.map(([shape, options]) => ({
    name: `[${shape.join(', ')}] ${JSON.stringify(options)}`,
    fn: (x: Tensor) => upsample(x, options),
  }));
  return sampled(
    list,
    cases.map(([shape]) => shape),
    quick,
    hardware,
  );
}

function padded(): Sample[] {
  const cases: readonly (readonly [PadMode, readonly number[], readonly number[], readonly number[], boolean])[] = [
    ['reflect', [2, 4, 5, 3], [0, 3, 2], [0, 1, 4], false],
    ['circular', [1, 3, 5, 4], [0, 3, 0], [0, 3, 1], false],
    ['replicate', [3, 2], [4, 1], [0, 9], false],
    ['replicate', [2, 1, 3, 4], [0, 5, 1], [0, 2], true],
    ['reflect', [7], [6], [6], true],
    ['circular', [1, 2, 3, 1, 2, 2], [1, 2, 0, 1], [0, 1, 3], true],
  ];
  return cases.map(([mode, shape, before, after, full]) => ({
    name: `${mode} [${shape.join(', ')}] by [${before.join(', ')}] and [${after.join(', ')}]`,
    inputs: [{ shape }],
    fn: (x) => pad(x!, before, after, { mode }),
    hardware: false,
    ...(full && { full }),
  }));
}

export const poolSamples = {
  maxPool: maxPools(),
  maxPoolGrad: maxPools().filter((sample) => sample.name.startsWith('dilated, uneven')),
  atMaxima: atMaxima(),
  avgPool: avgPools(),
  avgPoolGrad: avgPools().slice(2, 3),
  resample: [
    ...resized(RESIZED, 2, 1),
    ...adaptive(
      adaptiveAvgPool,
      ADAPTIVE.filter((c) => !isEqual(c)),
    ),
  ],
  reindex: [...resized(COPIED, 2, 0), ...padded()],
} satisfies Record<string, readonly Sample[]>;
