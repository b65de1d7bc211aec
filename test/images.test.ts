// Folders of images: classes and splits by folder names, PNG and JPEG of every kind, sizes and channels, and what is refused.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import encodeJpeg, { init } from '@jsquash/jpeg/encode.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ImagesOptions } from '../src/data/image-options.ts';
import { fitted, withChannels } from '../src/data/raster.ts';
import { split } from '../src/data/split.ts';
import { DataError, OptionError } from '../src/graph/errors.ts';
import { readDataFolder } from '../src/node/data-folder.ts';
import { images, readImageFolder } from '../src/node/images.ts';
import { idxOf } from './idx.ts';
import { type Png, pngOf } from './png.ts';

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'thalweg-images-'));
  const encoder = createRequire(import.meta.url).resolve('@jsquash/jpeg/codec/enc/mozjpeg_enc.wasm');
  await init(await WebAssembly.compile(readFileSync(encoder)));
});
afterAll(() => rmSync(root, { recursive: true }));

type Files = Readonly<Record<string, Uint8Array>>;

/** A new folder of files, given by their paths in it; a path that ends with / is an empty folder. */
function folderOf(files: Files): string {
  const folder = mkdtempSync(join(root, 'set-'));
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(path.endsWith('/') ? join(folder, path) : dirname(join(folder, path)), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(join(folder, path), bytes);
  }
  return folder;
}

/** A PNG of 2 x 3 pixels (height x width) in one grey, or in a colour. */
const grey = (value: number, height = 2, width = 3) =>
  pngOf({ width, height, colour: 0, samples: new Array(height * width).fill(value) });
const coloured = (...rgb: number[]) => pngOf({ width: 3, height: 2, colour: 2, samples: [...rgb, ...rgb, ...rgb, ...rgb, ...rgb, ...rgb] }); // biome-ignore format: one line
/** The path of the first image with each label. */
const two = (image: Uint8Array): Files => ({ 'a/1.png': image, 'b/1.png': grey(9) });

const read = (files: Files, options: ImagesOptions = {}) => images(folderOf(files), options);
async function refusal(files: Files, options: ImagesOptions = {}): Promise<string> {
  const error = await read(files, options).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(DataError);
  return (error as Error).message.replace(/\S*set-\w+/, 'SET');
}

/** Ten greys in each of the classes cat and dog. */
const animals: Files = Object.fromEntries(
  ['cat', 'dog'].flatMap((name, c) => Array.from({ length: 10 }, (_, k) => [`${name}/${k}.png`, grey(100 * c + k)])),
);

