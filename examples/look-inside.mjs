// Looking inside a network while it learns: activations, gradients, one weight's effect on the loss, and the proof that the
// gradients are right.
import { createBackend, datasets, gradcheck, losses, nn, optim, perturb, Trainer } from 'thalweg/node';

class Classic {
  hidden = new nn.Linear(784, 16);
  out = new nn.Linear(16, 10);
  forward(x) {
    return this.out.forward(this.hidden.forward(x).sigmoid()).sigmoid();
  }
}

const backend = await createBackend({ device: process.argv[2] });
const { train, test } = await datasets.digits({ train: 2000, test: 500 });
const trainer = new Trainer(backend, {
  model: new Classic(),
  loss: losses.sumSquaredError,
  optimizer: optim.sgd({ lr: 1 }),
  inputShape: [784],
});
console.log(`${trainer.summary().parameters} parameters`);
await trainer.fit(train, { epochs: 3 });

// One digit on its way through the network: the output of each layer, and the gradient of each weight.
const norm = (values) => Math.hypot(...values);
const digit = test.slice(0, 1);
const { prediction, outputs, loss, gradients } = await trainer.inspect(digit.x, digit.y);
console.log(
  `a ${digit.y.data[0]}: loss ${loss.toFixed(4)}, taken for`,
  [...prediction.data].map((p) => p.toFixed(2)).join(' '),
);
for (const [name, { shape, data }] of Object.entries(outputs))
  console.log(`output ${name} [${shape}]: norm ${norm(data).toFixed(3)}`);
for (const [path, { shape, data }] of Object.entries(gradients)) {
  console.log(`gradient ${path} [${shape}]: norm ${norm(data).toExponential(2)}`);
}

// "If I increase this weight slightly, does the error go up or down, and by how much?"
const { direction, derivative, change, delta } = await perturb(trainer, 'out.weight', [3, 5], test);
console.log(
  `out.weight[3,5] + ${delta}: the loss goes ${direction} by ${change.toExponential(3)}; derivative ${derivative.toExponential(3)}`,
);

const { pass, rows } = await gradcheck(trainer, test);
for (const { path, finiteError, backendError } of rows) {
  console.log(
    `${path}: ${finiteError.toExponential(1)} from finite differences, ${backendError.toExponential(1)} from the CPU`,
  );
}
console.log(pass ? 'the gradients are right' : 'the gradients are wrong');
trainer.dispose();
backend.dispose();
