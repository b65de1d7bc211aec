// Presets: two networks for handwritten digits with everything needed to train them well, chosen by measurement on MNIST.
import { optionsOf } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import type { Loss } from '../loss/loss.ts';
import { adam } from '../optim/adam.ts';
import { COMMON, type CommonOptions, type Optimizer } from '../optim/optimizer.ts';
import { cosine, type Rate } from '../optim/schedules.ts';
import { sgd } from '../optim/sgd.ts';
import { network } from './network.ts';
import type { NetworkDescription } from './network-description.ts';

/** A network with its loss, its optimizer and settings that train it well. */
export interface Preset {
  /** The preset's name, as in {@link presets}. */
  readonly name: string;
  /** One line for a list of presets. */
  readonly description: string;
  /** The layers as plain data. */
  readonly network: NetworkDescription;
  /** A new model, its variables without values. */
  model(): { forward(x: Tensor): Tensor };
  /** The loss that the network is trained with. */
  readonly loss: Loss;
  /** Its optimizer, with the preset's schedule as the default of `lr`. */
  optimizer(lr?: Rate, options?: Omit<CommonOptions, 'lr'>): Optimizer;
  optimizer(options: CommonOptions): Optimizer;
  /** The shape of one example. */
  readonly inputShape: readonly number[];
  /** The number of classes. */
  readonly classes: number;
  /** Epochs, examples per step, and the peak of the learning-rate schedule. */
  readonly defaults: { readonly epochs: number; readonly batchSize: number; readonly lr: number };
}

/** Sigmoids throughout: 12,560 + 272 + 170 = 13,002 parameters. */
const CLASSIC: NetworkDescription = {
  inputs: 784,
  hidden: [16, 16],
  outputs: 10,
  activation: 'sigmoid',
  loss: 'squared-error',
};

/** With a ReLU: 100,480 + 1,290 = 101,770 parameters. */
const MLP: NetworkDescription = {
  inputs: 784,
  hidden: [128],
  outputs: 10,
  activation: 'relu',
  loss: 'cross-entropy',
};

const CLASSIC_LR = 1;
const MLP_LR = 3e-3;

/** The network of the classic lesson: sigmoids, squared error, plain gradient descent. */
export const classic: Preset = {
  name: 'classic',
  description:
    '784-16-16-10, sigmoid, squared error, plain SGD with a cosine from 1: the classic lesson, 13,002 parameters',
  network: CLASSIC,
  model: () => network(CLASSIC).model,
  loss: network(CLASSIC).loss,
  optimizer: (...given) =>
    sgd({ lr: cosine(CLASSIC_LR), ...optionsOf<CommonOptions, typeof COMMON>('classic', 'lr', given, COMMON) }),
  inputShape: [28, 28],
  classes: 10,
  defaults: { epochs: 15, batchSize: 32, lr: CLASSIC_LR },
};

/** A modern network: ReLU, cross-entropy, Adam and a cosine schedule. */
export const mlp: Preset = {
  name: 'mlp',
  description: '784-128-10, ReLU, cross-entropy, Adam with a cosine from 3e-3: 101,770 parameters',
  network: MLP,
  model: () => network(MLP).model,
  loss: network(MLP).loss,
  optimizer: (...given) =>
    adam({ lr: cosine(MLP_LR), ...optionsOf<CommonOptions, typeof COMMON>('mlp', 'lr', given, COMMON) }),
  inputShape: [28, 28],
  classes: 10,
  defaults: { epochs: 5, batchSize: 128, lr: MLP_LR },
};

/** Networks for handwritten digits (28 x 28, 10 classes), with settings chosen by measurement on MNIST. */
export const presets = { classic, mlp } as const satisfies Readonly<Record<string, Preset>>;
