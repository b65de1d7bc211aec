// Files of named tensors in Hugging Face's safetensors format: 8 bytes of little-endian header length, a JSON header, the data.
// PyTorch, JAX and Python read what is written here. The reader trusts nothing: every refusal names file, tensor and offset.
// https://github.com/huggingface/safetensors#format
import type { Bytes, DType, FileBytes } from '../graph/dtype.ts';
import { CheckpointError } from '../graph/errors.ts';
import { checkValue, type Kind, STRING } from '../graph/options.ts';
import { badKey, type Header, type HeaderEntry, parseHeader, quoted } from './safetensors-header.ts';

/** The dtypes Thalweg stores, by their safetensors names. */
export type StoredDtype = 'F32' | 'U32' | 'I32' | 'U8';

/** A tensor to be written: `data` is the typed array of its dtype, or its raw little-endian bytes. */
export interface TensorToStore {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/** A tensor as it was read: a copy in the typed array of its dtype, independent of the file's bytes. */
export interface StoredTensor {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly data:
    | Float32Array<ArrayBuffer>
    | Uint32Array<ArrayBuffer>
    | Int32Array<ArrayBuffer>
    | Uint8Array<ArrayBuffer>;
}

/** What a safetensors file holds. */
export interface Safetensors {
  /** In the order of the header. */
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
}

const ARRAYS = { F32: Float32Array, U32: Uint32Array, I32: Int32Array, U8: Uint8Array } as const;
/** Bytes an element of every dtype of the format; those not in {@link ARRAYS} are known and not read. */
const OTHER_DTYPES = ['BOOL', 'I8', 'I16', 'U16', 'F16', 'BF16', 'I64', 'U64', 'F64', 'F8_E4M3', 'F8_E5M2'];
const MAX_HEADER = 100_000_000;

/** The safetensors name of an engine dtype. */
export function storedDtype(dtype: DType): StoredDtype {
  return dtype.toUpperCase() as StoredDtype;
}

/**
 * The bytes of a safetensors file. Tensors of four-byte dtypes come first, so that all data is aligned; otherwise the
 * order is kept, and equal input gives equal bytes.
 * @throws CheckpointError when a name is unusable or taken twice, or the data does not have the size of its shape.
 */
export function writeSafetensors(
  tensors: readonly TensorToStore[],
  metadata: Readonly<Record<string, string>> = {},
): Bytes {
  const ordered = [...tensors].sort((a, b) => elementBytes(b.dtype) - elementBytes(a.dtype));
  const seen = new Set<string>(['__metadata__']);
  const members: string[] = [];
  if (Object.keys(metadata).length > 0) members.push(`"__metadata__":${metadataText(metadata)}`);
  let size = 0;
  for (const tensor of ordered) {
    checkStorable(tensor, seen);
    const end = size + tensor.data.byteLength;
    const entry = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [size, end] };
    members.push(`${JSON.stringify(tensor.name)}:${JSON.stringify(entry)}`);
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
  for (const { data } of ordered) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/** Where the header of a file of `size` bytes ends, by its first eight. @throws CheckpointError where it does not fit in. */
export function headerEnd(first: Uint8Array, file: string, size: number): number {
  if (size < 8 || first.length < 8) {
    throw new CheckpointError(
      `${file}: not a safetensors file: ${size} bytes, and the header length alone takes 8. Use an undamaged copy.`,
    );
  }
  const length = new DataView(first.buffer, first.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER) || length > BigInt(size - 8)) {
    const limit = length > BigInt(MAX_HEADER) ? `at most ${MAX_HEADER} are allowed` : `the file has ${size}`;
    throw new CheckpointError(
      `${file}: not a safetensors file, or cut short: byte 0 announces a header of ${length} bytes; ${limit}. Use an undamaged copy.`,
    );
  }
  return 8 + Number(length);
}

/** The header of a file of `size` bytes, which `bytes` begin. @throws CheckpointError where it describes no such file. */
export function readHeader(bytes: Uint8Array, file: string, size: number): Header & { readonly dataStart: number } {
  const dataStart = headerEnd(bytes, file, size);
  const header = parseHeader(bytes, file, 8, dataStart);
  for (const entry of header.entries) checkEntry(file, entry, size - dataStart);
  checkTiling(file, header.entries, size - dataStart);
  return { ...header, dataStart };
}

const isBuffer = (v: unknown): v is ArrayBuffer => Object.prototype.toString.call(v) === '[object ArrayBuffer]';

const BYTES: Kind = {
  advice: 'Give the bytes of a file as a Uint8Array or an ArrayBuffer.',
  fits: (v) => isBuffer(v) || (ArrayBuffer.isView(v) && (v as Uint8Array).BYTES_PER_ELEMENT === 1),
};

/**
 * Reads a safetensors file; `file` is the name used in errors.
 * @throws CheckpointError for anything that is not a whole, well-formed file with the dtypes of {@link StoredDtype}.
 */
export function readSafetensors(given: FileBytes, file: string): Safetensors {
  checkValue('load', 'the name of the file', file, STRING);
  checkValue(file, 'its content', given, BYTES);
  const bytes = isBuffer(given) ? new Uint8Array(given) : given;
  const { entries, metadata, dataStart } = readHeader(bytes, file, bytes.length);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    const stored = dtype as StoredDtype;
    // A new array and not slice(): on Node's Buffer that would be a view, unaligned and shared.
    const copy = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end));
    tensors.set(name, { dtype: stored, shape, data: new ARRAYS[stored](copy.buffer) });
  }
  return { tensors, metadata };
}

