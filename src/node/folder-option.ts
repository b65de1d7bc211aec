// A folder as users name it: a path or a file: URL.
import { fileURLToPath } from 'node:url';
import { checkValue, type Kind } from '../graph/options.ts';

/** The kind of the option `folder`. */
export const FOLDER: Kind = {
  advice: 'Give a path, or a file: URL.',
  fits: (v) => typeof v === 'string' || (v instanceof URL && v.protocol === 'file:'),
};

/** The path of a folder. @throws OptionError */
export function folderPath(where: string, folder: string | URL): string {
  checkValue(where, 'the folder', folder, FOLDER);
  return folder instanceof URL ? fileURLToPath(folder) : folder;
}
