// A folder of data whatever it holds: IDX files, the binary files of CIFAR, or images in a sub-folder for each class.
import type { ImagesOptions } from '../data/image-options.ts';
import { DataError } from '../graph/errors.ts';
import { cifarIn, readCifarFolder } from './cifar.ts';
import { type FolderSets, type IdxFolderOptions, readFolder } from './idx-folder.ts';
import { holdsIdx } from './idx-names.ts';
import { imageFiles } from './image-files.ts';
import { readImageFolder } from './images.ts';

/** How each kind of folder is read. */
export interface DataFolderOptions {
  readonly idx?: IdxFolderOptions;
  readonly images?: ImagesOptions;
}

/** What a folder holds. */
export type FolderKind = 'idx' | 'cifar' | 'images';

async function holdsImages(folder: string): Promise<boolean> {
  return (await imageFiles(folder)).images.some((path) => path.includes('/'));
}

/** What a folder holds; `set` is the prefix of an IDX set in it. @throws DataError if it holds nothing that can be read; FileError */
export async function kindOfFolder(folder: string, set?: string): Promise<FolderKind> {
  if (set !== undefined || (await holdsIdx(folder))) return 'idx';
  if (cifarIn(folder)) return 'cifar';
  if (await holdsImages(folder)) return 'images';
  throw new DataError(
    `${folder}: it holds neither IDX files, nor CIFAR's binary files, nor a sub-folder of images for each class. Put one of these there.`,
  );
}

/** The sets of a folder, which may lack one of them: see `pairOf`. @throws DataError, FileError, OptionError */
export async function readDataFolder(
  folder: string,
  { idx = {}, images = {} }: DataFolderOptions,
): Promise<FolderSets> {
  const kind = await kindOfFolder(folder, idx.set);
  if (kind === 'idx') return readFolder(folder, idx);
  if (kind === 'images') {
    const { train, test, source, skipped } = await readImageFolder(folder, images);
    return { train, test, folder, source, skipped };
  }
  const { train, test, source } = await readCifarFolder(cifarIn(folder)!, folder);
  return { train, test, folder, source: source.replace(/\.$/, '') };
}
