// What every library is given: the same batches, the same initial weights, the same matrices. Plain arrays; made or read in
// each process anew, and always the same.
import { BATCHES } from './cases.mjs';
import { dist } from './dist.mjs';

/** Sides of images, kernels and pooling windows. */
export const [SIDE, KERNEL, POOL] = [28, 5, 2];

/**
 * @typedef {object} Layer
 * @property {Float32Array} w (outputs, inputs); of a convolution (outputs, KH, KW, channels)
 * @property {Float32Array} b (outputs)
 * @property {number} inputs of one output
 * @property {number} outputs of a convolution, its channels
 * @property {number} channels of what comes in, the innermost axis of w: 1 where no image comes in
 * @property {number} [side] of the images that a convolution sees, (B, side, side, channels); undefined in dense layers
 */
/** @typedef {{ rows: number, pixels: Uint8Array, labels: Uint8Array, source: string }} Examples pixels are (rows, 784) */
/** @typedef {{ x: Float32Array, y: Float32Array }} Batch x is (B, 784) from 0 to 1, y is (B, 10) one-hot */

/**
 * The examples of the batches, in order: of the folder's training set, or digits made here.
 * @param {number} B
 * @param {string | undefined} folder
 * @returns {Promise<Examples>}
 */
export async function examplesOf(B, folder) {
  const rows = BATCHES * B;
  const { datasets } = await dist('node/index.js');
  const { train, source } = folder ? await datasets.mnist({ folder }) : await datasets.digits({ train: rows, test: 1 });
  if (
    train.size < rows ||
    train.x.shape.slice(1).reduce((/** @type {number} */ n, /** @type {number} */ m) => n * m, 1) !== 784
  )
    throw new Error(
      `--data: ${folder} has ${train.size} examples [${train.x.shape.slice(1)}]. At least ${rows} of 784 bytes are needed.`,
    );
  return { rows, pixels: train.x.data.slice(0, rows * 784), labels: train.y.data.slice(0, rows), source };
}

/**
 * @param {Examples} examples
 * @param {number} B
 * @returns {Batch[]}
 */
export function batchesOf({ pixels, labels }, B) {
  return Array.from({ length: BATCHES }, (_, k) => {
    const y = new Float32Array(B * 10);
    for (let i = 0; i < B; i++) y[i * 10 + (labels[k * B + i] ?? 0)] = 1;
    return { x: Float32Array.from(pixels.subarray(k * B * 784, (k + 1) * B * 784), (v) => v / 255), y };
  });
}

/** mulberry32: numbers from 0 to 1. @param {number} seed */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * The layers with U(-1/√in, 1/√in).
 * @param {Pick<import('./cases.mjs').Training, 'channels' | 'widths'>} kase
 * @returns {Layer[]}
 */
export function weightsOf(kase) {
  const random = generator(12345);
  return sizesOf(kase).map((size) => {
    const draw = (/** @type {number} */ n) =>
      Float32Array.from({ length: n }, () => (2 * random() - 1) / Math.sqrt(size.inputs));
    return { w: draw(size.outputs * size.inputs), b: draw(size.outputs), ...size };
  });
}

/** @param {Pick<import('./cases.mjs').Training, 'channels' | 'widths'>} kase */
function sizesOf({ channels: convolutions = [], widths }) {
  let [side, channels] = [SIDE, 1];
  const filters = convolutions.map((outputs) => {
    const size = { inputs: KERNEL * KERNEL * channels, outputs, channels, side };
    channels = outputs;
    side = (side - KERNEL + 1) / POOL;
    return size;
  });
  const dense = widths
    .slice(1)
    .map((outputs, k) => ({ inputs: widths[k] ?? 0, outputs, channels: k === 0 ? channels : 1 }));
  return [...filters, ...dense];
}

/** A layer for images (B, C, H, W): its w (outputs, places, channels) to (outputs, channels, places). @param {Layer} layer */
export function channelsFirst({ w, inputs, channels, ...rest }) {
  const places = inputs / channels;
  const from = (/** @type {number} */ k) => (k % places) * channels + Math.floor(k / places);
  return {
    ...rest,
    ...{ inputs, channels },
    w: w.map((_, k) => w[Math.floor(k / inputs) * inputs + from(k % inputs)] ?? 0),
  };
}

/** (outputs, inputs) to (inputs, outputs), as the peers store dense layers, and TensorFlow.js filters. @param {Layer} layer */
export function transposed({ w, inputs, outputs }) {
  return Float32Array.from(w, (_, k) => w[(k % outputs) * inputs + Math.floor(k / outputs)] ?? 0);
}

/** Two (N, N) of U(-1, 1). @param {number} N */
export function matricesOf(N) {
  const random = generator(N);
  const draw = () => Float32Array.from({ length: N * N }, () => 2 * random() - 1);
  return { a: draw(), b: draw() };
}

/** Rows to look at. @param {number} N */
export function rowsToCheck(N) {
  const random = generator(64);
  return Array.from({ length: 64 }, () => Math.floor(random() * N));
}
