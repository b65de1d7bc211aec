// Folders of IDX files: MNIST's four, and what its relatives do otherwise: names, types, labels, a set alone.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DataError, OptionError } from '../src/graph/errors.ts';
import { type MnistOptions, mnist } from '../src/node/mnist.ts';
import { folderOf, type IdxDtype, idxOf } from './idx.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'thalweg-folder-'));
});
afterAll(() => rmSync(root, { recursive: true }));

type Files = Record<string, Uint8Array | undefined>;
const DIGITS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
const bytes = (...shape: number[]) => idxOf('u8', shape, DIGITS);
const good = (): Files => ({
  'train-images-idx3-ubyte': bytes(20, 2, 3),
  'train-labels-idx1-ubyte': bytes(20),
  't10k-images-idx3-ubyte': bytes(10, 2, 3),
  't10k-labels-idx1-ubyte': bytes(10),
});
const read = (files: Files, options: Omit<MnistOptions, 'folder'> = {}) =>
  mnist({ ...options, folder: folderOf(root, files) });
/** The files of a set under other names. */
const renamed = (name: (usual: string) => string): Files =>
  Object.fromEntries(Object.entries(good()).map(([usual, file]) => [name(usual), file]));
async function refusal(files: Files, options: Omit<MnistOptions, 'folder'> = {}): Promise<string> {
  const error = await read(files, options).catch((error: unknown) => error);
  expect(error).toBeInstanceOf(DataError);
  return (error as Error).message;
}

it('reads a folder as it is', async () => {
  const folder = folderOf(root, good());
  const { train, test, source } = await mnist({ folder });
  expect([train.size, test.size, train.x.shape, train.classes, train.note]).toEqual([20, 10, [20, 6], 10, undefined]);
  expect([...test.y.data]).toEqual(DIGITS);
  expect(train.scale).toEqual({ mean: 0.1307, std: 0.3081 });
  expect(source).toMatch(/^set-\w+, read from the folder .*\.$/);
  expect(source).toContain(folder);
});

