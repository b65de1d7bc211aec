// One value, or several by name or in order: the inputs and outputs of models. One level deep, and a single value is never wrapped.
import { kindOf } from './dtype.ts';
import { nearest } from './nearest.ts';
import type { Shape } from './shape.ts';

/** A value, several by name, or several in order. */
export type Nested<T> = T | Readonly<Record<string, T>> | readonly T[];

/** Whether `value` holds several: an array of objects or functions, or a plain object that is not `{ shape, data }` itself. */
export function isSeveral<T>(value: Nested<T> | undefined): value is Readonly<Record<string, T>> | readonly T[] {
  if (typeof value !== 'object' || value === null || kindOf(value) !== undefined) return false;
  if (Array.isArray(value)) return value.length > 0 && value.every(isPart);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return false;
  const parts = Object.values(value);
  return parts.length > 0 && (!('shape' in value || 'data' in value) || parts.every(isPart));
}

function isPart(value: unknown): boolean {
  if (typeof value === 'function') return true;
  return typeof value === 'object' && value !== null && !Array.isArray(value) && kindOf(value) === undefined;
}

/** The values with their names; a single value has none. */
export function partsOf<T>(nested: Nested<T>): readonly (readonly [name: string | undefined, value: T])[] {
  return isSeveral(nested) ? Object.entries<T>(nested as Readonly<Record<string, T>>) : [[undefined, nested as T]];
}

/** The same structure with `map` applied to each value. */
export function mapParts<T, U>(nested: Nested<T>, map: (value: T, name: string | undefined) => U): Nested<U> {
  if (!isSeveral(nested)) return map(nested as T, undefined);
  const made = partsOf<T>(nested).map(([name, value]) => [name, map(value, name)] as const);
  return Array.isArray(nested) ? made.map(([, value]) => value) : Object.fromEntries(made);
}

/** The value of that name; a single value itself if no name is given. */
export function partAt<T>(nested: Nested<T>, name: string | undefined): T | undefined {
  return partsOf<T>(nested).find(([own]) => own === name)?.[1];
}

/** `x`, or `x.pixels`: the name of a part in programs and messages. */
export function partName(whole: string, name: string | undefined): string {
  return name === undefined ? whole : `${whole}.${name}`;
}

/** The names, listed for messages. */
export function listed(nested: Nested<unknown>): string {
  return isSeveral(nested) ? Object.keys(nested).join(', ') : 'one tensor';
}

/** The advice for a name that is not among `names`. */
export function guess(name: string, names: readonly string[]): string {
  const near = nearest(name, names);
  return near === undefined ? 'Use one of these names.' : `Did you mean ${near}?`;
}

/**
 * The advice if `given` does not have exactly the names of `wanted`; undefined if it does. `noun` is put before missing names:
 * `a loss for `.
 */
export function misnamed(given: Nested<unknown>, wanted: Nested<unknown>, noun = ''): string | undefined {
  if (!isSeveral(wanted)) return isSeveral(given) ? 'Give one, without brackets or names.' : undefined;
  const [own, names] = [given, wanted].map((nested) => Object.keys(nested as object));
  if (!isSeveral(given)) return `Give them by name: { ${names!.join(', ')} }.`;
  const surplus = own!.filter((name) => !names!.includes(name));
  const missing = names!.filter((name) => !own!.includes(name));
  for (const name of surplus) {
    const near = nearest(name, missing);
    if (near !== undefined) return `Did you mean ${near} instead of ${name}?`;
  }
  const advice = [
    surplus.length > 0 && `Leave out ${surplus.join(', ')}.`,
    missing.length > 0 && `Add ${noun}${missing.join(', ')}.`,
  ];
  return advice.filter(Boolean).join(' ') || undefined;
}

/** Whether shapes are those of several inputs; a single shape is a list of numbers. */
export function severalShapes(
  shapes: Nested<Shape> | undefined,
): shapes is Readonly<Record<string, Shape>> | readonly Shape[] {
  return shapes !== undefined && !isShape(shapes);
}

const isShape = (value: unknown): value is Shape => Array.isArray(value) && value.every((n) => typeof n === 'number');

/** Whether a value is a shape, or shapes by name or in order. */
export function isShapes(value: unknown): boolean {
  if (isShape(value)) return true;
  const shapes = typeof value === 'object' && value !== null ? Object.values(value) : [];
  return shapes.length > 0 && shapes.every(isShape);
}

/** The same structure with `map` applied to each shape. */
export function mapShapes<U>(shapes: Nested<Shape>, map: (shape: Shape, name: string | undefined) => U): Nested<U> {
  if (!severalShapes(shapes)) return map(shapes as Shape, undefined);
  const made = Object.entries(shapes as Readonly<Record<string, Shape>>).map(
    ([name, shape]) => [name, map(shape, name)] as const,
  );
  return Array.isArray(shapes) ? made.map(([, value]) => value) : Object.fromEntries(made);
}
