// The dtypes of safetensors files and the typed arrays they are read into. F16 and BF16 become f32 arrays, exactly, and are written
// from such arrays if nothing is lost.
import { type DType, type HostArray, hostArray, kindOf } from '../graph/dtype.ts';
import { CheckpointError } from '../graph/errors.ts';

/** The typed array of each dtype that is read and written, by its safetensors name: F16 and BF16 as f32, BOOL as 0 and 1. */
export interface StoredArrays {
  readonly F64: Float64Array;
  readonly I64: BigInt64Array;
  readonly U64: BigUint64Array;
  readonly F32: Float32Array;
  readonly I32: Int32Array;
  readonly U32: Uint32Array;
  readonly F16: Float32Array;
  readonly BF16: Float32Array;
  readonly I16: Int16Array;
  readonly U16: Uint16Array;
  readonly I8: Int8Array;
  readonly U8: Uint8Array;
  readonly BOOL: Uint8Array;
}

/** A dtype by its safetensors name. */
export type StoredDtype = keyof StoredArrays;

/** Data of any dtype. */
export type StoredArray = StoredArrays[StoredDtype];

const ARRAYS = {
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  F16: Float32Array,
  BF16: Float32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const satisfies Record<StoredDtype, unknown>;

export const STORED_DTYPES = Object.keys(ARRAYS) as readonly StoredDtype[];

export function isStoredDtype(dtype: unknown): dtype is StoredDtype {
  return typeof dtype === 'string' && Object.hasOwn(ARRAYS, dtype);
}

/** The safetensors name of an engine dtype. */
export function storedDtype(dtype: DType): StoredDtype {
  return dtype.toUpperCase() as StoredDtype;
}

/** The default stored dtype of an array; undefined for anything but {@link StoredArrays}. */
export function dtypeOfArray(data: unknown): StoredDtype | undefined {
  const kind = kindOf(data);
  return kind === undefined ? undefined : STORED_DTYPES.find((dtype) => ARRAYS[dtype].name === kind);
}

/** `Float32Array`: the name of a dtype's array. */
export function arrayName(dtype: StoredDtype): string {
  return ARRAYS[dtype].name;
}

const isHalf = (dtype: StoredDtype): dtype is 'F16' | 'BF16' => dtype === 'F16' || dtype === 'BF16';

/** Bytes of an element in a file. */
export function elementBytes(dtype: StoredDtype): number {
  return isHalf(dtype) ? 2 : ARRAYS[dtype].BYTES_PER_ELEMENT;
}

/** The array in a file's bytes, which must have a buffer of their own. */
export function decode(dtype: StoredDtype, { buffer }: Uint8Array): StoredArray {
  if (!isHalf(dtype)) return new ARRAYS[dtype](buffer as ArrayBuffer);
  const halves = new Uint16Array(buffer);
  const floats = new Float32Array(halves.length);
  const words = new Uint32Array(floats.buffer);
  for (let k = 0; k < halves.length; k++) {
    const half = halves[k]!;
    if (dtype === 'BF16') words[k] = half << 16;
    else {
      // The exponent's bias is 15 there and 127 here; a product and not a sum, for numbers below the normal ones.
      words[k] = (half & 0x7fff) << 13;
      if ((half & 0x7c00) === 0x7c00) words[k]! |= 0x7f800000;
      else floats[k]! *= 2 ** 112;
      words[k]! |= (half & 0x8000) << 16;
    }
  }
  return floats;
}

/** An array as the bytes of a file. @throws CheckpointError if F16 or BF16 cannot represent a value exactly. */
export function encode(where: string, dtype: StoredDtype, data: StoredArray): Uint8Array {
  if (!isHalf(dtype)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const words = Uint32Array.from(new Uint32Array(data.buffer, data.byteOffset, data.length));
  const halves = Uint16Array.from(words, (word) => {
    if (dtype === 'BF16') return word >>> 16;
    const size = word & 0x7fffffff;
    return ((word >>> 16) & 0x8000) | (size >= 0x7f800000 ? 0x7c00 | ((size >> 13) & 0x3ff) : scaledDown(size) >>> 13);
  });
  const bytes = new Uint8Array(halves.buffer);
  const back = new Uint32Array(decode(dtype, bytes).buffer);
  const lost = words.findIndex((word, k) => word !== back[k]);
  if (lost < 0) return bytes;
  throw new CheckpointError(
    `${where}: ${dtype} cannot represent ${data[lost]} at index ${lost} exactly. Store it as F32, or round it first.`,
  );
}

const FLOAT = new Float32Array(1);
const WORD = new Uint32Array(FLOAT.buffer);

/** The bits of an f32 times 2^-112. */
function scaledDown(word: number): number {
  WORD[0] = word;
  FLOAT[0]! *= 2 ** -112;
  return WORD[0]!;
}

/** Whether data of one dtype converts to another: everything to floats, and integers to integers. */
export function converts(dtype: StoredDtype, to: StoredDtype): boolean {
  return to === 'F32' || !dtype.includes('F');
}

/**
 * Data as the values of a variable; to f32 it is rounded.
 * @throws CheckpointError if a value is beyond the range of the variable's dtype.
 */
export function convert(where: string, dtype: StoredDtype, data: StoredArray, to: DType): HostArray {
  if (arrayName(dtype) === arrayName(storedDtype(to))) return data as HostArray;
  const values = hostArray(to, data.length);
  for (let k = 0; k < data.length; k++) {
    const value = Number(data[k]);
    values[k] = value;
    if (to === 'f32' ? Number.isFinite(value) && !Number.isFinite(values[k]) : values[k] !== value)
      throw new CheckpointError(
        `${where} holds ${data[k]} at index ${k}, beyond the range of ${to}. Give values in that range.`,
      );
  }
  return values;
}
