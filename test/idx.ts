// IDX files for tests: any type of numbers, and folders of them.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CODES = { u8: 8, i8: 9, i16: 11, i32: 12, f32: 13, f64: 14 } as const;
const BYTES = { u8: 1, i8: 1, i16: 2, i32: 4, f32: 4, f64: 8 } as const;
export type IdxDtype = keyof typeof CODES;

/** An IDX file of `shape`, filled with the numbers over and over. */
export function idxOf(dtype: IdxDtype, shape: readonly number[], numbers: readonly number[]): Uint8Array {
  const header = 4 + 4 * shape.length;
  const size = shape.reduce((a, b) => a * b, 1);
  const bytes = new Uint8Array(header + size * BYTES[dtype]);
  const view = new DataView(bytes.buffer);
  bytes.set([0, 0, CODES[dtype], shape.length]);
  for (const [axis, n] of shape.entries()) view.setUint32(4 + 4 * axis, n);
  for (let i = 0; i < size; i++) {
    const [at, number] = [header + i * BYTES[dtype], numbers[i % numbers.length]!];
    if (dtype === 'u8') view.setUint8(at, number);
    else if (dtype === 'i8') view.setInt8(at, number);
    else if (dtype === 'i16') view.setInt16(at, number);
    else if (dtype === 'i32') view.setInt32(at, number);
    else if (dtype === 'f32') view.setFloat32(at, number);
    else view.setFloat64(at, number);
  }
  return bytes;
}

/** A new folder of files below `root`. */
export function folderOf(root: string, files: Readonly<Record<string, Uint8Array | undefined>>): string {
  const path = mkdtempSync(join(root, 'set-'));
  for (const [name, bytes] of Object.entries(files)) if (bytes) writeFileSync(join(path, name), bytes);
  return path;
}
