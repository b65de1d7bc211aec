// Damaged files for every reader: safetensors, checkpoints, IDX, gzip, settings in JSON, an earlier benchmark. Each outcome must be
// success or an error of ours, soon and without much memory. `node test/attack/fuzz.mjs [FILES] [SEED]`
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readEarlier } from '../../dist/bench/compare.js';
import { CONFIG_EXTRAS, OPTION_CONTEXT } from '../../dist/src/cli/context.js';
import { parseConfig } from '../../dist/src/cli/options.js';
import { readWeights } from '../../dist/src/cli/run-files.js';
import { readIdx } from '../../dist/src/node/data-idx.js';
import {
  createBackend,
  loadCheckpoint,
  loadWeights,
  losses,
  network,
  networkOf,
  optim,
  readSafetensors,
  saveCheckpoint,
  saveWeights,
  Trainer,
  writeSafetensors,
} from '../../dist/src/node/index.js';
import { describeCheckpoint } from '../../dist/src/train/checkpoint.js';

const [files = 10_000, seed = 1] = process.argv.slice(2).map(Number);
const [MOST_MS, MOST_MB] = [1000, 256];
const OURS = new Set(['CheckpointError', 'DataError', 'OptionError', 'FileError', 'ShapeError']);
const folder = mkdtempSync(join(tmpdir(), 'thalweg-fuzz-'));
const path = join(folder, 'file');

let state = seed >>> 0;
/** mulberry32: a whole number below n. */
function random(n) {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
}
const pick = (list) => list[random(list.length)];

/** What makes readers of numbers and text stumble. */
const WORDS = [
  ...[
    '0',
    '-1',
    '1e999',
    '4294967296',
    '9007199254740993',
    '18446744073709551615',
    'null',
    'true',
    '[]',
    '{}',
    '""',
    'NaN',
  ],
  ...[
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '\u0000',
    '\u001b[2J',
    '\ud800',
    '"__proto__"',
    '"__metadata__"',
    '"F32"',
    '"F16"',
    '"I64"',
    '"F8_E5M2"',
  ],
  ...[
    '[['.repeat(200),
    '{"a":'.repeat(200),
    '"shape":[0,4294967295]',
    '"data_offsets":[0,0]',
    '"optimizer.v.out.bias"',
  ],
].map((word) => Buffer.from(word));
const NUMBERS = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** One to four changes somewhere, rather at the beginning, where headers are. */
function mutated(original) {
  let bytes = Buffer.from(original);
  for (let n = 1 + random(4); n > 0; n--) {
    const at = random(2) ? random(bytes.length + 1) : random(Math.min(bytes.length, 400) + 1);
    const end = Math.min(bytes.length, at + 1 + random(random(2) ? 4 : 400));
    const join = (...parts) => Buffer.concat([bytes.subarray(0, at), ...parts]);
    const change = random(9);
    if (bytes.length === 0) return bytes;
    if (change === 0) bytes[Math.min(at, bytes.length - 1)] ^= 1 << random(8);
    else if (change === 1) bytes[Math.min(at, bytes.length - 1)] = pick(NUMBERS) & 0xff;
    else if (change === 2 && at + 4 <= bytes.length) bytes[pick(['writeUInt32BE', 'writeUInt32LE'])](pick(NUMBERS), at);
    else if (change === 3) bytes = join();
    else if (change === 4) bytes = join(bytes.subarray(end));
    else if (change === 5) bytes = join(bytes.subarray(at, end), bytes.subarray(at));
    else if (change === 6) bytes = join(pick(WORDS), bytes.subarray(end));
    else if (change === 7) bytes = join(pick(WORDS), bytes.subarray(at));
    else bytes = join(Buffer.from(Array.from({ length: 1 + random(64) }, () => random(256))), bytes.subarray(end));
  }
  return bytes;
}

/** JSON with one value in it replaced: it parses, and says something else. */
function otherJson(text) {
  const value = JSON.parse(text);
  const places = [];
  const visit = (at) => {
    for (const key of Object.keys(at)) {
      places.push([at, key]);
      if (typeof at[key] === 'object' && at[key] !== null) visit(at[key]);
    }
  };
  visit(value);
  const [at, key] = pick(places);
  at[key] = pick([null, true, -1, 0, 0.5, 1e300, '', 'x', [], {}, [[]], 2 ** 53, 'mlp', { seed: 1 }, [1, 2, 3]]);
  return JSON.stringify(value);
}

