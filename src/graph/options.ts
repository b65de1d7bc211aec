// Arguments as JavaScript gives them, where no compiler looked: what does not exist or is not what it should be is refused by
// name, with the name that was probably meant. Functions that the step calls check nothing: all of this runs before.
import { OptionError } from './errors.ts';
import { nearest } from './nearest.ts';

/** What a value must be, and the advice where it is not. */
export interface Kind {
  readonly advice: string;
  fits(value: unknown): boolean;
}

export const BOOLEAN: Kind = { advice: 'Give true or false.', fits: (v) => typeof v === 'boolean' };
export const FUNCTION: Kind = { advice: 'Give a function.', fits: (v) => typeof v === 'function' };
export const STRING: Kind = { advice: 'Give a string.', fits: (v) => typeof v === 'string' };
export const NUMBER: Kind = { advice: 'Give a number.', fits: (v) => typeof v === 'number' };
export const FINITE: Kind = { advice: 'Give a finite number.', fits: (v) => Number.isFinite(v) };
export const POSITIVE: Kind = {
  advice: 'Give a finite number above 0.',
  fits: (v) => Number.isFinite(v) && (v as number) > 0,
};
/** Finite in f32 too. */
export const FLOAT: Kind = {
  advice: 'Give a finite number.',
  fits: (v) => typeof v === 'number' && Number.isFinite(Math.fround(v)),
};
export const MILLISECONDS: Kind = {
  advice: 'Give milliseconds above 0.',
  fits: (v) => typeof v === 'number' && v > 0,
};
export const COUNT: Kind = {
  advice: 'Give a whole number from 1.',
  fits: (v) => Number.isSafeInteger(v) && (v as number) >= 1,
};
/** A seed: see `seedKey`. */
export const SEED: Kind = {
  advice: 'Give a whole number from 0 to 2^53 - 1, like 42.',
  fits: (v) => Number.isSafeInteger(v) && (v as number) >= 0,
};
export const OBJECT: Kind = { advice: 'Give an object.', fits: (v) => typeof v === 'object' && v !== null };
export const ARRAY: Kind = { advice: 'Give an array.', fits: Array.isArray };
export const NUMBERS: Kind = {
  advice: 'Give an array of numbers.',
  fits: (v) => Array.isArray(v) && v.every((n) => typeof n === 'number'),
};
export const SIGNAL: Kind = {
  advice: 'Give an AbortSignal: controller.signal.',
  fits: (v) => typeof (v as AbortSignal | null)?.aborted === 'boolean',
};

/** One of some strings. */
/* @__NO_SIDE_EFFECTS__ */
export function oneOf(...names: readonly string[]): Kind {
  const quoted = names.map((name) => `'${name}'`);
  return {
    advice: `Use ${[quoted.slice(0, -1).join(', '), quoted.at(-1)].filter(Boolean).join(' or ')}.`,
    fits: (v) => names.includes(v as string),
  };
}

/** Every name of an options type, so that none is forgotten, with what its value must be; true where that is checked elsewhere. */
export type Names<T> = Readonly<Record<keyof T, Kind | true>>;

/** What people of other libraries call an option. */
const ALIASES: Readonly<Record<string, string>> = { learningRate: 'lr', dim: 'axis', weight: 'classWeights' };

/**
 * The options that are given, once they are checked: `const { seed = 0 } = checkOptions('split', options, NAMES, extra)` has names, checks
 * and defaults in one statement.
 * @throws OptionError where `given` is no object, or has an option that is not among `names` or has a value of another kind, and
 * where there are arguments beyond it.
 */
export function checkOptions<T>(
  where: string,
  given: T,
  names: Readonly<Record<string, Kind | true>>,
  extra: readonly unknown[] = [],
): T {
  const known = Object.keys(names);
  const notOptions = () =>
    new OptionError(`${where}: its options are ${show(given)}. Give an object of ${known.join(', ')}.`);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw notOptions();
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(names, name)) {
      if (show(given) !== 'an object') throw notOptions();
      const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
      const alias = Object.hasOwn(ALIASES, camel) ? ALIASES[camel]! : camel;
      const near = known.includes(alias) ? alias : nearest(name, known);
      const advice = near ? `Did you mean ${near}?` : `Its options are ${known.join(', ')}.`;
      throw new OptionError(`${where}: there is no option ${name}. ${advice}`);
    }
    const kind = names[name]!;
    if (kind !== true) checkValue(where, name, value, kind);
  }
  checkExtra(where, extra);
  return given;
}

/** @throws OptionError where the value is of another kind. */
export function checkValue(where: string, name: string, value: unknown, { fits, advice }: Kind): void {
  if (!fits(value)) throw new OptionError(`${where}: ${name} is ${show(value)}. ${advice}`);
}

/** @throws OptionError where there are arguments that nothing takes, as the index that `xs.map(relu)` gives. */
export function checkExtra(where: string, extra: readonly unknown[], advice = 'Leave it out.'): void {
  const one = extra.find((value) => value !== undefined);
  if (one === undefined) return;
  const instead = Array.isArray(extra[1]) ? `In a map, write (x) => ${where}(x).` : advice;
  throw new OptionError(`${where}: ${show(one)} is one argument too many. ${instead}`);
}

/** The options among `given`, of which the one called `first` may come by position. @throws OptionError as {@link checkOptions}. */
export function optionsOf<T extends object>(
  where: string,
  first: keyof T & string,
  given: readonly unknown[],
  names: Names<T>,
): T {
  const [head = {}, ...tail] = given;
  const inOptions = typeof head === 'object' && head !== null && !Array.isArray(head);
  if (inOptions && (given[0] !== undefined || tail.length === 0)) {
    return checkOptions(where, head as T, names, tail);
  }
  const [options = {}, ...extra] = tail;
  const { [first]: _, ...others } = names;
  checkOptions(where, options, others, extra);
  if (given[0] !== undefined && names[first] !== true) checkValue(where, first, given[0], names[first] as Kind);
  return { ...(options as T), [first]: given[0] };
}

/** A value in a few words. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  if (typeof value === 'function') {
    const { name } = value;
    if (/^class\b/.test(`${value}`)) return name ? `the class ${name} (make an instance: new ${name}())` : 'a class';
    return name ? `the function ${name}` : 'a function';
  }
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return value.some(Array.isArray) ? 'an array of arrays' : 'an array';
  if (typeof (value as { then?: unknown }).then === 'function') return 'a promise (await it)';
  const name = (value as object).constructor?.name;
  return name === undefined || name === 'Object' ? 'an object' : `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
}

/** Options without those that are undefined, which would hide a default. */
export function withoutGaps<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
