// Presets: two networks for handwritten digits with everything needed to train them well, chosen by measurement on MNIST.
import type { Tensor } from '../graph/tensor.ts';
import { softmaxCrossEntropy, sumSquaredError } from '../loss/index.ts';
import type { Loss } from '../loss/loss.ts';
import { Linear } from '../nn/linear.ts';
import { relu, sigmoid } from '../ops/activations.ts';
import { reshape } from '../ops/reshape.ts';
import { adam } from '../optim/adam.ts';
import type { CommonOptions, Optimizer } from '../optim/optimizer.ts';
import { cosine } from '../optim/schedules.ts';
import { sgd } from '../optim/sgd.ts';

/** A network with its loss, its optimizer and the settings it learns well with. */
export interface Preset {
  readonly name: string;
  /** One line for a list of presets. */
  readonly description: string;
  /** A new model, its variables without values. */
  model(): { forward(x: Tensor): Tensor };
  readonly loss: Loss;
  /** Its optimizer, with the preset's schedule unless `lr` is given. */
  optimizer(options?: CommonOptions): Optimizer;
  /** The shape of one example. */
  readonly inputShape: readonly number[];
  readonly classes: number;
  readonly defaults: { readonly epochs: number; readonly batchSize: number; readonly lr: number };
}

/** (B, …) to (B, 784). */
function flat(x: Tensor): Tensor {
  return reshape(x, [x.shape[0]!, 784]);
}

/** 784-16-16-10 with sigmoids throughout: 12,560 + 272 + 170 = 13,002 parameters. */
class Classic {
  hidden1 = new Linear(784, 16);
  hidden2 = new Linear(16, 16);
  out = new Linear(16, 10);
  forward(x: Tensor): Tensor {
    const h1 = sigmoid(this.hidden1.forward(flat(x)));
    const h2 = sigmoid(this.hidden2.forward(h1));
    return sigmoid(this.out.forward(h2));
  }
}

/** 784-128-10 with a ReLU: 100,480 + 1,290 = 101,770 parameters. */
class Mlp {
  hidden = new Linear(784, 128);
  out = new Linear(128, 10);
  forward(x: Tensor): Tensor {
    return this.out.forward(relu(this.hidden.forward(flat(x))));
  }
}

const CLASSIC_LR = 1;
const MLP_LR = 3e-3;

/** The network of the classic lesson: sigmoids, squared error, plain gradient descent. */
export const classic: Preset = {
  name: 'classic',
  description:
    '784-16-16-10, sigmoid, squared error, plain SGD with a cosine from 1: the classic lesson, 13,002 parameters',
  model: () => new Classic(),
  loss: sumSquaredError,
  optimizer: (options = {}) => sgd({ lr: cosine(CLASSIC_LR), ...given(options) }),
  inputShape: [28, 28],
  classes: 10,
  defaults: { epochs: 15, batchSize: 32, lr: CLASSIC_LR },
};

/** A network as one would make it today: ReLU, cross-entropy, Adam and a cosine. */
export const mlp: Preset = {
  name: 'mlp',
  description: '784-128-10, ReLU, cross-entropy, Adam with a cosine from 3e-3: 101,770 parameters',
  model: () => new Mlp(),
  loss: softmaxCrossEntropy,
  optimizer: (options = {}) => adam({ lr: cosine(MLP_LR), ...given(options) }),
  inputShape: [28, 28],
  classes: 10,
  defaults: { epochs: 5, batchSize: 128, lr: MLP_LR },
};

/** Options without those that are undefined, which would hide a default. */
function given(options: CommonOptions): CommonOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

export const presets = { classic, mlp } as const satisfies Readonly<Record<string, Preset>>;
