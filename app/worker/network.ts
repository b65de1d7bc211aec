// From a configuration to the Trainer's options, and the cost of a network before it is created.

import type { Backend } from '../../src/index.ts';
import {
  createCpuBackend,
  network,
  OptionError,
  optim,
  Trainer,
  type TrainerOptions,
  variablesOf,
} from '../../src/index.ts';
import type { Config } from '../config.ts';
import type { LayerFacts, NetworkFacts } from '../protocol.ts';

/** Pixels of a picture, and classes of digits. */
export const [INPUTS, OUTPUTS] = [784, 10];
const MOMENTUM = 0.9;

type Optimizer = TrainerOptions['optimizer'];

/** The optimizer that a configuration names, with its rate or schedule. */
export function optimizerOf({ optimizer, schedule, lr: rate }: Config): Optimizer {
  const lr = schedule === 'cosine' ? optim.cosine(rate) : rate;
  switch (optimizer) {
    case 'sgd':
      return optim.sgd({ lr });
    case 'momentum':
      return optim.sgd({ lr, momentum: MOMENTUM });
    case 'adam':
      return optim.adam({ lr });
    case 'adamw':
      return optim.adamW({ lr });
    case 'rmsprop':
      return optim.rmsProp({ lr });
  }
}

/** The network that a configuration describes. */
export function described({ hidden, activation, loss }: Config): ReturnType<typeof network> {
  return network({ inputs: INPUTS, hidden, outputs: OUTPUTS, activation, loss });
}

/** A trainer for the configuration, with weights from the seed. */
export function trainerOf(backend: Backend, config: Config, more: { submitMs?: number } = {}): Trainer {
  const { model, loss, inputShape } = described(config);
  return new Trainer(backend, {
    model,
    loss,
    inputShape,
    optimizer: optimizerOf(config),
    seed: config.seed,
    ...more,
  });
}

/** The layers with their parameters, as sums. */
export function describe(config: Config): NetworkFacts {
  const sizes = new Map<string, { inputs: number; outputs: number; parameters: number }>();
  for (const { path, variable } of variablesOf(described(config).model)) {
    const name = path.slice(0, path.lastIndexOf('.'));
    const layer = sizes.get(name) ?? { inputs: 0, outputs: 0, parameters: 0 };
    layer.parameters += variable.size;
    if (variable.shape.length === 2) [layer.outputs, layer.inputs] = variable.shape as [number, number];
    sizes.set(name, layer);
  }
  const layers: LayerFacts[] = [...sizes].map(([name, size]) => ({ name, ...size }));
  const parameters = layers.reduce((total, layer) => total + layer.parameters, 0);
  return { layers, parameters, bytes: 4 * parameters };
}

/** The maximum bytes of a page: weights, gradients and moments together. */
const PAGE_SHARE = 2 ** 30;
const MIB = 2 ** 20;

/** @throws OptionError naming the limit that the network does not fit, or a batch larger than the data. */
export function checkFits(config: Config, backend: Backend, examples: number): void {
  const { layers, bytes } = describe(config);
  const most = backend.executor.maxBindingBytes;
  const big = layers.find(({ inputs, outputs }) => 4 * inputs * outputs > most);
  if (backend.kind === 'gpu' && big) {
    const size = Math.ceil((4 * big.inputs * big.outputs) / MIB);
    throw new OptionError(
      `${big.name}: ${big.inputs} x ${big.outputs} weights are ${size} MiB, and maxStorageBufferBindingSize of ${backend.adapter.name} ` +
        `is ${Math.floor(most / MIB)} MiB. Make the layer, or the one before it, narrower.`,
    );
  }
  const all = bytes * (2 + optimizerOf(config).slots.length);
  if (all > PAGE_SHARE)
    throw new OptionError(
      `network: its weights, gradients and moments take ${Math.ceil(all / MIB)} MiB, but a page should not use more than ` +
        `${PAGE_SHARE / MIB} MiB. Make it narrower.`,
    );
  if (config.batch > examples)
    throw new OptionError(
      `batch: ${config.batch} is more than the ${examples} training images. Give at most ${examples}.`,
    );
}

/** The CPU in floats, for lessons that need no GPU. */
export const lessonBackend = (): Backend => createCpuBackend();
