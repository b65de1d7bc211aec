// Presets of convolutional networks, for handwritten digits and for small colour pictures.
import { optionsOf } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { softmaxCrossEntropy } from '../loss/index.ts';
import { Conv2d } from '../nn/conv.ts';
import { Linear } from '../nn/linear.ts';
import { resnet20 as residual } from '../nn/resnet.ts';
import { relu } from '../ops/activations.ts';
import { maxPool } from '../ops/max-pool.ts';
import { flatten } from '../ops/reshape.ts';
import { adam } from '../optim/adam.ts';
import { COMMON, type CommonOptions } from '../optim/optimizer.ts';
import { oneCycle } from '../optim/schedules.ts';
import { sgd } from '../optim/sgd.ts';
import type { Preset } from './preset.ts';

/** 624 + 6,944 + 205,056 + 2,570 = 215,194 parameters. */
class Cnn {
  readonly conv1 = new Conv2d(1, 24, 5);
  readonly conv2 = new Conv2d(24, 32, 3);
  readonly hidden = new Linear(800, 256);
  readonly out: Linear;

  constructor(classes: number) {
    this.out = new Linear(256, classes);
  }

  /** x (N, 28, 28, 1) to logits (N, classes). */
  forward(x: Tensor): Tensor {
    const first = relu(maxPool(this.conv1.forward(x), 2)); // (N, 12, 12, 24)
    const second = relu(maxPool(this.conv2.forward(first), 2)); // (N, 5, 5, 32)
    return this.out.forward(relu(this.hidden.forward(flatten(second))));
  }
}

const CNN_LR = 1e-2;
const RESNET_LR = 0.2;

/** A convolutional network for handwritten digits, trained in a single epoch. */
export const cnn: Preset = {
  name: 'cnn',
  description:
    'two convolutions with max pooling, 800-256-10, ReLU, cross-entropy, Adam with one cycle to 0.01: 215,194 parameters',
  model: (classes = 10) => new Cnn(classes),
  loss: softmaxCrossEntropy,
  optimizer: (...given) =>
    adam({
      lr: oneCycle(CNN_LR),
      beta1: 0.7,
      beta2: 0.9,
      ...optionsOf<CommonOptions, typeof COMMON>('cnn', 'lr', given, COMMON),
    }),
  inputShape: [28, 28, 1],
  classes: 10,
  defaults: { epochs: 1, batchSize: 256, lr: CNN_LR },
};

/** ResNet-20 for 32 x 32 colour pictures, such as CIFAR-10's. */
export const resnet20: Preset = {
  name: 'resnet20',
  description:
    'ResNet-20 for 32 x 32 colour pictures, cross-entropy, SGD with Nesterov momentum and one cycle to 0.2: 272,474 parameters',
  model: (classes = 10) => residual({ classes }),
  loss: softmaxCrossEntropy,
  optimizer: (...given) =>
    sgd({
      lr: oneCycle(RESNET_LR),
      momentum: 0.9,
      nesterov: true,
      weightDecay: 5e-4,
      ...optionsOf<CommonOptions, typeof COMMON>('resnet20', 'lr', given, COMMON),
    }),
  inputShape: [32, 32, 3],
  classes: 10,
  augmentation: { flip: 'horizontal', crop: 4 },
  defaults: { epochs: 10, batchSize: 128, lr: RESNET_LR },
};
