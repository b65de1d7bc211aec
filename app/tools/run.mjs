// Runs a tool of the page that is written in TypeScript: `node app/tools/run.mjs screenshots`. Vite compiles it.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const [name, ...rest] = process.argv.slice(2);
const { module } = await runnerImport(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)));
await module.default(rest);
