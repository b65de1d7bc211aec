// The page's own data folder: `data/index.json` lists its files. In development it is the command line's cache of MNIST; in a build it is
// empty, or the folder in THALWEG_APP_DATA.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plugin } from 'vite';
import { MNIST_FILES } from '../../src/data/mnist-files.ts';
import { dataFolder } from '../../src/node/folders.ts';

const NAMES = MNIST_FILES.map(({ name }) => name);

/** The names of MNIST's files if all four are in `folder`. */
function filesIn(folder: string): string[] {
  return NAMES.every((name) => existsSync(join(folder, name))) ? NAMES : [];
}

export function pageData(): Plugin {
  const given = process.env['THALWEG_APP_DATA'];
  return {
    name: 'thalweg-data',
    configureServer(server) {
      const folder = given ?? join(dataFolder(), 'mnist');
      server.middlewares.use((request, response, next) => {
        const path = request.url?.split('?')[0] ?? '';
        const name = NAMES.find((known) => path === `/data/mnist/${known}`);
        if (path === '/data/index.json') response.end(JSON.stringify({ mnist: filesIn(folder) }));
        else if (name && filesIn(folder).length > 0) response.end(readFileSync(join(folder, name)));
        else next();
      });
    },
    generateBundle() {
      const names = given ? filesIn(given) : [];
      if (given && names.length === 0) this.error(`THALWEG_APP_DATA: ${given} does not hold ${NAMES.join(', ')}.`);
      this.emitFile({ type: 'asset', fileName: 'data/index.json', source: JSON.stringify({ mnist: names }) });
      for (const name of names)
        this.emitFile({ type: 'asset', fileName: `data/mnist/${name}`, source: readFileSync(join(given!, name)) });
    },
  };
}
