// Presets are designed for 28 x 28 images of ten classes; for other data their first and last layers are resized.

import { densePresets } from '../train/dense-presets.ts';
import { network } from '../train/network.ts';
import { type NetworkDescription, networkText } from '../train/network-description.ts';
import type { DensePreset } from '../train/preset.ts';

/** The network sizes that follow from data or weights. */
type Sizes = Pick<NetworkDescription, 'inputs' | 'outputs'>;

/** The preset with its first and last layer resized; unchanged if the sizes match. */
export function fitted(preset: DensePreset, { inputs, outputs }: Sizes): DensePreset {
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

/** The preset of this network, fitted to it; undefined if there is none. */
export function presetWith(description: NetworkDescription): DensePreset | undefined {
  const text = networkText(description);
  return Object.values<DensePreset>(densePresets)
    .map((preset) => fitted(preset, description))
    .find((preset) => networkText(preset.network) === text);
}
