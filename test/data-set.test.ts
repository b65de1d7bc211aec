// The user's own arrays: what is taken, what is refused and in which words, and the seeded split.
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { arrayDataset as arrayOfParts } from '../src/data/array.ts';
import { arrayDataset, kindOfTargets, rescaled } from '../src/data/dataset.ts';
import { sharesOf } from '../src/data/partition.ts';
import { Random } from '../src/data/random.ts';
import { split } from '../src/data/split.ts';
import { DataError, OptionError } from '../src/graph/errors.ts';
import { meanSquaredError, softmaxCrossEntropy } from '../src/loss/index.ts';
import { Net, netTrainer } from './blobs.ts';

describe('arrayDataset', () => {
  it('takes nested lists; whole numbers are class indices', () => {
    const data = arrayDataset([[0.5, 1, 2], [3, 4, 5]], [0, 2]); // biome-ignore format: one example a list
    expect([data.name, data.size, data.classes, data.scale]).toEqual(['array', 2, 3, undefined]);
    expect(data.x).toEqual({ shape: [2, 3], data: Float32Array.of(0.5, 1, 2, 3, 4, 5) });
    expect(data.y).toEqual({ shape: [2], data: Uint32Array.of(0, 2) });
  });

  it('takes fractions as dense targets, one or more an example', () => {
    expect(arrayDataset([[1], [2]], [0.5, 1.5]).y).toEqual({ shape: [2, 1], data: Float32Array.of(0.5, 1.5) });
    expect(arrayDataset([1, 2], [[0, 1], [1, 0]]).y.shape).toEqual([2, 2]); // biome-ignore format: rows
    const regression = arrayDataset([1, 2], [3, 4], { targets: 'values' });
    expect([regression.x.shape, regression.y.shape, regression.classes]).toEqual([[2, 1], [2, 1], undefined]); // biome-ignore format: pairs
  });

  it('keeps bytes as bytes, in a copy of its own, and cuts a flat array into rows', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4);
    const labels = Uint8Array.of(1, 0);
    const data = arrayDataset(bytes, labels, { scale: { mean: 0.1, std: 0.3 } });
    expect([data.x.data, data.y.data]).toEqual([bytes, labels]);
    bytes.fill(9);
    labels.fill(9);
    const floats = Float32Array.of(1, 2);
    const clamped = Uint8ClampedArray.of(1, 2);
    const values = Float32Array.of(0.5, 1.5);
    const node = Buffer.from([1, 2]);
    const others = [floats, clamped, node].map((x) => arrayDataset(x, values));
    for (const array of [floats, clamped, node, values]) array.fill(9);
    expect([...data.x.data, ...data.y.data]).toEqual([1, 2, 3, 4, 1, 0]);
    for (const { x, y } of others) expect([...x.data, ...y.data]).toEqual([1, 2, 0.5, 1.5]);
    expect([data.x.shape, data.scale]).toEqual([[2, 2], { mean: 0.1, std: 0.3 }]); // biome-ignore format: pairs
    const image = arrayDataset({ shape: [1, 2, 2], data: Float64Array.of(1, 2, 3, 4) }, Uint8Array.of(1), {
      classes: 2,
    });
    expect(image.x).toEqual({ shape: [1, 2, 2], data: Float32Array.of(1, 2, 3, 4) });
  });

  it('says what whole numbers were taken for, where nobody else did', () => {
    const ask = "Pass targets: 'classes' or targets: 'values' to choose.";
    const notes = [
      arrayDataset([1, 2], [0, 2]),
      arrayDataset([1, 2], [[3], [4]]),
      arrayDataset([1, 2], Float32Array.of(0, 1), { name: 'mine' }),
    ].map(({ note }) => note);
    expect(notes).toEqual([
      `array: y is interpreted as indices of 3 classes. ${ask}`,
      `array: y is interpreted as numbers to regress on. ${ask}`,
      `mine: y is interpreted as numbers to regress on. ${ask}`,
    ]);
    expect(arrayDataset([1, 2], [0, 2]).slice(0, 1).note).toBe(notes[0]);
    const plain = [
      arrayDataset([1, 2], [0, 2], { targets: 'values' }),
      arrayDataset([1, 2], [0, 2], { classes: 3 }),
      arrayDataset([1, 2], [0.5, 2]),
      arrayDataset([[1]], [[1, 2]]),
    ];
    for (const data of plain) expect(data).not.toHaveProperty('note');
  });

  it('reads bytes to regress on as bytes in x, class indices never', () => {
    const bytes = { shape: [2, 2], data: Uint8Array.of(0, 51, 102, 255) };
    const both = arrayDataset(bytes, bytes);
    expect([both.x, both.y]).toEqual(Array(2).fill({ ...bytes, scale: { mean: 0, std: 1 } }));
    const raw = arrayDataset([1, 2], Uint8ClampedArray.of(3, 3), { targets: 'values', scale: false });
    expect(raw.y).toEqual({ shape: [2, 1], data: Uint8Array.of(3, 3), scale: false });
    expect(arrayDataset([1, 2], Uint8Array.of(0, 1)).y).toEqual({ shape: [2], data: Uint8Array.of(0, 1) });
  });

  it.each([Uint8Array, Uint16Array, Uint32Array, Int32Array, Float32Array])(
    'keeps %o as it is, in x and in y',
    (Kind) => {
      const [x, y] = [
        { shape: [2, 3], data: Kind.of(1, 2, 3, 4, 5, 6) },
        { shape: [2, 2], data: Kind.of(0, 1, 1, 2) },
      ];
      const dense = arrayDataset(x, y);
      expect([dense.x.data, dense.y.data, dense.classes]).toEqual([x.data, y.data, undefined]);
      const rows = arrayDataset([Kind.of(1, 2), Kind.of(3, 4)] as never, [0, 1]);
      if (Kind !== Float32Array) expect(rows.x.data).toEqual(Kind.of(1, 2, 3, 4));
      const labelled = arrayDataset(x, y, { targets: 'classes' });
      const kept = Kind === Float32Array ? Uint32Array.of(0, 1, 1, 2) : y.data;
      expect([labelled.y.data, labelled.y.shape, labelled.classes]).toEqual([kept, [2, 2], 3]);
      for (const part of [labelled, labelled.slice(0, 1), split(labelled, 1).train])
        expect(kindOfTargets(part.y)).toBe('classes');
      for (const part of [dense, dense.slice(0, 1), split(dense, 1).train])
        expect(kindOfTargets(part.y)).toBe('values');
    },
  );

  it('makes f32 of the others', () => {
    for (const Kind of [Int8Array, Int16Array, Float64Array])
      expect(arrayDataset({ shape: [1, 2], data: Kind.of(-1, 2) }, [[1, 2]]).x.data).toEqual(Float32Array.of(-1, 2));
  });

  it('keeps 64-bit integers as 32-bit ones, and reads them as such', () => {
    const [x, y] = [BigInt64Array.of(5n, -1n, 7n, 0n), BigUint64Array.of(0n, 2n)];
    const set = arrayDataset(x, y);
    expect([set.x.data, set.y, set.classes]).toEqual([Int32Array.of(5, -1, 7, 0), { shape: [2], data: Uint32Array.of(0, 2) }, 3]); // biome-ignore format: one line
    const rows = arrayDataset([BigUint64Array.of(1n, 2n), BigUint64Array.of(3n, 4n)], BigInt64Array.of(1n, 0n));
    expect([rows.x.data, rows.y.data]).toEqual([Uint32Array.of(1, 2, 3, 4), Int32Array.of(1, 0)]);
    expect(arrayDataset(x, BigInt64Array.of(-3n, 4n), { targets: 'values' }).y.data).toEqual(Int32Array.of(-3, 4));
    expect(arrayDataset([0, 1, 2], BigInt64Array.of(1n, -100n, 0n), { ignoreIndex: -100 }).y.data).toEqual(
      Int32Array.of(1, -100, 0),
    );
  });

  it('keeps labels that a loss ignores, negative ones as i32', () => {
    const list = arrayDataset([1, 2], [[0, -100], [2, 1]], { targets: 'classes', ignoreIndex: -100 }); // biome-ignore format: rows
    expect([list.y, list.classes]).toEqual([{ shape: [2, 2], data: Int32Array.of(0, -100, 2, 1) }, 3]);
    const mask = arrayDataset([1, 2], { shape: [2, 2], data: Uint8Array.of(0, 255, 1, 1) }, { targets: 'classes', ignoreIndex: 255 }); // biome-ignore format: one line
    expect([mask.y.data, mask.classes, mask.y.targets]).toEqual([Uint8Array.of(0, 255, 1, 1), 2, 'classes']);
  });

  it.each([
    ['a list', [0, 1, -100], Int32Array.of(0, 1, -100)],
    ['a column', [[0], [1], [-100]], Int32Array.of(0, 1, -100)],
    [
      'labels at places',
      [
        [0, 1],
        [1, -100],
        [0, 0],
      ],
      Int32Array.of(0, 1, 1, -100, 0, 0),
    ],
    ['floats', Float32Array.of(0, 1, -100), Int32Array.of(0, 1, -100)],
    ['an Int32Array', Int32Array.of(0, 1, -100), Int32Array.of(0, 1, -100)],
  ])('ignoreIndex means that targets are class indices: %s', (_, y, labels) => {
    const set = arrayDataset([[0], [1], [2]], y, { ignoreIndex: -100 });
    expect([set.y.data, set.classes, set.note]).toEqual([labels, 2, undefined]);
    const several = arrayOfParts({ a: [[0], [1], [2]] }, { k: y, r: [0.5, 1, 2] }, { ignoreIndex: -100, targets: { r: 'values' } }); // biome-ignore format: one line
    expect([several.y.k.data, several.classes]).toEqual([labels, { k: 2, r: undefined }]);
  });

  describe('no option is ignored', () => {
    const x = [[1], [2]];
    const [bytes, scale] = [
      { shape: [2, 1], data: Uint8Array.of(7, 8) },
      { mean: 0.5, std: 1 },
    ];
    const [labels, given] = [{ shape: [2], data: Uint8Array.of(0, 1) }, { a: x }];
    it.each<[string, () => unknown, string]>([
      ['classes of values', () => arrayDataset(x, [0, 1], { classes: 3, targets: 'values' }), "array y: classes is 3, but targets is 'values'. Leave out one of the two."],
      ['ignoreIndex of values', () => arrayDataset(x, [0, 1], { ignoreIndex: -1, targets: 'values' }), "array y: ignoreIndex is -1, but targets is 'values'"],
      ['classes of values by name', () => arrayOfParts(given, { p: [0, 1] }, { classes: { p: 3 }, targets: 'values' }), "array p y: classes is 3, but targets is 'values'"],
      ['ignoreIndex of values alone', () => arrayOfParts(given, { p: [0, 1] }, { ignoreIndex: 3, targets: 'values' }), "array p y: ignoreIndex is 3, but targets is 'values'"],
      ['ignoreIndex of values beside a single one', () => arrayOfParts(given, [0, 1], { ignoreIndex: 3, targets: 'values' }), "array y: ignoreIndex is 3, but targets is 'values'"],
      ['scale with targetScale where only y is bytes', () => arrayDataset(x, bytes, { scale, targetScale: false }), 'scale: array holds no bytes, and only these are scaled. Scale'],
      ['the same by name', () => arrayOfParts(given, bytes, { scale, targetScale: false }), 'scale: array holds no bytes'],
      ['scale of tokens', () => arrayDataset(Uint16Array.of(1, 2), [0, 1], { scale }), 'scale: array holds no bytes'],
      ['targetScale of class indices', () => arrayDataset(x, labels, { targetScale: scale }), 'targetScale: y of array holds no bytes to regress on, and only these are scaled.'],
      ['the same by name', () => arrayOfParts(given, { p: labels }, { targetScale: { p: scale } }), 'targetScale: p holds no bytes to regress on'],
      ['the same, one for all', () => arrayOfParts(given, { p: labels }, { targetScale: scale }), 'targetScale: y of array holds no bytes to regress on'],
      ['a word for targets, by name', () => arrayOfParts(given, { p: labels }, { targets: { p: 'class' as never } }), 'array: targets.p is "class". Use \'classes\' or \'values\'.'],
      ['classes by name', () => arrayOfParts(given, { p: labels }, { classes: { p: 1 } }), 'array: classes.p is 1. Give a whole number of at least 2.'],
    ])('%s', (_, make, message) => {
      expect(make).toThrow(OptionError);
      expect(make).toThrow(message);
    }); // biome-ignore format: a table
  });

  describe('of bytes that are all 0 or 1', () => {
    const rows = { shape: [2, 3], data: Uint8Array.of(0, 1, 0, 1, 1, 0) };
    const x = [[1], [2]];
    const scale = { mean: 0, std: 0.5 };
    const ofY =
      /y(\.kind)?: all its bytes are 0 or 1, and bytes are scaled, as those of pictures\. Give floats, Float32Array\.from\(data\); or say targetScale: false to keep them\.$/;
    it.each<[string, () => unknown, RegExp]>([
      ['several labels', () => arrayDataset(x, rows), ofY],
      ['rows of typed arrays', () => arrayDataset(x, [Uint8Array.of(0, 1), Uint8Array.of(1, 0)]), ofY],
      ['values', () => arrayDataset(x, Uint8Array.of(0, 1), { targets: 'values' }), ofY],
      ['one by name', () => arrayOfParts(x, { kind: rows }), ofY],
      ['one without a scale of its own', () => arrayOfParts(x, { kind: rows, b: rows }, { targetScale: { b: false } }), ofY],
      ['those with the scale of x', () => arrayDataset({ shape: [2, 1], data: Uint8Array.of(7, 8) }, rows, { scale }), ofY],
      ['examples', () => arrayDataset(rows, [0, 1]), /^array x: all its bytes are 0 or 1, .* Give floats, Float32Array\.from\(data\); for an Embedding say scale: false, which keeps whole numbers\.$/],
      ['examples by name', () => arrayOfParts({ a: rows }, [0, 1]), /^array x\.a: all its bytes are 0 or 1/],
    ])('refuses %s where no scale is stated', (_, make, message) => {
      expect(make).toThrow(DataError);
      expect(make).toThrow(message);
    }); // biome-ignore format: a table

    it('takes them where one is, and class indices as they are', () => {
      expect(arrayDataset(x, rows, { targetScale: false }).y).toEqual({ ...rows, scale: false });
      expect(arrayOfParts(x, { kind: rows }, { targetScale: { kind: false } }).y.kind).toEqual({
        ...rows,
        scale: false,
      });
      expect(arrayDataset(rows, [0, 1], { scale }).x.scale).toEqual(scale);
      expect(arrayOfParts({ a: rows }, rows, { scale: { a: scale }, targetScale: scale }).y.scale).toEqual(scale);
      expect(arrayDataset(x, Uint8Array.of(0, 1)).classes).toBe(2);
      expect(arrayDataset(x, { shape: [2, 1], data: Uint8Array.of(0, 0) }).y.scale).toEqual({ mean: 0, std: 1 });
    });
  });

  it('takes booleans as 0 and 1', () => {
    const { x, y, classes } = arrayDataset([[true, 0.5], [false, 1]], [true, false]); // biome-ignore format: one example a list
    expect([[...x.data], y, classes]).toEqual([[1, 0.5, 0, 1], { shape: [2], data: Uint32Array.of(1, 0) }, 2]);
    expect([...arrayDataset([1, 2], [[true, false], [true, true]]).y.data]).toEqual([1, 0, 1, 1]); // biome-ignore format: one example a list
  });

  it('scales bytes of y by targetScale, else as those of x', () => {
    const bytes = { shape: [2, 2], data: Uint8Array.of(0, 51, 102, 255) };
    const targetScale = { mean: 0.5, std: 0.5 };
    const set = arrayDataset(bytes, bytes, { scale: false, targetScale });
    for (const part of [set, set.slice(0, 1), split(set, 1).train, rescaled(set, { mean: 0, std: 1 })])
      expect(part.y.scale).toEqual(targetScale);
    expect([set.x.scale, arrayDataset(bytes, bytes, { scale: targetScale }).y.scale]).toEqual([false, targetScale]);
    expect(arrayDataset(bytes, bytes, { targetScale: false }).y.scale).toBe(false);
  });

  it('has a scale only where there are bytes to scale', async () => {
    const [bytes, scale] = [
      { shape: [2, 4], data: Uint8Array.of(0, 51, 102, 255, 1, 2, 3, 4) },
      { mean: 0.5, std: 1 },
    ];
    const floats = { shape: [2, 4], data: Float32Array.from(bytes.data) };
    const labels = Uint8Array.of(0, 1);
    const unscaled = [
      arrayDataset(floats, labels),
      arrayDataset({ ...floats, data: Uint16Array.from(bytes.data) }, labels, { scale: false }),
      arrayDataset(floats, bytes, { targetScale: scale }),
      arrayDataset(floats, bytes, { targetScale: false }),
    ];
    for (const set of unscaled) {
      expect([set.scale, set.slice(0, 1).scale, split(set, 1).train.scale]).toEqual([undefined, undefined, undefined]);
      expect(rescaled(set, { mean: 0, std: 2 }).scale).toBeUndefined();
    }
    expect(unscaled[2]!.y.scale).toEqual(scale);
    expect([arrayDataset(bytes, labels), arrayDataset(floats, bytes)].map(({ scale }) => scale)).toEqual(
      Array(2).fill({ mean: 0, std: 1 }),
    );
    for (const [set, loss] of [[unscaled[0]!, softmaxCrossEntropy], [unscaled[2]!, meanSquaredError]] as const) {
      const trainer = netTrainer({ model: new Net(8, 4), loss });
      await trainer.fit({ ...set, classes: undefined }, { maxSteps: 1 });
      await trainer.evaluate(set.slice(0, 1));
      expect(trainer.scale).toBeUndefined();
    } // biome-ignore format: pairs
  });

  it.each<[string, () => unknown, typeof DataError | typeof OptionError, RegExp]>([
    ['no example', () => arrayDataset([], []), DataError, /array y: empty, with shape \[0\]\. Give at least one/],
    ['empty rows', () => arrayDataset([[], []], [0, 1]), DataError, /array x: empty, with shape \[2, 0\]/],
    ['lengths that differ', () => arrayDataset([[1], [2]], [0]), DataError, /x has 2 examples, but y has 1\. Give one/],
    [
      'ragged rows',
      () => arrayDataset([[1, 2], [3]], [0, 1]),
      DataError,
      /x\[1\]: expected a list of 2, got a list of 1\. All rows must have the same length\.$/,
    ],
    [
      'two inputs as nested lists',
      () =>
        arrayDataset(
          [
            [
              [1, 2],
              [3, 4],
            ],
            [[5], [6]],
          ],
          [0, 1],
        ),
      DataError,
      /x\[1\]\[0\]: expected a list of 2, got a list of 1\. All rows .*; several inputs are a record of them, \{ a, b \}\.$/,
    ],
    [
      'text',
      () => arrayDataset([1, 2], ['cat', 'dog'] as never),
      DataError,
      /^array y\[0\]: expected a number, got "cat"\. Make numbers of text: Number\(text\), or classes numbered from 0\.$/,
    ],
    [
      'numbers as text',
      () => arrayDataset([['1.5', '2']] as never, [0]),
      DataError,
      /^array x\[0\]\[0\]: expected a number, got "1\.5"\. Make numbers of text: Number\(text\)/,
    ],
    [
      'an empty field',
      () => arrayDataset([[1, '']] as never, [0]),
      DataError,
      /x\[0\]\[1\]: expected a number, got ""\. Make numbers/,
    ],
    [
      'a missing number',
      () => arrayDataset([1, 2], [0, null] as never),
      DataError,
      /^array y\[1\]: expected a number, got null\. Give a number, or leave its row out\.$/,
    ],
    [
      'the end of a file',
      () => arrayDataset([1, 2], [0, undefined] as never),
      DataError,
      /^array y\[1\]: expected a number, got undefined\. Give a number/,
    ],
    [
      'a list for a number',
      () => arrayDataset([1, [2]] as never, [0, 1]),
      DataError,
      /^array x\[1\]: expected a number, got an array\. All rows must/,
    ],
    [
      'no targets',
      () => (arrayDataset as (x: unknown) => unknown)([1, 2]),
      DataError,
      /^array y: it is missing\. Give a list, a typed array or \{ shape, data \}\.$/,
    ],
    [
      'no targets, by name',
      () => (arrayOfParts as (x: unknown) => unknown)({ a: [1, 2] }),
      DataError,
      /^array y: it is missing\. Give a list/,
    ],
    [
      'rows by column',
      () =>
        arrayOfParts(
          [
            { a: 1, b: 2 },
            { a: 3, b: 4 },
          ] as never,
          [0, 1],
        ),
      DataError,
      /^array x\.0: it is an object\. Give rows of numbers: rows\.map\(Object\.values\)\.$/,
    ],
    [
      'targets by column',
      () => arrayOfParts([1, 2], [{ a: 1 }, { a: 3 }] as never),
      DataError,
      /^array y\.0: it is an object\. Give rows of numbers: rows\.map/,
    ],
    [
      'NaN',
      () =>
        arrayDataset(
          [
            [1, 2],
            [3, Number.NaN],
          ],
          [0, 1],
        ),
      DataError,
      /x: NaN in example 1, element 1, is not/,
    ],
    [
      'f32 overflow',
      () => arrayDataset([[1e39]], [0]),
      DataError,
      /x: 1e\+39 in example 0, element 0, is not a finite/,
    ],
    ['a NaN target', () => arrayDataset([1], [Number.NaN]), DataError, /y: NaN in example 0/],
    [
      'a label out of range',
      () => arrayDataset([1, 2], [0, 3], { classes: 3 }),
      DataError,
      /example 1: expected 0 to 2, got 3/,
    ],
    [
      'a negative label',
      () => arrayDataset([1], Int32Array.of(-1)),
      DataError,
      /label -1 of example 0 is not a class index\. Give whole numbers from 0, \{ ignoreIndex: -1 \} if/,
    ],
    ['an i64 that is none of i32', () => arrayDataset(BigInt64Array.of(0n, 2n ** 31n), [0, 1]), DataError, /^array x: 2147483648 at index 1 does not fit i32, and a BigInt64Array is kept as i32\. Give floats: Float32Array\.from\(data, Number\)\.$/], // biome-ignore format: one line
    ['an u64 that is none of u32', () => arrayDataset([1, 2], BigUint64Array.of(0n, 2n ** 32n)), DataError, /^array y: 4294967296 at index 1 does not fit u32/], // biome-ignore format: one line
    ['an i64 of a row', () => arrayDataset([BigInt64Array.of(1n), BigInt64Array.of(-(2n ** 40n))], [0, 1]), DataError, /^array x\[1\]: -1099511627776 at index 0 does not fit i32/], // biome-ignore format: one line
    ['a negative i64 label', () => arrayDataset([1, 2], BigInt64Array.of(0n, -1n)), DataError, /^array y: label -1 of example 1 is not a class index\. .* or targets: 'values'\.$/], // biome-ignore format: one line
    ['rows of several types', () => arrayDataset([Uint8Array.of(1, 2), Float32Array.of(0.5, 300)], [0, 1]), DataError, /^array x\[1\]: this row is a Float32Array, and the first is a Uint8Array\. Give all rows in one type\.$/], // biome-ignore format: one line
    ['a list among rows of bytes', () => arrayDataset([Uint8Array.of(1, 2), [0.5, 300]], [0, 1]), DataError, /^array x\[1\]: this row is an array, and the first is a Uint8Array/], // biome-ignore format: one line
    ['labels that are all ignored', () => arrayDataset([1, 2], [[-1, -1], [-1, -1]], { targets: 'classes', ignoreIndex: -1 }), DataError, /every label is ignoreIndex, -1, so there is nothing to learn\. Check/], // biome-ignore format: one line
    ['one class beside what is ignored', () => arrayDataset([1, 2], [7, 255], { ignoreIndex: 255 }), DataError, /every label is 7, and one class/], // biome-ignore format: one line
    ['a label of a sequence out of range', () => arrayDataset([1, 2], [[0, 1], [2, 9]], { classes: 3 }), DataError, /label of example 1: expected 0 to 2, got 9\. .* with \{ ignoreIndex \}/], // biome-ignore format: one line
    ['scale of targets that are floats', () => arrayDataset(Uint8Array.of(1, 2), [0.5, 1], { targetScale: { mean: 0, std: 1 } }), OptionError, /^targetScale: y of array holds no bytes/], // biome-ignore format: one line
    [
      'a shape that does not fit',
      () => arrayDataset({ shape: [2, 2], data: Float32Array.of(1) }, [0, 1]),
      DataError,
      /shape \[2, 2\] does not match its 1/,
    ],
    [
      'a flat array that does not divide',
      () => arrayDataset(Float32Array.of(1, 2, 3), [0, 1]),
      DataError,
      /3 numbers cannot be split into 2 rows/,
    ],
    [
      'no classes',
      () => arrayDataset([1], [0], { classes: 0 }),
      OptionError,
      /^array: classes is 0\. Give a whole number of at least 2\.$/,
    ],
    [
      'one class',
      () => arrayDataset([[1], [2], [3]], [0, 0, 0]),
      DataError,
      /^array y: every label is 0, and one class leaves nothing to learn\. To regress on numbers pass targets: 'values'; else/,
    ],
    [
      'a class that is the only one',
      () => arrayDataset([1, 2], [4, 4], { targets: 'classes' }),
      DataError,
      /is 4, and one/,
    ],
    ['one class by number', () => arrayDataset([1], [0], { classes: 1 }), OptionError, /classes is 1\. .* at least 2/],
    [
      'scale on floats',
      () => arrayDataset([1, 2], [0, 1], { scale: { mean: 0, std: 1 } }),
      OptionError,
      /holds no bytes/,
    ],
    [
      'scale with std 0',
      () => arrayDataset(Uint8Array.of(1, 2), [0, 1], { scale: { mean: 0, std: 0 } }),
      OptionError,
      /^scale: std is 0\. Give a finite number above 0, or a list of one for each channel\.$/,
    ],
    [
      'a list with std 0',
      () => arrayDataset(Uint8Array.of(1, 2), [0, 1], { scale: { mean: 0, std: [0] } }),
      OptionError,
      /^scale: std is an array\. Give a finite number above 0, or a list of one for each channel\.$/,
    ],
    [
      'byte targets of other channels, read as x is',
      () =>
        arrayDataset(
          { shape: [2, 3], data: Uint8Array.of(1, 2, 3, 4, 5, 6) },
          { shape: [2, 2], data: Uint8Array.of(9, 2, 3, 4) },
          { scale: { mean: [0, 1, 2], std: 1 } },
        ),
      OptionError,
      /^array\.y, which without a targetScale is read as x: the mean of its scale is a list of 3, but the last axis of \[2, 2\] has 2\./,
    ],
    [
      'a scale of other channels',
      () => arrayDataset({ shape: [2, 1], data: Uint8Array.of(1, 2) }, [0, 1], { scale: { mean: [0, 1, 2], std: 1 } }),
      OptionError,
      /^array\.x: the mean of its scale is a list of 3, but the last axis of \[2, 1\] has 1\. Give one for each of them, or one for all\.$/,
    ],
    [
      'something else',
      () => arrayDataset(7 as never, [0]),
      DataError,
      /^array x: it is 7\. Give a list, a typed array or \{ shape, data \}\.$/,
    ],
  ])('refuses %s', (_, make, type, message) => {
    expect(make).toThrow(type);
    expect(make).toThrow(message);
  });
});

