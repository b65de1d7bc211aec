// Versions of this package and of installed packages.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Thalweg's own version. */
export function thalwegVersion(): string {
  return versionIn(dirname(fileURLToPath(import.meta.url)), 'thalweg') ?? 'unknown';
}

/** The version of an installed package, or undefined. */
export function versionOf(name: string): string | undefined {
  const { resolve } = createRequire(import.meta.url);
  try {
    return versionIn(dirname(resolve(name)), name);
  } catch {
    // Packages may refuse `require`; their location suffices.
    const folders = resolve.paths(name) ?? [];
    const folder = folders.map((path) => join(path, name)).find((path) => existsSync(path));
    return folder === undefined ? undefined : versionIn(folder, name);
  }
}

/** The version in the package.json of that name, in this folder or above. */
function versionIn(folder: string, name: string): string | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const file = join(at, 'package.json');
    if (existsSync(file)) {
      const found: { name?: string; version?: string } = JSON.parse(readFileSync(file, 'utf8'));
      if (found.name === name) return found.version;
    }
    if (at === dirname(at)) return undefined;
  }
}
