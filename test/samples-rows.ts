// Samples of reductions and row ops. Rows of 1, of a prime, of one past a workgroup (257) and longer (1,100); rows along
// every axis; few outputs of many elements, which take two passes.
import { apply, apply1, type Tensor } from '../src/graph/tensor.ts';
import { accuracy } from '../src/ops/accuracy.ts';
import { sum } from '../src/ops/broadcast.ts';
import { softmaxCrossEntropy, softmaxCrossEntropyOp } from '../src/ops/cross-entropy.ts';
import { type CumsumOptions, cumsum } from '../src/ops/cumsum.ts';
import { logSumExp } from '../src/ops/log-sum-exp.ts';
import { prod, prodGradOp } from '../src/ops/prod.ts';
import { argmax, max, mean, min, variance } from '../src/ops/reduce.ts';
import { logSoftmax, logSoftmaxGradOp, softmax, softmaxGradOp } from '../src/ops/softmax.ts';
import { type TopkOptions, topk } from '../src/ops/topk.ts';
import { total } from '../src/ops/total.ts';
import type { Sample, SampleInput } from './sample.ts';

type ReduceFn = typeof sum;

/** One case for each place that elements can lie in, for a reduction. */
function reductions(reduce: ReduceFn): Sample[] {
  return [
    { name: 'a scalar', inputs: [{ shape: [] }], fn: (x) => reduce(x!) },
    { name: '[7] to a scalar', inputs: [{ shape: [7] }], fn: (x) => reduce(x!) },
    { name: '[5, 1] over an axis of 1', inputs: [{ shape: [5, 1] }], fn: (x) => reduce(x!, { axis: 1 }) },
    { name: '[65, 10] over rows', inputs: [{ shape: [65, 10] }], fn: (x) => reduce(x!, { axis: -1 }) },
    { name: '[65, 17] over columns', inputs: [{ shape: [65, 17] }], fn: (x) => reduce(x!, { axis: 0 }) },
    { name: '[3, 257] kept', inputs: [{ shape: [3, 257] }], fn: (x) => reduce(x!, { axis: [1], keepDims: true }) },
    { name: '[2, 3, 4, 5] over 1 and 3', inputs: [{ shape: [2, 3, 4, 5] }], fn: (x) => reduce(x!, { axis: [3, 1] }) },
    {
      name: '[2, 3, 2, 2, 3, 2] over 0, 2, 5',
      inputs: [{ shape: [2, 3, 2, 2, 3, 2] }],
      fn: (x) => reduce(x!, { axis: [0, 2, 5] }),
    },
    { name: '[2, 3] over no axis', inputs: [{ shape: [2, 3] }], fn: (x) => reduce(x!, { axis: [] }) },
  ];
}

/** Long ones for the GPU: their gradients say nothing new. */
function longReductions(reduce: ReduceFn): Sample[] {
  return [
    { name: '[1100] to a scalar', inputs: [{ shape: [1100] }], fn: (x) => reduce(x!), wrt: [] },
    { name: '[1100, 3] over columns', inputs: [{ shape: [1100, 3] }], fn: (x) => reduce(x!, { axis: 0 }), wrt: [] },
    { name: '[40009] in two passes', inputs: [{ shape: [40009] }], fn: (x) => reduce(x!), wrt: [] },
    {
      name: '[9001, 5] over columns in two passes',
      inputs: [{ shape: [9001, 5] }],
      fn: (x) => reduce(x!, { axis: 0 }),
      wrt: [],
    },
    {
      name: '[3, 7001] over rows in two passes',
      inputs: [{ shape: [3, 7001] }],
      fn: (x) => reduce(x!, { axis: 1 }),
      wrt: [],
    },
    {
      name: '[2, 1031, 33] over the middle',
      inputs: [{ shape: [2, 1031, 33] }],
      fn: (x) => reduce(x!, { axis: 1 }),
      wrt: [],
    },
  ];
}

