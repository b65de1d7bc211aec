// A page's module: no type of Node's is known to it. Run outside a browser it finds no GPU, and trains on the CPU.
import { createBackend, DeviceError, datasets, losses, nn, optim, type Tensor, Trainer } from 'thalweg';
import { tanh } from 'thalweg/ops';

class Xor {
  readonly hidden = new nn.Linear(2, 8);
  readonly out = new nn.Linear(8, 1);
  forward(x: Tensor): Tensor {
    return this.out.forward(tanh(this.hidden.forward(x)));
  }
}

const backend = await createBackend({ device: typeof document === 'undefined' ? 'cpu' : 'auto' });
const x = [
  [0, 0],
  [0, 1],
  [1, 0],
  [1, 1],
];
const data = datasets.array(x, [[0], [1], [1], [0]], { targets: 'values' });
const trainer = new Trainer(backend, {
  model: new Xor(),
  loss: losses.meanSquaredError,
  optimizer: optim.adam({ lr: 0.03 }),
  seed: 3,
});
const { steps, stopped } = await trainer.fit(data, { epochs: 400, batchSize: 4 });
const [first, last] = [steps.loss[0], steps.loss.at(-1)];
console.log(`XOR on the ${backend.kind}: loss ${first?.toFixed(4)} to ${last?.toFixed(6)}, ${stopped}.`);
if (!(first !== undefined && last !== undefined && last < 0.01 && first > 0.1)) throw new Error('it has not learned');
trainer.dispose();
// @ts-expect-error: there is no such device
const wrong = () => createBackend({ device: 'tpu' });
if (!(new DeviceError('x') instanceof Error && typeof wrong === 'function')) throw new Error('errors are Errors');
