// Transposed convolutions as layers: the gradients of convolutions, which make images larger.
import { COUNT, checkOptions, type Kind, type Schema } from '../graph/options.ts';
import type { Tensor, Variable } from '../graph/tensor.ts';
import { convTranspose } from '../ops/conv.ts';
import { PADDING_PAIR, PADDING_SIDES, type Padding, type Pair, two } from '../ops/window.ts';
import { type Conv1dOptions, type Conv2dOptions, ZEROS } from './conv.ts';
import { checkChannels, checkInput, checkKernel, type Filters, filtersOf, plus } from './filters.ts';
import { captured, checkSize, type NamedLayer } from './layer.ts';

/** Options of {@link ConvTranspose2d}. */
export interface ConvTranspose2dOptions extends Omit<Conv2dOptions, 'padding' | 'paddingMode'> {
  /** What is cut off around the result: the padding of the convolution that it transposes. Default 0. */
  readonly padding?: Exclude<Padding, 'same' | 'valid'> | undefined;
  /** Elements added at the bottom and right of the result, where a stride leaves its size open. Default 0. */
  readonly outputPadding?: Pair | undefined;
}

const TRANSPOSED = {
  ...ZEROS,
  padding: [PADDING_SIDES, 0],
  outputPadding: [PADDING_PAIR, 0],
} satisfies Schema<ConvTranspose2dOptions>;

/** Options of {@link ConvTranspose1d}. */
export interface ConvTranspose1dOptions extends Omit<Conv1dOptions, 'padding' | 'paddingMode'> {
  /** What is cut off at both ends of the result, or `[before, after]`. Default 0. */
  readonly padding?: number | readonly [before: number, after: number] | undefined;
  /** Elements added at the end of the result, where a stride leaves its size open. Default 0. */
  readonly outputPadding?: number | undefined;
}

const FROM_0: Kind = {
  advice: 'Give a whole number from 0.',
  fits: (v) => Number.isSafeInteger(v) && (v as number) >= 0,
};

const TRANSPOSED_1D = {
  ...ZEROS,
  stride: [COUNT, 1],
  dilation: [COUNT, 1],
  padding: [PADDING_PAIR, 0],
  outputPadding: [FROM_0, 0],
} satisfies Schema<ConvTranspose1dOptions>;

/** x (N, H, W, in) to (N, OH, OW, out), as PyTorch's `ConvTranspose2d` on channels-last images. See {@link convTranspose}. */
export class ConvTranspose2d implements NamedLayer, Filters {
  readonly kind = 'ConvTranspose2d';
  /** (in, KH, KW, out / groups); in files (in, out / groups, KH, KW). */
  readonly weight: Variable;
  /** (out) */
  readonly bias: Variable | undefined;
  readonly #options: {
    stride: Pair;
    padding: Exclude<Padding, 'same' | 'valid'>;
    dilation: Pair;
    groups: number;
    outputPadding: Pair;
  };

  /** `kernelSize` is a number or a pair. @throws ShapeError if the channels cannot be divided into the groups. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Pair,
    options: ConvTranspose2dOptions = {},
    ...extra: never[]
  ) {
    const checked = checkOptions('ConvTranspose2d', options, TRANSPOSED, extra);
    checkChannels('ConvTranspose2d', inChannels, outChannels, checked.groups);
    checkKernel('ConvTranspose2d', kernelSize);
    const [KH, KW] = two(kernelSize);
    const { weight, bias } = filtersOf([inChannels, KH, KW, outChannels / checked.groups], outChannels, checked);
    this.weight = weight;
    this.bias = bias;
    const { stride, padding, dilation, groups, outputPadding } = checked;
    this.#options = { stride, padding, dilation, groups, outputPadding };
  }

  /** @throws ShapeError if x is not (N, H, W, in). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkInput(this, x, 4, this.weight.shape[0]!, extra);
    return captured(this, convTranspose(x, this.weight, { ...this.#options, ...plus(this) }));
  }
}

/** x (N, L, in) to (N, OL, out), as PyTorch's `ConvTranspose1d` on channels-last sequences. See {@link convTranspose}. */
export class ConvTranspose1d implements NamedLayer, Filters {
  readonly kind = 'ConvTranspose1d';
  /** (in, K, out / groups); in files (in, out / groups, K). */
  readonly weight: Variable;
  /** (out) */
  readonly bias: Variable | undefined;
  readonly #options: {
    stride: number;
    padding: number | readonly [number, number];
    dilation: number;
    groups: number;
    outputPadding: number;
  };

  /** @throws ShapeError if the channels cannot be divided into the groups. */
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: ConvTranspose1dOptions = {},
    ...extra: never[]
  ) {
    const checked = checkOptions('ConvTranspose1d', options, TRANSPOSED_1D, extra);
    checkChannels('ConvTranspose1d', inChannels, outChannels, checked.groups);
    checkSize('ConvTranspose1d', 'kernelSize', kernelSize);
    const { weight, bias } = filtersOf([inChannels, kernelSize, outChannels / checked.groups], outChannels, checked);
    this.weight = weight;
    this.bias = bias;
    const { stride, padding, dilation, groups, outputPadding } = checked;
    this.#options = { stride, padding, dilation, groups, outputPadding };
  }

  /** @throws ShapeError if x is not (N, L, in). */
  forward(x: Tensor, ...extra: never[]): Tensor {
    checkInput(this, x, 3, this.weight.shape[0]!, extra);
    return captured(this, convTranspose(x, this.weight, { ...this.#options, ...plus(this) }));
  }
}
