// The image files below a folder, by their names' endings. Links are followed; hidden files and those of other kinds are passed over.
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Listable } from '../data/image-listing.ts';
import { DataError } from '../graph/errors.ts';
import { fileError } from './file-error.ts';

/** Endings of images. Those that cannot be decoded are listed too, so that they are reported and not passed over. */
const IMAGE = /\.(png|jpe?g|jfif|gif|webp|bmp|tiff?|avif|hei[cf])$/i;
/** Hidden files, and what macOS adds to archives. */
const HIDDEN = /^(\.|__MACOSX$)/;
/** The deepest sub-folder: links may form a loop. */
const DEEPEST = 16;

/** Paths of the images below a folder, with `/` between names. @throws DataError if there is no such folder; FileError */
export async function imageFiles(folder: string): Promise<Listable> {
  const found = await stat(folder).catch((error) => {
    if (error.code === 'ENOENT') throw new DataError(`${folder}: there is no such folder. Check the path.`);
    throw fileError('read', folder, error);
  });
  if (!found.isDirectory())
    throw new DataError(`${folder}: it is a file. Give a folder with a sub-folder for each class.`);
  const images: string[] = [];
  const empty: string[] = [];
  await walk('', 0);
  return { folder, images, empty };

  async function walk(below: string, depth: number): Promise<void> {
    const before = images.length;
    const names = await readdir(join(folder, below), { withFileTypes: true }).catch((error) => {
      throw fileError('read', join(folder, below), error);
    });
    for (const entry of names) {
      if (HIDDEN.test(entry.name)) continue;
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (await isFolder(entry, join(folder, path))) {
        if (depth < DEEPEST) await walk(path, depth + 1);
      } else if (IMAGE.test(entry.name)) images.push(path);
    }
    if (images.length === before && below !== '') empty.push(below);
  }
}

async function isFolder(entry: Dirent, path: string): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false;
}
