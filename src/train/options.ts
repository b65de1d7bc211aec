// Options as JavaScript gives them, where no compiler looked: what does not exist or is not what it should be is refused by
// name, with the name that was probably meant.
import { OptionError } from '../graph/errors.ts';

/** Every name of an options type, so that none is forgotten. */
export type Names<T> = Readonly<Record<keyof T, true>>;

/** @throws OptionError where `given` is no object, or has an option that is not among `names`. */
export function checkOptions(where: string, given: unknown, names: Readonly<Record<string, true>>): void {
  const known = Object.keys(names);
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new OptionError(`${where}: its options are ${show(given)}. Give an object of ${known.join(', ')}.`);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || known.includes(name)) continue;
    const near = nearest(name, known);
    const advice = near ? `Did you mean ${near}?` : `Its options are ${known.join(', ')}.`;
    throw new OptionError(`${where}: there is no option ${name}. ${advice}`);
  }
}

/** A value in a few words. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return value.name ? `the function ${value.name}` : 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return value.some(Array.isArray) ? 'an array of arrays' : 'an array';
  if (typeof (value as { then?: unknown }).then === 'function') return 'a promise (await it)';
  const name = (value as object).constructor?.name;
  return name === undefined || name === 'Object' ? 'an object' : `${/^[AEIOU]/.test(name) ? 'an' : 'a'} ${name}`;
}

/** The known name that is at most two typing errors away, case aside. */
function nearest(name: string, known: readonly string[]): string | undefined {
  const far = known.map((other) => ({ other, d: distance(name.toLowerCase(), other.toLowerCase()) }));
  const best = far.sort((a, b) => a.d - b.d)[0];
  return best && best.d <= Math.min(2, best.other.length - 2) ? best.other : undefined;
}

/** The fewest letters to put in, take out or change (Levenshtein's distance). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
