// The network of a file of weights or a checkpoint: the description in its metadata, checked against the shapes of its tensors.
import type { FileBytes } from '../graph/dtype.ts';
import { checkExtra } from '../graph/options.ts';
import { isCheckpointTensor } from './checkpoint.ts';
import { densePresets } from './dense-presets.ts';
import { refuse } from './match-tensors.ts';
import { type NetworkDescription, shapesOf } from './network-description.ts';
import { networkIn } from './network-metadata.ts';
import { readSafetensors } from './safetensors.ts';
import { fitNames, renamedNames } from './weight-names.ts';

/**
 * The network of a safetensors file's weights, from its metadata: as written by a Trainer whose model is from `network()`, or by the name
 * of a preset. Undefined if the file does not say. @throws CheckpointError if the file is damaged, or its tensors do not match the network
 * it names.
 */
export function networkOf(bytes: FileBytes, file = 'weights', ...extra: never[]): NetworkDescription | undefined {
  checkExtra('networkOf', extra);
  const { tensors, metadata } = readSafetensors(bytes, file);
  const name = metadata['preset'] ?? '';
  const preset = Object.hasOwn(densePresets, name)
    ? densePresets[name as keyof typeof densePresets].network
    : undefined;
  const description = networkIn(metadata, file) ?? preset;
  if (description === undefined) return undefined;
  const names = [...tensors.keys()].filter((path) => !isCheckpointTensor(path, metadata));
  const wanted = shapesOf(description).map((entry) => ({ ...entry, dtype: 'F32' as const }));
  refuse(file, fitNames(wanted, renamedNames(file, names), tensors));
  return description;
}
