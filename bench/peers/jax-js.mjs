// jax-js in its fastest form: the whole step jitted with the optimizer in it, batches uploaded beforehand. Arrays are lazy: each
// step is handed over by asking for its loss's buffer (WebGPU) or for its being ready (wasm), and read at a block's end.
import { ADAM, BATCHES } from './cases.mjs';
import { blockClock } from './clock.mjs';
import { installDawn } from './dawn.mjs';
import {
  batchesOf,
  channelsFirst,
  examplesOf,
  KERNEL,
  matricesOf,
  POOL,
  SIDE,
  transposed,
  weightsOf,
} from './problem.mjs';
import { STEPS } from './reference.mjs';

/** @param {import('./measure.mjs').Job} job */
export async function open(job) {
  const gpu = job.contender.backend === 'gpu';
  const jax = await load(gpu ? 'webgpu' : 'wasm', job.adapter);
  const device = {
    clock: blockClock({ sleeps: gpu && job.adapter?.computes === true }),
    handOver: (array) => (gpu ? array.ref.gpuBuffer() : array.blockUntilReady()),
    done: async () => gpu && jax.getWebGPUDevice().queue.onSubmittedWorkDone(),
  };
  return job.kase.kind === 'matmul' ? product(jax, device, job.kase.N) : training(jax, device, job);
}

async function load(name, adapter) {
  if (name === 'webgpu') await installDawn(adapter);
  const jax = await import('@jax-js/jax');
  const there = await jax.init(name);
  if (!there.includes(name)) throw new Error(`jax-js has no backend ${name} here`);
  jax.defaultDevice(name);
  return jax;
}

async function training(jax, { clock, handOver }, { kase, data }) {
  const { numpy: np } = jax;
  const batches = batchesOf(await examplesOf(kase.B, data), kase.B).map(({ x, y }) => ({
    x: np.array(x).reshape(kase.channels ? [kase.B, 1, SIDE, SIDE] : [kase.B, SIDE * SIDE]),
    y: np.array(y).reshape([kase.B, 10]),
  }));
  const train = (kase.optimizer.name === 'adam' ? adam : sgd)(jax, kase);
  const step = async (k) => {
    const { x, y } = batches[k % BATCHES];
    const loss = train(x.ref, y.ref);
    await handOver(loss);
    return loss;
  };
  const read = async (loss) => (await loss.data())[0];
  const drop = (loss) => loss.dispose();
  const warmUp = async () => {
    const first = await read(await step(0));
    for (let k = 1; k < STEPS; k++) drop(await step(k));
    const later = await read(await step(STEPS));
    for (let k = STEPS + 1; k < BATCHES - 1; k++) drop(await step(k));
    await read(await step(BATCHES - 1));
    return [first, later];
  };
  const block = (steps) => {
    let loss;
    const hand = async () => {
      for (let k = 0; k < steps; k++) {
        loss?.dispose();
        loss = await step(k);
      }
    };
    return clock(steps, hand, () => read(loss));
  };
  return { warmUp, block };
}

/** (inputs, outputs) and (outputs); of convolutions (outputs, channels, KH, KW) and (outputs, 1, 1), as images are (B, C, H, W). */
function initialWeights({ numpy: np }, kase) {
  return weightsOf(kase)
    .map(channelsFirst)
    .map((layer) => {
      const { w, b, inputs, outputs, channels, side } = layer;
      return side === undefined
        ? { w: np.array(transposed(layer)).reshape([inputs, outputs]), b: np.array(b) }
        : { w: np.array(w).reshape([outputs, channels, KERNEL, KERNEL]), b: np.array(b).reshape([outputs, 1, 1]) };
    });
}

/** The loss of a batch. Every function owns its arguments: `.ref` where one is used again. */
function lossFunction({ nn, lax, numpy: np }, { activation, loss, B, channels = [], widths }) {
  const pooled = (x) => lax.reduceWindow(x, np.max, [POOL, POOL], [POOL, POOL]);
  const convolution = (h, w) => lax.convGeneralDilated(h, w, [1, 1], 'VALID');
  const apply = (h, { w, b }, k) => {
    if (k < channels.length) return pooled(convolution(h, w).add(b));
    return np.matmul(k === channels.length && k > 0 ? h.reshape([B, widths[0]]) : h, w).add(b);
  };
  return (layers, x, y) => {
    const z = layers.reduce((h, layer, k) => apply(k === 0 ? h : nn[activation](h), layer, k), x);
    if (loss === 'cross-entropy')
      return nn
        .logSoftmax(z, -1)
        .mul(y)
        .sum()
        .mul(-1 / B);
    const difference = nn.sigmoid(z).sub(y);
    return difference.ref
      .mul(difference)
      .sum()
      .mul(1 / B);
  };
}

function sgd(jax, kase) {
  const { jit, tree, valueAndGrad } = jax;
  const gradient = valueAndGrad(lossFunction(jax, kase));
  const { lr } = kase.optimizer;
  const train = jit((params, x, y) => {
    const [loss, gradients] = gradient(tree.ref(params), x, y);
    return [tree.map((p, g) => p.sub(g.mul(lr)), params, gradients), loss];
  });
  let params = initialWeights(jax, kase);
  return (x, y) => {
    const [next, loss] = train(params, x, y);
    params = next;
    return loss;
  };
}

/** Adam's powers of β are carried along, so that nothing per step comes from the host. */
function adam(jax, kase) {
  const { jit, tree, valueAndGrad, numpy: np } = jax;
  const gradient = valueAndGrad(lossFunction(jax, kase));
  const { beta1, beta2, eps } = ADAM;
  const { lr } = kase.optimizer;
  const train = jit(({ p, m, v, power1, power2 }, x, y) => {
    const [loss, g] = gradient(tree.ref(p), x, y);
    const m1 = tree.map((m0, d) => m0.mul(beta1).add(d.ref.mul(1 - beta1)), m, g);
    const v1 = tree.map((v0, d) => v0.mul(beta2).add(d.ref.mul(d).mul(1 - beta2)), v, g);
    const next1 = power1.mul(beta1);
    const next2 = power2.mul(beta2);
    const size = np.array(lr).div(np.array(1).sub(next1.ref));
    const scale = np.array(1).div(np.array(1).sub(next2.ref));
    const move = (w, mean, square) => w.sub(mean.ref.mul(size.ref).div(np.sqrt(square.ref.mul(scale.ref)).add(eps)));
    const p1 = tree.map(move, p, m1, v1);
    size.dispose();
    scale.dispose();
    return [{ p: p1, m: m1, v: v1, power1: next1, power2: next2 }, loss];
  });
  const p = initialWeights(jax, kase);
  const zeros = () => tree.map((w) => np.zeros(w.shape), p);
  let state = { p, m: zeros(), v: zeros(), power1: np.array(1), power2: np.array(1) };
  return (x, y) => {
    const [next, loss] = train(state, x, y);
    state = next;
    return loss;
  };
}

function product({ jit, numpy: np }, { clock, handOver, done }, N) {
  const { a, b } = matricesOf(N);
  const [x, y] = [np.array(a).reshape([N, N]), np.array(b).reshape([N, N])];
  const multiply = jit((l, r) => np.matmul(l, r));
  const hand = async (steps) => {
    for (let k = 0; k < steps; k++) {
      const product = multiply(x.ref, y.ref);
      await handOver(product);
      product.dispose();
    }
  };
  return {
    warmUp: () => multiply(x.ref, y.ref).data(),
    block: (steps) => clock(steps, () => hand(steps), done),
  };
}
