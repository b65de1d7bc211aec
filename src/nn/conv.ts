// Convolutions as layers.
import { BOOLEAN, COUNT, checkOptions, FUNCTION, type Kind, type Schema } from '../graph/options.ts';
import type { Initializer, Tensor, Variable } from '../graph/tensor.ts';
import { conv, PADDING_MODE, type PaddingMode } from '../ops/conv.ts';
import { PADDING, type Padding, type Pair, SIZES, two } from '../ops/window.ts';
import { checkChannels, checkInput, checkKernel, type Filters, filtersOf, plus } from './filters.ts';
import { captured, checkSize, type NamedLayer } from './layer.ts';

/** Options of {@link Conv2d}. */
export interface Conv2dOptions {
  /** How far the window moves between two outputs. Default 1. */
  readonly stride?: Pair | undefined;
  /** Zeros around x. Default 0. */
  readonly padding?: Padding | undefined;
  /** The distance between neighbouring kernel elements in x. Default 1. */
  readonly dilation?: Pair | undefined;
  /** Groups of channels that do not see each other; as many as input channels make a depthwise convolution. Default 1. */
  readonly groups?: number | undefined;
  /** Whether it adds a bias. Default true. */
  readonly bias?: boolean | undefined;
  /** What the padding holds: zeros, or x mirrored at its edge, its edge repeated, or x repeated. Default 'zeros'. */
  readonly paddingMode?: PaddingMode | undefined;
  /** Default: U(-1/√n, 1/√n) with n the inputs of an output: channels / groups · kernel elements. */
  readonly initialWeight?: Initializer | undefined;
  /** Default: as the weight's. */
  readonly initialBias?: Initializer | undefined;
}

/** Options of all convolutions, which pad with zeros if they pad. */
export const ZEROS = {
  stride: [SIZES, 1],
  padding: [PADDING, 0],
  dilation: [SIZES, 1],
  groups: [COUNT, 1],
  bias: [BOOLEAN, true],
  initialWeight: FUNCTION,
  initialBias: FUNCTION,
} satisfies Schema<Omit<Conv2dOptions, 'paddingMode'>>;

const SCHEMA = {
  ...ZEROS,
  paddingMode: [PADDING_MODE, 'zeros'],
} satisfies Schema<Conv2dOptions>;

/** Options of {@link Conv1d}. */
export interface Conv1dOptions extends Omit<Conv2dOptions, 'stride' | 'padding' | 'dilation'> {
  /** How far the window moves between two outputs. Default 1. */
  readonly stride?: number | undefined;
  /** Zeros at both ends of x, or `[before, after]`; `'same'` keeps the length at stride 1, `'valid'` is 0. Default 0. */
  readonly padding?: number | readonly [before: number, after: number] | 'same' | 'valid' | undefined;
  /** The distance between neighbouring kernel elements in x. Default 1. */
  readonly dilation?: number | undefined;
}

const PADDING_1D: Kind = {
  advice: "Give a whole number from 0, [before, after], 'same' or 'valid'.",
  fits: (v) => PADDING.fits(v) && !(Array.isArray(v) && v.length === 4),
};

const SCHEMA_1D = {
  ...SCHEMA,
  stride: [COUNT, 1],
  padding: [PADDING_1D, 0],
  dilation: [COUNT, 1],
} satisfies Schema<Conv1dOptions>;

/** How a convolution's window moves, and what is around x. */
interface Moves {
  readonly stride: Pair;
  readonly padding: Padding;
  readonly dilation: Pair;
  readonly groups: number;
  readonly paddingMode: PaddingMode;
}

const movesOf = ({ stride, padding, dilation, groups, paddingMode }: Moves): Moves => {
  return { stride, padding, dilation, groups, paddingMode };
};

/**
 * x (N, H, W, in) to (N, OH, OW, out), as PyTorch's `Conv2d` on channels-last images: OH = floor((H + padding - dilation·(KH - 1) - 1) /
 * stride) + 1. See {@link conv}.
 */
export class Conv2d implements NamedLayer, Filters {
  readonly kind = 'Conv2d';
  /** (out, KH, KW, in / groups); in files (out, in / groups, KH, KW). */
  readonly weight: Variable;
  /** (out) */
  readonly bias: Variable | undefined;
  readonly #options: Moves;

  /** `kernelSize` is a number or a pair. @throws ShapeError if the channels cannot be divided into the groups. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Pair,
    options: Conv2dOptions = {},
    ...extra: never[]
  ) {
    const checked = checkOptions('Conv2d', options, SCHEMA, extra);
    checkChannels('Conv2d', inChannels, outChannels, checked.groups);
    checkKernel('Conv2d', kernelSize);
    const [KH, KW] = two(kernelSize);
    const { weight, bias } = filtersOf([outChannels, KH, KW, inChannels / checked.groups], outChannels, checked);
    this.weight = weight;
    this.bias = bias;
    this.#options = movesOf(checked);
  }

  /** @throws ShapeError if x is not (N, H, W, in), or smaller than the kernel. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    const { groups } = this.#options;
    checkInput(this, x, 4, this.weight.shape.at(-1)! * groups, extra);
    return captured(this, conv(x, this.weight, { ...this.#options, ...plus(this) }));
  }
}

/** x (N, L, in) to (N, OL, out), as PyTorch's `Conv1d` on channels-last sequences. See {@link conv}. */
export class Conv1d implements NamedLayer, Filters {
  readonly kind = 'Conv1d';
  /** (out, K, in / groups); in files (out, in / groups, K). */
  readonly weight: Variable;
  /** (out) */
  readonly bias: Variable | undefined;
  readonly #options: Moves;

  /** @throws ShapeError if the channels cannot be divided into the groups. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: Conv1dOptions = {},
    ...extra: never[]
  ) {
    const checked = checkOptions('Conv1d', options, SCHEMA_1D, extra);
    checkChannels('Conv1d', inChannels, outChannels, checked.groups);
    checkSize('Conv1d', 'kernelSize', kernelSize);
    const { weight, bias } = filtersOf([outChannels, kernelSize, inChannels / checked.groups], outChannels, checked);
    this.weight = weight;
    this.bias = bias;
    this.#options = movesOf(checked);
  }

  /** @throws ShapeError if x is not (N, L, in), or shorter than the kernel. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    const { groups } = this.#options;
    checkInput(this, x, 3, this.weight.shape.at(-1)! * groups, extra);
    return captured(this, conv(x, this.weight, { ...this.#options, ...plus(this) }));
  }
}
