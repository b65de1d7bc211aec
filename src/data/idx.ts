// IDX, the format of MNIST and its relatives: two zero bytes, a type, a rank, the sizes (big-endian), then the numbers.
// Every fault names the file, the offset, what was expected and what was found.
import { DataError } from '../graph/errors.ts';
import { checkLabels, type DataSet, makeDataset, type Scale } from './dataset.ts';

/** The most bytes of numbers that an IDX file may say it holds. */
export const MAX_IDX_BYTES = 2 ** 30;

const U8 = 0x08;
const OTHER_TYPES: Readonly<Record<number, string>> = {
  9: 'signed bytes',
  11: '16-bit integers',
  12: '32-bit integers',
  13: '32-bit floats',
  14: '64-bit floats',
};

/** A file's array as it is stored. */
export interface IdxArray {
  shape: number[];
  data: Uint8Array;
}

/** Header and data bytes of the file that begins with `head`, or undefined where `head` is too short to tell. */
export function idxLength(head: Uint8Array, file: string): { header: number; total: number } | undefined {
  const header = head.length < 4 ? undefined : 4 + 4 * rankOf(head, file);
  if (header === undefined || head.length < header) return undefined;
  return { header, total: header + shapeOf(head, file).reduce((a, b) => a * b, 1) };
}

/**
 * Holds a file of `size` bytes that begins with `head` against its own header.
 * @throws DataError for another format, a truncated file or bytes too many.
 */
export function checkIdx(head: Uint8Array, file: string, size: number): { header: number; total: number } {
  const length = idxLength(head, file);
  if (length === undefined) {
    const expected = head.length < 4 ? 4 : 4 + 4 * head[3]!;
    throw new DataError(
      `${file}: the header ends at offset ${size}: expected ${expected} bytes, got ${size}. The file is truncated; get it again.`,
    );
  }
  const { header, total } = length;
  if (size !== total) {
    const what = size < total ? 'the data ends' : 'the data should have ended';
    const advice = size < total ? 'The file is truncated; get it again' : 'Remove the bytes after it or get it again';
    throw new DataError(
      `${file}: ${what} at offset ${Math.min(size, total)}: expected ${total - header} bytes for ${shapeOf(head, file).join(' x ')}, got ${size - header}. ${advice}.`,
    );
  }
  return length;
}

/**
 * Reads an IDX file of unsigned bytes with 1 to 4 axes; `data` is a view of `bytes`.
 * @param file what errors call it
 * @throws DataError for another format, a truncated file or bytes too many.
 */
export function parseIdx(bytes: Uint8Array, file: string): IdxArray {
  const { header, total } = checkIdx(bytes, file, bytes.length);
  const shape = shapeOf(bytes, file);
  return { shape, data: new Uint8Array(bytes.buffer, bytes.byteOffset + header, total - header) };
}

function rankOf(head: Uint8Array, file: string): number {
  const magic = Array.from(head.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const [zero, zeroToo, type, rank] = head;
  const got = (expected: string, meaning: string) =>
    new DataError(`${file}: offset 0: expected the IDX magic ${expected}, got ${magic}${meaning}.`);
  if (zero === 0x1f && zeroToo === 0x8b) throw got('00 00 08 0n', ' (gzip). Decompress it first');
  if (zero !== 0 || zeroToo !== 0) throw got('00 00 08 0n', '. This is not an IDX file');
  if (type !== U8)
    throw got(
      `00 00 08 0${rank}`,
      ` (${OTHER_TYPES[type!] ?? 'an unknown type'}). Only unsigned bytes can be read; convert it`,
    );
  if (rank! < 1 || rank! > 4) throw got('00 00 08 01 to 04', ` (${rank} axes). One to four axes can be read`);
  return rank!;
}

function shapeOf(head: Uint8Array, file: string): number[] {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const shape = Array.from({ length: head[3]! }, (_, axis) => view.getUint32(4 + 4 * axis));
  const empty = shape.indexOf(0);
  if (empty >= 0)
    throw new DataError(
      `${file}: offset ${4 + 4 * empty}: expected a size of at least 1, got 0 in ${shape.join(' x ')}. The file holds nothing; get it again.`,
    );
  const bytes = shape.reduce((a, b) => a * b, 1);
  if (bytes > MAX_IDX_BYTES)
    throw new DataError(
      `${file}: offset 4: expected at most ${MAX_IDX_BYTES} bytes of data, got a header that says ${shape.join(' x ')}. Use a smaller set.`,
    );
  return shape;
}

/** An IDX array with the name of its file. */
export interface NamedIdx extends IdxArray {
  file: string;
}

/**
 * Images (n, ...) and labels (n) as a data set whose examples are flat: x (n, pixels).
 * @throws DataError where files are interchanged, counts differ or a label is out of range.
 */
export function idxDataset(
  images: NamedIdx,
  labels: NamedIdx,
  { name, classes, scale }: { name: string; classes: number; scale: Scale },
): DataSet {
  if (images.shape.length === 1)
    throw new DataError(
      `${images.file}: offset 3: expected images with 2 to 4 axes, got 1 axis of ${images.shape[0]}: these are labels. Check the files' names.`,
    );
  if (labels.shape.length !== 1)
    throw new DataError(
      `${labels.file}: offset 3: expected labels with 1 axis, got ${labels.shape.join(' x ')}: these are images. Check the files' names.`,
    );
  const size = images.shape[0]!;
  if (size !== labels.shape[0])
    throw new DataError(
      `${labels.file}: offset 4: expected ${size} labels for the images of ${images.file}, got ${labels.shape[0]}. Take both files from one set.`,
    );
  checkLabels(labels.file, labels.data, classes, 8);
  return makeDataset({
    name,
    x: { shape: [size, images.data.length / size], data: images.data },
    y: { shape: [size], data: labels.data },
    classes,
    scale,
  });
}

/**
 * Training and test set from four arrays: training images and labels, test images and labels.
 * @throws DataError as {@link idxDataset}, and where the images differ in size.
 */
export function idxPair(
  arrays: readonly NamedIdx[],
  meaning: { name: string; classes: number; scale: Scale },
): { train: DataSet; test: DataSet } {
  const [images, labels, testImages, testLabels] = arrays as [NamedIdx, NamedIdx, NamedIdx, NamedIdx];
  const train = idxDataset(images, labels, meaning);
  const test = idxDataset(testImages, testLabels, meaning);
  const sizes = (array: NamedIdx) => array.shape.slice(1).join(' x ');
  if (sizes(images) !== sizes(testImages))
    throw new DataError(
      `${testImages.file}: offset 8: expected images of ${sizes(images)} as in ${images.file}, got ${sizes(testImages)}. Take both files from one set.`,
    );
  return { train, test };
}
