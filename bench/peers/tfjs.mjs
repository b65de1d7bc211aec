// TensorFlow.js in its fastest form: production mode, `optimizer.minimize` without a read-back in each step, batches uploaded
// beforehand; on the GPU the bias is fused into the matmul. (An activation is fused only where no gradient is wanted.)
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { ADAM, BATCHES } from './cases.mjs';
import { blockClock } from './clock.mjs';
import { installDawn } from './dawn.mjs';
import { batchesOf, examplesOf, matricesOf, transposed, weightsOf } from './problem.mjs';
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
  return job.kase.kind === 'matmul' ? product(tf, device, job.kase.N) : training(tf, device, job);
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

async function training(tf, { gpu, clock, flush, done }, { kase, data }) {
  const { B, loss: kind, activation, widths } = kase;
  const batches = batchesOf(await examplesOf(B, data), B).map(({ x, y }) => ({
    x: tf.tensor2d(x, [B, 784]),
    y: tf.tensor2d(y, [B, 10]),
  }));
  const layers = weightsOf(widths).map((layer) => ({
    w: tf.variable(tf.tensor2d(transposed(layer), [layer.inputs, layer.outputs])),
    b: tf.variable(tf.tensor1d(layer.b)),
  }));
  // On wasm and cpu the fused kernel is the slower one by far.
  const linear = (a, { w, b }) => (gpu ? tf.fused.matMul({ a, b: w, bias: b }) : tf.add(tf.matMul(a, w), b));
  const forward = (x) => layers.reduce((h, layer, k) => linear(k === 0 ? h : tf[activation](h), layer), x);
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
    for (let k = STEPS + 1; k < BATCHES; k++) step(k).dispose();
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
