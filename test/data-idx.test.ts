// IDX files: what is read, and for each way a file can be bad the file, the offset, what was expected and what was found.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseIdx } from '../src/data/idx.ts';
import { DataError } from '../src/graph/errors.ts';
import { readIdx } from '../src/node/data-idx.ts';
import { mnist } from '../src/node/mnist.ts';

/** An IDX file of bytes 0, 1, 2, ... */
function idx(...shape: number[]): Uint8Array {
  const size = shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(4 + 4 * shape.length + size);
  bytes.set([0, 0, 8, shape.length]);
  for (const [axis, n] of shape.entries()) new DataView(bytes.buffer).setUint32(4 + 4 * axis, n);
  for (let i = 0; i < size; i++) bytes[4 + 4 * shape.length + i] = i % 10;
  return bytes;
}

function changed(bytes: Uint8Array, at: number, ...values: number[]): Uint8Array {
  const copy = bytes.slice();
  copy.set(values, at);
  return copy;
}

describe('parseIdx', () => {
  it.each([[[7]], [[3, 5]], [[2, 3, 4]], [[2, 3, 1, 5]]])('reads %j', (shape) => {
    const bytes = idx(...shape);
    const array = parseIdx(bytes, 'f');
    expect(array.shape).toEqual(shape);
    expect(array.data).toEqual(bytes.slice(4 + 4 * shape.length));
  });

  it('reads at any offset of a buffer', () => {
    const whole = new Uint8Array(3 + 10);
    whole.set(idx(2), 3);
    expect(parseIdx(whole.subarray(3), 'f').shape).toEqual([2]);
  });

  it.each<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(0), /^f: the header ends at offset 0: expected 4 bytes, got 0\. The file is truncated/],
    ['a cut header', idx(2, 3).subarray(0, 7), /^f: the header ends at offset 7: expected 12 bytes, got 7/],
    ['cut data', idx(2, 3).subarray(0, 15), /^f: the data ends at offset 15: expected 6 bytes for 2 x 3, got 3/],
    [
      'trailing bytes',
      new Uint8Array([...idx(2), 9, 9]),
      /^f: the data should have ended at offset 10: expected 2 bytes for 2, got 4/,
    ],
    [
      'another format',
      changed(idx(2), 0, 0x89, 0x50),
      /^f: offset 0: expected the IDX magic 00 00 08 0n, got 89 50 08 01\. This is not an IDX/,
    ],
    ['gzip', changed(idx(2), 0, 0x1f, 0x8b), /got 1f 8b 08 01 \(gzip\)\. Decompress it first/],
    [
      'floats',
      changed(idx(2), 2, 0x0d),
      /expected the IDX magic 00 00 08 01, got 00 00 0d 01 \(32-bit floats\)\. Only unsigned/,
    ],
    ['16-bit integers', changed(idx(2), 2, 0x0b), /\(16-bit integers\)/],
    ['an unknown type', changed(idx(2), 2, 0x77), /an unknown type/],
    ['no axes', changed(idx(2), 3, 0), /got 00 00 08 00 \(0 axes\)/],
    ['five axes', changed(idx(2), 3, 5), /\(5 axes\)\. One to four/],
    ['a size of 0', idx(3, 0), /^f: offset 8: expected a size of at least 1, got 0 in 3 x 0/],
    [
      'a size beyond 1 GiB',
      changed(idx(2, 2), 4, 0xff, 0xff, 0xff, 0xff),
      /^f: offset 4: expected at most 1073741824 bytes of data, got a header that says 4294967295 x 2/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => parseIdx(bytes, 'f')).toThrow(DataError);
    expect(() => parseIdx(bytes, 'f')).toThrow(message);
  });
});

