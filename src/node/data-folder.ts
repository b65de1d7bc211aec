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

async function holdsImages(folder: string): Promise<boolean> {
  return (await imageFiles(folder)).images.some((path) => path.includes('/'));
}

/** The sets of a folder, which may lack one of them: see `pairOf`. @throws DataError, FileError, OptionError */
export async function readDataFolder(
  folder: string,
  { idx = {}, images = {} }: DataFolderOptions,
): Promise<FolderSets> {
  if (idx.set !== undefined || (await holdsIdx(folder))) return readFolder(folder, idx);
  const cifar = cifarIn(folder);
  if (cifar) {
    const { train, test, source } = await readCifarFolder(cifar, folder);
    return { train, test, folder, source: source.replace(/\.$/, '') };
  }
  if (!(await holdsImages(folder)))
    throw new DataError(
      `${folder}: it holds neither IDX files, nor CIFAR's binary files, nor a sub-folder of images for each class. Put one of these there.`,
    );
  const { train, test, source } = await readImageFolder(folder, images);
  return { train, test, folder, source };
}
