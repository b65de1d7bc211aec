// What is measured: the cases, and who runs each of them on which device.

/**
 * @typedef {object} Training A network that learns digits.
 * @property {'training'} kind
 * @property {string} text
 * @property {readonly number[]} [channels] of convolutions that come first: each 5 x 5 without padding, then 2 x 2 max pooling
 * @property {readonly number[]} widths of the dense layers, their input first
 * @property {'relu' | 'sigmoid'} activation
 * @property {'cross-entropy' | 'squared-error'} loss `squared-error`: the outputs are sigmoids, as in the preset `classic`.
 * @property {{ readonly name: 'sgd' | 'adam', readonly lr: number }} optimizer
 * @property {number} B examples a batch
 * @property {Readonly<Record<string, number>>} [shortBlocks] steps of a block for contenders that take seconds a step, by {@link nameOf}
 *
 * @typedef {{ kind: 'matmul', text: string, N: number }} Product (N, N) · (N, N) in f32
 * @typedef {{ kind: 'host', text: string, of: string }} Host what the host does for one step of the case `of`
 * @typedef {Training | Product | Host} Case
 *
 * @typedef {object} Contender
 * @property {'thalweg' | 'tfjs' | 'jax-js'} library
 * @property {'gpu' | 'wasm' | 'cpu'} backend
 */

/** A library cannot run a case: reported, and no failure of the run. */
export class Unable extends Error {
  name = 'Unable';
}

/** @type {Omit<Training, 'text' | 'optimizer' | 'B'>} */
const MLP = { kind: 'training', widths: [784, 128, 10], activation: 'relu', loss: 'cross-entropy' };

/** @type {Readonly<Record<string, Case>>} */
export const CASES = {
  'mlp-sgd-64': {
    ...MLP,
    text: '784-128-10, ReLU, cross-entropy, SGD 0.1, batches of 64',
    optimizer: { name: 'sgd', lr: 0.1 },
    B: 64,
  },
  'classic-sgd-32': {
    kind: 'training',
    text: '784-16-16-10, sigmoid, squared error, SGD 1, batches of 32',
    widths: [784, 16, 16, 10],
    activation: 'sigmoid',
    loss: 'squared-error',
    optimizer: { name: 'sgd', lr: 1 },
    B: 32,
  },
  'mlp-adam-128': {
    ...MLP,
    text: '784-128-10, ReLU, cross-entropy, Adam 0.001, batches of 128',
    optimizer: { name: 'adam', lr: 1e-3 },
    B: 128,
  },
  'mlp-sgd-256': {
    ...MLP,
    text: '784-128-10, ReLU, cross-entropy, SGD 0.1, batches of 256',
    optimizer: { name: 'sgd', lr: 0.1 },
    B: 256,
  },
  'cnn-sgd-64': {
    ...MLP,
    text: '5 x 5 convolutions to 8 and 16 channels, each max pooled, 256-10, ReLU, cross-entropy, SGD 0.1, batches of 64',
    channels: [8, 16],
    widths: [256, 10],
    optimizer: { name: 'sgd', lr: 0.1 },
    B: 64,
    shortBlocks: { 'tfjs cpu': 2 },
  },
  'matmul-512': { kind: 'matmul', text: 'f32, 512 x 512 times 512 x 512', N: 512 },
  'matmul-1024': { kind: 'matmul', text: 'f32, 1024 x 1024 times 1024 x 1024', N: 1024 },
  host: {
    kind: 'host',
    text: 'Thalweg alone, always on the null backend: what one step costs the host',
    of: 'mlp-sgd-64',
  },
};

export const ADAM = { beta1: 0.9, beta2: 0.999, eps: 1e-8 };

/** @type {Readonly<Record<'gpu' | 'cpu', readonly Contender[]>>} */
const CONTENDERS = {
  gpu: [
    { library: 'thalweg', backend: 'gpu' },
    { library: 'tfjs', backend: 'gpu' },
    { library: 'jax-js', backend: 'gpu' },
  ],
  cpu: [
    { library: 'thalweg', backend: 'cpu' },
    { library: 'tfjs', backend: 'wasm' },
    { library: 'jax-js', backend: 'wasm' },
    { library: 'tfjs', backend: 'cpu' },
  ],
};

/**
 * Who runs a case on a device.
 * @param {Case} kase
 * @param {'gpu' | 'cpu'} device
 */
export function contendersOf(kase, device) {
  return kase.kind === 'host' ? CONTENDERS.gpu.slice(0, 1) : CONTENDERS[device];
}

/** The packages that a peer needs in this folder's node_modules. @param {Contender} contender */
export function packagesOf({ library, backend }) {
  if (library === 'thalweg') return [];
  const dawn = backend === 'gpu' ? ['webgpu'] : [];
  if (library === 'jax-js') return ['@jax-js/jax', ...dawn];
  return ['@tensorflow/tfjs', `@tensorflow/tfjs-backend-${backend === 'gpu' ? 'webgpu' : backend}`, ...dawn];
}

/** Batches that differ; longer blocks go through them again. */
export const BATCHES = 50;

/**
 * Steps between two read-backs: 50, or 400 where 50 are done in a few milliseconds.
 * @param {{ software: boolean, computes: boolean }} adapter
 */
export function stepsPerBlock({ software, computes }) {
  return software && computes ? BATCHES : 8 * BATCHES;
}

/** @param {Case} kase */
export function unitOf({ kind }) {
  return /** @type {const} */ ({ training: 'steps/s', matmul: 'GFLOP/s', host: 'us/step' })[kind];
}

/** What a contender is called in tables. @param {Contender} contender */
export function nameOf({ library, backend }) {
  return `${library} ${backend}`;
}
