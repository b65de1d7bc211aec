// Listed images as data sets: each is decoded, fitted and written into one array of bytes, of which the training set and the test set are
// views. Files that cannot be read stop it by name, or are left out and counted.
import { DataError } from '../graph/errors.ts';
import { sizeOf } from '../graph/shape.ts';
import { checkScale, type DataPair, type DataSet, makeDataset } from './dataset.ts';
import { HELD_BACK, HELD_BACK_SEED, heldBackText } from './held-back.ts';
import { BadImage } from './image-header.ts';
import type { ListedImage, Listing } from './image-listing.ts';
import type { ImageSettings } from './image-options.ts';
import { partition } from './partition.ts';
import { type Channels, fitted, type ImageSize, type Raster, withChannels } from './raster.ts';

/** Images as data sets: x (size, height, width, channels) bytes, y (size) class indices. */
export interface ImageSets extends DataPair {
  /** Every image: the training set, then the test set. The three share their memory. */
  readonly all: DataSet;
  /** The name of each class, by its index. */
  readonly classNames: readonly string[];
  /** The files that were left out with `skipBad`, each with the reason. */
  readonly skipped: readonly string[];
}

/** A decoded image. */
export interface Decoded {
  /** RGBA. */
  readonly raster: Raster;
  /** Its channels without transparency. */
  readonly channels: Exclude<Channels, 4>;
}

/** Images and how to read them. */
export interface Readable extends Listing {
  /** The name of the sets. */
  readonly name: string;
  /** The source as messages call it. */
  readonly where: string;
  /** Where the images come from, as a sentence without its full stop. */
  readonly source: string;
  /** What messages call an image. */
  shown(image: ListedImage): string;
  /** @throws BadImage if the image cannot be used; any other error ends the reading */
  decode(image: ListedImage): Decoded | Promise<Decoded>;
}

/** The sets of a source that may lack either. */
export interface ReadImages extends Pick<ImageSets, 'all' | 'classNames' | 'skipped'> {
  readonly train: DataSet | undefined;
  readonly test: DataSet | undefined;
  /** Where the images come from, as a sentence without its full stop. */
  readonly source: string;
}

/** Both sets; without a test set, a tenth of the training set, stratified by class, is held out. @throws DataError */
export async function readImagePair(readable: Readable, settings: ImageSettings): Promise<ImageSets> {
  const { train, test } = readable;
  if (!train)
    throw new DataError(`${readable.where}: it holds a test set, but no training set. Put the folder train beside it.`);
  const parts = test ? undefined : heldBack(train);
  const read = await readImages(parts ? { ...readable, ...parts } : readable, settings);
  const { source, all } = read;
  // Files that were left out may have been all of a part.
  if (!read.train || !read.test)
    throw new DataError(
      `${readable.where}: no image of its ${read.train ? 'test' : 'training'} set can be read. Repair the files.`,
    );
  return {
    all,
    train: read.train,
    test: read.test,
    source: parts ? heldBackText(source, read.test.size, all.size) : `${source}.`,
    classNames: read.classNames,
    skipped: read.skipped,
  };
}

function heldBack(images: readonly ListedImage[]): Pick<Listing, 'train' | 'test'> {
  const labels = Uint16Array.from(images, ({ label }) => label);
  const count = Math.max(1, Math.round(HELD_BACK * images.length));
  const { train, validation } = partition(images.length, count, HELD_BACK_SEED, labels);
  const of = (part: Uint32Array) => Array.from(part.sort(), (k) => images[k]!);
  return { train: of(train), test: of(validation) };
}

/** Reads the images of both sets, in order. @throws DataError, OptionError, or the signal's reason */
export async function readImages(readable: Readable, settings: ImageSettings): Promise<ReadImages> {
  const { name, where, classNames, train = [], test = [] } = readable;
  const { signal, onProgress, skipBad } = settings;
  const scale = checkScale('scale', name, true, settings.scale);
  const images = [...train, ...test];
  const sheet = new Sheet(images.length, classNames.length, settings);
  const skipped: string[] = [];
  const turns = turnsOf((done) => onProgress?.(done, images.length), signal);
  let trained = 0;
  for (const [k, image] of images.entries()) {
    if (k === train.length) trained = sheet.size;
    await turns(k);
    try {
      sheet.add(await readable.decode(image), image.label, readable.shown(image));
    } catch (error) {
      if (!(error instanceof BadImage)) throw error;
      const reason = `${readable.shown(image)}: ${error.message}`;
      if (!skipBad)
        throw new DataError(`${reason}, or pass { skipBad: true } to leave out such files.`, { cause: error });
      skipped.push(`${reason}.`);
    }
  }
  if (test.length === 0) trained = sheet.size;
  onProgress?.(images.length, images.length);
  if (sheet.size === 0) throw new DataError(`${where}: none of its ${images.length} images can be read. ${skipped[0]}`);
  const all = makeDataset({ name, ...sheet.arrays(), classes: classNames.length, classNames, scale });
  return {
    all,
    train: trained > 0 ? all.slice(0, trained) : undefined,
    test: trained < all.size ? all.slice(trained, all.size) : undefined,
    source: `${readable.source}${skippedText(skipped)}`,
    classNames,
    skipped,
  };
}

