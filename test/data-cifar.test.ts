// CIFAR's binary files: planes become pixels, labels and names are read, and what is missing or damaged is named; in Node and for pages.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CifarSets } from '../src/data/cifar.ts';
import * as web from '../src/data/cifar-web.ts';
import { DataError, OptionError } from '../src/graph/errors.ts';
import { cifar10, cifar100 } from '../src/node/cifar.ts';

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'thalweg-cifar-'));
});
afterAll(() => rmSync(root, { recursive: true }));

/** A byte of a record that tells its place: the plane in the hundreds, and the pixel. */
const pixel = (k: number, plane: number, i: number) => (plane * 80 + k * 7 + i) % 256;

/** Records with these label bytes; record k has {@link pixel}. */
function recordsOf(labels: readonly (readonly number[])[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    labels.flatMap((label, k) => [...label, ...Array.from({ length: 3072 }, (_, j) => pixel(k, Math.floor(j / 1024), j % 1024))]), // biome-ignore format: one line
  );
}

type Files = Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
/** Two images in each training batch, one in the test batch. */
const TEN: Files = {
  ...Object.fromEntries([1, 2, 3, 4, 5].map((k) => [`data_batch_${k}.bin`, recordsOf([[k], [9]])])),
  'test_batch.bin': recordsOf([[3]]),
};
const names = (n: number) => new TextEncoder().encode(Array.from({ length: n }, (_, k) => `class ${k}\n`).join(''));
const HUNDRED: Files = {
  'train.bin': recordsOf([[19, 99], [0, 5], [1, 0]]), // biome-ignore format: one line
  'test.bin': recordsOf([[2, 7]]),
  'fine_label_names.txt': names(100),
  'coarse_label_names.txt': names(20),
};

function folderOf(files: Files, below = ''): string {
  const folder = mkdtempSync(join(root, 'set-'));
  mkdirSync(join(folder, below), { recursive: true });
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, below, name), bytes);
  return folder;
}
const filesOf = (files: Files) => Object.entries(files).map(([name, bytes]) => new File([bytes], name));

/** Each way to read the files of CIFAR-10, and what it calls them in messages. */
const WAYS: [string, (files: Files) => Promise<CifarSets>][] = [
  ['a folder', (files) => cifar10({ folder: folderOf(files) })],
  ['the folder around it', (files) => cifar10({ folder: pathToFileURL(folderOf(files, 'cifar-10-batches-bin')) })],
  ['files of a page', (files) => web.cifar10(filesOf(files))],
];

describe.each(WAYS)('CIFAR-10 from %s', (_, read) => {
  it('has pixels of red, green and blue, labels and names', async () => {
    const { train, test, classNames } = await read(TEN);
    expect([train.x.shape, train.y, test.x.shape]).toEqual([[10, 32, 32, 3], { shape: [10], data: Uint8Array.of(1, 9, 2, 9, 3, 9, 4, 9, 5, 9) }, [1, 32, 32, 3]]); // biome-ignore format: one line
    const at = (i: number, row: number, column: number, c: number) =>
      train.x.data[((i * 32 + row) * 32 + column) * 3 + c];
    for (const [i, row, column] of [[0, 0, 0], [1, 3, 31], [9, 31, 31]] as const) // biome-ignore format: one line
      for (const c of [0, 1, 2]) expect(at(i, row, column, c)).toBe(pixel(i % 2, c, row * 32 + column));
    expect([train.classes, train.name, test.classNames, classNames?.[3]]).toEqual([10, 'cifar10', classNames, 'cat']);
    expect(train.scale).toEqual({ mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] });
  });

  it.each<[string, Files, RegExp]>([
    [
      'a missing file',
      { 'data_batch_3.bin': undefined as never },
      /: data_batch_3\.bin is missing\. Unpack cifar-10-binary\.tar\.gz, the binary version/,
    ],
    [
      'a truncated file',
      { 'test_batch.bin': recordsOf([[3]]).slice(1) },
      /test_batch\.bin: expected records of 3073 bytes, got 3072 bytes in all\. The file is trunc/,
    ],
    [
      'an empty file',
      { 'test_batch.bin': new Uint8Array(0) },
      /test_batch\.bin: expected records of 3073 bytes, got 0 bytes/,
    ],
    [
      'a label out of range',
      { 'data_batch_2.bin': recordsOf([[1], [10]]) },
      /data_batch_2\.bin: label of record 1 \(offset 3073\): expected 0 to 9, got 10\./,
    ],
  ])('refuses %s', async (_, change, message) => {
    const files = Object.fromEntries(Object.entries({ ...TEN, ...change }).filter(([, bytes]) => bytes));
    const refused = read(files);
    await expect(refused).rejects.toThrow(DataError);
    await expect(refused).rejects.toThrow(message);
  });
});

describe('CIFAR-100', () => {
  it.each<[string, (options: { labels?: 'fine' | 'coarse' }) => Promise<CifarSets>]>([
    ['a folder', (options) => cifar100({ folder: folderOf(HUNDRED, 'cifar-100-binary'), ...options })],
    ['files of a page', (options) => web.cifar100(filesOf(HUNDRED), options)],
  ])('from %s has fine labels, or coarse ones', async (_, read) => {
    const fine = await read({});
    expect([[...fine.train.y.data], [...fine.test.y.data], fine.train.classes]).toEqual([[99, 5, 0], [7], 100]);
    expect([fine.classNames?.length, fine.test.classNames?.[7]]).toEqual([100, 'class 7']);
    expect([...fine.train.x.data.subarray(3072, 3075)]).toEqual([pixel(1, 0, 0), pixel(1, 1, 0), pixel(1, 2, 0)]);
    const coarse = await read({ labels: 'coarse' });
    expect([[...coarse.train.y.data], coarse.train.classes, coarse.classNames?.length]).toEqual([[19, 0, 1], 20, 20]);
    expect(coarse.train.x.data).toEqual(fine.train.x.data);
  });

  it('has no names without the file of names, and refuses one with other names', async () => {
    const { 'fine_label_names.txt': _, ...rest } = HUNDRED;
    expect((await cifar100({ folder: folderOf(rest) })).train.classNames).toBeUndefined();
    await expect(cifar100({ folder: folderOf({ ...HUNDRED, 'fine_label_names.txt': names(99) }) })).rejects.toThrow(
      /fine_label_names\.txt: expected 100 names, got 99\. Take the file from the archive again\.$/,
    );
  });
});

it('says what to give where there is nothing', async () => {
  await expect(cifar10({ folder: join(root, 'none') })).rejects.toThrow(
    /none: there is no such folder\. Check the path\.$/,
  );
  await expect(cifar10({ folder: folderOf({ data_batch_1: new Uint8Array(1) }) })).rejects.toThrow(
    /: it holds none of data_batch_1\.bin and so on: data_batch_1 belongs to the version for Python or Matlab\. Unpack cifar-10-binary\.tar\.gz there\.$/,
  );
  await expect(cifar10({} as never)).rejects.toThrow('cifar10: the folder is undefined. Give a path, or a file: URL.');
  await expect(web.cifar10(['a'] as never)).rejects.toThrow(OptionError);
  await expect(web.cifar10(3 as never)).rejects.toThrow('cifar10: its files are 3. Give a list of File.');
});
