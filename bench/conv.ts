// Convolutions as training makes them: forward, the gradient of the input and that of the filter, in the shapes of real networks, against
// the fastest matrix product of the same run: a convolution is a product that reads through a window.
import type { Shape } from '../src/graph/shape.ts';
import { apply, apply1, type Tensor } from '../src/graph/tensor.ts';
import { type Conv, convFilterOp, convInputOp, convOp } from '../src/ops/conv-ops.ts';
import { matmul } from '../src/ops/matmul.ts';
import type { Bench, Case, Suite } from './cases.ts';
import type { Figure, Finding } from './findings.ts';
import { type ProgramInput, programCase } from './program.ts';

/** A convolution of square images and windows: (N, side, side, C) to (N, out, out, O). */
interface Layer {
  readonly name: string;
  readonly N: number;
  readonly side: number;
  readonly C: number;
  readonly O: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly padding?: number;
  /** Default 1. */
  readonly groups?: number;
}

const LAYERS: readonly Layer[] = [
  { name: 'cnn 5x5', N: 256, side: 28, C: 1, O: 24, kernel: 5 },
  { name: 'cnn 3x3', N: 256, side: 12, C: 24, O: 32, kernel: 3 },
  { name: 'resnet20 3x3', N: 128, side: 32, C: 16, O: 16, kernel: 3, padding: 1 },
  { name: 'resnet20 3x3', N: 128, side: 8, C: 64, O: 64, kernel: 3, padding: 1 },
  { name: 'resnet 3x3', N: 32, side: 28, C: 64, O: 64, kernel: 3, padding: 1 },
  { name: 'resnet 3x3', N: 32, side: 28, C: 128, O: 128, kernel: 3, padding: 1 },
  { name: 'resnet 3x3 stride 2', N: 32, side: 56, C: 64, O: 128, kernel: 3, stride: 2, padding: 1 },
  { name: 'resnet 1x1', N: 32, side: 14, C: 256, O: 1024, kernel: 1 },
  { name: 'depthwise 3x3', N: 32, side: 28, C: 128, O: 128, kernel: 3, padding: 1, groups: 128 },
];
/** Those of a quick run: a layer of each kind. */
const QUICK = ['cnn 3x3', 'resnet 1x1', 'depthwise 3x3'];

/** Sides of the products, of which the fastest is the yardstick. */
const PRODUCTS = [512, 1024];

export const convSuite: Suite = {
  name: 'conv',
  about:
    'convolutions, forward and gradients, in the shapes of networks: GFLOP/s, and the share of the fastest product',
  *groups(bench) {
    yield { cases: PRODUCTS.map((side) => productCase(bench, side)) };
    const layers = bench.quick ? LAYERS.filter(({ name }) => QUICK.includes(name)) : LAYERS;
    for (const layer of layers) yield { cases: convCases(bench, layer) };
  },
  conclude: (findings) => sharesOf(findings.filter((f) => f.type === 'figure')),
};

const PRODUCT = 'product';

function productCase(bench: Bench, side: number): Case {
  return programCase(bench, {
    name: `${PRODUCT} ${side}x${side}x${side}`,
    kind: PRODUCT,
    unit: 'GFLOP/s',
    amount: (2 * side ** 3) / 1e9,
    work: { flops: 2 * side ** 3, bytes: 12 * side ** 2 },
    inputs: { a: { shape: [side, side], rows: 0 }, b: { shape: [side, side] } },
    fn: ({ a, b }) => matmul(a!, b!),
  });
}

/** The three passes of a layer. */
export function convCases(bench: Bench, layer: Layer): Case[] {
  const { name, N, side, C, O, kernel, stride = 1, padding = 0, groups = 1 } = layer;
  const out = Math.floor((side + 2 * padding - kernel) / stride) + 1;
  const p: Conv = {
    stride: [stride, stride],
    padding: [padding, padding, padding, padding],
    dilation: [1, 1],
    groups,
  };
  const [x, w, dy] = [
    [N, side, side, C],
    [O, kernel, kernel, C / groups],
    [N, out, out, O],
  ] as const;
  const flops = (2 * sizeOf(dy) * kernel * kernel * C) / groups;
  const bytes = 4 * (sizeOf(x) + sizeOf(w) + sizeOf(dy));
  const pass = (what: string, inputs: Readonly<Record<string, ProgramInput>>, fn: (given: Given) => Tensor): Case =>
    programCase(bench, {
      name: `${name} ${what}, ${N}x${side}x${side}x${C} to ${O}`,
      kind: `${what} ${groups > 1 ? 'depthwise' : `${kernel}x${kernel}`}`,
      unit: 'GFLOP/s',
      amount: flops / 1e9,
      work: { flops, bytes },
      inputs,
      fn,
      expensiveRows: true,
    });
  // A filter is the gradient of all images, so rows of it come from channels of dy, of which each group has its own.
  const ofFilter = groups === 1 ? { rows: 3 } : {};
  return [
    pass('forward', { x: { shape: x, rows: 0 }, w: { shape: w } }, (g) => apply1(convOp, [g['x']!, g['w']!], p)),
    pass('input gradient', { dy: { shape: dy, rows: 0 }, w: { shape: w } }, (g) =>
      apply1(convInputOp, [g['dy']!, g['w']!], { ...p, size: [side, side] }),
    ),
    pass(
      'filter gradient',
      { dy: { shape: dy, ...ofFilter }, x: { shape: x } },
      (g) => apply(convFilterOp, [g['dy']!, g['x']!], { ...p, kernel: [kernel, kernel] })[0]!,
    ),
  ];
}

type Given = Readonly<Record<string, Tensor>>;

function sizeOf(shape: Shape): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Each convolution's share of the fastest product's rate; none if no product was measured. */
function sharesOf(figures: readonly Figure[]): Finding[] {
  const [first, ...others] = figures.filter(({ name }) => name.startsWith(PRODUCT));
  if (!first) return [];
  const best = others.reduce((a, b) => (b.median > a.median ? b : a), first);
  return figures
    .filter(({ name }) => !name.startsWith(PRODUCT))
    .map(({ suite, name, backend, adapter, software, median }) => {
      const on = { backend, adapter, software };
      return { type: 'share', suite, name, ...on, of: best.name, gflops: best.median, share: median / best.median };
    });
}
