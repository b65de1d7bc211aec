// Injected faults: a session of everything that a trainer does on the GPU, in which one call of the device, chosen at random, throws,
// rejects, runs out of memory or loses the device. Each must end in success or in an error of ours, within seconds, with every buffer
// given back and no error scope left open. `node test/attack/faults.mjs [faults] [seed]`, after `npm run build`.

import { Backend } from '../../dist/src/backend.js';
import { GpuExecutor } from '../../dist/src/compile/executor.js';
import {
  datasets,
  landscape,
  loadCheckpoint,
  losses,
  lrFind,
  nn,
  optim,
  saveCheckpoint,
  Trainer,
} from '../../dist/src/index.js';
import { dawnProvider } from '../../dist/src/node/dawn.js';
import { relu, softmax } from '../../dist/src/ops/index.js';

const [faults = 400, seed = 1] = process.argv.slice(2).map(Number);
const OURS = [
  'ShapeError',
  'ShaderError',
  'DeviceError',
  'DataError',
  'CheckpointError',
  'OptionError',
  'DivergenceError',
];
const PATIENCE_MS = 30_000;

let state = seed;
/** Mulberry32, in [0, 1). */
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

/** Calls that may fail; those that answer with a promise may also reject. */
const REJECTS = ['createComputePipelineAsync', 'popErrorScope', 'onSubmittedWorkDone', 'mapAsync'];
const METHODS = {
  device: [
    'createBuffer createBindGroup createBindGroupLayout createPipelineLayout createShaderModule createCommandEncoder',
    'pushErrorScope popErrorScope createComputePipelineAsync',
  ],
  queue: ['writeBuffer submit onSubmittedWorkDone'],
  encoder: ['beginComputePass copyBufferToBuffer finish'],
  buffer: ['mapAsync getMappedRange unmap'],
};

/** A device whose calls are counted, and whose call number `faultAt` fails. */
class Saboteur {
  calls = 0;
  faultAt = Number.POSITIVE_INFINITY;
  /** What failed, and how. */
  done = '';
  buffers = new Set();

  constructor(device) {
    this.device = device;
    this.#wrap(device, 'device');
    this.#wrap(device.queue, 'queue');
  }

  #wrap(object, kind) {
    for (const method of METHODS[kind].join(' ').split(' ')) {
      const original = object[method].bind(object);
      const value = (...args) => this.#track(method, this.#call(method, original, args));
      Object.defineProperty(object, method, { configurable: true, value });
    }
  }

  #track(method, made) {
    if (method === 'createCommandEncoder') this.#wrap(made, 'encoder');
    if (method === 'createBuffer') {
      this.#wrap(made, 'buffer');
      this.buffers.add(made);
      const destroy = made.destroy.bind(made);
      const value = () => {
        this.buffers.delete(made);
        destroy();
      };
      Object.defineProperty(made, 'destroy', { value });
    }
    return made;
  }

  #call(method, original, args) {
    if (++this.calls !== this.faultAt) return original(...args);
    const dice = random();
    if (dice < 0.04) {
      this.done = `${method} loses the device`;
      this.device.destroy();
      return original(...args);
    }
    if (method === 'createBuffer' && dice < 0.3) {
      this.done = `${method} is refused by the device`;
      return original({ ...args[0], usage: 0 });
    }
    // The scope is gone all the same.
    const result = method === 'popErrorScope' ? original(...args) : undefined;
    const error = new Error('injected');
    if (REJECTS.includes(method) && dice < 0.6) {
      this.done = `${method} rejects`;
      return Promise.resolve(result).then(() => Promise.reject(error));
    }
    result?.catch(() => {});
    this.done = `${method} throws`;
    throw error;
  }
}

class Net {
  hidden = new nn.Linear(4, 8);
  out = new nn.Linear(8, 3);
  forward(x) {
    return this.out.forward(relu(this.hidden.forward(x)));
  }
}

function fresh(size) {
  const x = Float32Array.from({ length: size * 4 }, () => random() - 0.5);
  const y = Uint8Array.from({ length: size }, (_, i) => i % 3);
  return datasets.array({ shape: [size, 4], data: x }, y, { classes: 3 });
}

