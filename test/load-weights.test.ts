// Weights of files from elsewhere: what loadWeights makes of other names, dtypes and parts of a model, and what it refuses.
import { describe, expect, it } from 'vitest';
import { createCpuBackend } from '../src/backend.ts';
import type { DType } from '../src/graph/dtype.ts';
import { CheckpointError, OptionError } from '../src/graph/errors.ts';
import { type Tensor, Variable } from '../src/graph/tensor.ts';
import { Linear } from '../src/nn/linear.ts';
import { Sequential } from '../src/nn/sequential.ts';
import { relu } from '../src/ops/activations.ts';
import { adam } from '../src/optim/adam.ts';
import { describeCheckpoint } from '../src/train/checkpoint.ts';
import { loadCheckpoint, loadWeights, saveCheckpoint, saveWeights } from '../src/train/files.ts';
import type { LoadWeightsOptions } from '../src/train/load-weights.ts';
import { network } from '../src/train/network.ts';
import { networkOf } from '../src/train/network-file.ts';
import { readSafetensors, type TensorToStore, writeSafetensors } from '../src/train/safetensors.ts';
import type { StoredDtype } from '../src/train/stored-dtypes.ts';
import type { Trainer } from '../src/train/trainer.ts';
import { blobs, Net, netTrainer, weightsOf } from './blobs.ts';

/** The weights of a trainer as a file of other names: undefined leaves a tensor out. */
async function fileOf(trainer: Trainer, name: (path: string) => string | undefined, more = {}): Promise<Uint8Array> {
  const { tensors } = readSafetensors(await saveWeights(trainer));
  const renamed = [...tensors].flatMap(([path, tensor]) => {
    const now = name(path);
    return now === undefined ? [] : [[now, tensor] as const];
  });
  return writeSafetensors(new Map<string, TensorToStore>([...renamed, ...Object.entries<TensorToStore>(more)]));
}

const one = { shape: [1], data: Float32Array.of(1) };
const of = (model: TrainerModel, seed = 9) => netTrainer({ model, seed });
type TrainerModel = { forward(x: Tensor): Tensor };

class Nested {
  encoder = new Sequential(new Linear(4, 5), relu, new Sequential(new Linear(5, 4), relu));
  heads = [new Linear(4, 3)];
  forward(x: Tensor): Tensor {
    return this.heads[0]!.forward(this.encoder.forward(x));
  }
}
class Wrapped {
  net = new Net();
  forward(x: Tensor): Tensor {
    return this.net.forward(x);
  }
}
const sequential = () => new Sequential(new Linear(4, 5), relu, new Linear(5, 3));

describe('strict: false', () => {
  it('loads what fits, and gives what is missing and what is unexpected', async () => {
    const [a, b] = [of(new Net(), 1), of(new Net(), 2)];
    const before = await weightsOf(b);
    const file = await fileOf(a, (name) => (name === 'hidden.bias' ? undefined : name), { 'extra.weight': one });
    expect(await loadWeights(b, file, { strict: false })).toEqual({
      missing: ['hidden.bias'],
      unexpected: ['extra.weight'],
      renamed: {},
    });
    expect(await weightsOf(b)).toEqual({ ...(await weightsOf(a)), 'hidden.bias': before['hidden.bias'] });
  });

  it('of a file that fits gives nothing, and leaves the moments of the trainer', async () => {
    const a = netTrainer({ optimizer: adam() });
    await a.fit(blobs(30), { maxSteps: 2, batchSize: 10 });
    const moment = (bytes: Uint8Array) => readSafetensors(bytes).tensors.get('optimizer.m.out.bias')!.data;
    const want = moment(await saveCheckpoint(a));
    const fresh = netTrainer({ seed: 5, optimizer: adam() });
    for (const file of [await saveWeights(fresh), await saveCheckpoint(fresh)]) {
      expect(await loadWeights(a, file, { strict: false })).toEqual({ missing: [], unexpected: [], renamed: {} });
      expect(moment(await saveCheckpoint(a))).toEqual(want);
    }
  });

  it.each([true, false])('refuses another shape with strict: %s, and changes nothing', async (strict) => {
    const [a, b] = [of(new Net(9)), of(new Net())];
    const before = await weightsOf(b);
    await expect(loadWeights(b, await saveWeights(a), 'w.st', { strict })).rejects.toThrow(
      'w.st: the tensors do not match the model (1 of its 4 fit):\n  "hidden.weight" has shape [9, 4], but the model expects [8, 4]\n',
    );
    expect(await weightsOf(b)).toEqual(before);
  });

  it('says what to do about the transpose', async () => {
    const b = of(new Linear(4, 3));
    const file = writeSafetensors({
      weight: { shape: [4, 3], data: new Float32Array(12) },
      bias: { shape: [3], data: new Float32Array(3) },
    });
    await expect(loadWeights(b, file, { file: 'keras.st' })).rejects.toThrow(
      'keras.st: the tensors do not match the model (1 of its 2 fit):\n  "weight" has shape [4, 3], but the model expects [3, 4], which is its transpose\nTranspose them: Linear stores its weight as [out, in], like PyTorch; Keras and Flax use [in, out]. Convert the file with readSafetensors and writeSafetensors.',
    );
  });
});

