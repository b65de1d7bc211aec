// Philox 4x32-10 and the keyed permutation in WGSL: the same bits as src/graph/random.ts.
import type { Declaration } from '../src/graph/kernel.ts';
import { SHUFFLE_STREAM } from '../src/graph/random.ts';

/** `mulHigh(a, b)`: the high word of a · b. */
export const MUL_HIGH: Declaration = {
  name: 'mulHigh',
  text: (name) => `fn ${name}(a: u32, b: u32) -> u32 {
  let aHigh = a >> 16u;
  let aLow = a & 0xffffu;
  let bHigh = b >> 16u;
  let bLow = b & 0xffffu;
  let cross = aHigh * bLow + ((aLow * bLow) >> 16u);
  let middle = aLow * bHigh + (cross & 0xffffu);
  return aHigh * bHigh + (cross >> 16u) + (middle >> 16u);
}`,
};

/** `philox(counter, key)`: four random words. */
export const PHILOX: Declaration = {
  name: 'philox',
  uses: [MUL_HIGH],
  text: (name, mulHigh) => `fn ${name}(counter: vec4u, key: vec2u) -> vec4u {
  var c = counter;
  var k = key;
  for (var round = 0u; round < 10u; round++) {
    let high0 = ${mulHigh}(0xd2511f53u, c.x);
    let high1 = ${mulHigh}(0xcd9e8d57u, c.z);
    c = vec4u(high1 ^ c.y ^ k.x, 0xcd9e8d57u * c.z, high0 ^ c.w ^ k.y, 0xd2511f53u * c.x);
    k += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return c;
}`,
};

/** `shuffleKey(seed, epoch)`. */
export const SHUFFLE_KEY: Declaration = {
  name: 'shuffleKey',
  uses: [PHILOX],
  text: (name, philox) => `fn ${name}(seed: vec2u, epoch: u32) -> vec4u {
  return ${philox}(vec4u(epoch, ${SHUFFLE_STREAM}u, 0u, 2u), seed);
}`,
};

/** A hash of one word, the round function of the network. */
const MIX_BITS: Declaration = {
  name: 'mixBits',
  text: (name) => `fn ${name}(word: u32) -> u32 {
  var h = (word ^ (word >> 16u)) * 0x85ebca6bu;
  h = (h ^ (h >> 13u)) * 0xc2b2ae35u;
  return h ^ (h >> 16u);
}`,
};

/** `permute(position, n, halfBits, key)`: a Feistel network over the next power of four, walked until it lands below n. */
export const PERMUTE: Declaration = {
  name: 'permute',
  uses: [MIX_BITS],
  text: (name, mixBits) => `fn ${name}(position: u32, n: u32, halfBits: u32, key: vec4u) -> u32 {
  let mask = (1u << halfBits) - 1u;
  var keys = array<u32, 4>(key.x, key.y, key.z, key.w);
  var x = position;
  loop {
    var left = x >> halfBits;
    var right = x & mask;
    for (var round = 0u; round < 8u; round++) {
      let next = (left ^ ${mixBits}((right ^ keys[round & 3u]) + round * 0x9e3779b9u)) & mask;
      left = right;
      right = next;
    }
    x = (left << halfBits) | right;
    if (x < n) { break; }
  }
  return x;
}`,
};
