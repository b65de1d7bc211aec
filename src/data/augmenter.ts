// What an augmentation does to a batch: choices for each picture, then one map op for each way in which pictures change, so that all of it
// is part of the gather's expression.
import { hashText } from '../graph/random.ts';
import type { Tensor } from '../graph/tensor.ts';
import { brightenPictures } from '../ops/brighten-pictures.ts';
import { FLIP_CHOICES, type Moves, movePictures } from '../ops/move-pictures.ts';
import { type Choice, rowChoices } from '../ops/row-choices.ts';
import { warpPictures, warpTable } from '../ops/warp-pictures.ts';
import type { Augmentation, Augmenter, Range } from './augmentation.ts';

type Kind = keyof Augmentation;

/** The random words of each kind, so that adding one changes no other's choices; two where it chooses for both axes, y before x. */
const SLOTS = { flip: [0, 1], crop: [2, 3], cutout: [4, 5], rotate: [6], scale: [7], brightness: [8] } as const;
const KINDS = Object.keys(SLOTS) as readonly Kind[];

/** The number of angles and of zooms to choose from, and of factors. */
const [STEPS, FACTORS] = [1024, 2 ** 16] as const;

/** The augmentation of pictures of H x W pixels whose elements are at most `most`. */
export function augmenterOf(options: Augmentation, [H, W]: readonly [number, number], most: number): Augmenter {
  const choices = choicesOf(options, H, W);
  const columnOf = (kind: Kind) => choices.findIndex(({ slot }) => slot === SLOTS[kind][0]);
  const { rotate, scale, brightness } = options;
  const moves = movesOf(options);
  const warp = {
    angle: rotate && columnOf('rotate'),
    zoom: scale && columnOf('scale'),
    angles: countOf(rotate),
  };
  return {
    options,
    apply(pictures, { rows, step, seed }, part) {
      const chosen = rowChoices(step, seed, rows, { stream: hashText(`augment ${part}`), choices });
      let x: Tensor = pictures;
      if (rotate || scale)
        x = warpPictures(x, chosen, warpTable(spread(rotate ?? [0, 0]), spread(scale ?? [1, 1])), warp);
      if (moves) x = movePictures(x, chosen, moves);
      return brightness
        ? brightenPictures(x, chosen, { column: columnOf('brightness'), ...factors(brightness), most })
        : x;
    },
  };
}

/** The choices of the kinds in use, in their order. */
function choicesOf(options: Augmentation, H: number, W: number): Choice[] {
  const shifts = 2 * (options.crop?.padding ?? 0) + 1;
  const below: Readonly<Record<Kind, readonly number[]>> = {
    flip: [FLIP_CHOICES, FLIP_CHOICES],
    crop: [shifts, shifts],
    cutout: [H, W],
    rotate: [countOf(options.rotate)],
    scale: [countOf(options.scale)],
    brightness: [FACTORS],
  };
  const used = KINDS.filter((kind) => options[kind] !== undefined);
  return used.flatMap((kind) => SLOTS[kind].map((slot, k) => ({ slot, below: below[kind][k]! })));
}

/** Flips, crop and cutout; undefined if there is none. They are the first choices. */
function movesOf({ flip, crop, cutout }: Augmentation): Moves | undefined {
  if (!flip && !crop && cutout === undefined) return undefined;
  const chance = (p: number) => Math.round(p * FLIP_CHOICES);
  return {
    flip: flip && { horizontal: chance(flip.horizontal), vertical: chance(flip.vertical) },
    crop: crop && { padding: crop.padding, reflect: crop.mode === 'reflect' },
    cutout,
  };
}

/** The number of values to choose from in a range. */
function countOf([low, high]: Range = [0, 0]): number {
  return low === high ? 1 : STEPS;
}

/** These values: the middles of equal parts of the range. */
function spread(range: Range): number[] {
  const [low, high] = range;
  const count = countOf(range);
  return Array.from({ length: count }, (_, k) => low + ((high - low) * (k + 0.5)) / count);
}

/** The factor of choice k is low + step · k, the middle of the k-th part of the range. */
function factors([low, high]: Range): { low: number; step: number } {
  const step = (high - low) / FACTORS;
  return { low: low + step / 2, step };
}
