// Names of weights in files from elsewhere: renaming on request, and the prefixes handled without it, which must make all names fit.
import { CheckpointError, OptionError } from '../graph/errors.ts';
import { type Kind, show } from '../graph/options.ts';
import { IN_FILES, type InFile, objectsOf } from '../graph/paths.ts';
import { type TensorShape, type Wanted, wrongDtype, wrongShape } from './match-tensors.ts';
import { quoted } from './safetensors-header.ts';
import { converts } from './stored-dtypes.ts';

/** New names for those in a file: see {@link LoadWeightsOptions.rename}. */
export type Rename = ((name: string) => string | undefined) | Readonly<Record<string, string>>;

export const RENAME: Kind = {
  advice: "Give a function (name) => string | undefined, or an object of old to new names: { 'module.': '' }.",
  fits: (v) =>
    typeof v === 'function' ||
    (typeof v === 'object' &&
      v !== null &&
      !(Symbol.iterator in v) &&
      Object.values(v).every((name) => typeof name === 'string')),
};

export const isPrefix = (text: string) => text === '' || text.endsWith('.');

/** A tensor's new name; undefined to skip the tensor. */
export function renamed(name: string, rename: Rename): string | undefined {
  if (typeof rename === 'function') {
    const given: unknown = rename(name);
    if (given === undefined || typeof given === 'string') return given;
    throw new OptionError(
      `rename: it returned ${show(given)} for ${quoted(name)}. Give a name, or undefined to skip it.`,
    );
  }
  if (Object.hasOwn(rename, name)) return rename[name];
  const prefixes = Object.keys(rename).filter((key) => isPrefix(key) && name.startsWith(key));
  if (prefixes.length === 0) return name;
  const longest = prefixes.reduce((a, b) => (b.length > a.length ? b : a));
  return rename[longest]! + name.slice(longest.length);
}

/** The names of a file by their new names, without skipped ones. @throws CheckpointError if two get the same new name. */
export function renamedNames(file: string, names: Iterable<string>, rename: Rename = {}): Map<string, string> {
  const all = new Map<string, string>();
  for (const name of names) {
    const now = renamed(name, rename);
    if (now === undefined) continue;
    const other = all.get(now);
    if (other !== undefined)
      throw new CheckpointError(
        `${file}: ${quoted(other)} and ${quoted(name)} are both renamed to ${quoted(now)}. Give each tensor a different name, or skip one: rename may return undefined.`,
      );
    all.set(now, name);
  }
  return all;
}

/** The variables that files of weights have under another name or in another dtype, by path. */
export function variablesInFiles(model: object): Map<string, InFile> {
  const found = new Map<string, InFile>();
  for (const [path, object] of objectsOf(model)) {
    const at = path === '' ? '' : `${path}.`;
    const own = (object as { readonly [IN_FILES]?: Readonly<Record<string, InFile>> })[IN_FILES] ?? {};
    for (const [key, inFile] of Object.entries(own)) found.set(at + key, { ...inFile, name: at + inFile.name });
  }
  return found;
}

/** A new Map with other keys. */
function withKeys(names: ReadonlyMap<string, string>, keyOf: (key: string) => string): Map<string, string> {
  return new Map([...names].map(([key, name]) => [keyOf(key), name]));
}

/** PyTorch's names by those of a file of a model, in which a member of a Sequential has `layers.` before its number. */
function torchNames(model: object, names: readonly string[]): Map<string, string> {
  const sequentials = [...objectsOf(model)]
    .filter(([, object]) => (object as { kind?: unknown }).kind === 'Sequential')
    .map(([path]) => (path === '' ? '' : `${path}.`))
    .sort((a, b) => b.length - a.length); // innermost first, so that positions before it stay valid
  return new Map(
    names.map((path) => [
      sequentials.reduce(
        (name, at) => (path.startsWith(`${at}layers.`) ? at + name.slice(at.length + 'layers.'.length) : name),
        path,
      ),
      path,
    ]),
  );
}

/**
 * The names of a file by the paths of a model, if all names match after removing or adding one prefix and every path has one; undefined
 * otherwise. `known` maps each known name to its path.
 */
function underPrefix(
  names: ReadonlyMap<string, string>,
  known: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> | undefined {
  const total = (all: ReadonlyMap<string, string>) => [...all.keys()].reduce((sum, name) => sum + name.length, 0);
  // Equal numbers of names, each longer by the prefix, give the prefix's length.
  const length = names.size > 0 && names.size === known.size ? (total(names) - total(known)) / names.size : Number.NaN;
  const [longer] = length > 0 ? names.keys() : known.keys();
  const prefix = longer?.slice(0, Math.abs(length)) ?? '';
  if (!Number.isInteger(length) || !isPrefix(prefix)) return undefined;
  const found = new Map<string, string>();
  for (const [name, inFile] of names) {
    const path = known.get(length > 0 ? name.slice(length) : prefix + name);
    if (path === undefined || (length > 0 && !name.startsWith(prefix))) return undefined;
    found.set(path, inFile);
  }
  return found;
}

/** The tensor of each variable, and those without a counterpart. */
export interface FittedNames {
  /** The file's names by path. */
  readonly names: ReadonlyMap<string, string>;
  readonly missing: readonly Wanted[];
  /** The file's names by their new names. */
  readonly unexpected: ReadonlyMap<string, string>;
  /** Each tensor that its variable cannot take, with the reason. */
  readonly wrong: readonly string[];
  /** How many of the wanted tensors are in the file and fit. */
  readonly fitting: { readonly count: number; readonly of: number };
}

/** Finds each variable's tensor: by the names in `given`, or with a prefix added or removed if all fit then. */
export function fitNames(
  wanted: readonly Wanted[],
  given: ReadonlyMap<string, string>,
  tensors: ReadonlyMap<string, TensorShape>,
  model: object = {},
): FittedNames {
  const paths = new Map(wanted.map(({ name }) => [name, name]));
  const own = variablesInFiles(model);
  const inFiles = new Map(wanted.map(({ name }) => [own.get(name)?.name ?? name, name]));
  const torch = new Map(
    [...torchNames(model, [...inFiles.keys()])].map(([name, inFile]) => [name, inFiles.get(inFile)!]),
  );
  const names =
    underPrefix(given, paths) ??
    underPrefix(given, inFiles) ??
    underPrefix(given, torch.size < paths.size ? paths : torch) ??
    withKeys(given, (name) => (paths.has(name) ? name : (inFiles.get(name) ?? name)));
  const reasons = wanted.flatMap((want) => {
    const name = names.get(want.name);
    if (name === undefined) return [];
    const have = tensors.get(name)!;
    const dtype = converts(have.dtype, want.dtype) ? undefined : wrongDtype(name, have, want);
    return [[wrongShape(name, have, want), dtype].filter((text) => text !== undefined)];
  });
  return {
    names,
    wrong: reasons.flat(),
    fitting: { count: reasons.filter(({ length }) => length === 0).length, of: wanted.length },
    missing: wanted.filter(({ name }) => !names.has(name)),
    unexpected: new Map([...names].filter(([now]) => !paths.has(now))),
  };
}
