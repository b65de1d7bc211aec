// Files of named tensors in Hugging Face's safetensors format: 8 bytes of little-endian header length, a JSON header, the data.
// PyTorch, JAX and Python read the files written here. The reader trusts nothing: every error names file, tensor and offset.
// https://github.com/huggingface/safetensors#format
import type { Bytes, FileBytes } from '../graph/dtype.ts';
import { CheckpointError } from '../graph/errors.ts';
import {
  ARRAY,
  checkExtra,
  checkOptions,
  checkValue,
  type Kind,
  OBJECT,
  oneOf,
  type Schema,
  STRING,
} from '../graph/options.ts';
import { formatShape } from '../graph/shape.ts';
import { badKey, type Header, type HeaderEntry, parseHeader, quoted } from './safetensors-header.ts';
import {
  arrayName,
  decode,
  dtypeOfArray,
  elementBytes,
  encode,
  isStoredDtype,
  STORED_DTYPES,
  type StoredArray,
  type StoredArrays,
  type StoredDtype,
} from './stored-dtypes.ts';

/** A tensor to write. */
export interface TensorToStore {
  /** The stored dtype. Default: the array's. `F16` or `BF16` for a `Float32Array` whose values they hold exactly, `BOOL` for a
   * `Uint8Array`. */
  readonly dtype?: StoredDtype;
  /** The sizes of the axes. */
  readonly shape: readonly number[];
  /** The elements, the last axis varying fastest. */
  readonly data: StoredArray;
}

/** A tensor as it was read: a copy, independent of the file's bytes, in the typed array of its dtype. */
export type StoredTensor = {
  readonly [D in StoredDtype]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: StoredArrays[D];
  };
}[StoredDtype];

/** The content of a safetensors file. */
export interface Safetensors {
  /** By name, in the order of the header. */
  readonly tensors: Map<string, StoredTensor>;
  /** The header's `__metadata__`: texts by key. */
  readonly metadata: Readonly<Record<string, string>>;
}

const TYPED: Kind = {
  advice: 'Give a typed array, such as a Float32Array.',
  fits: (v) => dtypeOfArray(v) !== undefined,
};
const TENSOR = { dtype: oneOf(...STORED_DTYPES), shape: true, data: true } satisfies Schema<TensorToStore>;
/** Dtypes of the format that are not supported. */
const OTHER_DTYPES = ['F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'F6_E2M3', 'F6_E3M2', 'F4', 'C64'];
const MAX_HEADER = 100_000_000;
/** How zip archives begin: "PK", 3, 4. */
const ZIP = [0x50, 0x4b, 3, 4];

/**
 * The bytes of a safetensors file with these tensors by name, and metadata. Nothing is lost: every typed array has its dtype, such as I64
 * for `BigInt64Array`. Tensors of larger elements come first, so that all data is aligned; otherwise the order is kept, and
 * equal input gives equal bytes.
 * @throws CheckpointError if a name is invalid, the data does not have the size of its shape, or the dtype cannot hold it.
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, TensorToStore>> | ReadonlyMap<string, TensorToStore>,
  metadata: Readonly<Record<string, string>> = {},
  ...extra: never[]
): Bytes {
  checkValue('writeSafetensors', 'the tensors', tensors, OBJECT);
  checkValue('writeSafetensors', 'the metadata', metadata, OBJECT);
  checkExtra('writeSafetensors', extra);
  const ordered = [...(isA('Map', tensors) ? (tensors as ReadonlyMap<string, TensorToStore>) : Object.entries(tensors))]
    .map(([name, tensor]) => stored(name, tensor))
    .sort((a, b) => elementBytes(b.dtype) - elementBytes(a.dtype));
  const members: string[] = [];
  if (Object.keys(metadata).length > 0) members.push(`"__metadata__":${metadataText(metadata)}`);
  let size = 0;
  for (const { name, dtype, shape, bytes } of ordered) {
    const end = size + bytes.length;
    members.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype, shape, data_offsets: [size, end] })}`);
    size = end;
  }
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const headerLength = Math.ceil(json.length / 8) * 8;
  if (headerLength > MAX_HEADER)
    throw new CheckpointError(
      `safetensors: the header would be ${headerLength} bytes. The format allows ${MAX_HEADER}.`,
    );
  const file = new Uint8Array(8 + headerLength + size);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerLength), true);
  file.set(json, 8);
  file.fill(0x20, 8 + json.length, 8 + headerLength);
  let at = 8 + headerLength;
  for (const { bytes } of ordered) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/** Where the header of a file of `size` bytes ends, by its first eight. @throws CheckpointError if it does not fit in. */
export function headerEnd(first: Uint8Array, file: string, size: number): number {
  if (size < 8 || first.length < 8) {
    throw new CheckpointError(
      `${file}: not a safetensors file: it has ${size} bytes, but the header length alone takes 8. Use an undamaged copy.`,
    );
  }
  if (ZIP.every((byte, k) => byte === first[k])) {
    throw new CheckpointError(
      `${file}: it is a zip archive (as torch.save and Keras write), not a safetensors file. Write one with safetensors.torch: save_file(model.state_dict(), path).`,
    );
  }
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER) || length > BigInt(size - 8)) {
    const limit = length > BigInt(MAX_HEADER) ? `at most ${MAX_HEADER} bytes are allowed` : `the file has ${size}`;
    throw new CheckpointError(
      `${file}: not a safetensors file, or truncated: byte 0 announces a header of ${length} bytes; ${limit}. Use an undamaged copy.`,
    );
  }
  return 8 + Number(length);
}