describe('folders', () => {
  it('with train and test: classes sorted by name, images by path, bytes unscaled', async () => {
    const files = { 'train/b/2.png': grey(2), 'train/b/1.png': grey(1), 'train/a/x/7.PNG': grey(7), 'test/b/3.png': grey(3) }; // biome-ignore format: one line
    const folder = folderOf(files);
    const { train, test, all, classNames, source, skipped } = await images(folder);
    expect([train.x.shape, test.x.shape, all.x.shape]).toEqual([[3, 2, 3, 1], [1, 2, 3, 1], [4, 2, 3, 1]]); // biome-ignore format: one line
    expect([...all.x.data].filter((_, i) => i % 6 === 0)).toEqual([7, 1, 2, 3]);
    expect([all.y, test.y]).toEqual([
      { shape: [4], data: Uint8Array.of(0, 1, 1, 1) },
      { shape: [1], data: Uint8Array.of(1) },
    ]);
    expect([classNames, train.classNames, test.classNames]).toEqual([['a', 'b'], ['a', 'b'], ['a', 'b']]); // biome-ignore format: one line
    expect([train.classes, train.scale, skipped]).toEqual([2, { mean: 0, std: 1 }, []]);
    expect(source).toBe(`${train.name}, read from the folder ${folder}.`);
    expect((await images(pathToFileURL(folder))).all.x).toEqual(all.x);
    // One memory, of which the sets are views.
    expect(train.x.data.buffer).toBe(all.x.data.buffer);
    expect(split(all, 0.5).train.classNames).toEqual(['a', 'b']);
  });

  it.each(['val', 'valid', 'validation'])('with train and %s', async (name) => {
    const { test } = await read({ 'train/a/1.png': grey(1), 'train/b/1.png': grey(2), [`${name}/a/1.png`]: grey(3) });
    expect([...test.x.data]).toEqual(new Array(6).fill(3));
  });

  it('without a test set hold out a tenth of each class, the same each time', async () => {
    const { train, test, source, all } = await read(animals);
    expect([train.size, test.size, [...test.y.data]]).toEqual([18, 2, [0, 1]]);
    expect(source).toMatch(
      /, which holds no test set: 2 of its 20 examples, chosen at random with seed 0, are held out for testing\.$/,
    );
    const firsts = [...all.x.data].filter((_, i) => i % 6 === 0);
    expect([...firsts].sort((a, b) => a - b)).toEqual([...Array(10).keys(), ...Array.from({ length: 10 }, (_, k) => 100 + k)]); // biome-ignore format: one line
    expect((await read(animals)).test.x).toEqual(test.x);
  });

  it('with a test set alone are read for evaluation, not for training', async () => {
    const folder = folderOf({ 'test/a/1.png': grey(1), 'test/b/1.png': grey(2) });
    const found = await readImageFolder(folder);
    expect([found.train, found.test?.size, found.classNames]).toEqual([undefined, 2, ['a', 'b']]);
    await expect(images(folder)).rejects.toThrow(
      /set-\w+: it holds a test set, but no training set\. Put the folder train/,
    );
  });

  it('with links, and with files that are no images', async () => {
    const folder = folderOf({ ...two(grey(1)), 'a/notes.txt': grey(0), 'a/.hidden.png': grey(0), 'top.png': grey(0), '.git/c/1.png': grey(0) }); // biome-ignore format: one line
    symlinkSync(join(folder, 'a'), join(folder, 'c'));
    symlinkSync(folder, join(folder, 'a', 'loop'));
    symlinkSync(join(folder, 'nowhere'), join(folder, 'b', 'broken'));
    const limited = await images(folder, { classes: ['b', 'c'], limit: 1 });
    expect([limited.all.size, limited.classNames]).toEqual([2, ['b', 'c']]);
  });

  it('of classes that are named, in their order; folders of one name are one class', async () => {
    const files = { 'n01/1.png': grey(1), 'n02/1.png': grey(2), 'n03/1.png': grey(3), 'n04/1.png': grey(4) };
    const listed = await read(files, { classes: ['n03', 'n01'] });
    expect([[...listed.all.y.data].sort(), listed.classNames, listed.all.classes]).toEqual([[0, 1], ['n03', 'n01'], 2]); // biome-ignore format: one line
    const named = await read(files, { classes: { n02: 'dog', n01: 'cat', n04: 'dog' } });
    const pairs = Array.from(named.all.y.data, (label, i) => `${named.all.x.data[6 * i]} ${named.classNames[label]}`);
    expect(pairs.sort()).toEqual(['1 cat', '2 dog', '4 dog']);
    expect(await refusal(files, { classes: ['n01', 'no2'] })).toBe(
      "SET: it has no folder 'no2'. Did you mean 'n02'? It has 'n01', 'n02', 'n03', 'n04'.",
    );
  });

  it('of more than 256 classes have labels of 16 bits', async () => {
    const files = Object.fromEntries(Array.from({ length: 257 }, (_, k) => [`${1000 + k}/1.png`, grey(k % 256)]));
    const { all, train, test } = await read(files, { limit: 1 });
    expect([all.y.data.constructor, all.classes, train.size + test.size]).toEqual([Uint16Array, 257, 257]);
    expect([...all.y.data].sort((a, b) => a - b)).toEqual([...Array(257).keys()]);
  });

  it.each<[string, Files, ImagesOptions, string]>([
    ['no images', { 'a/': grey(0) }, {}, "SET: it has a single class, a, which leaves nothing to learn. Give the folder that holds a folder for each class."], // biome-ignore format: one line
    ['nothing', {}, {}, 'SET: it holds no images. Put the images of each class into a folder of its name.'],
    ['images alone', { '1.png': grey(0) }, {}, 'SET: it holds images, but no sub-folders. Put the images of each class into a folder of its name.'], // biome-ignore format: one line
    ['one class', { 'train/a/1.png': grey(0), 'test/a/1.png': grey(0) }, {}, 'SET/train: it has a single class, a, which leaves nothing to learn. Give the folder that holds a folder for each class.'], // biome-ignore format: one line
    ['an empty class', { ...two(grey(0)), 'c/': grey(0) }, {}, 'SET/c: it holds no images. Put some there, remove the folder, or name the classes to read with { classes }.'], // biome-ignore format: one line
    ['another class in test', { 'train/a/1.png': grey(0), 'train/b/1.png': grey(0), 'test/c/1.png': grey(0) }, {}, "SET: test has the class 'c', which train has not. Use the same class folders in both."], // biome-ignore format: one line
    ['two sizes', { 'a/1.png': grey(0), 'b/1.png': grey(0, 5, 4), 'b/2.png': grey(0) }, {}, 'SET/b/1.png: it has 5 x 4 pixels (height x width), but SET/a/1.png has 2 x 3. Pass a size for all, such as { size: 2 }.'], // biome-ignore format: one line
    ['grey and colour', { 'a/1.png': grey(0), 'b/1.png': coloured(1, 2, 3), 'b/2.png': grey(0) }, {}, 'SET/b/1.png: it is in colour (3 channels), but SET/a/1.png is grey (1 channel). Pass { channels: 3 } or { channels: 1 }.'], // biome-ignore format: one line
  ])('are refused with %s', async (_, files, options, message) => {
    const folder = folderOf(files);
    const refused = (await images(folder, options).catch((error: unknown) => error)) as Error;
    expect(refused).toBeInstanceOf(DataError);
    expect(refused.message.replaceAll(folder, 'SET')).toBe(message);
  });

  it('are refused where there is no memory for them', async () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, k) => [`${k % 2}/${k}.png`, grey(k)]));
    expect(await refusal(many, { size: 8192, channels: 4 })).toBe(
      'images: no memory for 40 images of 8192 x 8192 x 4, 10737418240 bytes. Pass a smaller size, or a limit.',
    );
  });

  it('are refused where there are none', async () => {
    await expect(images(join(root, 'none'))).rejects.toThrow(/none: there is no such folder\. Check the path\.$/);
    writeFileSync(join(root, 'file'), '');
    await expect(images(join(root, 'file'))).rejects.toThrow(
      /file: it is a file\. Give a folder with a sub-folder for/,
    );
  });

  it('report progress, and stop when told', async () => {
    const progress: number[][] = [];
    await read(animals, { onProgress: (...call) => progress.push(call) });
    expect(progress.at(-1)).toEqual([20, 20]);
    await expect(read(animals, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough');
    const abort = new AbortController();
    const slow = read(animals, { signal: abort.signal });
    setTimeout(() => abort.abort(new Error('enough')));
    await expect(slow).rejects.toThrow('enough');
  });

  it.each<[ImagesOptions, string]>([
    [{ size: 0 }, 'images: size is 0. Give a whole number of pixels from 1 to 8192, or [height, width].'],
    [
      { size: [2] as never },
      'images: size is an array. Give a whole number of pixels from 1 to 8192, or [height, width].',
    ],
    [{ channels: 2 as never }, 'images: channels is 2. Use 1 (grey), 3 (RGB) or 4 (RGBA).'],
    [{ classes: ['a', 'a'] }, "images: classes has 'a' twice. Leave out one of them."],
    [
      { classes: { a: 'x', b: 'x' } },
      'images: classes has fewer than 2 classes, which leaves nothing to learn. Name at least 2.',
    ],
    [
      { scale: { mean: 0, std: 0 } },
      'scale: std is 0. Give a finite number above 0, or a list of one for each channel.',
    ],
  ])('refuse the options %j', async (options, message) => {
    const refused = read(two(grey(0)), options);
    await expect(refused).rejects.toThrow(OptionError);
    await expect(refused).rejects.toThrow(message);
  });
});