describe('prefixes that are understood', () => {
  const cases: [string, () => TrainerModel, (path: string) => string][] = [
    ["DataParallel's", () => new Net(), (path) => `module.${path}`],
    ["torch.compile's", () => new Net(), (path) => `_orig_mod.${path}`],
    ['model.', () => new Net(), (path) => `model.${path}`],
    ['two as one', () => new Net(), (path) => `module._orig_mod.${path}`],
    ['any other', () => new Net(), (path) => `state.of.mine.${path}`],
    ['one that is not there', () => new Wrapped(), (path) => path.slice('net.'.length)],
    ['that of one layer', () => new Linear(4, 3), (path) => `fc.${path}`],
    ["nn.Sequential's names", sequential, (path) => path.slice('layers.'.length)],
    ["nn.Sequential's under a prefix", sequential, (path) => `stack.${path.slice('layers.'.length)}`],
    ["nn.Sequential's inside a model", () => new Nested(), (path) => path.replaceAll('.layers.', '.')],
    ['both', () => new Nested(), (path) => `module.${path.replaceAll('.layers.', '.')}`],
  ];
  it.each(cases)('%s', async (_, model, name) => {
    const [a, b] = [of(model(), 1), of(model(), 2)];
    const loaded = await loadWeights(b, await fileOf(a, name));
    expect(await weightsOf(b)).toEqual(await weightsOf(a));
    const paths = a.parameters().map(({ path }) => path);
    const renamed = Object.fromEntries(paths.map((path) => [name(path), path]).filter(([from, to]) => from !== to));
    expect(Object.keys(renamed).length).toBeGreaterThan(0);
    expect(loaded).toEqual({ missing: [], unexpected: [], renamed });
  });

  const halves: [string, (path: string) => string | undefined, object][] = [
    ['one name has none', (path) => (path === 'out.bias' ? path : `module.${path}`), {}],
    ['one name has another', (path) => (path === 'out.bias' ? 'madule.out.bias' : `module.${path}`), {}],
    ['one tensor is missing', (path) => (path === 'out.bias' ? undefined : `module.${path}`), {}],
    ['there is one more', (path) => `module.${path}`, { 'module.x': one }],
    ['it does not end in a dot', (path) => `module${path}`, {}],
  ];
  it.each(halves)('but never half: %s', async (_, name, more) => {
    const [a, b] = [of(new Net(), 1), of(new Net(), 2)];
    const before = await weightsOf(b);
    const file = await fileOf(a, name, more);
    await expect(loadWeights(b, file)).rejects.toThrow(CheckpointError);
    expect((await loadWeights(b, file, { strict: false })).renamed).toEqual({});
    const after = await weightsOf(b);
    for (const path of ['hidden.weight', 'hidden.bias', 'out.weight']) expect(after[path]).toEqual(before[path]);
  });

  it("a checkpoint's weights too, whose moments are left alone", async () => {
    const a = netTrainer({ model: new Wrapped(), optimizer: adam(), seed: 1 });
    const b = of(new Net(), 2);
    const { renamed } = await loadWeights(b, await saveCheckpoint(a));
    expect(renamed).toMatchObject({ 'net.out.bias': 'out.bias' });
    expect(Object.values(await weightsOf(b))).toEqual(Object.values(await weightsOf(a)));
  });

  it('shapes are checked under the prefix', async () => {
    const [a, b] = [of(new Net(9)), of(new Net())];
    await expect(loadWeights(b, await fileOf(a, (path) => `module.${path}`))).rejects.toThrow(
      '"module.hidden.weight" has shape [9, 4], but the model expects [8, 4]',
    );
  });

  it('an array of layers keeps its name beside a Sequential', async () => {
    const names = of(new Nested())
      .parameters()
      .map(({ path }) => path);
    expect(names).toContain('encoder.layers.2.layers.0.weight');
    expect(names).toContain('heads.0.weight');
  });

  it('of weights that describe their network', async () => {
    const description = { inputs: 4, hidden: [5], outputs: 3, activation: 'relu', loss: 'cross-entropy' } as const;
    const a = of(network(description).model as TrainerModel);
    const { tensors, metadata } = readSafetensors(await saveWeights(a));
    const prefixed = new Map<string, TensorToStore>(
      [...tensors].map(([name, { shape, data }]) => [
        `module.${name}`,
        { shape, data: Float64Array.from(data as Float32Array) },
      ]),
    );
    const bytes = writeSafetensors(prefixed, metadata);
    expect(networkOf(bytes)).toEqual(description);
    const b = of(network(description).model as TrainerModel, 3);
    await loadWeights(b, bytes);
    expect(await weightsOf(b)).toEqual(await weightsOf(a));
    prefixed.delete('module.out.bias');
    expect(() => networkOf(writeSafetensors(prefixed, metadata), 'w.st')).toThrow(/^w\.st: .*"out\.bias" is missing/s);
  });
});

