// Which images of a folder belong to which class: each class is a sub-folder, in the folder itself or in its `train` and `test`. Paths
// alone decide, so that a folder on a disk and the files that a page was given are read alike.
import { DataError } from '../graph/errors.ts';
import { nearest } from '../graph/nearest.ts';
import type { ImageSettings } from './image-options.ts';

/** An image: its path below the folder, and the index of its class. */
export interface ListedImage {
  readonly path: string;
  readonly label: number;
}

/** The images of a folder. */
export interface Listing {
  readonly classNames: readonly string[];
  /** Undefined if the folder holds `test` alone. */
  readonly train: readonly ListedImage[] | undefined;
  /** Undefined if the folder has no such sub-folder. */
  readonly test: readonly ListedImage[] | undefined;
}

/** What is listed. */
export interface Listable {
  /** The folder, as messages call it. */
  readonly folder: string;
  /** Paths of all images below it, `train/cat/1.png`. */
  readonly images: readonly string[];
  /** Paths of sub-folders without images, which nobody would miss otherwise. */
  readonly empty?: readonly string[];
}

/** Names of the sub-folder with the test set; the first that exists is used. */
const TEST = ['test', 'val', 'valid', 'validation'];
const SPLITS = ['train', ...TEST];

/** The paths of each class folder. */
type Folders = ReadonlyMap<string, readonly string[]>;

/**
 * Images by class, sorted by class and path. @throws DataError if there are no images, fewer than two classes, an empty class, or a class
 * that only the test set has.
 */
export function listImages(listable: Listable, settings: ImageSettings): Listing {
  const { folder } = listable;
  const top = byFirst(listable, '');
  if (top.size === 0)
    throw new DataError(
      listable.images.length > 0
        ? `${folder}: it holds images, but no sub-folders. Put the images of each class into a folder of its name.`
        : `${folder}: it holds no images. Put the images of each class into a folder of its name.`,
    );
  // A class may be named train, or test: these hold images, and splits hold folders.
  const splits = SPLITS.filter((name) => byFirst(listable, `${name}/`).size > 0);
  if (!splits.includes('train') && splits.length < top.size) {
    const found = namesOf(folder, top, settings);
    return { classNames: found.names, train: labelled(folder, top, found, settings), test: undefined };
  }
  const testName = TEST.find((name) => splits.includes(name));
  const trainFolders = splits.includes('train') ? byFirst(listable, 'train/') : undefined;
  const testFolders = testName === undefined ? undefined : byFirst(listable, `${testName}/`);
  const found = namesOf(`${folder}/${trainFolders ? 'train' : testName}`, (trainFolders ?? testFolders)!, settings);
  const alone = [...(testFolders?.keys() ?? [])].find((name) => !found.labels.has(name) && !settings.classes);
  if (alone !== undefined)
    throw new DataError(
      `${folder}: ${testName} has the class '${alone}', which train has not. Use the same class folders in both.`,
    );
  return {
    classNames: found.names,
    train: trainFolders && labelled(`${folder}/train`, trainFolders, found, settings),
    test: testFolders && labelled(`${folder}/${testName}`, testFolders, found, settings),
  };
}

/** Paths by the first folder in them after `prefix`; a folder without images has none. */
function byFirst({ images, empty = [] }: Listable, prefix: string): Folders {
  const folders = new Map<string, string[]>();
  const folderOf = (path: string) => (path.startsWith(prefix) ? path.slice(prefix.length).split('/')[0]! : '');
  for (const path of images) {
    const name = folderOf(path);
    if (name === '' || prefix.length + name.length === path.length) continue; // a file beside the folders
    const paths = folders.get(name) ?? [];
    paths.push(path);
    folders.set(name, paths);
  }
  for (const path of empty) {
    const name = folderOf(path);
    if (name !== '' && !folders.has(name)) folders.set(name, []);
  }
  return folders;
}

interface Classes {
  readonly names: readonly string[];
  /** The class index of each folder. */
  readonly labels: ReadonlyMap<string, number>;
}

/** The requested classes, or those among the folders. */
function namesOf(folder: string, folders: Folders, { classes }: ImageSettings): Classes {
  const all = [...folders.keys()].sort();
  const chosen = classes ?? new Map(all.map((name) => [name, name]));
  const missing = [...chosen.keys()].find((name) => !folders.has(name));
  if (missing !== undefined) {
    const guess = nearest(missing, all);
    throw new DataError(
      `${folder}: it has no folder '${missing}'. ${guess ? `Did you mean '${guess}'? ` : ''}It has ${someOf(all)}.`,
    );
  }
  const names = [...new Set(chosen.values())];
  if (names.length < 2)
    throw new DataError(
      `${folder}: it has a single class, ${names.join() || 'none'}, which leaves nothing to learn. Give the folder that holds a folder for each class.`,
    );
  return { names, labels: new Map([...chosen].map(([name, shown]) => [name, names.indexOf(shown)])) };
}

function someOf(names: readonly string[]): string {
  const shown = names.slice(0, 10).map((name) => `'${name}'`);
  return names.length > shown.length ? `${shown.join(', ')} and ${names.length - shown.length} more` : shown.join(', ');
}

/** The images of the classes' folders. */
function labelled(
  folder: string,
  folders: Folders,
  { labels, names }: Classes,
  { limit }: ImageSettings,
): ListedImage[] {
  const empty = [...labels.keys()].find((name) => folders.get(name)?.length === 0);
  if (empty !== undefined)
    throw new DataError(
      `${folder}/${empty}: it holds no images. Put some there, remove the folder, or name the classes to read with { classes }.`,
    );
  return names.flatMap((_, label) => {
    const paths = [...labels].flatMap(([name, of]) => (of === label ? (folders.get(name) ?? []) : []));
    return paths
      .sort()
      .slice(0, limit)
      .map((path) => ({ path, label }));
  });
}
