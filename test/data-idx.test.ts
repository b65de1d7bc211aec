// IDX files one by one: what is read, and for each way a file can be bad the file, the offset, what was expected and what was
// found.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { numberIn, offsetIn, parseIdx } from '../src/data/idx.ts';
import { DataError } from '../src/graph/errors.ts';
import { readIdx } from '../src/node/data-idx.ts';
import { type IdxDtype, idxOf } from './idx.ts';

/** An IDX file of bytes 0, 1, 2, ... */
const idx = (...shape: number[]) => idxOf('u8', shape, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);

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

  it.each<[IdxDtype, number[]]>([
    ['u8', [0, 255]],
    ['i8', [-128, 127]],
    ['i16', [-32768, 258]],
    ['i32', [-(2 ** 31), 16909060]],
    ['f32', [-1.5, 2 ** -140]],
    ['f64', [1e300, -0.1]],
  ])('reads %s, big-endian', (dtype, numbers) => {
    const file = idxOf(dtype, [2, 1], numbers);
    const array = parseIdx(file, 'f');
    expect([numberIn(array)(0), numberIn(array)(1)]).toEqual(numbers);
    expect(offsetIn(array, 2)).toBe(file.length);
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
      'floats that are cut',
      idxOf('f32', [2, 3], [1]).subarray(0, 15),
      /^f: the data ends at offset 15: expected 24 bytes for 2 x 3 32-bit floats, got 3/,
    ],
    [
      'bytes too many for 64-bit floats',
      new Uint8Array([...idxOf('f64', [2], [1]), 9]),
      /^f: the data should have ended at offset 24: expected 16 bytes for 2 64-bit floats, got 17/,
    ],
    [
      'an unknown type',
      changed(idx(2), 2, 0x77),
      /got 00 00 77 01 \(an unknown type\)\. The third byte is one of 08 \(unsigned bytes\), 09 \(signed bytes\), 0b .*0e/,
    ],
    ['no axes', changed(idx(2), 3, 0), /got 00 00 08 00 \(0 axes\)/],
    ['five axes', changed(idx(2), 3, 5), /\(5 axes\)\. One to four/],
    ['a size of 0', idx(3, 0), /^f: offset 8: expected a size of at least 1, got 0 in 3 x 0/],
    [
      'a size beyond 1 GiB',
      changed(idx(2, 2), 4, 0xff, 0xff, 0xff, 0xff),
      /^f: offset 4: expected at most 1073741824 bytes of data, but the header says 4294967295 x 2/,
    ],
    [
      '1 GiB of 64-bit floats and one more',
      changed(idxOf('f64', [1], [1]), 4, 0x08, 0, 0, 1),
      /^f: offset 4: expected at most 1073741824 bytes of data, but the header says 134217729 64-bit floats/,
    ],
    [
      'signed bytes that are more than 1 GiB as floats',
      changed(idxOf('i8', [1], [1]), 4, 0x10, 0, 0, 1),
      /^f: offset 4: expected at most 1073741824 bytes .* 268435457 signed bytes/,
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
  it('reads plain and gzip alike, also longer than one chunk', async () => {
    const large = idx(300, 30, 30);
    expect(Buffer.compare((await readIdx(await file(large))).data, large.subarray(16))).toBe(0);
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
    [
      'a gzip of more floats than its header says',
      () => gzipSync(new Uint8Array([...idxOf('f64', [3], [1]), ...new Uint8Array(2 ** 20)])),
      /should have ended at offset 32 \(decompressed\), got more/,
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
});
