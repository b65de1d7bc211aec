// Checks of arguments from JavaScript, which no compiler checked: unknown names and wrong kinds of values throw, with the probable
// spelling; a table holds each option's kind and default. Code within a step checks nothing: all of this runs before.
import { OptionError } from './errors.ts';
import { nearest } from './nearest.ts';

/** A check of a value, and the advice if it fails. */
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

/** The kind of an option's value (true if it is checked elsewhere), and its default if it has one: `[POSITIVE, 1e-5]`. */
export type Entry<V = unknown> = Kind | true | readonly [kind: Kind | true, defaultValue: V];

/** Kind and default of every option of a type, so that none is forgotten. */
export type Schema<T> = { readonly [K in keyof T]-?: Entry<Exclude<T[K], undefined>> };

/** A schema of some type. */
export type AnySchema = Readonly<Record<string, Entry>>;

/** Options of type `T`, of which those with a default in `S` are never undefined. */
export type WithDefaults<T, S> = T & {
  readonly [K in keyof T as K extends keyof S ? (S[K] extends readonly unknown[] ? K : never) : never]-?: Exclude<
    T[K],
    undefined
  >;
};

/** Names of options in other libraries. */
const ALIASES: Readonly<Record<string, string>> = { learningRate: 'lr', dim: 'axis', weight: 'classWeights' };

/**
 * Checks options and returns them with defaults: `const { seed } = checkOptions('split', options, SCHEMA, extra)`. Options that are
 * undefined and have no default are left out.
 * @throws OptionError if `given` is not an object, has an option that is not in the schema or a value of another kind, or if there are
 * `extra` arguments.
 */
export function checkOptions<T extends object, S extends AnySchema>(
  where: string,
  given: T,
  schema: S,
  extra: readonly unknown[] = [],
): WithDefaults<T, S> {
  const known = Object.keys(schema);
  const notOptions = () =>
    new OptionError(`${where}: its options are ${show(given)}. Give an object of ${known.join(', ')}.`);
  if (typeof given !== 'object' || given === null || Array.isArray(given)) throw notOptions();
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(schema, name)) {
      if (show(given) !== 'an object') throw notOptions();
      const camel = name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
      const alias = Object.hasOwn(ALIASES, camel) ? ALIASES[camel]! : camel;
      const near = known.includes(alias) ? alias : nearest(name, known);
      const advice = near ? `Did you mean ${near}?` : `Its options are ${known.join(', ')}.`;
      throw new OptionError(`${where}: there is no option ${name}. ${advice}`);
    }
    checkEntry(where, name, value, schema[name]!);
  }
  checkExtra(where, extra);
  return withDefaults(given, schema);
}

const hasDefault = (entry: Entry): entry is readonly [Kind | true, unknown] => Array.isArray(entry);

/** What an option's value must be. */
export const kindOfEntry = (entry: Entry): Kind | true => (hasDefault(entry) ? entry[0] : entry);

function checkEntry(where: string, name: string, value: unknown, entry: Entry): void {
  const kind = kindOfEntry(entry);
  if (kind !== true) checkValue(where, name, value, kind);
}

function withDefaults<T extends object, S extends AnySchema>(given: T, schema: S): WithDefaults<T, S> {
  const options: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(schema)) {
    const value: unknown = given[name as keyof T];
    if (value !== undefined) options[name] = value;
    else if (hasDefault(entry)) options[name] = entry[1];
  }
  return options as WithDefaults<T, S>;
}

/** @throws OptionError if the value is of another kind. */
export function checkValue(where: string, name: string, value: unknown, { fits, advice }: Kind): void {
  if (!fits(value)) throw new OptionError(`${where}: ${name} is ${show(value)}. ${advice}`);
}

/** @throws OptionError if there are extra arguments, such as the index that `xs.map(relu)` passes. */
export function checkExtra(where: string, extra: readonly unknown[], advice = 'Leave it out.'): void {
  const one = extra.find((value) => value !== undefined);
  if (one === undefined) return;
  const instead = Array.isArray(extra[1]) ? `In a map, write (x) => ${where}(x).` : advice;
  throw new OptionError(`${where}: ${show(one)} is one argument too many. ${instead}`);
}

/** The options among `given`; the one named `first` may be passed by position. @throws OptionError as {@link checkOptions}. */
export function optionsOf<T extends object, S extends AnySchema>(
  where: string,
  first: keyof T & keyof S & string,
  given: readonly unknown[],
  schema: S,
): WithDefaults<T, S> {
  const [head = {}, ...tail] = given;
  const inOptions = typeof head === 'object' && head !== null && !Array.isArray(head);
  if (inOptions && (given[0] !== undefined || tail.length === 0)) {
    return checkOptions(where, head as T, schema, tail);
  }
  const [options = {}, ...extra] = tail;
  const { [first]: entry, ...others } = schema;
  const checked = checkOptions(where, options as object, others, extra);
  if (given[0] !== undefined) checkEntry(where, first, given[0], entry as Entry);
  return withDefaults({ ...checked, [first]: given[0] } as T & object, schema);
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
  return name === undefined || name === 'Object'
    ? 'an object'
    : `${/^([AEIO]|U(?!int))/.test(name) ? 'an' : 'a'} ${name}`;
}

/** An object without its undefined properties. */
export function withoutGaps<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
