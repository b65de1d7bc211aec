// CIFAR-10 and CIFAR-100 for pages: from files that the user chose, or that the page fetched.
import { OptionError } from '../graph/errors.ts';
import { checkExtra, checkOptions, show } from '../graph/options.ts';
import {
  CIFAR_10,
  CIFAR_100,
  type Cifar,
  type Cifar100Options,
  type CifarSets,
  cifar100Of,
  readCifar,
} from './cifar.ts';

/** A `File`: `new File([bytes], 'test_batch.bin')` makes one of bytes. */
export interface NamedFile {
  /** The file's name. */
  readonly name: string;
  /** The file's bytes. */
  arrayBuffer(): Promise<ArrayBuffer>;
}

/**
 * CIFAR-10 from the six files of its binary version, `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin`: x (size, 32, 32, 3)
 * bytes, y (size) labels. Scaled by the mean and standard deviation of its pixels. @throws DataError if a file is missing or damaged.
 */
export async function cifar10(files: Iterable<NamedFile>, ...extra: never[]): Promise<CifarSets> {
  checkExtra('cifar10', extra);
  return read(CIFAR_10, files);
}

/**
 * CIFAR-100 from the files of its binary version, `train.bin` and `test.bin`, with `fine_label_names.txt` (or `coarse_label_names.txt`) for
 * the names of the classes: x (size, 32, 32, 3) bytes, y (size) labels. @throws DataError if a file is missing or damaged.
 */
export async function cifar100(
  files: Iterable<NamedFile>,
  options: Cifar100Options = {},
  ...extra: never[]
): Promise<CifarSets> {
  const { labels } = checkOptions('cifar100', options, CIFAR_100, extra);
  return read(cifar100Of(labels), files);
}

function read(cifar: Cifar, files: Iterable<NamedFile>): Promise<CifarSets> {
  const list = typeof files === 'object' && files !== null && Symbol.iterator in files ? [...files] : undefined;
  if (!list?.every((file) => typeof file?.name === 'string' && typeof file.arrayBuffer === 'function'))
    throw new OptionError(`${cifar.name}: its files are ${show(files)}. Give a list of File.`);
  const byName = new Map(list.map((file) => [file.name, file]));
  return readCifar(cifar, {
    where: cifar.name,
    source: `${cifar.name}, from files of the page.`,
    shown: (name) => name,
    read: async (name) => {
      const file = byName.get(name);
      return file && new Uint8Array(await file.arrayBuffer());
    },
  });
}
