// What reductions share: axes, strides, CPU loops, and the op around them. A workgroup reduces
// in a fixed order, so a sum has the same bits every time.
import { type ReduceLayout, type ReduceVariant, reduceKernel } from '../../shaders/reduce.wgsl.ts';
import type { HostArray } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import type { NdArray, Op, Spec } from '../graph/op.ts';
import { BOOLEAN, optionsOf, type Schema } from '../graph/options.ts';
import { normalizeAxes, type Shape, sizeOf, stridesOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { reshape } from './reshape.ts';
import { AXES, type Axis, checkTensors, type KeepDims, refuseLooseAxes } from './tensors.ts';

/** Which axes to reduce, and whether to keep them with size 1. Default: all axes, not kept. */
export interface ReduceOptions extends KeepDims {
  /** The axis or axes to reduce; negative ones count from the last. Default: all. */
  readonly axis?: Axis | undefined;
}

export const REDUCE = { axis: AXES, keepDims: [BOOLEAN, false] } satisfies Schema<ReduceOptions>;

export interface Reduce {
  /** Sorted, non-negative. */
  readonly axes: readonly number[];
}

type Kind = ReduceVariant['kind'];

/** The layout of the elements; adjacent reduced axes are merged. */
export function reduceLayout(shape: Shape, axes: readonly number[]): ReduceLayout {
  const strides = stridesOf(shape);
  const kept = shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const reducedShape: number[] = [];
  const reducedStrides: number[] = [];
  for (const axis of axes) {
    const size = shape[axis]!;
    const stride = strides[axis]!;
    const last = reducedShape.length - 1;
    if (last >= 0 && reducedStrides[last] === stride * size) {
      reducedShape[last]! *= size;
      reducedStrides[last] = stride;
    } else {
      reducedShape.push(size);
      reducedStrides.push(stride);
    }
  }
  return {
    keptShape: kept.map((axis) => shape[axis]!),
    keptStrides: kept.map((axis) => strides[axis]!),
    reducedShape,
    reducedStrides,
  };
}

/** The shape with the reduced axes kept as 1. */
export function keptAsOnes(x: Spec, axes: readonly number[]): number[] {
  return x.shape.map((n, axis) => (axes.includes(axis) ? 1 : n));
}

/** The flat offsets of every coordinate of `shape` under `strides`, in row-major order. */
export function offsets(shape: Shape, strides: readonly number[]): Int32Array {
  let list = Int32Array.of(0);
  for (const [axis, n] of shape.entries()) {
    const next = new Int32Array(list.length * n);
    for (let i = 0, out = 0; i < list.length; i++)
      for (let k = 0; k < n; k++) next[out++] = list[i]! + k * strides[axis]!;
    list = next;
  }
  return list;
}

function reduceCpu(x: NdArray, y: NdArray, axes: readonly number[], kind: Kind): void {
  const { keptShape, keptStrides, reducedShape, reducedStrides } = reduceLayout(x.shape, axes);
  const bases = offsets(keptShape, keptStrides);
  const runs = offsets(reducedShape.slice(0, -1), reducedStrides);
  const count = reducedShape.at(-1) ?? 1;
  const stride = reducedStrides.at(-1) ?? 1;
  const scale = kind === 'mean' ? sizeOf(reducedShape) : 1;
  const prod = kind === 'prod';
  const pick = prod ? (a: number, b: number) => a * b : kind === 'max' || kind === 'min' ? Math[kind] : undefined;
  for (let o = 0; o < bases.length; o++) {
    const base = bases[o]!;
    let total = prod ? 1 : pick ? x.data[base]! : 0;
    for (let run = 0; run < runs.length; run++) {
      const at = base + runs[run]!;
      total = pick ? foldOfRun(pick, total, x.data, at, stride, count) : total + sumOfRun(x.data, at, stride, count);
    }
    y.data[o] = total / scale;
  }
}

function sumOfRun(x: HostArray, at: number, stride: number, count: number): number {
  let total = 0;
  for (let k = 0, i = at; k < count; k++, i += stride) total += x[i]!;
  return total;
}

/** `first` and `count` elements folded. */
function foldOfRun(
  pick: (a: number, b: number) => number,
  first: number,
  x: HostArray,
  at: number,
  stride: number,
  count: number,
): number {
  let total = first;
  for (let k = 0, i = at; k < count; k++, i += stride) total = pick(total, x[i]!);
  return total;
}

/* @__NO_SIDE_EFFECTS__ */
export function reduceOp(
  kind: Kind,
  vjp: (dy: Tensor, x: Tensor, y: Tensor, axes: readonly number[]) => Tensor,
): Op<Reduce> {
  return {
    name: kind,
    shape: ([x], { axes }) => {
      if (x!.dtype !== 'f32') throw new ShapeError(`${kind}: x is ${x!.dtype}. It must be f32: cast(x, 'f32').`);
      return [{ shape: keptAsOnes(x!, axes), dtype: 'f32' }];
    },
    cpu: ([x], [y], { axes }) => reduceCpu(x!, y!, axes, kind),
    prologue: () => [0],
    epilogue: true,
    kernel: ({ inputs, gpu }, { axes }) =>
      reduceKernel({ kind, layout: reduceLayout(inputs[0]!.shape, axes), barriers: gpu.barriers }),
    vjp: ([dy], [x], [y], { axes }) => [() => vjp(dy!, x!, y!, axes)],
  };
}

/** Applies a reduction over the given axes, to x as `prepared`. Default: all axes. */
export function reduceWith(
  op: Op<Reduce>,
  x: Tensor,
  given: readonly unknown[],
  prepared: (x: Tensor) => Tensor = (x) => x,
): Tensor {
  checkTensors(op.name, { x });
  refuseLooseAxes(op.name, given);
  const { axis, keepDims } = optionsOf<ReduceOptions, typeof REDUCE>(op.name, 'axis', given, REDUCE);
  const over = normalizeAxes(op.name, axis, x.rank);
  return dropAxes(apply1(op, [prepared(x)], { axes: over }), over, keepDims);
}

/** The tensor without the axes that a reduction kept with size 1. */
export function dropAxes(y: Tensor, axes: readonly number[], keepDims: boolean): Tensor {
  if (keepDims) return y;
  const kept = y.shape.filter((_, axis) => !axes.includes(axis));
  return reshape(y, kept);
}
