// Convolution, closed under differentiation: three ops, of which the gradients of each are the other two. With x (N, H, W, C),
// w (O, KH, KW, C / G) and y (N, OH, OW, O):
//
//   conv(x, w) = y        convInput(y, w) = x        convFilter(y, x) = w
//
// each linear in both of its operands. On the GPU they are matrix products that read through a window (shaders/conv.wgsl.ts).
import { convKernel } from '../../shaders/conv.wgsl.ts';
import { type ConvVariant, productOf } from '../../shaders/conv-facts.ts';
import type { GemmConfiguration } from '../../shaders/gemm-frame.wgsl.ts';
import { type ConvSizes, convolve, convolveFilter, convolveInput } from '../cpu/conv.ts';
import { convInputPasses, convPasses } from '../cpu/wasm/conv.ts';
import { convFilterPasses } from '../cpu/wasm/conv-filter.ts';
import type { Capabilities } from '../graph/capabilities.ts';
import { OptionError, ShapeError } from '../graph/errors.ts';
import type { Op, Spec } from '../graph/op.ts';
import { COUNT, checkOptions, type Kind, type Schema } from '../graph/options.ts';
import { formatShape, type Shape } from '../graph/shape.ts';
import { apply, apply1, Tensor } from '../graph/tensor.ts';
import { attachMethods } from './attach.ts';
import { add } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { defaultConfiguration } from './gemm-table.ts';
import { slice } from './movement.ts';
import { reshape } from './reshape.ts';
import { checkTensors } from './tensors.ts';
import {
  extent,
  imageSizes,
  PADDING,
  PADDING_PAIR,
  PADDING_SIDES,
  type Padding,
  type Pair,
  placesOf,
  SIZES,
  type Sides,
  sides,
  type Two,
  two,
} from './window.ts';

/** What the three ops share: how the window moves. */
export interface Conv {
  readonly stride: Two;
  readonly padding: Sides;
  readonly dilation: Two;
  readonly groups: number;
}

/** With the size (H, W) of x, which y does not tell where the stride skips its last elements. */
interface ConvInput extends Conv {
  readonly size: Two;
}

/** With the size (KH, KW) of the window. */
interface ConvFilter extends Conv {
  readonly kernel: Two;
}

function sizes(p: Conv, x: readonly [number, number, number, number], kernel: Two, O: number, y: Two): ConvSizes {
  const [N, H, W, C] = x;
  const [KH, KW] = kernel;
  const { stride, padding, dilation, groups: G } = p;
  return { N, H, W, C, O, KH, KW, OH: y[0], OW: y[1], G, stride, padding: [padding[0], padding[2]], dilation };
}

type Four = readonly [number, number, number, number];

function convSizes(x: Spec, w: Spec, p: Conv): ConvSizes {
  const [O, KH, KW] = w.shape as Four;
  const window = { ...p, kernel: [KH, KW] as const };
  const { H, W } = imageSizes('conv', x);
  return sizes(p, x.shape as Four, [KH, KW], O, placesOf('conv', [H, W], window));
}

function inputSizes(dy: Spec, w: Spec, p: ConvInput): ConvSizes {
  const [N, OH, OW, O] = dy.shape as Four;
  const [, KH, KW, Cg] = w.shape as Four;
  return sizes(p, [N, ...p.size, Cg * p.groups], [KH, KW], O, [OH, OW]);
}

function filterSizes(dy: Spec, x: Spec, p: ConvFilter): ConvSizes {
  const [, OH, OW, O] = dy.shape as Four;
  return sizes(p, x.shape as Four, p.kernel, O, [OH, OW]);
}

const flopsOf = ({ N, OH, OW, O, KH, KW, C, G }: ConvSizes) => 2 * N * OH * OW * O * KH * KW * (C / G);

/** How a pass is computed on an adapter. */
function configurationOf(v: ConvVariant, gpu: Capabilities): GemmConfiguration {
  const product = productOf(v);
  const usual = defaultConfiguration(product, gpu);
  return v.pass === 'filter' ? { ...usual, splitK: filterParts(product, gpu) } : usual;
}

/** The parts of a filter gradient's sum, in multiply-adds at least: below, a part costs more to start and to add up than it gains. An estimate. */
const PART = 2 ** 14;

