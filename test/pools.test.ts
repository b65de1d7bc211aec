// Pools, upsampling and padding against PyTorch's numbers, with their ties, NaN and refusals; the layers around them, and what fuses with them.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import { costsOf } from '../src/graph/capabilities.ts';
import { constant, grad, nn, type Tensor } from '../src/index.ts';
import {
  adaptiveAvgPool,
  adaptiveMaxPool,
  avgPool,
  input,
  maxPool,
  pad,
  transpose,
  upsample,
} from '../src/ops/index.ts';
import { testExecutor } from './gpu.ts';

const backend = createCpuBackend({ precision: 'float64' });
const valuesOf = async (y: Tensor) => [...(await backend.run(() => y))['y']!.data];

function expectNear(got: readonly number[], wanted: readonly number[], tolerance = 1e-4): void {
  expect(got.length).toBe(wanted.length);
  for (const [i, value] of wanted.entries())
    if (!(Math.abs(got[i]! - value) <= tolerance)) throw new Error(`[${i}] is ${got[i]}, wanted ${value}`);
}

/** An image of 5 x 4 with two channels, which repeats every 11 elements: some windows have equal maxima. */
const IMAGE = constant(
  Array.from({ length: 40 }, (_, i) => (((7 * i) % 11) - 5) / 2),
  [1, 5, 4, 2],
);

