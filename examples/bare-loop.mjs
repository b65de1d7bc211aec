// Training without a Trainer: a model, an optimizer's state, a step that is traced once, and a loop.
import { constant, createBackend, datasets, losses, nn, optim, valueAndGrad } from 'thalweg/node';

const backend = await createBackend({ device: process.argv[2] });
const { train, test } = await datasets.digits({ train: 4096, test: 1000 });
const [BATCH, STEPS] = [64, 200];
const scaled = (bytes) => bytes.cast('f32').div(255);

const model = new nn.Sequential(new nn.Linear(784, 64), new nn.ReLU(), new nn.Linear(64, 10));
const training = optim.state(optim.adam(optim.cosine(3e-3)), model, { steps: STEPS }); // moments, step counter, learning rates
const memory = backend.allocate(training, { seed: 42 }); // of all that training changes
const lossAndGradients = valueAndGrad(model, (x, y) => losses.softmaxCrossEntropy(model.forward(scaled(x)), y));
const update = ({ x, y }) => {
  const { value: loss, gradients } = lossAndGradients(x, y.cast('u32'));
  optim.apply(training, gradients);
  return { loss };
};
const batch = { x: { shape: [BATCH, 784], dtype: 'u8' }, y: { shape: [BATCH], dtype: 'u8' } };
const step = await backend.compile(update, batch, { training: true, storages: [memory] });

for (let k = 0; k < STEPS; k++) {
  const first = (k * BATCH) % train.size;
  const { x, y } = train.slice(first, first + BATCH);
  const { loss } = await step.run({ x: x.data, y: y.data });
  if (k % 50 === 0 || k === STEPS - 1) console.log(`step ${k + 1}: loss ${loss.data[0].toFixed(4)}`);
}

// The model's variables are read from the memory that holds them.
const guesses = await backend.value(model.forward(scaled(constant(test.x.data, test.x.shape))).argmax());
const right = guesses.filter((guess, i) => guess === test.y.data[i]).length;
console.log(`${right} of ${test.size} test digits are right`);

for (const held of [step, memory, backend]) held.dispose();