describe('rename', () => {
  const load = async (name: (path: string) => string, rename: LoadWeightsOptions['rename'], more = {}) => {
    const [a, b] = [of(new Net(), 1), of(new Net(), 2)];
    const loaded = await loadWeights(b, await fileOf(a, name, more), 'w.st', { rename: rename! });
    expect(await weightsOf(b)).toEqual(await weightsOf(a));
    return loaded;
  };
  const foreign = (path: string) => path.replace('hidden.', 'fc.0.').replace('out.', 'fc.');

  it('by an object: whole names, else the longest prefix', async () => {
    const record = { 'fc.': 'out.', 'fc.0.': 'hidden.', fc: 'x', 'fc.0.weight': 'hidden.weight' };
    const loaded = await load(foreign, record);
    expect(loaded.renamed).toEqual({
      'fc.0.weight': 'hidden.weight',
      'fc.0.bias': 'hidden.bias',
      'fc.weight': 'out.weight',
      'fc.bias': 'out.bias',
    });
  });

  it('by an object whose empty key is every prefix', () =>
    load((path) => (path.startsWith('out.') ? `a.${path}` : path), { 'a.': 'net.', '': 'net.' }));

  it('by a function, which skips what it gives undefined for', async () => {
    const rename = (name: string) => (name.startsWith('loss.') ? undefined : name.replace('wide.', 'hidden.'));
    const loaded = await load((path) => path.replace('hidden.', 'wide.'), rename, { 'loss.weight': one });
    expect(loaded).toMatchObject({ unexpected: [], renamed: { 'wide.bias': 'hidden.bias' } });
  });

  it('and then by a prefix, where all fit', () =>
    load((path) => `module.${foreign(path)}`, {
      'module.fc.0.': 'model.hidden.',
      'module.fc.': 'model.out.',
    }));

  const refusals: [string, LoadWeightsOptions['rename'], new () => Error, string][] = [
    [
      'the same name twice',
      { 'hidden.bias': 'out.bias' },
      CheckpointError,
      'w.st: "hidden.bias" and "out.bias" are both renamed to "out.bias". Give each tensor a different name, or skip one: rename may return undefined.',
    ],
    [
      'a name that the model does not have',
      { 'hidden.bias': 'hiden.bias' },
      CheckpointError,
      '  "hidden.bias" is missing (F32 [8])\n  "hidden.bias", renamed to "hiden.bias", is not part of the model\n',
    ],
    [
      'no name',
      (() => 3) as never,
      OptionError,
      'rename: it returned 3 for "hidden.weight". Give a name, or undefined to skip it.',
    ],
    [
      'a Map',
      new Map() as never,
      OptionError,
      "loadWeights: rename is a Map. Give a function (name) => string | undefined, or an object of old to new names: { 'module.': '' }.",
    ],
  ];
  it.each(refusals)('refuses %s', async (_, rename, type, message) => {
    const b = of(new Net());
    const bytes = await saveWeights(b);
    const loading = loadWeights(b, bytes, 'w.st', { rename: rename! });
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toBeInstanceOf(type);
  });
});

