// A program for Node, as somebody with strict settings writes it: a small network learns on whatever WebGPU there is, also in software.
import { strictEqual } from 'node:assert/strict';
import {
  type Backend,
  createBackend,
  datasets,
  type FitEvent,
  losses,
  nn,
  optim,
  type Tensor,
  Trainer,
} from 'thalweg/node';

class Net {
  readonly hidden = new nn.Linear(784, 32);
  readonly out = new nn.Linear(32, 10);
  forward(x: Tensor): Tensor {
    return this.out.forward(this.hidden.forward(x).relu());
  }
}

const backend: Backend = await createBackend({ device: 'gpu' });
if (process.platform === 'linux' && process.arch === 'x64') strictEqual(backend.kind, 'gpu', backend.notes.join(' '));
const data = await datasets.digits({ train: 1000, test: 200 });
const trainer = new Trainer(backend, {
  model: new Net(),
  loss: losses.softmaxCrossEntropy,
  optimizer: optim.adam({ lr: optim.cosine(3e-3) }),
  seed: 1,
});
const steps: number[] = [];
for await (const event of trainer.fit(data.train, { epochs: 3, batchSize: 50, events: 'step' })) {
  const any: FitEvent = event;
  if (any.type === 'step') steps.push(any.loss);
}
strictEqual(steps.length, 60);
const { accuracy = 0, loss } = await trainer.evaluate(data.test);
console.log(`${backend.line} Loss ${steps[0]?.toFixed(3)} to ${loss.toFixed(3)}, accuracy ${accuracy.toFixed(3)}.`);
strictEqual(Math.abs(steps[0]! - Math.log(10)) < 0.5, true, 'the first loss is that of guessing');
strictEqual(loss < 1.2 && accuracy > 0.6, true, 'the network has learned');
// @ts-expect-error: a loss is needed
const wrong = () => new Trainer(backend, { model: new Net(), optimizer: optim.sgd() });
strictEqual(typeof wrong, 'function');
trainer.dispose();
backend.dispose();

/** The optional options that refuse undefined: none, so that what a caller was not given may be passed on. */
type Refusing<T> = {
  [K in keyof T]-?: object extends Pick<T, K> ? ({ [P in K]: undefined } extends Pick<T, K> ? never : K) : never;
}[keyof T];
type Strict =
  | Refusing<import('thalweg/node').ArrayDatasetOptions>
  | Refusing<import('thalweg/node').BackendOptions>
  | Refusing<import('thalweg/node').EvaluateOptions>
  | Refusing<import('thalweg/node').EarlyStopping>
  | Refusing<import('thalweg/node').FitOptions>
  | Refusing<import('thalweg/node').GradcheckOptions>
  | Refusing<import('thalweg/node').LandscapeOptions>
  | Refusing<import('thalweg/node').LoadWeightsOptions>
  | Refusing<import('thalweg/node').LrFindOptions>
  | Refusing<import('thalweg/node').SplitOptions>
  | Refusing<import('thalweg/node').TrainerOptions>
  | Refusing<import('thalweg/node').nn.LinearOptions>
  | Refusing<import('thalweg/node').optim.AdamOptions>
  | Refusing<import('thalweg/node').optim.GroupOptions>;
export const passedOn: [Strict] extends [never] ? true : Strict = true;