describe('PNG files', () => {
  /** The pixels of an image of 2 x 3 in RGB, or otherwise. */
  async function pixelsOf(png: Omit<Png, 'width' | 'height'>, options: ImagesOptions = {}): Promise<number[]> {
    const { all } = await read(two(pngOf({ width: 3, height: 2, ...png })), { channels: 3, ...options });
    const first = all.y.data[0] === 0 ? 0 : 1;
    const bytes = all.x.data.length / 2;
    return [...all.x.data.subarray(first * bytes, (first + 1) * bytes)];
  }
  const each = (values: number[], times: number) => values.flatMap((v) => new Array(times).fill(v));
  const RGB = Array.from({ length: 18 }, (_, i) => i * 13);

  it.each([1, 2, 4, 8, 16] as const)('of grey with %i bits', async (bits) => {
    const most = 2 ** bits - 1;
    const samples = [0, 1, most, most - 1, 0, 1].map((v) => Math.min(v, most));
    const wanted = samples.map((v) => (bits === 16 ? v >> 8 : Math.round((v * 255) / most)));
    expect(await pixelsOf({ colour: 0, bits, samples })).toEqual(each(wanted, 3));
    expect(await pixelsOf({ colour: 0, bits, samples }, { channels: 1 })).toEqual(wanted);
    expect(await pixelsOf({ colour: 0, bits, samples, interlaced: true }, { channels: 1 })).toEqual(wanted);
  });

  it('of RGB, with 8 and 16 bits, interlaced or not', async () => {
    expect(await pixelsOf({ colour: 2, samples: RGB })).toEqual(RGB);
    expect(await pixelsOf({ colour: 2, samples: RGB, interlaced: true })).toEqual(RGB);
    expect(await pixelsOf({ colour: 2, bits: 16, samples: RGB.map((v) => v * 256 + 200) })).toEqual(RGB);
  });

  it.each([2, 8] as const)('of a palette with %i bits, in colour even where the other is grey', async (bits) => {
    const palette = [1, 2, 3, 40, 50, 60, 200, 210, 220];
    const samples = [0, 1, 2, 2, 1, 0];
    const wanted = samples.flatMap((k) => palette.slice(3 * k, 3 * k + 3));
    expect(await pixelsOf({ colour: 3, bits, samples, palette })).toEqual(wanted);
    expect(await refusal(two(pngOf({ width: 3, height: 2, colour: 3, bits, samples, palette })))).toMatch(/it is/);
    // Transparent on white, and half transparent.
    const [first, second] = await pixelsOf({ colour: 3, bits, samples, palette, transparent: [0, 128] }).then((p) => [p.slice(0, 3), p.slice(3, 6)]); // biome-ignore format: one line
    expect([first, second]).toEqual([[255, 255, 255], [147, 152, 157]]); // biome-ignore format: one line
  });

  it('with alpha: composited on white, or kept', async () => {
    const samples = [10, 20, 30, 255, 10, 20, 30, 0, 10, 20, 30, 51, ...new Array(12).fill(255)];
    expect((await pixelsOf({ colour: 6, samples })).slice(0, 9)).toEqual([10, 20, 30, 255, 255, 255, 206, 208, 210]);
    expect(await pixelsOf({ colour: 6, samples }, { channels: 4 })).toEqual(samples);
    const withAlpha = [10, 255, 10, 0, 10, 51, 255, 255, 255, 255, 255, 255];
    expect((await pixelsOf({ colour: 4, samples: withAlpha }, { channels: 1 })).slice(0, 3)).toEqual([10, 255, 206]);
    // A colour that is declared transparent.
    const keyed = await pixelsOf({ colour: 2, samples: RGB, transparent: [0, 0, 0, 13, 0, 26] });
    expect(keyed).toEqual([255, 255, 255, ...RGB.slice(3)]);
  });

  it('in grey as Pillow converts colours', async () => {
    const colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 200, 100, 50, 1, 1, 1];
    expect(await pixelsOf({ colour: 2, samples: colours }, { channels: 1 })).toEqual([76, 150, 29, 18, 124, 1]);
  });
});

