// PNG files for tests: any colour type and bit depth, palettes, transparency and interlacing.
import { crc32, deflateSync } from 'node:zlib';

/** A picture's samples, row by row, and how its file stores them. */
export interface Png {
  readonly width: number;
  readonly height: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha. */
  readonly colour: 0 | 2 | 3 | 4 | 6;
  /** Bits per sample. Default 8. */
  readonly bits?: 1 | 2 | 4 | 8 | 16;
  readonly samples: ArrayLike<number>;
  /** R, G and B of each colour of the palette. */
  readonly palette?: readonly number[];
  /** The bytes of a tRNS chunk. */
  readonly transparent?: readonly number[];
  /** Whether the rows are stored in Adam7's seven passes. Default false. */
  readonly interlaced?: boolean;
  /** The bytes of IDAT. Default: the samples, deflated. */
  readonly data?: readonly number[];
}

const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;
/** The first column and row of each pass, and the steps between them. */
const ADAM7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

export function pngOf(png: Png): Uint8Array<ArrayBuffer> {
  const { width, height, colour, bits = 8, palette, transparent, interlaced = false, data } = png;
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  for (const [k, byte] of [bits, colour, 0, 0, interlaced ? 1 : 0].entries()) header.setUint8(8 + k, byte);
  return Uint8Array.from([
    ...[137, 80, 78, 71, 13, 10, 26, 10],
    ...chunk('IHDR', [...new Uint8Array(header.buffer)]),
    ...(palette ? chunk('PLTE', palette) : []),
    ...(transparent ? chunk('tRNS', transparent) : []),
    ...chunk('IDAT', data ?? [...deflateSync(Uint8Array.from(rowsOf(png)))]),
    ...chunk('IEND', []),
  ]);
}

function chunk(type: string, data: readonly number[]): number[] {
  const body = Uint8Array.from([...Buffer.from(type), ...data]);
  const ends = new DataView(new ArrayBuffer(8));
  ends.setUint32(0, data.length);
  ends.setUint32(4, crc32(body));
  const bytes = [...new Uint8Array(ends.buffer)];
  return [...bytes.slice(0, 4), ...body, ...bytes.slice(4)];
}

/** The rows of every pass, each with filter 0. */
function rowsOf({ width, height, colour, bits = 8, samples, interlaced }: Png): number[] {
  const C = CHANNELS[colour];
  const passes = interlaced ? ADAM7 : ([[0, 0, 1, 1]] as const);
  const rows: number[] = [];
  for (const [left, top, stepX, stepY] of passes) {
    if (left >= width) continue;
    for (let y = top; y < height; y += stepY) {
      const row: number[] = [];
      for (let x = left; x < width; x += stepX) for (let c = 0; c < C; c++) row.push(samples[(y * width + x) * C + c]!);
      rows.push(0, ...packed(row, bits));
    }
  }
  return rows;
}

/** Samples as bytes, the first in the highest bits. */
function packed(row: readonly number[], bits: number): number[] {
  if (bits === 16) return row.flatMap((sample) => [sample >> 8, sample & 255]);
  const bytes = new Array<number>(Math.ceil((row.length * bits) / 8)).fill(0);
  for (const [k, sample] of row.entries())
    bytes[Math.floor((k * bits) / 8)]! |= sample << (8 - bits - ((k * bits) % 8));
  return bytes;
}
