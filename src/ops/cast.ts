// Casts between dtypes.
import { IS_NAN } from '../../shaders/special.wgsl.ts';
import * as F32X4 from '../cpu/wasm/f32x4.ts';
import { simd } from '../cpu/wasm/module.ts';
import { type DType, isPacked, type Packed } from '../graph/dtype.ts';
import { ShapeError } from '../graph/errors.ts';
import { wgslType } from '../graph/kernel.ts';
import type { Op } from '../graph/op.ts';
import { checkValue, oneOf } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { checkTensors } from './tensors.ts';

/** The dtypes a tensor may be cast to. */
export type Castable = Exclude<DType, Packed>;

export const castOp: Op<{ readonly dtype: Castable }> = {
  name: 'cast',
  elementwise: true,
  shape: ([x], { dtype }) => [{ shape: x!.shape, dtype }],
  cpu: ([x], [y], { dtype }) => {
    const from = x!.data;
    const to = y!.data;
    if (x!.dtype !== 'f32' || dtype === 'f32') {
      to.set(from);
      return;
    }
    const [low, high] = dtype === 'u32' ? [0, 2 ** 32 - 1] : [-(2 ** 31), 2 ** 31 - 1];
    for (let i = 0; i < to.length; i++) to[i] = Math.min(Math.max(Math.trunc(from[i]!), low!), high!);
  },
  lanes: ([x], [from], { dtype }) =>
    dtype === 'f32' ? [x!, simd(from!.dtype === 'u32' ? F32X4.FROM_U32 : F32X4.FROM_I32)] : undefined,
  map: (scope, { dtype }) => {
    const x = scope.load(0, scope.i);
    const y = `${wgslType(dtype)}(${x})`;
    return scope.inputs[0]!.dtype !== 'f32' || dtype === 'f32' ? y : `select(${y}, 0, ${scope.declare(IS_NAN)}(${x}))`;
  },
};

/**
 * x as another dtype. f32 to an integer truncates and clamps to the dtype's range, NaN becomes 0; u32 and i32 keep their bits. No gradient
 * flows through it. Throws for u8 and u16, which are storage-only dtypes.
 */
export function cast(x: Tensor, dtype: Castable, ...extra: never[]): Tensor {
  checkTensors('cast', { x }, extra);
  if (isPacked(dtype))
    throw new ShapeError(
      `cast: ${dtype as string} of ${formatShape(x.shape)} is for storage only. Cast to f32, u32 or i32.`,
    );
  checkValue('cast', 'the dtype', dtype, oneOf('f32', 'u32', 'i32'));
  return x.dtype === dtype ? x : apply1(castOp, [x], { dtype });
}

/** i32 indices reinterpreted as u32, in which devices compare them, so that those below 0 are past every end; others unchanged. */
export function asIndices(x: Tensor): Tensor {
  return x.dtype === 'i32' ? cast(x, 'u32') : x;
}
