// Convolutions as functions: of images and, as images of height 1, of sequences. The ops are in conv-ops.ts.
import { OptionError, ShapeError } from '../graph/errors.ts';
import { COUNT, checkOptions, type Kind, oneOf, type Schema } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import { apply1, Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { add } from './binary.ts';
import { convInputOp, convOp, type Four } from './conv-ops.ts';
import { pad } from './pad.ts';
import { reshape } from './reshape.ts';
import { checkTensors } from './tensors.ts';
import {
  extent,
  PADDING,
  PADDING_PAIR,
  PADDING_SIDES,
  type Padding,
  type Pair,
  SIZES,
  type Sides,
  sides,
  type Two,
  two,
} from './window.ts';

const TENSOR_OR_NONE: Kind = { advice: 'Give a tensor.', fits: (v) => v instanceof Tensor };

/** What the padding of a convolution holds. */
export type PaddingMode = 'zeros' | 'reflect' | 'replicate' | 'circular';

/** {@link PaddingMode} */
export const PADDING_MODE: Kind = oneOf('zeros', 'reflect', 'replicate', 'circular');

/** Options of {@link conv}. */
export interface ConvOptions {
  /** Added to each output channel, (O). Default: none. */
  readonly bias?: Tensor | undefined;
  /** How far the window moves between two outputs; in 2-D a number or a pair. Default 1. */
  readonly stride?: Pair | undefined;
  /** Elements around x. Default 0. */
  readonly padding?: Padding | undefined;
  /** What they are: zeros, or x mirrored at its edge, its edge repeated, or x repeated. Default 'zeros'. */
  readonly paddingMode?: PaddingMode | undefined;
  /** The distance between neighbouring kernel elements in x. Default 1. */
  readonly dilation?: Pair | undefined;
  /** Groups of channels that do not see each other; as many as input channels make a depthwise convolution. Default 1. */
  readonly groups?: number | undefined;
}

const ZEROS = {
  bias: TENSOR_OR_NONE,
  stride: [SIZES, 1],
  padding: [PADDING, 0],
  dilation: [SIZES, 1],
  groups: [COUNT, 1],
} satisfies Schema<Omit<ConvOptions, 'paddingMode'>>;

const SCHEMA = { ...ZEROS, paddingMode: [PADDING_MODE, 'zeros'] } satisfies Schema<ConvOptions>;

/** Options of {@link convTranspose}. */
export interface ConvTransposeOptions extends Omit<ConvOptions, 'padding' | 'paddingMode'> {
  /** What the window of the convolution it transposes has: it is cut off the result. Default 0. */
  readonly padding?: Exclude<Padding, 'same' | 'valid'> | undefined;
  /** Elements added at the bottom and right of the result, where a stride leaves its size open. Default 0. */
  readonly outputPadding?: Pair | undefined;
}

const TRANSPOSED = {
  ...ZEROS,
  padding: [PADDING_SIDES, 0],
  outputPadding: [PADDING_PAIR, 0],
} satisfies Schema<ConvTransposeOptions>;

/** Sequences as images of height 1, and what belongs to the width alone. */
interface Lifted {
  readonly x: Tensor;
  readonly w: Tensor;
  /** The same for both axes of images, for the width alone in sequences. */
  both(pair: Pair, rest: number): Two;
  padding(padding: Padding): Padding;
  back(y: Tensor): Tensor;
}

function lifted(where: string, x: Tensor, w: Tensor): Lifted {
  if (x.rank === 4 && w.rank === 4) return { x, w, both: two, padding: (p) => p, back: (y) => y };
  if (x.rank === 3 && w.rank === 3) {
    const wide = (t: Tensor) => reshape(t, [t.shape[0]!, 1, t.shape[1]!, t.shape[2]!]);
    const both = (value: Pair, rest: number): Two => {
      if (typeof value !== 'number')
        throw new OptionError(
          `${where}: [${value}] is a pair, but x [N, L, C] has one axis to move along. Give a number.`,
        );
      return [rest, value];
    };
    const padding = (p: Padding): Padding => {
      if (typeof p === 'string') return p;
      if (typeof p === 'number') return [0, 0, p, p];
      if (p.length === 2) return [0, 0, p[0], p[1]];
      throw new OptionError(
        `${where}: the padding [${p}] has four sides, but x [N, L, C] has two ends. Give a number or [before, after].`,
      );
    };
    const back = (y: Tensor) => reshape(y, [y.shape[0]!, y.shape[2]!, y.shape[3]!]);
    return { x: wide(x), w: wide(w), both, padding, back };
  }
  throw new ShapeError(
    `${where}: x is ${formatShape(x.shape)} and w is ${formatShape(w.shape)}. Give images [N, H, W, C] with filters [O, KH, KW, C / groups], or sequences [N, L, C] with [O, K, C / groups].`,
  );
}

function checkFloats(where: string, tensors: Readonly<Record<string, Tensor>>): void {
  for (const [name, { dtype }] of Object.entries(tensors))
    if (dtype !== 'f32') throw new ShapeError(`${where}: ${name} is ${dtype}. It must be f32: cast(${name}, 'f32').`);
}

function checkBias(where: string, bias: Tensor | undefined, channels: number): void {
  if (bias && (bias.rank !== 1 || bias.shape[0] !== channels))
    throw new ShapeError(
      `${where}: the bias ${formatShape(bias.shape)} must be [${channels}], one for each output channel.`,
    );
}

function checkGroups(where: string, groups: number, x: Tensor, channels: Readonly<Record<string, number>>): void {
  for (const [name, n] of Object.entries(channels))
    if (n % groups !== 0)
      throw new ShapeError(
        `${where}: ${n} ${name} channels of x ${formatShape(x.shape)} cannot be divided into ${groups} groups. Use groups that divide the input and the output channels.`,
      );
}

const NONE: Sides = [0, 0, 0, 0];

function padded(x: Tensor, [top, bottom, left, right]: Sides, mode: Exclude<PaddingMode, 'zeros'>): Tensor {
  return pad(x, [0, top, left, 0], [0, bottom, right, 0], { mode });
}

/**
 * The convolution (as in the field: cross-correlation) of images x (N, H, W, C) with filters w (O, KH, KW, C / groups), to (N, OH, OW, O); or of sequences
 * (N, L, C) with (O, K, C / groups): y[n, i, j, o] = bias[o] + Σ x[n, i·stride - padding + kh·dilation, …, c] · w[o, kh, kw, c]. As
 * PyTorch's `conv2d` and `conv1d` on channels-last tensors. @throws ShapeError if sizes do not match or the kernel is larger than the padded x.
 */
export function conv(x: Tensor, w: Tensor, options: ConvOptions = {}, ...extra: never[]): Tensor {
  checkTensors('conv', { x, w });
  const checked = checkOptions('conv', options, SCHEMA, extra);
  const { bias, stride, padding, paddingMode, dilation, groups } = checked;
  checkFloats('conv', { x, w, ...(bias && { bias }) });
  const flat = lifted('conv', x, w);
  const [O, KH, KW, Cg] = flat.w.shape as Four;
  const C = x.shape.at(-1)!;
  checkGroups('conv', groups, x, { input: C, output: O });
  if (Cg * groups !== C)
    throw new ShapeError(
      `conv: x ${formatShape(x.shape)} has ${C} channels, but w ${formatShape(w.shape)} takes ${Cg * groups}${groups > 1 ? ` in ${groups} groups` : ''}. The last axis of w must be x's channels / groups.`,
    );
  checkBias('conv', bias, O);
  const moves = { stride: flat.both(stride, 1), dilation: flat.both(dilation, 1) };
  const around = sides('conv', flat.padding(padding), { kernel: [KH, KW], ...moves });
  const within = paddingMode === 'zeros' ? flat.x : padded(flat.x, around, paddingMode);
  const params = { ...moves, padding: paddingMode === 'zeros' ? around : NONE, groups };
  return flat.back(apply1(convOp, bias ? [within, flat.w, bias] : [within, flat.w], params));
}

/**
 * The transposed convolution of x (N, H, W, C) with filters w (C, KH, KW, O / groups), to (N, OH, OW, O) with OH = (H - 1)·stride - padding +
 * dilation·(KH - 1) + outputPadding + 1; or of sequences (N, L, C) with (C, K, O / groups). It is the gradient of the convolution that
 * maps the result's size to x's, as PyTorch's `conv_transpose2d`. @throws ShapeError if sizes do not match or the padding cuts off
 * everything.
 */
export function convTranspose(x: Tensor, w: Tensor, options: ConvTransposeOptions = {}, ...extra: never[]): Tensor {
  const where = 'convTranspose';
  checkTensors(where, { x, w });
  const { bias, stride, padding, dilation, groups, outputPadding } = checkOptions(where, options, TRANSPOSED, extra);
  checkFloats(where, { x, w, ...(bias && { bias }) });
  const flat = lifted(where, x, w);
  const [C, KH, KW, Og] = flat.w.shape as Four;
  checkGroups(where, groups, x, { input: x.shape.at(-1)! });
  if (x.shape.at(-1) !== C)
    throw new ShapeError(
      `${where}: x ${formatShape(x.shape)} has ${x.shape.at(-1)} channels, but w ${formatShape(w.shape)} takes ${C}. The first axis of w must be x's channels.`,
    );
  checkBias(where, bias, Og * groups);
  const window = { kernel: [KH, KW] as Two, stride: flat.both(stride, 1), dilation: flat.both(dilation, 1) };
  const around = sides(where, flat.padding(padding), window);
  const more = flat.both(outputPadding, 0);
  for (const axis of [0, 1] as const)
    if (more[axis] > 0 && more[axis] >= Math.max(window.stride[axis], window.dilation[axis]))
      throw new OptionError(
        `${where}: outputPadding ${more[axis]} is not below the stride ${window.stride[axis]} or the dilation ${window.dilation[axis]}. Use a smaller one: it only chooses among the sizes that the stride leaves open.`,
      );
  const along = (axis: 0 | 1) =>
    (flat.x.shape[axis + 1]! - 1) * window.stride[axis] -
    around[axis * 2]! -
    around[axis * 2 + 1]! +
    extent(window.kernel[axis], window.dilation[axis]) +
    more[axis];
  const size: Two = [along(0), along(1)];
  if (size[0] < 1 || size[1] < 1)
    throw new ShapeError(
      `${where}: the padding cuts off everything: ${size[0]} x ${size[1]} would be left. Use less padding.`,
    );
  const { kernel: _, ...moves } = window;
  const y = apply1(convInputOp, [flat.x, flat.w], { ...moves, padding: around, groups, size });
  return flat.back(bias ? add(y, bias) : y);
}

attachMethods({ conv, convTranspose });