describe('what does not fit', () => {
  const wide = () => new Sequential(...Array.from({ length: 9 }, () => new Linear(4, 4)));
  const advice = async (model: TrainerModel, name: (path: string) => string | undefined, more = {}) => {
    const trainer = of(model);
    const message = await loadWeights(trainer, await fileOf(trainer, name, more), 'w.st').then(
      () => 'loaded',
      (error: Error) => error.message,
    );
    return message.split('\n');
  };
  const last = async (...args: Parameters<typeof advice>) => (await advice(...args)).at(-1);
  const OWN = 'Use the file with the preset or model it was saved from';

  it('is listed, a few of each kind', async () => {
    const lines = await advice(wide(), (path) => `${path.replace('layers.', 'lin')}_`);
    expect(lines).toHaveLength(16);
    expect(lines[0]).toBe('w.st: the tensors do not match the model (0 of its 18 fit):');
    expect(lines[1]).toBe('  "layers.0.weight" is missing (F32 [4, 4])');
    expect(lines[7]).toBe('  and 12 more are missing');
    expect(lines[8]).toBe('  "lin0.weight_" is not part of the model');
    expect(lines[14]).toBe('  and 12 more are not part of the model');
    expect(lines[15]).toBe(`${OWN}. loadWeights can rename tensors, and with strict: false loads every match.`);
  });

  it('by the names of layers, is answered with their renaming', async () => {
    const names = (path: string) => path.replace('hidden.', 'fc1.').replace('out.', 'fc2.');
    const call = 'loadWeights(trainer, bytes, { rename: { "fc1.": "hidden.", "fc2.": "out." } })';
    expect(await last(new Net(), names)).toBe(`Use ${call}.`);
    const [a, b] = [of(new Net(), 1), of(new Net(), 2)];
    await loadWeights(b, await fileOf(a, names), { rename: { 'fc1.': 'hidden.', 'fc2.': 'out.' } });
    expect(await weightsOf(b)).toEqual(await weightsOf(a));
  });

  it('by layers of equal shapes, with a caveat and not all of them', async () => {
    const text = await last(wide(), (path) => path.replace(/layers\.(\d)/, (_, k) => `linear${Number(k) + 5}`));
    expect(text).toMatch(
      /^Use loadWeights\(trainer, bytes, \{ rename: \{ "linear5\.": "layers\.0\.", "linear6\.": "layers\.1\.", "linear7\.": "layers\.2\.", "linear8\.": "layers\.3\.", "linear9\.": "layers\.4\.", "linear10\.": "layers\.5\.", "linear11\.": "layers\.6\.", "linear12\.": "layers\.7\.", … \} \}\)\. Layers of equal shapes are matched in order: check them\.$/,
    );
  });

  it('by one prefix in the place of another', async () =>
    expect(await last(new Wrapped(), (path) => path.replace('net.', 'my.model.'))).toBe(
      'Use loadWeights(trainer, bytes, { rename: { "my.model.": "net." } }).',
    ));

  it('since the file has more', async () =>
    expect(await last(new Net(), (path) => `encoder.${path}`, { 'decoder.weight': one })).toBe(
      `${OWN}, or loadWeights(trainer, bytes, { rename: { "encoder.": "" }, strict: false }).`,
    ));

  it('since the model has more', async () =>
    expect(await last(new Wrapped(), (path) => (path === 'net.out.bias' ? undefined : path.slice(4)))).toBe(
      `${OWN}, or loadWeights(trainer, bytes, { rename: { "": "net." }, strict: false }).`,
    ));

  it('though all names are right', async () =>
    expect(await last(new Net(), (path) => path, { more: one })).toBe(
      `${OWN}, or loadWeights(trainer, bytes, { strict: false }).`,
    ));

  it('is told soon, however much there is', async () => {
    const b = of(new Net());
    const many = Array.from({ length: 30_000 }, (_, k) => [`t${k}.hidden.weight`, one] as const);
    await expect(loadWeights(b, writeSafetensors(new Map(many)))).rejects.toThrow('and 29994 more');
  });

  it('has its names escaped', async () => {
    const text = (await advice(new Net(), (path) => path.replace('out.', 'o\u001b[2J.'))).join('\n');
    expect(text).toContain('"o\\u001b[2J.": "out."');
    expect(text).not.toContain('\u001b');
  });
});

