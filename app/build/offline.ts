// The service worker of the built page: bundled separately, with the list of all files of this build.
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'vite';

const ENTRY = fileURLToPath(new URL('../service-worker.ts', import.meta.url));

/** The service worker's code for a build with these files. */
async function program(files: readonly string[], version: string): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: 'silent',
    define: { FILES: JSON.stringify(files), VERSION: JSON.stringify(version) },
    build: { write: false, lib: { entry: ENTRY, formats: ['iife'], name: 'offline' }, target: 'es2022' },
  });
  const [{ output }] = result as unknown as [{ output: [{ code: string }] }];
  return output[0].code;
}

export function offline(): Plugin {
  return {
    name: 'thalweg-offline',
    apply: 'build',
    enforce: 'post',
    async generateBundle(_, bundle) {
      if (this.environment.config.consumer !== 'client') return;
      const files = Object.keys(bundle).filter((name) => !name.startsWith('data/') && name !== 'service-worker.js');
      const hash = createHash('sha256');
      for (const name of [...files].sort()) {
        const file = bundle[name]!;
        hash.update(name).update(file.type === 'chunk' ? file.code : file.source);
      }
      const source = await program([...files, 'icon.svg'], hash.digest('hex').slice(0, 16));
      this.emitFile({ type: 'asset', fileName: 'service-worker.js', source });
    },
  };
}
