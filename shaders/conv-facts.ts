// What is computed in a convolution and its two gradients, and the facts that their kernels' texts share.
import type { ConvSizes } from '../src/cpu/conv.ts';
import type { GemmVariant } from './gemm-frame.wgsl.ts';
import { u32 } from './wgsl.ts';

export type ConvPass = 'forward' | 'input' | 'filter';

/** What is computed. */
export interface ConvVariant extends ConvSizes {
  readonly pass: ConvPass;
  /** Whether a and b may be read as vec4f (plain buffers). */
  readonly directA: boolean;
  readonly directB: boolean;
  /** forward: y + bias of the channel, as input 2. */
  readonly bias?: boolean;
  /** filter: also stores Σ dy of each channel as output 1. */
  readonly columnSums?: boolean;
}

/** Along one axis of `input`: the kernel elements that cover the elements of class p: `first[p]` and every `step`-th, `counts[p]` of them. */
export interface Classes {
  readonly first: readonly number[];
  readonly counts: readonly number[];
  readonly step: number;
  /** The output place that the first of them meets at element p of the image, and how far each further one lies before it. */
  readonly origin: readonly number[];
  readonly move: number;
}

function classesOf(kernel: number, stride: number, padding: number, dilation: number): Classes {
  const first: number[] = [];
  const counts: number[] = [];
  const origin: number[] = [];
  const step = stride / gcd(stride, dilation);
  for (let p = 0; p < stride; p++) {
    let k = 0;
    while (k < kernel && (p + padding - k * dilation) % stride !== 0) k++;
    first.push(k < kernel ? k : 0);
    counts.push(k < kernel ? Math.ceil((kernel - k) / step) : 0);
    origin.push(k < kernel ? (p + padding - k * dilation) / stride : 0);
  }
  return { first, counts, step, origin, move: (step * dilation) / stride };
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** The facts of a pass that its texts need. */
export interface Facts extends ConvVariant {
  /** Channels and kernel elements of a group: c, o, (kh, kw). */
  readonly Cg: number;
  readonly Og: number;
  readonly T: number;
  /** Of `input`: classes along each axis, and the rows of a class along each axis. */
  readonly rows: Classes;
  readonly columns: Classes;
  readonly CH: number;
  readonly CW: number;
  readonly classes: number;
  /** Whether no window reaches outside the image. */
  readonly inside: boolean;
}

export function factsOf(v: ConvVariant): Facts {
  const { H, W, C, O, KH, KW, OH, OW, G, stride, padding, dilation } = v;
  const reaches = (axis: 0 | 1, size: number, places: number, kernel: number) =>
    padding[axis] > 0 || (places - 1) * stride[axis] + (kernel - 1) * dilation[axis] >= size;
  return {
    ...v,
    Cg: C / G,
    Og: O / G,
    T: KH * KW,
    rows: classesOf(KH, stride[0], padding[0], dilation[0]),
    columns: classesOf(KW, stride[1], padding[1], dilation[1]),
    CH: Math.ceil(H / stride[0]),
    CW: Math.ceil(W / stride[1]),
    classes: stride[0] * stride[1],
    inside: !reaches(0, H, OH, KH) && !reaches(1, W, OW, KW),
  };
}

/** The product that a pass is; with classes, that of the largest. */
export function productOf(v: ConvVariant): GemmVariant {
  const { N, OH, OW, pass, directA, directB, G, bias, columnSums } = v;
  const { Cg, Og, T, rows, columns, CH, CW, classes } = factsOf(v);
  const most = (counts: readonly number[]) => Math.max(1, ...counts);
  const sizes = {
    forward: { M: N * OH * OW, N: Og, K: T * Cg, transposeA: false, transposeB: true },
    input: {
      M: N * CH * CW,
      N: Cg,
      K: most(rows.counts) * most(columns.counts) * Og,
      transposeA: false,
      transposeB: false,
      raggedK: classes > 1,
    },
    filter: { M: Og, N: T * Cg, K: N * OH * OW, transposeA: true, transposeB: false },
  }[pass];
  const batch = { batch: [G], strideA: [0], strideB: [0] }; // offsets are the frame's
  return { ...sizes, ...batch, directA, directB, bias: bias === true, columnSums: columnSums === true };
}

/** One of a class's numbers. */
export function pick(numbers: readonly number[], index: string): string {
  return numbers.every((n) => n === numbers[0])
    ? u32(numbers[0]!)
    : `array<u32, ${numbers.length}>(${numbers.map(u32).join(', ')})[${index}]`;
}
