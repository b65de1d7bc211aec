// Augmentation: what each kind does to a picture, that its choices are functions of (seed, step, picture) with the same bits on every
// device, and that training sees it and nothing else does.
import { beforeAll, describe, expect, it } from 'vitest';
import { Backend, createCpuBackend } from '../src/backend.ts';
import { interpret } from '../src/cpu/interpreter.ts';
import { arrayDataset } from '../src/data/array.ts';
import type { AugmentOptions } from '../src/data/augmentation.ts';
import type { DataSet } from '../src/data/dataset.ts';
import { DEFAULT_AUGMENTATION, preview, rescaled, split } from '../src/data/datasets.ts';
import { explainStep } from '../src/explain/explain-step.ts';
import { lrFind } from '../src/explain/lr-find.ts';
import { constant } from '../src/graph/tensor.ts';
import { softmaxCrossEntropy } from '../src/loss/index.ts';
import { Flatten, Linear, ReLU, Sequential } from '../src/nn/index.ts';
import { iota } from '../src/ops/counter.ts';
import { rowChoices } from '../src/ops/row-choices.ts';
import { sgd } from '../src/optim/sgd.ts';
import { rowsAt } from '../src/train/batch.ts';
import { loadCheckpoint, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import { Trainer } from '../src/train/trainer.ts';
import { testExecutor } from './gpu.ts';

const cpu = createCpuBackend();
let gpu: Backend;
beforeAll(async () => {
  gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
});

/** Pictures of distinct bytes, none 0, or the same as floats. */
function pictures(N: number, [H, W, C]: readonly [number, number, number], floats = false): DataSet {
  const bytes = Uint8Array.from({ length: N * H * W * C }, (_, k) => 1 + ((k * 89) % 255));
  const data = floats ? Float32Array.from(bytes, (v) => v / 255) : bytes;
  const labels = Uint8Array.from({ length: N }, (_, k) => k % 3);
  return arrayDataset({ shape: [N, H, W, C], data }, labels, { name: 'pictures', classes: 3 });
}

/** Copies of one picture of a channel. */
function copies(N: number, rows: readonly (readonly number[])[]): DataSet {
  const picture = rows.flat();
  const data = Uint8Array.from({ length: N * picture.length }, (_, k) => picture[k % picture.length]!);
  return arrayDataset({ shape: [N, rows.length, rows[0]!.length, 1], data }, new Uint8Array(N), { classes: 2 });
}

/** The distinct results of augmenting copies of a picture, as text, with how many there were of each. */
async function outcomes(rows: readonly (readonly number[])[], options: AugmentOptions, count = 400) {
  const { data } = await preview(cpu, copies(count, rows).augment(options), { count });
  const [size, W] = [rows.flat().length, rows[0]!.length];
  const found = new Map<string, number>();
  for (let n = 0; n < count; n++) {
    const lines = Array.from({ length: rows.length }, (_, h) =>
      data.subarray(n * size + h * W, n * size + (h + 1) * W),
    );
    const text = lines.map((line) => line.join(' ')).join(' / ');
    found.set(text, (found.get(text) ?? 0) + 1);
  }
  return found;
}

describe('what it does to a picture', () => {
  const PICTURE = [
    [1, 2, 3],
    [4, 5, 6],
  ];

  it('flips, with the probability given', async () => {
    const flipped = await outcomes(PICTURE, { flip: true });
    expect([...flipped.keys()].sort()).toEqual(['1 2 3 / 4 5 6', '3 2 1 / 6 5 4']);
    for (const count of flipped.values()) expect(count).toBeGreaterThan(150);
    expect([...(await outcomes(PICTURE, { flip: 'vertical' })).keys()].sort()).toEqual([
      '1 2 3 / 4 5 6',
      '4 5 6 / 1 2 3',
    ]);
    expect((await outcomes(PICTURE, { flip: 'both' })).size).toBe(4);
    const rarely = await outcomes(PICTURE, { flip: { horizontal: 1, vertical: 0.1 } });
    expect([...rarely.keys()].sort()).toEqual(['3 2 1 / 6 5 4', '6 5 4 / 3 2 1']);
    expect(rarely.get('6 5 4 / 3 2 1')).toBeLessThan(80);
  });

  it('crops out of a border of zeros, each shift about as often', async () => {
    const cropped = await outcomes(PICTURE, { crop: 1 }, 900);
    expect([...cropped.keys()].sort()).toEqual(
      [
        ['0 0 0 / 0 1 2', '0 0 0 / 1 2 3', '0 0 0 / 2 3 0'],
        ['0 1 2 / 0 4 5', '1 2 3 / 4 5 6', '2 3 0 / 5 6 0'],
        ['0 4 5 / 0 0 0', '4 5 6 / 0 0 0', '5 6 0 / 0 0 0'],
      ]
        .flat()
        .sort(),
    );
    for (const count of cropped.values()) expect(count).toBeGreaterThan(60);
    expect((await outcomes(pictureRows(9, 9), { crop: 4 }, 2000)).size).toBe(81);
  });

  it('crops out of a reflected border', async () => {
    const cropped = await outcomes(pictureRows(3, 3), { crop: { padding: 1, mode: 'reflect' } });
    expect(cropped.size).toBe(9);
    expect([...cropped.keys()]).toEqual(expect.arrayContaining(['5 4 5 / 2 1 2 / 5 4 5', '5 6 5 / 8 9 8 / 5 6 5']));
  });

  it('cuts out squares, clipped at the border', async () => {
    const holes = await outcomes(PICTURE, { cutout: 2 });
    expect(holes.size).toBe(6);
    expect([...holes.keys()]).toEqual(expect.arrayContaining(['0 2 3 / 4 5 6', '1 0 0 / 4 0 0']));
    const [odd] = await outcomes(pictureRows(3, 3), { cutout: 3 });
    expect(odd![0]).toMatch(/\b0\b/);
  });

  it('rotates counterclockwise, without loss by right angles', async () => {
    const turned = (degrees: number, rows: readonly (readonly number[])[]) =>
      outcomes(rows, { rotate: [degrees, degrees] }, 2).then((found) => [...found.keys()]);
    const square = [
      [1, 2],
      [3, 4],
    ];
    expect(await turned(90, square)).toEqual(['2 4 / 1 3']);
    expect(await turned(180, PICTURE)).toEqual(['6 5 4 / 3 2 1']);
    expect(await turned(-90, square)).toEqual(['3 1 / 4 2']);
    // Half as far again: bilinear, and nothing from outside.
    const dot = [
      [0, 0, 0],
      [0, 200, 0],
      [0, 0, 0],
    ];
    expect(await turned(45, dot)).toEqual(['0 17 0 / 17 200 17 / 0 17 0']);
  });

  it('scales about the centre', async () => {
    const zoomed = async (factor: number) => [
      ...(await outcomes([[10, 20, 30, 40]], { scale: [factor, factor] }, 1)).keys(),
    ];
    expect(await zoomed(2)).toEqual(['18 23 28 33']);
    expect(await zoomed(0.5)).toEqual(['0 15 35 0']);
  });

  it('multiplies by a brightness, up to the largest value', async () => {
    expect([...(await outcomes([[0, 100, 200]], { brightness: [1.5, 1.5] }, 1)).keys()]).toEqual(['0 150 255']);
    const floats = pictures(2, [2, 2, 1], true).augment({ brightness: [4, 4] });
    const { data } = await preview(cpu, floats);
    expect(Math.max(...data)).toBe(1);
    const factors = await outcomes([[100]], { brightness: 0.2 });
    const values = [...factors.keys()].map(Number);
    expect([Math.min(...values), Math.max(...values)]).toEqual([80, 120]);
    expect(factors.size).toBe(41);
  });

  it('flips and crops by default', async () => {
    const data = pictures(8, [9, 9, 3]);
    const given = await preview(cpu, data.augment(DEFAULT_AUGMENTATION));
    expect(DEFAULT_AUGMENTATION).toEqual({ flip: 'horizontal', crop: 4 });
    expect(await preview(cpu, data.augment())).toEqual(given);
    expect(given.data).not.toEqual(data.x.data);
  });

  it('leaves out what is 0, false or changes nothing', () => {
    const data = pictures(3, [4, 4, 1]);
    const off = { flip: false, crop: 0, cutout: 0, rotate: 0, scale: [1, 1], brightness: 0 } as const;
    expect(data.augment(off)).toBe(data);
    expect(data.augment({ ...off, cutout: 2 }).x.augmentation!.options).toEqual({ cutout: 2 });
  });
});

/** A picture of one channel, without zeros. */
function pictureRows(H: number, W: number): number[][] {
  return Array.from({ length: H }, (_, h) => Array.from({ length: W }, (_, w) => 1 + h * W + w));
}

describe('its choices', () => {
  const set = pictures(32, [12, 10, 3]);

  it.each([
    ['flips', { flip: 'both' }],
    ['crops', { crop: 4 }],
    ['reflected crops', { crop: { padding: 9, mode: 'reflect' } }],
    ['squares', { cutout: 5 }],
    ['all three', { flip: { horizontal: 0.3, vertical: 0.6 }, crop: 3, cutout: 4 }],
  ] as [string, AugmentOptions][])('are the same on CPU and GPU, bit for bit: %s', async (_, options) => {
    for (const floats of [false, true]) {
      const augmented = pictures(32, [12, 10, 3], floats).augment(options);
      const given = { count: 32, seed: 2 ** 40 + 5, step: 1_000_003 };
      expect(await preview(gpu, augmented, given)).toEqual(await preview(cpu, augmented, given));
    }
  });

  it('are whole numbers with the same bits on CPU and GPU', async () => {
    const of = (slot: number, below: number) => ({ slot, below });
    const choices = [of(0, 2 ** 16), of(3, 7), of(6, 1024), of(9, 2 ** 21)];
    const step = constant([123456], { dtype: 'u32' });
    const seed = constant([7, 9], { dtype: 'u32' });
    const drawn = rowChoices(step, seed, iota(513), { stream: 5, choices });
    expect(await gpu.value(drawn)).toEqual(await cpu.value(drawn));
  });

  it('interpolated and scaled values agree to 1e-5', async () => {
    const floats = pictures(32, [12, 10, 3], true);
    for (const options of [
      { rotate: 180, scale: [0.5, 2] },
      { rotate: 30, brightness: 0.4, flip: true, crop: 2 },
    ] as const) {
      const [a, b] = [
        await preview(gpu, floats.augment(options), { count: 32 }),
        await preview(cpu, floats.augment(options), { count: 32 }),
      ];
      const off = Math.max(...Array.from(a.data, (v, k) => Math.abs(v - b.data[k]!)));
      expect(off).toBeLessThan(1e-5);
    }
  });

  it('differ by picture, step and seed, and repeat', async () => {
    const augmented = copies(64, pictureRows(9, 9)).augment({ crop: 4 });
    const at = async (options: { seed?: number; step?: number }) =>
      (await preview(cpu, augmented, { count: 64, ...options })).data;
    const first = await at({});
    expect(await at({ seed: 0, step: 0 })).toEqual(first);
    expect(await at({ step: 1 })).not.toEqual(first);
    expect(await at({ seed: 1 })).not.toEqual(first);
    expect(await at({ seed: 2 ** 32 })).not.toEqual(first);
    expect(
      new Set(Array.from({ length: 64 }, (_, n) => first.subarray(n * 81, (n + 1) * 81).join())).size,
    ).toBeGreaterThan(20);
  });

  it('are not changed by adding a kind', async () => {
    const of = async (options: AugmentOptions) => (await preview(cpu, set.augment(options), { count: 32 })).data;
    const flipped = await of({ flip: true });
    const more = await of({ flip: true, cutout: 4 });
    const kept = more.filter((v, k) => v === flipped[k]).length;
    expect(more.filter((v) => v === 0).length).toBe(more.length - kept);
    expect(kept).toBeGreaterThan(more.length / 2);
    const still = await of({ flip: true, rotate: [0, 1e-9] });
    expect(still).toEqual(flipped);
  });

  it('are of a part: two inputs have different ones', async () => {
    const x = pictures(16, [6, 6, 1]).x;
    const both = arrayDataset({ left: x, right: x }, new Uint8Array(16), { classes: 2 });
    const [left, right] = [both.augment({ part: 'left', flip: true }), both.augment({ part: 'right', flip: true })];
    expect(left.x.right.augmentation).toBeUndefined();
    expect((await preview(cpu, left)).data).not.toEqual((await preview(cpu, right)).data);
    const named = arrayDataset({ left: x, size: [...Array(16).keys()].map((k) => [k]) }, new Uint8Array(16), {
      classes: 2,
    });
    expect(named.augment({ crop: 1 }).x.left.augmentation!.options).toEqual({ crop: { padding: 1, mode: 'zeros' } });
  });
});

const make = (backend: Backend = cpu, seed = 3, submitMs = 200) =>
  new Trainer(backend, {
    model: new Sequential(new Flatten(), new Linear(8 * 8, 5), new ReLU(), new Linear(5, 3)),
    loss: softmaxCrossEntropy,
    optimizer: sgd(0.1),
    seed,
    submitMs,
  });

describe('training', () => {
  const plain = pictures(40, [8, 8, 1]);
  const all: AugmentOptions = { flip: true, crop: 2, cutout: 3, rotate: 20, scale: [0.8, 1.2], brightness: 0.3 };

  it('sees what preview shows', async () => {
    for (const backend of [cpu, gpu]) {
      const [trainer, judge] = [make(backend), make(backend)];
      const augmented = plain.augment({ flip: true, crop: 2 });
      await trainer.fit(augmented, { maxSteps: 1, batchSize: 40 });
      const seen = { ...plain, x: { ...plain.x, ...(await preview(backend, augmented, { count: 40, seed: 3 })) } };
      expect(trainer.history.steps.loss[0]).toBeCloseTo((await judge.evaluate(seen)).loss, 5);
      expect(trainer.history.steps.loss[0]).not.toBeCloseTo((await judge.evaluate(plain)).loss, 3);
    }
  });

  it('is the only one that sees it', async () => {
    const [trainer, other] = [make(), make()];
    const augmented = plain.augment(all);
    const { epochs } = await trainer.fit(augmented, { epochs: 2, batchSize: 16, validation: augmented });
    const judged = await trainer.evaluate(plain);
    expect(epochs.at(-1)!.validation!.loss).toBe(judged.loss);
    expect(await trainer.evaluate(augmented)).toEqual(judged);
    expect(await trainer.predict(augmented)).toEqual(await trainer.predict(plain));
    await loadCheckpoint(other, await saveCheckpoint(trainer));
    const given = [augmented, plain].map(({ x, y }) => [x, y] as const);
    const [one, two] = [await trainer.trainOnBatch(...given[0]!), await other.trainOnBatch(...given[1]!)];
    expect(one.loss).toBe(two.loss);
  });

  it('splits, slices and scales a set with its augmentation', async () => {
    const augmented = plain.augment({ crop: 2 });
    const { train, validation } = split(augmented, 0.25);
    for (const set of [train, validation, augmented.slice(3, 9), rescaled(augmented, { mean: 0.5, std: 0.5 })])
      expect(set.x.augmentation).toBe(augmented.x.augmentation);
  });

  it('knows the parts that it held out of a set from those of the same set augmented', async () => {
    const losses = [plain, plain.augment({ cutout: 8 }), plain].map(async (data) => {
      const trainer = make();
      await trainer.fit(data, { epochs: 1, validationSplit: 8 });
      return trainer.history.steps.loss[0];
    });
    const [before, augmented, after] = await Promise.all(losses);
    expect(augmented).not.toBe(before);
    expect(after).toBe(before);
  });

  it.each([
    ['CPU', () => cpu],
    ['GPU', () => gpu],
  ] as const)('has the same bits for any length of submits, and resumed: %s', async (_, on) => {
    const augmented = plain.augment(on() === cpu ? all : { flip: true, crop: 2, brightness: 0.3 });
    const options = { maxSteps: 12, batchSize: 16 };
    const whole = make(on());
    await whole.fit(augmented, options);
    const wanted = await saveWeights(whole);

    const stepwise = make(on(), 3, 1e-3);
    await stepwise.fit(augmented, options);
    expect(await saveWeights(stepwise)).toEqual(wanted);

    const [half, rest] = [make(on()), make(on())];
    for await (const event of half.fit(augmented, { ...options, events: 'step' }))
      if (event.type === 'step' && event.step === 5) break;
    await loadCheckpoint(rest, await saveCheckpoint(half));
    await rest.fit(augmented, { ...options, resume: true });
    expect(await saveWeights(rest)).toEqual(wanted);

    const seeded = make(on(), 4);
    await seeded.fit(augmented, options);
    expect(await saveWeights(seeded)).not.toEqual(wanted);
  });

  it('remembers the augmentation of a run, and resumes with no other', async () => {
    const trainer = make();
    await trainer.fit(plain.augment({ flip: true, crop: 2 }), { maxSteps: 2 });
    expect(trainer.run!.augmentation).toEqual({
      x: { flip: { horizontal: 0.5, vertical: 0 }, crop: { padding: 2, mode: 'zeros' } },
    });
    const loaded = make();
    await loadCheckpoint(loaded, await saveCheckpoint(trainer));
    await expect(loaded.fit(plain, { maxSteps: 4, resume: true })).rejects.toThrow(
      'fit: augmentation is none, but the run to resume has {"x":{"flip":{"horizontal":0.5,"vertical":0},"crop":{"padding":2,"mode":"zeros"}}}. Give the same value, or leave out resume to start a new run.',
    );
    await loaded.fit(plain.augment({ crop: 2, flip: 'horizontal' }), { maxSteps: 4, resume: true });
    expect(loaded.stepsMade).toBe(4);
  });

  it('augments one set in two ways, one run after another', async () => {
    const [trainer, other] = [make(), make()];
    await trainer.fit(plain, { maxSteps: 1 });
    await trainer.fit(plain.augment({ cutout: 8 }), { maxSteps: 1 });
    await other.fit(plain, { maxSteps: 2 });
    expect(trainer.history.steps.loss[0]).toBe(other.history.steps.loss[0]);
    expect(trainer.history.steps.loss[1]).not.toBe(other.history.steps.loss[1]);
  });

  it('finds a learning rate on augmented pictures', async () => {
    const [one, two] = [
      await lrFind(make(), plain, { steps: 5 }),
      await lrFind(make(), plain.augment(all), { steps: 5 }),
    ];
    expect(two.losses[0]).not.toBe(one.losses[0]);
  });

  it('is the same where the device holds the pictures in parts', () => {
    const augmented = plain.augment(all);
    const draw = { step: constant([5], { dtype: 'u32' }), seed: constant([1, 2], { dtype: 'u32' }) };
    const rows = constant([39, 0, 17, 16], { dtype: 'u32' });
    const x = [1e9, 1000].map((maxBytes) => rowsAt(augmented, rows, maxBytes, draw).x as never);
    const [whole, parts] = interpret(x, () => undefined);
    expect(parts!.data).toEqual(whole!.data);
  });

  it('adds no dispatch to a step', () => {
    const dispatches = (data: DataSet) =>
      explainStep({
        model: new Sequential(new Flatten(), new Linear(32 * 32 * 3, 16), new ReLU(), new Linear(16, 3)),
        loss: softmaxCrossEntropy,
        optimizer: sgd(0.1),
        data,
        batchSize: 64,
        as: 'gpu',
      }).dispatches.filter(({ once }) => !once).length;
    const set = pictures(100, [32, 32, 3]);
    expect(dispatches(set.augment(all))).toBe(dispatches(set));
  });
});

describe('what it refuses', () => {
  const set = pictures(4, [6, 8, 3]);
  const refused = (options: object, data: { augment(options: AugmentOptions): unknown } = set) => {
    try {
      data.augment(options as AugmentOptions);
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`;
    }
    return 'taken';
  };

  it.each([
    [{ crop: 6 }, 'crop is 6, but the pictures are 6 x 8: such a shift would leave nothing of them. Use less than 6.'],
    [{ crop: -1 }, "crop is -1. Give the pixels of padding, such as 4, or { padding: 4, mode: 'reflect' }."],
    [{ cutout: 7 }, 'cutout is 7, but the pictures are 6 x 8. Use at most 6.'],
    [
      { rotate: 270 },
      'rotate is 270. Give degrees from 0 to 180, such as 15, or the lowest and the highest: [-10, 30].',
    ],
    [
      { rotate: [10, -10] },
      'rotate is an array. Give degrees from 0 to 180, such as 15, or the lowest and the highest: [-10, 30].',
    ],
    [{ scale: [0, 1] }, 'scale is an array. Give the lowest and the highest factor, within 0.25 to 4: [0.9, 1.1].'],
    [
      { brightness: -0.1 },
      'brightness is -0.1. Give a number from 0, such as 0.2 for factors from 0.8 to 1.2, or the lowest and the highest factor: [0.5, 1.2].',
    ],
    [
      { flip: 'left' },
      "flip is \"left\". Give true, 'horizontal', 'vertical', 'both', or probabilities: { horizontal: 0.5 }.",
    ],
    [{ flip: { horizontal: 2 } }, 'flip: horizontal is 2. Give a probability from 0 to 1.'],
    [{ crop: { mode: 'reflect' } }, 'crop: padding is undefined. Give a whole number of pixels from 0, such as 4.'],
    [{ flips: true }, 'there is no option flips. Did you mean flip?'],
    [{ part: 'x' }, 'part is x, but x of pictures has one tensor. Leave it out.'],
  ])('%j', (options, message) => {
    expect(refused(options)).toBe(`OptionError: augment: ${message}`);
  });

  it('data that are no pictures', () => {
    const labels = new Uint8Array(4);
    const of = (
      shape: number[],
      data: Float32Array | Uint8Array | Int32Array | Uint16Array,
      options: object = { crop: 1 },
    ) => refused(options, arrayDataset({ shape, data }, labels, { classes: 2, name: 'mine' }));
    expect(of([4, 36], new Uint8Array(144))).toBe(
      'DataError: augment: x of mine is [4, 36], not pictures [size, H, W, C]. Give their shape to datasets.array, or load them as pictures: datasets.mnist({ images: true }).',
    );
    expect(of([4, 6, 6], new Uint8Array(144))).toBe(
      'DataError: augment: x of mine is [4, 6, 6], not pictures [size, H, W, C]. Give them a channel: shape [4, 6, 6, 1].',
    );
    expect(of([4, 3, 3, 1], new Int32Array(36))).toBe(
      'DataError: augment: x of mine is i32, but pictures are bytes or floats. Give a Uint8Array or a Float32Array.',
    );
    expect(of([4, 3, 3, 1], new Float32Array(36).fill(-2), { brightness: 0.1 })).toBe(
      'DataError: augment: brightness takes floats from 0 to 1, but x of mine has -2. Give bytes or scale them, or leave brightness out.',
    );
    expect(of([4, 3, 3, 1], new Float32Array(36).fill(-2))).toBe('taken');
    const long = arrayDataset({ shape: [2, 1, 4097, 1], data: new Uint8Array(8194) }, [0, 1], { name: 'long' });
    expect(refused({ rotate: 5 }, long)).toBe(
      'OptionError: augment: the pictures are 1 x 4097, but rotate and scale take at most 4096 pixels a side. Leave them out, or give smaller pictures.',
    );
  });

  it('inputs among which it cannot tell, or that have none', () => {
    const x = set.x;
    const labels = new Uint8Array(4);
    const two = arrayDataset({ left: x, right: x }, labels, { classes: 2, name: 'pairs' });
    expect(refused({ crop: 1 }, two)).toBe(
      "OptionError: augment: left and right of pairs are pictures. Name one: { part: 'left' }.",
    );
    expect(refused({ part: 'rigth' }, two)).toBe(
      'OptionError: augment: part is rigth, but x of pairs has left, right. Did you mean right?',
    );
    const none = arrayDataset({ a: [[1], [2]], b: [[1], [2]] }, [0, 1], { name: 'rows' });
    expect(refused({}, none)).toBe(
      'DataError: augment: none of a, b of rows has pictures [size, H, W, C]. Give pictures four axes.',
    );
  });

  it('what would part pixels and targets, and fractions where numbers stay whole', () => {
    const masks = arrayDataset(
      set.x,
      { shape: [4, 6, 8], data: new Uint8Array(192) },
      { targets: 'classes', classes: 2, name: 'masks' },
    );
    expect(refused({ cutout: 2, brightness: 0.1 }, masks)).toBe('taken');
    expect(refused({ cutout: 2, crop: 1 }, masks)).toBe(
      'OptionError: augment: crop would move pixels, but not their targets, y [4, 6, 8] of masks. Use cutout and brightness only.',
    );
    const whole = arrayDataset(set.x, new Uint8Array(4), { classes: 2, scale: false, name: 'whole' });
    expect(refused({ flip: true, brightness: 0.1 }, whole)).toBe(
      'OptionError: augment: brightness makes fractions, but x of whole are bytes with scale: false, which stay whole. Leave it out.',
    );
    expect(refused({ flip: true, crop: 2 }, whole)).toBe('taken');
  });

  it('to augment twice, and to show what is not augmented', async () => {
    expect(refused({ crop: 1 }, set.augment({ flip: true }))).toBe(
      'OptionError: augment: x of pictures is augmented already. Give all options in one call.',
    );
    await expect(preview(cpu, set)).rejects.toThrow(
      'preview: pictures is not augmented. Give data.augment({ flip: true }), or another augmentation.',
    );
    await expect(preview(null as never, set)).rejects.toThrow(
      'preview: the backend is null. Pass a backend: await createBackend().',
    );
  });
});
