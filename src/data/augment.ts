// Augmentation: a data set whose pictures are changed at random in each training step, on the device, where the batch is gathered. The set
// itself is unchanged: it only says what to do, and evaluation reads it as it is.

import { dtypeOf } from '../graph/dtype.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import { guess, isSeveral, listed, mapParts, partAt, partName, partsOf } from '../graph/nested.ts';
import { formatShape, type Shape } from '../graph/shape.ts';
import { attachAugment } from './augment-method.ts';
import { type Augmentation, type AugmentOptions, augmentationOf, checkFits } from './augmentation.ts';
import { augmenterOf } from './augmenter.ts';
import { type AnyDataSet, type AnyParts, checkSet, makeDataset, type Values } from './dataset.ts';
import type { StoredNumbers } from './stored.ts';

/**
 * The data set with pictures [size, H, W, C] (bytes or floats) that are augmented in each step of `fit`: `train.augment({ flip: true,
 * crop: 4 })`, by default {@link DEFAULT_AUGMENTATION}. It happens on the device, in the batch's gather. The choices are functions of the
 * trainer's seed, the step and the picture, so a resumed run makes the same ones; each kind has its own, which adding another does not
 * change. Nothing else sees it: not evaluation, also of this set as validation data, nor `predict` or `trainOnBatch`.
 * @throws DataError if there are no pictures, OptionError for options that do not fit them.
 */
export function augment<D extends AnyDataSet>(data: D, options: AugmentOptions = {}, ...extra: never[]): D {
  checkSet('augment', data);
  const augmentation = augmentationOf(options, extra);
  const { name, x } = data as AnyParts;
  const part = partOf(name, x, options.part);
  const pictures = partAt(x, part)!;
  checkPictures(`${partName('x', part)} of ${name}`, pictures, augmentation);
  checkTargets(data as AnyParts, pictures.shape, augmentation);
  if (Object.keys(augmentation).length === 0) return data;
  const [, H, W] = pictures.shape;
  const most = dtypeOf(pictures.data) === 'u8' ? 255 : 1;
  const augmented = (values: Values<StoredNumbers>, own: string | undefined) =>
    own === part ? { ...values, augmentation: augmenterOf(augmentation, [H!, W!], most) } : values;
  return makeDataset<D>({ ...data, x: mapParts(x, augmented) });
}

/** The name of the pictures: the requested one, or the only ones. */
function partOf(name: string, x: AnyParts['x'], asked: AugmentOptions['part']): string | undefined {
  if (asked !== undefined) {
    const [part, names] = [String(asked), isSeveral(x) ? Object.keys(x) : []];
    if (names.includes(part)) return part;
    const advice = names.length > 0 ? guess(part, names) : 'Leave it out.';
    throw new OptionError(`augment: part is ${part}, but x of ${name} has ${listed(x)}. ${advice}`);
  }
  const all = partsOf<Values<StoredNumbers>>(x);
  const pictures = all.filter(([, { shape }]) => shape.length === 4);
  if (pictures.length === 1) return pictures[0]![0];
  if (pictures.length === 0 && all.length === 1) return all[0]![0]; // checkPictures says what it is
  const names = pictures.map(([own]) => own);
  throw pictures.length > 1
    ? new OptionError(`augment: ${names.join(' and ')} of ${name} are pictures. Name one: { part: '${names[0]}' }.`)
    : new DataError(`augment: none of ${listed(x)} of ${name} has pictures [size, H, W, C]. Give pictures four axes.`);
}

function checkPictures(what: string, { shape, data, scale, augmentation }: Values<StoredNumbers>, asked: Augmentation) {
  const [N, H, W] = shape;
  if (shape.length !== 4) {
    const advice =
      shape.length === 3
        ? `Give them a channel: shape [${N}, ${H}, ${W}, 1].`
        : 'Give their shape to datasets.array, or load them as pictures: datasets.mnist({ images: true }).';
    throw new DataError(`augment: ${what} is ${formatShape(shape)}, not pictures [size, H, W, C]. ${advice}`);
  }
  const dtype = dtypeOf(data);
  if (dtype !== 'u8' && dtype !== 'f32')
    throw new DataError(
      `augment: ${what} is ${dtype}, but pictures are bytes or floats. Give a Uint8Array or a Float32Array.`,
    );
  if (augmentation) throw new OptionError(`augment: ${what} is augmented already. Give all options in one call.`);
  checkFits(asked, H!, W!);
  checkScaled(what, scale, asked);
  if (asked.brightness && dtype === 'f32') checkUnit(what, data);
}

/** Bytes that the model reads as whole numbers cannot have values in between. */
function checkScaled(what: string, scale: Values['scale'], { rotate, scale: zoom, brightness }: Augmentation): void {
  const between = Object.entries({ rotate, scale: zoom, brightness }).find(([, given]) => given)?.[0];
  if (scale === false && between !== undefined)
    throw new OptionError(
      `augment: ${between} makes fractions, but ${what} are bytes with scale: false, which stay whole. Leave it out.`,
    );
}

/** Floats from 0 to 1, in which brightness has a meaning. */
function checkUnit(what: string, data: StoredNumbers): void {
  const at = data.findIndex((v: number) => !(v >= 0 && v <= 1));
  if (at >= 0)
    throw new DataError(
      `augment: brightness takes floats from 0 to 1, but ${what} has ${data[at]}. Give bytes or scale them, or leave brightness out.`,
    );
}

/** Rejects targets for each pixel, which would not move with it. */
function checkTargets({ name, y }: AnyParts, [, H, W]: Shape, { flip, crop, rotate, scale }: Augmentation): void {
  const moves = Object.entries({ flip, crop, rotate, scale }).find(([, given]) => given)?.[0];
  if (moves === undefined) return;
  for (const [own, { shape }] of partsOf<Values>(y))
    if (shape.length > 2 && shape[1] === H && shape[2] === W)
      throw new OptionError(
        `augment: ${moves} would move pixels, but not their targets, ${partName('y', own)} ${formatShape(shape)} of ${name}. Use cutout and brightness only.`,
      );
}

attachAugment(augment);