describe('files', () => {
  let folder: string;
  let count = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thalweg-idx-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const file = async (bytes: Uint8Array) => {
    const path = join(folder, `file-${count++}`);
    await writeFile(path, bytes);
    return path;
  };
  const set = async (files: Record<string, Uint8Array>) => {
    const path = await mkdtemp(join(folder, 'set-'));
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(path, name), bytes);
    return path;
  };
  const good = () => ({
    'train-images-idx3-ubyte': idx(20, 2, 3),
    'train-labels-idx1-ubyte': idx(20),
    't10k-images-idx3-ubyte': idx(10, 2, 3),
    't10k-labels-idx1-ubyte': idx(10),
  });

  it('reads plain and gzip alike, also longer than one chunk', async () => {
    const large = idx(300, 30, 30);
    expect((await readIdx(await file(large))).data).toEqual(large.subarray(16));
    const { shape, data } = await readIdx(await file(gzipSync(large)));
    expect(shape).toEqual([300, 30, 30]);
    expect(Buffer.compare(data, large.subarray(16))).toBe(0);
  });

  const bomb = () => {
    const bytes = new Uint8Array(2 ** 24);
    bytes.set(idx(2).subarray(0, 8));
    return gzipSync(bytes);
  };
  it.each<[string, () => Uint8Array, RegExp]>([
    [
      'a cut gzip',
      () => gzipSync(idx(50, 40)).subarray(0, 40),
      /the gzip data ends at offset 40, too early: expected (2012 bytes|a whole IDX file) decompressed, got/,
    ],
    [
      'a corrupt gzip',
      () => changed(gzipSync(idx(50, 40)), 12, 0xff, 0xff, 0xff),
      /the gzip data is corrupt \(.+\): expected/,
    ],
    [
      'a wrong gzip check',
      () => changed(gzipSync(idx(8)), gzipSync(idx(8)).length - 8, 1, 2, 3),
      /corrupt \(incorrect data check\)/,
    ],
    ['a gzip of more than its header says', bomb, /should have ended at offset 10 \(decompressed\), got more/],
    [
      'bytes after the gzip',
      () => Buffer.concat([gzipSync(idx(8)), Buffer.alloc(3)]),
      /expected the end of the gzip data, got 3 bytes more/,
    ],
    ['a gzip of something else', () => gzipSync('<html>no</html>'), /got 3c 68 74 6d\. This is not an IDX file/],
    [
      'a cut file in a whole gzip',
      () => gzipSync(idx(8).subarray(0, 12)),
      /the data ends at offset 12: expected 8 bytes for 8, got 4/,
    ],
  ])('refuses %s', async (_, make, message) => {
    const path = await file(make());
    await expect(readIdx(path)).rejects.toThrow(DataError);
    await expect(readIdx(path)).rejects.toThrow(message);
    await expect(readIdx(path)).rejects.toThrow(path);
  });

  it('reads a folder as it is, in either spelling', async () => {
    const files = good();
    const path = await set({
      'train-images.idx3-ubyte': files['train-images-idx3-ubyte'],
      'train-labels.idx1-ubyte.gz': gzipSync(files['train-labels-idx1-ubyte']),
      't10k-images-idx3-ubyte.gz': gzipSync(files['t10k-images-idx3-ubyte']),
      't10k-labels-idx1-ubyte': files['t10k-labels-idx1-ubyte'],
    });
    const { train, test, source } = await mnist({ folder: path });
    expect([train.size, test.size, train.x.shape, train.classes]).toEqual([20, 10, [20, 6], 10]); // biome-ignore format: one line
    expect([...test.y.data]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(train.scale).toEqual({ mean: 0.1307, std: 0.3081 });
    expect(source).toContain(path);
  });

  it.each<[string, Record<string, Uint8Array | undefined>, RegExp]>([
    [
      'missing files',
      { 'train-labels-idx1-ubyte': undefined, 't10k-images-idx3-ubyte': undefined },
      /: train-labels-idx1-ubyte, t10k-images-idx3-ubyte are missing/,
    ],
    [
      'fewer labels',
      { 'train-labels-idx1-ubyte': idx(19) },
      /train-labels-idx1-ubyte: offset 4: expected 20 labels for the images of .*train-images-idx3-ubyte, got 19/,
    ],
    [
      'a label out of range',
      { 't10k-labels-idx1-ubyte': changed(idx(10), 11, 10) },
      /t10k-labels-idx1-ubyte: label of example 3 \(offset 11\): expected 0 to 9, got 10/,
    ],
    [
      'labels for images',
      { 'train-images-idx3-ubyte': idx(20) },
      /train-images-idx3-ubyte: offset 3: expected images with 2 to 4 axes, got 1 axis of 20: these are labels/,
    ],
    [
      'images for labels',
      { 'train-labels-idx1-ubyte': idx(20, 2, 3) },
      /train-labels-idx1-ubyte: offset 3: expected labels with 1 axis, got 20 x 2 x 3: these are images/,
    ],
    [
      'images of another size in the test set',
      { 't10k-images-idx3-ubyte': idx(10, 3, 2) },
      /t10k-images-idx3-ubyte: offset 8: expected images of 2 x 3 as in .*, got 3 x 2/,
    ],
  ])('refuses a folder with %s', async (_, change, message) => {
    const files = Object.entries({ ...good(), ...change }).filter(([, bytes]) => bytes !== undefined);
    const path = await set(Object.fromEntries(files) as Record<string, Uint8Array>);
    await expect(mnist({ folder: path })).rejects.toThrow(DataError);
    await expect(mnist({ folder: path })).rejects.toThrow(message);
  });

  it('takes more classes when told', async () => {
    const path = await set({ ...good(), 't10k-labels-idx1-ubyte': changed(idx(10), 11, 46) });
    expect((await mnist({ folder: path, classes: 47 })).test.classes).toBe(47);
    await expect(mnist({ folder: path, classes: 0 })).rejects.toThrow(
      /^mnist: classes is 0\. Give a whole number from 1 to 256\.$/,
    );
  });

  it('names a folder that is not there, or is a file', async () => {
    await expect(mnist({ folder: join(folder, 'none') })).rejects.toThrow(/there is no such folder/);
    await expect(mnist({ folder: await file(idx(1)) })).rejects.toThrow(/it is a file\. Give the folder/);
  });
});
