// CIFAR-10 and CIFAR-100 in Node: from the folder that their archives unpack to, or the one around it.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  CIFAR_10,
  CIFAR_100,
  type Cifar,
  type Cifar100Options,
  type CifarSets,
  cifar100Of,
  readCifar,
} from '../data/cifar.ts';
import { DataError } from '../graph/errors.ts';
import { checkOptions, type Schema } from '../graph/options.ts';
import { FOLDER, folderPath } from './folder-option.ts';
import { readWhole } from './read-file.ts';

/** Options of the `datasets.cifar10` of `thalweg/node`. */
export interface CifarOptions {
  /** The folder with the files of the binary version, `data_batch_1.bin` and so on, or the folder around `cifar-10-batches-bin`. */
  folder: string | URL;
}

/** Options of the `datasets.cifar100` of `thalweg/node`. */
export interface CifarFolderOptions extends CifarOptions, Cifar100Options {}

const OPTIONS = { folder: FOLDER } satisfies Schema<CifarOptions>;
const OPTIONS_100 = { folder: FOLDER, ...CIFAR_100 } satisfies Schema<CifarFolderOptions>;

/**
 * CIFAR-10 from a folder with its binary version: x (size, 32, 32, 3) bytes, y (size) labels, with the names of the classes. Scaled by the
 * mean and standard deviation of its pixels. @throws DataError if a file is missing or damaged; FileError; OptionError.
 */
export async function cifar10(options: CifarOptions, ...extra: never[]): Promise<CifarSets> {
  const { folder } = checkOptions('cifar10', options, OPTIONS, extra);
  return readCifarFolder(CIFAR_10, folderPath('cifar10', folder));
}

/**
 * CIFAR-100 from a folder with its binary version: x (size, 32, 32, 3) bytes, y (size) labels of 100 classes, or of 20 with
 * `labels: 'coarse'`. @throws DataError if a file is missing or damaged; FileError; OptionError.
 */
export async function cifar100(options: CifarFolderOptions, ...extra: never[]): Promise<CifarSets> {
  const { folder, labels } = checkOptions('cifar100', options, OPTIONS_100, extra);
  return readCifarFolder(cifar100Of(labels), folderPath('cifar100', folder));
}

/** The version of CIFAR whose binary files are in a folder, or in the folder of its archive there. */
export function cifarIn(folder: string): Cifar | undefined {
  return [CIFAR_10, cifar100Of('fine')].find((cifar) => homeOf(cifar, folder) !== undefined);
}

function homeOf({ train, test, folder }: Cifar, path: string): string | undefined {
  return [path, join(path, folder)].find((home) => [...train, ...test].some((name) => existsSync(join(home, name))));
}

/** The most bytes of a file: CIFAR-100's training set has 154 million. */
const MOST_BYTES = 2 ** 30;

/** Reads a version of CIFAR from its folder, or the folder around it. */
export function readCifarFolder(cifar: Cifar, folder: string): Promise<CifarSets> {
  const home = homeOf(cifar, folder);
  if (home === undefined) {
    if (!existsSync(folder)) throw new DataError(`${folder}: there is no such folder. Check the path.`);
    // The archives for Python and Matlab have other names of files.
    const other = ['data_batch_1', 'data_batch_1.mat', 'train', 'train.mat'].find((name) =>
      existsSync(join(folder, name)),
    );
    const why = other ? `: ${other} belongs to the version for Python or Matlab` : '';
    throw new DataError(
      `${folder}: it holds none of ${cifar.train[0]} and so on${why}. Unpack ${cifar.archive} there.`,
    );
  }
  return readCifar(cifar, {
    where: home,
    source: `${cifar.name}, read from the folder ${home}.`,
    shown: (name) => join(home, name),
    read: async (name) => (existsSync(join(home, name)) ? readWhole(join(home, name), MOST_BYTES) : undefined),
  });
}