describe('names', () => {
  it.each<[string, (usual: string) => string, string]>([
    ['dotted', (name) => name.replace('-idx', '.idx'), 'set-'],
    ['in capitals', (name) => name.toUpperCase(), 'set-'],
    ['of Kaggle, under_scored', (name) => name.replaceAll('-', '_'), 'set-'],
    ['of EMNIST', (name) => `emnist-letters-${name.replace('t10k', 'test')}`, 'emnist-letters'],
    ['with any prefix', (name) => `My.digits v2_${name}`, 'My.digits v2'],
    ['of other types', (name) => name.replace('ubyte', 'int'), 'set-'],
  ])('%s', async (_, name, set) => {
    const { train, test } = await read(renamed(name));
    expect([train.size, test.size, train.name.startsWith(set)]).toEqual([20, 10, true]);
  });

  it('mixes gzip, plain and spellings, and takes the plain one of two', async () => {
    const { train } = await read({
      ...good(),
      'train-images-idx3-ubyte': undefined,
      'train-images.idx3-ubyte.GZ': gzipSync(bytes(20, 2, 3)),
      'train-labels-idx1-ubyte.gz': gzipSync(bytes(7)),
    });
    expect([train.size, train.x.shape]).toEqual([20, [20, 6]]);
  });

  it('leaves alone what has no role: tables, mappings, hidden files, parts of downloads', async () => {
    const noise = ['train-labels.tsv.gz', 'emnist-mapping.txt', '._train-images-idx3-ubyte', '.train-images-idx3-ubyte.0.tmp', 'xnist-images-idx3-ubyte', 'train-images-idx3-ubyte.md5']; // biome-ignore format: one line
    const { train } = await read({ ...good(), ...Object.fromEntries(noise.map((name) => [name, bytes(1)])) });
    expect(train.size).toBe(20);
  });

  const several = (): Files => ({
    ...renamed((name) => `emnist-letters-${name.replace('t10k', 'test')}`),
    ...renamed((name) => `EMNIST-digits-${name.replace('t10k', 'test')}`),
  });

  it('chooses among several sets', async () => {
    const { train, source } = await read(several(), { set: 'emnist-Digits' });
    expect([train.name, train.size]).toEqual(['EMNIST-digits', 20]);
    expect(source).toContain('EMNIST-digits, read from');
    expect(await refusal(several())).toMatch(
      /: it holds 2 sets: 'EMNIST-digits', 'emnist-letters'\. Choose one, as \{ set: 'EMNIST-digits' \}\.$/,
    );
    expect(await refusal(several(), { set: 'emnist-leters' })).toMatch(
      /: it holds no set "emnist-leters"\. Did you mean 'emnist-letters'\? Use 'EMNIST-digits', 'emnist-letters'\.$/,
    );
    const beside = { ...several(), ...good() };
    expect(await refusal(beside)).toMatch(/it holds 3 sets: '' \(train-images-…\), 'EMNIST-digits',/);
    expect((await read(beside, { set: '' })).train.name).toMatch(/^set-/);
  });

  it('names files that are missing as they would be called', async () => {
    const files = renamed((name) => `kmnist-${name.replace('t10k', 'test')}`);
    expect(await refusal({ ...files, 'kmnist-train-labels-idx1-ubyte': undefined })).toMatch(
      /: kmnist-train-labels-idx1-ubyte is missing \(neither plain nor \.gz\)\. Put all files/,
    );
    const two = { ...good(), 'train-labels-idx1-ubyte': undefined, 't10k-images-idx3-ubyte': undefined };
    expect(await refusal(two)).toMatch(/: train-labels-idx1-ubyte, t10k-images-idx3-ubyte are missing/);
    expect(await refusal({ 'notes.txt': bytes(1) })).toMatch(
      /it holds no IDX files\. Put the files of a set there, named/,
    );
    expect(await refusal({ 'k49-train-imgs.npz': bytes(1), 'k49-train-labels.npz': bytes(1) })).toMatch(
      /it holds no IDX files, and NumPy's k49-train-imgs\.npz cannot be read\. Convert it to IDX, named/,
    );
  });

  it('refuses two files that may both be meant, and a folder for a file', async () => {
    expect(await refusal({ ...good(), 'train-images-idx3-float': bytes(20, 2, 3) })).toMatch(
      /: train-images-idx3-float and train-images-idx3-ubyte have the same role\. Move one/,
    );
    expect(await refusal({ ...good(), 'test-labels-idx1-ubyte': bytes(10) })).toMatch(
      /t10k-labels.* and test-lab.* have the same role/,
    );
    const folder = folderOf(root, { ...good(), 'train-labels-idx1-ubyte': undefined });
    mkdirSync(join(folder, 'train-labels-idx1-ubyte'));
    await expect(mnist({ folder })).rejects.toThrow(/train-labels-idx1-ubyte: cannot read: it is a folder/);
  });

  it('names a folder that is not there, or is a file', async () => {
    await expect(mnist({ folder: join(root, 'none') })).rejects.toThrow(/there is no such folder/);
    writeFileSync(join(root, 'file'), '');
    await expect(mnist({ folder: join(root, 'file') })).rejects.toThrow(/it is a file\. Give the folder/);
  });
});

