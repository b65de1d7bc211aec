// What every verb receives: its settings, its output, and the abort signal.

import { statSync } from 'node:fs';
import { basename, relative, sep } from 'node:path';
import { fileError } from '../node/file-error.ts';
import { setAt } from '../node/idx-names.ts';
import { readText } from '../node/read-file.ts';
import * as presets from '../train/presets.ts';
import { checkSettings, type OptionContext, parseConfig, parseFlags, type Settings } from './options.ts';
import type { Output } from './output.ts';
import { OPTIMIZERS } from './plan.ts';

/** The arguments of a verb. */
export interface Call {
  readonly settings: Settings;
  /** The verb's own flags, unparsed. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly output: Output;
  /** Aborted by Ctrl-C, SIGTERM or SIGHUP. */
  readonly signal: AbortSignal;
}

export const OPTION_CONTEXT: OptionContext = {
  presets: Object.keys(presets),
  optimizers: Object.keys(OPTIMIZERS),
  holdsData(path) {
    try {
      return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? setAt(path) !== undefined;
    } catch (error) {
      throw fileError('read', path, error);
    }
  },
};

/** The maximum bytes of a --config file. */
const MOST_CONFIG = 2 ** 20;

/** Keys that config.json and checkpoints have besides settings. */
export const CONFIG_EXTRAS = [
  'thalweg',
  'adapterName',
  'software',
  'tuning',
  'parameters',
  'reachedAccuracy',
  'inputShape',
  'outputs',
  'classNames',
  'modelDigest',
] as const;

/** The settings of a --config file and of flags combined; flags override. @throws OptionError, FileError */
export async function readSettings(flags: Readonly<Record<string, unknown>>): Promise<Settings> {
  const file = flags['config'];
  const fromFile = typeof file === 'string' ? readConfig(file) : {};
  const settings = { ...fromFile, ...parseFlags(flags, OPTION_CONTEXT) };
  checkSettings(settings);
  return settings;
}

function readConfig(file: string): Settings {
  return parseConfig(readText(file, MOST_CONFIG), file, OPTION_CONTEXT, CONFIG_EXTRAS);
}

/** How this program was called, for suggested commands. */
export function commandName(script = process.argv[1] ?? 'thalweg'): string {
  if (basename(script) !== 'thalweg') {
    const path = relative(process.cwd(), script);
    return `node ${quoted(path.length < script.length ? path : script)}`;
  }
  return script.includes(`${sep}.bin${sep}`) ? 'npx thalweg' : 'thalweg';
}

/** A path quoted for a shell. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./\\-]+$/.test(path) ? path : `'${path.replace(/'/g, "'\\''")}'`;
}
