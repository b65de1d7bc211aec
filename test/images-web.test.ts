// Images of a page, as far as they need no browser: ImageData with labels, files by their folders, with a stand-in for the browser's
// decoder. test/page/data.test.ts has a real one.
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type ImageFile, images, type LabelledImage } from '../src/data/images-web.ts';
import { DataError, OptionError } from '../src/graph/errors.ts';
import { pngOf } from './png.ts';

/** An ImageData of 2 x 3 pixels (height x width). */
const pixels = (r: number, g = r, b = r, alpha = 255) => ({
  width: 3,
  height: 2,
  data: Uint8ClampedArray.from({ length: 24 }, (_, i) => [r, g, b, alpha][i % 4]!),
});
const labelled = (...all: [number, string][]): LabelledImage[] =>
  all.map(([value, label]) => ({ image: pixels(value), label }));

describe('images with labels', () => {
  it('are classes by label, sorted, in the order given; train is no split here', async () => {
    const list = labelled(...Array.from({ length: 12 }, (_, k): [number, string] => [k, k % 2 ? 'train' : 'bus']));
    const { all, train, test, classNames, source } = await images(list);
    expect([all.x.shape, classNames, all.classes]).toEqual([[12, 2, 3, 3], ['bus', 'train'], 2]);
    const of = ({ x, y, size }: typeof all) => Array.from({ length: size }, (_, i) => [x.data[18 * i], y.data[i]]);
    expect(of(all).sort((a, b) => a[0]! - b[0]!)).toEqual(Array.from({ length: 12 }, (_, k) => [k, k % 2]));
    expect([...of(train)].map(([value]) => value)).toEqual([...of(train)].sort((a, b) => a[1]! - b[1]! || a[0]! - b[0]!).map(([v]) => v)); // biome-ignore format: one line
    expect([train.size, test.size]).toEqual([11, 1]);
    expect(source).toMatch(/^Images of the page, which holds no test set: 1 of its 12 examples/);
  });

  it('take the options of folders', async () => {
    const list = [...labelled([10, 'a'], [20, 'b'], [30, 'c']), { image: pixels(0, 0, 0, 0), label: 'a' }];
    const { all, classNames } = await images(list, { size: [4, 4], channels: 1, classes: { a: 'cat', c: 'dog' } });
    expect([all.x.shape, classNames]).toEqual([
      [3, 4, 4, 1],
      ['cat', 'dog'],
    ]);
    const firsts = Array.from({ length: 3 }, (_, i) => all.x.data[16 * i]!);
    expect(firsts.sort((a, b) => a - b)).toEqual([10, 30, 255]); // transparent is white
    expect((await images(list, { channels: 4 })).all.x.shape).toEqual([4, 2, 3, 4]);
  });

  it.each<[string, unknown, RegExp]>([
    ['no list', 3, /^images: the images are 3\. Give files, or a list of \{ image, label \}\.$/],
    ['no image', [{ label: 'a' }], /^images: image 0 is an object\. Give a file or \{ image, label \}, where/],
    ['nothing', [null], /^images: image 0 is null\. Give a file/],
    ['a number as label', [{ image: pixels(1), label: 3 }], /^images: image 0 is labelled 3\. Give a file/],
    ['a path as label', [{ image: pixels(1), label: 'a/b' }], /^images: image 0 is labelled "a\/b"\. Give a file/],
    [
      'a lone file',
      [new File([], 'a.png')],
      /^images: a\.png is in no folder, so its class is unknown\. Give \{ image: file, label \}/,
    ],
  ])('are refused with %s', async (_, list, message) => {
    const refused = images(list as never);
    await expect(refused).rejects.toThrow(OptionError);
    await expect(refused).rejects.toThrow(message);
  });

  it('are refused with one class, and with other sizes', async () => {
    await expect(images(labelled([1, 'a'], [2, 'a']))).rejects.toThrow(DataError);
    await expect(
      images([...labelled([1, 'a']), { image: { ...pixels(2), width: 2, height: 3 }, label: 'b' }]),
    ).rejects.toThrow(
      /^image [01] \([ab]\): it has . x . pixels \(height x width\), but image [01] \([ab]\) has . x .\. Pass a size/,
    );
  });
});

describe('files of a folder', () => {
  afterEach(() => vi.unstubAllGlobals());

  /** A grey PNG file in a folder. */
  const fileAt = (path: string, value: number): ImageFile => {
    const bytes = pngOf({ width: 3, height: 2, colour: 0, samples: new Array(6).fill(value) });
    return Object.assign(new File([bytes], path.split('/').at(-1)!), { webkitRelativePath: path });
  };

  /** The browser's decoder and canvas: an image of 2 x 3 pixels of value 77. */
  function browser(): { closed: number } {
    const seen = { closed: 0 };
    vi.stubGlobal('createImageBitmap', async () => ({ width: 3, height: 2, close: () => seen.closed++ }));
    const context = { drawImage() {}, getImageData: () => pixels(77) };
    vi.stubGlobal('OffscreenCanvas', class { getContext = () => context }); // biome-ignore format: one line
    return seen;
  }

  it('are classes by folder below the chosen one, in train and test; other files are passed over', async () => {
    const seen = browser();
    const files = ['pets/train/dog/2.png', 'pets/train/cat/1.png', 'pets/train/dog/x/3.PNG', 'pets/test/cat/4.png', 'pets/train/dog/notes.txt', 'pets/train/.hidden/5.png', 'pets/6.png']; // biome-ignore format: one line
    const { train, test, classNames, source } = await images(files.map((path) => fileAt(path, 1)));
    expect([[...train.y.data], [...test.y.data], classNames]).toEqual([[0, 1, 1], [0], ['cat', 'dog']]); // biome-ignore format: one line
    // One channel, as the files' headers say.
    expect([train.x.shape, [...train.x.data].every((v) => v === 77)]).toEqual([[3, 2, 3, 1], true]);
    expect([source, seen.closed]).toEqual(['Images of the page.', 4]);
  });

  it('that are damaged are named or left out, before the browser sees them or by it', async () => {
    browser();
    const cut = Object.assign(new File([new Uint8Array([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])], 'cut.png'), {
      webkitRelativePath: 'pets/dog/cut.png',
    });
    const files = [fileAt('pets/cat/1.png', 1), fileAt('pets/dog/2.png', 1), cut];
    await expect(images(files)).rejects.toThrow(
      /^pets\/dog\/cut\.png: its PNG data ends at offset 8, before the chunk IEND\. .* or pass \{ skipBad: true \}/,
    );
    const { all, skipped } = await images(files, { skipBad: true });
    expect([all.size, skipped.length]).toEqual([2, 1]);
    vi.stubGlobal('createImageBitmap', () => Promise.reject(new Error('InvalidStateError')));
    await expect(images(files)).rejects.toThrow(
      /: the browser cannot decode it\. Convert it to PNG or JPEG, or remove it/,
    );
  });
});