describe('pictures', () => {
  const of = (dtype: IdxDtype, numbers: number[], options: Omit<MnistOptions, 'folder'> = {}) =>
    read(
      {
        ...good(),
        'train-images-idx3-ubyte': idxOf(dtype, [20, 2, 3], numbers),
        't10k-images-idx3-ubyte': idxOf(dtype, [10, 2, 3], numbers),
      },
      options,
    );

  it.each<[IdxDtype, number[]]>([
    ['i8', [-128, -1, 127]],
    ['i16', [-32768, 258, 7]],
    ['i32', [-(2 ** 31), 2 ** 24 + 1, 7]],
    ['f32', [-1.5, 0.1, 2 ** -140]],
    ['f64', [0.1, -3.25, 1e30]],
  ])('%s become floats, used as they are', async (dtype, numbers) => {
    const { train, test } = await of(dtype, numbers);
    expect(train.x.data).toBeInstanceOf(Float32Array);
    expect([...train.x.data.subarray(0, 3)]).toEqual(numbers.map(Math.fround));
    expect([test.x.data.length, train.x.scale, train.scale]).toEqual([60, undefined, undefined]);
  });

  it.each<[IdxDtype, number, string, number]>([
    ['f32', Number.NaN, 'NaN', 16 + 4 * 7],
    ['f32', Number.NEGATIVE_INFINITY, '-Infinity', 16 + 4 * 7],
    ['f64', 1e39, '1e\\+39', 16 + 8 * 7],
  ])('refuses %s of %s', async (dtype, number, shown, offset) => {
    const message = of(dtype, [0, 0, 0, 0, 0, 0, 0, number, 0, 0, 0, 0]);
    await expect(message).rejects.toThrow(DataError);
    await expect(message).rejects.toThrow(
      new RegExp(`train-images-idx3-ubyte: offset ${offset}: ${shown} in example 1 is not a finite f32\\. Remove`),
    );
  });

  it('of any size, and in colour', async () => {
    const colour = (n: number) => bytes(n, 8, 5, 3);
    const files = { ...good(), 'train-images-idx3-ubyte': colour(20), 't10k-images-idx3-ubyte': colour(10) };
    expect((await read(files)).train.x.shape).toEqual([20, 120]);
    const [flat, images] = [await read(files), await read(files, { images: true })];
    expect([images.train.x.shape, images.test.x.shape]).toEqual([[20, 8, 5, 3], [10, 8, 5, 3]]); // biome-ignore format: one line
    expect([images.train.x.data, images.test.scale]).toEqual([flat.train.x.data, flat.test.scale]);
  });

  it('of EMNIST are stored transposed, which the note says unless they are transposed', async () => {
    const files = renamed((name) => `emnist-balanced-${name.replace('t10k', 'test')}`);
    expect((await read(files)).train.note).toBe(
      "emnist-balanced: EMNIST's images are stored transposed; with { transpose: true } they are upright.",
    );
    expect((await read(files, { transpose: true })).train.note).toBeUndefined();
    expect((await read(good())).train.note).toBeUndefined();
  });

  it('keep their axes when told, one channel where the file has none', async () => {
    expect((await read(good(), { images: true })).train.x.shape).toEqual([20, 2, 3, 1]);
    expect((await read(good(), { images: true, transpose: true })).train.x.shape).toEqual([20, 3, 2, 1]);
    const flat = { ...good(), 'train-images-idx3-ubyte': bytes(20, 6), 't10k-images-idx3-ubyte': bytes(10, 6) };
    expect((await read(flat)).train.x.shape).toEqual([20, 6]);
    expect(await refusal(flat, { images: true })).toMatch(
      /train-images-idx3-ubyte: offset 3: expected images with 3 or 4 axes, got 20 x 6\. Leave images out\.$/,
    );
  });

  it('are transposed when told, whatever their type', async () => {
    const transposed = [0, 3, 1, 4, 2, 5];
    for (const dtype of ['u8', 'f32'] as const) {
      const { train, test } = await of(dtype, [0, 1, 2, 3, 4, 5], { transpose: true });
      expect([...train.x.data]).toEqual(Array.from({ length: 20 }, () => transposed).flat());
      expect([...test.x.data.subarray(54)]).toEqual(transposed);
    }
    const colour = (n: number) => idxOf('u8', [n, 2, 2, 2], [0, 1, 2, 3, 4, 5, 6, 7]);
    const files = { ...good(), 'train-images-idx3-ubyte': colour(20), 't10k-images-idx3-ubyte': colour(10) };
    expect([...(await read(files, { transpose: true })).train.x.data.subarray(0, 8)]).toEqual([0, 1, 4, 5, 2, 3, 6, 7]);
    const flat = { ...good(), 'train-images-idx3-ubyte': bytes(20, 6), 't10k-images-idx3-ubyte': bytes(10, 6) };
    expect(await refusal(flat, { transpose: true })).toMatch(
      /offset 3: expected images with 3 or 4 axes to transpose, got 20 x 6\. Leave transpose out/,
    );
  });

  it.each<[string, Files, RegExp]>([
    [
      'fewer labels',
      { 'train-labels-idx1-ubyte': bytes(19) },
      /train-labels-idx1-ubyte: offset 4: expected 20 labels for the images of .*train-images-idx3-ubyte, got 19/,
    ],
    [
      'labels for images',
      { 'train-images-idx3-ubyte': bytes(20) },
      /train-images-idx3-ubyte: offset 3: expected images with 2 to 4 axes, got 1 axis of 20: these are labels/,
    ],
    [
      'images for labels',
      { 'train-labels-idx1-ubyte': bytes(20, 2, 3) },
      /train-labels-idx1-ubyte: offset 3: expected labels with 1 axis, got 20 x 2 x 3: these are images/,
    ],
    [
      'images of another size in the test set',
      { 't10k-images-idx3-ubyte': bytes(10, 3, 2) },
      /t10k-images-idx3-ubyte: offset 8: expected images of 2 x 3 as in .*, got 3 x 2/,
    ],
  ])('refuses %s', async (_, change, message) => expect(await refusal({ ...good(), ...change })).toMatch(message));
});

