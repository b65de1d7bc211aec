// The settings of a run, from flags and --config files: which there are, and which contradict each other.
import { OptionError } from '../graph/errors.ts';
import { nearest } from '../graph/nearest.ts';
import { DIVERGENCE } from '../train/run.ts';
import {
  oneOf,
  parseAccuracy,
  parseAdapter,
  parseChoice,
  parseCount,
  parseData,
  parseDevice,
  parseLearningRate,
  parseSeed,
  parseSwitch,
  parseText,
  shown,
} from './parsers.ts';
import { parseAugment, parseChannels, parseClasses, parseSize } from './picture-options.ts';

/** What the parsers of settings need from the rest of the program. */
export interface OptionContext {
  readonly presets: readonly string[];
  readonly optimizers: readonly string[];
  /** Whether a path is a folder, or a set of IDX files in one. */
  readonly holdsData: (path: string) => boolean;
}

/** Every setting of a run: its flag is `--` and the kebab-case name, its key in a --config file the name itself. */
const SETTINGS = {
  preset: (value, name, { presets }) => parseChoice(value, name, presets),
  model: parseModel,
  seed: parseSeed,
  device: parseDevice,
  adapter: parseAdapter,
  requireGpu: parseSwitch,
  fuse: parseSwitch,
  persistent: parseSwitch,
  deterministic: parseSwitch,
  epochs: (value, name) => parseCount(value, name),
  maxSteps: (value, name) => parseCount(value, name),
  batchSize: (value, name) => parseCount(value, name),
  lr: parseLearningRate,
  optimizer: (value, name, { optimizers }) => parseChoice(value, name, optimizers),
  data: (value, name, { holdsData }) => parseData(value, holdsData, name),
  classes: parseClasses,
  transpose: parseSwitch,
  size: parseSize,
  channels: parseChannels,
  skipBad: parseSwitch,
  augment: parseAugment,
  out: parseText,
  resume: parseText,
  saveEvery: (value, name) => parseCount(value, name),
  targetAccuracy: parseAccuracy,
  divergence: (value, name) => parseChoice(value, name, DIVERGENCE),
  json: parseSwitch,
  quiet: parseSwitch,
  dryRun: parseSwitch,
} satisfies Record<string, (value: unknown, name: string, context: OptionContext) => unknown>;

/** The path of a module with a model. */
function parseModel(value: unknown, name: string, { presets }: OptionContext): string {
  const path = parseText(value, name);
  if (!presets.includes(path)) return path;
  const instead = name.startsWith('--') ? `--preset ${path}` : `{ "preset": "${path}" }`;
  throw new OptionError(`${name}: "${path}" is a preset and not the path of a module. Use ${instead}.`);
}

export type SettingName = keyof typeof SETTINGS;

/** The given settings; absent ones take the preset's defaults. */
export type Settings = { readonly [K in SettingName]?: ReturnType<(typeof SETTINGS)[K]> };

/** `batchSize` to `--batch-size`. */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)}`;
}

/** Parses the given flags, as the command-line parser collected them by camel-case names. */
export function parseFlags(given: Readonly<Record<string, unknown>>, context: OptionContext): Settings {
  return parseAll(given, context, flagOf);
}

/**
 * Parses a --config file: a JSON object of settings by their camel-case names (`{ "preset": "mlp", "lr": 0.003 }`).
 * Keys in `others` are ignored; a run adds them when it writes its config.json.
 * @throws OptionError naming file and key.
 */
export function parseConfig(
  text: string,
  file: string,
  context: OptionContext,
  others: readonly string[] = [],
): Settings {
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw new OptionError(
      `${file}: not valid JSON: ${error instanceof Error ? error.message : error}. Correct the file.`,
    );
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new OptionError(
      `${file}: holds ${shown(config)}, not an object. Write settings such as { "preset": "mlp" }.`,
    );
  }
  const given: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(config)) {
    if (others.includes(key)) continue;
    if (!Object.hasOwn(SETTINGS, key)) {
      const guess = nearest(SYNONYMS.get(key) ?? key, Object.keys(SETTINGS));
      const hint = guess === undefined ? `Use ${oneOf(Object.keys(SETTINGS))}.` : `Did you mean "${guess}"?`;
      throw new OptionError(`${file}: unknown key ${shown(key)}. ${hint}`);
    }
    given[key] = value;
  }
  return parseAll(given, context, (name) => `${file}: ${name}`);
}

const SYNONYMS = new Map([
  ['learningRate', 'lr'],
  ['learning_rate', 'lr'],
  ['steps', 'maxSteps'],
  ['dataset', 'data'],
  ['numClasses', 'classes'],
  ['num_classes', 'classes'],
]);

function parseAll(
  given: Readonly<Record<string, unknown>>,
  context: OptionContext,
  nameOf: (name: string) => string,
): Settings {
  const settings: Record<string, unknown> = {};
  for (const [name, parse] of Object.entries(SETTINGS)) {
    const value = given[name];
    if (value !== undefined)
      settings[name] = (parse as (v: unknown, n: string, c: OptionContext) => unknown)(value, nameOf(name), context);
  }
  return settings as Settings;
}

/** Refuses contradictory settings; call it on the combined settings of flags and file. */
export function checkSettings({ device, adapter, requireGpu, fuse, persistent, preset, model }: Settings): void {
  if (preset !== undefined && model !== undefined)
    throw new OptionError('--preset: contradicts --model. Leave one of them out.');
  if (requireGpu === true && adapter === 'software') {
    throw new OptionError('--require-gpu: contradicts --adapter software. Leave one of them out.');
  }
  if (persistent === true && fuse === false)
    throw new OptionError('--persistent: contradicts --no-fuse. Leave one of them out.');
  if (device !== 'cpu') return;
  if (requireGpu === true) throw new OptionError('--require-gpu: contradicts --device cpu. Leave one of them out.');
  if (adapter !== undefined)
    throw new OptionError('--adapter: has no meaning with --device cpu. Leave one of them out.');
  if (fuse === false)
    throw new OptionError('--no-fuse: has no meaning with --device cpu, which fuses nothing. Leave one of them out.');
  if (persistent !== undefined)
    throw new OptionError(
      `${persistent ? '--persistent' : '--no-persistent'}: has no meaning with --device cpu, which has no dispatches. Leave one of them out.`,
    );
}