/** A safetensors file whose header or metadata say something else, with the lengths right. */
function otherHeader(bytes) {
  const end = 8 + Number(bytes.readBigUInt64LE());
  let header = bytes.subarray(8, end).toString();
  const metadata = JSON.parse(header).__metadata__?.thalweg;
  if (metadata && random(2)) {
    const parsed = JSON.parse(header);
    parsed.__metadata__.thalweg = otherJson(metadata);
    header = JSON.stringify(parsed);
  } else header = otherJson(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), bytes.subarray(end)]);
}

function idx(...shape) {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  for (const [k, size] of shape.entries()) header.writeUInt32BE(size, 4 + 4 * k);
  return Buffer.concat([
    header,
    Buffer.alloc(
      shape.reduce((a, b) => a * b, 1),
      7,
    ),
  ]);
}

const backend = await createBackend({ device: 'cpu' });
const described = { inputs: 6, hidden: [5, 4], outputs: 3, activation: 'relu', loss: 'cross-entropy' };
const { model } = network(described);
const trainer = new Trainer(backend, { model, loss: losses.softmaxCrossEntropy, optimizer: optim.adam() });
const x = Float32Array.from({ length: 60 }, (_, k) => Math.sin(k));
const data = {
  size: 10,
  x: { shape: [10, 6], data: x },
  y: { shape: [10], data: Uint32Array.from({ length: 10 }, (_, k) => k % 3) },
};
await trainer.fit(data, { maxSteps: 4, batchSize: 5 });
const checkpoint = Buffer.from(await saveCheckpoint(trainer, { preset: 'mlp', seed: 0, epochs: 3 }));
const weights = Buffer.from(await saveWeights(trainer, { preset: 'mlp' }));
/** A file with every dtype. */
const everything = Buffer.from(
  writeSafetensors({
    ...Object.fromEntries(
      [Float64Array, Float32Array, Int32Array, Uint32Array, Int16Array, Uint16Array, Int8Array, Uint8Array].map(
        (Kind) => [Kind.name, { shape: [2, 2], data: Kind.of(1, 2, 3, 4) }],
      ),
    ),
    signed: { shape: [2], data: BigInt64Array.of(-1n, 1n) },
    unsigned: { shape: [1], data: BigUint64Array.of(2n ** 64n - 1n) },
    half: { dtype: 'F16', shape: [3], data: Float32Array.of(1, -0, 2 ** -24) },
    brain: { dtype: 'BF16', shape: [], data: Float32Array.of(2) },
    flags: { dtype: 'BOOL', shape: [2], data: Uint8Array.of(0, 1) },
  }),
);
/** The weights as they may come from elsewhere: behind a prefix, in dtypes of their own. */
const foreign = Buffer.from(
  writeSafetensors(
    new Map(
      [...readSafetensors(weights).tensors].map(([name, { shape, data }], k) => [
        `module.${name}`,
        { shape, data: k % 2 ? Float64Array.from(data) : BigInt64Array.from(data, (v) => BigInt(Math.round(v))) },
      ]),
    ),
  ),
);
const config = JSON.stringify({ preset: 'mlp', seed: 3, lr: 0.1, batchSize: 4, epochs: 2, data: 'digits', json: true });
const figure = {
  type: 'figure',
  suite: 'step',
  name: 'mlp',
  backend: 'cpu',
  adapter: 'CPU',
  software: true,
  unit: 'steps/s',
};
const earlier = [
  { type: 'bench', step: 0, time: 0, schema: 1, versions: { thalweg: '0.1.0' } },
  { ...figure, median: 3, min: 2, max: 4, rounds: [2, 3, 4] },
  { type: 'end', step: 0, time: 1, schema: 1 },
];
const lines = earlier.map((line) => JSON.stringify(line)).join('\n');

