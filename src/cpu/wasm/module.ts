// A small WebAssembly emitter: instructions are bytes in arrays nested like the code, a module is a list of functions
// over one imported memory. https://webassembly.github.io/spec/core/binary/
import type { WasmCode, WasmFunction, WasmPass } from '../../graph/op.ts';

/** n >= 0 in LEB128, in as few bytes as possible. */
const leb = (n: number): number[] => (n < 128 ? [n] : [(n % 128) | 128, ...leb(Math.floor(n / 128))]);
const signed = (n: number): number[] => (n >= -64 && n < 64 ? [n & 127] : [(n & 127) | 128, ...signed(n >> 7)]);

export const EQUAL = 0x46;
export const LESS = 0x48;
export const LESS_UNSIGNED = 0x49;
export const GREATER = 0x4a;
export const SELECT = 0x1b;
export const DIV = 0x6e;
export const REM = 0x70;
export const AND = 0x71;
export const ADD = 0x6a;
export const SUB = 0x6b;
export const MUL = 0x6c;
export const i32 = (n: number): WasmCode => [0x41, signed(n | 0)];
export const get = (local: number): WasmCode => [0x20, leb(local)];
export const set = (local: number): WasmCode => [0x21, leb(local)];
export const call = (func: number): WasmCode => [0x10, leb(func)];

/** Where the scratch memory of this thread begins, and that of all threads. */
export const THREAD: WasmCode = [0x23, 0];
export const SHARED: WasmCode = [0x23, 1];

/** A vector instruction by its number. */
export const simd = (op: number): WasmCode => [0xfd, leb(op)];
/** A load or store, `offset` bytes after the address on the stack. */
export const at = (op: number, offset: number): WasmCode => [simd(op), 0, leb(offset)];
export const LOAD = 0;
export const LOAD_SPLAT = 9;
export const STORE = 11;
/** Instructions for one lane, whose number follows. */
export const LOAD_LANE = 0x56;
export const STORE_LANE = 0x5a;

/** The whole number `offset` bytes after the address on the stack. */
export const loadI32 = (offset: number): WasmCode => [0x28, 0, leb(offset)];

/** The results of `make` for 0 to n - 1, concatenated. */
export const times = (n: number, make: (k: number) => WasmCode): WasmCode =>
  Array.from({ length: n }, (_, k) => make(k));

/** local += n. */
export const advance = (local: number, n: number): WasmCode => [get(local), i32(n), ADD, set(local)];

/** Leaves the innermost {@link loop} unless local < end. */
export const leaveUnlessBelow = (local: number, end: WasmCode): WasmCode => [get(local), end, 0x4f, 0x0d, 1];
export const loop = (body: WasmCode): WasmCode => [0x02, 0x40, 0x03, 0x40, body, 0x0c, 0, 0x0b, 0x0b];

/** if (condition) body. */
export const when = (condition: WasmCode, body: WasmCode): WasmCode => [condition, 0x04, 0x40, body, 0x0b];

/** if (!condition) body. */
export const unless = (condition: WasmCode, body: WasmCode): WasmCode => when([condition, 0x45], body);

/** local = max(0, min(local, most)), for whole numbers with a sign. */
export const clamped = (local: number, most: number): WasmCode => [
  [get(local), i32(most), get(local), i32(most), LESS, SELECT, set(local)],
  [get(local), i32(0), get(local), i32(0), GREATER, SELECT, set(local)],
];

/** for (local = from; local < end; local += step) body. */
export const count = (local: number, from: WasmCode, end: WasmCode, step: number, body: WasmCode): WasmCode => [
  [from, set(local)],
  loop([leaveUnlessBelow(local, end), body, advance(local, step)]),
];

/** Copies or zeroes memory: the operands are (to, from, bytes), and (to, bytes). */
export const copy = (to: WasmCode, from: WasmCode, bytes: WasmCode): WasmCode => [to, from, bytes, 0xfc, 10, 0, 0];
export const clear = (to: WasmCode, bytes: WasmCode): WasmCode => [to, i32(0), bytes, 0xfc, 11, 0];

/** The same float in all four lanes. */
export function fill(value: number): WasmCode {
  const bytes = [...new Uint8Array(Float32Array.of(value).buffer)];
  return [simd(12), bytes, bytes, bytes, bytes];
}

/** Stores the first `lanes` (1 to 4) floats of `value`. */
export const storeLanes = (lanes: number, address: WasmCode, offset: number, value: WasmCode): WasmCode =>
  lanes > 3
    ? [address, value, at(STORE, offset)]
    : times(lanes, (lane) => [address, value, at(STORE_LANE, offset + lane * 4), lane]);

/** A pass as a function (from, to). */
export const functionOf = ({ body, i32s = 0, v128s = 0 }: WasmPass): WasmFunction => ({ params: 2, i32s, v128s, body });

const sized = (content: WasmCode): WasmCode => {
  const bytes = [content].flat(Infinity as 9);
  return [leb(bytes.length), bytes];
};
/** The largest memory, in pages of 64 KiB. */
export const MOST_PAGES = 2 ** 16;
const I32 = 0x7f;
const V128 = 0x7b;

/** What a module imports: the memory, and the values of {@link THREAD} and {@link SHARED}. */
export interface ModuleImports {
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
  readonly shared: number;
}
export const importsOf = ({ memory, thread, shared }: ModuleImports): WebAssembly.Imports => ({
  m: { m: memory, t: thread, s: shared },
});

const imported = (name: string, kind: WasmCode): WasmCode => [1, 0x6d, 1, name.charCodeAt(0), kind];

/** The module's bytes. Function k is exported as `k`; `threads`: its memory is one that threads share. */
export function moduleOf(funcs: readonly WasmFunction[], threads = false): Uint8Array<ArrayBuffer> {
  const section = (id: number, item: (func: WasmFunction, k: number) => WasmCode) => [
    id,
    sized([leb(funcs.length), funcs.map(item)]),
  ];
  const code = [
    [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    section(1, ({ params, returns }) => [0x60, sized(Array(params).fill(I32)), returns ? [1, I32] : 0]),
    [
      2,
      sized([
        3,
        imported('m', [2, threads ? [3, 0, leb(MOST_PAGES)] : [0, 0]]),
        ['t', 's'].map((name) => imported(name, [3, I32, 0])),
      ]),
    ],
    section(3, (_, k) => leb(k)),
    section(7, (_, k) => [sized([...`${k}`].map((digit) => 48 + Number(digit))), 0, leb(k)]),
    section(10, ({ i32s, v128s, body }) => sized([2, leb(i32s), I32, leb(v128s), V128, body, 0x0b])),
  ];
  return Uint8Array.from(code.flat(Infinity as 9) as number[]);
}