/** A filter gradient has few results and a long sum: it is cut so that every core has work. */
function filterParts({ M, N, K }: { M: number; N: number; K: number }, { workgroups }: Capabilities): number {
  const tiles = Math.ceil(M / 16) * Math.ceil(N / 32);
  const wanted = workgroups === 'expensive' ? Math.ceil(16 / tiles) : Math.ceil(512 / tiles);
  const most = Math.max(1, Math.min(256, Math.floor((M * N * K) / PART), Math.floor(K / 64)));
  return Math.min(wanted, most);
}

export const convOp: Op<Conv> = {
  name: 'conv',
  epilogue: true,
  shape: ([x, w], p) => {
    const { N, OH, OW, O } = convSizes(x!, w!, p);
    return [{ shape: [N, OH, OW, O], dtype: 'f32' }];
  },
  cpu: ([x, w, b], [y], p) => convolve(convSizes(x!, w!, p), x!.data, w!.data, b?.data, y!.data),
  cpuFast: (scope, p) => {
    const { inputs, from, to } = scope;
    return convPasses(convSizes(inputs[0]!, inputs[1]!, p), scope, from[0]!, from[1]!, to[0]!, from[2]);
  },
  flops: ([x, w], p) => flopsOf(convSizes(x!, w!, p)),
  kernel: ({ inputs: [x, w, b], gpu, direct }, p) => {
    const operands = { directA: direct(0), directB: direct(1), bias: b !== undefined };
    const v: ConvVariant = { ...convSizes(x!, w!, p), pass: 'forward', ...operands };
    return convKernel(v, configurationOf(v, gpu));
  },
  vjp: ([dy], [x, w], _, p) => {
    const [, H, W] = x!.shape as Four;
    const [, KH, KW] = w!.shape as Four;
    let grads: Tensor[] | undefined;
    const weights = () => (grads ??= apply(convFilterOp, [dy!, x!], { ...p, kernel: [KH, KW] }));
    return [() => apply1(convInputOp, [dy!, w!], { ...p, size: [H, W] }), () => weights()[0]!, () => weights()[1]!];
  },
};

export const convInputOp: Op<ConvInput> = {
  name: 'convInput',
  epilogue: true,
  shape: ([dy, w], p) => {
    const { N, H, W, C } = inputSizes(dy!, w!, p);
    return [{ shape: [N, H, W, C], dtype: 'f32' }];
  },
  cpu: ([dy, w], [dx], p) => convolveInput(inputSizes(dy!, w!, p), dy!.data, w!.data, dx!.data),
  cpuFast: (scope, p) => {
    const { inputs, from, to } = scope;
    return convInputPasses(inputSizes(inputs[0]!, inputs[1]!, p), scope, from[0]!, from[1]!, to[0]!);
  },
  flops: ([dy, w], p) => flopsOf(inputSizes(dy!, w!, p)),
  kernel: ({ inputs: [dy, w], gpu, direct }, p) => {
    const v: ConvVariant = { ...inputSizes(dy!, w!, p), pass: 'input', directA: direct(0), directB: direct(1) };
    return convKernel(v, configurationOf(v, gpu));
  },
  vjp: ([ddx], [dy, w], _, { size: _size, ...p }) => {
    const [, KH, KW] = w!.shape as Four;
    return [
      () => convTo(dy!.shape, ddx!, w!, p),
      () => apply(convFilterOp, [dy!, ddx!], { ...p, kernel: [KH, KW] })[0]!,
    ];
  },
};

