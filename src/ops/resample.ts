// Linear maps along one axis, for resizing and padding. `reindex` copies: element o of y is one element of x, whose number is a formula of o.
// `resample` sums: element o of y is a weighted sum, by a table. The gradient of both is a resample by the transposed table, so they are
// closed under differentiation, and no gradient needs atomics.
import { resampleKernel } from '../../shaders/resample.wgsl.ts';
import { f32, modulo, quotient, u32 } from '../../shaders/wgsl.ts';
import { isPacked } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import type { NdArray, Op, Spec } from '../graph/op.ts';
import { type Shape, sizeOf } from '../graph/shape.ts';
import { apply1, constant, type Tensor } from '../graph/tensor.ts';

/** For each element along an axis of y, the elements of x that it is the sum of, and their weights. */
export type Weights = readonly (readonly (readonly [from: number, weight: number])[])[];

/** The elements before an axis, along it, and after it. */
function around(shape: Shape, axis: number): { N: number; I: number; C: number } {
  return { N: sizeOf(shape.slice(0, axis)), I: shape[axis]!, C: sizeOf(shape.slice(axis + 1)) };
}

const resized = ({ shape }: Spec, axis: number, size: number) => shape.map((n, k) => (k === axis ? size : n));

// ---- sums by a table

interface Resample {
  readonly axis: number;
  readonly weights: Weights;
  /** Elements of x along the axis. */
  readonly size: number;
}

/** Inputs: x, and the table (O, K, 2) of `from` and the bits of the f32 `weight`, 0 where there are fewer than K. */
export const resampleOp: Op<Resample> = {
  name: 'resample',
  shape: ([x], { axis, weights }) => [{ shape: resized(x!, axis, weights.length), dtype: 'f32' }],
  flops: ([x], { axis, weights }) => {
    const { N, C } = around(x!.shape, axis);
    return weights.reduce((total, pairs) => total + 2 * pairs.length * N * C, 0);
  },
  cpu: ([x, table], [y], { axis }) => resampleCpu(x!, table!, y!, axis),
  epilogue: true,
  kernel: ({ inputs: [x, table], gpu, direct }, { axis }) => {
    const [O, K] = table!.shape as [number, number, number];
    return resampleKernel({ ...around(x!.shape, axis), O, K, gpu, direct: direct(0) });
  },
  vjp: ([dy], _inputs, _ys, { axis, weights, size }) => [
    () => resample(dy!, axis, transposed(weights, size)),
    undefined,
  ],
};

function resampleCpu(x: NdArray, table: NdArray, y: NdArray, axis: number): void {
  const { N, I, C } = around(x.shape, axis);
  const [O, K] = table.shape as [number, number, number];
  const froms = table.data as Uint32Array;
  const weights = new Float32Array(froms.buffer, froms.byteOffset, froms.length);
  y.data.fill(0);
  for (let n = 0; n < N; n++)
    for (let o = 0; o < O; o++)
      for (let k = 0; k < K; k++) {
        const pair = 2 * (o * K + k);
        const weight = weights[pair + 1]!;
        if (weight === 0) continue;
        const [to, from] = [(n * O + o) * C, (n * I + froms[pair]!) * C];
        for (let c = 0; c < C; c++) y.data[to + c]! += weight * x.data[from + c]!;
      }
}

/** Each element along `axis` as a weighted sum of elements of x. */
export function resample(x: Tensor, axis: number, weights: Weights): Tensor {
  return apply1(resampleOp, [x, tableOf(weights)], { axis, weights, size: x.shape[axis]! });
}

function tableOf(weights: Weights): Tensor {
  const K = Math.max(1, ...weights.map((pairs) => pairs.length));
  const froms = new Uint32Array(weights.length * K * 2);
  const floats = new Float32Array(froms.buffer);
  for (const [o, pairs] of weights.entries())
    for (const [k, [from, weight]] of pairs.entries()) {
      froms[2 * (o * K + k)] = from;
      floats[2 * (o * K + k) + 1] = weight;
    }
  return constant(froms, { shape: [weights.length, K, 2], dtype: 'u32' });
}

