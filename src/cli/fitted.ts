// Presets as networks to train, fitted to data: of dense ones the first and last layers are resized, of others the last.
import { sizeOf } from '../graph/shape.ts';
import { sgd } from '../optim/sgd.ts';
import { densePresets } from '../train/dense-presets.ts';
import { network } from '../train/network.ts';
import { type NetworkDescription, networkText } from '../train/network-description.ts';
import type { DensePreset, Preset } from '../train/preset.ts';
import type { Sizes, Trainable } from './trainable.ts';

/** A preset at its own input shape and number of classes. */
export function trainableOf(preset: Preset | DensePreset): Trainable {
  const { name, description, loss, defaults, inputShape, classes, augmentation } = preset;
  return {
    name,
    description,
    sizes: { inputShape, classes },
    network: 'network' in preset ? preset.network : undefined,
    model: () => preset.model(),
    loss,
    optimizerName: preset.optimizer().name.toLowerCase(),
    optimizer: (lr) => preset.optimizer({ lr }),
    defaults,
    augment: augmentation,
    fittedTo: (sizes) => ('network' in preset ? resized(preset, sizes) : withClasses(preset, sizes)),
  };
}

/** A preset at its input shape, with as many outputs as there are classes. */
function withClasses(preset: Preset, { classes }: Sizes): Trainable {
  const usual = trainableOf(preset);
  if (classes === preset.classes) return usual;
  const sizes = { inputShape: preset.inputShape, classes };
  return { ...usual, model: () => preset.model(classes), sizes };
}

/** A dense preset with its first and last layer resized; unchanged if the sizes match. */
function resized(preset: DensePreset, { inputShape, classes: outputs }: Sizes): Trainable {
  const usual = trainableOf(preset);
  const inputs = sizeOf(inputShape);
  if (inputs === preset.network.inputs && outputs === preset.network.outputs) return usual;
  const { description } = network({ ...preset.network, inputs, outputs });
  return {
    ...usual,
    description: `${networkText(description)}: its first and last layers are fitted to the data`,
    network: description,
    model: () => network(description).model,
    sizes: { inputShape: [inputs], classes: outputs },
  };
}

/** The preset of this network, fitted to it; undefined if there is none. */
export function presetWith(description: NetworkDescription): Trainable | undefined {
  const { inputs, outputs } = description;
  const text = networkText(description);
  return Object.values<DensePreset>(densePresets)
    .map((preset) => resized(preset, { inputShape: [inputs], classes: outputs }))
    .find((net) => networkText(net.network!) === text);
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
