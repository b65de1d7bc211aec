// How pictures are augmented: the options as people give them, checked, and the one form in which a run remembers them.
import { OptionError } from '../graph/errors.ts';
import { checkOptions, checkValue, type Kind, OBJECT, oneOf, type Schema, withoutGaps } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { LEAST_ZOOM, MOST_PIXELS } from '../ops/warp-pictures.ts';

/** The probability of each mirror image. */
export interface FlipProbabilities {
  /** Of left and right exchanged. Default 0. */
  readonly horizontal?: number | undefined;
  /** Of top and bottom exchanged. Default 0. */
  readonly vertical?: number | undefined;
}

/** A random crop of the padded picture. */
export interface CropOptions {
  /** Pixels around the picture, which is the largest shift; less than its sides. */
  readonly padding: number;
  /** What is in the padding: 0, or the picture reflected at its edge. Default 'zeros'. */
  readonly mode?: 'zeros' | 'reflect' | undefined;
}

/** A number for both directions, or the lowest and the highest value. */
export type Range = readonly [low: number, high: number];

/** Options of {@link augment}, applied in this order: rotate and scale, flip, crop, cutout, brightness. 0 and false leave one out. */
export interface AugmentOptions {
  /**
   * Mirror images, as torchvision's `RandomHorizontalFlip` and `RandomVerticalFlip`: `true` and `'horizontal'` exchange left and right,
   * `'vertical'` top and bottom, `'both'` each by itself, with probability 0.5; or the probabilities, `{ horizontal: 0.5, vertical: 0.1 }`.
   */
  readonly flip?: boolean | 'horizontal' | 'vertical' | 'both' | FlipProbabilities | undefined;
  /**
   * The pixels of padding, of 0, of which a picture of the original size is cropped: a shift by as many pixels at most, in both axes. As
   * torchvision's `RandomCrop(size, padding)`.
   */
  readonly crop?: number | CropOptions | undefined;
  /**
   * The side, in pixels, of a square that becomes 0; its centre is anywhere in the picture, and what lies outside is clipped
   * (DeVries and Taylor 2017, arXiv:1708.04552).
   */
  readonly cutout?: number | undefined;
  /**
   * Rotation about the centre, in degrees: within ± the number, or from a lowest to a highest (counterclockwise is positive). Bilinear, 0
   * outside. As torchvision's `RandomRotation`.
   */
  readonly rotate?: number | Range | undefined;
  /** The lowest and the highest factor of size about the centre, such as [0.9, 1.1]; within 0.25 to 4. Bilinear, 0 outside. */
  readonly scale?: Range | undefined;
  /**
   * The factor of all elements: from 1 - b to 1 + b (at least 0), or from a lowest to a highest. Results above 255 for bytes, and above 1 for
   * floats, become that. As torchvision's `ColorJitter`.
   */
  readonly brightness?: number | Range | undefined;
  /** The pictures among several inputs, by name or index. Default: the one input with four axes. */
  readonly part?: string | number | undefined;
}

/** Augmentations in the form that a run remembers. */
export interface Augmentation {
  /** Probabilities. */
  readonly flip?: Required<FlipProbabilities>;
  /** Padding, and what is in it. */
  readonly crop?: { readonly padding: number; readonly mode: 'zeros' | 'reflect' };
  /** The side of the square. */
  readonly cutout?: number;
  /** Degrees. */
  readonly rotate?: Range;
  /** Factors of size. */
  readonly scale?: Range;
  /** Factors of the elements. */
  readonly brightness?: Range;
}

/** Where the pictures of a batch are in their training. */
export interface Draw {
  /** Rows of the data set, u32 (B). */
  readonly rows: Tensor;
  /** Steps made, u32 [1]. */
  readonly step: Tensor;
  /** The run's seed, u32 [2]. */
  readonly seed: Tensor;
}

/** The augmentation of one tensor of a data set. */
export interface Augmenter {
  /** What it does. */
  readonly options: Augmentation;
  /**
   * A batch of pictures (B, H, W, C), augmented in their own range: bytes as u32 or f32, floats as f32. `part` is the tensor's name.
   * @internal
   */
  apply(pictures: Tensor, draw: Draw, part: string): Tensor;
}

/** Flip horizontally, and crop with 4 pixels of padding: what small photographs, such as CIFAR-10's, are usually trained with. */
export const DEFAULT_AUGMENTATION: Pick<AugmentOptions, 'flip' | 'crop'> = Object.freeze({
  flip: 'horizontal',
  crop: 4,
});

const isWhole = (v: unknown) => Number.isSafeInteger(v) && (v as number) >= 0;
const isRange = (v: unknown, low: number, high: number) =>
  Array.isArray(v) &&
  v.length === 2 &&
  v.every((n) => Number.isFinite(n) && n >= low && n <= high) &&
  (v[0] as number) <= (v[1] as number);
const isWithin = (v: unknown, high: number) => typeof v === 'number' && v >= 0 && v <= high;

