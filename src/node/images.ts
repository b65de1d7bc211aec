// Folders of images as data sets: the images of each class in a sub-folder of its name.
import { basename, join, resolve } from 'node:path';
import { BadImage } from '../data/image-header.ts';
import { type ListedImage, listImages } from '../data/image-listing.ts';
import { type ImageSettings, type ImagesOptions, imageSettings } from '../data/image-options.ts';
import {
  type Decoded,
  type ImageSets,
  type Readable,
  type ReadImages,
  readImagePair,
  readImages,
} from '../data/image-sets.ts';
import { FileError } from './file-error.ts';
import { folderPath } from './folder-option.ts';
import { decodeImage } from './image-decoders.ts';
import { imageFiles } from './image-files.ts';
import { readWhole } from './read-file.ts';

/**
 * PNG and JPEG files in a sub-folder for each class, of the folder itself or of its `train` and `test` (or `val`, `valid`, `validation`): x
 * (size, height, width, channels) bytes, y (size) class indices. Without a test set, a tenth of each class, chosen by a seeded shuffle, is
 * held out. JPEGs need the package `@jsquash/jpeg`; their EXIF orientation is applied. @throws DataError if a file cannot be used, sizes or
 * channels differ, or a class is missing or empty; FileError; OptionError; the signal's reason.
 */
export async function images(folder: string | URL, options: ImagesOptions = {}, ...extra: never[]): Promise<ImageSets> {
  const settings = imageSettings(options, extra);
  const path = folderPath('images', folder);
  settings.signal?.throwIfAborted();
  return readImagePair(await readable(path, settings), settings);
}

/** The sets of a folder, which may lack either; nothing is held out. */
export async function readImageFolder(folder: string, options: ImagesOptions = {}): Promise<ReadImages> {
  const settings = imageSettings(options, []);
  return readImages(await readable(folder, settings), settings);
}

async function readable(folder: string, settings: ImageSettings): Promise<Readable> {
  const name = basename(resolve(folder)) || 'images';
  const pathOf = ({ path }: ListedImage) => join(folder, path);
  return {
    ...listImages(await imageFiles(folder), settings),
    name,
    where: folder,
    source: `${name}, read from the folder ${folder}`,
    shown: pathOf,
    decode: (image) => decodeFile(pathOf(image)),
  };
}

async function decodeFile(path: string): Promise<Decoded> {
  return decodeImage(bytesOf(path));
}

/** The most bytes of a file. */
const MOST_BYTES = 2 ** 28;

function bytesOf(path: string): Uint8Array {
  try {
    return readWhole(path, MOST_BYTES);
  } catch (error) {
    if (!(error instanceof FileError)) throw error;
    // `PATH: cannot read: REASON. ADVICE (CODE).`, of which the reader adds the path.
    throw new BadImage(error.message.slice(path.length + 2).replace(/\.$/, ''), { cause: error });
  }
}