/** A row op along every axis, and over short, long and many rows. */
function alongAxes(op: (x: Tensor, options?: { axis?: number }) => Tensor): Sample[] {
  return [
    { name: '[1] of one element', inputs: [{ shape: [1] }], fn: (x) => op(x!) },
    { name: '[10]', inputs: [{ shape: [10] }], fn: (x) => op(x!) },
    { name: '[65, 10]', inputs: [{ shape: [65, 10] }], fn: (x) => op(x!) },
    { name: '[3, 257]', inputs: [{ shape: [3, 257] }], fn: (x) => op(x!) },
    { name: '[2, 5, 3] along 1', inputs: [{ shape: [2, 5, 3] }], fn: (x) => op(x!, { axis: 1 }) },
    { name: '[33, 7] along 0', inputs: [{ shape: [33, 7] }], fn: (x) => op(x!, { axis: 0 }) },
    { name: '[2, 1, 3, 2, 2, 2] along -4', inputs: [{ shape: [2, 1, 3, 2, 2, 2] }], fn: (x) => op(x!, { axis: -4 }) },
    { name: '[9, 1100]', inputs: [{ shape: [9, 1100] }], fn: (x) => op(x!), wrt: [] },
    { name: '[2, 1100], few and long', inputs: [{ shape: [2, 1100] }], fn: (x) => op(x!), wrt: [] },
    { name: '[257, 40, 3] along 1', inputs: [{ shape: [257, 40, 3] }], fn: (x) => op(x!, { axis: 1 }), wrt: [] },
    { name: '[3, 65] of large values', inputs: [{ shape: [3, 65], range: [9000, 9020] }], fn: (x) => op(x!), wrt: [] },
  ];
}

/** A fused backward from dy and y, along an axis. */
function rowGradients(op: typeof softmaxGradOp, range: readonly [number, number]): Sample[] {
  const cases = [
    { shape: [1], axis: 0 },
    { shape: [65, 10], axis: 1 },
    { shape: [3, 257], axis: 1 },
    { shape: [2, 5, 3], axis: 1 },
    { shape: [33, 7], axis: 0 },
    { shape: [2, 1100], axis: 1 },
  ];
  return cases.map(({ shape, axis }) => ({
    name: `[${shape.join(', ')}] along ${axis}`,
    inputs: [{ shape }, { shape, range }],
    fn: (dy, y) => apply1(op, [dy!, y!], { axis }),
    wrt: [],
  }));
}

const CLASS_SHAPES = [
  [1, 1],
  [1, 10],
  [65, 10],
  [3, 33],
  [2, 257],
  [2, 5, 7],
];

/** Cross-entropy with class indices and with dense targets, each with and without the residual. */
function crossEntropies(): Sample[] {
  return CLASS_SHAPES.flatMap((shape): Sample[] => {
    const C = shape.at(-1)!;
    const labels = { shape: shape.slice(0, -1), dtype: 'u32' as const, range: [0, C] as const };
    const dense = { shape, range: [0, 1] as const };
    const name = `[${shape.join(', ')}]`;
    return [
      {
        name: `${name}, classes`,
        inputs: [{ shape }, labels],
        fn: (x, t) => softmaxCrossEntropy(x!, t!, { residual: true }),
      },
      {
        name: `${name}, classes, loss alone`,
        inputs: [{ shape }, labels],
        fn: (x, t) => softmaxCrossEntropy(x!, t!, { residual: false }),
      },
      {
        name: `${name}, classes, both outputs`,
        inputs: [{ shape }, labels],
        fn: (x, t) => apply(softmaxCrossEntropyOp, [x!, t!], { dense: false, residual: true }),
      },
      {
        name: `${name}, dense`,
        inputs: [{ shape }, dense],
        fn: (x, t) => softmaxCrossEntropy(x!, t!, { residual: true }),
      },
      {
        name: `${name}, dense, both outputs`,
        inputs: [{ shape }, dense],
        fn: (x, t) => apply(softmaxCrossEntropyOp, [x!, t!], { dense: true, residual: true }),
      },
    ];
  });
}