describe('dtypes', () => {
  /** A model with a variable of each dtype. */
  class Typed {
    weight = new Variable([4], { trainable: true, initial: () => new Float32Array(4) });
    u32 = buffer('u32', (n) => new Uint32Array(n));
    i32 = buffer('i32', (n) => new Int32Array(n));
    u8 = buffer('u8', (n) => new Uint8Array(n));
    forward(x: Tensor): Tensor {
      return x;
    }
  }
  function buffer(dtype: DType, zeros: (n: number) => Uint32Array | Int32Array | Uint8Array): Variable {
    return new Variable([3], { dtype, initial: () => zeros(3) });
  }
  const load = async (tensors: Record<string, TensorToStore>, trainer?: Trainer) => {
    const b = trainer ?? of(new Typed());
    await loadWeights(b, writeSafetensors(tensors), 'w.st', { strict: false });
    return weightsOf(b);
  };

  const floats: [StoredDtype, TensorToStore['data'], number[]][] = [
    ['F32', Float32Array.of(0.1, -0, 1e38, 3), [Math.fround(0.1), -0, Math.fround(1e38), 3]],
    ['F64', Float64Array.of(0.1, -0, 1e-300, 3), [Math.fround(0.1), -0, 0, 3]],
    ['F16', Float32Array.of(0.5, -0, 65504, 2 ** -24), [0.5, -0, 65504, 2 ** -24]],
    ['BF16', Float32Array.of(0.5, -0, 2 ** 100, 3), [0.5, -0, 2 ** 100, 3]],
    ['I64', BigInt64Array.of(-1n, 0n, 2n ** 60n, 3n), [-1, 0, 2 ** 60, 3]],
    ['U64', BigUint64Array.of(1n, 0n, 2n ** 63n, 3n), [1, 0, 2 ** 63, 3]],
    ['I32', Int32Array.of(-1, 0, 2 ** 24 + 1, 3), [-1, 0, 2 ** 24, 3]],
    ['U32', Uint32Array.of(1, 0, 2 ** 31, 3), [1, 0, 2 ** 31, 3]],
    ['I16', Int16Array.of(-1, 0, 2, 3), [-1, 0, 2, 3]],
    ['U16', Uint16Array.of(1, 0, 65535, 3), [1, 0, 65535, 3]],
    ['I8', Int8Array.of(-1, 0, 2, 3), [-1, 0, 2, 3]],
    ['U8', Uint8Array.of(1, 0, 255, 3), [1, 0, 255, 3]],
    ['BOOL', Uint8Array.of(1, 0, 1, 0), [1, 0, 1, 0]],
  ];
  it.each(floats)('%s becomes f32', async (dtype, data, want) =>
    expect((await load({ weight: { dtype, shape: [4], data } }))['weight']).toEqual(want),
  );

  const integers: [string, TensorToStore['data'], number[]][] = [
    ['u32', BigInt64Array.of(0n, 7n, 2n ** 32n - 1n), [0, 7, 2 ** 32 - 1]],
    ['i32', BigInt64Array.of(-(2n ** 31n), 7n, 2n ** 31n - 1n), [-(2 ** 31), 7, 2 ** 31 - 1]],
    ['u8', BigInt64Array.of(0n, 7n, 255n), [0, 7, 255]],
    ['u32', BigUint64Array.of(0n, 7n, 9n), [0, 7, 9]],
    ['u32', Int32Array.of(0, 7, 2 ** 31 - 1), [0, 7, 2 ** 31 - 1]],
    ['i32', Uint32Array.of(0, 7, 9), [0, 7, 9]],
    ['i32', Int8Array.of(-128, 7, 9), [-128, 7, 9]],
    ['u8', Uint16Array.of(0, 7, 255), [0, 7, 255]],
  ];
  it.each(integers)('integers in range become %s', async (name, data, want) =>
    expect((await load({ [name]: { shape: [3], data } }))[name]).toEqual(want),
  );

  it('NaN and infinity are taken as they are', async () => {
    const data = Float64Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0);
    expect((await load({ weight: { shape: [4], data } }))['weight']).toEqual([...data]);
  });

  const refusals: [string, TensorToStore['data'], string][] = [
    [
      'weight',
      Float64Array.of(1, 2, -1e39, 4),
      'w.st: "weight" holds -1e+39 at index 2, beyond the range of f32. Give values in that range.',
    ],
    [
      'u32',
      BigInt64Array.of(1n, -1n, 2n),
      'w.st: "u32" holds -1 at index 1, beyond the range of u32. Give values in that range.',
    ],
    ['u32', BigInt64Array.of(1n, 2n, 2n ** 32n), '"u32" holds 4294967296 at index 2'],
    ['i32', Uint32Array.of(2 ** 31, 0, 0), '"i32" holds 2147483648 at index 0'],
    ['u8', Int16Array.of(1, 2, 256), '"u8" holds 256 at index 2'],
    ['u32', Float32Array.of(1, 2, 3), '"u32" is F32, but the model expects U32'],
    ['i32', Float64Array.of(1, 2, 3), '"i32" is F64, but the model expects I32'],
  ];
  it.each(refusals)('what %s cannot hold is refused, and nothing changed', async (name, data, message) => {
    const b = of(new Typed());
    const good = { i32: { shape: [3], data: Int32Array.of(5, 5, 5) }, [name]: { shape: [data.length], data } };
    await expect(load(good, b)).rejects.toThrow(message);
    await expect(load(good, b)).rejects.toThrow(CheckpointError);
    for (const values of Object.values(await weightsOf(b))) expect(new Set(values)).toEqual(new Set([0]));
  });

  it('in a backend that computes in doubles', async () => {
    const [a, b] = [of(new Net(), 1), of(new Net(), 2)];
    const { Trainer } = await import('../src/train/trainer.ts');
    const { meanSquaredError } = await import('../src/loss/index.ts');
    const backend = createCpuBackend({ precision: 'float64' });
    const doubles = new Trainer(backend, {
      model: new Net(),
      loss: meanSquaredError,
      optimizer: adam(),
      seed: 3,
    });
    await loadWeights(doubles, await fileOf(a, (path) => `module.${path}`));
    await loadWeights(b, await saveWeights(doubles));
    expect(await weightsOf(b)).toEqual(await weightsOf(a));
    doubles.dispose();
  });

  it('checkpoints that are gone on with have their own, exactly', async () => {
    const a = netTrainer();
    const { tensors, metadata } = readSafetensors(await saveCheckpoint(a));
    const changed = (name: string, tensor: TensorToStore) =>
      writeSafetensors(new Map<string, TensorToStore>([...tensors, [name, tensor]]), metadata);
    const halves = changed('out.bias', { dtype: 'F16', shape: [3], data: new Float32Array(3) });
    await expect(loadCheckpoint(a, halves, 'c.st')).rejects.toThrow('"out.bias" is F16, but the model expects F32');
    await loadWeights(a, halves);
    const step = changed('trainer.step', { shape: [1], data: BigInt64Array.of(0n) });
    await expect(loadCheckpoint(a, step, 'c.st')).rejects.toThrow('"trainer.step" is I64, but the model expects U32');
    expect(() => describeCheckpoint(step, 'c.st')).toThrow('c.st: it is not a checkpoint of a run.');
  });
});
