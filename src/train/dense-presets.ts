// Presets of dense networks for handwritten digits, chosen by measurement on MNIST.
import { optionsOf } from '../graph/options.ts';
import { adam } from '../optim/adam.ts';
import { COMMON, type CommonOptions } from '../optim/optimizer.ts';
import { cosine } from '../optim/schedules.ts';
import { sgd } from '../optim/sgd.ts';
import { network } from './network.ts';
import type { NetworkDescription } from './network-description.ts';
import type { DensePreset } from './preset.ts';

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
export const classic: DensePreset = {
  name: 'classic',
  description:
    '784-16-16-10, sigmoid, squared error, plain SGD with a cosine from 1: the classic lesson, 13,002 parameters',
  network: CLASSIC,
  model: (outputs = CLASSIC.outputs) => network({ ...CLASSIC, outputs }).model,
  loss: network(CLASSIC).loss,
  optimizer: (...given) =>
    sgd({ lr: cosine(CLASSIC_LR), ...optionsOf<CommonOptions, typeof COMMON>('classic', 'lr', given, COMMON) }),
  inputShape: [28, 28],
  classes: 10,
  defaults: { epochs: 15, batchSize: 32, lr: CLASSIC_LR },
};

/** A modern network: ReLU, cross-entropy, Adam and a cosine schedule. */
export const mlp: DensePreset = {
  name: 'mlp',
  description: '784-128-10, ReLU, cross-entropy, Adam with a cosine from 3e-3: 101,770 parameters',
  network: MLP,
  model: (outputs = MLP.outputs) => network({ ...MLP, outputs }).model,
  loss: network(MLP).loss,
  optimizer: (...given) =>
    adam({ lr: cosine(MLP_LR), ...optionsOf<CommonOptions, typeof COMMON>('mlp', 'lr', given, COMMON) }),
  inputShape: [28, 28],
  classes: 10,
  defaults: { epochs: 5, batchSize: 128, lr: MLP_LR },
};

/** The presets with a description of their layers, by name. */
export const densePresets = { classic, mlp } as const satisfies Readonly<Record<string, DensePreset>>;
