// What a dense network is, in plain data: checked, printed, and remembered for the models that were made from it. A trainer needs this
// much to save any model, so the networks themselves, with their activations and losses, are in network.ts.
import { OptionError } from '../graph/errors.ts';
import { checkExtra, checkOptions, type Schema, show } from '../graph/options.ts';

const ACTIVATIONS = ['relu', 'sigmoid', 'tanh', 'gelu', 'silu'] as const;
const LOSSES = ['cross-entropy', 'squared-error'] as const;

/** Linear layers one after another, with an activation between them. */
export interface NetworkDescription {
  /** Numbers in an example; one of more axes is flattened. */
  readonly inputs: number;
  /** The widths of the hidden layers, from the input on; none makes a linear classifier. */
  readonly hidden: readonly number[];
  /** Classes. */
  readonly outputs: number;
  /** After each hidden layer. */
  readonly activation: (typeof ACTIVATIONS)[number];
  /** `cross-entropy`: the outputs are logits. `squared-error`: they are sigmoids, as in the classic lesson. */
  readonly loss: (typeof LOSSES)[number];
}

const SCHEMA = {
  inputs: true,
  hidden: true,
  outputs: true,
  activation: true,
  loss: true,
} satisfies Schema<NetworkDescription>;
const descriptions = new WeakMap<object, NetworkDescription>();

/** Notes what a model was made from. */
export function describeModel(model: object, description: NetworkDescription): void {
  descriptions.set(model, description);
}

/** The description of a model that `network` made; undefined for any other. */
export function descriptionOf(model: object): NetworkDescription | undefined {
  return descriptions.get(model);
}

/** `hidden`, or `hidden1`, `hidden2` … where there are several, then `out`. */
export function layerNames(hidden: readonly number[]): string[] {
  return [...hidden.map((_, k) => (hidden.length === 1 ? 'hidden' : `hidden${k + 1}`)), 'out'];
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
  checkOptions('network', description, SCHEMA);
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

function checkName(name: string, given: unknown, known: readonly string[]): void {
  if (known.includes(given as string)) return;
  throw new OptionError(`network: ${name} is ${show(given)}. Use ${known.join(', ')}.`);
}
