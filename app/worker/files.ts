// A dropped file: a checkpoint of the page or of the command line, or weights; and the configuration that goes with it.
import { CheckpointError, describeCheckpoint, networkOf, OptionError } from '../../src/index.ts';
import { type Config, PRESET_CONFIGS, PRESETS, readConfig } from '../config.ts';
import { INPUTS, OUTPUTS } from './network.ts';
import { asSavedRecord } from './record.ts';
import type { RunSnapshot } from './run.ts';

/** The content of a file. */
export type Opened =
  | { readonly kind: 'weights'; readonly config: Config }
  | { readonly kind: 'checkpoint'; readonly config: Config; readonly snapshot: RunSnapshot };

const LARGEST = 256 * 2 ** 20;
const EMPTY = { step: [], loss: [], accuracy: [], tests: [] };

/** Reads a file's metadata. `now` gives the settings that it lacks. @throws CheckpointError, OptionError */
export function openFile(name: string, bytes: Uint8Array, now: Config): Opened {
  if (bytes.length > LARGEST)
    throw new OptionError(
      `${name}: ${Math.round(bytes.length / 2 ** 20)} MiB exceed the limit for weight files (256 MiB). Choose a smaller file.`,
    );
  const network = networkOf(bytes, name); // throws for anything but an undamaged safetensors file
  const checkpoint = openCheckpoint(name, bytes);
  if (checkpoint) return checkpoint;
  if (!network)
    throw new CheckpointError(
      `${name}: it does not say which network it belongs to. Use weights saved here or by thalweg train.`,
    );
  const { inputs, outputs, hidden, activation, loss } = network;
  if (inputs !== INPUTS || outputs !== OUTPUTS)
    throw new CheckpointError(
      `${name}: its network maps ${inputs} to ${outputs} numbers, but digits have ${INPUTS} pixels and ${OUTPUTS} classes.`,
    );
  return { kind: 'weights', config: configOf({ hidden: [...hidden], activation, loss }, now) };
}

/** The preset with this network, if there is one, else the current settings with these replaced. */
function configOf(network: Pick<Config, 'hidden' | 'activation' | 'loss'>, now: Config): Config {
  const same = (config: Config) => JSON.stringify({ ...config, ...network }) === JSON.stringify(config);
  if (same(now)) return now;
  const preset = PRESETS.map((name): Config => PRESET_CONFIGS[name]).find(same);
  const { seed, data, device } = now;
  return preset ? { ...preset, seed, data, device } : readConfig({ ...now, ...network });
}

/** A checkpoint made by the page; undefined for weights, and for the command line's checkpoints, of which only the weights are used. */
function openCheckpoint(name: string, bytes: Uint8Array): Opened | undefined {
  const { configuration, step } = checkpointOf(name, bytes) ?? {};
  const { page, record } = (configuration ?? {}) as { page?: unknown; record?: unknown };
  if (page === undefined || step === undefined) return undefined;
  const config = readConfig(page);
  const snapshot = { config, step, bytes, record: asSavedRecord(record) ?? EMPTY, elapsedMs: 0 };
  return { kind: 'checkpoint', config, snapshot };
}

function checkpointOf(name: string, bytes: Uint8Array): ReturnType<typeof describeCheckpoint> | undefined {
  try {
    return describeCheckpoint(bytes, name);
  } catch {
    return undefined;
  }
}