describe('slice and split', () => {
  const n = 101;
  const data = arrayDataset(Uint8Array.from({ length: 2 * n }, (_, i) => i >> 1), Uint8Array.from({ length: n }, (_, i) => i)); // biome-ignore format: one line

  it('slices as a view', () => {
    const part = data.slice(3, 5);
    expect([part.size, [...part.x.data], [...part.y.data], part.classes]).toEqual([2, [3, 3, 4, 4], [3, 4], n]); // biome-ignore format: one line
    expect(part.x.data.buffer).toBe(data.x.data.buffer);
    expect(part.slice(1, 2).y.data[0]).toBe(4);
  });

  it.each([
    [0, 0],
    [5, 3],
    [-1, 4],
    [0, 102],
    [0.5, 2],
  ])('refuses slice %s to %s', (from, to) => {
    // biome-ignore format: one line
    expect(() => data.slice(from, to)).toThrow(/is not within its 101 examples/);
  });

  it('splits by a fraction or a count, keeping rows with their targets, each example once', () => {
    for (const [part, count] of [
      [0.2, 20],
      [1, 1],
      [100, 100],
      [0.001, 1],
    ] as const) {
      // biome-ignore format: one line
      const { train, validation } = split(data, part, { seed: 3 });
      expect([train.size, validation.size]).toEqual([n - count, count]);
      const seen = [...train.y.data, ...validation.y.data];
      expect(seen.sort((a, b) => a - b)).toEqual([...data.y.data]);
      for (const half of [train, validation])
        for (let i = 0; i < half.size; i++) expect(half.x.data[2 * i + 1]).toBe(half.y.data[i]);
    }
  });

  it('shuffles by the seed alone', () => {
    const order = (seed: number) => [...split(data, 50, { seed }).validation.y.data];
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
    expect(order(1)).not.toEqual(order(1).sort((a, b) => a - b));
  });

  it.each([0, 1.5, 101, -1, Number.NaN])('refuses to split off %s', (part) => {
    expect(() => split(data, part)).toThrow(OptionError);
  });

  it('is what it always was, unless it stratifies', () => {
    const order = (n: number, seed: number) => [...split(data.slice(0, n), 4, { seed }).validation.y.data];
    expect([order(10, 0), order(10, 7), order(101, 3)]).toEqual([
      [5, 4, 9, 1],
      [8, 0, 2, 4],
      [1, 75, 92, 59],
    ]);
  });

  it.each([
    [[50, 50], 20, [10, 10]],
    [[90, 10], 11, [10, 1]],
    [[80, 20, 4], 26, [20, 5, 1]],
    [[97, 3], 10, [9, 1]], // each class in both parts, though 0.3 would be rounded to 0
    [[97, 3], 95, [93, 2]],
    [[20, 2, 2], 6, [4, 1, 1]],
    [[80, ...new Array(10).fill(2)], 10, [7, ...new Array(7).fill(0), 1, 1, 1]], // no room for all
    [[2, 2, 2], 2, [0, 1, 1]],
    [[1, 1, 6], 4, [1, 0, 3]],
  ])('classes of %j give %i as %j', (sizes, count, wanted) => expect(sharesOf(sizes, count)).toEqual(wanted));

  it('keeps the share of each class to within an example, and rows with their targets', () => {
    const random = new Random(5);
    for (let round = 0; round < 300; round++) {
      const classes = 2 + random.below(6);
      const sizes = Array.from({ length: classes }, () => 1 + random.below(round % 2 ? 4 : 40));
      const labels = sizes.flatMap((n, c) => new Array<number>(n).fill(c));
      const size = labels.length;
      const set = arrayDataset(Float32Array.from({ length: size }, (_, i) => i), labels, { classes }); // biome-ignore format: one line
      const count = 1 + random.below(size - 1);
      const { train, validation } = split(set, count, { seed: round, stratify: true });
      expect([train.size, validation.size]).toEqual([size - count, count]);
      expect([...train.x.data, ...validation.x.data].sort((a, b) => a - b)).toEqual([...set.x.data]);
      for (const half of [train, validation])
        for (const [k, row] of half.x.data.entries()) expect(half.y.data[k]).toBe(labels[row]);
      const given = sizes.map((_, c) => validation.y.data.filter((label: number) => label === c).length);
      const ample = sizes.every((n) => (n * count) / size >= 1 && (n * (size - count)) / size >= 1);
      for (const [c, n] of sizes.entries()) {
        expect(Math.abs(given[c]! - (n * count) / size)).toBeLessThan(1 + 1e-9);
        if (ample && n > 1) expect(given[c]! > 0 && given[c]! < n).toBe(true);
      }
    }
  });

  it('stratifies by the seed, and only class indices', () => {
    const labels = Array.from({ length: 60 }, (_, i) => i % 3);
    const set = arrayDataset(Float32Array.from({ length: 60 }, (_, i) => i), labels); // biome-ignore format: one line
    const order = (seed: number) => [...split(set, 0.2, { seed, stratify: true }).validation.x.data];
    expect(order(1)).toEqual(order(1));
    expect(order(1)).not.toEqual(order(2));
    expect(order(1).slice(0, 6)).not.toEqual(order(1).slice(0, 6).sort((a, b) => a - b)); // biome-ignore format: one line
    const numbers = arrayDataset([1, 2, 3], [0.5, 1, 2], { name: 'heights' });
    expect(() => split(numbers, 1, { stratify: true })).toThrow(
      'split: stratify needs one class index per example, but the targets of heights are numbers. Leave it out.',
    );
  });

  it('refuses a seed that is none', () => expect(() => split(data, 1, { seed: -1 })).toThrow(/^split: seed is -1\. /));
});

