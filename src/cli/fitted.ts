// Presets as networks to train, fitted to data: of dense ones the first and last layers are resized.
import { sizeOf } from '../graph/shape.ts';
import { sgd } from '../optim/sgd.ts';
import { network } from '../train/network.ts';
import { type NetworkDescription, networkText } from '../train/network-description.ts';
import { type Preset, presets } from '../train/presets.ts';
import type { Trainable } from './trainable.ts';

/** A preset; as it is for data of its own sizes. */
export function trainableOf(preset: Preset): Trainable {
  const { name, description, loss, defaults, inputShape, classes } = preset;
  return {
    name,
    description,
    sizes: { inputShape, classes },
    network: preset.network,
    model: () => preset.model(),
    loss,
    optimizerName: preset.optimizer().name.toLowerCase(),
    optimizer: (lr) => preset.optimizer({ lr }),
    defaults,
    fittedTo: (sizes) =>
      fitted(preset, { ...preset.network, inputs: sizeOf(sizes.inputShape), outputs: sizes.classes }),
  };
}

/** The preset with its first and last layer resized; unchanged if the sizes match. */
function fitted(preset: Preset, wanted: NetworkDescription): Trainable {
  const usual = trainableOf(preset);
  if (wanted.inputs === preset.network.inputs && wanted.outputs === preset.network.outputs) return usual;
  const { description } = network(wanted);
  return {
    ...usual,
    description: `${networkText(description)}: its first and last layers are fitted to the data`,
    network: description,
    model: () => network(description).model,
    sizes: { inputShape: [description.inputs], classes: description.outputs },
  };
}

/** The preset of this network, fitted to it; undefined if there is none. */
export function presetWith(description: NetworkDescription): Trainable | undefined {
  const { inputs, outputs } = description;
  const text = networkText(description);
  return Object.values<Preset>(presets)
    .map((preset) => fitted(preset, { ...preset.network, inputs, outputs }))
    .find((fit) => networkText(fit.network!) === text);
}

/** A network that only its description tells of; it was trained elsewhere. */
export function describedNetwork(description: NetworkDescription): Trainable {
  const name = networkText(description);
  const { loss } = network(description);
  const net: Trainable = {
    name,
    description: name,
    sizes: { inputShape: [description.inputs], classes: description.outputs },
    network: description,
    model: () => network(description).model,
    loss,
    optimizerName: 'sgd',
    optimizer: (lr = 1) => sgd({ lr }),
    defaults: { epochs: 1, batchSize: 32 },
    fittedTo: () => net,
  };
  return net;
}
