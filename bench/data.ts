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

/** Which of `rows` rows to check: all, or 64 drawn at random. */
export function rowsToCheck(rows: number, seed: number, name: string): readonly number[] {
  if (rows <= CHECKED_WHOLE) return Array.from({ length: rows }, (_, row) => row);
  const drawn = uniforms(SAMPLED, seed, `rows of ${name}`, 0, rows);
  return [...new Set([0, rows - 1, ...[...drawn].map(Math.floor)])].sort((a, b) => a - b);
}

/** The given rows (axis 0) or columns (axis 1) of an array of two axes, or elements of one of one. */
export function take({ shape, dtype, data }: NdArray, axis: 0 | 1, places: readonly number[]): NdArray {
  const [R = 1, C = 1] = shape;
  const next = shape.map((n, k) => (k === axis ? places.length : n));
  const out = new Float32Array(sizeOf(next));
  if (axis === 0) for (const [k, r] of places.entries()) out.set(data.subarray(r * C, (r + 1) * C), k * C);
  else for (let r = 0, i = 0; r < R; r++) for (const c of places) out[i++] = data[r * C + c]!;
  return { shape: next, dtype, data: out };
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
