// Element types. `u8` and `u16` are storage only (four and two to a 32-bit word on the GPU): gather and cast read them, and no op
// computes with them.
import { ShapeError } from './errors.ts';

/** The dtype of a tensor's elements. `u8` and `u16` are only stored: `gatherRows` and `cast` read them, no op computes in them. */
export type DType = 'f32' | 'u32' | 'i32' | 'u8' | 'u16';

/** A flat array of one dtype on the host; `f32` is a Float64Array if the CPU computes in doubles. */
export type HostArray = Float32Array | Float64Array | Uint32Array | Int32Array | Uint8Array | Uint16Array;

/** Whether the CPU stores `f32` as 32-bit or 64-bit floats. */
export type Precision = 'float32' | 'float64';

/** The typed array of each dtype in 32-bit floats. */
export const ARRAYS = { f32: Float32Array, u32: Uint32Array, i32: Int32Array, u8: Uint8Array, u16: Uint16Array };

/** Storage-only dtypes. */
export type Packed = 'u8' | 'u16';

/** Whether several elements share a 32-bit word on the GPU. */
export function isPacked(dtype: DType): dtype is Packed {
  return dtype === 'u8' || dtype === 'u16';
}

const TAG = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag)!.get!;

/** The kind of a typed array, such as `Uint8Array`, from any realm (a frame, a `vm` context); undefined for anything else. */
export function kindOf(data: unknown): string | undefined {
  return TAG.call(data);
}

/** A typed array as one of this realm, over the same memory. */
export function ofThisRealm<A extends ArrayBufferView & { readonly length: number }>(data: A): A {
  const Own = (globalThis as unknown as Record<string, new (buffer: ArrayBufferLike, at: number, n: number) => A>)[
    kindOf(data)!
  ]!;
  return data instanceof Own ? data : new Own(data.buffer, data.byteOffset, data.length);
}

/** The dtype of a host array. */
export function dtypeOf(data: HostArray): DType {
  const kind = kindOf(data);
  if (kind === 'Uint8Array') return 'u8';
  if (kind === 'Uint16Array') return 'u16';
  if (kind === 'Uint32Array') return 'u32';
  return kind === 'Int32Array' ? 'i32' : 'f32';
}

/**
 * Refuses the first number that an integer dtype does not hold: a fraction, NaN, or one outside its range. f32 takes every number, rounded.
 */
export function checkHeld(where: string, dtype: DType, values: ArrayLike<number>, advice: string): void {
  const Ints = ARRAYS[dtype];
  if (dtype === 'f32' || kindOf(values) === Ints.name) return;
  for (let k = 0; k < values.length; k++) {
    if (Ints.of(values[k]!)[0] === values[k]) continue;
    throw new ShapeError(`${where}: ${values[k]} is not ${dtype === 'i32' ? 'an' : 'a'} ${dtype}. ${advice}`);
  }
}

/** A zeroed host array of `size` elements. */
export function hostArray(dtype: DType, size: number, precision: Precision = 'float32'): HostArray {
  return dtype === 'f32' && precision === 'float64' ? new Float64Array(size) : new ARRAYS[dtype](size);
}

/** Bytes that `size` elements take in a GPU buffer, in whole words. */
export function byteLength(dtype: DType, size: number): number {
  return Math.ceil((size * ARRAYS[dtype].BYTES_PER_ELEMENT) / 4) * 4;
}

/** Bytes with their own buffer: `Uint8Array<ArrayBuffer>`, in a form that TypeScript before 5.7 can read. */
export type Bytes = ReturnType<Uint8Array['slice']>;

/** The content of a file. */
export type FileBytes = Uint8Array | ArrayBuffer;
