// Pools with sliding windows as layers, over images (N, H, W, C) and sequences (N, L, C).
import { BOOLEAN, COUNT, checkValue, optionsOf, type Schema } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { AVG_POOL, type AvgPoolOptions, avgPoolNamed } from '../ops/avg-pool.ts';
import { MAX_POOL, type MaxPoolOptions, maxPoolNamed } from '../ops/max-pool.ts';
import { type Pair, SIZES } from '../ops/window.ts';
import { captured, type NamedLayer, nameOf } from './layer.ts';
import { overSequence, SEQUENCE_PADDING, type SequencePadding, sidesOf } from './sequence.ts';

/** The maximum of each window of images: `new nn.MaxPool2d(2)`, `new nn.MaxPool2d(3, { stride: 2, padding: 1 })`. PyTorch's `MaxPool2d`. */
export class MaxPool2d implements NamedLayer {
  readonly kind = 'MaxPool2d';
  /** The window's size. */
  readonly kernelSize: Pair;
  /** The options, with their defaults. */
  readonly options: MaxPoolOptions;

  constructor(kernelSize: Pair, options?: MaxPoolOptions);
  constructor(kernelSize: Pair, stride: Pair, options?: Omit<MaxPoolOptions, 'stride'>);
  constructor(kernelSize: Pair, ...given: readonly unknown[]) {
    checkValue('MaxPool2d', 'kernelSize', kernelSize, SIZES);
    this.kernelSize = kernelSize;
    this.options = optionsOf<MaxPoolOptions, typeof MAX_POOL>('MaxPool2d', 'stride', given, MAX_POOL);
  }

  /** x (N, H, W, C) to y (N, OH, OW, C). @throws ShapeError if the kernel is larger than the padded image */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, maxPoolNamed(nameOf(this), x, this.kernelSize, [this.options]), extra);
  }
}

/** The mean of each window of images: `new nn.AvgPool2d(2)`. PyTorch's `AvgPool2d`. */
export class AvgPool2d implements NamedLayer {
  readonly kind = 'AvgPool2d';
  /** The window's size. */
  readonly kernelSize: Pair;
  /** The options, with their defaults. */
  readonly options: AvgPoolOptions;

  constructor(kernelSize: Pair, options?: AvgPoolOptions);
  constructor(kernelSize: Pair, stride: Pair, options?: Omit<AvgPoolOptions, 'stride'>);
  constructor(kernelSize: Pair, ...given: readonly unknown[]) {
    checkValue('AvgPool2d', 'kernelSize', kernelSize, SIZES);
    this.kernelSize = kernelSize;
    this.options = optionsOf<AvgPoolOptions, typeof AVG_POOL>('AvgPool2d', 'stride', given, AVG_POOL);
  }

  /** x (N, H, W, C) to y (N, OH, OW, C). @throws ShapeError if the kernel is larger than the padded image */
  forward(x: Tensor, ...extra: never[]): Tensor {
    return captured(this, avgPoolNamed(nameOf(this), x, this.kernelSize, [this.options]), extra);
  }
}

/** Options of {@link MaxPool1d}. */
export interface MaxPool1dOptions {
  /** How far the window moves. Default: the kernel. */
  readonly stride?: number | undefined;
  /** Elements before and after the sequence, which are never the maximum: at most half of the kernel. Default 0. */
  readonly padding?: SequencePadding | undefined;
  /** The distance between the elements of a window. Default 1. */
  readonly dilation?: number | undefined;
  /** Whether a last window may reach beyond the padding, as long as it begins before the end of the sequence. Default false. */
  readonly ceilMode?: boolean | undefined;
}

const MAX_POOL_1D = {
  stride: COUNT,
  padding: [SEQUENCE_PADDING, 0],
  dilation: [COUNT, 1],
  ceilMode: [BOOLEAN, false],
} satisfies Schema<MaxPool1dOptions>;

/** The maximum of each window of sequences: `new nn.MaxPool1d(2)`. PyTorch's `MaxPool1d`. */
export class MaxPool1d implements NamedLayer {
  readonly kind = 'MaxPool1d';
  /** The window's size. */
  readonly kernelSize: number;
  /** The options, with their defaults. */
  readonly options: MaxPool1dOptions;

  constructor(kernelSize: number, options?: MaxPool1dOptions);
  constructor(kernelSize: number, stride: number, options?: Omit<MaxPool1dOptions, 'stride'>);
  constructor(kernelSize: number, ...given: readonly unknown[]) {
    checkValue('MaxPool1d', 'kernelSize', kernelSize, COUNT);
    this.kernelSize = kernelSize;
    this.options = optionsOf<MaxPool1dOptions, typeof MAX_POOL_1D>('MaxPool1d', 'stride', given, MAX_POOL_1D);
  }

  /** x (N, L, C) to y (N, OL, C). @throws ShapeError if the kernel is larger than the padded sequence */
  forward(x: Tensor, ...extra: never[]): Tensor {
    const { stride = this.kernelSize, padding = 0, dilation = 1, ceilMode } = this.options;
    const options = { stride: [1, stride], padding: sidesOf(padding), dilation: [1, dilation], ceilMode };
    const name = nameOf(this);
    const y = overSequence(name, x, (images) => maxPoolNamed(name, images, [1, this.kernelSize], [options]));
    return captured(this, y, extra);
  }
}

/** Options of {@link AvgPool1d}. */
export interface AvgPool1dOptions {
  /** How far the window moves. Default: the kernel. */
  readonly stride?: number | undefined;
  /** Zeros before and after the sequence: at most half of the kernel. Default 0. */
  readonly padding?: SequencePadding | undefined;
  /** Whether a last window may reach beyond the padding, as long as it begins before the end of the sequence. Default false. */
  readonly ceilMode?: boolean | undefined;
  /** Whether a window's divisor counts its padding. Default true. */
  readonly countIncludePad?: boolean | undefined;
}

const AVG_POOL_1D = {
  stride: COUNT,
  padding: [SEQUENCE_PADDING, 0],
  ceilMode: [BOOLEAN, false],
  countIncludePad: [BOOLEAN, true],
} satisfies Schema<AvgPool1dOptions>;

/** The mean of each window of sequences: `new nn.AvgPool1d(2)`. PyTorch's `AvgPool1d`. */
export class AvgPool1d implements NamedLayer {
  readonly kind = 'AvgPool1d';
  /** The window's size. */
  readonly kernelSize: number;
  /** The options, with their defaults. */
  readonly options: AvgPool1dOptions;

  constructor(kernelSize: number, options?: AvgPool1dOptions);
  constructor(kernelSize: number, stride: number, options?: Omit<AvgPool1dOptions, 'stride'>);
  constructor(kernelSize: number, ...given: readonly unknown[]) {
    checkValue('AvgPool1d', 'kernelSize', kernelSize, COUNT);
    this.kernelSize = kernelSize;
    this.options = optionsOf<AvgPool1dOptions, typeof AVG_POOL_1D>('AvgPool1d', 'stride', given, AVG_POOL_1D);
  }

  /** x (N, L, C) to y (N, OL, C). @throws ShapeError if the kernel is larger than the padded sequence */
  forward(x: Tensor, ...extra: never[]): Tensor {
    const { stride = this.kernelSize, padding = 0, ...more } = this.options;
    const options = { ...more, stride: [1, stride], padding: sidesOf(padding) };
    const name = nameOf(this);
    const y = overSequence(name, x, (images) => avgPoolNamed(name, images, [1, this.kernelSize], [options]));
    return captured(this, y, extra);
  }
}
