// Training steps as recipes, for tests of the compiler: small networks with every kind of optimizer.
import { randomText } from '../bench/plan.ts';
import { Transformer } from '../bench/transformer.ts';
import type { Recipe } from '../src/graph/executor.ts';
import { type Loss, losses, nn, optim, presets, type Tensor } from '../src/index.ts';
import type { Optimizer } from '../src/optim/optimizer.ts';
import type { Examples } from '../src/train/batch.ts';
import { State } from '../src/train/state.ts';
import { traceStep } from '../src/train/step.ts';
import { PaperExecutor, type PaperStorage } from './on-paper.ts';

export interface Step {
  readonly recipe: Recipe;
  readonly storage: PaperStorage;
}

export interface StepFacts {
  readonly model: { forward(x: Tensor): Tensor };
  readonly optimizer: Optimizer;
  readonly data: Examples;
  readonly batchSize: number;
  readonly loss?: Loss;
}

/** The step that trains a model, and where its variables lie. */
export function trainingStep({
  model,
  loss = losses.softmaxCrossEntropy,
  optimizer,
  data,
  batchSize,
}: StepFacts): Step {
  const executor = new PaperExecutor();
  const state = new State(executor, { model, optimizer, seed: 1 });
  const order = { size: data.size, batchSize, stepsPerEpoch: Math.ceil(data.size / batchSize), shuffle: true };
  const { recipe } = traceStep(state, { model, loss, metrics: {} }, data, order, batchSize);
  return { recipe, storage: state.storage as PaperStorage };
}

/** Rows of numbers with classes, all zero. */
export function rows(size: number, width: number | readonly number[], classes: number): Examples {
  const shape = [size, ...[width].flat()];
  const x = { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) };
  return { size, x, y: { shape: [size], data: new Uint8Array(size) }, classes };
}

const SIZES = { layers: 1, vocabulary: 13, length: 8, width: 16, heads: 2 };

const dropping = () =>
  new nn.Sequential(new nn.Linear(20, 33), new nn.ReLU(), new nn.Dropout(0.3), new nn.Linear(33, 7));

const digits = (preset: (typeof presets)['mlp']): StepFacts => ({
  model: preset.model(),
  loss: preset.loss,
  optimizer: preset.optimizer(),
  data: rows(200, [28, 28], 10),
  batchSize: preset.defaults.batchSize,
});

export const STEPS: Readonly<Record<string, () => Step>> = {
  mlp: () => trainingStep(digits(presets.mlp)),
  classic: () => trainingStep(digits(presets.classic)),
  'dropout, SGD with momentum, clipped by norm': () =>
    trainingStep({
      model: dropping(),
      optimizer: optim.sgd({ lr: 0.1, momentum: 0.9, clipNorm: 1 }),
      data: rows(90, 20, 7),
      batchSize: 17,
    }),
  'dropout, RMSProp, clipped by value': () =>
    trainingStep({
      model: dropping(),
      optimizer: optim.rmsProp({ lr: 0.1, clipValue: 1 }),
      data: rows(90, 20, 7),
      batchSize: 17,
    }),
  'transformer, AdamW, clipped': () =>
    trainingStep({
      model: new Transformer(SIZES),
      optimizer: optim.adamW({ lr: 0.01, clipNorm: 1 }),
      data: randomText(SIZES, 12, 1),
      batchSize: 4,
    }),
  'transformer, SGD': () =>
    trainingStep({
      model: new Transformer(SIZES),
      optimizer: optim.sgd({ lr: 0.01 }),
      data: randomText(SIZES, 12, 1),
      batchSize: 4,
    }),
};
