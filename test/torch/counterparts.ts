// PyTorch's layers, losses, optimizers and functions, by the names and options that cases.py calls them with, as ours. Options are the same
// in camelCase, but for RENAMED; what is not in a table has the same name here.

import type { Tensor } from '../../src/graph/tensor.ts';
import * as losses from '../../src/loss/index.ts';
import type { Loss } from '../../src/loss/loss.ts';
import type { Layer } from '../../src/nn/index.ts';
import * as nn from '../../src/nn/index.ts';
import * as ops from '../../src/ops/index.ts';
import * as optim from '../../src/optim/index.ts';
import type { Optimizer } from '../../src/optim/optimizer.ts';

/** How PyTorch is called: its name, arguments by position, and by name. */
export type Call = readonly [kind: string, args: readonly unknown[], options: Readonly<Record<string, unknown>>];

type Options = Readonly<Record<string, never>>;
type Make<T> = (...args: never[]) => T;

const RENAMED: Readonly<Record<string, string>> = {
  dim: 'axis',
  keepdim: 'keepDims',
  scaleFactor: 'scale',
  divisorOverride: 'divisor',
  initialAccumulatorValue: 'initialAccumulator',
};

type Four = readonly [number, number, number, number];

/** PyTorch's pads name left and right first. */
const pad =
  (Pad: new (padding: Four) => Layer) =>
  ([left, right, top, bottom]: Four): Layer =>
    new Pad([top, bottom, left, right]);

const LAYERS: Readonly<Record<string, Make<Layer>>> = {
  ZeroPad2d: pad(nn.ZeroPad2d),
  ReflectionPad2d: pad(nn.ReflectionPad2d),
  ReplicationPad2d: pad(nn.ReplicationPad2d),
  CircularPad2d: pad(nn.CircularPad2d),
  Flatten: () => new nn.Flatten({ order: 'channels-first' }),
};

const LOSSES: Readonly<Record<string, (options: Options) => Loss>> = {
  CrossEntropyLoss: ({ weight, ...options }) => losses.softmaxCrossEntropy.with({ ...options, classWeights: weight }),
  BCEWithLogitsLoss: (options) => losses.binaryCrossEntropyWithLogits.with(options),
  MSELoss: (options) => losses.meanSquaredError.with(options),
  L1Loss: (options) => losses.meanAbsoluteError.with(options),
  HuberLoss: (options) => losses.huber(options),
};

const OPTIMIZERS: Readonly<Record<string, (options: Options) => Optimizer>> = {
  SGD: optim.sgd,
  Adam: ({ betas, ...options }) => optim.adam({ ...options, ...betasOf(betas) }),
  AdamW: ({ betas, ...options }) => optim.adamW({ ...options, ...betasOf(betas) }),
  RMSprop: optim.rmsProp,
  Adagrad: optim.adagrad,
};

const OPS: Readonly<Record<string, Make<Tensor>>> = {
  pow: (x: Tensor, exponent: Tensor) => ops.pow(x, exponent),
  logsumexp: ops.logSumExp,
  var: ops.variance,
  amax: ops.max,
  prod: ops.prod,
  cumsum: ops.cumsum,
  gather: (x: Tensor, indices: Tensor, { axis }: { axis: number }) => ops.gather(x, axis, indices),
  topk: (x: Tensor, { k, ...options }: { k: number }) => ops.topk(x, k, options)[0],
};

const betasOf = (betas?: readonly [number, number]) => (betas ? { beta1: betas[0], beta2: betas[1] } : {});

function renamed(options: Readonly<Record<string, unknown>>): Options {
  const entries = Object.entries(options).map(([key, value]) => {
    const name = key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    return [RENAMED[name] ?? name, value];
  });
  return Object.fromEntries(entries);
}

/** The options as an argument, if there are any. */
const named = (options: Readonly<Record<string, unknown>>) =>
  Object.keys(options).length > 0 ? [renamed(options)] : [];

function found<T>(table: Readonly<Record<string, T>>, kind: string): T {
  const counterpart = table[kind];
  if (!counterpart) throw new Error(`${kind} has no counterpart. Add it to a table of counterparts.ts.`);
  return counterpart;
}

function layerOf([kind, args, options]: Call): Layer {
  const given = [...args, ...named(options)] as never[];
  const make = LAYERS[kind];
  return make
    ? make(...given)
    : new (found(nn as unknown as Record<string, new (...args: never[]) => Layer>, kind))(...given);
}

/** One layer, or several in a Sequential. */
export function modelOf(layers: readonly Call[]): Layer {
  return layers.length === 1 ? layerOf(layers[0]!) : new nn.Sequential(...layers.map(layerOf));
}

export const lossOf = ([kind, , options]: Call): Loss => found(LOSSES, kind)(renamed(options));
export const optimizerOf = ([kind, , options]: Call): Optimizer => found(OPTIMIZERS, kind)(renamed(options));

/** A function of the inputs. */
export function opOf([kind, args, options]: Call): (...xs: Tensor[]) => Tensor {
  const op = found(OPS, kind);
  return (...xs) => op(...([...xs, ...args, ...named(options)] as never[]));
}
