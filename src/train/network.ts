// Dense networks from a plain-data description, as used by the presets, by the page's editor and in files of weights. Equal
// descriptions give equal networks: same paths, so same initial values and trajectories.
import { checkExtra } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { capture } from '../graph/trace.ts';
import { softmaxCrossEntropy, sumSquaredError } from '../loss/index.ts';
import type { Loss } from '../loss/loss.ts';
import { Linear } from '../nn/linear.ts';
import { gelu, relu, sigmoid, silu, tanh } from '../ops/activations.ts';
import { reshape } from '../ops/reshape.ts';
import {
  checkDescription,
  describeModel,
  descriptionOf,
  layerNames,
  type NetworkDescription,
} from './network-description.ts';

const ACTIVATIONS = { relu, sigmoid, tanh, gelu, silu } satisfies Record<NetworkDescription['activation'], unknown>;
const LOSSES = { 'cross-entropy': softmaxCrossEntropy, 'squared-error': sumSquaredError };

/** The result of {@link network}: options of a Trainer, which also needs an optimizer. */
export interface Network {
  /** A new model, whose variables have no values yet. */
  readonly model: { forward(x: Tensor): Tensor };
  /** The loss that the description names. */
  readonly loss: Loss;
  /** The shape of one example: [inputs]. */
  readonly inputShape: readonly number[];
  /** The description that the network was made from. */
  readonly description: NetworkDescription;
}

/** Its layers are properties, so their names are paths: `hidden1.weight`. */
class DenseNetwork {
  readonly [layer: string]: unknown;

  constructor({ inputs, hidden, outputs }: NetworkDescription) {
    const widths = [inputs, ...hidden, outputs];
    const layers = layerNames(hidden).map((name, k) => [name, new Linear(widths[k]!, widths[k + 1]!)]);
    Object.assign(this, Object.fromEntries(layers));
  }

  forward(x: Tensor): Tensor {
    const { inputs, hidden, activation, loss } = descriptionOf(this)!;
    const names = layerNames(hidden).slice(0, -1);
    const last = names.reduce(
      (h, name) => capture(`${name}.activation`, ACTIVATIONS[activation](this.#layer(name).forward(h))),
      reshape(x, [x.shape[0]!, inputs]),
    );
    const y = this.#layer('out').forward(last);
    return loss === 'squared-error' ? sigmoid(y) : y;
  }

  #layer(name: string): Linear {
    return this[name] as Linear;
  }
}

/**
 * A dense network and its loss. Layers are called `hidden` (`hidden1`, `hidden2` … if there are several) and `out`; initial values are
 * those of `nn.Linear`. @throws OptionError naming the invalid width, activation or loss.
 */
export function network(description: NetworkDescription, ...extra: never[]): Network {
  checkExtra('network', extra);
  const checked = checkDescription(description);
  const model = new DenseNetwork(checked);
  describeModel(model, checked);
  return { model, loss: LOSSES[checked.loss], inputShape: [checked.inputs], description: checked };
}
