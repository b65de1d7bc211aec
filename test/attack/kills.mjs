// kill -9 at random moments of a short training on the CPU with checkpoints, then --resume: files must be whole, nothing may be
// left over, and the run must end as one that was never killed. `node test/attack/kills.mjs [KILLS] [SEED]`
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '../../dist/src/train/safetensors.js';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const [kills = 100, seed = 1] = process.argv.slice(2).map(Number);
/** Every so many kills, the process has number 1 in a PID namespace of its own, as in a container. */
const CONTAINER_EVERY = 10;
const STEPS = 300;
const folder = mkdtempSync(join(tmpdir(), 'thalweg-kills-'));
const path = (...parts) => join(folder, ...parts);
const contained = spawnSync('unshare', ['-Urpf', '--kill-child', 'true']).status === 0;

let state = seed >>> 0;
/** mulberry32, in [0, 1). */
function random() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

/** An IDX set whose images are bars at a place that is their class. */
function writeData(to, sizes = { train: 70, t10k: 20 }, side = 28) {
  mkdirSync(to);
  const header = (...shape) => {
    const bytes = Buffer.alloc(4 + 4 * shape.length);
    bytes.set([0, 0, 8, shape.length]);
    for (const [k, size] of shape.entries()) bytes.writeUInt32BE(size, 4 + 4 * k);
    return bytes;
  };
  for (const [name, n] of Object.entries(sizes)) {
    const x = Buffer.alloc(n * side * side);
    for (let at = 0; at < x.length; at++) {
      const [image, column] = [Math.floor(at / side / side), at % side];
      if (Math.abs(column - 2 * (image % 10) - 4) < 2) x[at] = 200 + (at % 50);
    }
    const y = Buffer.from(Array.from({ length: n }, (_, k) => k % 10));
    writeFileSync(join(to, `${name}-images-idx3-ubyte`), Buffer.concat([header(n, side, side), x]));
    writeFileSync(join(to, `${name}-labels-idx1-ubyte`), Buffer.concat([header(n), y]));
  }
}

/** Runs the program; killed `delay` milliseconds after it told of step `at`, where that is given. */
function thalweg(args, { container = false, at, delay } = {}) {
  const [command, before] = container
    ? ['unshare', ['-Urpf', '--kill-child', process.execPath]]
    : [process.execPath, []];
  return new Promise((done) => {
    const child = spawn(command, [...before, MAIN, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let err = '';
    let timer;
    child.stderr.on('data', (text) => {
      err += text;
    });
    child.stdout.on('data', (text) => {
      if (at !== undefined && text.includes(`"step":${at},`)) timer ??= setTimeout(() => child.kill('SIGKILL'), delay);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      done({ code, signal, err });
    });
  });
}

const flags = ['--device', 'cpu', '--quiet', '--json'];
const train = (out) => [
  ...['train', '--preset', 'classic', '--data', 'data', '--batch-size', '16', '--max-steps', String(STEPS)],
  ...['--save-every', '7', '--out', out, ...flags],
];

/** Steps that metrics.jsonl tells of; half a line at its end is allowed after a kill. */
function stepsIn(out) {
  const file = path(out, 'metrics.jsonl');
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines
    .map((line) => JSON.parse(line))
    .filter(({ type }) => type === 'step')
    .map(({ step }) => step);
}

function isWhole(file) {
  if (!existsSync(file)) return true;
  try {
    if (file.endsWith('.json')) JSON.parse(readFileSync(file, 'utf8'));
    else readSafetensors(readFileSync(file), file);
    return true;
  } catch {
    return false;
  }
}

const PROMISED = [
  'accuracy.svg',
  'checkpoint.safetensors',
  'config.json',
  'loss.svg',
  'metrics.jsonl',
  'weights.safetensors',
];
const faults = new Map();
function fault(kind, detail) {
  faults.set(kind, [...(faults.get(kind) ?? []), detail]);
}

/** What is wrong after a run was killed, and after it went on. */
async function attack(k) {
  const out = `run${k}`;
  const container = contained && k % CONTAINER_EVERY === 0;
  // One in five comes after the last step, where checkpoint, pictures and weights are written.
  const last = k % 5 === 4;
  const at = last ? STEPS : Math.ceil(STEPS * random());
  const killed = await thalweg(train(out), { container, at, delay: random() * (last ? 120 : 40) });
  if (killed.signal !== 'SIGKILL') return 'ended before the kill';
  for (const name of PROMISED.filter((file) => /json$|safetensors$/.test(file)))
    if (!isWhole(path(out, name))) fault('a file is not whole', name);
  const checkpoint = path(out, 'checkpoint.safetensors');
  const resumes = existsSync(checkpoint);
  if (resumes) {
    const step = readSafetensors(readFileSync(checkpoint), checkpoint).tensors.get('trainer.step').data[0];
    const told = new Set(stepsIn(out));
    const lost = Array.from({ length: step }, (_, i) => i + 1).filter((s) => !told.has(s)).length;
    if (lost > 0) fault('metrics.jsonl lags behind the checkpoint', lost);
  }
  const left = existsSync(path(out)) ? readdirSync(path(out)).filter((name) => name.endsWith('.tmp')).length : 0;
  const again = await thalweg(resumes ? ['train', '--resume', out, ...flags] : [...train(out), '--overwrite'], {
    container,
  });
  // The kill may have come after all was written.
  const complete = again.err.includes('is complete');
  if (again.code !== 0 && !complete) {
    fault('the run does not go on', again.err.trim().split('\n')[0].slice(0, 160));
    return 'killed';
  }
  const same = (name) => readFileSync(path(out, name)).equals(readFileSync(path('whole', name)));
  for (const name of ['checkpoint.safetensors', 'weights.safetensors'])
    if (!existsSync(path(out, name)) || !same(name)) fault('other bits than the run that was not killed', name);
  const missing = STEPS - new Set(stepsIn(out)).size;
  if (missing > 0) fault('lines are missing in the end', missing);
  const more = readdirSync(path(out)).filter((name) => !PROMISED.includes(name));
  if (more.length > 0) fault('files are left over', more[0]);
  if (left > 0) return `killed amid a write`;
  return resumes ? 'killed, resumed' : 'killed before the first checkpoint';
}

try {
  writeData(path('data'));
  const whole = await thalweg(train('whole'));
  if (whole.code !== 0) throw new Error(`the run itself fails: ${whole.err}`);
  const kinds = new Map();
  for (let k = 0; k < kills; k++) {
    const kind = await attack(k);
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    rmSync(path(`run${k}`), { recursive: true, force: true });
  }
  console.log(`${kills} kills of a run of ${STEPS} steps, seed ${seed}:`);
  for (const [kind, n] of kinds) console.log(`  ${n} ${kind}`);
  if (!contained) console.log('  none with the same process number: unshare is not there');
  for (const [kind, list] of faults) {
    const numbers = list.filter((detail) => typeof detail === 'number');
    const detail = numbers.length > 0 ? `worst ${Math.max(...numbers)}` : `such as ${list[0]}`;
    console.log(`FAULT in ${list.length}: ${kind} (${detail})`);
  }
  process.exitCode = faults.size > 0 ? 1 : 0;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
