// Backends as JavaScript and TypeScript meet them: options that there are none of, and inputs by name.
import { describe, expect, it } from 'vitest';
import { type BackendOptions, createBackendWith, createCpuBackend } from '../src/backend.ts';
import { browserProvider, type GpuProvider } from '../src/gpu/adapter.ts';
import type { NdArray } from '../src/graph/op.ts';
import type { Tensor } from '../src/graph/tensor.ts';
import { add } from '../src/ops/binary.ts';

const create = (options: unknown) => createBackendWith(browserProvider(), options as BackendOptions);
const two: NdArray = { shape: [2], dtype: 'f32', data: Float32Array.of(1, 2) };

it('refuses options that there are none of', async () => {
  await expect(create({ devise: 'cpu' })).rejects.toThrow(
    'createBackend: there is no option devise. Did you mean device?',
  );
  await expect(create({ zzz: 1 })).rejects.toThrow(
    'there is no option zzz. Its options are device, adapter, threads, fuse, persistent, deterministic, tuning, precision.',
  );
  await expect(create('cpu')).rejects.toThrow('createBackend: its options are "cpu". Give an object of device');
  await expect(create(null)).rejects.toThrow('createBackend: its options are null.');
  expect(() => createCpuBackend({ precission: 'float64' } as never)).toThrow('Did you mean precision?');
});

describe('which device', () => {
  /** A provider that has these kinds of adapter, and says what it was asked for. */
  const provider = (...there: ('hardware' | 'software')[]) => {
    const asked: unknown[] = [];
    const open: GpuProvider['open'] = async (choice) => {
      asked.push(choice);
      const found = there.find((kind) => choice === undefined || choice === kind);
      if (!found) return { opened: undefined, refused: ["X: a software adapter. Take it with adapter 'software'."] };
      const device = { limits: {}, lost: new Promise(() => {}), destroy() {} } as unknown as GPUDevice;
      const name = found === 'software' ? 'X' : 'GeForce';
      const report = {
        name,
        vendor: '',
        architecture: '',
        description: '',
        driver: '',
        software: found === 'software',
      };
      return { opened: { device, report: { ...report, features: [], limits: {} }, close() {} }, refused: [] };
    };
    return { asked, open };
  };
  const chosen = async (there: ('hardware' | 'software')[], options: BackendOptions) => {
    const backend = await createBackendWith(provider(...there), options);
    return [backend.kind, backend.adapter.name];
  };

  it.each<[string, ('hardware' | 'software')[], BackendOptions, string[]]>([
    ['auto: hardware', ['hardware', 'software'], {}, ['gpu', 'GeForce']],
    ['auto: the CPU rather than a software adapter', ['software'], {}, ['cpu', 'CPU']],
    ['auto: the CPU where there is nothing', [], {}, ['cpu', 'CPU']],
    ['gpu: a software adapter where there is no other', ['software'], { device: 'gpu' }, ['gpu', 'X, software']],
    ['a software adapter that is asked for', ['hardware', 'software'], { adapter: 'software' }, ['gpu', 'X, software']],
  ])('%s', async (_, there, options, wanted) => expect(await chosen(there, options)).toEqual(wanted));

  it('says why it is the CPU, and throws where what was asked for is missing', async () => {
    const { line, notes } = await createBackendWith(provider('software'), {});
    expect(line).toMatch(/^Running on the CPU: no GPU was found\./);
    expect(notes).toEqual(["X: a software adapter. Take it with adapter 'software'."]);
    await expect(chosen([], { device: 'gpu' })).rejects.toThrow('no usable GPU device.');
    await expect(chosen(['software'], { adapter: 'hardware' })).rejects.toThrow('no usable GPU device.');
  });
});

it('lets a function take the inputs that are given, and no others', async () => {
  const backend = createCpuBackend();
  const { y } = await backend.run(({ a, b }) => add(a, b), { a: two, b: two });
  expect([...y!.data]).toEqual([2, 4]);
  // @ts-expect-error: there is no b
  await expect(backend.run(({ a, b }) => add(a, b), { a: two })).rejects.toThrow('add: undefined is neither');
  // @ts-expect-error: there are no inputs at all
  await expect(backend.run(({ a }) => add(a, 1))).rejects.toThrow('add: undefined is neither');
  // @ts-expect-error: there is no b
  expect(() => backend.compile(({ a, b }) => add(a, b), { a: two })).toThrow('add: undefined is neither');
  const many: Record<string, NdArray> = { a: two };
  const twice = (inputs: Record<string, Tensor>) => add(inputs['a']!, inputs['a']!);
  const program = await backend.compile(twice, many);
  expect([...(await program.run({ a: two.data }))['y']!.data]).toEqual([2, 4]);
  program.dispose();
  backend.dispose();
});

describe('run takes inputs as people have them', () => {
  const backend = createCpuBackend();
  it.each([
    ['a list', [1, 2], { shape: [2], dtype: 'f32' }, [2, 3]],
    ['rows', [[1], [2]], { shape: [2, 1], dtype: 'f32' }, [2, 3]],
    ['floats', Float32Array.of(1, 2), { shape: [2], dtype: 'f32' }, [2, 3]],
    ['integers', Int32Array.of(1, -2), { shape: [2], dtype: 'i32' }, [2, -1]],
    ['an array with its shape', two, { shape: two.shape, dtype: two.dtype }, [...two.data].map((v) => v + 1)],
  ])('%s', async (_, x, spec, wanted) => {
    const { y } = await backend.run(({ x }) => add(x, 1), { x });
    expect(y).toMatchObject(spec);
    expect([...y!.data]).toEqual(wanted);
  });

  it.each<[unknown, string]>([
    [[[1], [2, 3]], 'run: the input x: rows of different lengths. All arrays of one level must have the same length.'],
    [['a'], 'run: the input x: a member is "a". Give numbers, nested in arrays.'],
    [
      3,
      "run: the input x is 3. Give lists of numbers, a typed array, or { shape: [2], dtype: 'f32', data: Float32Array.of(1, 2) }.",
    ],
  ])('and refuses %j', async (x, message) => {
    await expect(backend.run(({ x }) => add(x, 1), { x: x as number[] })).rejects.toThrow(message);
  });
});