/** What a trainer does, with data sets never seen before. */
async function session(backend) {
  const trainer = new Trainer(backend, {
    model: new Net(),
    loss: losses.softmaxCrossEntropy,
    optimizer: optim.adam(),
    inputShape: [4],
  });
  try {
    const data = fresh(70);
    await trainer.fit(data, { epochs: 2, batchSize: 32, validation: fresh(33) });
    await trainer.evaluate(fresh(40), { confusion: true });
    await trainer.predict({ shape: [5, 4], data: data.x.data.slice(0, 20) });
    await trainer.inspect({ shape: [5, 4], data: data.x.data.slice(0, 20) });
    await loadCheckpoint(trainer, await saveCheckpoint(trainer));
    await lrFind(trainer, data, { steps: 8 });
    await landscape(trainer, data, { n: 2 });
    await backend.run(({ x }) => softmax(x), { x: { shape: [2, 2], dtype: 'f32', data: new Float32Array(4) } });
  } finally {
    trainer.dispose();
  }
}

async function open() {
  const { opened, refused } = await dawnProvider().open({ name: process.env.THALWEG_TEST_ADAPTER ?? 'swiftshader' });
  if (!opened) throw new Error(refused.join(' '));
  const saboteur = new Saboteur(opened.device);
  const backend = new Backend(new GpuExecutor(opened), { name: opened.report.name, software: opened.report.software });
  await session(backend);
  await quiet(backend, saboteur);
  saboteur.calls = 0;
  await session(backend);
  await quiet(backend, saboteur);
  return { backend, saboteur, calls: saboteur.calls, base: held(backend, saboteur), lost: false };
}

/** Until nothing is under way; what the device complained of late is no part of the next session. */
async function quiet({ executor }, { device }) {
  await new Promise((resolve) => setTimeout(resolve, 5));
  await device.queue.onSubmittedWorkDone().catch(() => {});
  await executor.runtime.settle().catch(() => {});
  await new Promise((resolve) => setTimeout(resolve));
}

/** Buffers and counted bytes; those of staging buffers, which the runtime keeps for the next one who reads, stand apart. */
function held({ executor }, { buffers }) {
  const staging = [...buffers].filter(({ label }) => label === 'staging');
  const spare = staging.reduce((sum, { size }) => sum + size, 0);
  return { buffers: buffers.size - staging.length, bytes: executor.counters.bytes - spare, staging: staging.length };
}

/** The outcome of a session: undefined, or what it threw; `stuck` where it did not end. */
async function outcomeOf(backend) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => resolve('stuck'), PATIENCE_MS);
  });
  const ended = session(backend).then(
    () => undefined,
    (error) => error,
  );
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}

const problems = [];
const counts = {};
process.on('unhandledRejection', (error) => problems.push(`unhandled: ${error?.stack ?? error}`));
const began = performance.now();
let at = await open();
for (let n = 0; n < faults; n++) {
  const { backend, saboteur, calls, base } = at;
  saboteur.calls = 0;
  saboteur.done = '';
  saboteur.faultAt = 1 + Math.floor(random() * calls);
  const error = await outcomeOf(backend);
  saboteur.faultAt = Number.POSITIVE_INFINITY;
  await quiet(backend, saboteur);
  const what = `fault ${n}: ${saboteur.done || 'none'}`;
  const outcome = error === undefined ? 'success' : error === 'stuck' ? 'stuck' : error.name;
  counts[outcome] = (counts[outcome] ?? 0) + 1;
  if (outcome === 'stuck') problems.push(`${what}: never settled`);
  else if (error && (!OURS.includes(error.name) || /^internal/.test(error.message)))
    problems.push(`${what}: ${error.stack?.split('\n').slice(0, 4).join(' | ')}`);
  const now = held(backend, saboteur);
  const same = now.buffers === base.buffers && now.bytes === base.bytes && now.staging <= base.staging + 3;
  if (!same) problems.push(`${what}: holds ${JSON.stringify(now)}, before ${JSON.stringify(base)} (${outcome})`);
  const lost = saboteur.done.includes('loses') || outcome === 'stuck';
  if (!lost) {
    const open = await saboteur.device.popErrorScope().then(
      () => true,
      () => false,
    );
    if (open) problems.push(`${what}: an error scope is left open`);
  } else {
    backend.dispose();
    at = await open();
  }
}
at.backend.dispose();
const seconds = ((performance.now() - began) / 1000).toFixed(0);
console.log(`${faults} faults in sessions of ${at.calls} device calls, seed ${seed}, ${seconds} s:`, counts);
for (const problem of problems.slice(0, 20)) console.log(`  ${problem}`);
console.log(
  problems.length === 0 ? 'all ended in success or an error of ours; memory came back' : `${problems.length} problems`,
);
process.exitCode = problems.length === 0 ? 0 : 1;
