// Images in a page as data sets: files of a chosen folder, or images with labels. The browser decodes them; resizing and all that follows
// are the same as in Node.
import { DataError, OptionError } from '../graph/errors.ts';
import { show } from '../graph/options.ts';
import { BadImage, imageHeader } from './image-header.ts';
import { type ListedImage, listImages } from './image-listing.ts';
import { type ImagesOptions, imageSettings } from './image-options.ts';
import { type Decoded, type ImageSets, readImagePair } from './image-sets.ts';
import type { Raster } from './raster.ts';

/** A `File` or `Blob`. */
export interface ImageFile {
  /** The file's name. */
  readonly name?: string;
  /** `folder/class/name` for the files of an `<input type="file" webkitdirectory>`. */
  readonly webkitRelativePath?: string;
  /** The file's bytes. */
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** An `ImageData`, or an `ImageBitmap`, a canvas, an `<img>` or a `<video>`. */
export interface ImagePixels {
  /** Pixels in a row. */
  readonly width: number;
  /** Rows. */
  readonly height: number;
  /** RGBA bytes, of an `ImageData`. */
  readonly data?: unknown;
}

/** An image and the name of its class. */
export interface LabelledImage {
  /** The image. */
  readonly image: ImageFile | ImagePixels;
  /** The name of its class. */
  readonly label: string;
}

/** An image of a page: where it is in a listing, and what messages call it. */
interface PageImage {
  readonly path: string;
  readonly shown: string;
  readonly image: ImageFile | ImagePixels;
}

/**
 * Images with labels, or the files of an `<input type="file" webkitdirectory>`, whose folders are the classes: a folder for each class, in
 * the chosen folder itself or in its `train` and `test`. x (size, height, width, channels) bytes, y (size) class indices; without a test
 * set, a tenth of each class is held out. It also works in a worker. @throws DataError if an image cannot be used, sizes or channels
 * differ, or a class is missing; OptionError; the signal's reason.
 */
export async function images(
  sources: Iterable<ImageFile | LabelledImage>,
  options: ImagesOptions = {},
  ...extra: never[]
): Promise<ImageSets> {
  const settings = imageSettings(options, extra);
  const listed = new Map(pageImages(sources).map((image) => [image.path, image]));
  const where = 'images';
  const imageOf = ({ path }: ListedImage) => listed.get(path)!;
  const draw = drawing();
  const readable = {
    ...listImages({ folder: where, images: [...listed.keys()] }, settings),
    name: where,
    where,
    source: 'Images of the page',
    shown: (image: ListedImage) => imageOf(image).shown,
    decode: (image: ListedImage) => decode(imageOf(image).image, draw),
  };
  return readImagePair(readable, settings);
}

function pageImages(sources: Iterable<ImageFile | LabelledImage>): PageImage[] {
  if (typeof sources !== 'object' || sources === null || !(Symbol.iterator in sources))
    throw new OptionError(`images: the images are ${show(sources)}. Give files, or a list of { image, label }.`);
  return [...sources].flatMap((source, k) => {
    if (isFile(source)) return fromFolder(source);
    const { image, label } = (source ?? {}) as Partial<LabelledImage>;
    const fits = isFile(image) || (typeof image?.width === 'number' && typeof image.height === 'number');
    if (!fits || typeof label !== 'string' || label === '' || label.includes('/'))
      throw new OptionError(
        `images: image ${k} is ${fits ? `labelled ${show(label)}` : show(source)}. Give a file or { image, label }, where the image is a File, an ImageData, an ImageBitmap or a canvas, and the label the name of its class, without '/'.`,
      );
    const name = isFile(image) && image.name ? image.name : `image ${k}`;
    // In the order that they are given.
    return [{ path: `${label}/${String(k).padStart(9, '0')}`, shown: `${name} (${label})`, image: image! }];
  });
}

const isFile = (value: unknown): value is ImageFile =>
  typeof (value as ImageFile | undefined | null)?.arrayBuffer === 'function';

/** Endings of files that browsers decode, in no hidden folder. */
const IMAGE = /^(?!.*(^|\/)(\.|__MACOSX\/)).*\.(png|jpe?g|jfif|gif|webp|bmp|avif)$/i;

/** A file of a folder, if it is an image. The path begins with the chosen folder's name. */
function fromFolder(file: ImageFile): PageImage[] {
  const { name = 'a file', webkitRelativePath: shown = '' } = file;
  if (shown === '')
    throw new OptionError(
      `images: ${name} is in no folder, so its class is unknown. Give { image: file, label }, or files of an <input type="file" webkitdirectory>.`,
    );
  const path = shown.slice(shown.indexOf('/') + 1);
  return IMAGE.test(path) ? [{ path, shown, image: file }] : [];
}

type Draw = (image: ImagePixels, height: number, width: number) => Raster;

async function decode(image: ImageFile | ImagePixels, draw: Draw): Promise<Decoded> {
  if (!isFile(image)) {
    const { width, height, data } = image;
    const given = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : undefined;
    const [tall, wide] = sidesOf(image);
    return { raster: given ? { height, width, data: given } : draw(image, tall, wide), channels: 3 };
  }
  const bytes = new Uint8Array(await image.arrayBuffer());
  const header = imageHeader(bytes);
  const bitmap = await createImageBitmap(new Blob([bytes]), {
    imageOrientation: 'from-image',
    premultiplyAlpha: 'none',
    colorSpaceConversion: 'none',
  }).catch((cause) => {
    throw new BadImage('the browser cannot decode it. Convert it to PNG or JPEG, or remove it', { cause });
  });
  const channels = header?.channels === 1 ? 1 : 3;
  try {
    return { raster: draw(bitmap, bitmap.height, bitmap.width), channels };
  } finally {
    bitmap.close();
  }
}

/** Height and width of the pixels, which an element may show in another size. */
function sidesOf(image: ImagePixels): [number, number] {
  const { naturalHeight, naturalWidth, videoHeight, videoWidth } = image as Partial<
    HTMLImageElement & HTMLVideoElement
  >;
  return [naturalHeight ?? videoHeight ?? image.height, naturalWidth ?? videoWidth ?? image.width];
}

/** Reads pixels by drawing on a canvas, which is made for the first image. */
function drawing(): Draw {
  let canvas: OffscreenCanvas | HTMLCanvasElement | undefined;
  return (image, height, width) => {
    if (height === 0 || width === 0) throw new BadImage('it has no pixels yet. Wait until it is loaded');
    canvas ??= 'OffscreenCanvas' in globalThis ? new OffscreenCanvas(1, 1) : document.createElement('canvas');
    canvas.width = width; // which clears it
    canvas.height = height;
    const context = canvas.getContext('2d', { willReadFrequently: true }) as OffscreenCanvasRenderingContext2D | null;
    if (!context)
      throw new DataError(`images: no canvas of ${height} x ${width} pixels can be had. Use smaller images.`);
    context.drawImage(image as ImageBitmap, 0, 0);
    try {
      const { data } = context.getImageData(0, 0, width, height);
      return { height, width, data };
    } catch (cause) {
      throw new BadImage('the page may not read an image of another site. Serve it with CORS headers', { cause });
    }
  };
}
