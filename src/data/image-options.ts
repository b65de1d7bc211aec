// The options of `datasets.images`, in Node and in pages.
import { OptionError } from '../graph/errors.ts';
import {
  BOOLEAN,
  COUNT,
  checkOptions,
  FUNCTION,
  type Kind,
  OBJECT,
  oneOf,
  type Schema,
  SIGNAL,
  type WithDefaults,
} from '../graph/options.ts';
import type { ByteScale } from './dataset.ts';
import type { Channels, Fit, ImageSize } from './raster.ts';

/** Options of `datasets.images`. */
export interface ImagesOptions {
  /** The height and width of every example, or one number for both: images are resized, bilinear as in Pillow and torchvision, and fitted
   * as `fit` says. Default: the size of the images, which must be the same for all. */
  size?: number | readonly [height: number, width: number] | undefined;
  /** `crop`: an image keeps its proportions, is resized until it covers `size`, and cropped at its centre; `stretch`: it is resized to
   * `size`. Default 'crop'. */
  fit?: 'crop' | 'stretch' | undefined;
  /** 1: grey; 3: RGB; 4: RGBA. With 1 and 3, transparent parts become white. Default: 1 or 3 as the images have, which must be the same for
   * all. */
  channels?: 1 | 3 | 4 | undefined;
  /** The classes in the order of their indices, others being left out; or a name for each folder to read, `{ n02102040: 'springer' }`, where
   * folders of the same name are one class. Default: all folders, sorted by name. */
  classes?: readonly string[] | Readonly<Record<string, string>> | undefined;
  /** The most images to read of each class, the first by name, in each of train and test. Default: all. */
  limit?: number | undefined;
  /** Whether files that cannot be read are left out and listed in `skipped`; else the first of them throws. Default false. */
  skipBad?: boolean | undefined;
  /** How bytes become numbers: `(x / 255 - mean) / std`, each a number or one for each channel. Default: { mean: 0, std: 1 }, which is x / 255. */
  scale?: ByteScale | undefined;
  /** Called several times a second with how many images are read and the total. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Aborts reading; the promise then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

const PIXELS: Kind = {
  advice: 'Give a whole number of pixels from 1 to 8192, or [height, width].',
  fits: (v) => Number.isInteger(v) && (v as number) >= 1 && (v as number) <= 8192,
};
const SIZE: Kind = {
  advice: PIXELS.advice,
  fits: (v) => PIXELS.fits(v) || (Array.isArray(v) && v.length === 2 && v.every(PIXELS.fits)),
};
const CHANNELS: Kind = { advice: 'Use 1 (grey), 3 (RGB) or 4 (RGBA).', fits: (v) => [1, 3, 4].includes(v as number) };
const NAMES: Kind = {
  advice: "Give the classes' names, ['cat', 'dog'], or a name for each folder, { n02102040: 'springer' }.",
  fits: (v) =>
    OBJECT.fits(v) &&
    (Array.isArray(v) || isPlain(v)) &&
    Object.values(v as object).every((n) => n && typeof n === 'string'),
};
const isPlain = (v: unknown) => [Object.prototype, null].includes(Object.getPrototypeOf(v));

export const IMAGES = {
  size: SIZE,
  fit: [oneOf('crop', 'stretch'), 'crop'],
  channels: CHANNELS,
  classes: NAMES,
  limit: COUNT,
  skipBad: [BOOLEAN, false],
  scale: true,
  onProgress: FUNCTION,
  signal: SIGNAL,
} satisfies Schema<ImagesOptions>;

/** Checked options. */
export interface ImageSettings extends Omit<WithDefaults<ImagesOptions, typeof IMAGES>, 'size' | 'classes'> {
  readonly size: ImageSize | undefined;
  readonly fit: Fit;
  readonly channels: Channels | undefined;
  /** The name of the class of each folder, in the order of the class indices; undefined: of all folders. */
  readonly classes: ReadonlyMap<string, string> | undefined;
}

export function imageSettings(options: ImagesOptions, extra: readonly unknown[]): ImageSettings {
  const { size, classes, ...checked } = checkOptions('images', options, IMAGES, extra);
  const sides = typeof size === 'number' ? ([size, size] as const) : size;
  return { ...checked, size: sides, classes: classes && namesOf(classes), channels: checked.channels };
}

function namesOf(classes: NonNullable<ImagesOptions['classes']>): Map<string, string> {
  const list = Array.isArray(classes) ? (classes as string[]) : undefined;
  const twice = list?.find((name, k) => list.indexOf(name) < k);
  if (twice !== undefined) throw new OptionError(`images: classes has '${twice}' twice. Leave out one of them.`);
  const names = new Map(list ? list.map((name) => [name, name]) : Object.entries(classes));
  if (new Set(names.values()).size < 2)
    throw new OptionError('images: classes has fewer than 2 classes, which leaves nothing to learn. Name at least 2.');
  return names;
}