describe('JPEG files', () => {
  const jpegOf = async (rgb: (row: number, column: number) => number[], height: number, width: number) => {
    const data = Uint8ClampedArray.from({ length: 4 * height * width }, (_, i) => {
      const pixel = Math.floor(i / 4);
      return [...rgb(Math.floor(pixel / width), pixel % width), 255][i % 4]!;
    });
    const options = { quality: 100, auto_subsample: false, chroma_subsample: 1 };
    return new Uint8Array(await encodeJpeg({ data, width, height, colorSpace: 'srgb' } as never, options));
  };
  const halves = (row: number) => (row < 8 ? [250, 10, 10] : [10, 10, 250]);
  /** A JPEG file with an EXIF orientation. */
  const turned = (jpeg: Uint8Array, orientation: number) => {
    const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0];
    const exif = [0x45, 0x78, 0x69, 0x66, 0, 0, ...tiff];
    return Uint8Array.from([...jpeg.subarray(0, 2), 0xff, 0xe1, 0, exif.length + 2, ...exif, ...jpeg.subarray(2)]);
  };
  /** Where the decoded image is red: `top`, `left` and so on. */
  async function redSide(jpeg: Uint8Array): Promise<string> {
    const { all } = await read({ 'a/1.jpg': jpeg, 'b/1.jpg': jpeg });
    const [, H, W] = all.x.shape as [number, number, number, number];
    const red = (row: number, column: number) => all.x.data[(row * W + column) * 3]! > 128;
    const corners = [red(0, 0), red(0, W - 1), red(H - 1, 0), red(H - 1, W - 1)].map(Number).join('');
    return `${H} x ${W} ${({ 1100: 'top', 11: 'bottom', 1010: 'left', 101: 'right' } as Record<string, string>)[Number(corners)]}`;
  }

  it('in colour and in grey', async () => {
    const { all } = await read({
      'a/1.jpg': await jpegOf(halves, 16, 8),
      'b/1.JPEG': await jpegOf(() => [90, 90, 90], 16, 8),
    });
    expect(all.x.shape).toEqual([2, 16, 8, 3]);
    const [red, greyOne] = all.y.data[0] === 0 ? [0, 1] : [1, 0];
    const at = (image: number, row: number) => [...all.x.data.subarray((image * 128 + row * 8) * 3, (image * 128 + row * 8) * 3 + 3)]; // biome-ignore format: one line
    for (const [
      got,
      wanted,
    ] of [[at(red, 0), [250, 10, 10]], [at(red, 15), [10, 10, 250]], [at(greyOne, 4), [90, 90, 90]]] as const) // biome-ignore format: one line
      for (const c of [0, 1, 2]) expect(Math.abs(got[c]! - wanted[c]!)).toBeLessThanOrEqual(4);
  });

  it('are turned as their EXIF orientation says', async () => {
    const jpeg = await jpegOf(halves, 16, 8);
    expect(await redSide(jpeg)).toBe('16 x 8 top');
    expect(await redSide(turned(jpeg, 1))).toBe('16 x 8 top');
    expect(await redSide(turned(jpeg, 3))).toBe('16 x 8 bottom');
    expect(await redSide(turned(jpeg, 6))).toBe('8 x 16 right');
    expect(await redSide(turned(jpeg, 8))).toBe('8 x 16 left');
  });

  it('with a name of PNG, and PNG with a name of JPEG', async () => {
    const files = { 'a/1.png': await jpegOf(() => [0, 0, 0], 2, 3), 'b/1.jpg': coloured(1, 2, 3) };
    expect((await read(files)).all.x.shape).toEqual([2, 2, 3, 3]);
  });

  it('that are damaged are refused by name, or left out and counted', async () => {
    const jpeg = await jpegOf((row, column) => [row * 4, column * 4, (row * column) % 256], 64, 64);
    const cut = jpeg.slice(0, jpeg.length - 100);
    // The data ends too early, but the marker is there.
    const short = Uint8Array.from([...cut, 0xff, 0xd9]);
    const print = jpeg.slice();
    const frame = jpeg.findIndex((byte, k) => byte === 0xff && [0xc0, 0xc1, 0xc2].includes(jpeg[k + 1]!));
    print[frame + 9] = 4;
    const noTables = Uint8Array.from([...jpeg.subarray(0, 2), ...jpeg.subarray(frame)]);
    const bad: [string, Uint8Array, RegExp][] = [
      [
        'cut.jpg',
        cut,
        /its JPEG data ends at offset \d+, without the marker EOI\. The file is truncated; replace or remove it/,
      ],
      ['short.jpg', short, /its JPEG data cannot be decoded \(.*[Pp]remature end.*\)\. Repair or remove it/],
      ['head.jpg', jpeg.slice(0, 40), /its JPEG data ends at offset 40, before the image/],
      ['tables.jpg', noTables, /its JPEG data cannot be decoded \(Quantization table 0x00 was not defined\)/],
      ['print.jpg', print, /it is a CMYK JPEG, for print\. Convert it to RGB, or remove it/],
      [
        'page.jpg',
        new TextEncoder().encode('<html>404'),
        /it is neither PNG nor JPEG: it begins with 3c 68 74 6d\. Convert it/,
      ],
      ['empty.jpg', new Uint8Array(0), /it is empty\./],
      ['old.gif', new TextEncoder().encode('GIF89a'), /it is a GIF image\. Convert it to PNG or JPEG, or remove it/],
      ['new.webp', new TextEncoder().encode('RIFF\0\n\0\0WEBP'), /it is a WebP image\./],
    ];
    for (const [name, bytes, message] of bad) {
      const text = await refusal({ 'a/1.jpg': jpeg, 'b/1.jpg': jpeg, [`b/${name}`]: bytes });
      expect(text).toMatch(message);
      expect(text.startsWith(`SET/b/${name}: `)).toBe(true);
      expect(text).toMatch(/, or pass \{ skipBad: true \} to leave out such files\.$/);
    }
    const files = Object.fromEntries(bad.map(([name, bytes]) => [`train/b/${name}`, bytes]));
    const good = { 'train/a/1.jpg': jpeg, 'train/b/1.jpg': jpeg, 'test/a/1.jpg': jpeg };
    const { train, test, source, skipped } = await read({ ...good, ...files }, { skipBad: true });
    expect([train.size, test.size, [...train.y.data]]).toEqual([2, 1, [0, 1]]);
    expect(source).toMatch(/; 9 files that cannot be read are left out\.$/);
    expect(skipped).toHaveLength(9);
    expect(skipped[0]).toMatch(/set-\w+\/train\/b\/cut\.jpg: its JPEG data ends .*remove it\.$/);
    expect(train.x.data.subarray(64 * 64 * 3)).toEqual(test.x.data);
    // After some hundred errors the decoder would fail if it did not begin again after each.
    const many = Object.fromEntries(Array.from({ length: 120 }, (_, k) => [`train/a/0${k}.jpg`, noTables]));
    expect((await read({ ...good, ...many }, { skipBad: true })).skipped).toHaveLength(120);
    const none = { 'train/a/1.jpg': cut, 'train/b/1.jpg': cut, 'test/a/1.jpg': jpeg };
    expect(await refusal(none, { skipBad: true })).toMatch(/^SET: no image of its training set can be read\. Repair/);
    expect(await refusal({ 'a/1.jpg': cut, 'b/1.jpg': cut }, { skipBad: true })).toMatch(
      /^SET: none of its 2 images can be read\. .*\/[ab]\/1\.jpg: its JPEG data ends/,
    );
  });
});