describe('arrays that are not plain', () => {
  const foreign = <T>(code: string): T => runInNewContext(code) as T;

  it('of another realm are what they are', async () => {
    const x = foreign<Uint8Array>('Uint8Array.of(0, 51, 102, 255)');
    const set = arrayDataset(x, foreign<number[]>('[0, 1]'));
    expect(set.x.data).toEqual(Uint8Array.of(0, 51, 102, 255));
    const labels = foreign<Uint32Array>('Uint32Array.of(1, 0)');
    expect(arrayDataset(foreign<Float32Array>('Float32Array.of(1, 2)'), labels).y.data).toEqual(Uint32Array.of(1, 0));
    const plain = { size: 1, x: { shape: [1, 4], data: x }, y: { shape: [1], data: labels.subarray(0, 1) } };
    const trainer = netTrainer();
    const bytes = { ...plain, x: { shape: [1, 4], data: Uint8Array.from(x) } };
    await trainer.fit(bytes, { maxSteps: 1 });
    expect((await trainer.predict(plain.x)).data).toEqual((await trainer.predict(bytes.x)).data);
    expect((await trainer.evaluate(plain)).loss).toBe((await trainer.evaluate(bytes)).loss);
  });

  it('whole numbers of 64 bits, and rows as typed arrays', () => {
    const set = arrayDataset([Float32Array.of(1, 2), Float32Array.of(3, 4)], BigInt64Array.of(0n, 1n));
    expect(set.x).toMatchObject({ shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) });
    expect([...set.y.data]).toEqual([0, 1]);
    const bytes = arrayDataset([Uint8Array.of(1, 2), Uint8ClampedArray.of(3, 4)], [0, 1]);
    expect(bytes.x.data).toEqual(Uint8Array.of(1, 2, 3, 4));
    expect(() => arrayDataset([Float32Array.of(1, 2), Float32Array.of(3)], [0, 1])).toThrow('got a list of 1');
  });
});
