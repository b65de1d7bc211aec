// CIFAR-10 and CIFAR-100 in their binary version: records of one or two label bytes and 32 x 32 pixels, all red ones first, then green, then
// blue. https://www.cs.toronto.edu/~kriz/cifar.html
import { DataError } from '../graph/errors.ts';
import { oneOf, type Schema } from '../graph/options.ts';
import { type DataPair, type DataSet, makeDataset, type Scale } from './dataset.ts';

/** Options of `datasets.cifar100`. */
export interface Cifar100Options {
  /** Which labels: `fine`, 100 classes, or `coarse`, 20 classes. Default 'fine'. */
  labels?: 'fine' | 'coarse' | undefined;
}
export const CIFAR_100 = { labels: [oneOf('fine', 'coarse'), 'fine'] } satisfies Schema<Cifar100Options>;

/** CIFAR as data sets: x (size, 32, 32, 3) bytes, y (size) class indices. */
export interface CifarSets extends DataPair {
  /** The name of each class, by its index; undefined for CIFAR-100 without its file of names. */
  readonly classNames: readonly string[] | undefined;
}

/** A set of labels of a version of CIFAR, and its files. */
export interface Cifar {
  readonly name: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  /** The folder in its archive. */
  readonly folder: string;
  /** The archive of the binary version. */
  readonly archive: string;
  readonly classes: number;
  /** Label bytes in a record, and which of them counts. */
  readonly labels: number;
  readonly label: number;
  /** The names of the classes, or the file that has them. */
  readonly names: readonly string[] | string;
  /** The mean and standard deviation of each channel of all training pictures. */
  readonly scale: Scale;
}

export const CIFAR_10: Cifar = {
  name: 'cifar10',
  train: [1, 2, 3, 4, 5].map((k) => `data_batch_${k}.bin`),
  test: ['test_batch.bin'],
  folder: 'cifar-10-batches-bin',
  archive: 'cifar-10-binary.tar.gz',
  classes: 10,
  labels: 1,
  label: 0,
  names: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  scale: { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] },
};

/** CIFAR-100 with its fine or coarse labels: a record has both, the coarse one first. */
export function cifar100Of(labels: 'fine' | 'coarse'): Cifar {
  return {
    name: 'cifar100',
    train: ['train.bin'],
    test: ['test.bin'],
    folder: 'cifar-100-binary',
    archive: 'cifar-100-binary.tar.gz',
    classes: labels === 'fine' ? 100 : 20,
    labels: 2,
    label: labels === 'fine' ? 1 : 0,
    names: `${labels}_label_names.txt`,
    scale: { mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
  };
}

const SIDE = 32;
const PLANE = SIDE * SIDE;

/** Where a version's files are. */
export interface CifarFiles {
  /** What messages call the place. */
  readonly where: string;
  readonly source: string;
  /** What messages call a file. */
  shown(name: string): string;
  /** The bytes of a file, or undefined if there is none. */
  read(name: string): Promise<Uint8Array | undefined>;
}

/** Reads both sets. @throws DataError if a file is missing, truncated, or has a label out of range */
export async function readCifar(cifar: Cifar, files: CifarFiles): Promise<CifarSets> {
  const classNames = await namesOf(cifar, files);
  const read = async (names: readonly string[]): Promise<DataSet> => {
    const parts: { file: string; bytes: Uint8Array }[] = [];
    for (const name of names) parts.push({ file: files.shown(name), bytes: await bytesOf(name, cifar, files) });
    return makeDataset({
      name: cifar.name,
      ...unpacked(cifar, parts),
      classes: cifar.classes,
      classNames,
      scale: cifar.scale,
    });
  };
  const train = await read(cifar.train);
  return { train, test: await read(cifar.test), source: files.source, classNames };
}

async function namesOf({ names, classes }: Cifar, files: CifarFiles): Promise<readonly string[] | undefined> {
  if (typeof names !== 'string') return names;
  const bytes = await files.read(names);
  const lines = bytes && new TextDecoder().decode(bytes).split(/\r?\n/).filter(Boolean);
  if (lines && lines.length !== classes)
    throw new DataError(
      `${files.shown(names)}: expected ${classes} names, got ${lines.length}. Take the file from the archive again.`,
    );
  return lines;
}

async function bytesOf(name: string, { archive, labels }: Cifar, files: CifarFiles): Promise<Uint8Array> {
  const bytes = await files.read(name);
  if (!bytes)
    throw new DataError(
      `${files.where}: ${name} is missing. Unpack ${archive}, the binary version, and give its folder with all files.`,
    );
  const record = labels + 3 * PLANE;
  if (bytes.length === 0 || bytes.length % record !== 0)
    throw new DataError(
      `${files.shown(name)}: expected records of ${record} bytes, got ${bytes.length} bytes in all. The file is truncated or of another version: take it from ${archive} again.`,
    );
  return bytes;
}

/** Records as x (n, 32, 32, 3) and y (n). */
function unpacked(cifar: Cifar, parts: readonly { file: string; bytes: Uint8Array }[]): Pick<DataSet, 'x' | 'y'> {
  const record = cifar.labels + 3 * PLANE;
  const size = parts.reduce((sum, { bytes }) => sum + bytes.length / record, 0);
  const x = new Uint8Array(size * 3 * PLANE);
  const y = new Uint8Array(size);
  let n = 0;
  for (const { file, bytes } of parts)
    for (let at = 0; at < bytes.length; at += record, n++) {
      const label = bytes[at + cifar.label]!;
      if (label >= cifar.classes)
        throw new DataError(
          `${file}: label of record ${at / record} (offset ${at + cifar.label}): expected 0 to ${cifar.classes - 1}, got ${label}. Take the file from ${cifar.archive} again.`,
        );
      y[n] = label;
      interleave(bytes, at + cifar.labels, x, n * 3 * PLANE);
    }
  return { x: { shape: [size, SIDE, SIDE, 3], data: x }, y: { shape: [size], data: y } };
}

/** Three planes as pixels. */
function interleave(planes: Uint8Array, from: number, pixels: Uint8Array, to: number): void {
  for (let c = 0; c < 3; c++) for (let i = 0; i < PLANE; i++) pixels[to + 3 * i + c] = planes[from + c * PLANE + i]!;
}
