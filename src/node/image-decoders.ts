// Decoders of PNG and JPEG files: WebAssembly builds of Rust's png crate and of MozJPEG (libjpeg-turbo's results, as browsers and Pillow have
// them), loaded when the first image of their format comes.
import { createRequire } from 'node:module';
import { crc32 } from 'node:zlib';
import { BadImage, imageHeader, otherFormat, pngChunks } from '../data/image-header.ts';
import type { Decoded } from '../data/image-sets.ts';
import type { Raster } from '../data/raster.ts';
import { OptionError } from '../graph/errors.ts';
import { readWhole } from './read-file.ts';

type Decode = (bytes: Uint8Array) => Promise<Raster>;

const decoders: { PNG?: Promise<Decode>; JPEG?: Promise<Decode> } = {};

/** Decodes a PNG or JPEG file; EXIF orientation is applied. @throws BadImage; OptionError if JPEG's decoder is not installed */
export async function decodeImage(bytes: Uint8Array): Promise<Decoded> {
  const header = imageHeader(bytes);
  if (!header) throw new BadImage(`it is ${otherFormat(bytes)}. Convert it to PNG or JPEG, or remove it`);
  const { format, channels } = header;
  if (channels === 'cmyk') throw new BadImage('it is a CMYK JPEG, for print. Convert it to RGB, or remove it');
  decoders[format] ??= format === 'PNG' ? pngDecoder() : jpegDecoder();
  const decode = await decoders[format].catch((error) => {
    delete decoders[format]; // It may be installed meanwhile.
    throw error;
  });
  return { raster: await decode(bytes), channels };
}

/** A package's WebAssembly: in Node its own code would fetch it, which needs a server. */
async function compiled(path: string): Promise<WebAssembly.Module> {
  const { resolve } = createRequire(import.meta.url);
  return WebAssembly.compile(readWhole(resolve(path)));
}

async function pngDecoder(): Promise<Decode> {
  const { decode, init } = await import('@jsquash/png/decode.js');
  await init(await compiled('@jsquash/png/codec/pkg/squoosh_png_bg.wasm'));
  return async (bytes) => {
    checkSums(bytes);
    return decode(bytes as never).catch((cause) => {
      throw new BadImage('its PNG data cannot be decoded. Repair or remove it', { cause });
    });
  };
}

/** The decoder does not compare checksums. */
function checkSums(bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { type, at, crc } of pngChunks(bytes))
    if (crc32(bytes.subarray(at, crc)) !== view.getUint32(crc))
      throw new BadImage(`its PNG chunk ${type} at offset ${at - 4} has a wrong checksum. Repair or remove it`);
}

/** What libjpeg warns of, of an image that is not whole; its other warnings are harmless. */
const DAMAGED = /premature end|bad huffman/i;

async function jpegDecoder(): Promise<Decode> {
  const { default: decode, init } = await importJpeg();
  const module = await compiled('@jsquash/jpeg/codec/dec/mozjpeg_dec.wasm');
  let said = '';
  // The types know the overrides alone.
  const begin = () =>
    (init as (...args: unknown[]) => Promise<void>)(module, { printErr: (text: string) => (said = text) });
  const damaged = (reason: string, cause?: unknown) =>
    new BadImage(`its JPEG data cannot be decoded (${reason}). Repair or remove it`, { cause });
  await begin();
  const decodeOne: Decode = async (bytes) => {
    said = '';
    const image: Raster = await decode(bytes as never, { preserveOrientation: true }).catch(async (error) => {
      // An error ends libjpeg's program, so that it begins again.
      await begin();
      throw damaged(said || 'unknown reason', error);
    });
    if (DAMAGED.test(said)) throw damaged(said);
    return image;
  };
  // One after the other, so that a warning belongs to its image.
  let last: Promise<unknown> = Promise.resolve();
  return (bytes) => {
    const next = last.then(() => decodeOne(bytes));
    last = next.catch(() => {});
    return next;
  };
}

/** Bundlers must not fail if the optional package is missing: esbuild looks for the `catch`, webpack for the comment. */
function importJpeg() {
  return import(/* webpackIgnore: true */ '@jsquash/jpeg/decode.js').catch(explainImport);
}

function explainImport(cause: unknown): never {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === 'ERR_MODULE_NOT_FOUND' ? 'is not installed' : `cannot be loaded (${message})`;
  throw new OptionError(
    `images: JPEG files need the package @jsquash/jpeg, which ${why}. Run: npm install @jsquash/jpeg.`,
    { cause },
  );
}