describe('labels', () => {
  /** A set with these labels, training and test. */
  const labelled = (train: Uint8Array, test = train): Files => {
    const sizeIn = (file: Uint8Array) => new DataView(file.buffer).getUint32(4);
    return {
      'train-images-idx3-ubyte': bytes(sizeIn(train), 2, 3),
      'train-labels-idx1-ubyte': train,
      't10k-images-idx3-ubyte': bytes(sizeIn(test), 2, 3),
      't10k-labels-idx1-ubyte': test,
    };
  };
  const letters = Array.from({ length: 26 }, (_, k) => k + 1);

  it.each<IdxDtype>(['i8', 'i16', 'i32'])('of %s are class indices', async (dtype) => {
    const { train, test } = await read(labelled(idxOf(dtype, [6], [0, 1, 2]), idxOf(dtype, [4], [3, 1])));
    expect(train.y).toEqual({ shape: [6], data: Uint32Array.of(0, 1, 2, 0, 1, 2) });
    expect([test.classes, [...test.y.data]]).toEqual([4, [3, 1, 3, 1]]);
    expect(await refusal(labelled(idxOf(dtype, [3], [0, 1, -1])))).toMatch(
      new RegExp(
        `train-labels-idx1-ubyte: label of example 2 \\(offset ${8 + 2 * { i8: 1, i16: 2, i32: 4, u8: 1, f32: 4, f64: 8 }[dtype]}\\): expected a whole number from 0, got -1\\. Repair`,
      ),
    );
  });

  it('tell how many classes there are, at least 2, unless that is said', async () => {
    const twoClasses = await read(labelled(idxOf('u8', [3], [0])));
    expect([twoClasses.train.classes, twoClasses.train.note]).toEqual([2, expect.stringMatching(/: 1 of 2 classes have no examples\.$/)]); // biome-ignore format: one line
    expect((await read(labelled(bytes(10), idxOf('u8', [1], [46])), { classes: 47 })).train.classes).toBe(47);
    const { test } = await read(labelled(bytes(10), idxOf('u8', [1], [12])));
    expect([test.classes, test.note]).toEqual([13, expect.stringMatching(/: 2 of 13 classes have no examples\.$/)]);
    expect(await refusal(labelled(bytes(10)), { classes: 9 })).toMatch(
      /train-labels-idx1-ubyte: label of example 9 \(offset 17\): expected 0 to 8, got 9\. Repair the labels, or give the/,
    );
    await expect(mnist({ folder: root, classes: 1 })).rejects.toThrow(
      /^mnist: classes is 1\. Give a whole number of at least 2\.$/,
    );
  });

  it('that would make more classes than there are examples are damaged, unless as many are said', async () => {
    const files = labelled(idxOf('i32', [4], [0, 1, 2, 70_000]));
    expect(await refusal(files)).toMatch(/label of example 3 \(offset 20\): expected 0 to 255, got 70000\. Repair the/);
    expect((await read(files, { classes: 70_001 })).train.classes).toBe(70_001);
  });

  it('from 1 on, as those of EMNIST letters, keep their numbers, or are counted from 0 when told', async () => {
    const files = labelled(idxOf('u8', [52], letters), idxOf('u8', [26], letters));
    const { train } = await read(files);
    expect([train.classes, train.y.data[0], train.note]).toEqual([27, 1, expect.stringMatching(/: labels begin at 1, so class 0 of 27 has no examples; with \{ classes: 26 \} they are shifted to begin at 0\.$/)]); // biome-ignore format: one line
    const counted = await read(files, { classes: 26 });
    expect([...counted.test.y.data]).toEqual(letters.map((label) => label - 1));
    expect([counted.train.classes, counted.train.y.data[51], counted.train.note]).toEqual([26, 25, expect.stringMatching(/: labels 1 to 26 are read as classes 0 to 25\.$/)]); // biome-ignore format: one line
    // One 0 in either set, and 26 is too many.
    expect(await refusal(labelled(idxOf('u8', [26], letters), idxOf('u8', [1], [0])), { classes: 26 })).toMatch(
      /label of example 25 \(offset 33\): expected 0 to 25, got 26/,
    );
  });

  it('of QMNIST have the class in the first of eight columns', async () => {
    const qmnist = (n: number) =>
      idxOf('i32', [n, 8], DIGITS.flatMap((digit) => [digit, 0, 1234, 5, 99, 7, 0, 0])); // biome-ignore format: one line
    const { train, test } = await read(labelled(qmnist(20), qmnist(10)));
    expect([train.classes, [...test.y.data], train.note]).toEqual([10, DIGITS, expect.stringMatching(/: the first of a label's eight numbers is the class\.$/)]); // biome-ignore format: one line
    const bad = idxOf('i32', [2, 8], [1, 0, 0, 0, 0, 0, 0, 0, -3, 0, 0, 0, 0, 0, 0, 0]);
    expect(await refusal(labelled(bad))).toMatch(/label of example 1 \(offset 44\): expected a whole .*got -3/);
    expect(await refusal(labelled(idxOf('i32', [2, 9], [1])))).toMatch(
      /expected labels with 1 axis, got 2 x 9\. Give one/,
    );
    expect((await read(labelled(idxOf('u8', [3, 1], [0, 1])))).train.y.shape).toEqual([3]);
  });

  it('of floats are refused unless it is said what they are', async () => {
    const whole = labelled(idxOf('f32', [4], [0, 1, 2, 1]));
    expect(await refusal(whole)).toMatch(
      /train-labels-idx1-ubyte: offset 2: expected integers as labels, got 32-bit floats\. Convert them to integers, or pass targets: 'classes', or 'values' to regress on them\.$/,
    );
    const { train } = await read(whole, { targets: 'classes' });
    expect([train.classes, [...train.y.data]]).toEqual([3, [0, 1, 2, 1]]);
    expect(await refusal(labelled(idxOf('f64', [2], [0, 0.5])), { targets: 'classes' })).toMatch(
      /label of example 1 \(offset 16\): expected a whole number from 0, got 0\.5/,
    );
    const values = await read(labelled(idxOf('f64', [2, 3], [0.5, -1, 2])), { targets: 'values' });
    expect(values.train.y).toEqual({ shape: [2, 3], data: Float32Array.of(0.5, -1, 2, 0.5, -1, 2) });
    expect([values.train.classes, values.test.size]).toEqual([undefined, 2]);
    const ages = await read(labelled(idxOf('u8', [2], [30, 70])), { targets: 'values' });
    expect(ages.train.y).toEqual({ shape: [2, 1], data: Float32Array.of(30, 70) });
    expect(await refusal(labelled(idxOf('f32', [2], [0, Number.NaN])), { targets: 'values' })).toMatch(
      /train-labels-idx1-ubyte: offset 12: NaN in example 1 is not a finite f32/,
    );
  });
});

describe('a set alone', () => {
  const train = { 'train-images-idx3-ubyte': bytes(40, 2, 3), 'train-labels-idx1-ubyte': bytes(40) };

  it('a training set keeps a tenth to test with, the same each time, and says so', async () => {
    const [one, two] = [await read(train), await read(train)];
    expect([one.train.size, one.test.size, one.test.classes]).toEqual([36, 4, 10]);
    expect(one.source).toMatch(
      /, which holds no test set: 4 of its 40 examples, chosen at random with seed 0, are held out for testing\.$/,
    );
    expect(one.test.y.data).toEqual(two.test.y.data);
    const sorted = [...one.train.y.data, ...one.test.y.data].sort();
    expect(sorted).toEqual([...Array.from({ length: 40 }, (_, i) => i % 10)].sort());
    expect(one.test.x).toMatchObject({ shape: [4, 6], scale: one.train.scale });
    const single = { 'train-images-idx3-ubyte': bytes(1, 2, 3), 'train-labels-idx1-ubyte': bytes(1) };
    expect(await refusal(single)).toMatch(/its training set has a single example\. Put a test set there/);
  });

  it('a test set is refused', async () => {
    const test = { 'test-images-idx3-ubyte': bytes(10, 2, 3), 'test-labels-idx1-ubyte': bytes(10) };
    expect(await refusal(test)).toMatch(
      /: it holds a test set but no training set: train-images-idx3-ubyte and train-labels-idx1-ubyte are missing\./,
    );
  });
});

it.each<[string, MnistOptions]>([
  ['set', { set: 'emnist-letters' }],
  ['classes', { classes: 26 }],
  ['targets', { targets: 'values' }],
  ['transpose', { transpose: true }],
])('%s is refused without a folder', async (name, options) => {
  const refused = mnist({ ...options, mirrors: [] });
  await expect(refused).rejects.toThrow(OptionError);
  await expect(refused).rejects.toThrow(
    `mnist: ${name} applies only to a set in a folder. Add folder, or leave ${name} out.`,
  );
});
