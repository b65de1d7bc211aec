// A run to continue, as its checkpoint tells it.

import type { Backend } from '../backend.ts';
import { digestOf } from '../graph/tuning.ts';
import { describeCheckpoint } from '../train/checkpoint.ts';
import { networkIn } from '../train/network-metadata.ts';
import { readSafetensors } from '../train/safetensors.ts';
import { type Recorded, recordedIn } from './chosen.ts';
import { CONFIG_EXTRAS, OPTION_CONTEXT } from './context.ts';
import { parseConfig, type Settings } from './options.ts';
import { configurationOf } from './plan.ts';
import { type RanOn, type Resumed, ranOnBeside, readResumed } from './run-files.ts';
import type { Sizes } from './trainable.ts';

/** A resumed run. */
export interface GoneOn extends Resumed, Recorded {
  readonly step: number;
  readonly settings: Settings;
  /** The sizes of its network, if known. */
  readonly sizes: Sizes | undefined;
  /** The accuracy that ended it, if it reached its target. */
  readonly reached: number | undefined;
  /** The device it ran on, if its config.json says. */
  readonly ranOn: RanOn | undefined;
}

/** Reads the argument of --resume. @throws FileError, CheckpointError, OptionError */
export async function goOn(path: string): Promise<GoneOn> {
  const resumed = await readResumed(path);
  const { configuration, step } = describeCheckpoint(resumed.bytes, resumed.file);
  const text = configurationOf(configuration, resumed.file);
  // A missing data folder is detected when it is read.
  const context = { ...OPTION_CONTEXT, holdsData: () => true };
  const settings = parseConfig(text, resumed.file, context, CONFIG_EXTRAS);
  const recorded = recordedIn(configuration);
  const network = networkIn(readSafetensors(resumed.bytes, resumed.file).metadata, resumed.file);
  const sizes = network ? { inputShape: [network.inputs], classes: network.outputs } : recorded.facts;
  const { reachedAccuracy } = configuration as { reachedAccuracy?: unknown };
  const reached = typeof reachedAccuracy === 'number' ? reachedAccuracy : undefined;
  return { ...resumed, ...recorded, step, settings, reached, sizes, ranOn: ranOnBeside(resumed.file) };
}

/** Why bits may differ from those of the run before, on another device or with other kernels; undefined if they do not. */
export function differenceText(ranOn: RanOn | undefined, { adapter, tuning }: Backend): string | undefined {
  if (!ranOn) return undefined;
  const doubt = 'results may differ in their last bits';
  const kernels = (digest: string | undefined) => (digest ? `tuned kernels (${digest})` : 'the default kernels');
  const now = tuning && digestOf(tuning);
  if (ranOn.adapter !== adapter.name)
    return `the run was on ${ranOn.adapter} and continues on ${adapter.name}: ${doubt}.`;
  if (ranOn.tuning === now) return undefined;
  return `the run used ${kernels(ranOn.tuning)} and continues with ${kernels(now)}: ${doubt}.`;
}
