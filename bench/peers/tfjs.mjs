// TensorFlow.js in its fastest form: production mode, `optimizer.minimize` without a read-back in each step, batches uploaded
// beforehand; on the GPU the bias is fused into the matmul. (An activation is fused only where no gradient is wanted.)
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ADAM, BATCHES, Unable } from './cases.mjs';
import { blockClock } from './clock.mjs';
import { installDawn } from './dawn.mjs';
import { batchesOf, examplesOf, KERNEL, matricesOf, POOL, SIDE, transposed, weightsOf } from './problem.mjs';
import { STEPS } from './reference.mjs';

const require = createRequire(import.meta.url);

/** @param {import('./measure.mjs').Job} job */
export async function open(job) {
  const tf = await load(job.contender.backend, job.adapter);
  const gpu = job.contender.backend === 'gpu';
  const device = {
    gpu,
    clock: blockClock({ sleeps: gpu && job.adapter?.computes === true }),
    /** Submits what was recorded: the backend does so after 15 dispatches only. */
    flush() {
      const backend = tf.backend();
      if (!gpu || !backend.commandEncoder) return;
      backend.endComputePassEncoder();
      backend.submitQueue();
    },
    done: () => gpu && tf.backend().queue.onSubmittedWorkDone(),
  };
  if (job.kase.kind === 'matmul') return product(tf, device, job.kase.N);
  const { warmUp, block } = await training(tf, device, job);
  return { warmUp: () => warmUp().catch(explain), block };
}

/** The wasm backend lacks kernels that some gradients need. @returns {never} */
function explain(/** @type {Error} */ error) {
  throw error.message.includes('not registered for backend') ? new Unable(error.message) : error;
}

/** The CommonJS builds: the ES builds do not load in Node. */
async function load(backend, adapter) {
  if (backend === 'gpu') await installDawn(adapter);
  const tf = require('@tensorflow/tfjs/dist/tf.node.js'); // the core alone has no gradients
  tf.enableProdMode();
  const name = backend === 'gpu' ? 'webgpu' : backend;
  if (name !== 'cpu') {
    const file = require.resolve(`@tensorflow/tfjs-backend-${name}/dist/tf-backend-${name}.node.js`);
    const { setWasmPaths } = require(file);
    if (name === 'wasm') setWasmPaths(join(dirname(file), '/'));
  }
  if (!(await tf.setBackend(name)) || tf.getBackend() !== name) throw new Error(`tfjs has no backend ${name} here`);
  await tf.ready();
  return tf;
}

async function training(tf, { gpu, clock, flush, done }, { kase, data, steps: most }) {
  const { B, loss: kind, activation, channels } = kase;
  const batches = batchesOf(await examplesOf(B, data), B).map(({ x, y }) => ({
    x: tf.tensor(x, channels ? [B, SIDE, SIDE, 1] : [B, SIDE * SIDE]),
    y: tf.tensor2d(y, [B, 10]),
  }));
  const layers = weightsOf(kase).map((layer) => ({
    w: tf.variable(tf.tensor(transposed(layer), shapeOf(layer))),
    b: tf.variable(tf.tensor1d(layer.b)),
    inputs: layer.inputs,
    convolves: layer.side !== undefined,
  }));
  // On wasm and cpu the fused kernel is the slower one by far.
  const linear = (a, { w, b }) => (gpu ? tf.fused.matMul({ a, b: w, bias: b }) : tf.add(tf.matMul(a, w), b));
  const convolution = (x, { w, b }) =>
    gpu ? tf.fused.conv2d({ x, filter: w, bias: b, strides: 1, pad: 'valid' }) : tf.add(tf.conv2d(x, w, 1, 'valid'), b);
  const apply = (h, layer) =>
    layer.convolves
      ? tf.maxPool(convolution(h, layer), POOL, POOL, 'valid')
      : linear(h.rank === 4 ? tf.reshape(h, [B, layer.inputs]) : h, layer);
  const forward = (x) => layers.reduce((h, layer, k) => apply(k === 0 ? h : tf[activation](h), layer), x);
  const lossOf =
    kind === 'squared-error'
      ? (z, y) => tf.mul(tf.sum(tf.squaredDifference(tf.sigmoid(z), y)), 1 / B)
      : (z, y) => tf.losses.softmaxCrossEntropy(y, z);
  const optimizer = optimizerOf(tf, kase.optimizer);
  const variables = layers.flatMap(({ w, b }) => [w, b]);
  const step = (k) => {
    const { x, y } = batches[k % BATCHES];
    return optimizer.minimize(() => lossOf(forward(x), y), true, variables);
  };
  const read = async (loss) => {
    const [value] = await loss.data();
    loss.dispose();
    await done();
    return value;
  };
  const warmUp = async () => {
    const first = await read(step(0));
    for (let k = 1; k < STEPS; k++) step(k).dispose();
    const later = await read(step(STEPS));
    for (let k = STEPS + 1; k < Math.min(BATCHES, most); k++) step(k).dispose();
    flush();
    await done();
    return [first, later];
  };
  const block = (steps) => {
    let loss;
    const hand = () => {
      for (let k = 0; k < steps; k++) {
        loss?.dispose();
        loss = step(k);
      }
      flush();
    };
    return clock(steps, hand, () => read(loss));
  };
  return { warmUp, block };
}

/** (inputs, outputs), or (KH, KW, channels, outputs). @param {import('./problem.mjs').Layer} layer */
function shapeOf({ inputs, outputs, channels, side }) {
  return side === undefined ? [inputs, outputs] : [KERNEL, KERNEL, channels, outputs];
}

function optimizerOf(tf, { name, lr }) {
  return name === 'adam' ? tf.train.adam(lr, ADAM.beta1, ADAM.beta2, ADAM.eps) : tf.train.sgd(lr);
}

function product(tf, { clock, flush, done }, N) {
  const { a, b } = matricesOf(N);
  const [x, y] = [tf.tensor2d(a, [N, N]), tf.tensor2d(b, [N, N])];
  const warmUp = async () => {
    const product = tf.matMul(x, y);
    const data = await product.data();
    product.dispose();
    return data;
  };
  const hand = (steps) => {
    for (let k = 0; k < steps; k++) tf.matMul(x, y).dispose();
    flush();
  };
  return {
    warmUp,
    block: (steps) =>
      clock(
        steps,
        () => hand(steps),
        async () => done(),
      ),
  };
}
