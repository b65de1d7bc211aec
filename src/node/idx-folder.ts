// An IDX set in a user's folder, unmodified: a training set, a test set or both. Without a test set, part of the training set is held out
// for testing.
import { basename, resolve } from 'node:path';
import type { DataPair, DataSet } from '../data/dataset.ts';
import { MNIST_SCALE } from '../data/digits.ts';
import { HELD_BACK, HELD_BACK_SEED, heldBackText } from '../data/held-back.ts';
import type { IdxMeaning } from '../data/idx-set.ts';
import { split } from '../data/split.ts';
import { DataError } from '../graph/errors.ts';
import { readIdxSets } from './data-idx.ts';
import { findIdxSet } from './idx-names.ts';

/** The sets in a folder. */
export interface FolderSets {
  readonly train: DataSet | undefined;
  readonly test: DataSet | undefined;
  readonly folder: string;
  readonly source: string;
  /** Files of images that were left out, each with the reason. */
  readonly skipped?: readonly string[];
}

/** How the files are read; `set` is the prefix of their names. */
export interface IdxFolderOptions extends Omit<IdxMeaning, 'name' | 'scale'> {
  readonly set?: string | undefined;
}

/** Reads the IDX set in a folder. */
export async function readFolder(folder: string, { set, ...meaning }: IdxFolderOptions): Promise<FolderSets> {
  const found = await findIdxSet(folder, set);
  const name = found.prefix || basename(resolve(folder)) || 'idx';
  const paths = [found.train, found.test].filter((it) => it !== undefined);
  const read = await readIdxSets(paths, { name, ...meaning, scale: MNIST_SCALE });
  const source = `${name}${meaning.transpose ? ', transposed' : ''}, read from the folder ${folder}`;
  return { train: found.train && read[0], test: found.test && read.at(-1), folder, source };
}

/**
 * Both sets. Without a test set, a tenth of the training set is held out, by a shuffle with seed 0; of classes with names, the same
 * proportion of each. @throws DataError if there is no training set, or it is too small.
 */
export function pairOf({ train, test, folder, source }: FolderSets): DataPair {
  if (!train) throw new DataError(`${folder}: it holds a test set but no training set${missingFrom(test)}`);
  if (test) return { train, test, source: `${source}.` };
  if (train.size < 2)
    throw new DataError(
      `${folder}: it holds no test set, and its training set has a single example. Put a test set there.`,
    );
  // Folders of images may hold few of a class.
  const stratify = train.classNames !== undefined;
  const { train: kept, validation } = split(train, HELD_BACK, { seed: HELD_BACK_SEED, stratify });
  return {
    train: kept,
    test: validation,
    source: heldBackText(source, validation.size, train.size),
  };
}

/** What is missing beside a test set. Only folders of images name their classes. */
function missingFrom(test: DataSet | undefined): string {
  return test?.classNames
    ? ': the folder train is missing. Put it there.'
    : ': train-images-idx3-ubyte and train-labels-idx1-ubyte are missing. Put them there.';
}