function skippedText(skipped: readonly string[]): string {
  if (skipped.length === 0) return '';
  const files = skipped.length === 1 ? 'file that cannot be read is' : 'files that cannot be read are';
  return `; ${skipped.length.toLocaleString('en-US')} ${files} left out`;
}

/** The milliseconds of work between two turns of the event loop. */
const TURN_MS = 50;

/** Lets others run, and reports progress, if enough time has passed. */
function turnsOf(report: (done: number) => void, signal: AbortSignal | undefined): (done: number) => Promise<void> {
  let last = performance.now();
  return async (done) => {
    signal?.throwIfAborted();
    if (performance.now() - last < TURN_MS) return;
    report(done);
    await new Promise((resolve) => setTimeout(resolve));
    signal?.throwIfAborted();
    last = performance.now();
  };
}

/** The arrays that images are written into, as large as the first image says. */
class Sheet {
  readonly #most: number;
  readonly #settings: ImageSettings;
  readonly #labels: Uint8Array | Uint16Array;
  #bytes = new Uint8Array(0);
  /** What all images have in common: that of the first. */
  #first: { readonly shown: string; readonly size: ImageSize; readonly channels: Channels } | undefined;
  /** Images written. */
  size = 0;

  constructor(most: number, classes: number, settings: ImageSettings) {
    this.#most = most;
    this.#settings = settings;
    this.#labels = classes <= 256 ? new Uint8Array(most) : new Uint16Array(most);
  }

  add({ raster, channels }: Decoded, label: number, shown: string): void {
    const { size, fit } = this.#settings;
    const own = { shown, size: size ?? ([raster.height, raster.width] as const), channels };
    this.#first ??= this.#allocated({ ...own, channels: this.#settings.channels ?? channels });
    this.#check(own);
    const wanted = this.#first.channels;
    const { data } = fitted(withChannels(raster, wanted), wanted, this.#first.size, fit);
    this.#bytes.set(data, this.size * data.length);
    this.#labels[this.size++] = label;
  }

  #allocated(first: { shown: string; size: ImageSize; channels: Channels }): typeof first {
    const bytes = this.#most * sizeOf([...first.size, first.channels]);
    try {
      this.#bytes = new Uint8Array(bytes);
    } catch (error) {
      throw new DataError(
        `images: no memory for ${this.#most} images of ${first.size.join(' x ')} x ${first.channels}, ${bytes} bytes. Pass a smaller size, or a limit.`,
        { cause: error },
      );
    }
    return first;
  }

  #check({ shown, size, channels }: { shown: string; size: ImageSize; channels: Channels }): void {
    const first = this.#first!;
    if (size.some((side, k) => side !== first.size[k]))
      throw new DataError(
        `${shown}: it has ${size.join(' x ')} pixels (height x width), but ${first.shown} has ${first.size.join(' x ')}. Pass a size for all, such as { size: ${Math.min(...size, ...first.size)} }.`,
      );
    if (this.#settings.channels === undefined && channels !== first.channels)
      throw new DataError(
        `${shown}: it is ${colourOf(channels)}, but ${first.shown} is ${colourOf(first.channels)}. Pass { channels: 3 } or { channels: 1 }.`,
      );
  }

  arrays(): Pick<DataSet, 'x' | 'y'> {
    const { size, channels } = this.#first!;
    const shape = [this.size, ...size, channels];
    return {
      x: { shape, data: this.#bytes.subarray(0, sizeOf(shape)) },
      y: { shape: [this.size], data: this.#labels.subarray(0, this.size) },
    };
  }
}

function colourOf(channels: Channels): string {
  return channels === 1 ? 'grey (1 channel)' : `in colour (${channels} channels)`;
}
