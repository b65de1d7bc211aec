// Samples of convolutions: kernels of 1 and as large as the image, strides beyond the kernel, uneven padding, dilation, groups, depthwise,
// one channel, primes, whole vec4s, and sums that are cut into parts.
import { add } from '../src/ops/binary.ts';
import { type ConvOptions, type ConvTransposeOptions, conv, convTranspose } from '../src/ops/conv.ts';
import { square } from '../src/ops/unary.ts';
import type { Sample } from './sample.ts';

/** x (N, H, W, C), w (O, KH, KW, C / G), and whether more than full runs use it. */
type Case = readonly [
  x: readonly [number, number, number, number],
  w: readonly [number, number, number, number],
  options?: ConvOptions & Pick<ConvTransposeOptions, 'outputPadding'>,
  full?: 'full',
];

const CASES: readonly Case[] = [
  [
    [1, 1, 1, 1],
    [1, 1, 1, 1],
  ],
  [[2, 5, 7, 3], [5, 3, 2, 3], { padding: [1, 0], stride: [2, 1] }],
  [[2, 6, 6, 4], [8, 3, 3, 4], { padding: 'same' }],
  [[2, 7, 5, 4], [4, 3, 3, 2], { padding: 1, stride: 2, groups: 2, dilation: [1, 2] }],
  [[1, 9, 8, 8], [12, 2, 3, 4], { groups: 2, stride: [3, 2], padding: [2, 1, 0, 3] }],
  [[2, 6, 5, 6], [6, 3, 3, 1], { groups: 6, padding: 1 }],
  [[3, 5, 4, 4], [8, 1, 1, 4], { stride: 2 }, 'full'],
  [[1, 5, 5, 2], [3, 5, 5, 2], {}, 'full'],
  [[2, 3, 3, 1], [2, 5, 4, 1], { padding: 2 }, 'full'],
  [[1, 9, 9, 4], [4, 2, 2, 4], { stride: 4 }, 'full'],
  [[1, 11, 7, 3], [2, 3, 3, 3], { dilation: [4, 2], padding: [1, 0] }, 'full'],
  [[2, 8, 8, 4], [4, 3, 3, 4], { dilation: 2, stride: 2, padding: 2 }, 'full'],
  [[2, 8, 7, 4], [8, 3, 3, 1], { groups: 4, stride: 2, padding: 1 }, 'full'],
  [[1, 6, 6, 12], [12, 5, 5, 1], { groups: 12, padding: 2, stride: [1, 2] }, 'full'],
  [[1, 13, 13, 1], [9, 5, 5, 1], {}, 'full'],
  [[2, 12, 12, 16], [24, 3, 3, 16], { padding: 1 }, 'full'],
  [[1, 17, 16, 5], [7, 4, 3, 5], { padding: [1, 2, 1, 1] }, 'full'],
];

const nameOf = ([x, w, options = {}]: Case) =>
  [`x [${x}], w [${w}]`, ...Object.entries(options).map(([key, value]) => `${key} ${value}`)].join(', ');

const plain: Sample[] = CASES.map((one, k) => ({
  name: nameOf(one),
  inputs: [{ shape: one[0] }, { shape: one[1] }, ...(k % 2 === 0 ? [{ shape: [one[1][0]] }] : [])],
  fn: (x, w, bias) => conv(x!, w!, { ...one[2], bias }),
  full: one[3] === 'full',
  hardware: [1, 2, 4].includes(k) || one[3] === 'full',
}));

/** Of convTranspose: w is (C, KH, KW, O / G). */
const TRANSPOSED: readonly Case[] = [
  [[2, 3, 4, 4], [4, 3, 3, 8], { stride: 2, padding: 1 }],
  [[1, 4, 3, 6], [6, 2, 4, 1], { stride: [3, 1], dilation: [1, 2], groups: 3 }, 'full'],
  // A padding of a whole stride: the convolution of its result has more places than x.
  [[1, 3, 4, 2], [2, 2, 3, 3], { stride: [1, 2], dilation: [2, 3], outputPadding: [1, 2] }],
];

export const convSamples = {
  conv: [
    ...plain,
    {
      name: 'a sequence [2, 9, 3], w [4, 3, 3], stride 2',
      inputs: [{ shape: [2, 9, 3] }, { shape: [4, 3, 3] }],
      fn: (x, w) => conv(x!, w!, { stride: 2, padding: 1 }),
      hardware: false,
    },
    {
      name: 'an epilogue and its operand',
      inputs: [{ shape: [2, 4, 4, 4] }, { shape: [4, 3, 3, 4] }, { shape: [2, 4, 4, 4] }],
      fn: (x, w, r) => square(add(conv(x!, w!, { padding: 1 }), r!)),
      hardware: false,
    },
  ],
  convInput: TRANSPOSED.map((one, k) => ({
    name: nameOf(one),
    inputs: [{ shape: one[0] }, { shape: one[1] }],
    fn: (x, w) => convTranspose(x!, w!, one[2] as object),
    full: one[3] === 'full',
    hardware: k < 2,
  })),
  convFilter: [
    {
      name: 'a long sum [5, 16, 16, 1], w [2, 3, 3, 1]',
      inputs: [{ shape: [5, 16, 16, 1] }, { shape: [2, 3, 3, 1] }],
      fn: (x, w) => conv(x!, w!),
    },
  ],
} satisfies Record<string, readonly Sample[]>;
