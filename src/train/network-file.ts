// Which described network a file of weights or a checkpoint belongs to: what it says in its metadata, held against the shapes
// of its tensors.
import { CheckpointError, OptionError } from '../graph/errors.ts';
import { checkExtra } from '../graph/options.ts';
import { isCheckpointTensor } from './checkpoint.ts';
import { checkDescription, type NetworkDescription, shapesOf } from './network.ts';
import { presets } from './presets.ts';
import { matchTensors, readSafetensors } from './safetensors.ts';

/** Where files of weights and checkpoints keep the description of their network, as JSON. */
export const NETWORK_KEY = 'thalweg.network';

/**
 * The network that a safetensors file's weights belong to, by its own words: as a Trainer whose model `network()` made has
 * written them, or by the name of a preset. Undefined where it does not say.
 * @throws CheckpointError where the file is damaged, or its tensors are not those of the network it names.
 */
export function networkOf(bytes: Uint8Array, file = 'weights', ...extra: never[]): NetworkDescription | undefined {
  checkExtra('networkOf', extra);
  const { tensors, metadata } = readSafetensors(bytes, file);
  const text = metadata[NETWORK_KEY];
  const name = metadata['preset'] ?? '';
  const preset = Object.hasOwn(presets, name) ? presets[name as keyof typeof presets].network : undefined;
  const description = text === undefined ? preset : parse(text, file);
  if (description === undefined) return undefined;
  const weights = new Map([...tensors].filter(([path]) => !isCheckpointTensor(path, metadata)));
  matchTensors(
    file,
    shapesOf(description).map((entry) => ({ ...entry, dtype: 'F32' as const })),
    weights,
  );
  return description;
}

function parse(text: string, file: string): NetworkDescription {
  try {
    return checkDescription(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof OptionError)) throw error;
    const why = error instanceof SyntaxError ? 'it is not JSON.' : error.message;
    throw new CheckpointError(`${file}: the metadata is damaged: "${NETWORK_KEY}": ${why} Use an undamaged copy.`, {
      cause: error,
    });
  }
}

/** A network as a file's metadata. */
export function networkMetadata(description: NetworkDescription | undefined): Record<string, string> {
  return description ? { [NETWORK_KEY]: JSON.stringify(description) } : {};
}
