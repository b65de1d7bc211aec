// Random arrays to measure on, and how a result is held against the reference. Never zeros: they are quicker than numbers.

import type { NdArray, Spec } from '../src/graph/op.ts';
import { uniforms } from '../src/graph/random.ts';
import { sizeOf } from '../src/graph/shape.ts';
import { WrongResult } from './cases.ts';

/** Numbers that are drawn one by one; a larger array repeats them, which no memory notices. */
const DRAWN = 2 ** 20;

/** Uniform numbers, a function of the seed and the array's name. */
export function randomArray(
  { shape }: Pick<Spec, 'shape'>,
  seed: number,
  name: string,
  [low, high]: readonly [number, number] = [-1, 1],
): NdArray {
  const size = sizeOf(shape);
  const data = new Float32Array(size);
  data.set(uniforms(Math.min(size, DRAWN), seed, name, low, high));
  for (let filled = DRAWN; filled < size; filled *= 2) data.copyWithin(filled, 0, Math.min(filled, size - filled));
  return { shape, dtype: 'f32', data };
}

/** Rows that are held against the reference where there are more than {@link CHECKED_WHOLE}. */
const SAMPLED = 64;
const CHECKED_WHOLE = 512;

/** Which of `rows` rows to check: all, or 64 drawn at random; or of expensive ones the first, the last and one between. */
export function rowsToCheck(rows: number, seed: number, name: string, expensive = false): readonly number[] {
  const [whole, sampled] = expensive ? [3, 1] : [CHECKED_WHOLE, SAMPLED];
  if (rows <= whole) return Array.from({ length: rows }, (_, row) => row);
  const drawn = uniforms(sampled, seed, `rows of ${name}`, 0, rows);
  return [...new Set([0, rows - 1, ...[...drawn].map(Math.floor)])].sort((a, b) => a - b);
}

/** The given places of an axis of an array. */
export function take({ shape, dtype, data }: NdArray, axis: number, places: readonly number[]): NdArray {
  const [size = 1, inner] = [shape[axis], sizeOf(shape.slice(axis + 1))];
  const outer = sizeOf(shape.slice(0, axis));
  const out = new Float32Array(outer * places.length * inner);
  let to = 0;
  for (let n = 0; n < outer; n++)
    for (const place of places) {
      const from = (n * size + place) * inner;
      if (inner === 1) out[to] = data[from]!;
      else out.set(data.subarray(from, from + inner), to);
      to += inner;
    }
  return { shape: shape.map((n, k) => (k === axis ? places.length : n)), dtype, data: out };
}

/** How far a value may be from the reference's, in root mean squares of the reference. */
const TOLERANCE = 1e-4;

/** @throws WrongResult that shows the first few values that are off. */
export function checkClose(what: string, got: ArrayLike<number>, want: ArrayLike<number>, tolerance = TOLERANCE): void {
  if (got.length !== want.length)
    throw new WrongResult(`${what}: ${got.length} values, the reference has ${want.length}.`);
  let squares = 0;
  for (let i = 0; i < want.length; i++) squares += want[i]! ** 2;
  const most = tolerance * Math.sqrt(squares / want.length) + Number.MIN_VALUE;
  const off: number[] = [];
  // Written so that NaN is off.
  for (let i = 0; i < want.length && off.length < 3; i++) if (!(Math.abs(got[i]! - want[i]!) <= most)) off.push(i);
  if (off.length === 0) return;
  const shown = off.map((i) => `[${i}] is ${got[i]}, not ${want[i]}`).join('; ');
  throw new WrongResult(`${what}: it differs from the CPU reference: ${shown}. Nothing was timed.`);
}
