// The windows of pools along the two axes of images: which elements each has, and the shapes of what pools take and return.
import { isDisjoint, type PoolAxis, type PoolVariant } from '../../shaders/pool.wgsl.ts';
import { OptionError, ShapeError } from '../graph/errors.ts';
import type { KernelScope, NdArray, Spec, WasmPass } from '../graph/op.ts';
import { checkValue } from '../graph/options.ts';
import { extent, type ImagePadding, type Pair, placesOf, SIZES, sides, type Two, two, type Window } from './window.ts';

/** The windows of a pool over images: down their rows, and along their columns. */
export interface Pool {
  readonly rows: PoolAxis;
  readonly columns: PoolAxis;
}

/** The elements of each window of an axis that lie in the image, in order. */
export function elementsOf({ size, places, slide }: PoolAxis): readonly (readonly number[])[] {
  return Array.from({ length: places }, (_, o) => {
    const [first, end, step] = slide
      ? [
          o * slide.stride - slide.before,
          o * slide.stride - slide.before + extent(slide.kernel, slide.dilation),
          slide.dilation,
        ]
      : [Math.floor((o * size) / places), Math.ceil(((o + 1) * size) / places), 1];
    const elements: number[] = [];
    for (let i = first; i < end; i += step) if (i >= 0 && i < size) elements.push(i);
    return elements;
  });
}

/** Sliding windows, as options state them. */
export interface Sliding {
  readonly kernel: Pair;
  readonly stride: Pair | undefined;
  readonly padding: ImagePadding;
  readonly dilation?: Pair;
  readonly ceilMode: boolean;
}

/** Sliding windows over images of a size, checked; `window` are all their numbers. */
export function slidingPool(where: string, size: Two, given: Sliding): Pool & { readonly window: Window } {
  checkValue(where, 'the kernel', given.kernel, SIZES);
  const [kernel, stride, dilation] = [two(given.kernel), two(given.stride ?? given.kernel), two(given.dilation ?? 1)];
  const padding = sides(where, given.padding, { kernel, stride, dilation });
  const window = { kernel, stride, padding, dilation };
  checkPadding(where, window);
  const places = placesOf(where, size, window, given.ceilMode);
  const axis = (k: 0 | 1): PoolAxis => ({
    size: size[k],
    places: places[k],
    slide: { kernel: kernel[k], stride: stride[k], before: padding[2 * k]!, dilation: dilation[k] },
  });
  const pool = { rows: axis(0), columns: axis(1), window };
  for (const [name, along] of [['height', pool.rows] as const, ['width', pool.columns] as const])
    if (elementsOf(along).some((elements) => elements.length === 0))
      throw new ShapeError(
        `${where}: with dilation ${along.slide!.dilation} a window along the ${name} of ${along.size} has only padding. Use a smaller dilation or less padding.`,
      );
  return pool;
}

const SIDES = ['top', 'bottom', 'left', 'right'] as const;

/** Refuses padding that PyTorch refuses: windows would lie outside the image. */
function checkPadding(where: string, { kernel, padding, dilation }: Window): void {
  for (const [side, name] of SIDES.entries()) {
    const k = side < 2 ? 0 : 1;
    const most = Math.floor(extent(kernel[k]!, dilation[k]!) / 2);
    if (padding[side]! > most)
      throw new OptionError(
        `${where}: the padding at the ${name}, ${padding[side]}, is more than half of the kernel, ${extent(kernel[0], dilation[0])} x ${extent(kernel[1], dilation[1])}. Give at most ${most}, or pad the image first: x.pad(…).`,
      );
  }
}

/** Adaptive windows: so many along each axis, each from floor(o · size / places) to ceil((o + 1) · size / places). */
export function adaptivePool([H, W]: Two, places: Two): Pool {
  return { rows: { size: H, places: places[0] }, columns: { size: W, places: places[1] } };
}

/** The shape of one result a window. */
export function pooled({ shape }: Spec, { rows, columns }: Pool): number[] {
  return [shape[0]!, rows.places, columns.places, shape[3]!];
}

/** The shape of the images that `y` has one element a window of. */
export function unpooled({ shape }: Spec, { rows, columns }: Pool): number[] {
  return [shape[0]!, rows.size, columns.size, shape[3]!];
}

/** The facts a pool's kernel is written from. */
export function variantOf({ inputs: [x], gpu, direct }: KernelScope, { rows, columns }: Pool): PoolVariant {
  return { N: x!.shape[0]!, C: x!.shape[3]!, rows, columns, gpu, direct: direct(0) };
}

/** Inputs that a chain may be fused into: an element that several windows read would be computed for each. */
export function loadedOnce(pool: Pool): readonly number[] {
  return isDisjoint(pool) ? [0] : [];
}

/** Calls `visit` for each window of each image, with the offset of its first channel in y and those of its elements in x, in order. */
export function forWindows(
  x: Pick<NdArray, 'shape'>,
  { rows, columns }: Pool,
  visit: (to: number, image: number, pixels: readonly number[]) => void,
): void {
  const [N, C] = [x.shape[0]!, x.shape[3]!];
  const [ofRow, ofColumn] = [elementsOf(rows), elementsOf(columns)];
  let to = 0;
  for (let n = 0; n < N; n++) {
    const image = n * rows.size * columns.size * C;
    for (const hs of ofRow) {
      for (const ws of ofColumn) {
        const pixels = hs.flatMap((h) => ws.map((w) => h * columns.size + w));
        visit(to, image, pixels);
        to += C;
      }
    }
  }
}

/** Images and channels of a pool's input. */
export function imagesOf({ shape }: Spec): { readonly N: number; readonly C: number } {
  return { N: shape[0]!, C: shape[3]! };
}

/** What an op returns as its WebAssembly: one pass, if there is one. */
export const passesOf = (pass: WasmPass | undefined): readonly WasmPass[] | undefined => pass && [pass];
