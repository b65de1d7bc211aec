// Choosing between values: where (by a condition) and clip (by bounds).
import { f32 } from '../../shaders/wgsl.ts';
import * as F32X4 from '../cpu/wasm/f32x4.ts';
import { fill, simd } from '../cpu/wasm/module.ts';
import { isPacked } from '../graph/dtype.ts';
import { OptionError, ShapeError } from '../graph/errors.ts';
import type { Op } from '../graph/op.ts';
import { checkExtra, checkOptions, NUMBER, type Schema } from '../graph/options.ts';
import { broadcastShapes } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { greaterEqual, lessEqual, mul } from './binary.ts';
import { broadcastTo } from './broadcast.ts';
import { dtypeAmong, type TensorLike, toTensor, unaryOp } from './elementwise.ts';

export const whereOp: Op<void> = {
  name: 'where',
  elementwise: true,
  shape: ([condition, a, b]) => {
    if (a!.dtype !== b!.dtype)
      throw new ShapeError(`where: dtypes differ: ${a!.dtype} against ${b!.dtype}. Cast one of them.`);
    const packed = [a!, condition!].find(({ dtype }) => isPacked(dtype));
    if (packed) throw new ShapeError(`where: ${packed.dtype} is for storage only. Cast it first: cast(x, 'f32').`);
    return [{ shape: a!.shape, dtype: a!.dtype }];
  },
  cpu: ([condition, a, b], [y]) => {
    const c = condition!.data;
    for (let i = 0; i < y!.data.length; i++) y!.data[i] = c[i] !== 0 ? a!.data[i]! : b!.data[i]!;
  },
  lanes: ([c, a, b], [condition]) =>
    condition!.dtype === 'f32' ? [a!, b!, c!, fill(0), simd(F32X4.NOT_EQUAL), simd(F32X4.SELECT)] : undefined,
  map: (scope) => {
    const c = scope.load(0, scope.i);
    // By its bits: NaN is not 0.
    const bits = scope.inputs[0]!.dtype === 'f32' ? `(bitcast<u32>(${c}) & 0x7fffffffu)` : `u32(${c})`;
    return `select(${scope.load(2, scope.i)}, ${scope.load(1, scope.i)}, ${bits} != 0u)`;
  },
  vjp: ([dy], [condition]) => [undefined, () => where(condition!, dy!, 0), () => where(condition!, 0, dy!)],
};

/**
 * a where `condition` is not 0 (NaN is not 0), else b; all three broadcast against each other. No gradient flows to the condition, and 0 to
 * the side not selected. As in PyTorch, that 0 times an infinite slope is NaN: the gradient of `where(x > 0, sqrt(x), 0)` is NaN at x = 0.
 * Select first instead: `sqrt(where(greater(x, 0), x, 1))`, inside another `where` if needed.
 */
export function where(condition: Tensor, a: TensorLike, b: TensorLike, ...extra: never[]): Tensor {
  checkExtra('where', extra);
  const dtype = dtypeAmong(a, b);
  const c = toTensor('where', condition);
  const x = toTensor('where', a, dtype, (other) => `where(condition, ${a}, ${other})`);
  const y = toTensor('where', b, dtype, (other) => `where(condition, ${other}, ${b})`);
  const shape = broadcastShapes('where', c.shape, broadcastShapes('where', x.shape, y.shape));
  return apply1(whereOp, [broadcastTo(c, shape), broadcastTo(x, shape), broadcastTo(y, shape)], undefined);
}

/** Bounds of {@link clip}; an absent bound leaves that side open. */
export interface ClipOptions {
  /** Default -Infinity. */
  readonly min?: number | undefined;
  /** Default Infinity. */
  readonly max?: number | undefined;
}

export const clipOp = unaryOp<{ readonly min: number; readonly max: number }>('clip', {
  cpu: (x, y, { min, max }) => {
    for (let i = 0; i < y.length; i++) y[i] = Math.min(Math.max(x[i]!, min), max);
  },
  wgsl: (x, { min, max }) => {
    const below = Math.fround(max) === Infinity ? x : `select(${x}, ${f32(max)}, ${x} > ${f32(max)})`;
    return Math.fround(min) === -Infinity ? below : `select(${below}, ${f32(min)}, ${x} < ${f32(min)})`;
  },
  vjp: (dy, x, _y, { min, max }) => {
    const above = min === -Infinity ? undefined : greaterEqual(x, min);
    const below = max === Infinity ? undefined : lessEqual(x, max);
    return where(above && below ? mul(above, below) : (above ?? below)!, dy, 0);
  },
});

const SCHEMA = { min: [NUMBER, -Infinity], max: [NUMBER, Infinity] } satisfies Schema<ClipOptions>;

/**
 * x clamped to [min, max]: `clip(x, -1, 1)`, or `clip(x, { max: 1 })` with one side open. The gradient flows where min ≤ x ≤ max, as in
 * PyTorch. Throws if the bounds cross or are not numbers.
 */
export function clip(x: TensorLike, min: number | undefined, max?: number): Tensor;
export function clip(x: TensorLike, bounds: ClipOptions): Tensor;
export function clip(x: TensorLike, ...bounds: readonly unknown[]): Tensor {
  const { min, max } = boundsOf(bounds);
  if (!(min <= max)) throw new OptionError(`clip: min ${min} is not below max ${max}. Swap or correct them.`);
  if (min === Infinity || max === -Infinity)
    throw new OptionError(`clip: no number lies between min ${min} and max ${max}. Give finite bounds.`);
  return min === -Infinity && max === Infinity
    ? toTensor('clip', x)
    : apply1(clipOp, [toTensor('clip', x)], { min, max });
}

function boundsOf([first, ...others]: readonly unknown[]) {
  const named = typeof first === 'object' && first !== null;
  const [bounds, extra] = named ? [first, others] : [{ min: first, max: others[0] }, others.slice(1)];
  const checked = checkOptions('clip', bounds as ClipOptions, SCHEMA, extra);
  if (Object.values(bounds).every((bound) => bound === undefined))
    throw new OptionError('clip: no bounds. Give one or both, such as clip(x, -1, 1) or clip(x, { min: 0 }).');
  return checked;
}
