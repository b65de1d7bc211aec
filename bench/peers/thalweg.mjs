// Thalweg. Training is one Trainer.fit, whose epochs are the blocks: at the end of each, the losses are read back. Its batches
// are gathered on the device from bytes, and it reports accuracy besides. A product is a compiled program, submitted n times.
import { ADAM } from './cases.mjs';
import { blockClock } from './clock.mjs';
import { dist } from './dist.mjs';
import { examplesOf, KERNEL, matricesOf, POOL, SIDE, weightsOf } from './problem.mjs';
import { STEPS } from './reference.mjs';

/**
 * @typedef {object} Adapter
 * @property {string} name
 * @property {string} driver
 * @property {boolean} software
 * @property {boolean} computes false: Dawn's null backend
 */

/** The adapter that Thalweg takes. @param {string | undefined} wanted @returns {Promise<Adapter>} */
export async function findAdapter(wanted) {
  const { name, driver, software } = (await openBackend('gpu', wanted)).report;
  return { name, driver, software, computes: driver !== 'none' };
}

/** @param {string} device @param {string} [adapter] */
async function openBackend(device, adapter) {
  const { createBackend } = await dist('node/index.js');
  if (device === 'cpu') return createBackend({ device });
  const named = adapter === 'hardware' || adapter === 'software' ? adapter : adapter && { name: adapter };
  const backend = await createBackend({ device, adapter: named });
  if (backend.report.driver === 'none') zeroReadBacks(backend.executor.runtime.device);
  return backend;
}

/**
 * The null backend executes no copies, so that a read-back gives what was in its buffer's memory before: anything, and the
 * status that fit reads there would say that a step failed. Each such buffer is zeroed when it is made; fit keeps and
 * reuses the few that it needs, so in the steps that are timed the host does precisely what it does in a real run.
 * @param {GPUDevice} device
 */
function zeroReadBacks(device) {
  const create = device.createBuffer.bind(device);
  device.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const isRead = descriptor.usage & 1; // GPUMapMode.READ
    if (isRead) device.queue.writeBuffer(buffer, 0, new Uint8Array(descriptor.size));
    return buffer;
  };
}

/** @param {import('./measure.mjs').Job} job */
export async function open(job) {
  const { contender, adapter, kase } = job;
  const backend = await openBackend(contender.backend, adapter && (adapter.computes ? adapter.name : 'null'));
  if (kase.kind === 'matmul') return product(backend, kase.N);
  return training(backend, job);
}

async function training(backend, { kase, steps, data }) {
  const trainer = await trainerOf(backend, kase);
  const stream = trainer.fit(await setOf(kase, steps, data), { batchSize: kase.B, shuffle: false });
  const block = async () => {
    const began = performance.now();
    await stream.next();
    return performance.now() - began;
  };
  const warmUp = async () => {
    await block();
    const { loss } = trainer.history.steps;
    return [loss[0], loss[STEPS]];
  };
  return { warmUp, block };
}

async function trainerOf(backend, kase) {
  const { losses, optim, Trainer } = await dist('node/index.js');
  const { loss, optimizer } = kase;
  const squared = loss === 'squared-error';
  return new Trainer(backend, {
    model: await modelOf(kase),
    loss: squared ? losses.sumSquaredError : losses.softmaxCrossEntropy,
    optimizer: optimizer.name === 'adam' ? optim.adam({ lr: optimizer.lr, ...ADAM }) : optim.sgd({ lr: optimizer.lr }),
  });
}

/** The layers, an activation between each two, and the sigmoids of `squared-error`. */
async function modelOf(kase) {
  const { nn } = await dist('node/index.js');
  const Activation = kase.activation === 'sigmoid' ? nn.Sigmoid : nn.ReLU;
  const layers = weightsOf(kase).flatMap(({ w, b, inputs, outputs, channels, side }, k) => {
    const initial = { initialWeight: () => w.slice(), initialBias: () => b.slice() };
    const between = k === 0 ? [] : [new Activation()];
    if (side !== undefined)
      return [...between, new nn.Conv2d(channels, outputs, KERNEL, initial), new nn.MaxPool2d(POOL)];
    if (channels > 1) between.push(new nn.Flatten());
    return [...between, new nn.Linear(inputs, outputs, initial)];
  });
  return new nn.Sequential(...layers, ...(kase.loss === 'squared-error' ? [new nn.Sigmoid()] : []));
}

/** The examples of the batches, again and again until they make an epoch of `steps`. */
async function setOf({ B, channels }, steps, folder) {
  const { datasets } = await dist('node/index.js');
  const { rows, pixels, labels } = await examplesOf(B, folder);
  const repeat = (bytes) =>
    Uint8Array.from({ length: (bytes.length / rows) * B * steps }, (_, k) => bytes[k % bytes.length]);
  const image = channels ? [SIDE, SIDE, 1] : [SIDE * SIDE];
  return datasets.array({ shape: [B * steps, ...image], data: repeat(pixels) }, repeat(labels), { classes: 10 });
}

async function product(backend, N) {
  const { matmul } = await dist('ops/index.js');
  const { a, b } = matricesOf(N);
  const spec = { shape: [N, N], dtype: 'f32' };
  const program = await backend.compile((x) => matmul(x.a, x.b), { a: spec, b: spec });
  const clock = blockClock({ sleeps: backend.kind === 'gpu' });
  const block = (steps) => {
    let ticket;
    return clock(
      steps,
      () => {
        ticket = program.submit(steps);
      },
      () => ticket.values(),
    );
  };
  return { warmUp: async () => (await program.run({ a, b })).y.data, block };
}

/** Steps in each submit that {@link hostCost} times. */
const SUBMIT = 100;

/**
 * Microseconds of one step on the null backend: what `submit` of 100 steps takes on the main thread, and what the whole process
 * spends of processor time with the read-back of the losses included.
 * @param {{ kase: any, seconds: number, data?: string }} job whose case has the network of another
 */
export async function hostCost({ kase, seconds, data }) {
  const backend = await openBackend('gpu', 'null');
  const trainer = await trainerOf(backend, kase);
  const program = await stepProgram(backend, trainer, await setOf(kase, SUBMIT, data), kase.B);
  const read = [trainer.state.ring, trainer.state.status]; // as fit does
  const one = async () => {
    const began = performance.now();
    const ticket = program.submit(SUBMIT, read);
    const handed = performance.now() - began;
    await ticket.values();
    return handed;
  };
  for (let k = 0; k < 50; k++) await one();
  const times = [];
  const before = process.cpuUsage();
  for (const began = performance.now(); performance.now() - began < seconds * 1000; )
    times.push((await one()) * (1000 / SUBMIT));
  const { user, system } = process.cpuUsage(before);
  return {
    submit: times,
    process: (user + system) / (times.length * SUBMIT),
    dispatches: program.dispatches,
    submitted: SUBMIT,
  };
}

/** The program that fit submits. @param set a data set */
async function stepProgram({ executor }, trainer, set, B) {
  const compile = executor.compile.bind(executor);
  /** @type {any} */
  let program;
  executor.compile = async (...given) => {
    program = await compile(...given);
    return program;
  };
  await trainer.warmUp(set, { batchSize: B, shuffle: false });
  return program;
}
