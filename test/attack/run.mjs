// The attacks, by hand: `npm run test:attack` runs all of them in turn, `npm run test:attack kills fuzz` those named. Each is a
// plain script that prints its figures and exits with 1 where it found a fault.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const all = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.mjs') && file !== 'run.mjs')
  .map((file) => file.slice(0, -4));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`test:attack: there is no ${unknown.join(', ')}. Name some of ${all.join(', ')}.`);
  process.exit(2);
}
const failed = (wanted.length > 0 ? wanted : all).filter((name) => {
  console.log(`\n== ${name}`);
  return spawnSync(process.execPath, ['--expose-gc', `${FOLDER}${name}.mjs`], { stdio: 'inherit' }).status !== 0;
});
console.log(failed.length > 0 ? `\nFaults were found by: ${failed.join(', ')}` : '\nNo faults were found.');
process.exitCode = failed.length > 0 ? 1 : 0;
