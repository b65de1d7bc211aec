// The safetensors format: round trips, an independent reader in Python, and every kind of damaged or hostile file refused by name.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../src/graph/errors.ts';
import { matchTensors } from '../src/train/match-tensors.ts';
import { readSafetensors, type TensorToStore, writeSafetensors } from '../src/train/safetensors.ts';
import { elementBytes, type StoredArray, type StoredDtype, storedDtype } from '../src/train/stored-dtypes.ts';

const ENCODER = new TextEncoder();

/** A file around any header text. */
function fileOf(header: string | Uint8Array, data: Uint8Array | number = 0, length?: bigint): Uint8Array {
  const head = typeof header === 'string' ? ENCODER.encode(header) : header;
  const tail = typeof data === 'number' ? new Uint8Array(data) : data;
  const file = new Uint8Array(8 + head.length + tail.length);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(head.length), true);
  file.set(head, 8);
  file.set(tail, 8 + head.length);
  return file;
}

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(CheckpointError);
    return (error as Error).message;
  }
  throw new Error('nothing was thrown');
}

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
} as const;
const DTYPES = Object.keys(ARRAYS) as StoredDtype[];

/** A tensor of any bytes, as the reader gives it. */
function random(dtype: StoredDtype, shape: number[], seed: number): TensorToStore {
  const size = shape.reduce((a, b) => a * b, 1) * elementBytes(dtype);
  const bytes = Uint8Array.from({ length: size }, (_, i) => (seed * 31 + i * 7 + (i >> 3)) & 255);
  const header = JSON.stringify({ w: { dtype, shape, data_offsets: [0, size] } });
  return readSafetensors(fileOf(header, bytes)).tensors.get('w')!;
}

const anyTensors: fc.Arbitrary<Map<string, TensorToStore>> = fc
  .uniqueArray(
    fc.record({
      name: fc
        .string({ unit: 'grapheme', maxLength: 12 })
        .filter((s) => !/\p{Surrogate}/u.test(s) && !s.startsWith('__')),
      dtype: fc.constantFrom(...DTYPES),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
      seed: fc.nat(255),
    }),
    { selector: (t) => t.name, maxLength: 5 },
  )
  .map((list) => new Map(list.map(({ name, dtype, shape, seed }) => [name, random(dtype, shape, seed)])));

const bytesOf = (view: ArrayBufferView) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

const SAMPLE: Record<string, TensorToStore> = {
  step: { shape: [], data: Uint32Array.of(2345) },
  'hidden.weight': { shape: [2, 3], data: Float32Array.of(0.5, -1, 2, Number.NaN, 1e-40, 3) },
  labels: { shape: [3], data: Uint8Array.of(1, 2, 255) },
  'order "x" \u00fc': { shape: [1, 2], data: Int32Array.of(-7, 7) },
};

