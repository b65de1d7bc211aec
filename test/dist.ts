// What tests of the built package need: `dist`, and that it is of these sources.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** @throws Error where a source is newer than `dist`. */
export function requireFreshDist(): void {
  const built = statSync(join(ROOT, 'dist/src/index.js'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const newer = ['src', 'shaders', 'bench']
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((f) => join(folder, f)),
    )
    .filter((file) => file.endsWith('.ts') && statSync(join(ROOT, file)).mtimeMs > built);
  if (newer.length > 0)
    throw new Error(`dist is older than ${newer[0]}. Run npm run build first, or npm test, which does.`);
}
