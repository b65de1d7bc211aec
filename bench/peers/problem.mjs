// What every library is given: the same batches, the same initial weights, the same matrices. Plain arrays; made or read in
// each process anew, and always the same.
import { BATCHES } from './cases.mjs';
import { dist } from './dist.mjs';

/** @typedef {{ w: Float32Array, b: Float32Array, inputs: number, outputs: number }} Layer w is (outputs, inputs) */
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
 * U(-1/√in, 1/√in).
 * @param {readonly number[]} widths
 * @returns {Layer[]}
 */
export function weightsOf(widths) {
  const random = generator(12345);
  return widths.slice(1).map((outputs, k) => {
    const inputs = widths[k] ?? 0;
    const draw = (/** @type {number} */ n) =>
      Float32Array.from({ length: n }, () => (2 * random() - 1) / Math.sqrt(inputs));
    return { w: draw(outputs * inputs), b: draw(outputs), inputs, outputs };
  });
}

/** (outputs, inputs) to (inputs, outputs), as the peers store it. @param {Layer} layer */
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