describe('damaged PNG files', () => {
  const whole = pngOf({ width: 3, height: 2, colour: 0, samples: [1, 2, 3, 4, 5, 6] });
  const changed = (at: number, byte: number) => whole.map((old, k) => (k === at ? byte : old));
  it.each<[string, Uint8Array, RegExp]>([
    ['truncated', whole.slice(0, -6), /its PNG data ends at offset \d+, before the chunk IEND\. The file is truncated/],
    ['a head', whole.slice(0, 10), /its PNG data ends at offset 10, before the chunk IEND/],
    [
      'with a flipped bit',
      changed(45, 255),
      /its PNG chunk IDAT at offset 33 has a wrong checksum\. Repair or remove it/,
    ],
    ['of a type that does not exist', changed(25, 5), /its PNG chunk IHDR at offset 8 has a wrong checksum/],
    ['with another chunk first', changed(12, 0x49 ^ 1), /its first PNG chunk is not IHDR/],
    [
      'far too large',
      changed(16, 0x40),
      /it has 2 x 1073741827 pixels, more than 67108864\. Scale it down or remove it/,
    ],
    [
      'with data that are not deflated',
      pngOf({ width: 3, height: 2, colour: 0, samples: [], data: [1, 2, 3] }),
      /its PNG data cannot be decoded/,
    ],
  ])('%s', async (_, bytes, message) =>
    expect(await refusal({ 'a/1.png': grey(0), 'b/1.png': bytes })).toMatch(message),
  );
});

