// Runs a tool of the page that is written in TypeScript: `node app/tools/run.mjs screenshots`. Vite compiles it.
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

// Else the runner says 'development', and the page that a tool builds is not the one that people get.
process.env.NODE_ENV = 'production';
const [name, ...rest] = process.argv.slice(2);
const { module } = await runnerImport(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)));
await module.default(rest);