/** PyTorch 1.13, functions of torch.nn.functional, axes permuted: the shape, y, and dx where dy is 1, 2, 3, … */
const TORCH: readonly (readonly [
  call: string,
  fn: (x: Tensor) => Tensor,
  shape: readonly number[],
  y: readonly number[],
  dx: readonly number[],
])[] = [
  // prettier-ignore
  [
    'max_pool2d(3, 2, padding=1, ceil_mode=True)',
    (x) => maxPool(x, 3, 2, { padding: 1, ceilMode: true }),
    [1, 3, 3, 2],
    [-0.5, 2.5, 2.5, 2.5, 2.5, 0.5, 0.5, 2.5, 2.5, 1.5, 2.5, 1.5, 1, 2.5, 2.5, 2, -1.5, 2],
    [
      0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 28, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 22, 7, 0, 0, 0, 0, 22, 0, 0, 13, 0,
      15, 0, 17, 34,
    ],
  ],
  // prettier-ignore
  [
    'max_pool2d(2, 1, dilation=(2, 3))',
    (x) => maxPool(x, 2, { stride: 1, dilation: [2, 3] }),
    [1, 3, 1, 2],
    [2, 2, 2.5, 2.5, -0.5, 2],
    [
      0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0,
      0, 0,
    ],
  ],
  // prettier-ignore
  [
    'avg_pool2d(3, 2, padding=1, ceil_mode=True)',
    (x) => avgPool(x, 3, { stride: 2, padding: 1, ceilMode: true }),
    [1, 3, 3, 2],
    [
      -0.6667, 0.2778, 0.5, -0.2222, 0.75, 0.0833, -0.5, 0, 0.2778, -0.5, -0.3333, 0.5, 0, -0.2778, 0.2778, 0.1667,
      -0.5833, 0.5833,
    ],
    [
      0.1111, 0.2222, 0.4444, 0.6667, 0.3333, 0.4444, 1.1667, 1.4444, 0.8889, 1.1111, 2.2222, 2.6667, 1.3333, 1.5556, 4,
      4.5556, 0.7778, 0.8889, 1.7778, 2, 1, 1.1111, 2.8333, 3.1111, 2.2222, 2.4444, 4.8889, 5.3333, 2.6667, 2.8889,
      7.3333, 7.8889, 1.4444, 1.5556, 3.1111, 3.3333, 1.6667, 1.7778, 4.5, 4.7778,
    ],
  ],
  // prettier-ignore
  [
    'avg_pool2d((2, 3), (3, 2), padding=(1, 0), ceil_mode=True, count_include_pad=False)',
    (x) => avgPool(x, [2, 3], [3, 2], { padding: [1, 0], ceilMode: true, countIncludePad: false }),
    [1, 2, 2, 2],
    [-1, 0.6667, 1.25, -0.75, 0.25, 0.0833, -0.25, 0.5],
    [
      0.3333, 0.6667, 0.3333, 0.6667, 1.8333, 2.6667, 1.5, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0.8333, 1, 0.8333, 1, 2.5833, 3,
      1.75, 2, 0.8333, 1, 0.8333, 1, 2.5833, 3, 1.75, 2, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
  ],
  // prettier-ignore
  [
    'avg_pool2d(6, ceil_mode=True, divisor_override=5)',
    (x) => avgPool(x, 6, { ceilMode: true, divisor: 5 }),
    [1, 1, 1, 2],
    [-0.3, 0.5],
    [
      0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2,
      0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4, 0.2, 0.4,
    ],
  ],
  // prettier-ignore
  [
    'adaptive_avg_pool2d((2, 3))',
    (x) => adaptiveAvgPool(x, [2, 3]),
    [1, 2, 3, 2],
    [-1.25, 0.4167, 0.25, -0.8333, 0.8333, -0.25, -0.25, -0.4167, 1.25, -0.75, 0, 0.75],
    [
      0.1667, 0.3333, 0.6667, 1, 1.3333, 1.6667, 0.8333, 1, 0.1667, 0.3333, 0.6667, 1, 1.3333, 1.6667, 0.8333, 1,
      1.3333, 1.6667, 3.3333, 4, 4.6667, 5.3333, 2.6667, 3, 1.1667, 1.3333, 2.6667, 3, 3.3333, 3.6667, 1.8333, 2,
      1.1667, 1.3333, 2.6667, 3, 3.3333, 3.6667, 1.8333, 2,
    ],
  ],
  // prettier-ignore
  [
    'adaptive_max_pool2d((2, 3))',
    (x) => adaptiveMaxPool(x, [2, 3]),
    [1, 2, 3, 2],
    [0, 2.5, 1.5, 2.5, 2.5, 1, 1, 2.5, 2.5, 0.5, 2.5, 2],
    [
      0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1, 0, 3, 0, 0, 6, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 20,
      10, 0, 12,
    ],
  ],
  // prettier-ignore
  [
    'interpolate(size=(3, 6))',
    (x) => upsample(x, { size: [3, 6] }),
    [1, 3, 6, 2],
    [
      -2.5, 1, -2.5, 1, -1, 2.5, 0.5, -1.5, 0.5, -1.5, 2, 0, -2, 1.5, -2, 1.5, -0.5, -2.5, 1, -1, 1, -1, 2.5, 0.5, -1,
      2.5, -1, 2.5, 0.5, -1.5, 2, 0, 2, 0, -2, 1.5,
    ],
    [
      4, 6, 5, 6, 16, 18, 11, 12, 28, 30, 17, 18, 40, 42, 23, 24, 0, 0, 0, 0, 0, 0, 0, 0, 52, 54, 29, 30, 64, 66, 35,
      36, 0, 0, 0, 0, 0, 0, 0, 0,
    ],
  ],
  // prettier-ignore
  [
    'interpolate(scale_factor=(1, 2))',
    (x) => upsample(x, { scale: [1, 2] }),
    [1, 5, 8, 2],
    [
      -2.5, 1, -2.5, 1, -1, 2.5, -1, 2.5, 0.5, -1.5, 0.5, -1.5, 2, 0, 2, 0, -2, 1.5, -2, 1.5, -0.5, -2.5, -0.5, -2.5, 1,
      -1, 1, -1, 2.5, 0.5, 2.5, 0.5, -1.5, 2, -1.5, 2, 0, -2, 0, -2, 1.5, -0.5, 1.5, -0.5, -2.5, 1, -2.5, 1, -1, 2.5,
      -1, 2.5, 0.5, -1.5, 0.5, -1.5, 2, 0, 2, 0, -2, 1.5, -2, 1.5, -0.5, -2.5, -0.5, -2.5, 1, -1, 1, -1, 2.5, 0.5, 2.5,
      0.5, -1.5, 2, -1.5, 2,
    ],
    [
      4, 6, 12, 14, 20, 22, 28, 30, 36, 38, 44, 46, 52, 54, 60, 62, 68, 70, 76, 78, 84, 86, 92, 94, 100, 102, 108, 110,
      116, 118, 124, 126, 132, 134, 140, 142, 148, 150, 156, 158,
    ],
  ],
  // prettier-ignore
  [
    'interpolate(size=(3, 6), mode="bilinear")',
    (x) => upsample(x, { size: [3, 6], mode: 'bilinear' }),
    [1, 3, 6, 2],
    [
      -2.3333, 1.1667, -1.5833, 1, -0.5833, 0.4722, 0.4167, -0.9722, 1.4167, -0.5833, 2.1667, 0.1667, -1.5, 2, -0.75, 0,
      0.25, -1.75, 1.25, -0.75, -0.5, 0.25, -2.5, 1, -0.6667, -0.8333, 0.0833, -1, 1.0833, -0.9167, 2.0833, 0.0833,
      0.3333, 1.0833, -1.6667, 1.8333,
    ],
    [
      1.6667, 2.6667, 4.5556, 5.5556, 7.4444, 8.4444, 10.3333, 11.3333, 0.8333, 1.3333, 2.2778, 2.7778, 3.7222, 4.2222,
      5.1667, 5.6667, 20.5, 22, 24.8333, 26.3333, 29.1667, 30.6667, 33.5, 35, 12.8333, 13.3333, 14.2778, 14.7778,
      15.7222, 16.2222, 17.1667, 17.6667, 25.6667, 26.6667, 28.5555, 29.5555, 31.4444, 32.4444, 34.3333, 35.3333,
    ],
  ],
  // prettier-ignore
  [
    'interpolate(scale_factor=(0.4, 1.5), mode="bilinear", align_corners=True)',
    (x) => upsample(x, { scale: [0.4, 1.5], mode: 'bilinear', alignCorners: true }),
    [1, 2, 6, 2],
    [
      -2.5, 1, -1.6, 1.9, -0.7, 1.7, 0.2, -0.7, 1.1, -0.9, 2, 0, -0.5, -2.5, 0.4, -1.6, 1.3, -0.7, 2.2, 0.2, 0.9, 1.1,
      -1.5, 2,
    ],
    [
      2.2, 3.6, 7.2, 8.8, 12, 13.6, 14.6, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
      19, 20.4, 26.4, 28, 31.2, 32.8, 31.4, 32.8,
    ],
  ],
  // prettier-ignore
  [
    'pad((1, 0, 2, 1), mode="reflect")',
    (x) => pad(x, [0, 2, 1], [0, 1, 0], { mode: 'reflect' }),
    [1, 8, 5, 2],
    [
      0, -2, -1.5, 2, 0, -2, 1.5, -0.5, -2.5, 1, -0.5, -2.5, -2, 1.5, -0.5, -2.5, 1, -1, 2.5, 0.5, -1, 2.5, -2.5, 1, -1,
      2.5, 0.5, -1.5, 2, 0, -0.5, -2.5, -2, 1.5, -0.5, -2.5, 1, -1, 2.5, 0.5, 0, -2, -1.5, 2, 0, -2, 1.5, -0.5, -2.5, 1,
      0.5, -1.5, -1, 2.5, 0.5, -1.5, 2, 0, -2, 1.5, 1, -1, -0.5, -2.5, 1, -1, 2.5, 0.5, -1.5, 2, 0.5, -1.5, -1, 2.5,
      0.5, -1.5, 2, 0, -2, 1.5,
    ],
    [
      23, 24, 46, 48, 27, 28, 29, 30, 46, 48, 92, 96, 54, 56, 58, 60, 46, 48, 92, 96, 54, 56, 58, 60, 126, 128, 252,
      256, 134, 136, 138, 140, 63, 64, 126, 128, 67, 68, 69, 70,
    ],
  ],
  // prettier-ignore
  [
    'pad((1, 0, 2, 1), mode="replicate")',
    (x) => pad(x, [0, 2, 1], [0, 1, 0], { mode: 'replicate' }),
    [1, 8, 5, 2],
    [
      -2.5, 1, -2.5, 1, -1, 2.5, 0.5, -1.5, 2, 0, -2.5, 1, -2.5, 1, -1, 2.5, 0.5, -1.5, 2, 0, -2.5, 1, -2.5, 1, -1, 2.5,
      0.5, -1.5, 2, 0, -2, 1.5, -2, 1.5, -0.5, -2.5, 1, -1, 2.5, 0.5, -1.5, 2, -1.5, 2, 0, -2, 1.5, -0.5, -2.5, 1, -1,
      2.5, -1, 2.5, 0.5, -1.5, 2, 0, -2, 1.5, -0.5, -2.5, -0.5, -2.5, 1, -1, 2.5, 0.5, -1.5, 2, -0.5, -2.5, -0.5, -2.5,
      1, -1, 2.5, 0.5, -1.5, 2,
    ],
    [
      72, 78, 45, 48, 51, 54, 57, 60, 64, 66, 35, 36, 37, 38, 39, 40, 84, 86, 45, 46, 47, 48, 49, 50, 104, 106, 55, 56,
      57, 58, 59, 60, 268, 272, 140, 142, 144, 146, 148, 150,
    ],
  ],
  // prettier-ignore
  [
    'pad((1, 0, 2, 1), mode="circular")',
    (x) => pad(x, [0, 2, 1], [0, 1, 0], { mode: 'circular' }),
    [1, 8, 5, 2],
    [
      -2, 1.5, -1, 2.5, 0.5, -1.5, 2, 0, -2, 1.5, -1.5, 2, -0.5, -2.5, 1, -1, 2.5, 0.5, -1.5, 2, 2, 0, -2.5, 1, -1, 2.5,
      0.5, -1.5, 2, 0, 2.5, 0.5, -2, 1.5, -0.5, -2.5, 1, -1, 2.5, 0.5, -2.5, 1, -1.5, 2, 0, -2, 1.5, -0.5, -2.5, 1, -2,
      1.5, -1, 2.5, 0.5, -1.5, 2, 0, -2, 1.5, -1.5, 2, -0.5, -2.5, 1, -1, 2.5, 0.5, -1.5, 2, 2, 0, -2.5, 1, -1, 2.5,
      0.5, -1.5, 2, 0,
    ],
    [
      96, 98, 100, 102, 104, 106, 200, 204, 33, 34, 35, 36, 37, 38, 70, 72, 43, 44, 45, 46, 47, 48, 90, 92, 56, 58, 60,
      62, 64, 66, 120, 124, 76, 78, 80, 82, 84, 86, 160, 164,
    ],
  ],
];

describe('as PyTorch', () => {
  it.each(TORCH)('%s', async (_, fn, shape, y, dx) => {
    const got = fn(IMAGE);
    expect(got.shape).toEqual(shape);
    expectNear(await valuesOf(got), y);
    const dy = constant(
      Array.from({ length: got.size }, (_, i) => i + 1),
      shape,
    );
    expectNear(await valuesOf(grad(got, [IMAGE], dy)[0]!), dx);
  });

  it('adaptiveAvgPool to 1 is the mean, and to the size of the image the image', async () => {
    expect(await valuesOf(adaptiveAvgPool(IMAGE, 1))).toEqual(await valuesOf(IMAGE.mean([1, 2])));
    expect(await valuesOf(adaptiveMaxPool(IMAGE, [5, 4]))).toEqual(await valuesOf(IMAGE));
  });
});

describe('gradients', () => {
  const gradient = async (fn: (x: Tensor) => Tensor, x: Tensor) => valuesOf(grad(fn(x), [x])[0]!);

  it('of a maximum flow to the first of equals', async () => {
    expect(await gradient((x) => maxPool(x, 2), constant([1, 3, 3, 3], [1, 2, 2, 1]))).toEqual([0, 1, 0, 0]);
    expect(await gradient((x) => maxPool(x, 2), constant([-0, 0, 0, 0], [1, 2, 2, 1]))).toEqual([1, 0, 0, 0]);
  });

  it('NaN is the largest, its first', async () => {
    const x = constant([Infinity, NaN, NaN, 9], [1, 2, 2, 1]);
    expect(await valuesOf(maxPool(x, 2))).toEqual([NaN]);
    expect(await gradient((x) => maxPool(x, 2), x)).toEqual([0, 1, 0, 0]);
  });

  it('padding is never the maximum', async () => {
    const x = constant([-Infinity, -3, -Infinity, -5], [1, 2, 2, 1]);
    expect(await valuesOf(maxPool(x, 2, 1, { padding: 1 }))).toEqual([
      ...[-Infinity, -3, -3],
      ...[-Infinity, -3, -3],
      ...[-Infinity, -5, -5],
    ]);
    expect(await gradient((x) => maxPool(x, 2, 1, { padding: 1 }), x)).toEqual([2, 4, 1, 2]);
  });

  it.each<[string, (x: Tensor) => Tensor]>([
    ['maxPool', (x) => maxPool(x, 3, { stride: 2, padding: 1 })],
    ['avgPool', (x) => avgPool(x, 3, { stride: 2, padding: 1 })],
    ['adaptiveAvgPool', (x) => adaptiveAvgPool(x, 3)],
    ['upsample', (x) => upsample(x, { size: [7, 3], mode: 'bilinear' })],
    ['upsample, nearest', (x) => upsample(x, { size: [7, 3] })],
    ['pad', (x) => pad(x, [0, 2], [0, 3], { mode: 'reflect' })],
  ])('of the gradient of %s: against a finite difference', async (_, fn) => {
    const wave = (pitch: number) => Float64Array.from({ length: 40 }, (_, i) => Math.sin(i * pitch));
    const [at, v] = [wave(1.7), wave(0.9)];
    const dxAt = async (t: number) => {
      const x = constant(
        at.map((value, i) => value + t * v[i]!),
        IMAGE.shape,
      );
      return valuesOf(grad(fn(x).pow(3), [x])[0]!);
    };
    const [above, below] = [await dxAt(1e-5), await dxAt(-1e-5)];
    const x = constant(at, IMAGE.shape);
    const second = await valuesOf(grad(grad(fn(x).pow(3), [x])[0]!, [x], constant(v, IMAGE.shape))[0]!);
    expectNear(
      second,
      above.map((value, i) => (value - below[i]!) / 2e-5),
      1e-6,
    );
    expect(Math.max(...second.map(Math.abs))).toBeGreaterThan(0.01);
  });
});

describe('refusals', () => {
  const refused: readonly (readonly [name: string, fn: () => unknown, error: string, message: string])[] = [
    ['a vector', () => maxPool(constant([1, 2]), 2), 'ShapeError', 'maxPool: x is [2]. Give images [N, H, W, C].'],
    [
      'a kernel that does not fit',
      () => maxPool(IMAGE, 6),
      'ShapeError',
      'maxPool: the kernel of 6 x 6 is larger than the padded image, 5 x 4. Use a smaller kernel or more padding.',
    ],
    [
      'padding beyond half of the kernel',
      () => avgPool(IMAGE, 3, { padding: [0, 2, 1, 1] }),
      'OptionError',
      'avgPool: the padding at the bottom, 2, is more than half of the kernel, 3 x 3. Give at most 1, or pad the image first: x.pad(…).',
    ],
    [
      'a window of padding alone',
      () => maxPool(constant([[[[1]]]]), 2, { padding: 1, dilation: 2 }),
      'ShapeError',
      'maxPool: with dilation 2 a window along the height of 1 has only padding. Use a smaller dilation or less padding.',
    ],
    [
      "PyTorch's loose arguments",
      () => maxPool(IMAGE, 3, 2, 1 as never),
      'OptionError',
      'maxPool: its options are 1. Give an object of padding, dilation, ceilMode.',
    ],
    [
      'no size',
      () => upsample(IMAGE, {}),
      'OptionError',
      'upsample: it has no size and no scale. Give one of them: { scale: 2 } or { size: [14, 14] }.',
    ],
    [
      'aligned corners of the nearest',
      () => upsample(IMAGE, { scale: 2, alignCorners: true }),
      'OptionError',
      "upsample: alignCorners has no meaning with mode 'nearest'. Leave it out, or use 'bilinear'.",
    ],
    [
      'a scale that leaves nothing',
      () => upsample(IMAGE, { scale: 0.2 }),
      'OptionError',
      'upsample: scale 0.2 leaves nothing of 4 elements. Use at least 0.25.',
    ],
    [
      'a mirror larger than the image',
      () => pad(IMAGE, [0, 5], [0, 1], { mode: 'reflect' }),
      'ShapeError',
      "pad: mode 'reflect' cannot pad axis 1 of [1, 5, 4, 2] by 5. Give at most 4, or use mode 'replicate'.",
    ],
    [
      'going around more than once',
      () => pad(IMAGE, [], [0, 0, 5], { mode: 'circular' }),
      'ShapeError',
      "pad: mode 'circular' cannot pad axis 2 of [1, 5, 4, 2] by 5. Give at most 4, or use mode 'replicate'.",
    ],
    [
      'a value that is not used',
      () => pad(IMAGE, [1], [1], { mode: 'reflect', value: 3 }),
      'OptionError',
      "pad: mode 'reflect' takes no value, but it is 3. Leave it out, or use mode 'constant'.",
    ],
    [
      'bytes',
      () => pad(constant(Uint8Array.of(1, 2)), [1], [1], { mode: 'circular' }),
      'ShapeError',
      "pad: x is u8, a storage-only dtype. Cast it: cast(x, 'f32').",
    ],
    [
      'a layer for images of a vector',
      () => new nn.MaxPool1d(2).forward(constant([1, 2])),
      'ShapeError',
      'MaxPool1d: x is [2]. Give sequences [N, L, C].',
    ],
    [
      'channels first from another axis',
      () => new nn.Flatten({ startAxis: 2, order: 'channels-first' }),
      'OptionError',
      "Flatten: order 'channels-first' needs startAxis 1, the axis after the batch, not 2.",
    ],
  ];
  it.each(refused)('%s', (_, fn, name, message) => expect(fn).toThrow(expect.objectContaining({ name, message })));
});

describe('layers', () => {
  const same = async (layer: nn.Layer, x: Tensor, y: Tensor) => {
    const got = layer.forward(x);
    expect(got.shape).toEqual(y.shape);
    expect(await valuesOf(got)).toEqual(await valuesOf(y));
  };
  const sequence = IMAGE.reshape(4, 5, 2);
  const row = IMAGE.reshape(4, 1, 5, 2);

  const cases: readonly (readonly [string, nn.Layer, Tensor])[] = [
    ['MaxPool2d', new nn.MaxPool2d(2), maxPool(IMAGE, 2)],
    ['MaxPool2d with a stride', new nn.MaxPool2d([3, 2], 1, { padding: 1 }), maxPool(IMAGE, [3, 2], 1, { padding: 1 })],
    ['AvgPool2d', new nn.AvgPool2d(2, { divisor: 3 }), avgPool(IMAGE, 2, { divisor: 3 })],
    ['AdaptiveAvgPool2d', new nn.AdaptiveAvgPool2d([2, 3]), adaptiveAvgPool(IMAGE, [2, 3])],
    ['AdaptiveMaxPool2d', new nn.AdaptiveMaxPool2d(2), adaptiveMaxPool(IMAGE, 2)],
    ['GlobalAvgPool2d', new nn.GlobalAvgPool2d(), IMAGE.mean([1, 2])],
    ['Upsample', new nn.Upsample({ scale: 2 }), upsample(IMAGE, { scale: 2 })],
    ['ZeroPad2d', new nn.ZeroPad2d([1, 0, 2, 3]), pad(IMAGE, [0, 1, 2], [0, 0, 3])],
    ['ReflectionPad2d', new nn.ReflectionPad2d([1, 2]), pad(IMAGE, [0, 1, 2], [0, 1, 2], { mode: 'reflect' })],
    ['ReplicationPad2d', new nn.ReplicationPad2d(7), pad(IMAGE, [0, 7, 7], [0, 7, 7], { mode: 'replicate' })],
    ['CircularPad2d', new nn.CircularPad2d([1, 0, 2, 3]), pad(IMAGE, [0, 1, 2], [0, 0, 3], { mode: 'circular' })],
  ];
  it.each(cases)('%s', async (_, layer, y) => same(layer, IMAGE, y));

  const onRows = (y: Tensor) => y.reshape(4, y.shape[2]!, 2);
  const ofSequences: readonly (readonly [string, nn.Layer, Tensor])[] = [
    ['MaxPool1d', new nn.MaxPool1d(2), onRows(maxPool(row, [1, 2]))],
    [
      'MaxPool1d with options',
      new nn.MaxPool1d(3, { stride: 1, padding: [1, 0], dilation: 2, ceilMode: true }),
      onRows(maxPool(row, [1, 3], { stride: 1, padding: [0, 0, 1, 0], dilation: [1, 2], ceilMode: true })),
    ],
    [
      'AvgPool1d',
      new nn.AvgPool1d(3, 2, { padding: 1, countIncludePad: false }),
      onRows(avgPool(row, [1, 3], [1, 2], { padding: [0, 1], countIncludePad: false })),
    ],
    ['AdaptiveAvgPool1d', new nn.AdaptiveAvgPool1d(3), onRows(adaptiveAvgPool(row, [1, 3]))],
    ['AdaptiveMaxPool1d', new nn.AdaptiveMaxPool1d(3), onRows(adaptiveMaxPool(row, [1, 3]))],
  ];
  it.each(ofSequences)('%s', async (_, layer, y) => same(layer, sequence, y));

  it('Flatten, channels first: as PyTorch flattens', async () => {
    const first = new nn.Flatten({ order: 'channels-first' });
    await same(first, IMAGE, transpose(IMAGE, [0, 3, 1, 2]).reshape(1, 40));
    await same(first, sequence, transpose(sequence, [0, 2, 1]).reshape(4, 10));
    await same(first, IMAGE.reshape(4, 10), IMAGE.reshape(4, 10));
    await same(new nn.Flatten(), IMAGE, IMAGE.reshape(1, 40));
  });
});

describe.each([true, false])('on a GPU, software %s', (software) => {
  const dispatches = async (outputs: Record<string, Tensor>) => {
    const program = await (await testExecutor(costsOf(software))).compile({ outputs });
    const count = program.dispatches;
    program.dispose();
    return count;
  };
  const x = input('x', { shape: [2, 8, 8, 4], dtype: 'f32' });

  it('a pool with what comes before and after it is one dispatch', async () => {
    expect(await dispatches({ y: maxPool(x, 2).relu() })).toBe(1);
    expect(await dispatches({ y: maxPool(x.mul(3).relu(), 2).relu().mul(2) })).toBe(1);
    expect(await dispatches({ y: avgPool(x, 3, { stride: 1, padding: 1, countIncludePad: false }).tanh() })).toBe(1);
    expect(
      await dispatches({ y: pad(x, [0, 1, 1], [0, 1, 1], { mode: 'reflect' }).mul(upsample(x, { size: 10 })) }),
    ).toBe(1);
  });

  it('its gradient loads the gradient of what comes after it as it goes', async () => {
    const y = maxPool(x, 2).relu();
    expect(await dispatches({ y, dx: grad(y.square().sum(), [x])[0]! })).toBe(2);
  });
});