describe('sizes', () => {
  const ramp = (height: number, width: number) => {
    const data = Uint8Array.from({ length: height * width * 4 }, (_, i) =>
      i % 4 === 3 ? 255 : (i * 37 + (i >> 3)) % 256,
    );
    return { height, width, data };
  };

  it('are those of Pillow and torchvision, to the byte', () => {
    for (const { from, to, fit, channels, wanted } of PILLOW) {
      const resized = fitted(withChannels(ramp(...from), channels), channels, to, fit);
      expect([resized.height, resized.width, [...resized.data]], `${from} to ${to}, ${fit}`).toEqual([...to, wanted]);
    }
  });

  it('are square for a number, and keep the proportions or not', async () => {
    const files = { 'a/1.png': grey(50, 4, 8), 'b/1.png': grey(60, 9, 3) };
    expect((await read(files, { size: 4 })).all.x.shape).toEqual([2, 4, 4, 1]);
    expect((await read(files, { size: [3, 5], channels: 3 })).all.x.shape).toEqual([2, 3, 5, 3]);
    // Left half black, right half white: the crop of the middle sees the edge, the whole image is stretched.
    const samples = Array.from({ length: 32 }, (_, i) => (i % 8 < 4 ? 0 : 255));
    const edge = pngOf({ width: 8, height: 4, colour: 0, samples });
    const row = async (fit: 'crop' | 'stretch') => [
      ...(await read({ 'a/1.png': edge, 'b/1.png': edge }, { size: [4, 4], fit })).all.x.data.subarray(0, 4),
    ];
    expect([await row('crop'), await row('stretch')]).toEqual([[0, 0, 255, 255], [0, 32, 223, 255]]); // biome-ignore format: one line
  });
});

