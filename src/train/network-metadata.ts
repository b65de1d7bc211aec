// The description of a network in a safetensors file's metadata.
import { CheckpointError, OptionError } from '../graph/errors.ts';
import { checkDescription, type NetworkDescription } from './network-description.ts';
import { escaped } from './safetensors-header.ts';

/** The metadata key of a network's description, as JSON, in files of weights and checkpoints. */
export const NETWORK_KEY = 'thalweg.network';

/** A network as a file's metadata. */
export function networkMetadata(description: NetworkDescription | undefined): Record<string, string> {
  return description ? { [NETWORK_KEY]: JSON.stringify(description) } : {};
}

/** The network that a file's metadata describes, if any. @throws CheckpointError if it is damaged. */
export function networkIn(metadata: Readonly<Record<string, string>>, file: string): NetworkDescription | undefined {
  const text = metadata[NETWORK_KEY];
  if (text === undefined) return undefined;
  try {
    return checkDescription(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof OptionError)) throw error;
    const why = error instanceof SyntaxError ? 'it is not JSON.' : escaped(error.message);
    throw new CheckpointError(`${file}: the metadata is damaged: "${NETWORK_KEY}": ${why} Use an undamaged copy.`, {
      cause: error,
    });
  }
}