/** [dw (O, KH, KW, C / G), db (O)] from dy and x, in one pass over both. */
export const convFilterOp: Op<ConvFilter> = {
  name: 'convFilter',
  epilogue: true,
  shape: ([dy, x], p) => {
    const { O, KH, KW, C, G } = filterSizes(dy!, x!, p);
    return [
      { shape: [O, KH, KW, C / G], dtype: 'f32' },
      { shape: [O], dtype: 'f32' },
    ];
  },
  cpu: ([dy, x], [dw, db], p) => convolveFilter(filterSizes(dy!, x!, p), x!.data, dy!.data, dw!.data, db!.data),
  cpuFast: (scope, p) => {
    const { inputs, from, to } = scope;
    return convFilterPasses(filterSizes(inputs[0]!, inputs[1]!, p), scope, from[0]!, from[1]!, to[0]!, to[1]!);
  },
  flops: ([dy, x], p) => flopsOf(filterSizes(dy!, x!, p)),
  kernel: ({ inputs: [dy, x], gpu, direct }, p) => {
    const operands = { directA: direct(0), directB: direct(1), columnSums: true };
    const v: ConvVariant = { ...filterSizes(dy!, x!, p), pass: 'filter', ...operands };
    return convKernel(v, configurationOf(v, gpu));
  },
  vjp: ([ddw, ddb], [dy, x], _, { kernel: _kernel, ...p }) => {
    const [, H, W] = x!.shape as Four;
    return [
      () => {
        const fromWeight = ddw && convTo(dy!.shape, x!, ddw, p);
        const fromBias = ddb && broadcastTo(ddb, dy!.shape);
        return fromWeight && fromBias ? add(fromWeight, fromBias) : (fromWeight ?? fromBias)!;
      },
      ddw ? () => apply1(convInputOp, [dy!, ddw], { ...p, size: [H, W] }) : undefined,
    ];
  },
};

/**
 * conv(x, w) to the first places of the window: there are more than in y where an `outputPadding` reaches a stride, as a dilation allows.
 */
function convTo([, OH, OW]: Shape, x: Tensor, w: Tensor, p: Conv): Tensor {
  const y = apply1(convOp, [x, w], p);
  const [N, H, W, O] = y.shape as Four;
  return H === OH && W === OW ? y : slice(y, [0, 0, 0, 0], [N, OH!, OW!, O]);
}

const TENSOR_OR_NONE: Kind = { advice: 'Give a tensor.', fits: (v) => v instanceof Tensor };

/** Options of {@link conv}. */
export interface ConvOptions {
  /** Added to each output channel, (O). Default: none. */
  readonly bias?: Tensor | undefined;
  /** How far the window moves between two outputs; in 2-D a number or a pair. Default 1. */
  readonly stride?: Pair | undefined;
  /** Zeros around x. Default 0. */
  readonly padding?: Padding | undefined;
  /** The distance between neighbouring kernel elements in x. Default 1. */
  readonly dilation?: Pair | undefined;
  /** Groups of channels that do not see each other; as many as input channels make a depthwise convolution. Default 1. */
  readonly groups?: number | undefined;
}

const SCHEMA = {
  bias: TENSOR_OR_NONE,
  stride: [SIZES, 1],
  padding: [PADDING, 0],
  dilation: [SIZES, 1],
  groups: [COUNT, 1],
} satisfies Schema<ConvOptions>;

/** Options of {@link convTranspose}. */
export interface ConvTransposeOptions extends Omit<ConvOptions, 'padding'> {
  /** What the window of the convolution it transposes has: it is cut off the result. Default 0. */
  readonly padding?: Exclude<Padding, 'same' | 'valid'> | undefined;
  /** Elements added at the bottom and right of the result, where a stride leaves its size open. Default 0. */
  readonly outputPadding?: Pair | undefined;
}

const TRANSPOSED = {
  ...SCHEMA,
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

/**
 * The convolution (as in the field: cross-correlation) of images x (N, H, W, C) with filters w (O, KH, KW, C / groups), to (N, OH, OW, O); or of sequences
 * (N, L, C) with (O, K, C / groups): y[n, i, j, o] = bias[o] + Σ x[n, i·stride - padding + kh·dilation, …, c] · w[o, kh, kw, c]. As
 * PyTorch's `conv2d` and `conv1d` on channels-last tensors. @throws ShapeError if sizes do not match or the kernel is larger than the padded x.
 */
export function conv(x: Tensor, w: Tensor, options: ConvOptions = {}, ...extra: never[]): Tensor {
  checkTensors('conv', { x, w });
  const { bias, stride, padding, dilation, groups } = checkOptions('conv', options, SCHEMA, extra);
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
  const window = { kernel: [KH, KW] as Two, stride: flat.both(stride, 1), dilation: flat.both(dilation, 1) };
  const p = { ...window, padding: sides('conv', flat.padding(padding), window), groups };
  const { kernel: _, ...params } = p;
  return flat.back(apply1(convOp, bias ? [flat.x, flat.w, bias] : [flat.x, flat.w], params));
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
