// Random numbers without state: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) maps every
// (counter, key) to four words, so the counter determines the bits. shaders/random.wgsl.ts is the same on the GPU, bit for bit.
import { OptionError } from './errors.ts';

/** A 64-bit key as two 32-bit words, low word first. */
export type Key = readonly [number, number];

/** The key of a run's seed, a whole number from 0 to 2^53 - 1. */
export function seedKey(seed: number): Key {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new OptionError(`seed: ${seed} is not a whole number from 0 to 2^53 - 1. Give one, like 42.`);
  return [seed >>> 0, Math.floor(seed / 2 ** 32)];
}

/** The high word of the 64-bit product of two 32-bit words. */
function mulHigh(a: number, b: number): number {
  const aHigh = a >>> 16;
  const aLow = a & 0xffff;
  const bHigh = b >>> 16;
  const bLow = b & 0xffff;
  const cross = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middle = aLow * bHigh + (cross & 0xffff);
  return (aHigh * bHigh + (cross >>> 16) + (middle >>> 16)) >>> 0;
}

/** Writes the four words of counter (c0, c1, c2, c3) under key (k0, k1) to `out` at `at`. */
export function philox(
  out: Uint32Array,
  at: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
  k0: number,
  k1: number,
): void {
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = mulHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[at] = c0;
  out[at + 1] = c1;
  out[at + 2] = c2;
  out[at + 3] = c3;
}

/** The finalizer of MurmurHash3: every bit of the input affects every bit of the output. */
function mixBits(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A 32-bit hash of a text (FNV-1a over its UTF-16 units, then mixed): the stream id of a path. */
export function hashText(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mixBits(h);
}

/** `size` words of the stream of `path`. */
function words(size: number, seed: number, path: string): Uint32Array {
  const [k0, k1] = seedKey(seed);
  const stream = hashText(path);
  const out = new Uint32Array(Math.ceil(size / 4) * 4);
  // The last counter word distinguishes initial values from dropout masks, which have 0 there.
  for (let at = 0; at < size; at += 4) philox(out, at, at >>> 2, stream, 0, 1, k0, k1);
  return out;
}

/** `size` numbers drawn uniformly from low to high, a function of (seed, path) alone. */
export function uniforms(size: number, seed: number, path: string, low = 0, high = 1): Float32Array {
  const bits = words(size, seed, path);
  const out = new Float32Array(size);
  for (let i = 0; i < size; i++) out[i] = low + (high - low) * ((bits[i]! >>> 8) * 2 ** -24);
  return out;
}

/** `size` numbers drawn from a normal distribution (Box-Muller), a function of (seed, path) alone. */
export function normals(size: number, seed: number, path: string, mean = 0, deviation = 1): Float32Array {
  const bits = words(size + 1, seed, path);
  const out = new Float32Array(size);
  for (let i = 0; i < size; i += 2) {
    const radius = deviation * Math.sqrt(-2 * Math.log((bits[i]! + 0.5) * 2 ** -32));
    const angle = 2 * Math.PI * (bits[i + 1]! * 2 ** -32);
    out[i] = mean + radius * Math.cos(angle);
    if (i + 1 < size) out[i + 1] = mean + radius * Math.sin(angle);
  }
  return out;
}

/** The key of one epoch's shuffle: four words. */
export type ShuffleKey = readonly [number, number, number, number];

/** Marks the counters that shuffles use. */
export const SHUFFLE_STREAM = 0x73687566;

const FEISTEL_ROUNDS = 8;

export function shuffleKey(seed: Key, epoch: number): ShuffleKey {
  const out = new Uint32Array(4);
  philox(out, 0, epoch, SHUFFLE_STREAM, 0, 2, seed[0], seed[1]);
  return [out[0]!, out[1]!, out[2]!, out[3]!];
}

/** Bits in each half of the Feistel network for n: the smallest h >= 1 with 4^h >= n. */
export function feistelHalfBits(n: number): number {
  let h = 1;
  while (4 ** h < n) h++;
  return h;
}

/**
 * The image of `position` under a keyed permutation of 0 .. n - 1: a balanced Feistel network over the next power of four, iterated until
 * the result is below n (cycle walking). Positions are independent, so a batch of any size needs no list of the others.
 */
export function permute(position: number, n: number, key: ShuffleKey): number {
  const half = feistelHalfBits(n);
  const mask = 2 ** half - 1;
  let x = position;
  do {
    let left = x >>> half;
    let right = x & mask;
    for (let round = 0; round < FEISTEL_ROUNDS; round++) {
      const next = (left ^ mixBits((right ^ key[round & 3]!) + Math.imul(round, 0x9e3779b9))) & mask;
      left = right;
      right = next;
    }
    x = ((left << half) | right) >>> 0;
  } while (x >= n);
  return x;
}
