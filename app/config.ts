// The configuration of a run as the page edits it and the URL hash carries it: names, ranges, presets, and the way to and from
// text. Both sides of the worker use it; it knows nothing of the engine.

export const ACTIVATIONS = ['relu', 'sigmoid', 'tanh', 'gelu', 'silu'] as const;
export const LOSSES = ['cross-entropy', 'squared-error'] as const;
export const OPTIMIZERS = ['sgd', 'momentum', 'adam', 'adamw', 'rmsprop'] as const;
export const SCHEDULES = ['cosine', 'constant'] as const;
export const DATA = ['auto', 'mnist', 'digits'] as const;
export const DEVICES = ['auto', 'gpu', 'cpu'] as const;
export const PRESETS = ['classic', 'mlp'] as const;

/** The widest hidden layer, the most hidden layers and the largest batch that the page offers. */
export const MOST = { width: 8192, layers: 6, batch: 60_000, epochs: 1000 } as const;

/** A run's network, training settings and data. `preset` is the starting point of the other settings. */
export interface Config {
  readonly preset: (typeof PRESETS)[number];
  /** Widths from the input to the output. */
  readonly hidden: readonly number[];
  readonly activation: (typeof ACTIVATIONS)[number];
  readonly loss: (typeof LOSSES)[number];
  readonly optimizer: (typeof OPTIMIZERS)[number];
  readonly lr: number;
  readonly schedule: (typeof SCHEDULES)[number];
  readonly batch: number;
  readonly epochs: number;
  readonly seed: number;
  readonly data: (typeof DATA)[number];
  readonly device: (typeof DEVICES)[number];
}

type Check = (value: unknown) => boolean;
const oneOf =
  (names: readonly unknown[]): Check =>
  (value) =>
    names.includes(value);