const FLIPS = ['horizontal', 'vertical', 'both'] as const;
const PROBABILITY: Kind = { advice: 'Give a probability from 0 to 1.', fits: (v) => isWithin(v, 1) };
const PADDING: Kind = { advice: 'Give a whole number of pixels from 0, such as 4.', fits: isWhole };
const SCHEMA = {
  flip: {
    advice: "Give true, 'horizontal', 'vertical', 'both', or probabilities: { horizontal: 0.5 }.",
    fits: (v) => typeof v === 'boolean' || FLIPS.includes(v as 'both') || isPlain(v),
  },
  crop: {
    advice: "Give the pixels of padding, such as 4, or { padding: 4, mode: 'reflect' }.",
    fits: (v) => isWhole(v) || isPlain(v),
  },
  cutout: { advice: 'Give the side of the square in pixels, such as 8.', fits: isWhole },
  rotate: {
    advice: 'Give degrees from 0 to 180, such as 15, or the lowest and the highest: [-10, 30].',
    fits: (v) => isWithin(v, 180) || isRange(v, -180, 180),
  },
  scale: {
    advice: 'Give the lowest and the highest factor, within 0.25 to 4: [0.9, 1.1].',
    fits: (v) => isRange(v, LEAST_ZOOM, 1 / LEAST_ZOOM),
  },
  brightness: {
    advice:
      'Give a number from 0, such as 0.2 for factors from 0.8 to 1.2, or the lowest and the highest factor: [0.5, 1.2].',
    fits: (v) => isWithin(v, Number.MAX_VALUE) || isRange(v, 0, Number.MAX_VALUE),
  },
  part: { advice: 'Give the name of an input, or its index.', fits: (v) => typeof v === 'string' || isWhole(v) },
} satisfies Schema<AugmentOptions>;
const FLIP = { horizontal: [PROBABILITY, 0], vertical: [PROBABILITY, 0] } satisfies Schema<FlipProbabilities>;
const CROP = { padding: PADDING, mode: [oneOf('zeros', 'reflect'), 'zeros'] } satisfies Schema<CropOptions>;

function isPlain(v: unknown): boolean {
  return OBJECT.fits(v) && !Array.isArray(v);
}

/** Options in one form: the default ones if no augmentation is named. @throws OptionError */
export function augmentationOf(given: AugmentOptions, extra: readonly unknown[]): Augmentation {
  const { part: _, ...named } = checkOptions('augment', given, SCHEMA, extra);
  const options: AugmentOptions = Object.keys(named).length > 0 ? named : DEFAULT_AUGMENTATION;
  return withoutGaps({
    flip: flipOf(options.flip),
    crop: cropOf(options.crop),
    cutout: options.cutout || undefined,
    rotate: changing(typeof options.rotate === 'number' ? [-options.rotate, options.rotate] : options.rotate, 0),
    scale: changing(options.scale, 1),
    brightness: changing(
      typeof options.brightness === 'number'
        ? [Math.max(0, 1 - options.brightness), 1 + options.brightness]
        : options.brightness,
      1,
    ),
  }) as Augmentation;
}

/** A range, unless it is one value that changes nothing. */
function changing(range: Range | undefined, same: number): Range | undefined {
  return range?.every((v) => v === same) ? undefined : range && [range[0], range[1]];
}

function flipOf(flip: AugmentOptions['flip']): Augmentation['flip'] {
  if (!flip) return undefined;
  if (typeof flip === 'object') {
    const chances = checkOptions('augment: flip', flip, FLIP);
    return chances.horizontal + chances.vertical > 0 ? chances : undefined;
  }
  return { horizontal: flip === 'vertical' ? 0 : 0.5, vertical: flip === 'vertical' || flip === 'both' ? 0.5 : 0 };
}

function cropOf(crop: AugmentOptions['crop']): Augmentation['crop'] {
  const { padding, mode } = checkOptions(
    'augment: crop',
    typeof crop === 'object' ? crop : { padding: crop ?? 0 },
    CROP,
  );
  checkValue('augment: crop', 'padding', padding, PADDING);
  return padding > 0 ? { padding, mode } : undefined;
}

/** @throws OptionError for what does not fit into pictures of this size. */
export function checkFits({ crop, cutout, rotate, scale }: Augmentation, H: number, W: number): void {
  const [side, size] = [Math.min(H, W), `the pictures are ${H} x ${W}`];
  if (crop && crop.padding >= side)
    throw new OptionError(
      `augment: crop is ${crop.padding}, but ${size}: such a shift would leave nothing of them. Use less than ${side}.`,
    );
  if (cutout !== undefined && cutout > side)
    throw new OptionError(`augment: cutout is ${cutout}, but ${size}. Use at most ${side}.`);
  if ((rotate || scale) && Math.max(H, W) > MOST_PIXELS)
    throw new OptionError(
      `augment: ${size}, but rotate and scale take at most ${MOST_PIXELS} pixels a side. Leave them out, or give smaller pictures.`,
    );
}
