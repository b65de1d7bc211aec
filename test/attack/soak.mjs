// Soak: for three minutes, backends, trainers, data sets and shapes that were never there before. Resident memory and device bytes are
// printed over time; the process fails where either grows without bound. `node test/attack/soak.mjs [seconds] [gpu|cpu]`, after
// `npm run build`.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { Backend } from '../../dist/src/backend.js';
import { GpuExecutor } from '../../dist/src/compile/executor.js';
import { createCpuBackend, datasets, losses, nn, optim, Trainer } from '../../dist/src/index.js';
import { dawnProvider } from '../../dist/src/node/dawn.js';
import { relu } from '../../dist/src/ops/index.js';

const [seconds = '180', device = 'gpu'] = process.argv.slice(2);
const MB = 2 ** 20;
/** Sessions on a backend before the next one is opened. */
const SESSIONS = 3;
/** Data sets, of each kind, that a trainer sees. */
const ROUNDS = 8;
/** How much more resident memory the last third may have than the second, in MB, and a trainer after all rounds than after half. */
const [SLACK, GROWTH] = [40, 1.4];
let count = 0;
/** The most bytes of a trainer after all its rounds, by those after half of them. */
let growth = 0;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');

async function open() {
  if (device === 'cpu') return createCpuBackend();
  const { opened, refused } = await dawnProvider().open({ name: process.env.THALWEG_TEST_ADAPTER ?? 'swiftshader' });
  if (!opened) throw new Error(refused.join(' '));
  return new Backend(new GpuExecutor(opened), { name: opened.report.name, software: opened.report.software });
}

function fresh(size, width) {
  const x = Float32Array.from({ length: size * width }, (_, i) => Math.sin(i * 12.9898 + count));
  const y = Uint8Array.from({ length: size }, (_, i) => i % 3);
  return datasets.array({ shape: [size, width], data: x }, y, { classes: 3 });
}

/** A trainer with a shape of its own, whose data sets are new in each call. The most device bytes that it held are the result. */
async function session(backend) {
  count++;
  const width = 8 + ((count * 23) % 61);
  class Net {
    hidden = new nn.Linear(width, 16);
    out = new nn.Linear(16, 3);
    forward(x) {
      return this.out.forward(relu(this.hidden.forward(x)));
    }
  }
  const trainer = new Trainer(backend, {
    model: new Net(),
    loss: losses.softmaxCrossEntropy,
    optimizer: optim.sgd({ lr: 0.1 }),
  });
  let [most, half] = [0, 0];
  for (let k = 0; k < ROUNDS; k++) {
    await trainer.fit(fresh(500, width), { epochs: 1, batchSize: 50, validation: fresh(200, width) });
    await trainer.evaluate(fresh(200, width));
    const rows = 1 + ((count * 37 + k * 101) % 900);
    await trainer.predict({ shape: [rows, width], data: fresh(rows, width).x.data });
    most = Math.max(most, backend.executor.counters.bytes);
    if (2 * (k + 1) === ROUNDS) half = most;
  }
  growth = Math.max(growth, most / half);
  trainer.dispose();
  await new Promise((resolve) => setTimeout(resolve));
  return most;
}

const samples = [];
const left = [];
const began = performance.now();
const elapsed = () => (performance.now() - began) / 1000;
let told = 0;
let backends = 0;
while (elapsed() < Number(seconds)) {
  const backend = await open();
  backends++;
  let most = 0;
  for (let k = 0; k < SESSIONS && elapsed() < Number(seconds); k++) most = Math.max(most, await session(backend));
  left.push(backend.executor.counters.bytes / MB);
  backend.dispose();
  await new Promise((resolve) => setTimeout(resolve, 10));
  collectGarbage();
  const rss = process.memoryUsage().rss / MB;
  samples.push({ at: elapsed(), rss, most: most / MB });
  if (elapsed() - told < Number(seconds) / 18) continue;
  told = elapsed();
  const figures = `resident ${rss.toFixed(0)} MB, most on the device ${(most / MB).toFixed(2)} MB, left when its trainers were gone ${left.at(-1).toFixed(2)} MB`;
  console.log(`${told.toFixed(0).padStart(4)} s, ${backends} backends, ${count} trainers: ${figures}`);
}

const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1] ?? 0;
const third = (k, of) => {
  const [from, to] = [(k * elapsed()) / 3, ((k + 1) * elapsed()) / 3];
  return median(samples.filter(({ at }) => at >= from && at <= to).map((sample) => sample[of]));
};
const grown = third(2, 'rss') - third(1, 'rss');
const onDevice = third(2, 'most') / third(1, 'most');
console.log(
  `${device}: last third against the second: resident ${grown >= 0 ? '+' : ''}${grown.toFixed(0)} MB, on the device ${onDevice.toFixed(2)}x; a trainer after ${ROUNDS} rounds against ${ROUNDS / 2}: ${growth.toFixed(2)}x; left at most ${Math.max(...left).toFixed(2)} MB`,
);
const bounded = grown < SLACK && onDevice < GROWTH && growth < GROWTH && Math.max(...left) < 1;
console.log(bounded ? 'memory is bounded' : 'memory grows');
process.exitCode = bounded ? 0 : 1;
