// Pictures (B, H, W, C) with a row of choices for each, u32 (B, columns): what the ops that change pictures by them share.
import { modulo, quotient, u32 } from '../../shaders/wgsl.ts';
import { ShapeError } from '../graph/errors.ts';
import type { MapScope, Spec } from '../graph/op.ts';
import { formatShape } from '../graph/shape.ts';

/** The sizes of a picture. */
export type PictureSize = readonly [height: number, width: number, channels: number];

/** Rejects what is not one row of choices for each picture. */
export function checkPictures(op: string, x: Spec, choices: Spec): void {
  if (x.shape.length !== 4) throw new ShapeError(`${op}: x is ${formatShape(x.shape)}. Give pictures [B, H, W, C].`);
  if (choices.dtype !== 'u32' || choices.shape.length !== 2 || choices.shape[0] !== x.shape[0])
    throw new ShapeError(
      `${op}: choices are ${choices.dtype} ${formatShape(choices.shape)}. Give u32 [${x.shape[0]}, columns].`,
    );
}

/** A choice of picture b. */
export function chosen(scope: MapScope, b: string, column: number): string {
  const columns = scope.inputs[1]!.shape[1]!;
  return scope.load(1, scope.let('u32', `${b} * ${u32(columns)} + ${u32(column)}`));
}

/** The sizes of the pictures, and the names of the output element's place. */
export function placeIn(scope: MapScope) {
  const [B, H, W, C] = scope.out.shape as [number, number, number, number];
  const pixel = scope.let('u32', quotient(scope.i, C, B * H * W * C));
  const row = scope.let('u32', quotient(pixel, W, B * H * W));
  return {
    H,
    W,
    C,
    b: scope.let('u32', quotient(row, H, B * H)),
    h: scope.let('u32', modulo(row, H, B * H)),
    w: scope.let('u32', modulo(pixel, W, B * H * W)),
    c: scope.let('u32', modulo(scope.i, C, B * H * W * C)),
  };
}