const whole =
  (from: number, to: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= from && (value as number) <= to;

/** Whether an entry is valid: a dozen checks, for which a schema library would take a fortieth of the page. */
const CHECKS: Readonly<Record<keyof Config, Check>> = {
  preset: oneOf(PRESETS),
  hidden: (value) => Array.isArray(value) && value.length <= MOST.layers && value.every(whole(1, MOST.width)),
  activation: oneOf(ACTIVATIONS),
  loss: oneOf(LOSSES),
  optimizer: oneOf(OPTIMIZERS),
  lr: (value) => typeof value === 'number' && value > 0 && value <= 3e38,
  schedule: oneOf(SCHEDULES),
  batch: whole(1, MOST.batch),
  epochs: whole(1, MOST.epochs),
  seed: whole(0, 2 ** 32 - 1),
  data: oneOf(DATA),
  device: oneOf(DEVICES),
};
const KEYS = Object.keys(CHECKS) as (keyof Config)[];

export type PresetName = Config['preset'];

/** The two presets of the library, as configurations; a test compares them with `presets` there. */
export const PRESET_CONFIGS = {
  classic: {
    preset: 'classic',
    hidden: [16, 16],
    activation: 'sigmoid',
    loss: 'squared-error',
    optimizer: 'sgd',
    lr: 1,
    schedule: 'cosine',
    batch: 32,
    epochs: 15,
    seed: 1,
    data: 'auto',
    device: 'auto',
  },
  mlp: {
    preset: 'mlp',
    hidden: [128],
    activation: 'relu',
    loss: 'cross-entropy',
    optimizer: 'adam',
    lr: 3e-3,
    schedule: 'cosine',
    batch: 128,
    epochs: 5,
    seed: 1,
    data: 'auto',
    device: 'auto',
  },
} as const satisfies Record<PresetName, Config>;

/** The result of parsing a hash: a configuration, and a sentence for each invalid entry. */
export interface ParsedConfig {
  readonly config: Config;
  readonly problems: readonly string[];
}

const NUMBERS: readonly (keyof Config)[] = ['lr', 'batch', 'epochs', 'seed'];

/** The hash of `config`: the preset, and the differences from it. */
export function hashOf(config: Config): string {
  const base: Config = PRESET_CONFIGS[config.preset];
  const entries: [string, string][] = [['preset', config.preset]];
  for (const key of KEYS) {
    if (key === 'preset' || textOf(config, key) === textOf(base, key)) continue;
    entries.push([key, textOf(config, key)]);
  }
  return `#${new URLSearchParams(entries).toString()}`;
}

/** An entry as text in the URL and in fields: `16-16`, `none`, `0.003`. */
export function textOf(config: Config, key: keyof Config): string {
  return key === 'hidden' ? config.hidden.join('-') || 'none' : String(config[key]);
}

/** Reads a hash. Unknown keys are ignored; invalid values are reported and replaced by the preset's. */
export function parseHash(hash: string): ParsedConfig {
  const given = new URLSearchParams(hash.replace(/^#/, ''));
  const problems: string[] = [];
  const name = given.get('preset') ?? 'classic';
  const preset = PRESETS.find((known) => known === name) ?? 'classic';
  if (preset !== name)
    problems.push(`preset: ${show(name)} is unknown, so ${preset} is used. Use one of ${PRESETS.join(', ')}.`);
  let config: Config = PRESET_CONFIGS[preset];
  for (const [key, text] of given) {
    if (key === 'preset' || !Object.hasOwn(config, key)) continue;
    const changed = withEntry(config, key as keyof Config, text);
    if (typeof changed === 'string') problems.push(changed);
    else config = changed;
  }
  return { config, problems };
}

/** `config` with one entry replaced, given as text, or the error message about that text. */
export function withEntry(config: Config, key: keyof Config, text: string): Config | string {
  const value = entryOf(key, text);
  if (CHECKS[key](value)) return { ...config, [key]: value };
  return `${refusalOf(key, text)} Kept ${show(textOf(config, key))}.`;
}

function refusalOf(key: keyof Config, text: string): string {
  return `${key}: ${show(text)} cannot be used. ${ADVICE[key]}`;
}

function entryOf(key: keyof Config, text: string): unknown {
  if (key === 'hidden') return text === 'none' || text === '' ? [] : text.split(/[-–,\s]+/).map(numberOf);
  return NUMBERS.includes(key) ? numberOf(text) : text;
}

/** Number('') is 0, which is never meant. */
function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

/** A whole configuration from a file or a store. @throws Error naming the first invalid entry. */
export function readConfig(value: unknown): Config {
  if (typeof value !== 'object' || value === null) throw new Error('configuration: it is missing.');
  const given = value as Record<keyof Config, unknown>;
  const bad = KEYS.find((key) => !CHECKS[key](given[key]));
  if (bad) throw new Error(refusalOf(bad, String(given[bad])));
  return Object.fromEntries(KEYS.map((key) => [key, given[key]])) as unknown as Config;
}

const ADVICE: Record<keyof Config, string> = {
  preset: `Use ${PRESETS.join(' or ')}.`,
  hidden: `Give at most ${MOST.layers} widths from 1 to ${MOST.width}, such as 16-16.`,
  activation: `Use ${ACTIVATIONS.join(', ')}.`,
  loss: `Use ${LOSSES.join(' or ')}.`,
  optimizer: `Use ${OPTIMIZERS.join(', ')}.`,
  lr: 'Give a number above 0.',
  schedule: `Use ${SCHEDULES.join(' or ')}.`,
  batch: `Give a whole number from 1 to ${MOST.batch}.`,
  epochs: `Give a whole number from 1 to ${MOST.epochs}.`,
  seed: 'Give a whole number from 0 to 4294967295.',
  data: `Use ${DATA.join(', ')}.`,
  device: `Use ${DEVICES.join(', ')}.`,
};

function show(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}

/** The entries of `to` that differ from those of `from`. */
export function changesOf(from: Config, to: Config): Partial<Config> {
  return Object.fromEntries(changedKeys(from, to).map((key) => [key, to[key]]));
}

/** The differences of two configurations, for the list of runs: `lr 1 → 0.5`. */
export function differences(from: Config, to: Config): string[] {
  return changedKeys(from, to).map((key) => `${key} ${textOf(from, key)} → ${textOf(to, key)}`);
}

function changedKeys(from: Config, to: Config): (keyof Config)[] {
  return KEYS.filter((key) => textOf(from, key) !== textOf(to, key));
}