/**
 * Holds what a file has against what a model needs: missing, unexpected, wrong shape, wrong dtype.
 * @throws CheckpointError, one for all differences.
 */
export function matchTensors(
  file: string,
  wanted: readonly { readonly name: string; readonly shape: readonly number[]; readonly dtype: StoredDtype }[],
  got: ReadonlyMap<string, Pick<StoredTensor, 'dtype' | 'shape'>>,
): void {
  const faults: string[] = [];
  const names = new Set<string>();
  for (const want of wanted) {
    names.add(want.name);
    const have = got.get(want.name);
    if (have === undefined) {
      faults.push(`${quoted(want.name)} is missing (${want.dtype} ${shapeText(want.shape)})`);
      continue;
    }
    if (!sameShape(have.shape, want.shape)) {
      const hint = sameShape([...have.shape].reverse(), want.shape) ? ', which is its transpose' : '';
      faults.push(
        `${quoted(want.name)} has shape ${shapeText(have.shape)}, the model wants ${shapeText(want.shape)}${hint}`,
      );
    }
    if (have.dtype !== want.dtype) {
      faults.push(`${quoted(want.name)} is ${have.dtype}, the model wants ${want.dtype}`);
    }
  }
  for (const name of got.keys()) if (!names.has(name)) faults.push(`${quoted(name)} is not part of the model`);
  if (faults.length === 0) return;
  const shown = faults.slice(0, 12).map((fault) => `\n  ${fault}`);
  const more = faults.length > 12 ? `\n  and ${faults.length - 12} more` : '';
  throw new CheckpointError(
    `${file}: the tensors do not fit the model:${shown.join('')}${more}\nUse the file with the preset or model it was saved from.`,
  );
}

function checkStorable({ name, dtype, shape, data }: TensorToStore, seen: Set<string>): void {
  const bad = badKey(name) ?? (seen.has(name) ? 'is taken' : undefined);
  if (bad !== undefined)
    throw new CheckpointError(`safetensors: the tensor name ${quoted(name)} ${bad}. Rename the tensor.`);
  seen.add(name);
  const where = `safetensors: tensor ${quoted(name)}`;
  if (!shape.every((d) => Number.isSafeInteger(d) && d >= 0)) {
    throw new CheckpointError(
      `${where}: shape ${shapeText(shape)} holds a size that is not a whole number >= 0. Give the sizes of the data.`,
    );
  }
  if (!(data instanceof ARRAYS[dtype] || data instanceof Uint8Array)) {
    throw new CheckpointError(
      `${where}: ${dtype} data came as ${data.constructor.name}. Give a ${ARRAYS[dtype].name} or raw bytes.`,
    );
  }
  const bytes = countElements(shape) * elementBytes(dtype);
  if (data.byteLength !== bytes) {
    throw new CheckpointError(
      `${where}: ${dtype} ${shapeText(shape)} takes ${bytes} bytes, the data has ${data.byteLength}. Give data of that size.`,
    );
  }
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
  if (!Object.hasOwn(ARRAYS, dtype)) {
    const known = OTHER_DTYPES.includes(dtype) ? `${dtype} is not read` : `unknown dtype ${quoted(dtype)}`;
    throw new CheckpointError(`${where}: ${known}. Convert it to one of ${Object.keys(ARRAYS).join(', ')}.`);
  }
  const offsets = `data_offsets [${begin}, ${end}]`;
  if (begin > end) throw new CheckpointError(`${where}: ${offsets} end before they begin. Use an undamaged copy.`);
  if (end > dataLength) {
    throw new CheckpointError(
      `${where}: ${offsets} reach beyond the file's ${dataLength} bytes of data. Use an undamaged copy.`,
    );
  }
  const bytes = countElements(shape) * elementBytes(dtype as StoredDtype);
  if (bytes !== end - begin) {
    const size = Number.isSafeInteger(bytes) ? `${bytes} bytes` : 'more bytes than any file has';
    throw new CheckpointError(
      `${where}: ${dtype} ${shapeText(shape)} takes ${size}, but ${offsets} hold ${end - begin}. Use an undamaged copy.`,
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

function elementBytes(dtype: StoredDtype): number {
  return dtype === 'U8' ? 1 : 4;
}

/** The product of the sizes; Infinity where it, or that of the non-zero sizes, is beyond exact numbers. */
function countElements(shape: readonly number[]): number {
  const nonZero = shape.filter((d) => d !== 0).reduce((a, b) => a * b, 1);
  if (nonZero * 4 > Number.MAX_SAFE_INTEGER) return Number.POSITIVE_INFINITY;
  return shape.includes(0) ? 0 : nonZero;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

function shapeText(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