interface Resized {
  readonly from: readonly [number, number];
  readonly to: readonly [number, number];
  readonly fit: 'crop' | 'stretch';
  readonly channels: 1 | 3;
  readonly wanted: readonly number[];
}
/** What Pillow 9.4 makes of `ramp`: Image.resize(BILINEAR) of the covering size, then the crop of torchvision's CenterCrop. */
const PILLOW: readonly Resized[] = [
  { from: [7, 5], to: [3, 3], fit: 'crop', channels: 1, wanted: [105, 113, 138, 157, 109, 105, 140, 134, 107] }, // biome-ignore format: one line
  { from: [5, 8], to: [4, 3], fit: 'crop', channels: 3, wanted: [139, 171, 68, 150, 94, 113, 154, 95, 132, 102, 125, 121, 165, 107, 144, 100, 137, 121, 89, 126, 163, 112, 149, 145, 142, 179, 88, 120, 140, 124, 165, 80, 100, 88, 125, 130] }, // biome-ignore format: one line
  { from: [3, 4], to: [5, 7], fit: 'stretch', channels: 1, wanted: [30, 83, 167, 125, 79, 147, 190, 63, 90, 133, 122, 105, 122, 132, 112, 101, 83, 117, 145, 84, 45, 161, 133, 90, 134, 178, 127, 94, 194, 155, 94, 146, 200, 155, 127] }, // biome-ignore format: one line
  { from: [9, 4], to: [4, 4], fit: 'crop', channels: 1, wanted: [194, 86, 206, 127, 97, 168, 61, 209, 102, 71, 143, 35, 184, 76, 196, 117] }, // biome-ignore format: one line
  { from: [2, 3], to: [4, 5], fit: 'crop', channels: 1, wanted: [30, 67, 141, 151, 98, 70, 93, 139, 139, 96, 150, 145, 134, 116, 91, 190, 171, 132, 104, 89] }, // biome-ignore format: one line
];

