// Training without a Trainer, one floor down: a step traced once and compiled, and a loop. `memory` holds everything that training changes.
import * as thalweg from 'thalweg/node';

const { losses, nn, optim, resident, valueAndGrad } = thalweg;

const [BATCH, STEPS] = [64, 200];
const backend = await thalweg.createBackend({ device: process.argv[2] });
console.log(backend.line);
const { train, test } = await thalweg.datasets.digits({ train: 4000, test: 1000 });

// The images stay on the device as bytes; a batch is a list of row numbers.
const pictures = resident('pictures', { ...train.x, dtype: 'u8' });
const labels = resident('labels', { ...train.y, dtype: 'u8' });
const scaled = (x) => x.cast('f32').mul(1 / 255);

const model = new nn.Sequential(new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10));
const training = optim.state(optim.adam(optim.cosine(3e-3)), model, { steps: STEPS }); // moments, step counter, rates
const memory = backend.allocate(training, { seed: 42 }); // of these and of the model's variables
const lossAndGradients = valueAndGrad(model, (x, y) => losses.softmaxCrossEntropy(model.forward(x), y));

const step = await backend.compile(
  ({ rows }) => {
    const { value: loss, gradients } = lossAndGradients(scaled(pictures.gatherRows(rows)), labels.gatherRows(rows));
    optim.apply(training, gradients);
    return { loss };
  },
  { rows: { shape: [BATCH], dtype: 'u32' } },
  { training: true, storages: [memory] },
);
for (let k = 0; k < STEPS; k++) {
  const rows = Uint32Array.from({ length: BATCH }, (_, b) => (k * BATCH + b) % train.size);
  const { loss } = await step.run({ rows });
  if (k % 50 === 0 || k === STEPS - 1) console.log(`step ${k + 1}: loss ${loss.data[0].toFixed(4)}`);
}

// Another program over the same memory: what the network says of pictures it has not seen.
const judge = await backend.compile(
  ({ x }) => model.forward(scaled(x)).argmax(1),
  { x: { shape: test.x.shape, dtype: 'u8' } },
  { storages: [memory] },
);
const { y: guesses } = await judge.run({ x: test.x.data });
const right = test.y.data.filter((label, i) => label === guesses.data[i]).length;
console.log(`${right} of ${test.size} test digits are right`);

for (const held of [step, judge, memory, backend]) held.dispose();
