// Dense networks from a description in plain data: what the presets are, what a page lets people edit, and what a file of
// weights says about itself. Equal descriptions give equal networks: same paths, so same initial values and trajectories.
import { OptionError } from '../graph/errors.ts';
import { checkExtra, checkOptions, checkValue, type Names, OBJECT, show } from '../graph/options.ts';
import type { Tensor } from '../graph/tensor.ts';
import { capture } from '../graph/trace.ts';
import { softmaxCrossEntropy, sumSquaredError } from '../loss/index.ts';
import type { Loss } from '../loss/loss.ts';
import { Linear } from '../nn/linear.ts';
import { gelu, relu, sigmoid, silu, tanh } from '../ops/activations.ts';
import { reshape } from '../ops/reshape.ts';

const ACTIVATIONS = { relu, sigmoid, tanh, gelu, silu } as const;
const LOSSES = { 'cross-entropy': softmaxCrossEntropy, 'squared-error': sumSquaredError } as const;

/** Linear layers one after another, with an activation between them. */
export interface NetworkDescription {
  /** Numbers in an example; one of more axes is flattened. */
  readonly inputs: number;
  /** The widths of the hidden layers, from the input on; none makes a linear classifier. */
  readonly hidden: readonly number[];
  /** Classes. */
  readonly outputs: number;
  /** After each hidden layer. */
  readonly activation: keyof typeof ACTIVATIONS;
  /** `cross-entropy`: the outputs are logits. `squared-error`: they are sigmoids, as in the classic lesson. */
  readonly loss: keyof typeof LOSSES;
}

/** What {@link network} makes: for a Trainer, which wants an optimizer besides. */
export interface Network {
  /** A new model, its variables without values. */
  readonly model: { forward(x: Tensor): Tensor };
  readonly loss: Loss;
  readonly inputShape: readonly number[];
  readonly description: NetworkDescription;
}

const NAMES: Names<NetworkDescription> = { inputs: true, hidden: true, outputs: true, activation: true, loss: true };
const descriptions = new WeakMap<object, NetworkDescription>();

/** `hidden`, or `hidden1`, `hidden2` … where there are several, then `out`. */
function layerNames(hidden: readonly number[]): string[] {
  return [...hidden.map((_, k) => (hidden.length === 1 ? 'hidden' : `hidden${k + 1}`)), 'out'];
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
    const { inputs, hidden, activation, loss } = descriptions.get(this)!;
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
 * A dense network and the loss that belongs to it. Layers are called `hidden` (`hidden1`, `hidden2` … where there are several)
 * and `out`; initial values are those of `nn.Linear`.
 * @throws OptionError naming the width, activation or loss that cannot be used.
 */
export function network(description: NetworkDescription, ...extra: never[]): Network {
  checkExtra('network', extra);
  const checked = checkDescription(description);
  const model = new DenseNetwork(checked);
  descriptions.set(model, checked);
  return { model, loss: LOSSES[checked.loss], inputShape: [checked.inputs], description: checked };
}

/** The description of a model that {@link network} made; undefined for any other. */
export function descriptionOf(model: object, ...extra: never[]): NetworkDescription | undefined {
  checkValue('descriptionOf', 'the model', model, OBJECT);
  checkExtra('descriptionOf', extra);
  return descriptions.get(model);
}

/** The shapes of a described network's variables by path, in their order. */
export function shapesOf({ inputs, hidden, outputs }: NetworkDescription): { name: string; shape: number[] }[] {
  const widths = [inputs, ...hidden, outputs];
  return layerNames(hidden).flatMap((name, k) => [
    { name: `${name}.weight`, shape: [widths[k + 1]!, widths[k]!] },
    { name: `${name}.bias`, shape: [widths[k + 1]!] },
  ]);
}

/** `784-16-16-10, sigmoid, squared-error`. */
export function networkText(description: NetworkDescription, ...extra: never[]): string {
  checkExtra('networkText', extra);
  const { inputs, hidden, outputs, activation, loss } = checkDescription(description);
  const widths = [inputs, ...hidden, outputs].join('-');
  return [widths, ...(hidden.length > 0 ? [activation] : []), loss].join(', ');
}

/** A frozen copy of a description of which every part was checked. @throws OptionError */
export function checkDescription(description: NetworkDescription): NetworkDescription {
  checkOptions('network', description, NAMES);
  const { inputs, hidden, outputs, activation, loss } = description;
  checkWidth('inputs', inputs);
  if (!Array.isArray(hidden))
    throw new OptionError(
      `network: hidden is ${show(hidden)}. Give the widths of the hidden layers, such as [16, 16].`,
    );
  for (const [k, width] of hidden.entries()) checkWidth(`hidden[${k}]`, width);
  checkWidth('outputs', outputs);
  checkName('activation', activation, ACTIVATIONS);
  checkName('loss', loss, LOSSES);
  return Object.freeze({ inputs, hidden: Object.freeze([...hidden]), outputs, activation, loss });
}

function checkWidth(name: string, width: unknown): void {
  if (Number.isSafeInteger(width) && (width as number) >= 1) return;
  throw new OptionError(`network: ${name} is ${show(width)}. Give a whole number from 1.`);
}

function checkName(name: string, given: unknown, known: object): void {
  if (typeof given === 'string' && Object.hasOwn(known, given)) return;
  throw new OptionError(`network: ${name} is ${show(given)}. Use ${Object.keys(known).join(', ')}.`);
}
