// The pictures of `thalweg predict`: PNG, JPEG and IDX files, each as examples of the shape that a network takes.

import type { Values } from '../data/dataset.ts';
import { idxImages } from '../data/idx-set.ts';
import { BadImage } from '../data/image-header.ts';
import { type Channels, fitted, withChannels } from '../data/raster.ts';
import { DataError, OptionError } from '../graph/errors.ts';
import { type Shape, sizeOf } from '../graph/shape.ts';
import { readIdx } from '../node/data-idx.ts';
import { FileError } from '../node/file-error.ts';
import { decodeImage } from '../node/image-decoders.ts';
import { readWhole } from '../node/read-file.ts';
import { arePictures, shapeText } from './trainable.ts';

/** The examples of a file, (n, ...example). */
export interface FileExamples extends Values<Uint8Array | Float32Array> {
  readonly file: string;
  /** Whether they are those of an IDX file, which are numbered. */
  readonly numbered: boolean;
}

/** How files are prepared. */
export interface Preparation {
  /** The shape of an example. */
  readonly example: Shape;
  /** Of the picture behind it, (H, W, C). */
  readonly picture: Shape;
  readonly transpose: boolean;
}

/** The most bytes of a picture's file. */
const MOST_BYTES = 2 ** 28;

/** The picture behind examples of a shape: rows of numbers are taken for a square picture, grey or in colour. @throws OptionError */
export function pictureOf(name: string, example: Shape): Shape {
  if (arePictures(example)) return example;
  const numbers = sizeOf(example);
  for (const channels of [1, 3]) {
    const side = Math.sqrt(numbers / channels);
    if (Number.isInteger(side)) return [side, side, channels];
  }
  throw new OptionError(`predict: ${name} takes ${shapeText(example)} numbers, which are no square picture.`);
}

/** Reads a file. @throws FileError; DataError if it is none that can be read, or of another size */
export async function readExamples(file: string, preparation: Preparation): Promise<FileExamples> {
  const bytes = readWhole(file, MOST_BYTES);
  const isIdx = (bytes[0] === 0 && bytes[1] === 0) || (bytes[0] === 0x1f && bytes[1] === 0x8b);
  const { example } = preparation;
  const { shape, data } = isIdx ? await fromIdx(file, preparation) : await fromPicture(file, bytes, preparation);
  return { file, numbered: isIdx, shape: [shape[0]!, ...example], data };
}

async function fromIdx(file: string, { picture, transpose }: Preparation) {
  const found = idxImages({ file, ...(await readIdx(file)) }, transpose);
  const [, ...own] = found.shape;
  if (shapeText(own) !== shapeText(picture))
    throw new DataError(
      `${file}: its images are ${shapeText(own)}, but the network takes ${shapeText(picture)}. Give images of that size.`,
    );
  return found;
}

async function fromPicture(file: string, bytes: Uint8Array, { picture: [H, W, C] }: Preparation) {
  try {
    const { raster } = await decodeImage(bytes);
    const { data } = fitted(withChannels(raster, C as Channels), C as Channels, [H!, W!], 'crop');
    return { shape: [1, H!, W!, C!], data: data as Uint8Array };
  } catch (error) {
    if (!(error instanceof BadImage)) throw error;
    throw new DataError(`${file}: ${error.message}.`, { cause: error });
  }
}

/** Whether an error is about a file, so that others may still be read. */
export function isOfFile(error: unknown): error is DataError | FileError {
  return error instanceof DataError || error instanceof FileError;
}
