// IDX, the format of MNIST and its relatives: two zero bytes, a type, a rank, the sizes, then the numbers, all big-endian.
// Every error names the file, the offset, what was expected and what was found.
import { DataError } from '../graph/errors.ts';
import { sizeOf } from '../graph/shape.ts';

/** The maximum bytes of an IDX file's numbers, in the file and as floats in memory. */
export const MAX_IDX_BYTES = 2 ** 30;

/** A type of numbers in a file: its bytes per number and how they are read. */
interface IdxType {
  readonly name: string;
  readonly bytes: number;
  readonly float?: true;
  read(view: DataView, at: number): number;
}

const TYPES: Readonly<Record<number, IdxType>> = {
  8: { name: 'unsigned bytes', bytes: 1, read: (view, at) => view.getUint8(at) },
  9: { name: 'signed bytes', bytes: 1, read: (view, at) => view.getInt8(at) },
  11: { name: '16-bit integers', bytes: 2, read: (view, at) => view.getInt16(at) },
  12: { name: '32-bit integers', bytes: 4, read: (view, at) => view.getInt32(at) },
  13: { name: '32-bit floats', bytes: 4, float: true, read: (view, at) => view.getFloat32(at) },
  14: { name: '64-bit floats', bytes: 8, float: true, read: (view, at) => view.getFloat64(at) },
};
/** The type that needs no conversion. */
const U8 = TYPES[8]!;

/** A file's array as stored. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly type: IdxType;
  /** The file's numbers, big-endian. */
  readonly data: Uint8Array;
  /** Where they begin in the file. */
  readonly header: number;
}

/** An IDX array with the name of its file. */
export interface NamedIdx extends IdxArray {
  readonly file: string;
}

/** Whether the numbers are unsigned bytes, and `data` therefore the numbers. */
export function isU8({ type }: IdxArray): boolean {
  return type === U8;
}

/** The number at an index. */
export function numberIn({ type, data }: IdxArray): (index: number) => number {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  return (index) => type.read(view, index * type.bytes);
}

/** The offset in its file of the number at `index`. */
export function offsetIn({ header, type }: IdxArray, index: number): number {
  return header + index * type.bytes;
}

/** Header and data bytes of the file that begins with `head`, or undefined if `head` is too short to tell. */
export function idxLength(head: Uint8Array, file: string): { header: number; total: number } | undefined {
  const header = head.length < 4 ? undefined : 4 + 4 * rankOf(head, file);
  if (header === undefined || head.length < header) return undefined;
  return { header, total: header + typeOf(head).bytes * sizeOf(shapeOf(head, file)) };
}

/**
 * Checks a file of `size` bytes that begins with `head` against its own header. @throws DataError for another format, a truncated file or
 * excess bytes.
 */
export function checkIdx(head: Uint8Array, file: string, size: number): { header: number; total: number } {
  const length = idxLength(head, file);
  if (length === undefined) {
    const expected = head.length < 4 ? 4 : 4 + 4 * head[3]!;
    throw new DataError(
      `${file}: the header ends at offset ${size}: expected ${expected} bytes, got ${size}. The file is truncated; download it again.`,
    );
  }
  const { header, total } = length;
  if (size !== total) {
    const what = size < total ? 'the data ends' : 'the data should have ended';
    const advice =
      size < total ? 'The file is truncated; download it again' : 'Remove the excess bytes or download it again';
    throw new DataError(
      `${file}: ${what} at offset ${Math.min(size, total)}: expected ${total - header} bytes for ${sizesText(head, shapeOf(head, file))}, got ${size - header}. ${advice}.`,
    );
  }
  return length;
}

/**
 * Reads an IDX file with 1 to 4 axes; its `data` is a view of `bytes`.
 * @param file its name in errors @throws DataError for another format, a truncated file or excess bytes.
 */
export function parseIdx(bytes: Uint8Array, file: string): IdxArray {
  const { header, total } = checkIdx(bytes, file, bytes.length);
  const data = new Uint8Array(bytes.buffer, bytes.byteOffset + header, total - header);
  return { shape: shapeOf(bytes, file), type: typeOf(bytes), data, header };
}

function rankOf(head: Uint8Array, file: string): number {
  const hex = (byte: number) => byte.toString(16).padStart(2, '0');
  const magic = Array.from(head.subarray(0, 4), hex).join(' ');
  const [zero, zeroToo, type, rank] = head;
  const got = (expected: string, meaning: string) =>
    new DataError(`${file}: offset 0: expected the IDX magic ${expected}, got ${magic}${meaning}.`);
  if (zero === 0x1f && zeroToo === 0x8b) throw got('00 00 08 0n', ' (gzip). Decompress it first');
  if (zero !== 0 || zeroToo !== 0) throw got('00 00 08 0n', '. This is not an IDX file');
  if (!TYPES[type!]) {
    const types = Object.entries(TYPES).map(([code, { name }]) => `${hex(Number(code))} (${name})`);
    throw got(`00 00 08 ${hex(rank!)}`, ` (an unknown type). The third byte is one of ${types.join(', ')}; convert it`);
  }
  if (rank! < 1 || rank! > 4)
    throw got(`00 00 ${hex(type!)} 01 to 04`, ` (${rank} axes). One to four axes can be read`);
  return rank!;
}

function typeOf(head: Uint8Array): IdxType {
  return TYPES[head[2]!]!;
}

function shapeOf(head: Uint8Array, file: string): number[] {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  const shape = Array.from({ length: head[3]! }, (_, axis) => view.getUint32(4 + 4 * axis));
  const empty = shape.indexOf(0);
  if (empty >= 0)
    throw new DataError(
      `${file}: offset ${4 + 4 * empty}: expected a size of at least 1, got 0 in ${shape.join(' x ')}. The file is empty; download it again.`,
    );
  const type = typeOf(head);
  // Types other than bytes become 4-byte floats.
  if (sizeOf(shape) * (type === U8 ? 1 : Math.max(4, type.bytes)) > MAX_IDX_BYTES)
    throw new DataError(
      `${file}: offset 4: expected at most ${MAX_IDX_BYTES} bytes of data, but the header says ${sizesText(head, shape)}. Use a smaller set.`,
    );
  return shape;
}

/** `60000 x 28 x 28`, and the type if it is not bytes. */
function sizesText(head: Uint8Array, shape: readonly number[]): string {
  const type = typeOf(head);
  return `${shape.join(' x ')}${type === U8 ? '' : ` ${type.name}`}`;
}