/** Each reader: whole files, a way to damage them more cleverly than at random, and what reads them. */
const READERS = {
  safetensors: {
    originals: [weights, checkpoint, everything],
    other: otherHeader,
    read(bytes) {
      writeFileSync(path, bytes);
      const read = readWeights(path);
      const { tensors, metadata } = readSafetensors(read, 'file');
      const again = readSafetensors(writeSafetensors(tensors, metadata)).tensors;
      if (again.size !== tensors.size) throw new Error('a tensor was lost when the file was written again');
      networkOf(read, 'file');
    },
  },
  checkpoint: {
    originals: [checkpoint],
    other: otherHeader,
    async read(bytes) {
      const before = await saveWeights(trainer);
      try {
        describeCheckpoint(bytes, 'file');
        await loadCheckpoint(trainer, bytes, 'file');
        await saveCheckpoint(trainer);
      } catch (error) {
        if (!Buffer.from(before).equals(Buffer.from(await saveWeights(trainer))))
          throw new Error(`the State was changed by a file that was refused: ${error.message}`);
        throw error;
      }
    },
  },
  weights: {
    originals: [weights, foreign],
    other: otherHeader,
    async read(bytes) {
      const before = Buffer.from(await saveWeights(trainer));
      try {
        const rename = random(2) ? { 'module.': '', 'module.out.': 'out.' } : (name) => name.replace('module.', '');
        await loadWeights(trainer, bytes, { strict: random(2) === 0, ...(random(2) && { rename }) });
      } catch (error) {
        if (!before.equals(Buffer.from(await saveWeights(trainer))))
          throw new Error(`weights were changed by a file that was refused: ${error.message}`);
        throw error;
      }
    },
  },
  idx: {
    originals: [idx(4, 5, 5), idx(9)],
    async read(bytes) {
      writeFileSync(path, bytes);
      await readIdx(path);
    },
  },
  gzip: {
    originals: [gzipSync(idx(4, 5, 5)), gzipSync(idx(4000, 5, 5)), gzipSync(Buffer.alloc(20_000_000))],
    other: () => gzipSync(mutated(idx(4, 5, 5))),
    async read(bytes) {
      writeFileSync(path, bytes);
      await readIdx(path);
    },
  },
  config: {
    originals: [Buffer.from(config)],
    other: (bytes) => Buffer.from(otherJson(bytes.toString())),
    read: (bytes) => parseConfig(bytes.toString(), 'file', OPTION_CONTEXT, CONFIG_EXTRAS),
  },
  compare: {
    originals: [Buffer.from(lines)],
    other: (bytes) =>
      Buffer.from(
        bytes
          .toString()
          .split('\n')
          .map((line) => (random(2) ? otherJson(line) : line))
          .join('\n'),
      ),
    read: (bytes) => readEarlier(bytes.toString(), 'file'),
  },
};

let faults = 0;
function fault(reader, text) {
  faults++;
  if (faults <= 20) console.log(`FAULT: ${reader}: ${text}`);
}

for (const [name, { originals, other, read }] of Object.entries(READERS)) {
  for (const original of originals) await Promise.resolve(read(original)).catch(() => {}); // warm
  const outcomes = { read: 0, refused: 0 };
  let slowest = 0;
  globalThis.gc?.();
  const before = process.memoryUsage.rss();
  let most = before;
  for (let k = 0; k < files; k++) {
    const original = pick(originals);
    const bytes = other && random(3) === 0 ? other(original) : mutated(original);
    const began = performance.now();
    try {
      await read(bytes);
      outcomes.read++;
    } catch (error) {
      if (OURS.has(error?.name)) outcomes.refused++;
      else fault(name, `file ${k}: ${error?.stack?.split('\n').slice(0, 3).join(' | ')}`);
      // What only the command line reads is escaped where it is printed.
      const library = name !== 'config' && name !== 'compare';
      if (library && /\p{Cc}/u.test(String(error?.message).replaceAll('\n', '')))
        fault(name, `file ${k}: control characters in ${JSON.stringify(error.message)}`);
    }
    slowest = Math.max(slowest, performance.now() - began);
    if (k % 100 === 0) most = Math.max(most, process.memoryUsage.rss());
  }
  const grown = (most - before) / 2 ** 20;
  console.log(
    `${name}: ${files} files, ${outcomes.read} read, ${outcomes.refused} refused; slowest ${slowest.toFixed(0)} ms, memory +${grown.toFixed(0)} MB`,
  );
  if (slowest > MOST_MS) fault(name, `one took ${slowest.toFixed(0)} ms, and ${MOST_MS} are allowed`);
  if (grown > MOST_MB) fault(name, `memory grew by ${grown.toFixed(0)} MB, and ${MOST_MB} are allowed`);
}
trainer.dispose();
backend.dispose();
rmSync(folder, { recursive: true, force: true });
console.log(`${faults} faults, seed ${seed}`);
process.exitCode = faults > 0 ? 1 : 0;
