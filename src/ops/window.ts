// The geometry of a window that slides over the two spatial axes of images (N, H, W, C): convolutions and pools share it.
import { ShapeError } from '../graph/errors.ts';
import type { Spec } from '../graph/op.ts';
import { checkValue, type Kind, show } from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';

/** A number for both spatial axes, or one each for height and width. */
export type Pair = number | readonly [height: number, width: number];

/**
 * Zeros around an image: a number for all sides, a pair for height and width, or `[top, bottom, left, right]`. `'valid'` is 0; `'same'` keeps
 * the size at stride 1, the odd element at the bottom and right, as PyTorch's.
 */
export type Padding =
  | 'same'
  | 'valid'
  | number
  | readonly [height: number, width: number]
  | readonly [top: number, bottom: number, left: number, right: number];

/** A {@link Padding} without words: a number for all sides, [height, width], or [top, bottom, left, right]. */
export type ImagePadding = Exclude<Padding, string>;

/** Along height and width. */
export type Two = readonly [height: number, width: number];
/** On the four sides of an image. */
export type Sides = readonly [top: number, bottom: number, left: number, right: number];

/** A window over images. */
export interface Window {
  /** Its size. */
  readonly kernel: Two;
  /** How far it moves from one output element to the next. */
  readonly stride: Two;
  /** Elements around the image. */
  readonly padding: Sides;
  /** The distance between its elements in the image. */
  readonly dilation: Two;
}

const areWhole = (values: readonly unknown[], least: number): boolean =>
  values.every((n) => Number.isSafeInteger(n) && (n as number) >= least);

const isPair = (v: unknown, least: number): boolean =>
  Array.isArray(v) ? v.length === 2 && areWhole(v, least) : areWhole([v], least);

/** A {@link Pair} of whole numbers from 1. */
export const SIZES: Kind = {
  advice: 'Give a whole number from 1, or a pair of them for height and width: [3, 5].',
  fits: (v) => isPair(v, 1),
};

/** A {@link Pair} of whole numbers from 0. */
export const PADDING_PAIR: Kind = {
  advice: 'Give a whole number from 0, or a pair of them for height and width: [1, 2].',
  fits: (v) => isPair(v, 0),
};

/** Four sides, a pair or a number. */
const isPadding = (v: unknown): boolean => isPair(v, 0) || (Array.isArray(v) && v.length === 4 && areWhole(v, 0));

/** A {@link Padding}. */
export const PADDING: Kind = {
  advice: "Give a whole number from 0, [height, width], [top, bottom, left, right], 'same' or 'valid'.",
  fits: (v) => v === 'same' || v === 'valid' || isPadding(v),
};

/** An {@link ImagePadding}. */
export const PADDING_SIDES: Kind = {
  advice: 'Give a whole number from 0, [height, width] or [top, bottom, left, right].',
  fits: isPadding,
};

/** Both of a pair. */
export function two(pair: Pair): Two {
  return typeof pair === 'number' ? [pair, pair] : [pair[0], pair[1]];
}

/** How far a kernel reaches, first to last element, both counted. */
export function extent(kernel: number, dilation: number): number {
  return (kernel - 1) * dilation + 1;
}

/** All four sides of a padding. @throws ShapeError where `'same'` meets a stride, which PyTorch refuses too. */
export function sides(where: string, padding: Padding, { kernel, stride, dilation }: Omit<Window, 'padding'>): Sides {
  if (padding === 'valid') return [0, 0, 0, 0];
  if (padding === 'same') {
    if (stride[0] > 1 || stride[1] > 1)
      throw new ShapeError(
        `${where}: padding 'same' with stride ${show(stride[0])} x ${show(stride[1])} would not keep the size. Give the padding as a number, such as ${Math.floor(extent(kernel[0], dilation[0]) / 2)}.`,
      );
    const [h, w] = [extent(kernel[0], dilation[0]) - 1, extent(kernel[1], dilation[1]) - 1];
    return [Math.floor(h / 2), Math.ceil(h / 2), Math.floor(w / 2), Math.ceil(w / 2)];
  }
  if (typeof padding === 'number') return [padding, padding, padding, padding];
  if (padding.length === 2) return [padding[0], padding[0], padding[1], padding[1]];
  return [padding[0], padding[1], padding[2], padding[3]];
}

/** The number of places of a window along one axis of `size` elements; 0 or less if it does not fit. `ceil` counts a last one that begins inside, as
 * PyTorch's pools: also a single one that reaches beyond the end by less than a stride. */
export function placesAlong(
  size: number,
  [before, after]: Two,
  kernel: number,
  stride: number,
  dilation: number,
  ceil = false,
): number {
  const room = size + before + after - extent(kernel, dilation);
  if (!ceil) return room < 0 ? 0 : Math.floor(room / stride) + 1;
  const places = Math.ceil(room / stride) + 1;
  // The last window must begin inside the image or the padding before it.
  return (places - 1) * stride >= size + before ? places - 1 : places;
}

/** The places of a window along height and width. @throws ShapeError if it is larger than the padded image */
export function placesOf(where: string, [H, W]: Two, window: Window, ceil = false): Two {
  const { kernel, stride, padding, dilation } = window;
  const [top, bottom, left, right] = padding;
  const places: Two = [
    placesAlong(H, [top, bottom], kernel[0], stride[0], dilation[0], ceil),
    placesAlong(W, [left, right], kernel[1], stride[1], dilation[1], ceil),
  ];
  if (places[0] > 0 && places[1] > 0) return places;
  const reach = `${extent(kernel[0], dilation[0])} x ${extent(kernel[1], dilation[1])}`;
  const dilated = dilation[0] > 1 || dilation[1] > 1 ? ` with dilation ${dilation[0]} x ${dilation[1]}` : '';
  throw new ShapeError(
    `${where}: the kernel of ${reach}${dilated} is larger than the padded image, ${H + top + bottom} x ${W + left + right}. Use a smaller kernel or more padding.`,
  );
}

/** The sizes of images (N, H, W, C). @throws ShapeError if x is none, or not f32 */
export function imageSizes(where: string, x: Spec): { N: number; H: number; W: number; C: number } {
  if (x.shape.length !== 4)
    throw new ShapeError(
      `${where}: x is ${formatShape(x.shape)}. Give images [N, H, W, C]${x.shape.length === 2 ? ': x.reshape([N, H, W, C])' : x.shape.length === 3 ? ': x.reshape([...x.shape, 1]) for one channel' : ''}.`,
    );
  if (x.dtype !== 'f32') throw new ShapeError(`${where}: x is ${x.dtype}. It must be f32: cast(x, 'f32').`);
  const [N, H, W, C] = x.shape as [number, number, number, number];
  return { N, H, W, C };
}

/** Checks a pair, and returns both. @throws OptionError */
export function pairOf(where: string, name: string, value: unknown, kind: Kind): Two {
  checkValue(where, name, value, kind);
  return two(value as Pair);
}
