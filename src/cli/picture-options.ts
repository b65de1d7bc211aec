// Parsers of the flags for pictures: their classes, their size, and how they are augmented.
import { type AugmentOptions, augmentationOf } from '../data/augmentation.ts';
import type { Channels, ImageSize } from '../data/raster.ts';
import { OptionError } from '../graph/errors.ts';
import { nearest } from '../graph/nearest.ts';
import { parseCount, refuse, shown, toNumber } from './parsers.ts';

/** A number of classes, for IDX files; or the names of the folders to read, in the order of their indices: `cat,dog`. */
export function parseClasses(value: unknown, flag: string): number | readonly string[] {
  const names = typeof value === 'string' && value.includes(',') ? value.split(',') : value;
  if (!Array.isArray(names)) return parseCount(names, flag, 2);
  if (names.length < 2 || names.some((name) => typeof name !== 'string' || name === ''))
    return refuse(flag, value, 'does not name at least two classes', 'Give the names of folders: cat,dog.');
  return names as string[];
}

/** The largest side of a picture, as `datasets.images` has it. */
const MOST_PIXELS = 8192;

/** `28` for both sides, or height x width: `32x48`. */
export function parseSize(value: unknown, flag: string): ImageSize {
  const sides = Array.isArray(value) ? value : typeof value === 'string' ? value.split('x') : [value];
  if (sides.length > 2) return refuse(flag, value, 'is no size', 'Give pixels, such as 28, or height x width: 32x48.');
  const [height, width = height] = sides.map((side) => parseCount(side, flag, 1, MOST_PIXELS));
  return [height!, width!];
}

/** 1 for grey, 3 for colour, 4 for colour with transparency. */
export function parseChannels(value: unknown, flag: string): Channels {
  const channels = toNumber(value);
  if (channels === 1 || channels === 3 || channels === 4) return channels;
  return refuse(flag, value, 'is no number of channels', 'Use 1 (grey), 3 (RGB) or 4 (RGBA).');
}

/** `--augment` alone is true, `--no-augment` false; a list is checked and kept as text, which is what config.json holds. */
export function parseAugment(value: unknown, flag: string): boolean | string {
  if (typeof value === 'boolean') return value;
  if (typeof value !== 'string') return refuse(flag, value, 'is no augmentation', `Use ${EXAMPLE}.`);
  augmentOptions(value, flag);
  return value;
}

const EXAMPLE = 'flip,crop=4,cutout=8,rotate=15,scale=0.9:1.1,brightness=0.2';
const KINDS = ['flip', 'crop', 'cutout', 'rotate', 'scale', 'brightness'] as const;

/** The library's options of a list such as `flip,crop=4`. @throws OptionError naming what is wrong in it */
export function augmentOptions(text: string, flag = '--augment'): AugmentOptions {
  const options: Record<string, unknown> = {};
  for (const entry of text.split(',')) {
    const [kind = '', value] = entry.split('=');
    if (!KINDS.some((known) => known === kind)) {
      const guess = nearest(kind, KINDS);
      throw new OptionError(
        `${flag}: ${shown(kind)} in ${shown(text)} is unknown. ${guess ? `Did you mean "${guess}"? ` : ''}Use some of ${EXAMPLE}.`,
      );
    }
    options[kind] = value === undefined ? USUAL[kind] : amountOf(kind, value);
  }
  try {
    augmentationOf(options, []);
  } catch (error) {
    if (!(error instanceof OptionError)) throw error;
    throw new OptionError(`${flag}: ${error.message.replace(/^augment: /, '')}`, { cause: error });
  }
  return options;
}

/** What a kind without an amount does. */
const USUAL: Readonly<Record<string, unknown>> = { flip: true, crop: 4, cutout: 8, rotate: 15, brightness: 0.2 };

/** A number, a range `0.9:1.1`, or a word, which only `flip` takes. */
function amountOf(kind: string, value: string): unknown {
  if (kind === 'flip') return value;
  const numbers = value.split(':').map(toNumber);
  return numbers.length === 1 ? numbers[0] : numbers;
}
