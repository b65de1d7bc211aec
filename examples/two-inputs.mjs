// A model with two inputs and two outputs: bytes of an image and a few numbers in, a price and a kind out, each with its own loss.
import { createBackend, datasets, losses, nn, optim, Trainer } from 'thalweg/node';

class House {
  pixels = new nn.Linear(784, 16);
  stats = new nn.Linear(2, 16);
  price = new nn.Linear(16, 1);
  kind = new nn.Linear(16, 10);
  forward({ pixels, stats }) {
    const h = this.pixels.forward(pixels.flatten()).add(this.stats.forward(stats)).relu();
    return { price: this.price.forward(h), kind: this.kind.forward(h) };
  }
}

// Images of digits, with two random numbers beside each. The kind is the digit; the price depends on the digit and the numbers.
const { train: digits } = await datasets.digits({ train: 2000, test: 100 });
const stats = Array.from({ length: digits.size }, (_, i) => [Math.sin(i), Math.cos(7 * i)]);
const price = stats.map(([a, b], i) => digits.y.data[i] / 5 + a - b);
const houses = datasets.array(
  { pixels: { shape: digits.x.shape, data: digits.x.data }, stats },
  { price, kind: digits.y.data },
  { targets: { price: 'values', kind: 'classes' }, classes: { kind: 10 }, scale: { pixels: digits.scale } },
);
const { train, validation } = datasets.split(houses, 0.2, { stratify: true });

const backend = await createBackend({ device: process.argv[2] });
const trainer = new Trainer(backend, {
  model: new House(),
  loss: { price: losses.meanSquaredError, kind: losses.softmaxCrossEntropy },
  lossWeights: { price: 0.5 },
  optimizer: optim.adam({ lr: 0.01 }),
});
const monitor = 'kind.accuracy';
for await (const { epoch, loss, validation: judged } of trainer.fit(train, {
  epochs: 5,
  validation,
  earlyStopping: { monitor },
}))
  console.log(
    `epoch ${epoch}: loss ${loss.toFixed(3)}, price ${judged.metrics['price.loss'].toFixed(3)}, kind ${judged.metrics['kind.accuracy'].toFixed(3)}`,
  );

const some = validation.slice(0, 3);
const predicted = await trainer.predict(some);
const { kind } = await trainer.predictClasses(some);
for (let i = 0; i < some.size; i++)
  console.log(
    `a ${some.y.kind.data[i]} at ${some.y.price.data[i].toFixed(2)}: taken for ${kind.data[i]} at ${predicted.price.data[i].toFixed(2)}`,
  );
trainer.dispose();
backend.dispose();