/** For each of `size` elements of x, the elements of y that it is part of. */
function transposed(weights: Weights, size: number): Weights {
  const lists = Array.from({ length: size }, (): [number, number][] => []);
  for (const [o, pairs] of weights.entries()) for (const [from, weight] of pairs) lists[from]!.push([o, weight]);
  return lists;
}

// ---- copies by a formula

/** Which element of x, from 0 to n - 1, is at place `at`, counted from the first element of x. */
export type Source =
  /** Mirrored at the ends, which are not repeated; at from -(n - 1) to 2 (n - 1). */
  | 'reflect'
  /** The nearest. */
  | 'replicate'
  /** Around; at from -n to 2 n - 1. */
  | 'circular'
  /** floor(at · scale), in floats. */
  | { readonly scale: number };

interface Reindex {
  readonly axis: number;
  /** Elements of y along the axis; the first is at `-before`. */
  readonly size: number;
  readonly before: number;
  readonly source: Source;
}

export const reindexOp: Op<Reindex> = {
  name: 'reindex',
  cost: 1,
  shape: ([x], { axis, size }) => {
    if (isPacked(x!.dtype))
      throw new ShapeError(`reindex: x is ${x!.dtype}, a storage-only dtype. Cast it: cast(x, 'f32').`);
    return [{ shape: resized(x!, axis, size), dtype: x!.dtype }];
  },
  cpu: ([x], [y], take) => {
    const { N, I, C } = around(x!.shape, take.axis);
    const sources = sourcesOf(take, I);
    for (let n = 0; n < N; n++)
      for (const [o, i] of sources.entries()) {
        const from = (n * I + i) * C;
        y!.data.set(x!.data.subarray(from, from + C), (n * take.size + o) * C);
      }
  },
  map: (scope, { axis, size, before, source }) => {
    const { N, I, C } = around(scope.inputs[0]!.shape, axis);
    const count = N * size * C;
    const line = scope.let('u32', quotient(scope.i, C, count));
    const n = scope.let('u32', quotient(line, size, N * size));
    const at = scope.let('i32', `i32(${modulo(line, size, N * size)}) - ${before}`);
    const i = scope.let('u32', `u32(${sourceText(source, at, I)})`);
    const from = `(${n} * ${u32(I)} + ${i}) * ${u32(C)} + ${modulo(scope.i, C, count)}`;
    return scope.load(0, scope.let('u32', `min(${from}, ${u32(N * I * C - 1)})`));
  },
  vjp: ([dy], [x], _ys, take) => {
    const I = x!.shape[take.axis]!;
    const weights = sourcesOf(take, I).map((i) => [[i, 1]] as const);
    return [x!.dtype === 'f32' ? () => resample(dy!, take.axis, transposed(weights, I)) : undefined];
  },
};

function sourceText(source: Source, at: string, n: number): string {
  const last = n - 1;
  if (source === 'reflect') return `${last} - abs(${last} - abs(${at}))`;
  if (source === 'replicate') return `clamp(${at}, 0, ${last})`;
  if (source === 'circular') return `select(select(${at}, ${at} + ${n}, ${at} < 0), ${at} - ${n}, ${at} >= ${n})`;
  return `min(i32(f32(${at}) * ${f32(source.scale)}), ${last})`;
}

/** The element of x at a place. */
export function sourceAt(source: Source, at: number, n: number): number {
  const last = n - 1;
  if (source === 'reflect') return last - Math.abs(last - Math.abs(at));
  if (source === 'replicate') return Math.min(Math.max(at, 0), last);
  if (source === 'circular') return at < 0 ? at + n : at >= n ? at - n : at;
  return Math.min(Math.floor(Math.fround(at * Math.fround(source.scale))), last);
}

function sourcesOf({ size, before, source }: Reindex, n: number): number[] {
  return Array.from({ length: size }, (_, o) => sourceAt(source, o - before, n));
}

/** `size` elements of x along an axis, the first from the place `-before`. */
export function reindex(x: Tensor, axis: number, size: number, source: Source, before = 0): Tensor {
  return apply1(reindexOp, [x], { axis, size, before, source });
}