/** Accuracy of B rows of C logits. */
function accuracies(): Sample[] {
  const sizes: readonly (readonly [number, number])[] = [
    [1, 1],
    [7, 3],
    [65, 10],
    [257, 40],
    [5003, 4],
  ];
  return sizes.flatMap(([B, C]): Sample[] =>
    [{ shape: [B], dtype: 'u32' as const, range: [0, C] as const }, { shape: [B, C] }].map((targets) => ({
      name: `[${B}, ${C}] against [${targets.shape.join(', ')}]`,
      inputs: [{ shape: [B, C] }, targets],
      fn: (x, t) => accuracy(x!, t!),
      wrt: [],
    })),
  );
}

/** argmax among different and among equal elements. */
function argmaxima(): Sample[] {
  const list: readonly Omit<Sample, 'wrt'>[] = [
    { name: '[1]', inputs: [{ shape: [1] }], fn: (x) => argmax(x!) },
    { name: '[65, 10]', inputs: [{ shape: [65, 10] }], fn: (x) => argmax(x!) },
    { name: '[7, 257]', inputs: [{ shape: [7, 257] }], fn: (x) => argmax(x!, { keepDims: true }) },
    { name: '[40, 33] along 0', inputs: [{ shape: [40, 33] }], fn: (x) => argmax(x!, { axis: 0 }) },
    { name: '[2, 1100, 3] along 1', inputs: [{ shape: [2, 1100, 3] }], fn: (x) => argmax(x!, { axis: 1 }) },
    { name: '[4, 9], all equal', inputs: [{ shape: [4, 9], range: [3, 3] }], fn: (x) => argmax(x!) },
    { name: '[3, 300], all equal', inputs: [{ shape: [3, 300], range: [-3, -3] }], fn: (x) => argmax(x!) },
  ];
  return list.map((sample) => ({ ...sample, wrt: [] }));
}

/** Products of values near 1 in size, of both signs, and of rows with one zero and with two. */
function products(): Sample[] {
  const near = (size: number, zeros: readonly number[]) =>
    Array.from({ length: size }, (_, i) => (zeros.includes(i) ? 0 : (i % 3 ? 1 : -1) * (0.8 + ((i * 7) % 13) / 30)));
  const of = (shape: number[], axis: number | number[] | undefined, zeros: number[] = []): Sample => ({
    name: `[${shape}] over ${axis ?? 'all'}${zeros.length > 0 ? `, ${zeros.length} zeros` : ''}`,
    inputs: [
      {
        shape,
        values: near(
          shape.reduce((a, b) => a * b, 1),
          zeros,
        ),
      },
    ],
    fn: (x) => prod(x!, { axis }),
  });
  return [
    of([4, 5, 3], [0, 2], [7, 22, 23]),
    of([2, 150], 1, [3, 200, 299]),
    { ...of([7], undefined), full: true },
    { ...of([65, 10], 0, [5]), full: true, hardware: false },
    { ...of([5, 1], 1), full: true, hardware: false },
    { ...of([2, 3, 2, 2, 3, 2], [0, 2, 5]), full: true, hardware: false },
    { ...of([3, 1100], 1, [700]), full: true },
  ];
}

/** Running sums along every axis, by one lane and by many. */
function runningSums(): Sample[] {
  const of = (shape: number[], options: CumsumOptions, spec: Omit<SampleInput, 'shape'> = {}): Sample => ({
    name: `${spec.dtype ?? ''}[${shape}] along ${options.axis}${options.reverse ? ', reversed' : ''}${options.exclusive ? ', exclusive' : ''}`,
    inputs: [{ ...spec, shape }],
    fn: (x) => cumsum(x!, options),
  });
  return [
    of([7, 5, 3], { axis: 1, reverse: true }),
    of([3, 257], { axis: -1, exclusive: true }),
    { ...of([2, 1100], { axis: 1 }), wrt: [], full: true },
    { ...of([2, 300, 3], { axis: 1, reverse: true, exclusive: true }), full: true },
    { ...of([257], { axis: 0 }), full: true, hardware: false },
    { ...of([1, 1], { axis: 1 }), full: true, hardware: false },
    { ...of([5, 13], { axis: 0 }, { dtype: 'u32' }), full: true, hardware: false },
    { ...of([5, 130], { axis: 1 }, { dtype: 'i32', range: [-9, 9] }), full: true },
  ];
}

