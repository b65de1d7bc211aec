// Parsers of single values of flags and of --config keys: pure functions. Each error is an OptionError that names the flag, the value and
// what is allowed, with a suggestion.
import { OptionError } from '../graph/errors.ts';
import { editDistance, nearest } from '../graph/nearest.ts';

export const DEVICES = ['auto', 'gpu', 'cpu'] as const;
export type DeviceChoice = (typeof DEVICES)[number];
export type AdapterChoice = 'hardware' | 'software' | { readonly name: string };
export type DataChoice =
  | { readonly kind: 'auto' | 'mnist' | 'digits' }
  /** A folder, or a set in one: DIR/PREFIX. */
  | { readonly kind: 'folder'; readonly path: string };

export function refuse(flag: string, value: unknown, wrong: string, advice: string): never {
  throw new OptionError(`${flag}: ${shown(value)} ${wrong}. ${advice}`);
}

export function shown(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** Decimal numbers, with an exponent or not; anything else, such as '', '0x10', '1,5' or true, is NaN. */
export function toNumber(value: unknown): number {
  if (typeof value === 'number') return value;
  const text = typeof value === 'string' ? value.trim() : '';
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
}

/** One of a few words. */
export function parseChoice<const T extends string>(value: unknown, flag: string, allowed: readonly T[]): T {
  const found = allowed.find((word) => word === value);
  if (found !== undefined) return found;
  const guess = typeof value === 'string' ? nearest(value, allowed) : undefined;
  const hint = guess === undefined ? '' : `Did you mean "${guess}"? `;
  return refuse(flag, value, 'is unknown', `${hint}Use ${oneOf(allowed)}.`);
}

export function oneOf(words: readonly string[]): string {
  return words.length < 2 ? (words[0] ?? 'nothing') : `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`;
}

/** A learning rate: finite, above 0, and not 0 in f32. */
export function parseLearningRate(value: unknown, flag = '--lr'): number {
  const rate = toNumber(value);
  const advice = 'Give a number above 0, such as 0.001 or 1e-3.';
  if (Number.isNaN(rate)) return refuse(flag, value, 'is not a number', advice);
  if (!Number.isFinite(rate)) return refuse(flag, value, 'is not finite', advice);
  if (rate <= 0) return refuse(flag, value, 'is not above 0: nothing would be learned', advice);
  if (Math.fround(rate) === 0) return refuse(flag, value, 'is 0 in 32-bit floats: nothing would be learned', advice);
  if (!Number.isFinite(Math.fround(rate))) return refuse(flag, value, 'is too large for 32-bit floats', advice);
  return rate;
}

/** A whole number from `min` to `max`: batch size, epochs, steps. */
export function parseCount(value: unknown, flag: string, min = 1, max = 2 ** 31 - 1): number {
  const count = toNumber(value);
  const advice = `Give a whole number from ${min} to ${max}.`;
  if (Number.isNaN(count)) return refuse(flag, value, 'is not a number', advice);
  if (!Number.isInteger(count)) return refuse(flag, value, 'is not a whole number', advice);
  if (count < min) return refuse(flag, value, `is below ${min}`, advice);
  if (count > max) return refuse(flag, value, `is above ${max}`, advice);
  return count;
}

/** A seed: 32 bits. */
export function parseSeed(value: unknown, flag = '--seed'): number {
  return parseCount(value, flag, 0, 2 ** 32 - 1);
}

/** An accuracy as a fraction (`0.975`) or in percent (`97.5%`); a fraction is returned. */
export function parseAccuracy(value: unknown, flag = '--target-accuracy'): number {
  const advice = 'Give a fraction such as 0.975, or percent such as 97.5%.';
  const inPercent = typeof value === 'string' && value.trim().endsWith('%');
  const number = toNumber(inPercent ? value.trim().slice(0, -1) : value);
  if (Number.isNaN(number)) return refuse(flag, value, 'is not a number', advice);
  const accuracy = inPercent ? number / 100 : number;
  if (accuracy <= 0) return refuse(flag, value, 'is not above 0', advice);
  if (accuracy <= 1) return accuracy;
  const hint = !inPercent && number <= 100 ? `Did you mean ${number}%? ` : '';
  return refuse(flag, value, `is above ${inPercent ? '100%' : '1'}`, hint + advice);
}

export function parseDevice(value: unknown, flag = '--device'): DeviceChoice {
  return parseChoice(value, flag, DEVICES);
}

/** `hardware`, `software`, or a part of an adapter's name. */
export function parseAdapter(value: unknown, flag = '--adapter'): AdapterChoice {
  if (value === 'hardware' || value === 'software') return value;
  const advice = "Use hardware, software or a part of the adapter's name.";
  const name = typeof value === 'string' ? value.trim() : '';
  if (name === '') return refuse(flag, value, 'is not an adapter', advice);
  const close = ['hardware', 'software'].find((word) => editDistance(word, name.toLowerCase()) <= 2);
  if (close !== undefined) return refuse(flag, value, 'is unknown', `Did you mean "${close}"? ${advice}`);
  return { name };
}

/** `auto`, `mnist`, `digits`, or a folder of data or an IDX set in one; `holdsData` asks the file system. */
export function parseData(value: unknown, holdsData: (path: string) => boolean, flag = '--data'): DataChoice {
  const kinds = ['auto', 'mnist', 'digits'] as const;
  const kind = kinds.find((word) => word === value);
  if (kind !== undefined) return { kind };
  const advice =
    'Use auto, mnist, digits or a folder that holds IDX files, or pictures in a sub-folder for each class.';
  if (typeof value !== 'string' || value === '') return refuse(flag, value, 'is not a data set', advice);
  if (holdsData(value)) return { kind: 'folder', path: value };
  const guess = /[\\/]/.test(value) ? undefined : nearest(value, kinds);
  return refuse(
    flag,
    value,
    'is neither a data set nor a folder',
    guess === undefined ? advice : `Did you mean "${guess}"? ${advice}`,
  );
}

/** One element of a parameter: `hidden.weight[3,5]`, `out.bias[0]`. */
export function parseElement(
  value: unknown,
  flag = '--perturb',
): { readonly path: string; readonly index: readonly number[] } {
  const match =
    typeof value === 'string' ? /^([^[\]\s]+)\[\s*(\d{1,10}(?:\s*,\s*\d{1,10})*)\s*\]$/.exec(value.trim()) : null;
  const [, path, index] = match ?? [];
  if (path === undefined || index === undefined) {
    return refuse(
      flag,
      value,
      'names no element of a parameter',
      'Give its path and indices, such as hidden.weight[3,5].',
    );
  }
  return { path, index: index.split(',').map(Number) };
}

export function parseText(value: unknown, flag: string): string {
  if (typeof value === 'string' && value.trim() !== '') return value;
  return refuse(flag, value, 'is not a path', 'Give the path of a file or folder.');
}

export function parseSwitch(value: unknown, flag: string): boolean {
  if (typeof value === 'boolean') return value;
  return refuse(flag, value, 'is neither true nor false', 'Use true or false.');
}
