// The command line: what was written, to what is meant. Whatever cannot be used is an error that names what can.
import { parseArgs } from 'node:util';
import { CASES } from './cases.mjs';

export const EXIT = { done: 0, failed: 1, usage: 2, noDevice: 3, interrupted: 130 };

export class UsageError extends Error {
  name = 'UsageError';
}

const OPTIONS = /** @type {const} */ ({
  cases: { type: 'string' },
  device: { type: 'string' },
  adapter: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  data: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
});

const NAMES = Object.keys(CASES);

export const HELP = `Measures Thalweg beside TensorFlow.js and jax-js: same networks, weights and batches, taking turns.

  npm run bench:peers -- [options]

  --cases a,b       ${NAMES.slice(0, 4).join(', ')},
                    ${NAMES.slice(4).join(', ')}; default: all that the device can run
  --device gpu|cpu  default gpu; cpu: Thalweg's CPU backend beside the peers' wasm and cpu
  --adapter NAME    hardware, software, llvmpipe, swiftshader or another part of an adapter's name; null: Dawn's null
                    backend, which computes nothing: what the host costs; default: the one that Thalweg chooses
  --rounds N        turns of each library; default 3
  --seconds S       the shortest time of a measurement; default 5
  --data FOLDER     MNIST, or another set of 28 x 28 images, in IDX files; default: digits made here
  --json            one JSON object a line on standard output, and nothing else there
  --help            this text

The peers are a package of their own: npm ci --prefix bench/peers. One that is not installed is left out.

Exit codes: 0 done; 1 a measurement failed, or a library's results are wrong; 2 usage; 3 no such adapter; 130 interrupted.`;

/**
 * @typedef {object} Settings
 * @property {readonly string[]} cases
 * @property {'gpu' | 'cpu'} device
 * @property {string | undefined} adapter
 * @property {number} rounds
 * @property {number} seconds
 * @property {string | undefined} data
 * @property {boolean} json
 * @property {boolean} help
 */

/**
 * @param {readonly string[]} args
 * @returns {Settings}
 * @throws UsageError
 */
export function readOptions(args) {
  const { device = 'gpu', adapter, data, json = false, help = false, ...rest } = parse(args);
  if (device !== 'gpu' && device !== 'cpu') throw new UsageError(`--device: "${device}" is unknown. Use gpu or cpu.`);
  if (adapter !== undefined && device === 'cpu')
    throw new UsageError('--adapter: the CPU has none. Leave it out, or use --device gpu.');
  if (adapter?.trim() === '')
    throw new UsageError('--adapter: it is empty. Use hardware, software, null or a part of its name.');
  if (data === '') throw new UsageError('--data: it is empty. Give a folder of IDX files.');
  return {
    cases: casesOf(rest.cases, device, adapter),
    device,
    adapter,
    rounds: numberOf('--rounds', rest.rounds ?? '3', { whole: true, max: 1000 }),
    seconds: numberOf('--seconds', rest.seconds ?? '5', { whole: false, max: 600 }),
    data,
    json,
    help,
  };
}

/** @param {readonly string[]} args @returns {Record<string, any>} */
function parse(args) {
  const { tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === 'positional') throw new UsageError(`"${token.value}" is no option. ${known()}`);
    if (token.kind !== 'option') continue;
    if (!Object.hasOwn(OPTIONS, token.name))
      throw new UsageError(`${token.rawName}: there is no such option. ${known()}`);
    const wantsValue = OPTIONS[/** @type {keyof typeof OPTIONS} */ (token.name)].type === 'string';
    // Without `strict`, an option at the end and one before another option have no value, or the other as theirs.
    const missing = token.value === undefined || (!token.inlineValue && token.value.startsWith('--'));
    if (wantsValue && missing) throw new UsageError(`${token.rawName}: its value is missing. See --help.`);
    if (!wantsValue && token.value !== undefined) throw new UsageError(`${token.rawName}: it takes no value.`);
  }
  return parseArgs({ args: [...args], options: OPTIONS }).values;
}

function known() {
  return `Use ${Object.keys(OPTIONS)
    .map((name) => `--${name}`)
    .join(', ')}.`;
}

/**
 * @param {string | undefined} text
 * @param {'gpu' | 'cpu'} device
 * @param {string | undefined} adapter
 */
function casesOf(text, device, adapter) {
  const can = NAMES.filter((name) => whyNot(name, device, adapter) === undefined);
  if (text === undefined) return can;
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!Object.hasOwn(CASES, name)) throw new UsageError(`--cases: "${name}" is unknown. Use ${NAMES.join(', ')}.`);
    const why = whyNot(name, device, adapter);
    if (why) throw new UsageError(`--cases: ${name} ${why}. Use ${can.join(', ')}.`);
  }
  return [...new Set(names)];
}

/**
 * Why a case says nothing there.
 * @param {string} name
 * @param {'gpu' | 'cpu'} device
 * @param {string | undefined} adapter
 */
function whyNot(name, device, adapter) {
  const { kind } = /** @type {import('./cases.mjs').Case} */ (CASES[name]);
  if (kind === 'host' && device === 'cpu') return 'is about the GPU backend';
  if (kind === 'matmul' && isNull(adapter)) return 'says nothing on the null backend, which computes nothing';
  return undefined;
}

/** @param {string | undefined} adapter */
export function isNull(adapter) {
  return adapter?.trim().toLowerCase() === 'null';
}

/**
 * @param {string} option
 * @param {string} text
 * @param {{ whole: boolean, max: number }} limits
 */
function numberOf(option, text, { whole, max }) {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value > 0 && value <= max && (!whole || Number.isInteger(value))) return value;
  throw new UsageError(
    `${option}: "${text}" cannot be used. Give a ${whole ? 'whole ' : ''}number above 0, up to ${max}.`,
  );
}
