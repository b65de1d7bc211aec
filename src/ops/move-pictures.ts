// Pictures mirrored, shifted and cut out by choices made for each: every element keeps its bits, or becomes 0. A map op, so it fuses with the
// gather that reads the pictures.
import { MOVED } from '../../shaders/pictures.wgsl.ts';
import { u32 } from '../../shaders/wgsl.ts';
import { wgslType } from '../graph/kernel.ts';
import type { NdArray, Op } from '../graph/op.ts';
import { apply1, type Tensor } from '../graph/tensor.ts';
import { checkPictures, chosen, placeIn } from './pictures.ts';

/** The flips, a mirror each, happen where the choice is below this of {@link FLIP_CHOICES}. */
export interface Flip {
  readonly horizontal: number;
  readonly vertical: number;
}

/** The number of choices for a flip. */
export const FLIP_CHOICES = 2 ** 16;

/** How pictures move, in this order; each takes two columns of the choices, horizontal before vertical for flips, y before x else. */
export interface Moves {
  readonly flip?: Flip | undefined;
  /** Shifts by choice - padding; what comes in is 0, or the picture reflected at its edge. */
  readonly crop?: { readonly padding: number; readonly reflect: boolean } | undefined;
  /** The side of a square whose centre is chosen; what is inside becomes 0. */
  readonly cutout?: number | undefined;
}

export const movePicturesOp: Op<Moves> = {
  name: 'movePictures',
  cost: 6,
  shape: ([x, choices]) => {
    checkPictures('movePictures', x!, choices!);
    return [{ shape: x!.shape, dtype: wgslType(x!.dtype) }];
  },
  flops: () => 0,
  cpu: ([x, choices], [y], moves) => {
    const [B, H, W, C] = x!.shape as [number, number, number, number];
    const columns = choices!.shape[1]!;
    const [source, out] = [x!.data, y!.data];
    for (let b = 0; b < B; b++) {
      const { rows, cols, hole } = moved(choices!.data.subarray(b * columns, (b + 1) * columns), moves, H, W);
      const [top, bottom, left, right] = hole;
      let at = b * H * W * C;
      const from = at;
      for (let h = 0; h < H; h++) {
        const row = rows[h]!;
        for (let w = 0; w < W; w++, at += C) {
          const col = cols[w]!;
          const inHole = h >= top && h < bottom && w >= left && w < right;
          const start = from + (row * W + col) * C;
          if (row < 0 || col < 0 || inHole) for (let c = 0; c < C; c++) out[at + c] = 0;
          else for (let c = 0; c < C; c++) out[at + c] = source[start + c]!;
        }
      }
    }
  },
  map: (scope, { flip, crop, cutout }) => {
    const { H, W, C, b, h, w, c } = placeIn(scope);
    let column = 0;
    const choose = () => chosen(scope, b, column++);
    const flipped = (chance: number | undefined) => (chance === undefined ? 'false' : `${choose()} < ${u32(chance)}`);
    const [flipX, flipY] = [flipped(flip?.horizontal), flipped(flip?.vertical)];
    const shift = () => (crop ? `${choose()} - ${u32(crop.padding)}` : '0u');
    const moved = (at: string, n: number, by: string, flipIt: string) =>
      scope.let(
        'u32',
        `${scope.declare(MOVED[crop?.reflect ? 'reflect' : 'zeros'])}(${at}, ${u32(n)}, ${by}, ${flipIt})`,
      );
    const row = moved(h, H, shift(), flipY);
    const col = moved(w, W, shift(), flipX);
    const within = [`${row} < ${u32(H)}`, `${col} < ${u32(W)}`];
    if (cutout !== undefined) {
      // Below 0 wraps around, to above the side.
      const inHole = [h, w].map((at) => `${at} + ${u32(cutout >> 1)} - ${choose()} < ${u32(cutout)}`);
      within.push(`!(${inHole.join(' && ')})`);
    }
    const inside = scope.let('u32', `u32(${within.join(' && ')})`);
    const at = `((${b} * ${u32(H)} + ${row}) * ${u32(W)} + ${col}) * ${u32(C)} + ${c}`;
    const value = scope.load(0, scope.let('u32', `select(${scope.i}, ${at}, ${inside} == 1u)`));
    return `select(${wgslType(scope.out.dtype)}(0), ${value}, ${inside} == 1u)`;
  },
};

/** Where the rows and columns of a picture come from, -1 for outside; and the rows and columns of the hole, ends exclusive. */
function moved(choices: NdArray['data'], { flip, crop, cutout }: Moves, H: number, W: number) {
  let column = 0;
  const choose = () => choices[column++]!;
  const flipped = (chance: number | undefined) => chance !== undefined && choose() < chance;
  const [flipX, flipY] = [flipped(flip?.horizontal), flipped(flip?.vertical)];
  const shift = () => (crop ? choose() - crop.padding : 0);
  const along = (n: number, by: number, flipIt: boolean) =>
    Int32Array.from({ length: n }, (_, at) => {
      let from = at + by;
      if (crop?.reflect) from = from < 0 ? -from : from >= n ? 2 * (n - 1) - from : from;
      else if (from < 0 || from >= n) return -1;
      return flipIt ? n - 1 - from : from;
    });
  const rows = along(H, shift(), flipY);
  const cols = along(W, shift(), flipX);
  const hole = [0, 0, 0, 0] as [top: number, bottom: number, left: number, right: number];
  if (cutout !== undefined)
    for (const k of [0, 2]) {
      hole[k] = choose() - (cutout >> 1);
      hole[k + 1] = hole[k]! + cutout;
    }
  return { rows, cols, hole };
}

/** x (B, H, W, C), any dtype, moved by `choices` u32 (B, columns), from the first column on. */
export function movePictures(x: Tensor, choices: Tensor, moves: Moves): Tensor {
  return apply1(movePicturesOp, [x, choices], moves);
}