describe('a folder of data', () => {
  const idx = {
    'train-images-idx3-ubyte': idxOf('u8', [4, 2, 3], [1]),
    'train-labels-idx1-ubyte': idxOf('u8', [4], [0, 1]),
  };
  const record = (label: number) => Uint8Array.from([label, ...new Array(3072).fill(label)]);
  const cifar = Object.fromEntries([...[1, 2, 3, 4, 5].map((k) => `data_batch_${k}`), 'test_batch'].map((name) => [`${name}.bin`, record(2)])); // biome-ignore format: one line

  it('is read as IDX, CIFAR or images, whichever it holds', async () => {
    const sets = async (files: Files) => {
      const { train, test, source } = await readDataFolder(folderOf(files), {
        idx: { images: true },
        images: { limit: 3 },
      });
      return [train?.x.shape, test?.x.shape, /, read from the folder \S*[^.]$/.test(source)];
    };
    expect(await sets(idx)).toEqual([[4, 2, 3, 1], undefined, true]);
    expect(await sets(cifar)).toEqual([[5, 32, 32, 3], [1, 32, 32, 3], true]);
    expect(await sets(animals)).toEqual([[6, 2, 3, 1], undefined, true]);
    await expect(readDataFolder(folderOf({ 'notes.txt': grey(0) }), {})).rejects.toThrow(
      /set-\w+: it holds neither IDX files, nor CIFAR's binary files, nor a sub-folder of images for each class\. Put one/,
    );
    await expect(readDataFolder(join(root, 'none'), {})).rejects.toThrow(/there is no such folder/);
  });

  it('may hold classes named train and test', async () => {
    const files = Object.fromEntries(['bus', 'test', 'train'].flatMap((name) => [1, 2].map((k) => [`${name}/${k}.png`, grey(k)]))); // biome-ignore format: one line
    expect((await read(files)).classNames).toEqual(['bus', 'test', 'train']);
  });
});
