// Training without a Trainer, one floor down: variables in memory of your own, a step traced once and compiled, a loop.
import * as thalweg from 'thalweg/node';

const { assign, losses, nn, optim, resident, valueAndGrad, Variable } = thalweg;

class Mlp {
  hidden = new nn.Linear(784, 64);
  out = new nn.Linear(64, 10);
  forward(x) {
    return this.out.forward(this.hidden.forward(x).relu());
  }
}

const BATCH = 64;
const STEPS = 200;
const backend = await thalweg.createBackend({ device: process.argv[2] });
console.log(backend.line);
const { train, test } = await thalweg.datasets.digits({ train: 4000, test: 1000 });

// What training changes: the model's variables, what the optimizer keeps of each, and the step counter.
const model = new Mlp();
const optimizer = optim.adam();
const zeros = (shape, dtype) => new Variable(shape, { dtype, initial: nn.init.zeros });
const parameters = thalweg.variablesOf(model);
const slots = parameters.map(({ variable }) => optimizer.slots.map(() => zeros(variable.shape)));
const step = zeros([1], 'u32');
const storages = [backend.allocate(model, { seed: 42 }), backend.allocate({ slots, step })];

// The pictures stay on the device as bytes; a batch is the numbers of its rows.
const pictures = resident('pictures', { ...train.x, dtype: 'u8' });
const labels = resident('labels', { ...train.y, dtype: 'u8' });
const scaled = (x) => x.cast('f32').mul(1 / 255);

const lossAndGradients = valueAndGrad(model, (x, y) => losses.softmaxCrossEntropy(model.forward(x), y));
const program = await backend.compile(
  ({ rows }) => {
    const { value: loss, gradients } = lossAndGradients(scaled(pictures.gatherRows(rows)), labels.gatherRows(rows));
    const lr = thalweg.constant(3e-3);
    for (const [k, { path, variable }] of parameters.entries()) {
      const next = optimizer.update(variable, gradients[path], slots[k], { lr, step });
      assign(variable, next.p);
      for (const [s, slot] of slots[k].entries()) assign(slot, next.slots[s]);
    }
    assign(step, step.add(1));
    return { loss };
  },
  { rows: { shape: [BATCH], dtype: 'u32' } },
  { training: true, storages },
);

for (let k = 0; k < STEPS; k++) {
  const rows = Uint32Array.from({ length: BATCH }, (_, b) => (k * BATCH + b) % train.size);
  const { loss } = await program.run({ rows });
  if (k % 50 === 0 || k === STEPS - 1) console.log(`step ${k + 1}: loss ${loss.data[0].toFixed(4)}`);
}

// Another program over the same memory: what the network says of pictures it has not seen.
const judge = await backend.compile(
  ({ x }) => model.forward(scaled(x)).argmax(1),
  { x: { shape: test.x.shape, dtype: 'u8' } },
  { storages },
);
const { y: guesses } = await judge.run({ x: test.x.data });
const right = test.y.data.filter((label, i) => label === guesses.data[i]).length;
console.log(`${right} of ${test.size} test digits are right`);

for (const held of [program, judge, ...storages, backend]) held.dispose();