describe('safetensors', () => {
  it('gives back any tensors and metadata, bit for bit', () => {
    fc.assert(
      fc.property(
        anyTensors,
        fc.dictionary(
          fc.string({ maxLength: 8 }).filter((s) => s !== '__proto__'),
          fc.string(),
        ),
        (tensors, metadata) => {
          const file = writeSafetensors(tensors, metadata);
          const read = readSafetensors(file, 'x.safetensors');
          expect({ ...read.metadata }).toEqual({ ...metadata });
          expect([...read.tensors.keys()].sort()).toEqual([...tensors.keys()].sort());
          for (const [name, { dtype, shape, data }] of tensors) {
            const got = read.tensors.get(name);
            expect(got?.dtype).toBe(dtype);
            expect(got?.shape).toEqual(shape);
            expect(got?.data).toBeInstanceOf(ARRAYS[dtype!]);
            expect(bytesOf(got!.data)).toEqual(bytesOf(data));
          }
          expect(writeSafetensors(read.tensors, metadata)).toEqual(file);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('is padded with spaces to 8 bytes, aligned, and equal for equal input', () => {
    const file = writeSafetensors(SAMPLE, { format: 'pt' });
    const length = Number(new DataView(file.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = new TextDecoder().decode(file.subarray(8, 8 + length));
    expect(header).toMatch(/^\{"__metadata__":\{"format":"pt"\},.*\} *$/);
    const offsets = Object.entries<{ dtype: string; data_offsets: number[] }>(JSON.parse(header)).filter(
      ([name]) => name !== '__metadata__',
    );
    for (const [, { dtype, data_offsets }] of offsets) if (dtype !== 'U8') expect((data_offsets[0] ?? 1) % 4).toBe(0);
    expect(writeSafetensors(SAMPLE, { format: 'pt' })).toEqual(file);
  });

  it('reads an unaligned Buffer and copies: the tensors do not change with the file', () => {
    const file = writeSafetensors(SAMPLE);
    const buffer = Buffer.concat([Buffer.from([0]), file]).subarray(1);
    const { tensors } = readSafetensors(buffer, 'x');
    buffer.fill(0);
    expect([...(tensors.get('order "x" \u00fc')?.data ?? [])]).toEqual([-7, 7]);
  });

  it('reads a file whose header is spaced and unpadded, with its keys in another order', () => {
    const file = fileOf(
      '{ "b" : {"shape": [1], "data_offsets": [4, 8], "dtype": "F32"},\n"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]} }',
      8,
    );
    expect([...readSafetensors(file, 'x').tensors.keys()]).toEqual(['b', 'a']);
  });

  const python = spawnSync('python3', ['--version']).status === 0;
  it.skipIf(!python)('is read by an independent reader (python3)', () => {
    const folder = mkdtempSync(join(tmpdir(), 'thalweg-'));
    try {
      const path = join(folder, 'x.safetensors');
      writeFileSync(path, writeSafetensors(SAMPLE, { note: 'ü' }));
      const script = `
import json, struct, sys
raw = open(sys.argv[1], 'rb').read()
n, = struct.unpack('<Q', raw[:8])
header = json.loads(raw[8:8 + n])
out = {'metadata': header.pop('__metadata__')}
for name, t in header.items():
    a, b = t['data_offsets']
    code = {'F32': 'f', 'U32': 'I', 'I32': 'i', 'U8': 'B'}[t['dtype']]
    data = raw[8 + n + a:8 + n + b]
    out[name] = [t['shape'], [repr(v) for v in struct.unpack('<%d%s' % (len(data) // struct.calcsize(code), code), data)]]
print(json.dumps(out))`;
      const read = JSON.parse(execFileSync('python3', ['-c', script, path], { encoding: 'utf8' }));
      expect(read['metadata']).toEqual({ note: 'ü' });
      expect(read['step']).toEqual([[], ['2345']]);
      expect(read['hidden.weight'][0]).toEqual([2, 3]);
      expect(read['hidden.weight'][1].map(Number).map(Math.fround)).toEqual([
        ...Float32Array.of(0.5, -1, 2, Number.NaN, 1e-40, 3),
      ]);
      expect(read['labels']).toEqual([[3], ['1', '2', '255']]);
      expect(read['order "x" \u00fc']).toEqual([
        [1, 2],
        ['-7', '7'],
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  const one = (over: object, name = 'w') =>
    `{${JSON.stringify(name)}:${JSON.stringify({ dtype: 'F32', shape: [2], data_offsets: [0, 8], ...over })}}`;
  const raw = (entry: string) => `{"w":${entry}}`;
  const cases: [string, Uint8Array, RegExp][] = [
    [
      'what torch.save wrote',
      Uint8Array.of(0x50, 0x4b, 3, 4, 0, 0, 8, 8, 0, 0),
      /x\.st: it is a zip archive \(as torch\.save and Keras write\), not a safetensors file\. Write one with safetensors\.torch: save_file\(model\.state_dict\(\), path\)\.$/,
    ],
    ['an empty file', new Uint8Array(0), /x\.st: not a safetensors file: it has 0 bytes/],
    ['a header length beyond the file', fileOf('{}', 0, 3n), /byte 0 announces a header of 3 bytes; the file has 10/],
    [
      'a header length of 2^64-1',
      fileOf('{}', 0, 2n ** 64n - 1n),
      /header of 18446744073709551615 bytes; at most 100000000/,
    ],
    ['a header length over 100 MB', fileOf('{}', 0, 100_000_001n), /at most 100000000 bytes are allowed/],
    ['no header', fileOf(''), /at byte 8: the header does not begin with "\{"/],
    ['a leading space', fileOf(' {}'), /does not begin with/],
    ['an array', fileOf('[]'), /does not begin with/],
    [
      'invalid UTF-8',
      fileOf(Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d)),
      /at byte 9: the string is not valid JSON or not valid UTF-8/,
    ],
    ['a byte order mark', fileOf('\ufeff{}'), /does not begin with/],
    ['an open string', fileOf('{"w'), /at byte 9: unterminated string\. Use an undamaged copy\./],
    [
      'a string open at a backslash',
      fileOf('{"w\\'),
      /x\.st: damaged safetensors header at byte 9: unterminated string\. Use an undamaged copy\./,
    ],
    ['a bad escape', fileOf('{"\\q":1}'), /not valid JSON/],
    ['no closing brace', fileOf('{"w":{"dtype":"F32"'), /in tensor "w": expected "\}", found the end of the header/],
    [
      'text after the end',
      fileOf('{} {}'),
      /at byte 11: the header continues after its closing "\}"\. Use an undamaged copy\./,
    ],
    ['a trailing comma', fileOf('{"__metadata__":{},}'), /expected a string, found "\}"/],
    ['deep nesting', fileOf('{"w":'.repeat(50_000)), /unknown field "w"/],
    ['a deep array', fileOf(raw(`{"shape":${'['.repeat(50_000)}`)), /shape holds "\["/],
    [
      'a tensor twice',
      fileOf(`{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0077":{}}`),
      /tensor "w" appears twice/,
    ],
    ['a field twice', fileOf(raw('{"dtype":"F32","dtype":"U8"}')), /in tensor "w": field "dtype" appears twice/],
    ['metadata twice', fileOf('{"__metadata__":{},"__metadata__":{}}'), /"__metadata__" appears twice/],
    ['metadata that is not text', fileOf('{"__metadata__":{"a":1}}'), /expected a string, found "1"/],
    ['a tensor called __proto__', fileOf(one({}, '__proto__'), 8), /tensor "__proto__" is a reserved name/],
    ['__proto__ in an escape', fileOf('{"\\u005f_proto__":{}}'), /is a reserved name/],
    ['__proto__ as a field', fileOf(raw('{"__proto__":{}}')), /field "__proto__" is a reserved name/],
    [
      '__proto__ in the metadata',
      fileOf('{"__metadata__":{"__proto__":"x"}}'),
      /metadata key "__proto__" is a reserved name/,
    ],
    ['half a surrogate pair', fileOf('{"\\ud800":{}}'), /contains half a surrogate pair/],
    ['a tensor that is a number', fileOf('{"w":3}'), /in tensor "w": expected "\{", found "3"/],
    ['a missing dtype', fileOf(raw('{"shape":[],"data_offsets":[0,4]}'), 4), /in tensor "w": dtype is missing/],
    ['a missing shape', fileOf(raw('{"dtype":"F32","data_offsets":[0,4]}'), 4), /shape is missing/],
    ['missing offsets', fileOf(raw('{"dtype":"F32","shape":[]}'), 4), /data_offsets is missing/],
    ['one offset', fileOf(one({ data_offsets: [0] }), 8), /data_offsets holds 1 numbers/],
    ['three offsets', fileOf(one({ data_offsets: [0, 8, 8] }), 8), /data_offsets holds 3 numbers/],
    ['a negative size', fileOf(one({ shape: [-2] }), 8), /in tensor "w": shape holds "-2"/],
    ['a fractional size', fileOf(one({ shape: [1.5] }), 8), /shape holds "1\.5"/],
    ['an exponent', fileOf(raw('{"dtype":"F32","shape":[2e0]}')), /shape holds "2e0"/],
    ['a size that is text', fileOf(one({ shape: ['2'] }), 8), /shape holds/],
    ['a size of null', fileOf(one({ shape: [null] }), 8), /shape holds "null"/],
    ['a leading zero', fileOf(raw('{"shape":[02]}')), /shape holds "02"/],
    ['a size beyond 2^53', fileOf(raw('{"shape":[9007199254740993]}')), /shape holds "9007199254740993"/],
    [
      'sizes whose product overflows',
      fileOf(one({ shape: [2 ** 50, 2 ** 50] }), 8),
      /takes more bytes than a file can have, but data_offsets \[0, 8\] hold 8\. Use an undamaged copy\./,
    ],
    [
      'overflow hidden by a zero',
      fileOf(one({ shape: [2 ** 50, 2 ** 50, 0], data_offsets: [0, 0] })),
      /more bytes than a file can have, but data_offsets \[0, 0\] hold 0\. Use an undamaged copy\./,
    ],
    ['a rank of 1000', fileOf(one({ shape: Array(1000).fill(1) }), 8), /shape has more than 64 numbers/],
    [
      'a size that does not match',
      fileOf(one({ shape: [3] }), 8),
      /tensor "w": F32 \[3\] takes 12 bytes, but data_offsets \[0, 8\] hold 8/,
    ],
    ['an unknown dtype', fileOf(one({ dtype: 'F33' }), 8), /tensor "w": unknown dtype "F33"/],
    ['a dtype called constructor', fileOf(one({ dtype: 'constructor' }), 8), /unknown dtype "constructor"/],
    [
      'a dtype that is not read',
      fileOf(one({ dtype: 'F8_E4M3', shape: [8] }), 8),
      /tensor "w": dtype F8_E4M3 is not supported\. Convert it to one of F64, I64, U64, F32, I32, U32, F16, BF16, I16, U16, I8, U8, BOOL\./,
    ],
    [
      'halves of a wrong size',
      fileOf(one({ dtype: 'BF16' }), 8),
      /tensor "w": BF16 \[2\] takes 4 bytes, but data_offsets \[0, 8\] hold 8/,
    ],
    [
      'sizes that overflow in 64 bits',
      fileOf(one({ dtype: 'I64', shape: [2 ** 51] }), 8),
      /takes more bytes than a file can have, but data_offsets \[0, 8\] hold 8\. Use an undamaged copy\./,
    ],
    ['offsets backwards', fileOf(one({ data_offsets: [8, 0] }), 8), /data_offsets \[8, 0\] end before they begin/],
    ['offsets beyond the file', fileOf(one({}), 7), /data_offsets \[0, 8\] reach beyond the file's 7 bytes/],
    ['data nobody owns', fileOf(one({}), 9), /1 bytes at data offset 8, after tensor "w", belong to no tensor/],
    ['a gap', fileOf(one({ data_offsets: [4, 12] }), 12), /tensor "w" at offset 4 leaves a gap after the start/],
    [
      'an overlap',
      fileOf(
        '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}',
        12,
      ),
      /tensor "b" at offset 4 overlaps tensor "a", which ends at 8/,
    ],
    [
      'a name that drives terminals',
      fileOf(one({ shape: [3] }, 'a\u001b[2J\u009b'), 8),
      /tensor "a\\u001b\[2J\\u009b"/,
    ],
  ];
  it.each(cases)('refuses %s', (_name, file, message) => {
    const said = refusal(() => readSafetensors(file, 'x.st'));
    expect(said).toMatch(message);
    expect(said.startsWith('x.st: ')).toBe(true);
  });

  it('refuses every truncation of a file', () => {
    const file = writeSafetensors(SAMPLE, { a: 'b' });
    for (let n = 0; n < file.length; n++) refusal(() => readSafetensors(file.subarray(0, n), 'x'));
  });

  it('answers any mutated bytes with tensors or a CheckpointError', () => {
    const file = writeSafetensors(SAMPLE, { a: 'b' });
    let refused = 0;
    const mutation = fc.tuple(
      fc.nat(file.length - 1),
      fc.oneof(fc.nat(255), fc.constantFrom(...ENCODER.encode('{}[]",:\\0-9e_'))),
    );
    fc.assert(
      fc.property(fc.array(mutation, { minLength: 1, maxLength: 4 }), (changes) => {
        const damaged = file.slice();
        for (const [at, value] of changes) damaged[at] = value;
        try {
          readSafetensors(damaged, 'x');
        } catch (error) {
          refused++;
          expect(error).toBeInstanceOf(CheckpointError);
        }
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(500);
  });

  it('writes nothing that could not be read, and nothing that would be lost', () => {
    const two = new Float32Array(2);
    const write = (tensor: object, name = 'w') => refusal(() => writeSafetensors({ [name]: tensor as TensorToStore }));
    const f32 = (shape: number[]) => write({ shape, data: two });
    expect(f32([3])).toBe('safetensors: tensor "w": [3] takes 3 values, but the data has 2. Give 3 values.');
    expect(f32([1.5])).toMatch(/not a whole number/);
    expect(f32(new Array(1))).toMatch(/not a whole number/);
    expect(write({ dtype: 'F32', shape: [2], data: new Float64Array(2) })).toBe(
      'safetensors: tensor "w": dtype is F32, but the data is a Float64Array. Give a Float32Array, or leave out dtype.',
    );
    expect(write({ dtype: 'F16', shape: [2], data: Float32Array.of(0.5, 0.1) })).toBe(
      'safetensors: tensor "w": F16 cannot represent 0.10000000149011612 at index 1 exactly. Store it as F32, or round it first.',
    );
    expect(write({ dtype: 'BF16', shape: [1], data: Float32Array.of(257) })).toMatch(
      /BF16 cannot represent 257 at index 0 exactly/,
    );
    const tensor = { shape: [2], data: two };
    expect(refusal(() => writeSafetensors(new Map([['__proto__', tensor]])))).toMatch(/reserved/);
    expect(write(tensor, '__metadata__')).toMatch(/is reserved/);
    expect(() => writeSafetensors(new Map([[0 as never, tensor]]))).toThrow(
      'writeSafetensors: the name of a tensor is 0. Give a string.',
    );
    expect(refusal(() => writeSafetensors({}, { a: 1 as unknown as string }))).toMatch(/metadata key "a"/);
  });

  const wrong: [string, unknown, string][] = [
    [
      'an unknown dtype',
      { dtype: 'f32', shape: [1], data: new Float32Array(1) },
      "dtype is \"f32\". Use 'F64', 'I64',",
    ],
    ['an array', { shape: [2], data: [1, 2] }, 'the data is an array. Give a typed array, such as a Float32Array.'],
    ['no shape', { data: new Float32Array(2) }, 'the shape is undefined. Give an array.'],
    ['another option', { shape: [0], data: new Int8Array(), name: 'w' }, 'there is no option name. Its options are'],
  ];
  it.each(wrong)('refuses a tensor with %s', (_, tensor, message) =>
    expect(() => writeSafetensors({ w: tensor as TensorToStore })).toThrow(`safetensors: tensor "w": ${message}`),
  );

  const arrays: [StoredDtype, StoredArray][] = [
    ['F64', Float64Array.of(0.1, 1e300, Number.NaN)],
    ['I64', BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n)],
    ['U64', BigUint64Array.of(2n ** 64n - 1n)],
    ['F32', Float32Array.of(0.1, -0)],
    ['I32', Int32Array.of(-(2 ** 31))],
    ['U32', Uint32Array.of(2 ** 32 - 1)],
    ['I16', Int16Array.of(-32768)],
    ['U16', Uint16Array.of(65535)],
    ['I8', Int8Array.of(-128)],
    ['U8', Uint8Array.of(255)],
  ];
  it.each(arrays)('takes the typed array of %s as it is', (dtype, data) => {
    const { tensors } = readSafetensors(writeSafetensors({ w: { shape: [data.length], data } }));
    expect(tensors.get('w')).toEqual({ dtype, shape: [data.length], data });
  });

  it('puts larger elements first, so that all are aligned', () => {
    const file = writeSafetensors({
      bytes: { shape: [3], data: Uint8Array.of(1, 2, 3) },
      halves: { dtype: 'F16', shape: [1], data: Float32Array.of(1) },
      words: { shape: [1], data: Uint32Array.of(1) },
      doubles: { shape: [1], data: Float64Array.of(1) },
    });
    expect([...readSafetensors(file).tensors.keys()]).toEqual(['doubles', 'words', 'halves', 'bytes']);
  });

  /** Bits of halves, as NumPy and PyTorch read them. */
  const halves: ['F16' | 'BF16', number, number][] = [
    ['F16', 0x3c00, 1],
    ['F16', 0xc000, -2],
    ['F16', 0x8000, -0],
    ['F16', 0x7bff, 65504],
    ['F16', 0x0400, 2 ** -14],
    ['F16', 0x03ff, 2 ** -14 - 2 ** -24],
    ['F16', 0x0001, 2 ** -24],
    ['F16', 0x3555, 0.333251953125],
    ['F16', 0x7c00, Number.POSITIVE_INFINITY],
    ['F16', 0xfc00, Number.NEGATIVE_INFINITY],
    ['F16', 0x7e01, Number.NaN],
    ['BF16', 0x3f80, 1],
    ['BF16', 0xbe20, -0.15625],
    ['BF16', 0x0001, 2 ** -133],
    ['BF16', 0xff80, Number.NEGATIVE_INFINITY],
    ['BF16', 0x7fc1, Number.NaN],
  ];
  it.each(halves)('reads %s %i as %d', (dtype, bits, value) => {
    const file = fileOf(one({ dtype, shape: [1], data_offsets: [0, 2] }), Uint8Array.of(bits & 255, bits >> 8));
    expect(readSafetensors(file).tensors.get('w')!.data).toEqual(Float32Array.of(value));
  });

  it.each(['F16', 'BF16'] as const)('gives back every %s, bit for bit', (dtype) => {
    const all = Uint16Array.from({ length: 65536 }, (_, bits) => bits);
    const file = fileOf(one({ dtype, shape: [65536], data_offsets: [0, 131072] }), new Uint8Array(all.buffer));
    const { tensors } = readSafetensors(file);
    expect(Buffer.compare(writeSafetensors(tensors).slice(-131072), new Uint8Array(all.buffer))).toBe(0);
  });

  it('names dtypes as the format does', () => {
    expect((['f32', 'u32', 'i32', 'u8', 'u16'] as const).map(storedDtype)).toEqual(['F32', 'U32', 'I32', 'U8', 'U16']);
  });
});

describe('matchTensors', () => {
  const wanted = [
    { name: 'a', shape: [2, 3], dtype: 'F32' },
    { name: 'b', shape: [2], dtype: 'F32' },
    { name: 'c', shape: [], dtype: 'U32' },
  ] as const;
  const got = (list: readonly { name: string; shape: readonly number[]; dtype: StoredDtype }[]) =>
    new Map(list.map((t) => [t.name, t]));

  it('is content with what fits', () => expect(matchTensors('x', wanted, got(wanted))).toBeUndefined());

  it('lists missing, unexpected, wrong shapes and wrong dtypes in one error', () => {
    const message = refusal(() =>
      matchTensors(
        'w.st',
        wanted,
        got([
          { name: 'a', shape: [3, 2], dtype: 'F32' },
          { name: 'c', shape: [1], dtype: 'I32' },
          { name: 'd', shape: [], dtype: 'U8' },
        ]),
      ),
    );
    expect(message.split('\n').slice(0, -1)).toEqual([
      'w.st: the tensors do not match the model:',
      '  "a" has shape [3, 2], but the model expects [2, 3], which is its transpose',
      '  "c" has shape [1], but the model expects []',
      '  "c" is I32, but the model expects U32',
      '  "b" is missing (F32 [2])',
      '  "d" is not part of the model',
    ]);
  });

  it('stays readable when nothing fits: a few of each kind', () => {
    const many = (letter: string) =>
      Array.from({ length: 40 }, (_, i) => ({ name: `${letter}${i}`, shape: [1], dtype: 'F32' as const }));
    const lines = refusal(() => matchTensors('w.st', many('m'), got(many('t')))).split('\n');
    expect(lines).toHaveLength(16);
    expect([lines[7], lines[14]]).toEqual(['  and 34 more are missing', '  and 34 more are not part of the model']);
  });
});
