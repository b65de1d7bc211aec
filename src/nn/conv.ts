// Convolutions as layers. Filters lie in memory as the ops read them, (O, KH, KW, C / groups), and in files as PyTorch's,
// (O, C / groups, KH, KW).
import { ShapeError } from '../graph/errors.ts';
import { BOOLEAN, COUNT, checkOptions, FUNCTION, type Kind, oneOf, type Schema, show } from '../graph/options.ts';
import { formatShape, type Shape, sizeOf } from '../graph/shape.ts';
import { type Initializer, type Tensor, Variable } from '../graph/tensor.ts';
import { conv, convTranspose } from '../ops/conv.ts';
import { pad } from '../ops/pad.ts';
import { checkTensors } from '../ops/tensors.ts';
import { PADDING, PADDING_PAIR, PADDING_SIDES, type Padding, type Pair, SIZES, sides, two } from '../ops/window.ts';
import { uniform } from './init.ts';
import { captured, checkSize, type NamedLayer, nameOf, parameter } from './layer.ts';

/** What the padding of a convolution holds. */
export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';

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

const ZEROS = {
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
  paddingMode: [oneOf('zeros', 'reflect', 'replicate', 'circular'), 'zeros'],
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

/** The parameters that all convolutions have. */
interface Parameters {
  readonly weight: Variable;
  readonly bias: Variable | undefined;
}

interface Channels {
  readonly groups: number;
  readonly bias: boolean;
  readonly initialWeight?: Initializer | undefined;
  readonly initialBias?: Initializer | undefined;
}

/** `shape` is (outer, ...kernel, inner); its product but the first is what the default initial values scale with. */
function parametersOf(shape: Shape, channels: number, { bias, initialWeight, initialBias }: Channels): Parameters {
  const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
  const usual = uniform(-bound, bound);
  const last = shape.length - 1;
  const fileAxes = [0, last, ...shape.map((_, axis) => axis).slice(1, last)];
  const weight = new Variable(shape, { initial: initialWeight ?? usual, trainable: true, fileAxes });
  return { weight, bias: bias ? parameter([channels], initialBias ?? usual) : undefined };
}

function checkChannels(layer: string, inChannels: number, outChannels: number, groups: number): void {
  checkSize(layer, 'inChannels', inChannels);
  checkSize(layer, 'outChannels', outChannels);
  for (const [name, n] of Object.entries({ inChannels, outChannels }))
    if (n % groups !== 0)
      throw new ShapeError(
        `${layer}: ${name} ${n} cannot be divided into ${groups} groups. Use groups that divide both.`,
      );
}

/** Refuses an x that is not (N, ...space, channels), with the advice for the likeliest mistake. */
function checkInput(layer: NamedLayer, x: Tensor, axes: 3 | 4, channels: number, extra: readonly unknown[]): void {
  checkTensors(nameOf(layer), { x }, extra);
  const wanted = axes === 4 ? '[N, H, W, C]' : '[N, L, C]';
  if (x.rank !== axes || x.shape.at(-1) !== channels)
    throw new ShapeError(
      `${nameOf(layer)}: expected ${wanted} with ${channels} channel${channels === 1 ? '' : 's'}, got x ${formatShape(x.shape)}. ${remedy(x, axes, channels)}`,
    );
  if (x.dtype !== 'f32') throw new ShapeError(`${nameOf(layer)}: x is ${x.dtype}. It must be f32: cast(x, 'f32').`);
}

function remedy({ rank, shape }: Tensor, axes: 3 | 4, channels: number): string {
  if (rank === axes && shape[1] === channels)
    return `Channels come last: x.transpose([${axes === 4 ? '0, 2, 3, 1' : '0, 2, 1'}]).`;
  const [N] = shape;
  if (rank === axes - 1 && channels === 1) return `Add the axis of channels: x.reshape([${[...shape, 1].join(', ')}]).`;
  const side = Math.sqrt(shape[1]! / channels);
  if (rank === 2 && axes === 4 && Number.isInteger(side))
    return `Reshape it: x.reshape([${N}, ${side}, ${side}, ${channels}]); of datasets.mnist() and datasets.digits(), { images: true } gives images.`;
  if (rank === axes) return 'Create the layer with that number of channels.';
  return axes === 4 ? 'Reshape it to images.' : 'Reshape it to sequences.';
}

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

function convolved(layer: NamedLayer & Parameters, x: Tensor, { paddingMode, padding, ...moves }: Moves): Tensor {
  const { weight } = layer;
  if (paddingMode === 'zeros') return conv(x, weight, { ...moves, padding, ...plus(layer) });
  const flat = x.rank === 3;
  const kernel: readonly [number, number] = flat ? [1, weight.shape[1]!] : [weight.shape[1]!, weight.shape[2]!];
  const [stride, dilation] = [two(moves.stride), two(moves.dilation)];
  const along: Padding = flat && typeof padding !== 'string' ? [0, 0, ...endsOf(padding)] : padding;
  const [top, bottom, left, right] = sides(nameOf(layer), along, { kernel, stride, dilation });
  const [before, after] = flat
    ? [[left], [right]]
    : [
        [top, left],
        [bottom, right],
      ];
  const padded = pad(x, [0, ...before, 0], [0, ...after, 0], { mode: paddingMode });
  return conv(padded, weight, { ...moves, ...plus(layer) });
}

/** The zeros at both ends of a sequence. */
function endsOf(padding: Exclude<Padding, string>): [number, number] {
  return typeof padding === 'number' ? [padding, padding] : [padding[0], padding[1]];
}

const plus = ({ bias }: Parameters) => (bias ? { bias } : {});

/**
 * x (N, H, W, in) to (N, OH, OW, out), as PyTorch's `Conv2d` on channels-last images: OH = floor((H + padding - dilation·(KH - 1) - 1) /
 * stride) + 1. See {@link conv}.
 */
export class Conv2d implements NamedLayer, Parameters {
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
    checkKernel('Conv2d', kernelSize, SIZES);
    const [KH, KW] = two(kernelSize);
    const { weight, bias } = parametersOf([outChannels, KH, KW, inChannels / checked.groups], outChannels, checked);
    this.weight = weight;
    this.bias = bias;
    this.#options = movesOf(checked);
  }

  /** @throws ShapeError if x is not (N, H, W, in), or smaller than the kernel. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    const { groups } = this.#options;
    checkInput(this, x, 4, this.weight.shape.at(-1)! * groups, extra);
    return captured(this, convolved(this, x, this.#options));
  }
}

/** x (N, L, in) to (N, OL, out), as PyTorch's `Conv1d` on channels-last sequences. See {@link conv}. */
export class Conv1d implements NamedLayer, Parameters {
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
    const { weight, bias } = parametersOf([outChannels, kernelSize, inChannels / checked.groups], outChannels, checked);
    this.weight = weight;
    this.bias = bias;
    this.#options = movesOf(checked);
  }

  /** @throws ShapeError if x is not (N, L, in), or shorter than the kernel. */
  forward(x: Tensor, ...extra: never[]): Tensor {
    const { groups } = this.#options;
    checkInput(this, x, 3, this.weight.shape.at(-1)! * groups, extra);
    return captured(this, convolved(this, x, this.#options));
  }
}

/** x (N, H, W, in) to (N, OH, OW, out), as PyTorch's `ConvTranspose2d` on channels-last images. See {@link convTranspose}. */
export class ConvTranspose2d implements NamedLayer, Parameters {
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
    checkKernel('ConvTranspose2d', kernelSize, SIZES);
    const [KH, KW] = two(kernelSize);
    const { weight, bias } = parametersOf([inChannels, KH, KW, outChannels / checked.groups], outChannels, checked);
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
export class ConvTranspose1d implements NamedLayer, Parameters {
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
    const { weight, bias } = parametersOf([inChannels, kernelSize, outChannels / checked.groups], outChannels, checked);
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

function checkKernel(layer: string, kernelSize: unknown, { fits, advice }: Kind): void {
  if (!fits(kernelSize)) throw new ShapeError(`${layer}: kernelSize is ${show(kernelSize)}. ${advice}`);
}
