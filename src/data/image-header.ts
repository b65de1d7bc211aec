// What the bytes of an image file say before they are decoded: format, channels, size, and whether the file is whole. Decoders differ in
// what they make of a truncated file; here it is refused.
import type { Channels } from './raster.ts';

/** An image that cannot be used, for a reason that its reader completes with the file's name: `it is truncated. Download it again`. */
export class BadImage extends Error {
  override readonly name = 'BadImage';
}

/** A PNG or JPEG file as its header describes it. */
export interface ImageHeader {
  readonly format: 'PNG' | 'JPEG';
  readonly width: number;
  readonly height: number;
  /** Without transparency; `cmyk` for print. */
  readonly channels: Exclude<Channels, 4> | 'cmyk';
}

/** The most pixels of an image: 8192 x 8192, for which a decoder needs 256 MiB. */
const MOST_PIXELS = 2 ** 26;
const TRUNCATED = 'The file is truncated; replace or remove it';

/** The header of a PNG or JPEG file; undefined for another format. @throws BadImage if the file is truncated or far too large */
export function imageHeader(bytes: Uint8Array): ImageHeader | undefined {
  const header = isPng(bytes) ? pngHeader(bytes) : isJpeg(bytes) ? jpegHeader(bytes) : undefined;
  if (header && header.width * header.height > MOST_PIXELS)
    throw new BadImage(
      `it has ${header.height} x ${header.width} pixels, more than ${MOST_PIXELS}. Scale it down or remove it`,
    );
  return header;
}

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
const isPng = (bytes: Uint8Array) => PNG_SIGNATURE.every((byte, k) => bytes[k] === byte);
const isJpeg = (bytes: Uint8Array) => bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array) => new DataView(buffer, byteOffset, byteLength);

/** A chunk of a PNG file: the offsets of its type, its data and its checksum. */
export interface PngChunk {
  readonly type: string;
  readonly at: number;
  readonly data: number;
  readonly crc: number;
}

/** The chunks of a PNG file up to IEND. @throws BadImage if they end before it */
export function pngChunks(bytes: Uint8Array): PngChunk[] {
  const view = viewOf(bytes);
  const chunks: PngChunk[] = [];
  for (let at = PNG_SIGNATURE.length; at + 12 <= bytes.length; ) {
    const crc = at + 8 + view.getUint32(at);
    if (crc + 4 > bytes.length) break;
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    chunks.push({ type, at: at + 4, data: at + 8, crc });
    if (type === 'IEND') return chunks;
    at = crc + 4;
  }
  throw new BadImage(`its PNG data ends at offset ${bytes.length}, before the chunk IEND. ${TRUNCATED}`);
}

/** The colour types with a single channel beside alpha. */
const GREY = [0, 4];

function pngHeader(bytes: Uint8Array): ImageHeader {
  const [first] = pngChunks(bytes);
  if (first!.type !== 'IHDR' || first!.crc - first!.data !== 13)
    throw new BadImage('its first PNG chunk is not IHDR. Repair or remove it');
  const view = viewOf(bytes);
  const [width, height] = [view.getUint32(first!.data), view.getUint32(first!.data + 4)];
  return { format: 'PNG', width, height, channels: GREY.includes(bytes[first!.data + 9]!) ? 1 : 3 };
}

/** The marker of a frame header, SOF0 to SOF15, among which there are three others. */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
const [SOS, EOI] = [0xda, 0xd9];

function jpegHeader(bytes: Uint8Array): ImageHeader {
  const view = viewOf(bytes);
  let found: ImageHeader | undefined;
  for (let at = 2; at + 4 <= bytes.length; ) {
    const marker = bytes[at + 1]!;
    if (bytes[at] !== 0xff || marker === 0xff) {
      at++; // fill bytes
      continue;
    }
    if (marker === SOS && found) return checkEnd(bytes, at, found);
    if (isFrame(marker) && at + 10 <= bytes.length) {
      const parts = bytes[at + 9]!;
      const channels = parts === 1 ? 1 : parts === 4 ? 'cmyk' : 3;
      found = { format: 'JPEG', height: view.getUint16(at + 5), width: view.getUint16(at + 7), channels };
    }
    at += 2 + view.getUint16(at + 2);
  }
  throw new BadImage(`its JPEG data ends at offset ${bytes.length}, before the image. ${TRUNCATED}`);
}

/** Refuses a file without the marker that ends the image; some have other data behind it. */
function checkEnd(bytes: Uint8Array, from: number, header: ImageHeader): ImageHeader {
  for (let at = bytes.length - 2; at > from; at--) if (bytes[at] === 0xff && bytes[at + 1] === EOI) return header;
  throw new BadImage(`its JPEG data ends at offset ${bytes.length}, without the marker EOI. ${TRUNCATED}`);
}

/** Other formats by their first bytes, as Latin-1. */
const OTHERS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^GIF8/, 'a GIF image'],
  [/^RIFF.{4}WEBP/s, 'a WebP image'],
  [/^BM/, 'a BMP image'],
  [/^(II\*\0|MM\0\*)/, 'a TIFF image'],
  [/^.{4}ftypavi[fs]/s, 'an AVIF image'],
  [/^.{4}ftyp(hei|mif)/s, 'a HEIC image'],
];

/** What a file of another format is: `a GIF image`. */
export function otherFormat(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'empty';
  const head = String.fromCharCode(...bytes.subarray(0, 16));
  const known = OTHERS.find(([pattern]) => pattern.test(head))?.[1];
  const hex = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  return known ?? `neither PNG nor JPEG: it begins with ${hex}`;
}
