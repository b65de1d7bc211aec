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
import type { Op, Spec } from '../graph/op.ts';
import type { Shape } from '../graph/shape.ts';
import { apply, apply1, type Tensor } from '../graph/tensor.ts';
import { add } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { defaultConfiguration } from './gemm-table.ts';
import { slice } from './movement.ts';
import { imageSizes, placesOf, type Sides, type Two } from './window.ts';

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

export type Four = readonly [number, number, number, number];

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