/** The header of a file of `size` bytes, which `bytes` begin. @throws CheckpointError if it describes no such file. */
export function readHeader(bytes: Uint8Array, file: string, size: number): Header & { readonly dataStart: number } {
  const dataStart = headerEnd(bytes, file, size);
  const header = parseHeader(bytes, file, 8, dataStart);
  for (const entry of header.entries) checkEntry(file, entry, size - dataStart);
  checkTiling(file, header.entries, size - dataStart);
  return { ...header, dataStart };
}

/** Whether a value is of this built-in kind, in any realm. */
const isA = (kind: string, v: unknown): boolean => Object.prototype.toString.call(v) === `[object ${kind}]`;
const isBuffer = (v: unknown): v is ArrayBuffer => isA('ArrayBuffer', v);

const BYTES: Kind = {
  advice: 'Give the bytes of a file as a Uint8Array or an ArrayBuffer.',
  fits: (v) => isBuffer(v) || (ArrayBuffer.isView(v) && (v as Uint8Array).BYTES_PER_ELEMENT === 1),
};

/**
 * The tensors and the metadata of a safetensors file; `file` is its name in errors. Every dtype has its typed array (I64 a
 * `BigInt64Array`); F16 and BF16 become a `Float32Array`, exactly, and BOOL a `Uint8Array` of 0 and 1.
 * @throws CheckpointError for anything that is not a whole, well-formed file with the dtypes of {@link StoredArrays}.
 */
export function readSafetensors(bytes: FileBytes, file = 'file', ...extra: never[]): Safetensors {
  checkValue('load', 'the name of the file', file, STRING);
  checkValue(file, 'its content', bytes, BYTES);
  checkExtra('readSafetensors', extra);
  const all = isBuffer(bytes) ? new Uint8Array(bytes) : bytes;
  const { entries, metadata, dataStart } = readHeader(all, file, all.length);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    // Not slice(): on Node's Buffer it would return a view, unaligned and shared.
    const copy = new Uint8Array(all.subarray(dataStart + begin, dataStart + end));
    tensors.set(name, { dtype, shape, data: decode(dtype as StoredDtype, copy) } as StoredTensor);
  }
  return { tensors, metadata };
}

