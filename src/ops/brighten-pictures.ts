// Pictures times a factor that is chosen for each of them.
import { f32 } from '../../shaders/wgsl.ts';
import type { Op } from '../graph/op.ts';
import { sizeOf } from '../graph/shape.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { checkPictures, chosen, placeIn } from './pictures.ts';

interface Brighten {
  /** The column of the choices. */
  readonly column: number;
  /** The factor is low + step · choice. */
  readonly low: number;
  readonly step: number;
  /** The largest result. */
  readonly most: number;
}

export const brightenPicturesOp: Op<Brighten> = {
  name: 'brightenPictures',
  cost: 3,
  shape: ([x, choices]) => {
    checkPictures('brightenPictures', x!, choices!);
    return [{ shape: x!.shape, dtype: 'f32' }];
  },
  flops: ([x]) => sizeOf(x!.shape),
  cpu: ([x, choices], [y], { column, low, step, most }) => {
    const [B, ...picture] = x!.shape;
    const size = sizeOf(picture);
    const [source, out] = [x!.data, y!.data];
    for (let b = 0; b < B!; b++) {
      const factor = low + step * choices!.data[b * choices!.shape[1]! + column]!;
      for (let i = b * size; i < (b + 1) * size; i++) {
        const v = factor * source[i]!;
        out[i] = Math.min(v, most);
      }
    }
  },
  map: (scope, { column, low, step, most }) => {
    const choice = chosen(scope, placeIn(scope).b, column);
    const factor = scope.let('f32', `${f32(low)} + ${f32(step)} * f32(${choice})`);
    const v = scope.let('f32', `${factor} * f32(${scope.load(0, scope.i)})`);
    return `select(${v}, ${f32(most)}, ${v} > ${f32(most)})`;
  },
};

/** x (B, H, W, C), any dtype, as f32, times a factor for each picture by `choices` u32 (B, columns). */
export function brightenPictures(x: Tensor, choices: Tensor, options: Brighten): Tensor {
  return apply1(brightenPicturesOp, [x, choices], options);
}