/** The largest of distinct elements, in an order that no walk meets, and of equal ones; values and indices. */
function largest(): Sample[] {
  const distinct = (shape: number[], k: number, options: TopkOptions): Sample => {
    const size = shape.reduce((a, b) => a * b, 1);
    return {
      name: `${k} of [${shape}] along ${options.axis}${options.largest === false ? ', smallest' : ''}`,
      inputs: [{ shape, values: Array.from({ length: size }, (_, i) => ((i * 7919) % size) / 16 - 3) }],
      fn: (x) => topk(x!, k, options),
    };
  };
  return [
    { ...distinct([7, 5, 3], 2, { axis: 1, largest: false }), hardware: false },
    distinct([3, 257], 5, { axis: -1 }),
    {
      name: '4 of [5, 130] among equals',
      inputs: [{ shape: [5, 130], values: Array.from({ length: 650 }, (_, i) => (Math.floor(i / 2) * 7) % 3) }],
      fn: (x) => topk(x!, 4),
      wrt: [],
    },
    { ...distinct([1], 1, { axis: 0 }), full: true, hardware: false },
    { ...distinct([65, 10], 10, { axis: 1 }), full: true },
    { ...distinct([2, 1100, 3], 3, { axis: 1, largest: false }), full: true },
  ];
}

export const rowSamples = {
  sum: [...reductions(sum), ...longReductions(sum)],
  sumFew: [2080, 4096, 65_536].map((n) => ({
    name: `of [${n}]`,
    inputs: [{ shape: [n] }],
    fn: (x) => total(x!),
  })),
  mean: [
    ...reductions(mean),
    ...longReductions(mean),
    { name: 'variance of [65, 10] over rows', inputs: [{ shape: [65, 10] }], fn: (x) => variance(x!, { axis: 1 }) },
    {
      name: 'variance of [3, 4, 5], population',
      inputs: [{ shape: [3, 4, 5] }],
      fn: (x) => variance(x!, { axis: [0, 2], keepDims: true, correction: 0 }),
    },
  ],
  max: [...reductions(max), ...longReductions(max)],
  min: [...reductions(min), ...longReductions(min)],
  prod: products(),
  prodGrad: [
    {
      name: '[3, 257], few lanes and many',
      inputs: [{ shape: [3] }, { shape: [3, 257], range: [0.9, 1.1] }],
      fn: (dy, x) => apply1(prodGradOp, [dy!, x!], undefined),
      wrt: [],
    },
  ],
  argmax: argmaxima(),
  cumsum: runningSums(),
  topk: largest(),
  softmax: alongAxes(softmax),
  softmaxGrad: rowGradients(softmaxGradOp, [0, 1]),
  logSoftmax: alongAxes(logSoftmax),
  logSoftmaxGrad: rowGradients(logSoftmaxGradOp, [-4, 0]),
  logSumExp: [
    ...alongAxes(logSumExp),
    {
      name: '[4, 5, 6] along 1, kept',
      inputs: [{ shape: [4, 5, 6] }],
      fn: (x) => logSumExp(x!, { axis: 1, keepDims: true }),
    },
    {
      name: '[3, 4, 2, 5] over 0 and 2',
      inputs: [{ shape: [3, 4, 2, 5] }],
      fn: (x) => logSumExp(x!, [0, 2]),
      hardware: false,
    },
    {
      name: '[2, 3] over no axis',
      inputs: [{ shape: [2, 3] }],
      fn: (x) => logSumExp(x!, []),
      full: true,
      hardware: false,
    },
  ],
  softmaxCrossEntropy: crossEntropies(),
  accuracy: accuracies(),
} satisfies Record<string, readonly Sample[]>;