/** A tensor as a file holds it. */
function stored(name: string, tensor: TensorToStore) {
  checkValue('writeSafetensors', 'the name of a tensor', name, STRING);
  const bad = badKey(name) ?? (name === '__metadata__' ? 'is reserved' : undefined);
  if (bad !== undefined)
    throw new CheckpointError(`safetensors: the tensor name ${quoted(name)} ${bad}. Rename the tensor.`);
  const where = `safetensors: tensor ${quoted(name)}`;
  checkOptions(where, tensor, TENSOR);
  const { shape, data } = tensor;
  checkValue(where, 'the data', data, TYPED);
  checkValue(where, 'the shape', shape, ARRAY);
  const own = dtypeOfArray(data)!;
  const { dtype = own } = tensor;
  if (arrayName(own) !== arrayName(dtype))
    throw new CheckpointError(
      `${where}: dtype is ${dtype}, but the data is a ${arrayName(own)}. Give a ${arrayName(dtype)}, or leave out dtype.`,
    );
  if (![...shape].every((d) => Number.isSafeInteger(d) && d >= 0)) {
    throw new CheckpointError(
      `${where}: shape ${formatShape(shape)} has a size that is not a whole number >= 0. Give the shape of the data.`,
    );
  }
  const [size, want] = [data.length, countElements(shape)];
  if (size !== want) {
    throw new CheckpointError(
      `${where}: ${formatShape(shape)} takes ${want} values, but the data has ${size}. Give ${want} values.`,
    );
  }
  return { name, dtype, shape, bytes: encode(where, dtype, data) };
}

function metadataText(metadata: Readonly<Record<string, string>>): string {
  for (const [key, value] of Object.entries(metadata)) {
    const bad =
      badKey(key) ??
      (typeof value === 'string' && !/\p{Surrogate}/u.test(value) ? undefined : 'has a value that is not text');
    if (bad !== undefined)
      throw new CheckpointError(`safetensors: the metadata key ${quoted(key)} ${bad}. Store plain strings.`);
  }
  return JSON.stringify(metadata);
}

function checkEntry(file: string, { name, dtype, shape, begin, end }: HeaderEntry, dataLength: number): void {
  const where = `${file}: tensor ${quoted(name)}`;
  if (!isStoredDtype(dtype)) {
    const known = OTHER_DTYPES.includes(dtype) ? `dtype ${dtype} is not supported` : `unknown dtype ${quoted(dtype)}`;
    throw new CheckpointError(`${where}: ${known}. Convert it to one of ${STORED_DTYPES.join(', ')}.`);
  }
  const offsets = `data_offsets [${begin}, ${end}]`;
  if (begin > end) throw new CheckpointError(`${where}: ${offsets} end before they begin. Use an undamaged copy.`);
  if (end > dataLength) {
    throw new CheckpointError(
      `${where}: ${offsets} reach beyond the file's ${dataLength} bytes of data. Use an undamaged copy.`,
    );
  }
  const bytes = countElements(shape) * elementBytes(dtype);
  if (bytes !== end - begin) {
    const size = Number.isSafeInteger(bytes) ? `${bytes} bytes` : 'more bytes than a file can have';
    throw new CheckpointError(
      `${where}: ${dtype} ${formatShape(shape)} takes ${size}, but ${offsets} hold ${end - begin}. Use an undamaged copy.`,
    );
  }
}

/** The tensors, in order of offset, must cover the data without gap or overlap: nothing is hidden and nothing shared. */
function checkTiling(file: string, entries: readonly HeaderEntry[], dataLength: number): void {
  const ordered = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  let last = 'the start of the data';
  for (const { name, begin, end } of ordered) {
    if (begin !== covered) {
      const wrong = begin < covered ? `overlaps ${last}, which ends at` : `leaves a gap after ${last}, which ends at`;
      throw new CheckpointError(
        `${file}: tensor ${quoted(name)} at offset ${begin} ${wrong} ${covered}. Use an undamaged copy.`,
      );
    }
    covered = end;
    last = `tensor ${quoted(name)}`;
  }
  if (covered !== dataLength) {
    throw new CheckpointError(
      `${file}: ${dataLength - covered} bytes at data offset ${covered}, after ${last}, belong to no tensor. Use an undamaged copy.`,
    );
  }
}

/** The product of the sizes; Infinity if it, or that of the non-zero sizes, exceeds the exact integers. */
function countElements(shape: readonly number[]): number {
  const nonZero = shape.filter((d) => d !== 0).reduce((a, b) => a * b, 1);
  if (nonZero * 8 > Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY;
  return shape.includes(0) ? 0 : nonZero;
}
