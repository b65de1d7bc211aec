// A digit classifier from nothing: downloads MNIST (or takes it from the cache), trains for five epochs, and reports its progress.
// `node examples/mnist.mjs cpu` does without a GPU; so do the other examples.
import { createBackend, datasets, losses, nn, optim, Trainer } from 'thalweg/node';

class Mlp {
  hidden = new nn.Linear(784, 128);
  out = new nn.Linear(128, 10);
  forward(x) {
    return this.out.forward(this.hidden.forward(x).relu());
  }
}

const backend = await createBackend({ device: process.argv[2] });
console.log(backend.line);
const data = await datasets.mnist();
const trainer = new Trainer(backend, {
  model: new Mlp(),
  loss: losses.softmaxCrossEntropy,
  optimizer: optim.adam({ lr: optim.cosine(3e-3) }),
  seed: 42,
});
for await (const e of trainer.fit(data.train, { epochs: 5, batchSize: 128, validation: data.test })) {
  console.log(`epoch ${e.epoch}: train loss ${e.loss.toFixed(4)}, test accuracy ${e.validation.accuracy.toFixed(4)}`);
}
const { accuracy, loss } = await trainer.evaluate(data.test);
console.log(`test loss ${loss.toFixed(4)}, test accuracy ${accuracy.toFixed(4)}`);
trainer.dispose();
backend.dispose();
