// Presets are made for 28 x 28 pictures of ten classes; for other data their first and last layers get its sizes.
import { network } from '../train/network.ts';
import { type NetworkDescription, networkText } from '../train/network-description.ts';
import { type Preset, presets } from '../train/presets.ts';

/** The sizes that data, or weights, give a network. */
type Sizes = Pick<NetworkDescription, 'inputs' | 'outputs'>;

/** The preset with the first and last layer of these sizes; itself where they are its own. */
export function fitted(preset: Preset, { inputs, outputs }: Sizes): Preset {
  if (inputs === preset.network.inputs && outputs === preset.network.outputs) return preset;
  const { description } = network({ ...preset.network, inputs, outputs });
  return {
    ...preset,
    description: `${networkText(description)}: its first and last layers are fitted to the data`,
    network: description,
    model: () => network(description).model,
    inputShape: [inputs],
    classes: outputs,
  };
}

/** The preset that this network is one of, fitted to it; undefined where it is none. */
export function presetWith(description: NetworkDescription): Preset | undefined {
  const text = networkText(description);
  return Object.values<Preset>(presets)
    .map((preset) => fitted(preset, description))
    .find((preset) => networkText(preset.network) === text);
}
