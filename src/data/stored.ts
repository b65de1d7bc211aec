// The arrays of a data set: integers and f32 keep their type, everything else becomes f32. And labels, which are class indices.
import { kindOf } from '../graph/dtype.ts';
import { DataError } from '../graph/errors.ts';
import { ownedCopy } from '../graph/owned.ts';
import { sizeOf } from '../graph/shape.ts';
import type { NumberArray } from './given.ts';

/** The types a data set keeps. */
export type StoredNumbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float32Array;

/** The types labels are kept as. */
export type StoredLabels = Exclude<StoredNumbers, Float32Array>;

const WHOLE = ['Uint8Array', 'Uint16Array', 'Uint32Array', 'Int32Array'];

/** A copy of an integer array in its own type; undefined for other arrays. */
function wholeNumbers(data: NumberArray): StoredLabels | undefined {
  if (data instanceof Uint8ClampedArray) return new Uint8Array(data);
  return WHOLE.includes(kindOf(data)!) ? ownedCopy(data as StoredLabels) : undefined;
}

/** The data as stored in a set. @throws DataError for a number that is not finite in f32. */
export function stored(what: string, shape: readonly number[], data: NumberArray): StoredNumbers {
  return wholeNumbers(data) ?? finite(what, shape, data);
}

function finite(what: string, shape: readonly number[], data: NumberArray): Float32Array {
  const floats = data instanceof Float32Array ? ownedCopy(data) : Float32Array.from(data);
  for (let i = 0; i < floats.length; i++) {
    if (Number.isFinite(floats[i])) continue;
    const row = sizeOf(shape.slice(1));
    throw new DataError(
      `${what}: ${data[i]} in example ${Math.floor(i / row)}, element ${i % row}, is not a finite f32. Remove or replace it.`,
    );
  }
  return floats;
}

/** Whether all are whole numbers from 0, as class indices are. */
export function areWhole(data: NumberArray): boolean {
  return data.every((v: number) => Number.isInteger(v) && v >= 0);
}

/** Labels as stored in a set: lists and whole floats as u32, or as i32 if a negative index is ignored. */
export function labelsFrom(
  name: string,
  data: NumberArray,
  width: number,
  ignoreIndex: number | undefined,
): StoredLabels {
  const fits = (v: number) => Number.isInteger(v) && v >= 0 && v < 2 ** 32;
  const bad = data.findIndex((v: number) => !fits(v) && v !== ignoreIndex);
  if (bad >= 0) {
    const ignored = data[bad]! < 0 ? `, { ignoreIndex: ${data[bad]} } if the loss ignores it` : '';
    throw new DataError(
      `${name} y: label ${data[bad]} of example ${Math.floor(bad / width)} is not a class index. Give whole numbers from 0${ignored}, or targets: 'values'.`,
    );
  }
  const own = wholeNumbers(data);
  return own ?? (ignoreIndex !== undefined && ignoreIndex < 0 ? Int32Array.from(data) : Uint32Array.from(data));
}

/** The largest label that is not ignored; -1 if there is none. */
export function largestLabel(labels: ArrayLike<number>, ignoreIndex?: number): number {
  let most = -1;
  for (let k = 0; k < labels.length; k++) if (labels[k]! > most && labels[k] !== ignoreIndex) most = labels[k]!;
  return most;
}

/** How labels are checked. */
export interface LabelsCheck {
  /** Labels per example. Default 1. */
  readonly width?: number;
  readonly ignoreIndex?: number | undefined;
  /** The offset of an example's label in a file. */
  readonly offsetOf?: (example: number) => number;
}

/** Refuses labels >= `classes` that are not ignored, naming the first. */
export function checkLabels(what: string, labels: StoredLabels, classes: number, check: LabelsCheck = {}): void {
  const { width = 1, ignoreIndex, offsetOf } = check;
  for (let i = 0; i < labels.length; i++) {
    if (labels[i]! < classes || labels[i] === ignoreIndex) continue;
    const example = Math.floor(i / width);
    const where = offsetOf ? `example ${example} (offset ${offsetOf(example)})` : `example ${example}`;
    const ignored = offsetOf ? '' : ', or the label to ignore with { ignoreIndex }';
    throw new DataError(
      `${what}: label of ${where}: expected 0 to ${classes - 1}, got ${labels[i]}. Repair the labels, or give the number of classes with { classes }${ignored}.`,
    );
  }
}
